"""What there is to see of a machine and of the stores, without changing anything: for `gateway doctor`."""

import asyncio
import fcntl
import http.client
import json
import os
import resource
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.adapters.valkey import Down, Valkey
from gateway.core.scopes import ADMIN_SCOPES
from gateway.review.doctor import Database, Disk, Store

_SECONDS = 3.0
_MOST_BYTES = 1_000_000
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def disk(directory: Path) -> Disk:
    """A state directory; where there is none yet, the folder that it would be made in."""
    there = directory
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Disk(problem=f"cannot write to {there}")
    return Disk(
        mode=directory.stat().st_mode & 0o777 if directory.exists() else 0o700,
        filesystem=_filesystem(there),
        free_bytes=shutil.disk_usage(there).free,
        taken=_is_taken(directory / "lock"),
    )


def _filesystem(path: Path) -> str:
    """The kind of file system that a path is on; empty where the system does not tell."""
    try:
        lines = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    places = [(Path(line[1].replace("\\040", " ")), line[2]) for line in lines if len(line) > 2]
    found = [(len(place.parts), at, kind) for at, (place, kind) in enumerate(places) if real.is_relative_to(place)]
    return max(found)[2] if found else ""


def _is_taken(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def port(host: str, number: int, page: str) -> str:
    """Who has a port: `free`, `ours` where a gateway answers at a page, or what is wrong with it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
            probe.listen(1)
        except (OSError, UnicodeError) as error:
            why = str(error.strerror or error) if isinstance(error, OSError) else "this is no name"
        else:
            return "free"
    told = answer(host, number, page)
    refused = told.get("error")
    wants_a_key = isinstance(refused, dict) and "sk-gw-" in str(refused.get("message"))
    return "ours" if wants_a_key or {"status", "digest"} & told.keys() else why


def answer(host: str, number: int, page: str) -> dict[str, object]:
    """The JSON object that is served at a page of this machine, whatever its status; empty: none is."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104  nothing is bound
    asking = http.client.HTTPConnection(reached, number, timeout=_SECONDS)
    try:
        asking.request("GET", page)
        told = json.loads(asking.getresponse().read(_MOST_BYTES))
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    finally:
        asking.close()
    return told if isinstance(told, dict) else {}


def database(url: str) -> Database:
    """A PostgreSQL server, by its URL, of which nothing is told but host and reason."""
    return asyncio.run(_database(url))


async def _database(url: str) -> Database:
    import asyncpg  # a start-up without a database does without

    try:
        base = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=_SECONDS)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
        return Database(problem=f"it cannot be reached: {_reason(error, url)}")
    try:
        started = time.perf_counter()
        asked = await base.fetchrow(
            "SELECT current_setting('server_version_num')::int / 10000 AS version,"
            " extract(epoch FROM clock_timestamp())::float8 AS clock,"
            " coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create"
        )
        now = time.time()
        kept = await base.fetchval("SELECT to_regclass('keys') IS NOT NULL")
        in_force = "SELECT scopes FROM keys WHERE revoked IS NULL AND (expires IS NULL OR expires > $1)"
        scopes = [json.loads(row["scopes"]) for row in await base.fetch(in_force, now)] if kept else []
        ever = await base.fetch("SELECT DISTINCT scopes FROM keys") if kept else []
        times = [time.perf_counter() - started]
        for _ in range(3):
            started = time.perf_counter()
            await base.fetchval("SELECT 1")
            times.append(time.perf_counter() - started)
        return Database(
            version=asked["version"],
            milliseconds=min(times) * 1000,
            clock_seconds=asked["clock"] - now,
            may_create=asked["may_create"],
            keys=len(scopes) if kept else None,
            admin_key=any(not ADMIN_SCOPES.isdisjoint(each) for each in scopes),
            admin_made=any(not ADMIN_SCOPES.isdisjoint(json.loads(row["scopes"])) for row in ever),
        )
    except Exception as error:  # noqa: BLE001  the same
        return Database(problem=f"it does not answer: {_reason(error, url)}")
    finally:
        base.terminate()


def store(url: str) -> Store:
    """A Valkey server, by its URL, of which nothing is told but the reason."""
    return asyncio.run(_store(url))


async def _store(url: str) -> Store:
    server = Valkey(url, "return 1")
    try:
        disk, about = await server.ask([("INFO", "persistence"), ("INFO", "server")])
        started = time.perf_counter()
        await server.ask([("PING",)])
        took = (time.perf_counter() - started) * 1000
        saves = await server.ask([("CONFIG", "GET", "save")])
    except Down as error:
        return Store(problem=f"it cannot be used: {_reason(error, url)}")
    finally:
        await server.disconnect()
    told = _told(disk) | _told(about)
    name = "Valkey" if "valkey_version" in told else "Redis"
    version = told.get("valkey_version") or told.get("redis_version", "of unknown version")
    # who may not ask for its configuration, as with most that are rented, cannot say that it keeps nothing
    kept = not isinstance(saves[0], list) or (len(saves[0]) > 1 and bool(saves[0][1]))
    return Store(
        version=f"{name} {version}",
        milliseconds=took,
        persists=told.get("aof_enabled") == "1" or kept,
    )


def _told(answer: object) -> dict[str, str]:
    lines = bytes(answer).decode().splitlines() if isinstance(answer, bytes) else []
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _reason(error: Exception, url: str) -> str:
    """What an error says on one line, without the URL and without what stands before the host in it."""
    said = " ".join(str(error).split()) or type(error).__name__
    userinfo = url.partition("://")[2].rpartition("@")[0]
    for piece in (url, userinfo, userinfo.partition(":")[2]):
        if piece:
            said = said.replace(piece, "***")
    return said[:300]


def descriptors() -> int:
    """How many files a process here may have open at most, -1: any number."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return -1 if hard == resource.RLIM_INFINITY else hard


def dumps() -> bool:
    """Whether a process here that fails leaves its memory on disk."""
    return resource.getrlimit(resource.RLIMIT_CORE)[0] != 0


def orchestrator(environment: Mapping[str, str]) -> str:
    """What runs this: `kubernetes`, `container`, or nothing that shows."""
    if "KUBERNETES_SERVICE_HOST" in environment:
        return "kubernetes"
    return "container" if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists() else ""


def proxies(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that name a proxy."""
    return tuple(sorted(name for name, value in environment.items() if name.lower() in _PROXIES and value))
