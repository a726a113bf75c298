"""A process beside the server for what takes long: one question at a time, in bytes, answered in bytes.

It is started when it is first needed, and kept. Questions and answers go through its pipes, each behind its length
(8 bytes). When its input ends, for whatever reason, it ends.
"""

import asyncio
import os
import sys
from collections.abc import Callable

from gateway.adapters import dumps

_STOP_SECONDS = 2.0
_LENGTH_BYTES = 8
_SLICE_BYTES = 500_000


class WorkerLost(Exception):
    """The worker ended, or took too long, before it had an answer. The next question starts another."""


class _Ended(Exception):
    """A worker ended before it had an answer."""


class Worker:
    """The server's side. `code` is the Python text that the process runs; it calls `answer`. After `most_seconds` a
    question is given up, and the process with it."""

    def __init__(self, code: str, most_seconds: float) -> None:
        self._code = code
        self._most_seconds = most_seconds
        self._idle: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()
        self.started = 0  # how many processes there have been: what an earlier one was told, this one does not know

    async def ask(self, question: Callable[[], bytes]) -> bytes:
        """The answer to a question, which is put together anew for each process that has to be asked. Raises
        WorkerLost."""
        async with self._asking:
            kept, self._idle = self._idle, None
            if kept is not None:
                try:
                    return await self._ask(kept, question())
                except _Ended:
                    pass  # of this question, or long before: a fresh one will tell
            process = await self._start()
            try:
                return await self._ask(process, question())
            except _Ended:
                raise WorkerLost("the process ended half-way") from None

    async def close(self) -> None:
        """Ends the worker, if there is one."""
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

    async def _ask(self, process: asyncio.subprocess.Process, question: bytes) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._most_seconds):
                process.stdin.write(len(question).to_bytes(_LENGTH_BYTES, "big"))
                for at in range(0, len(question), _SLICE_BYTES):  # others go on in between
                    process.stdin.write(question[at : at + _SLICE_BYTES])
                    await process.stdin.drain()
                length = int.from_bytes(await process.stdout.readexactly(_LENGTH_BYTES), "big")
                answer = await process.stdout.readexactly(length)
            self._idle = process
        except TimeoutError:
            raise WorkerLost(f"it took longer than {self._most_seconds:.0f} s and was given up") from None
        except (ConnectionError, asyncio.IncompleteReadError):
            raise _Ended from None
        finally:
            if self._idle is None and process.returncode is None:
                process.kill()  # nobody would read what it still has to say
        return answer


def answer(find: Callable[[bytes], bytes], nice: int = 0) -> None:
    """The worker's side: answers questions until there are no more. With `nice`, others go first."""
    dumps.forbid()
    os.nice(nice)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what anything prints must not get among the answers
        while len(length := sys.stdin.buffer.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
            found = find(sys.stdin.buffer.read(int.from_bytes(length, "big")))
            answers.write(len(found).to_bytes(_LENGTH_BYTES, "big") + found)
            answers.flush()
