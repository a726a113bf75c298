"""Policy trees on disk: read once, parsed as a whole, watched. A tree that does not load changes nothing."""

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from watchfiles import Change, awatch

from gateway.adapters import dictionaries, signing
from gateway.adapters.secrets import not_offered
from gateway.core.catalog import Backend
from gateway.policy import signature, suspend
from gateway.policy.decide import Eligibility
from gateway.policy.dictionaries import MAX_BYTES
from gateway.policy.digest import digest_of
from gateway.policy.document import MAX_FILE_BYTES, Mark, Problem
from gateway.policy.model import Bundle
from gateway.policy.parse import Parsed, parse
from gateway.policy.tree import is_dictionary
from gateway.providers import BASE_URLS
from gateway.review import lock
from gateway.review.load import check, reached

MAX_FILES = 500
_LOOK_SECONDS = 0.5
"""How often a folder that was replaced and a new day are looked for. Changes of files are seen as they come."""

Loader = Callable[[Path, Path | None], Awaitable[Parsed]]
"""What loads a tree and does not keep the event loop waiting."""


class Unreadable(Exception):
    """A tree cannot be read at all. The message says which path and why."""


def _matters(_: Change, path: str) -> bool:
    """Whether a change can change the tree or what stands beside it: a file of either, or a folder with some."""
    return path.endswith((".yaml", ".yml", ".txt", f"/{lock.NAME}", f"/{signature.NAME}")) or not Path(path).suffix


class ReloadState(msgspec.Struct, frozen=True):
    """How the last load went. `stale`: a newer tree is on disk, and it did not load. `loaded` is Unix seconds.

    `problems` says why it did not, or what is worth knowing of the one that did.
    """

    digest: str
    loaded: float
    stale: bool
    problems: tuple[Problem, ...]


def read_tree(directory: Path) -> dict[str, bytes]:
    """Every YAML file below a directory, however deep, and its dictionaries, each read once; by its path from there.

    Raises Unreadable when the directory is missing, holds too much, or a file in it is no regular file.
    """
    if not directory.is_dir():
        raise Unreadable(f"no policy directory at {directory}; set GATEWAY_POLICIES or --policies")
    directory = directory.resolve()  # it may be a link that is swapped meanwhile: two trees are not mixed
    found: list[Path] = []
    for folder, folders, files in os.walk(directory, onerror=_unreadable):
        here = Path(folder)
        for name in folders:
            if (here / name).is_symlink() or name.endswith((".yaml", ".yml")):
                raise Unreadable(
                    f"{here / name} is a link or a folder where a file is expected; links are not followed"
                )
        below = here.relative_to(directory)
        found += [here / name for name in files if _counts((below / name).as_posix())]
        if len(found) > MAX_FILES:
            raise Unreadable(f"{directory} holds more than {MAX_FILES} policy files")
    names = {path.relative_to(directory).as_posix(): path for path in sorted(found)}
    return {name: _read(path, MAX_BYTES if is_dictionary(name) else MAX_FILE_BYTES) for name, path in names.items()}


def _counts(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or is_dictionary(name)


def _unreadable(error: OSError) -> None:
    raise Unreadable(f"cannot read {error.filename}: {error.strerror}")


def _read(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    """A regular file's bytes; never through a link, a pipe or a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror} (links are not followed)") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{path} is no regular file")
        return os.read(descriptor, min(status.st_size, most) + 1)  # one more says that it is too large
    finally:
        os.close(descriptor)


def parse_files(directory: Path, extra_catalog: Path | None = None) -> Parsed:
    """The bundle in a directory, with a further folder of catalog files, or its problems. Nothing is proved of it.

    Raises Unreadable.
    """
    tree = read_tree(directory)
    return parse_tree(tree, {name: str(directory / name) for name in tree}, extra_catalog)


def parse_tree(tree: Mapping[str, bytes], shown: Mapping[str, str], extra_catalog: Path | None = None) -> Parsed:
    """The same of a tree that was read elsewhere; `shown` says what problems call its files. Raises Unreadable."""
    extra = read_extra(extra_catalog)
    further = {name: str(extra_catalog / name.partition("/")[2]) for name in extra if extra_catalog is not None}
    return parse(tree, BASE_URLS, extra, {**shown, **further}, _today(), dictionaries.of(tree))


def load(directory: Path, extra_catalog: Path | None = None, policy_key: Path | None = None) -> Parsed:
    """The bundle in a directory, if its invariants hold and its tests pass. Start, reload and commands load alike.

    With `policy_key`, a file of public keys, one of them must have signed it, or it is not even parsed. All bytes are
    read once: what is verified is what is proved, and what is loaded. Raises Unreadable.
    """
    here = directory.resolve() if directory.is_dir() else directory  # all of one tree, also where a link is swapped
    tree = read_tree(here)
    proved, odd = _read_beside(here, lock.NAME)
    signed = None
    if policy_key is not None:
        written, unreadable = _read_beside(here, signature.NAME)
        try:
            signed, why = signing.verified(policy_key, tree, proved, written)
        except signing.Unusable as error:
            raise Unreadable(str(error)) from None
        if signed is None:
            return Parsed(None, (signature.refused(str(directory), unreadable or why),), {})
    shown = {name: str(directory / name) for name in tree}
    parsed = check_tree(tree, proved, shown, extra_catalog, str(directory / lock.NAME))
    problems = {*parsed.problems} | ({lock.odd(Mark(str(directory / lock.NAME)), odd)} if odd else set())
    bundle = None if parsed.bundle is None else reached(parsed.bundle)
    return msgspec.structs.replace(parsed, bundle=bundle, problems=tuple(sorted(problems)), signed=signed)


def check_tree(
    tree: Mapping[str, bytes],
    proved: bytes | None,
    shown: Mapping[str, str],
    extra_catalog: Path | None = None,
    lock_shown: str = lock.NAME,
) -> Parsed:
    """The bundle of a tree that was read elsewhere, with its policy.lock (None: it has none), if all that must be shown
    of it is. Raises Unreadable."""
    parsed = parse_tree(tree, shown, extra_catalog)
    if parsed.bundle is None:
        return parsed
    locked, odd = (None, ()) if proved is None else lock.parse(lock_shown, proved)
    problems = (*odd, *check(parsed.bundle, locked))
    failed = any(problem.severity == "error" for problem in problems)
    return Parsed(None if failed else parsed.bundle, tuple(sorted({*parsed.problems, *problems})), parsed.sources)


def read_lock(directory: Path) -> tuple[lock.Lock | None, tuple[Problem, ...]]:
    """The lock beside the files of a tree, None where there is none that counts; and what is odd about it."""
    path = str(directory / lock.NAME)
    raw, why = _read_beside(directory, lock.NAME)
    if raw is not None:
        return lock.parse(path, raw)
    return None, (lock.odd(Mark(path), why),) if why else ()


def read_beside(directory: Path, name: str) -> bytes | None:
    """A file that stands beside the files of a tree, None where there is none. Raises Unreadable."""
    return _read(directory / name) if os.path.lexists(directory / name) else None


def _read_beside(directory: Path, name: str) -> tuple[bytes | None, str]:
    """The same; None, and why, where it cannot be read."""
    try:
        return read_beside(directory, name), ""
    except Unreadable as error:
        return None, str(error)


def write_beside(directory: Path, name: str, text: str) -> Path:
    """Puts a file beside the files of a tree, whole or not at all. Raises OSError."""
    path = directory / name
    partial = path.with_name(f".{name}.{os.getpid()}")
    try:
        with partial.open("x", encoding="utf-8") as file:
            file.write(text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _read_all(directory: Path, extra_catalog: Path | None) -> dict[str, bytes]:
    tree = read_tree(directory)
    elsewhere = {name: raw for name, raw in dictionaries.of(tree).items() if isinstance(raw, bytes)}
    return {**tree, **read_extra(extra_catalog), **elsewhere}


def digest_on_disk(directory: Path, extra_catalog: Path | None) -> str:
    """The digest of the files as they lie there, whether or not they load. Raises Unreadable."""
    return digest_of(read_tree(directory) | read_extra(extra_catalog))


def read_extra(extra_catalog: Path | None) -> dict[str, bytes]:
    """The further catalog files of this machine, none if there is no such folder. Raises Unreadable."""
    if extra_catalog is None:
        return {}
    if not extra_catalog.is_dir():
        raise Unreadable(f"no catalog folder at {extra_catalog}; set GATEWAY_EXTRA_CATALOG")
    tree = read_tree(extra_catalog)
    return {f"extra catalog/{name}": raw for name, raw in tree.items() if not is_dictionary(name)}


def _beside(directory: Path) -> tuple[object, ...]:
    return tuple(_read_beside(directory, name) for name in (lock.NAME, signature.NAME))


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def _snapshot(bundle: Bundle, ids: frozenset[str]) -> Eligibility:
    bundle = suspend.suspended(bundle, ids)
    return Eligibility(bundle, not_offered(bundle.backends))


class PolicyFiles:
    """Holds the snapshot in force and follows the files. `current` is swapped as one reference.

    `on_load` is told of each snapshot once it is in force, `on_failure` of each tree that did not load. `suspended`
    are the backends that are off by order: see `suspend`. `admit` says why a tree that loaded may not be put in force
    all the same; empty: it may. `prepare` is asked about each snapshot beside the event loop; what it returns is called
    as the snapshot comes into force.
    """

    def __init__(
        self,
        directory: Path,
        extra_catalog: Path | None,
        parsed: Parsed,
        *,
        load_apart: Loader,
        on_load: Callable[[str, tuple[Backend, ...]], None],
        on_failure: Callable[[tuple[Problem, ...]], None],
        suspended: Iterable[str] = (),
        admit: Callable[[Parsed], str] = lambda _: "",
        prepare: Callable[[Eligibility], Callable[[], None]] = lambda _: lambda: None,
    ) -> None:
        if parsed.bundle is None:
            raise ValueError("the first bundle must be good")
        self._directory = directory
        self._extra = extra_catalog
        self._epoch = time.time() - time.monotonic()  # so that setting the clock back opens nothing again
        self._load_apart = load_apart
        self._on_load = on_load
        self._on_failure = on_failure
        self._suspended = frozenset(suspended)
        self._prepare = prepare
        self._admit = admit
        self._on_disk: tuple[object, ...] | None = parsed.bundle.digest, *_beside(directory)
        self._changed = asyncio.Event()
        self._renewing, self._suspending = asyncio.Lock(), asyncio.Lock()
        self.loaded = parsed.bundle  # as the files say
        self.state = ReloadState("", time.time(), False, parsed.problems)
        self._put_in_force(parsed.bundle, *self._made(parsed.bundle, self._suspended))

    def moment(self) -> float:
        """Now, in Unix seconds, by a clock that nobody sets back."""
        return self._epoch + time.monotonic()

    async def reload(self) -> None:
        """Loads the tree anew. If it is not good, the snapshot in force stays and the state says stale."""
        try:
            parsed = await self._load_apart(self._directory, self._extra)
            if parsed.bundle is not None and (why := await asyncio.to_thread(self._admit, parsed)):
                parsed = Parsed(None, (signature.refused(str(self._directory), why),), {})
            if parsed.bundle is not None and (self.state.stale or parsed.bundle != self.loaded):
                self.loaded = parsed.bundle  # compared as a whole: a status may begin with the day, in the same bytes
                await self._renew()
                self.state = ReloadState(self.current.digest, time.time(), False, parsed.problems)
        except Exception as error:  # noqa: BLE001  whatever it is, the snapshot in force stays, and the next change is seen
            parsed = Parsed(None, (Problem(Mark(str(self._directory)), "P004", str(error)),), {})
        if parsed.bundle is None:
            self.state = msgspec.structs.replace(self.state, stale=True, problems=parsed.problems)
            self._on_failure(parsed.problems)

    async def suspend(self, ids: Iterable[str]) -> None:
        """Exactly these backends are suspended from now on, in what is loaded and in what will be. Limits stay as they
        are, so it does not wait for what they take."""
        wanted = self._suspended = frozenset(ids)
        async with self._suspending:
            snapshot, bundle = self.current, None
            while bundle is not self._bundle or wanted != self._suspended:
                bundle, wanted = self._bundle, self._suspended
                snapshot = await asyncio.to_thread(_snapshot, bundle, wanted)
            self._put_in_force(bundle, snapshot, lambda: None)

    async def _renew(self) -> None:
        """Builds the snapshot beside the event loop and puts it in force, with what was suspended meanwhile."""
        async with self._renewing:
            bundle, suspended = self.loaded, self._suspended
            snapshot, prepared = await asyncio.to_thread(self._made, bundle, suspended)
            while suspended != (suspended := self._suspended):
                snapshot = await asyncio.to_thread(_snapshot, bundle, suspended)
            self._put_in_force(bundle, snapshot, prepared)

    def _made(self, bundle: Bundle, suspended: frozenset[str]) -> tuple[Eligibility, Callable[[], None]]:
        snapshot = _snapshot(bundle, suspended)
        return snapshot, self._prepare(snapshot)

    def _put_in_force(self, bundle: Bundle, snapshot: Eligibility, prepared: Callable[[], None]) -> None:
        prepared()
        self._bundle, self.current = bundle, snapshot
        self.state = msgspec.structs.replace(self.state, digest=snapshot.digest)
        self._on_load(snapshot.digest, snapshot.bundle.backends)

    async def watch(self) -> None:
        """Reloads on every change, until cancelled. All that changes while a reload runs leads to one more."""
        async with asyncio.TaskGroup() as together:
            together.create_task(self._follow())
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self.reload()

    async def _follow(self) -> None:
        """Notes changes: of files, of a folder that another took the place of, of the day, which may begin a status."""
        day, elsewhere = _today(), dictionaries.Outside(self._directory)
        while True:
            folders = self._folders()
            began = True  # what changed before somebody watched is seen by reading
            async with contextlib.aclosing(_looks(folders)) as looks:
                async for changed in looks:
                    today = _today()
                    changed_elsewhere = await asyncio.to_thread(elsewhere.changed)
                    if (
                        changed
                        or changed_elsewhere
                        or today != day
                        or (began and await asyncio.to_thread(self._differs))
                    ):
                        self._changed.set()
                    began, day = False, today
                    if self._folders() != folders:
                        break

    def _folders(self) -> dict[Path, tuple[int, int, int]]:
        """The folders that are there, and which they are: a new one may have the number of one that was removed."""
        found = {}
        for path in (self._directory, self._extra):
            if path is not None and path.is_dir():
                with contextlib.suppress(OSError):
                    status = path.stat()
                    found[path] = status.st_dev, status.st_ino, status.st_ctime_ns
        return found

    def _differs(self) -> bool:
        """Whether the files, or what stands beside them, are others than when this was last asked."""
        before = self._on_disk
        try:
            self._on_disk = digest_of(_read_all(self._directory, self._extra)), *_beside(self._directory)
        except Unreadable:
            self._on_disk = None
        return self._on_disk != before

    def summary(self) -> Mapping[str, object]:
        """What /readyz and /admin/policies tell."""
        return {
            "digest": self.state.digest,
            "age_seconds": round(time.time() - self.state.loaded, 1),
            "stale": self.state.stale,
            "problems": [str(problem) for problem in self.state.problems],
        }


async def _looks(folders: Iterable[Path]) -> AsyncGenerator[set[tuple[Change, str]], None]:
    """The changes in folders, taken together when they come together, so that no file is read while it is written; an
    empty set every `_LOOK_SECONDS` without one.

    It ends when the folders cannot be watched: then look again by reading.
    """
    try:
        if watched := list(folders):
            every = round(_LOOK_SECONDS * 1000)
            found = awatch(
                *watched, watch_filter=_matters, debounce=500, step=150, rust_timeout=every, yield_on_timeout=True
            )
            async with contextlib.aclosing(found):
                async for changes in found:
                    yield changes
    except (OSError, RuntimeError):
        pass  # gone meanwhile, or the system has no watches left
    await asyncio.sleep(_LOOK_SECONDS)
    yield set()
