"""Policy trees on disk: read once, parsed as a whole, watched. A tree that does not load changes nothing."""

import asyncio
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from watchfiles import Change, awatch

from gateway.adapters.secrets import not_offered
from gateway.core.catalog import Backend
from gateway.policy.decide import Eligibility
from gateway.policy.document import MAX_FILE_BYTES, Mark, Problem
from gateway.policy.parse import Parsed, parse
from gateway.providers import BASE_URLS

MAX_FILES = 500


class Unreadable(Exception):
    """A tree cannot be read at all. The message says which path and why."""


def _matters(_: Change, path: str) -> bool:
    """Whether a change can change the tree: a YAML file, or a folder, which may hold some."""
    return path.endswith((".yaml", ".yml")) or not Path(path).suffix


class ReloadState(msgspec.Struct, frozen=True):
    """How the last load went. `stale`: a newer tree is on disk, and it did not load. `loaded` is Unix seconds."""

    digest: str
    loaded: float
    stale: bool
    problems: tuple[Problem, ...]


def read_tree(directory: Path) -> dict[str, bytes]:
    """Every YAML file below a directory, however deep, each read once; by its path from there.

    Raises Unreadable when the directory is missing, holds too much, or a file in it is no regular file.
    """
    if not directory.is_dir():
        raise Unreadable(f"no policy directory at {directory}; set GATEWAY_POLICIES or --policies")
    found: list[Path] = []
    for folder, folders, files in os.walk(directory, onerror=_unreadable):
        here = Path(folder)
        for name in folders:
            if (here / name).is_symlink() or name.endswith((".yaml", ".yml")):
                raise Unreadable(
                    f"{here / name} is a link or a folder where a file is expected; links are not followed"
                )
        found += [here / name for name in files if name.endswith((".yaml", ".yml"))]
        if len(found) > MAX_FILES:
            raise Unreadable(f"{directory} holds more than {MAX_FILES} policy files")
    return {path.relative_to(directory).as_posix(): _read(path) for path in sorted(found)}


def _unreadable(error: OSError) -> None:
    raise Unreadable(f"cannot read {error.filename}: {error.strerror}")


def _read(path: Path) -> bytes:
    """A regular file's bytes; never through a link, a pipe or a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror} (links are not followed)") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{path} is no regular file")
        return os.read(descriptor, min(status.st_size, MAX_FILE_BYTES) + 1)  # one more says that it is too large
    finally:
        os.close(descriptor)


def load(directory: Path, extra_catalog: Path | None = None) -> Parsed:
    """The bundle in a directory, with a further folder of catalog files, or its problems."""
    tree = read_tree(directory)
    if extra_catalog is not None and not extra_catalog.is_dir():
        raise Unreadable(f"no catalog folder at {extra_catalog}; set GATEWAY_EXTRA_CATALOG")
    extra = read_tree(extra_catalog) if extra_catalog is not None else {}
    extra = {f"extra catalog/{name}": raw for name, raw in extra.items()}
    shown = {name: str(directory / name) for name in tree}
    shown |= {name: str(extra_catalog / name.partition("/")[2]) for name in extra if extra_catalog is not None}
    return parse(tree, BASE_URLS, extra, shown, time.strftime("%Y-%m-%d", time.gmtime()))


class PolicyFiles:
    """Holds the snapshot in force and follows the files. `current` is swapped as one reference."""

    def __init__(
        self,
        directory: Path,
        extra_catalog: Path | None,
        parsed: Parsed,
        *,
        on_load: Callable[[str, tuple[Backend, ...]], None],
        on_failure: Callable[[tuple[Problem, ...]], None],
    ) -> None:
        if parsed.bundle is None:
            raise ValueError("the first bundle must be good")
        self._directory = directory
        self._extra = extra_catalog
        self._epoch = time.time() - time.monotonic()  # so that setting the clock back opens nothing again
        self._on_load = on_load
        self._on_failure = on_failure
        self._take(parsed)

    def _take(self, parsed: Parsed) -> None:
        assert parsed.bundle is not None
        self.current = Eligibility(parsed.bundle, not_offered(parsed.bundle.backends))
        self.state = ReloadState(parsed.bundle.digest, time.time(), False, ())
        self._on_load(parsed.bundle.digest, parsed.bundle.backends)

    def moment(self) -> float:
        """Now, in Unix seconds, by a clock that nobody sets back."""
        return self._epoch + time.monotonic()

    async def reload(self) -> None:
        """Loads the tree anew. If it is not good, the snapshot in force stays and the state says stale."""
        try:
            parsed = await asyncio.to_thread(load, self._directory, self._extra)
        except Exception as error:  # noqa: BLE001  whatever it is, the snapshot in force stays, and the next change is seen
            parsed = Parsed(None, (Problem(Mark(str(self._directory)), "P004", str(error)),), {})
        if parsed.bundle is not None:
            if self.state.stale or parsed.bundle.digest != self.current.digest:
                self._take(parsed)
        else:
            self.state = msgspec.structs.replace(self.state, stale=True, problems=parsed.problems)
            self._on_failure(parsed.problems)

    async def watch(self) -> None:
        """Reloads on every change, until cancelled. Changes that come together are taken together."""
        watched = [path for path in (self._directory, self._extra) if path is not None and path.is_dir()]
        async for _ in awatch(*watched, watch_filter=_matters, debounce=200, step=50, rust_timeout=1000):
            await self.reload()

    def summary(self) -> Mapping[str, object]:
        """What /readyz and /admin/policies tell."""
        return {
            "digest": self.state.digest,
            "age_seconds": round(time.time() - self.state.loaded, 1),
            "stale": self.state.stale,
            "problems": [str(problem) for problem in self.state.problems],
        }
