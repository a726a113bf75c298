"""Loading in a process of its own: proofs and tests may take seconds, and no request waits for them.

The worker is started when it is first needed, and kept. It reads a line for each tree that it is to load, and answers
with the length of the result (8 bytes) and the result. When its input ends, for whatever reason, it ends.
"""

import asyncio
import os
import pickle
import sys
from pathlib import Path

import msgspec

from gateway.adapters.policy_files import load
from gateway.policy.document import Mark, Problem
from gateway.policy.parse import Parsed

MOST_SECONDS = 120.0
"""After so long a load is given up, and the worker with it."""

_STOP_SECONDS = 2.0
_LENGTH_BYTES = 8
_NICE = 10
_MAIN = "from gateway.adapters.policy_worker import main; main()"


class WorkerLost(Exception):
    """The worker ended, or took too long, before it had an answer. The next load starts another."""


class _Ended(Exception):
    """A worker ended before it had an answer."""


class PolicyWorker:
    """The server's side: one load at a time. `policy_key` is the file of keys that trees are signed with, None: no tree
    needs to be."""

    def __init__(self, policy_key: Path | None = None) -> None:
        self._key = policy_key
        self._idle: asyncio.subprocess.Process | None = None

    async def load(self, directory: Path, extra_catalog: Path | None) -> Parsed:
        """What `policy_files.load` says, without the texts of the files. Raises WorkerLost."""
        kept, self._idle = self._idle, None
        if kept is not None:
            try:
                return await self._load(kept, directory, extra_catalog)
            except _Ended:
                pass  # of this tree, or long before: a fresh one will tell
        try:
            return await self._load(await _start(), directory, extra_catalog)
        except _Ended:
            raise WorkerLost("the process that loads policies ended half-way") from None

    async def _load(self, process: asyncio.subprocess.Process, directory: Path, extra_catalog: Path | None) -> Parsed:
        try:
            async with asyncio.timeout(MOST_SECONDS):
                answer = await _ask(process, directory, extra_catalog, self._key)
            self._idle = process
        except TimeoutError:
            raise WorkerLost(f"loading took longer than {MOST_SECONDS:.0f} s and was given up") from None
        except (ConnectionError, asyncio.IncompleteReadError):
            raise _Ended from None
        finally:
            if self._idle is None and process.returncode is None:
                process.kill()  # nobody would read what it still has to say
        return await asyncio.to_thread(_parsed, answer)

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


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", _MAIN),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # the very modules that we run
        start_new_session=True,  # Ctrl-C is for the server, which then ends its worker
    )


async def _ask(process: asyncio.subprocess.Process, *paths: Path | None) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    asked = [None if path is None else str(path) for path in paths]
    process.stdin.write(msgspec.json.encode(asked) + b"\n")
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(_LENGTH_BYTES), "big")
    return await process.stdout.readexactly(length)


def _parsed(answer: bytes) -> Parsed:
    parsed = pickle.loads(answer)  # noqa: S301  our own worker wrote it, into our own pipe
    assert isinstance(parsed, Parsed)
    return parsed


def main() -> None:
    """The worker's side."""
    os.nice(_NICE)  # requests go first
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what anything prints must not get among the answers
        for line in sys.stdin.buffer:
            directory, *others = msgspec.json.decode(line, type=tuple[str, str | None, str | None])
            answer = pickle.dumps(_load(Path(directory), *(None if path is None else Path(path) for path in others)))
            answers.write(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)
            answers.flush()


def _load(directory: Path, *others: Path | None) -> Parsed:
    try:
        return msgspec.structs.replace(load(directory, *others), sources={})
    except Exception as error:  # noqa: BLE001  whatever it is, the server is told, and the next tree may be good
        return Parsed(None, (Problem(Mark(str(directory)), "P004", str(error)),), {})
