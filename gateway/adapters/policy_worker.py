"""Loading in a process of its own: proofs and tests may take seconds, and nobody's request waits for them.

The worker is started when it is first needed and kept. It reads one line for each tree that it is to load, and answers
with the length of the result (8 bytes) and the result. When its input ends, for whatever reason, so does it.
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
"""After this long a load is given up, and the worker with it."""

_STOP_SECONDS = 5.0
_LENGTH_BYTES = 8
_NICE = 10
"""Requests go first."""

_COMMAND = (sys.executable, "-c", "from gateway.adapters.policy_worker import main; main()")


class WorkerLost(Exception):
    """The worker ended, or took too long, before it had an answer. The next load starts another."""


class PolicyWorker:
    """The server's side. One load at a time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def load(self, directory: Path, extra_catalog: Path | None) -> Parsed:
        """What `policy_files.load` says, without the texts of the files. Raises WorkerLost."""
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        asked = msgspec.json.encode((str(directory), str(extra_catalog) if extra_catalog is not None else None))
        try:
            async with asyncio.timeout(MOST_SECONDS):
                process.stdin.write(asked + b"\n")
                await process.stdin.drain()
                length = int.from_bytes(await process.stdout.readexactly(_LENGTH_BYTES), "big")
                answer = await process.stdout.readexactly(length)
        except TimeoutError:
            raise WorkerLost(f"loading took longer than {MOST_SECONDS:.0f} s and was given up") from None
        except (ConnectionError, asyncio.IncompleteReadError):
            raise WorkerLost("the process that loads policies ended in the middle of it") from None
        else:
            self._process = process
        return await asyncio.to_thread(_parsed, answer)

    async def close(self) -> None:
        """Ends the worker, if there is one."""
