"""How tables in PostgreSQL are brought up to date, while gateways of the version before use them.

The rule for every migration, so that versions N and N-1 run side by side: it only adds. A column that it adds has a
default, or may be NULL; nothing is renamed, removed or made narrower, and no statement of the version before comes to
fail. What nobody writes any more is removed one version after the last that did.

Each set of tables has a number of its own, in a table of its own. A number that is higher than what is known is of a
later version: it is left as it is.
"""

from collections.abc import Sequence

import asyncpg

MIGRATING = 7_310_001
"""The advisory lock of whoever makes tables."""


async def migrate(db: asyncpg.Connection, record: str, migrations: Sequence[str]) -> None:
    """Brings a set of tables up to date. `record` is the table that keeps its number. Of several gateways that start at
    once, one does; a database that is up to date is only read."""
    if await db.fetchval("SELECT to_regclass($1)", record) is not None and await _done(db, record) >= len(migrations):
        return
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
        await db.execute(f"CREATE TABLE IF NOT EXISTS {record} (number BIGINT PRIMARY KEY, done TIMESTAMPTZ NOT NULL)")
        done = await _done(db, record)
        for number, script in enumerate(migrations[done:], done + 1):
            await db.execute(script)
            await db.execute(f"INSERT INTO {record} VALUES ($1, now())", number)


async def _done(db: asyncpg.Connection, record: str) -> int:
    number: int = await db.fetchval(f"SELECT COALESCE(MAX(number), 0) FROM {record}")
    return number
