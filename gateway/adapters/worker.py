"""A process beside the server for what takes long: one question at a time, in pieces of bytes, answered in such.

It is started when it is first needed, and kept. Questions and answers go through its pipes: how many pieces there are,
and each behind its length (8 bytes). When its input ends, for whatever reason, it ends. Large pieces are neither copied
as a whole nor sent in one go, so that the server's loop goes on meanwhile.
"""

import asyncio
import os
import select
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import BinaryIO

from gateway.adapters import dumps
from gateway.adapters.rota import Rota

_STOP_SECONDS = 2.0
_LEFT_SECONDS = 2.0
_LENGTH_BYTES = 8
_SLICE_BYTES = 250_000


class WorkerLost(Exception):
    """The worker ended, or took too long, before it had an answer. The next question starts another."""


class WorkerBusy(Exception):
    """So many wait for an answer already that no more are taken."""


class _Ended(Exception):
    """A worker ended before it had an answer."""


class Worker:
    """The server's side. `code` is the Python text that the process runs; it calls `answer`. After `most_seconds` a
    question is given up, and the process with it. No more than `most_waiting` questions wait (None: any number), and no
    more than half as many of one team, so that there is room for others. Teams have their turns in turn."""

    def __init__(self, code: str, most_seconds: float, most_waiting: int | None = None) -> None:
        self._code = code
        self._most_seconds = most_seconds
        self._most_waiting = most_waiting
        self._waiting: Counter[str | None] = Counter()
        self._idle: asyncio.subprocess.Process | None = None
        self._asking = Rota()
        self._left: asyncio.Task[list[bytes]] | None = None  # a question whose asker has left
        self.started = 0  # how many processes there have been: what an earlier one was told, this one does not know

    async def ask(self, question: Callable[[], Sequence[bytes]], team: str | None = None) -> list[bytes]:
        """The answer to a question, which is put together anew for each process that has to be asked. `team` is whose
        question it is, None: nobody's. Raises WorkerLost, and WorkerBusy at once."""
        waiting, most = self._waiting, self._most_waiting
        if most is not None and (waiting.total() >= most or (team is not None and waiting[team] >= (most + 1) // 2)):
            raise WorkerBusy
        waiting[team] += 1
        try:
            async with self._asking.turn(team):
                return await self._put(question)
        finally:
            waiting[team] -= 1
            if not waiting[team]:
                del waiting[team]

    async def _put(self, question: Callable[[], Sequence[bytes]]) -> list[bytes]:
        await self._part_with_left()
        fresh = False
        while True:
            if self._idle is None:
                self._idle, fresh = await self._start(), True
            pieces = question()
            process, self._idle = self._idle, None
            try:
                return await self._finish(process, pieces)
            except _Ended:  # of this question, or long before: a fresh one will tell
                if fresh:
                    raise WorkerLost("the process ended half-way") from None

    async def close(self) -> None:
        """Ends the worker, if there is one."""
        if self._left is not None:
            self._left.cancel()
            await asyncio.gather(self._left, return_exceptions=True)
            self._left = None
        process, self._idle = self._idle, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        self.started += 1
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", self._code),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # the very modules that we run
            start_new_session=True,  # Ctrl-C is for the server, which then ends its worker
        )

    async def _finish(self, process: asyncio.subprocess.Process, question: Sequence[bytes]) -> list[bytes]:
        """The answer. Who asks may leave: the process then goes on with the question, and nobody gets what it says."""
        asking = asyncio.create_task(self._ask(process, question))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            self._left = asking
            asking.add_done_callback(self._forget)
            raise

    def _forget(self, asking: asyncio.Task[list[bytes]]) -> None:
        """Keeps nothing of an answer that nobody gets."""
        if self._left is asking:
            self._left = None

    async def _part_with_left(self) -> None:
        """Waits for the answer to a question whose asker has left, but not for long: to begin anew takes longer than
        most answers. Who waits may leave, too: the question stays known until it is done, so that no other process is
        started beside its own."""
        if (left := self._left) is None:
            return
        await asyncio.wait([left], timeout=_LEFT_SECONDS)
        left.cancel()  # if it still runs: its process ends with it
        await asyncio.gather(left, return_exceptions=True)
        self._left = None

    async def _ask(self, process: asyncio.subprocess.Process, question: Sequence[bytes]) -> list[bytes]:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._most_seconds):
                await _write(process.stdin, question)
                number = await _number(process.stdout)
                answer = [await _piece(process.stdout) for _ in range(number)]
            self._idle = process
        except TimeoutError:
            raise WorkerLost(f"it took longer than {self._most_seconds:.0f} s and was given up") from None
        except (ConnectionError, asyncio.IncompleteReadError):
            raise _Ended from None
        finally:
            if self._idle is not process and process.returncode is None:
                process.kill()  # nobody would read what it still has to say
        return answer


async def _write(stdin: asyncio.StreamWriter, pieces: Sequence[bytes]) -> None:
    stdin.write(_length(len(pieces)))
    for piece in pieces:
        stdin.write(_length(len(piece)))
        whole = memoryview(piece)
        for at in range(0, len(piece), _SLICE_BYTES):  # others go on in between
            stdin.write(whole[at : at + _SLICE_BYTES])
            await stdin.drain()


async def _number(stdout: asyncio.StreamReader) -> int:
    return int.from_bytes(await stdout.readexactly(_LENGTH_BYTES), "big")


async def _piece(stdout: asyncio.StreamReader) -> bytes:
    length = await _number(stdout)
    if length <= _SLICE_BYTES:
        return await stdout.readexactly(length)
    piece = BytesIO()  # its bytes are not copied once more at the end
    while (left := length - piece.tell()) > 0:
        block = await stdout.read(min(left, _SLICE_BYTES))
        if not block:
            raise asyncio.IncompleteReadError(b"", left)
        piece.write(block)
        await asyncio.sleep(0)  # what is there already is read without waiting
    return piece.getvalue()


def _length(number: int) -> bytes:
    return number.to_bytes(_LENGTH_BYTES, "big")


def answer(
    find: Callable[[list[bytes]], Sequence[bytes]],
    nice: int = 0,
    rest: Callable[[], None] | None = None,
    rest_after_seconds: float = 5.0,
) -> None:
    """The worker's side: answers questions until there are no more. With `nice`, others go first. `rest` is called once
    no question has come for a while."""
    dumps.forbid()
    os.nice(nice)
    questions = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what anything prints must not get among the answers
        while True:
            if rest is not None and not select.select([questions], [], [], rest_after_seconds)[0]:
                rest()
            if len(head := questions.read(_LENGTH_BYTES)) < _LENGTH_BYTES:
                return
            _say(answers, find([_read(questions) for _ in range(int.from_bytes(head, "big"))]))


def _say(answers: BinaryIO, found: Sequence[bytes]) -> None:
    """Writes an answer. Nothing keeps it afterwards, however long there is no other question."""
    answers.write(_length(len(found)))
    for piece in found:
        answers.write(_length(len(piece)))
        answers.write(piece)
    answers.flush()


def _read(questions: BinaryIO) -> bytes:
    return questions.read(int.from_bytes(questions.read(_LENGTH_BYTES), "big"))
