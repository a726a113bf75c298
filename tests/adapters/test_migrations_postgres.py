"""Tables are brought up to date once, by one of many, and a later version is left as it is."""

import asyncio

import asyncpg
import pytest

from gateway.adapters.migrations_postgres import migrate

FIRST, SECOND = "CREATE TABLE a (x BIGINT)", "ALTER TABLE a ADD COLUMN y BIGINT NOT NULL DEFAULT 3"


async def done(url, *steps, record="one_migrations"):
    db = await asyncpg.connect(url)
    try:
        await migrate(db, record, steps)
        return [row[0] for row in await db.fetch(f"SELECT number FROM {record} ORDER BY 1")]
    finally:
        await db.close()


@pytest.mark.assures("fault 27")
async def test_each_set_of_tables_has_a_number_of_its_own(shared):
    assert await done(shared.url, FIRST) == [1]
    assert await done(shared.url, FIRST, SECOND) == [1, 2]
    assert await done(shared.url, "CREATE TABLE b (x BIGINT)", record="other_migrations") == [1]


@pytest.mark.assures("fault 27")
async def test_an_older_gateway_on_newer_tables_changes_nothing(shared):
    await done(shared.url, FIRST, SECOND)
    assert await done(shared.url, FIRST) == [1, 2]


@pytest.mark.assures("fault 27")
async def test_a_step_that_fails_leaves_all_as_it_was(shared):
    await done(shared.url, FIRST)
    with pytest.raises(asyncpg.PostgresError, match="nowhere"):
        await done(shared.url, FIRST, SECOND, "ALTER TABLE nowhere ADD COLUMN z BIGINT")
    assert await done(shared.url, FIRST) == [1]


async def test_many_that_start_at_once_all_find_it_up_to_date(shared):
    assert await asyncio.gather(*(done(shared.url, FIRST, SECOND) for _ in range(8))) == [[1, 2]] * 8


async def test_what_is_up_to_date_is_only_read(shared):
    await done(shared.url, FIRST)
    db = await asyncpg.connect(shared.url, server_settings={"default_transaction_read_only": "on"})
    await migrate(db, "one_migrations", [FIRST])
    await db.close()
