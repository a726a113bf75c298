"""The ledger's store in PostgreSQL, for several gateways at once.

Calls are partitioned by month; what is old goes by dropping a month. Rows travel as one JSON text for each statement:
the server takes it apart, which costs this process 3 us a row, where arrays of columns cost 18 to 31.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg
import msgspec

from gateway.adapters.ledger_rows import COLUMNS, DIMENSIONS, EACH_SUM, HOUR, SUMS, Unwritable, hour_of, not_folded
from gateway.adapters.migrations_postgres import MIGRATING, migrate
from gateway.core.record import Entry

_T = TypeVar("_T")
_ENCODE = msgspec.json.Encoder().encode
_ROWS_AT_ONCE = 1_000
"""Rows of one statement: more are hardly faster, and the interpreter's lock is held while they are encoded."""
_SETTLED_SECONDS = 86_400.0
"""Older calls may be in a month that another gateway folds: to write them is to wait, and to look at what is folded."""
_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 20.0
_FOLD_SECONDS = 3600.0
_FOLDING = 7_310_002  # an advisory lock
_PREFIX = "entries_"

_MIGRATIONS = (
    """
    CREATE TABLE entries (
        request_id TEXT NOT NULL, hop BIGINT NOT NULL, state TEXT NOT NULL, time DOUBLE PRECISION NOT NULL,
        key TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL, project TEXT NOT NULL, purpose TEXT NOT NULL,
        requested TEXT NOT NULL, backend TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
        zone TEXT NOT NULL, sensitivity TEXT NOT NULL, decision_id TEXT NOT NULL, policy_digest TEXT NOT NULL,
        price_version TEXT NOT NULL, input_uncached BIGINT NOT NULL, cache_read BIGINT NOT NULL,
        cache_write BIGINT NOT NULL, output BIGINT NOT NULL, reasoning BIGINT NOT NULL,
        usage_source TEXT NOT NULL, cost_pico_usd BIGINT NOT NULL, outcome TEXT NOT NULL, failure TEXT NOT NULL,
        status BIGINT NOT NULL, duration_ms BIGINT NOT NULL,
        cache_write_long BIGINT NOT NULL DEFAULT 0, audio_input BIGINT NOT NULL DEFAULT 0,
        audio_output BIGINT NOT NULL DEFAULT 0, service TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (request_id, hop, time)
    ) PARTITION BY RANGE (time);
    CREATE INDEX entries_time ON entries (time);
    """,
    """
    CREATE TABLE hours (
        time DOUBLE PRECISION NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL,
        project TEXT NOT NULL, purpose TEXT NOT NULL, requested TEXT NOT NULL, backend TEXT NOT NULL,
        model TEXT NOT NULL, provider TEXT NOT NULL, zone TEXT NOT NULL, sensitivity TEXT NOT NULL,
        price_version TEXT NOT NULL, service TEXT NOT NULL, usage_source TEXT NOT NULL, state TEXT NOT NULL,
        calls BIGINT NOT NULL, requests BIGINT NOT NULL, input_uncached NUMERIC NOT NULL DEFAULT 0,
        cache_read NUMERIC NOT NULL DEFAULT 0, cache_write NUMERIC NOT NULL DEFAULT 0,
        cache_write_long NUMERIC NOT NULL DEFAULT 0, audio_input NUMERIC NOT NULL DEFAULT 0,
        output NUMERIC NOT NULL DEFAULT 0, reasoning NUMERIC NOT NULL DEFAULT 0,
        audio_output NUMERIC NOT NULL DEFAULT 0, cost_millions NUMERIC NOT NULL, cost_rest NUMERIC NOT NULL
    );
    CREATE INDEX hours_time ON hours (time);
    CREATE TABLE folded (time DOUBLE PRECISION NOT NULL, marks BYTEA NOT NULL);
    CREATE INDEX folded_time ON folded (time);
    """,
    """
    ALTER TABLE entries ADD COLUMN final BIGINT NOT NULL DEFAULT -1;
    """,
)
"""The rule for them stands in `migrations_postgres`."""

_TYPES = {str: "TEXT", int: "BIGINT", float: "DOUBLE PRECISION"}
_READ = ", ".join(
    f"(row ->> {at})::{_TYPES.get(field.type, 'TEXT')}" for at, field in enumerate(msgspec.structs.fields(Entry))
)
_IDENTITY = ("request_id", "hop", "time")
_INSERT = (
    f"INSERT INTO entries ({', '.join(COLUMNS)}) SELECT {_READ} FROM jsonb_array_elements($1::text::jsonb) AS row "
)
_REPLACE = (
    f"{_INSERT} ON CONFLICT ({', '.join(_IDENTITY)}) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in COLUMNS if name not in _IDENTITY)}"
)
_ADD = f"{_INSERT} ON CONFLICT DO NOTHING"
_HOURS = ", ".join(("time", *DIMENSIONS, *SUMS))
_GROUPS = ", ".join(("time", *DIMENSIONS))
_HOUR_OF_ROW = f"FLOOR(time / {HOUR}) * {HOUR}"
_FOLD = f"""
    INSERT INTO hours ({_HOURS}) SELECT {_GROUPS}, {", ".join(f"SUM({name})" for name in SUMS)} FROM (
        SELECT {_HOUR_OF_ROW}, {", ".join(DIMENSIONS)}, {", ".join(EACH_SUM.values())}
        FROM entries WHERE time >= $1 AND time < $2
    ) AS calls ({_HOURS}) GROUP BY {_GROUPS}
"""
"""Adds rows and touches none: those that are there may have columns of a later version."""
_MARK = f"""
    INSERT INTO folded (time, marks)
    SELECT {_HOUR_OF_ROW}, string_agg(substring(sha256(convert_to(request_id || ' ' || hop, 'UTF8')) FROM 1 FOR 8), '')
    FROM entries WHERE time >= $1 AND time < $2 GROUP BY 1
"""
_MONTHS = """
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'entries'::regclass
"""


class PostgresStore:
    """The `Store` in a PostgreSQL database. Several gateways may write to it at once.

    It connects when it is first used, with an event loop of its own in the thread that uses it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._runner: asyncio.Runner | None = None
        self._connection: asyncpg.Connection | None = None
        self._months: set[int] = set()  # known to be there

    def write(self, entries: Sequence[Entry], *, absent: bool = False) -> int:
        """Keeps entries. See `Store`."""
        last = {(entry.request_id, entry.hop): entry for entry in entries}
        ordered = [last[key] for key in sorted(last)]  # of two gateways that write the same rows, none waits in a ring
        try:
            return self._run(self._write(ordered, absent=absent))
        except (asyncpg.DataError, UnicodeEncodeError, _NoMonth) as error:
            raise Unwritable(str(error)) from error
        except asyncpg.IntegrityConstraintViolationError as error:
            if not error.constraint_name and not error.column_name:
                raise  # a month went while it was written to
            raise Unwritable(str(error)) from error

    def fold(self, before: float) -> bool:
        """Folds the oldest month that ended before a moment, and a day ago. See `Store`."""
        return self._run(self._fold(min(before, time.time() - 2 * _SETTLED_SECONDS)))

    def close(self) -> None:
        """Hangs up."""
        if self._runner is not None:
            self._hang_up()
            self._runner.close()
            self._runner = None

    def _run(self, work: Coroutine[None, None, _T]) -> _T:
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(work)
        except BaseException:
            self._hang_up()  # what state it is in, nobody knows
            raise

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
            self._months.clear()

    async def _open(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._months.clear()
            self._connection = await asyncpg.connect(
                self._url,
                timeout=_CONNECT_SECONDS,
                command_timeout=_STATEMENT_SECONDS,
                server_settings={"application_name": "gateway"},
            )
            await migrate(self._connection, "migrations", _MIGRATIONS)
        return self._connection

    async def _write(self, entries: Sequence[Entry], *, absent: bool) -> int:
        db = await self._open()
        await self._make_months(db, entries)
        try:
            return await _insert(db, entries, absent=absent)
        except asyncpg.CheckViolationError:  # another gateway dropped a month meanwhile
            self._months.clear()
            await self._make_months(db, entries)
            return await _insert(db, entries, absent=absent)

    async def _make_months(self, db: asyncpg.Connection, entries: Iterable[Entry]) -> None:
        """Makes the partitions that entries go to, where there are none."""
        wanted = {_month_of(entry.time) for entry in entries} - self._months
        if wanted:
            await _make(db, wanted)
            self._months |= wanted

    async def _fold(self, before: float) -> bool:
        db = await self._open()
        this = _month_of(time.time())
        await _make(db, {this, this + 1})  # the next one is there before anybody needs it
        months = await _months(db)
        if not months or _start_of(months[0] + 1) > before:
            return False
        month = months[0]
        span = _start_of(month), _start_of(month + 1)
        async with db.transaction():
            if not await db.fetchval("SELECT pg_try_advisory_xact_lock($1)", _FOLDING):
                return False  # another gateway is at it: nobody waits for that
            if month in await _months(db):  # no other gateway was faster
                await db.execute(_FOLD, *span, timeout=_FOLD_SECONDS)
                await db.execute(_MARK, *span, timeout=_FOLD_SECONDS)
                await db.execute("SET LOCAL lock_timeout = '5s'")  # whoever reads for long is not pushed aside
                await db.execute(f"DROP TABLE {_name_of(month)}")
        self._months.discard(month)
        return len(months) > 1 and _start_of(months[1] + 1) <= before


class _NoMonth(ValueError):
    """A time that no calendar has."""


async def _make(db: asyncpg.Connection, months: Iterable[int]) -> None:
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
        for month in sorted(set(months).difference(await _months(db))):
            # attached, not made as a part: that would have to wait for everybody who reads
            await db.execute(f"CREATE TABLE {_name_of(month)} (LIKE entries INCLUDING ALL)")
            span = f"FROM ({_start_of(month)}) TO ({_start_of(month + 1)})"
            await db.execute(f"ALTER TABLE entries ATTACH PARTITION {_name_of(month)} FOR VALUES {span}")


async def _months(db: asyncpg.Connection) -> list[int]:
    """The months that have a partition, in order. The rows of the catalog, not its functions: those may be of before
    the lock."""
    return sorted(_month_named(row[0]) for row in await db.fetch(_MONTHS))


async def _insert(db: asyncpg.Connection, entries: Sequence[Entry], *, absent: bool) -> int:
    late = {hour_of(entry.time) for entry in entries if entry.time < time.time() - _SETTLED_SECONDS}
    if not late and len(entries) <= _ROWS_AT_ONCE:
        return await _insert_rows(db, entries, absent=absent)
    async with db.transaction():
        if late:
            await db.execute("SELECT pg_advisory_xact_lock_shared($1)", _FOLDING)
            folded = await db.fetch("SELECT time, marks FROM folded WHERE time = ANY($1::float8[])", list(late))
            entries = not_folded(entries, folded)
        groups = (entries[at : at + _ROWS_AT_ONCE] for at in range(0, len(entries), _ROWS_AT_ONCE))
        return sum([await _insert_rows(db, group, absent=absent) for group in groups])


async def _insert_rows(db: asyncpg.Connection, entries: Sequence[Entry], *, absent: bool) -> int:
    said: str = await db.execute(_ADD if absent else _REPLACE, _ENCODE(entries).decode())
    return int(said.rpartition(" ")[2])


def _month_of(moment: float) -> int:
    """Months since the year 0."""
    try:
        day = datetime.fromtimestamp(moment, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise _NoMonth(f"no month has the time {moment}") from error
    return day.year * 12 + day.month - 1


def _start_of(month: int) -> float:
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()


def _name_of(month: int) -> str:
    return f"{_PREFIX}{month // 12:04d}_{month % 12 + 1:02d}"


def _month_named(name: str) -> int:
    year, _, number = name.removeprefix(_PREFIX).partition("_")
    return int(year) * 12 + int(number) - 1
