"""Loading in a process of its own: proofs and tests may take seconds, and no request waits for them."""

import asyncio
import pickle
from pathlib import Path

import msgspec

from gateway.adapters.policy_files import load
from gateway.adapters.worker import Worker, answer
from gateway.policy.document import Mark, Problem
from gateway.policy.parse import Parsed

MOST_SECONDS = 120.0
"""After so long a load is given up, and the worker with it."""

_NICE = 10  # requests go first
_CODE = "from gateway.adapters.policy_worker import main; main()"


class PolicyWorker:
    """The server's side: one load at a time. `policy_key` is the file of keys that trees are signed with, None: no tree
    needs to be."""

    def __init__(self, policy_key: Path | None = None) -> None:
        self._key = policy_key
        self._worker = Worker(_CODE, MOST_SECONDS)

    async def load(self, directory: Path, extra_catalog: Path | None) -> Parsed:
        """What `policy_files.load` says, without the texts of the files. Raises WorkerLost."""
        asked = [None if path is None else str(path) for path in (directory, extra_catalog, self._key)]
        [answer] = await self._worker.ask(lambda: [msgspec.json.encode(asked)])
        return await asyncio.to_thread(_parsed, answer)

    async def close(self) -> None:
        """Ends the worker, if there is one."""
        await self._worker.close()


def _parsed(answer: bytes) -> Parsed:
    parsed = pickle.loads(answer)  # noqa: S301  our own worker wrote it, into our own pipe
    assert isinstance(parsed, Parsed)
    return parsed


def main() -> None:
    """The worker's side."""
    answer(_answer, _NICE)


def _answer(question: list[bytes]) -> list[bytes]:
    directory, *others = msgspec.json.decode(question[0], type=tuple[str, str | None, str | None])
    return [pickle.dumps(_load(Path(directory), *(None if path is None else Path(path) for path in others)))]


def _load(directory: Path, *others: Path | None) -> Parsed:
    try:
        return msgspec.structs.replace(load(directory, *others), sources={})
    except Exception as error:  # noqa: BLE001  whatever it is, the server is told, and the next tree may be good
        return Parsed(None, (Problem(Mark(str(directory)), "P004", str(error)),), {})
