"""Whether a gateway is set up as it should be, judged by what was seen of it: a table of checks, each a function."""

from collections.abc import Callable, Mapping

import msgspec

from gateway.core.catalog import OUT_OF_USE, Backend
from gateway.policy.document import suggestion
from gateway.review.backends import Level

LEAST_POSTGRES = 13
"""What the ledger's statements need; tested is 18."""
_SLOW_MILLISECONDS = 20.0
_CLOCK_SECONDS = 5.0
_FIRST_RELEASE = 1_767_225_600.0
"""2026-01-01, Unix seconds: before that no clock shows the time."""
_FREE_BYTES = 3_000_000_000
"""A journal of 2 GB while the database is away, and decisions beside it."""
_KUBERNETES_SECONDS, _DOCKER_SECONDS = 30, 10
"""What they give a process to end, unless they are told otherwise."""
_MOST_NAMED = 5
_NOT_ASKED = "not looked at: the database that has the keys does not answer"
_FAR_FILESYSTEMS = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "gluster", "lustre", "afs")


class Disk(msgspec.Struct, frozen=True):
    """A state directory. `problem`: why it cannot be used; empty: it can. `taken`: a gateway runs on it now."""

    problem: str = ""
    mode: int = 0o700
    filesystem: str = ""
    free_bytes: int = _FREE_BYTES
    taken: bool = False


class Database(msgspec.Struct, frozen=True):
    """PostgreSQL. `problem`: why it cannot be asked, without its password. `clock_seconds`: how far it is ahead.

    `keys`: how many are in force in it, None: no gateway has used it yet. `admin_key`: one is for the admin listener.
    `admin_made`: one was made for it, be it in force or not.
    """

    problem: str = ""
    version: int = 0
    milliseconds: float = 0.0
    clock_seconds: float = 0.0
    may_create: bool = True
    keys: int | None = None
    admin_key: bool = False
    admin_made: bool = False


class Store(msgspec.Struct, frozen=True):
    """Valkey. `problem`: why it cannot be used; one that evicts keys cannot. `persists`: a restart loses nothing."""

    problem: str = ""
    version: str = ""
    milliseconds: float = 0.0
    persists: bool = True


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All that was looked at. None: it is not used. `ports`: who has each by setting, `free`, `ours` or why not.

    `unknown`: names in the environment that look like settings, `settings` those that are. `tree`: why the policies do
    not load. `stale`: a gateway that runs here has not taken up the newest. `hindered`: why a part that is asked for
    cannot be had. `keys`: how many are in force, None: nobody can say. `went`: why those of the directory are not used.
    `admin_key`: one for the admin listener is in force. `admin_made`: one was made, be it in force or not.
    """

    settings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    tree: str = ""
    stale: bool = False
    backends: tuple[Backend, ...] = ()
    missing: Mapping[str, str] = {}
    hindered: tuple[str, ...] = ()
    keys: int | None = 1
    went: str = ""
    admin_key: bool = False
    admin_made: bool = False
    admin_host: str = "127.0.0.1"
    admin_is_loopback: bool = True
    scrape_token: bool = False
    drain_seconds: int = 0
    grace_seconds: int = 25
    max_inflight: int = 4000
    orchestrator: str = ""
    ports: Mapping[str, str] = {}
    disk: Disk = Disk()
    database: Database | None = None
    store: Store | None = None
    descriptors: int = 1_048_576
    dumps: bool = False
    proxies: tuple[str, ...] = ()
    now: float = _FIRST_RELEASE


class Diagnosis(msgspec.Struct, frozen=True):
    """What a check says: how it is, in a sentence, and what to do where that is something."""

    about: str
    level: Level
    words: str
    advice: str = ""


def _ok(words: str) -> tuple[Level, str, str]:
    return "ok", words, ""


Judgement = tuple[Level, str, str]
"""Level, sentence, advice."""


def _names(seen: Seen) -> Judgement:
    if not seen.unknown:
        return _ok("every GATEWAY_* name in the environment is a setting")
    told = ", ".join(f"{name}{suggestion(name, seen.settings)}" for name in seen.unknown)
    return "warning", f"no settings, so they do nothing: {told}", "correct or remove them"


def _policies(seen: Seen) -> Judgement:
    if seen.tree:
        return "problem", f"the policies do not load: {seen.tree}", "see `gateway policy check`"
    if seen.stale:
        return (
            "warning",
            "the gateway that runs here decides by an older tree: a newer one did not load",
            ("see `problems` at /admin/policies, or its log (`policy_not_loaded`)"),
        )
    return _ok(f"the policies load, with {len(seen.backends)} backends")


def _offered(seen: Seen) -> Judgement:
    if seen.tree:
        return "warning", "not looked at: the policies do not load", ""
    usable = [each for each in seen.backends if each.price and each.word("status") not in OUT_OF_USE]
    offered = [each.id for each in usable if each.id not in seen.missing]
    if not offered:
        why = sorted({seen.missing[each.id] for each in usable if each.id in seen.missing})
        advice = "set the key of a provider (NAME, or NAME_FILE), or add a server of your own to the catalog"
        more = f" and {len(why) - _MOST_NAMED} more" if len(why) > _MOST_NAMED else ""
        told = ", ".join(why[:_MOST_NAMED]) or "none has a price and is in use"
        return "problem", f"no backend is offered: {told}{more}", advice
    broken = sorted({why for why in seen.missing.values() if "file" in why})
    if broken:
        return (
            "warning",
            f"{len(offered)} of {len(seen.backends)} backends are offered; {', '.join(broken)}",
            ("put the key into its file, readable for the gateway's user"),
        )
    return _ok(f"{len(offered)} of {len(seen.backends)} backends are offered")


def _parts(seen: Seen) -> Judgement:
    if seen.hindered:
        advice = "install it (an image: --build-arg LOCK=otel), or unset the setting"
        return "problem", f"so no gateway starts: {'; '.join(seen.hindered)}", advice
    return _ok("whatever the settings ask for is installed")


def _clear(seen: Seen) -> Judgement:
    urls = {each.id: each.base_url for each in seen.backends if each.key_ref and each.id not in seen.missing}
    clear = [id for id, url in urls.items() if url.startswith("http://") and not _is_here(url)]
    if clear:
        return "warning", f"keys are sent in the clear to {', '.join(clear)}", "use https:// in the catalog"
    return _ok("no key of a provider is sent in the clear")


def _is_here(url: str) -> bool:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return host.startswith(("127.", "[::1]")) or host.partition(":")[0] == "localhost"


def _state(seen: Seen) -> Judgement:
    disk = seen.disk
    if disk.problem:
        return "problem", disk.problem, "set GATEWAY_STATE_DIR to a folder that the gateway's user may write"
    if disk.mode & 0o007:
        return "problem", f"others may read or write it (mode {disk.mode:04o})", "chmod 0700: keys and ledger are in it"
    if disk.filesystem.startswith(_FAR_FILESYSTEMS):
        return (
            "problem",
            f"it is on a network file system ({disk.filesystem})",
            ("use a disk of this machine: locks and SQLite do not hold there"),
        )
    return _ok("it can be written, and only by its owner and group")


def _room(seen: Seen) -> Judgement:
    free = f"{seen.disk.free_bytes / 1e9:.1f} GB are free"
    if seen.disk.problem or seen.disk.free_bytes >= _FREE_BYTES:
        return _ok(free)
    return "warning", f"{free} for state", "give it 3 GB: the journal is up to 2 GB while the database is away"


def _replicas(seen: Seen) -> Judgement:
    if seen.disk.taken and "ours" not in seen.ports.values():
        return (
            "problem",
            "another gateway runs on this state directory",
            ("give each gateway a GATEWAY_STATE_DIR of its own, with a volume of its own"),
        )
    return _ok("a gateway runs on it" if seen.disk.taken else "no other gateway runs on it")


def _ports(seen: Seen) -> Judgement:
    taken = {name: why for name, why in seen.ports.items() if why not in ("free", "ours")}
    if taken:
        told = "; ".join(f"{name}: {why}" for name, why in taken.items())
        return "problem", told, f"set {' and '.join(taken)} to free ports, or end what has them"
    running = "ours" in seen.ports.values()
    return _ok("a gateway answers there" if running else "they are free")


def _database(seen: Seen) -> Judgement:
    base = seen.database
    if base is None and seen.went:
        return "problem", seen.went, "set GATEWAY_DATABASE_URL, or GATEWAY_DATABASE_URL_FILE"
    if base is None:
        return _ok("the ledger is a file in the state directory")
    if base.problem:
        return "problem", base.problem, "check GATEWAY_DATABASE_URL, and that this machine may reach it"
    if base.version < LEAST_POSTGRES:
        return "problem", f"PostgreSQL {base.version} is too old", f"use {LEAST_POSTGRES} or newer; 18 is tested"
    if not base.may_create:
        return "problem", "this user may not make tables", "GRANT CREATE ON SCHEMA public TO the user of the URL"
    if abs(base.clock_seconds) > _CLOCK_SECONDS:
        return "warning", f"its clock is {base.clock_seconds:+.0f} s off ours", "let both follow one clock (NTP)"
    told = f"PostgreSQL {base.version} answers in {base.milliseconds:.1f} ms"
    if base.milliseconds > _SLOW_MILLISECONDS:
        return "warning", told, "move it nearer: entries wait in the journal meanwhile"
    return _ok(told)


def _store(seen: Seen) -> Judgement:
    store = seen.store
    if store is None:
        return _ok("limits are counted by this gateway alone")
    if store.problem:
        return "problem", store.problem, "check GATEWAY_VALKEY_URL; until it can be used, limits deny"
    told = f"{store.version} answers in {store.milliseconds:.1f} ms"
    if store.milliseconds > _SLOW_MILLISECONDS:
        return "warning", told, "move it nearer: each call waits for it once"
    if not store.persists:
        return (
            "warning",
            f"{told}, and keeps nothing on disk",
            ("set appendonly yes: limits deny for two seconds after a restart, and are made anew from the ledger"),
        )
    return _ok(told)


def _keys(seen: Seen) -> Judgement:
    if seen.keys is None:
        return "warning", _NOT_ASKED, ""
    if not seen.keys:
        return "warning", "there is no key, so nobody can call", "gateway keys create --team TEAM --app APP"
    return _ok(f"{seen.keys} keys in force")


def _admin(seen: Seen) -> Judgement:
    if seen.admin_made and not seen.admin_key:
        return (
            "problem",
            "its last key has ended, so nobody may look or give orders there; calls of models are served",
            ("make one: gateway keys create --team TEAM --app APP --scope admin:read --scope admin:write"),
        )
    if not seen.admin_is_loopback and not seen.admin_key:
        if not seen.scrape_token and seen.keys is None:
            return "warning", _NOT_ASKED, ""
        if not seen.scrape_token:
            return (
                "problem",
                f"others can reach {seen.admin_host}, and nothing guards it, so it does not start",
                ("set GATEWAY_SCRAPE_TOKEN, or make an admin key: gateway keys create ... --scope admin:read"),
            )
        return _ok("others can reach it: /metrics with the scrape token, and nothing else")
    if seen.admin_is_loopback and not seen.admin_key and seen.orchestrator:
        return (
            "warning",
            "it is on loopback: Prometheus of another container does not reach it",
            ("set GATEWAY_ADMIN_HOST=0.0.0.0 and GATEWAY_SCRAPE_TOKEN"),
        )
    guard = "a key is wanted" if seen.admin_key else "this machine alone reaches it; no key is wanted there"
    return _ok(guard)


def _scrape(seen: Seen) -> Judgement:
    if not seen.admin_is_loopback and not seen.scrape_token:
        return (
            "warning",
            "there is no scrape token, so Prometheus needs a key with the scope `metrics`",
            ("set GATEWAY_SCRAPE_TOKEN, for example to the output of `openssl rand -hex 32`"),
        )
    return _ok("a token guards /metrics" if seen.scrape_token else "/metrics is for this machine alone")


def _ending(seen: Seen) -> Judgement:
    told = f"draining {seen.drain_seconds} s of {seen.grace_seconds} s"
    if seen.orchestrator == "kubernetes" and not seen.drain_seconds:
        return "warning", f"{told}: requests are refused before its proxies know", "set GATEWAY_DRAIN_SECONDS=5"
    limits = {"kubernetes": _KUBERNETES_SECONDS, "container": _DOCKER_SECONDS}
    limit = limits.get(seen.orchestrator)
    if limit is not None and seen.grace_seconds >= limit:
        option = "terminationGracePeriodSeconds" if seen.orchestrator == "kubernetes" else "stop_grace_period"
        return (
            "warning",
            f"{told}: it is killed after {limit} s unless {option} says otherwise",
            (f"set {option} above {seen.grace_seconds} s, or GATEWAY_GRACE_SECONDS below {limit}"),
        )
    return _ok(told)


def _descriptors(seen: Seen) -> Judgement:
    wanted = 2 * seen.max_inflight + 64
    if 0 <= seen.descriptors < wanted:
        return (
            "warning",
            f"{seen.descriptors} files may be open; {seen.max_inflight} calls take up to {wanted}",
            (f"ulimit -n {wanted} (LimitNOFILE, ulimits.nofile), or set GATEWAY_MAX_INFLIGHT lower"),
        )
    return _ok(f"{'any number of' if seen.descriptors < 0 else seen.descriptors} files may be open")


def _dumps(seen: Seen) -> Judgement:
    if seen.dumps:
        return _ok("allowed here; the server forbids them for itself when it starts")
    return _ok("none are written")


def _proxies(seen: Seen) -> Judgement:
    if seen.proxies:
        return (
            "warning",
            f"{', '.join(seen.proxies)} is set; calls to backends go directly, past any proxy",
            ("let the gateway out to its backends (`gateway backends hosts`)"),
        )
    return _ok("none is set, and none would be used")


def _clock(seen: Seen) -> Judgement:
    if seen.now < _FIRST_RELEASE:
        return "problem", "the clock of this machine is years behind", "set it: windows, expiries and TLS hang on it"
    return _ok("it shows a time that can be right")


CHECKS: Mapping[str, Callable[[Seen], Judgement]] = {
    "names of settings": _names,
    "policies": _policies,
    "backends": _offered,
    "optional parts": _parts,
    "keys in the clear": _clear,
    "state directory": _state,
    "room on disk": _room,
    "replicas": _replicas,
    "ports": _ports,
    "database": _database,
    "valkey": _store,
    "keys of callers": _keys,
    "admin listener": _admin,
    "scrape token": _scrape,
    "end of the process": _ending,
    "open files": _descriptors,
    "core dumps": _dumps,
    "proxies": _proxies,
    "clock": _clock,
}
"""What is looked at, in the order in which it is told."""


def diagnose(seen: Seen) -> tuple[Diagnosis, ...]:
    """What every check says of what was seen."""
    return tuple(Diagnosis(about, *check(seen)) for about, check in CHECKS.items())
