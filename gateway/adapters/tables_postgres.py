"""What replicas share, in PostgreSQL: the tables of keys, suspensions and budgets, and the secrets under them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg

from gateway.adapters.migrations_postgres import migrate
from gateway.adapters.tables import OutcomeUnknown, Unreachable, numbered

_T = TypeVar("_T")
_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 5.0
RECORD = "state_migrations"
MIGRATIONS = (
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY, digest BYTEA NOT NULL UNIQUE, shown TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL,
        projects TEXT NOT NULL, purposes TEXT NOT NULL, floor TEXT NOT NULL, created DOUBLE PRECISION NOT NULL,
        revoked DOUBLE PRECISION, person TEXT, opaque_as TEXT,
        scopes TEXT NOT NULL DEFAULT '["inference","models","usage"]', models TEXT NOT NULL DEFAULT '[]',
        expires DOUBLE PRECISION
    );
    CREATE TABLE former (digest BYTEA PRIMARY KEY, id TEXT NOT NULL, ends DOUBLE PRECISION NOT NULL);
    CREATE TABLE orders (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, backend TEXT NOT NULL, suspended BIGINT NOT NULL,
        time DOUBLE PRECISION NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL
    );
    CREATE TABLE budgets (
        per TEXT NOT NULL, whose TEXT NOT NULL, "window" TEXT NOT NULL, pico_usd TEXT NOT NULL, soft BIGINT NOT NULL,
        set_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (per, whose, "window")
    );
    CREATE TABLE rates (
        per TEXT NOT NULL, whose TEXT NOT NULL, unit TEXT NOT NULL, a_minute BIGINT NOT NULL,
        set_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (per, whose, unit)
    );
    CREATE TABLE secrets (name TEXT PRIMARY KEY, value BYTEA NOT NULL);
    CREATE TABLE changes (number BIGINT NOT NULL);
    INSERT INTO changes VALUES (0);
    """,
)
"""The rule for them stands in `migrations_postgres`. `changes` has one row, which every change raises."""

_BEGIN = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL lock_timeout = '4s';
    SET LOCAL idle_in_transaction_session_timeout = '15s';
    UPDATE changes SET number = number + 1;
"""
"""Whoever changes something holds the row, so changes are made one after the other. A process that stops in the middle
of one holds up the others for a while, and no longer."""

_FAILED = (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_LOST = (ConnectionError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)
_PERHAPS = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)
"""Errors in an answer to COMMIT that do not say that nothing was done."""


class PostgresTables:
    """The `Tables` in a database.

    It connects when it is first used, with an event loop of its own in the thread that uses it. `meet` is called with
    each new connection, before anything else is asked on it.
    """

    shared = True

    def __init__(self, url: str, meet: Callable[["PostgresTables"], None] = lambda _: None) -> None:
        self._url = url
        self._meet = meet
        self._runner: asyncio.Runner | None = None
        self._connection: asyncpg.Connection | None = None
        self._connections = 0
        self._changing = False

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows that a question finds."""
        known = self._connected() and not self._changing
        try:
            return self._ask(sql, values)
        except Unreachable as error:
            if not known or not isinstance(error.__cause__, _LOST):
                raise
        return self._ask(sql, values)  # a connection that was idle is cut by what is between, or by a restart

    def version(self) -> object:
        """How often something was changed, and by whom and where. With a new connection it is another one, as the
        database may be, too: a standby that took over, or a backup, may lack changes and count others again."""
        [row] = self.ask("SELECT number, xmin::text, pg_postmaster_start_time() FROM changes")
        return self._connections, *row

    def begin(self) -> None:
        """Begins a change. See `Tables`."""
        self._run(lambda db: db.execute(_BEGIN))
        self._changing = True

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """Changes something. See `Tables`."""
        if not self._changing:
            raise RuntimeError("a change that nobody began")
        said: str = self._run(lambda db: db.execute(numbered(sql), *values))
        return int(said.rpartition(" ")[2])

    def commit(self) -> None:
        """What was changed is done. See `Tables`."""
        try:
            said = self._run(lambda db: db.execute("COMMIT"))
        except Unreachable as error:
            cause = error.__cause__
            if cause is None or (isinstance(cause, asyncpg.PostgresError) and not isinstance(cause, _PERHAPS)):
                raise
            raise OutcomeUnknown(f"{error}; whether it was done is not known: look") from cause
        finally:
            self._changing = False
        if said != "COMMIT":
            raise Unreachable(f"nothing was changed in the database at GATEWAY_DATABASE_URL: {said}")

    def undo(self) -> None:
        """Nothing of it is done: a connection that ends leaves nothing."""
        self._changing = False
        self._hang_up()

    def close(self) -> None:
        """Hangs up."""
        if self._runner is not None:
            self._hang_up()
            self._runner.close()
            self._runner = None

    def _ask(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._run(lambda db: db.fetch(numbered(sql), *values))]

    def _connected(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    def _run(self, work: Callable[[asyncpg.Connection], Awaitable[_T]]) -> _T:
        if not self._connected():
            if self._changing:
                raise Unreachable("the connection to GATEWAY_DATABASE_URL was lost before the change was made")
            self._do(self._connect)
            try:
                self._meet(self)
            except BaseException:
                self._hang_up()  # it is met again
                raise

        async def done() -> _T:
            assert self._connection is not None
            return await work(self._connection)

        return self._do(done)

    def _do(self, work: Callable[[], Awaitable[_T]]) -> _T:
        async def done() -> _T:
            return await work()

        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(done())
        except BaseException as error:
            self._hang_up()  # what state it is in, nobody knows
            if isinstance(error, _FAILED):
                said = str(error) or type(error).__name__
                raise Unreachable(f"cannot use the database at GATEWAY_DATABASE_URL: {said}") from error
            raise

    async def _connect(self) -> None:
        self._connection = await asyncpg.connect(
            self._url,
            timeout=_CONNECT_SECONDS,
            command_timeout=_STATEMENT_SECONDS,
            statement_cache_size=0,  # what pools connections for a transaction each knows no statements of others
            target_session_attrs="read-write",  # a standby may be behind, and goes on being read
            server_settings={"application_name": "gateway"},
        )
        self._connections += 1
        await migrate(self._connection, RECORD, MIGRATIONS)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
