"""What a process knows of what replicas agree on, and what it does while it knows nothing."""

import asyncio
import math
import time

import pytest
from support.stores import Agreeing

from gateway.adapters import keys as keys_adapter
from gateway.adapters.agreed import Agreed
from gateway.adapters.budget_store import BudgetStore
from gateway.adapters.keys import Keys, new_id
from gateway.adapters.state import StateTaken
from gateway.adapters.suspensions import Suspensions
from gateway.adapters.tables_postgres import PostgresTables
from gateway.core.errors import Refusal, Refused

NOWHERE = "postgresql://127.0.0.1:1/state"


class Told:
    """What was told, by name."""

    def __init__(self):
        self.names = []

    def __call__(self, name, **_):
        self.names.append(name)


@pytest.fixture
def told():
    return Told()


def test_what_others_do_is_known_at_the_next_look(agreeing, tmp_path, told):
    mine = Agreed(tmp_path, agreeing.url, told, math.inf)
    mine.put_in_force()
    keys, orders, budgets = agreeing(Keys), agreeing(Suspensions), agreeing(BudgetStore)
    id, key = keys.create(team="t", app="a", scopes=["admin:read"])
    orders.suspend("a", by="ana", reason="order 4711")
    budgets.set_budget("team", "red", "month", 5, soft=False)
    news = asyncio.run(mine.look())
    assert [(order.backend, order.reason) for order in news] == [("a", "order 4711")]
    assert list(mine.suspensions.in_force) == ["a"]
    assert len(mine.budgets.known.limits) == 1
    mine.budgets.in_force = mine.budgets.known
    assert (mine.find(key.encode()).key, mine.guards_admin(), mine.keys.admin_in_force) == (id, True, True)
    keys.revoke(id)
    assert asyncio.run(mine.look()) == ()
    assert (mine.find(key.encode()), mine.keys.admin_in_force) == (None, False)
    asyncio.run(mine.close())


def test_when_the_last_admin_key_has_ended_it_is_told_once_and_again_when_it_does_again(agreeing, tmp_path, told):
    keys = agreeing(Keys)
    keys.create(team="t", app="a")
    mine = Agreed(tmp_path, agreeing.url, told, math.inf)
    assert (mine.admin_ends(), told.names) == (math.inf, [])
    for times in (1, 2):
        keys.create(team="t", app="a", scopes=["admin:write"], expires=time.time() + 0.5)
        asyncio.run(mine.look())
        assert mine.admin_ends() > time.time()
        assert told.names == ["admin_key_ended"] * (times - 1)
        time.sleep(0.55)
        asyncio.run(mine.look())
        asyncio.run(mine.look())
        assert told.names == ["admin_key_ended"] * times
    asyncio.run(mine.close())


def test_a_clock_that_was_set_back_is_told_once_each_time(tmp_path, told, monkeypatch):
    real, off = time.time, [0.0]
    monkeypatch.setattr(keys_adapter.time, "time", lambda: real() + off[0])
    mine = Agreed(tmp_path, "", told, math.inf)
    for seconds, times in ((0, 0), (-0.5, 0), (3600, 0), (1800, 1), (1800, 1), (0, 2), (3600, 2), (7200, 2), (7198, 3)):
        off[0] = seconds
        for _ in range(2):
            asyncio.run(mine.look())
            assert told.names == ["clock_set_back"] * times
    asyncio.run(mine.close())


def test_that_the_clock_was_set_back_is_told_while_the_database_is_away(tmp_path, told, monkeypatch):
    real, off = time.time, [0.0]
    monkeypatch.setattr(keys_adapter.time, "time", lambda: real() + off[0])
    mine = Agreed(tmp_path, NOWHERE, told, math.inf)
    off[0] = -60.0
    asyncio.run(mine.look())
    assert told.names == ["state_away", "clock_set_back"]
    asyncio.run(mine.close())


@pytest.mark.parametrize("budget_first", [True, False])
def test_a_key_is_let_in_once_budgets_from_before_are_in_force(agreeing, tmp_path, told, budget_first):
    mine = Agreed(tmp_path, agreeing.url, told, math.inf)
    mine.put_in_force()
    keys, budgets, id = agreeing(Keys), agreeing(BudgetStore), new_id()
    if budget_first:
        budgets.set_budget("key", id, "day", 5, soft=False)
    _, key = keys.create(team="t", app="a", id=id)
    if not budget_first:
        budgets.set_budget("key", id, "day", 5, soft=False)
    asyncio.run(mine.look())
    with pytest.raises(Refused) as refused:
        mine.find(key.encode())
    assert (refused.value.refusal, refused.value.retry_after) == (Refusal.STATE_DOWN, 1)
    mine.budgets.in_force = mine.budgets.known
    assert mine.find(key.encode()).key == id
    budgets.set_rate("key", id, "requests", 3)
    asyncio.run(mine.look())
    assert mine.find(key.encode()).key == id  # it has been let in
    asyncio.run(mine.close())


def test_in_a_file_a_key_and_its_budget_are_seen_at_once(tmp_path, told):
    mine, keys, budgets = Agreed(tmp_path, "", told, math.inf), Keys(tmp_path), BudgetStore(tmp_path)
    mine.put_in_force()
    id, key = keys.create(team="t", app="a")
    budgets.set_budget("key", id, "day", 5, soft=False)
    with pytest.raises(Refused):
        mine.find(key.encode())
    mine.budgets.in_force = mine.budgets.known
    assert mine.find(key.encode()).key == id
    budgets.set_budget("continent", "red", "day", 5, soft=False)  # as a later version may have them
    _, other = keys.create(team="t", app="a")
    with pytest.raises(Refused):
        mine.find(other.encode())
    assert mine.find(key.encode()).key == id


def test_what_cannot_be_read_of_one_holds_up_none_of_the_others(agreeing, tmp_path, told):
    keys, orders, budgets = agreeing(Keys), agreeing(Suspensions), agreeing(BudgetStore)
    id, key = keys.create(team="t", app="a")
    mine = Agreed(tmp_path, agreeing.url, told, math.inf)
    mine.put_in_force()
    assert mine.find(key.encode()).key == id
    budgets.set_budget("continent", "red", "day", 5, soft=False)  # as a later version may have them
    keys.revoke(id)
    orders.suspend("a", by="ana")
    for _ in range(2):
        with pytest.raises(ValueError, match="continent"):
            asyncio.run(mine.look())
        assert (mine.find(key.encode()), list(mine.suspensions.in_force)) == (None, ["a"])
    budgets.remove("continent", "red")
    assert [order.backend for order in asyncio.run(mine.look())] == ["a"]  # told once, and not lost
    assert asyncio.run(mine.look()) == ()
    asyncio.run(mine.close())


def test_until_what_was_read_is_in_force_no_key_is_called_good_or_bad(agreeing, tmp_path, told):
    key = agreeing(Keys).create(team="t", app="a")[1].encode()
    mine = Agreed(tmp_path, agreeing.url, told, math.inf)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            mine.find(key)
        assert (refused.value.refusal, refused.value.retry_after) == (Refusal.STATE_DOWN, 2)
        assert (mine.unready, mine.guards_admin()) == ("state_unavailable", True)
        asyncio.run(mine.look())
    mine.put_in_force()
    assert (mine.find(key).team, mine.find(b"sk-gw-none"), mine.unready, mine.guards_admin()) == (
        "t",
        None,
        None,
        False,
    )
    asyncio.run(mine.close())


def test_a_database_that_was_never_there_is_told_once_and_nothing_can_come_into_force(tmp_path, told):
    mine = Agreed(tmp_path, NOWHERE, told, math.inf)
    for _ in range(3):
        assert asyncio.run(mine.look()) == ()
    mine.put_in_force()
    assert (mine.read, mine.unready, mine.age_seconds()) == (False, "state_unavailable", math.inf)
    assert told.names == ["state_away"]
    asyncio.run(mine.close())


def test_what_is_known_stays_known_while_the_database_is_away(shared, tmp_path, told, server):
    agreeing = Agreeing(tmp_path, shared.url)
    key = agreeing(Keys).create(team="t", app="a")[1].encode()
    mine = Agreed(tmp_path, shared.url, told, math.inf)
    mine.put_in_force()
    with server.down():
        for _ in range(2):
            assert asyncio.run(mine.look()) == ()
            with pytest.raises(Refused, match="comes into force"):
                mine.require()
        mine.put_in_force()
        assert mine.find(key).team == "t"
        away = mine.age_seconds()
        assert away > 0
    for _ in range(2):
        asyncio.run(mine.look())
        mine.require()
    assert mine.age_seconds() < away
    assert told.names == ["state_away", "state_back"]
    agreeing.close()
    asyncio.run(mine.close())


def test_keys_that_were_not_read_for_long_are_taken_no_more_and_none_is_called_bad(shared, tmp_path, told, server):
    agreeing = Agreeing(tmp_path, shared.url)
    keys = agreeing(Keys)
    id, key = keys.create(team="t", app="a")
    mine = Agreed(tmp_path, shared.url, told, 2)
    mine.put_in_force()
    with server.frozen():
        assert mine.find(key.encode()).team == "t"
        assert mine.unready is None
        began = time.monotonic()
        while time.monotonic() < began + 2:
            asyncio.run(mine.look())
        for any_key in (key, "sk-gw-unknown"):
            with pytest.raises(Refused) as refused:
                mine.find(any_key.encode())
            assert (refused.value.refusal, refused.value.retry_after) == (Refusal.STATE_DOWN, 2)
        assert mine.unready == "state_unavailable"
        mine.put_in_force()  # what is known is in force, and too old all the same
        assert mine.unready == "state_unavailable"
    keys.revoke(id)
    asyncio.run(mine.look())
    assert (mine.unready, mine.find(key.encode())) == (None, None)
    assert told.names == ["state_away", "state_back"]
    agreeing.close()
    asyncio.run(mine.close())


def test_keys_that_can_be_read_are_taken_however_long_a_budget_cannot(shared, tmp_path, told):
    agreeing = Agreeing(tmp_path, shared.url)
    key = agreeing(Keys).create(team="t", app="a")[1].encode()
    mine = Agreed(tmp_path, shared.url, told, 0.5)
    mine.put_in_force()
    agreeing(BudgetStore).set_budget("continent", "red", "day", 5, soft=False)  # as a later version may have them
    mine.budgets.in_force = mine.budgets.known
    assert mine.find(key).team == "t"
    began = time.monotonic()
    while time.monotonic() < began + 1:
        with pytest.raises(ValueError, match="continent"):
            asyncio.run(mine.look())
        assert mine.find(key).team == "t"
    assert mine.age_seconds() > 0.9
    agreeing.close()
    asyncio.run(mine.close())


def test_keys_of_a_file_do_not_age(tmp_path, told):
    key = Keys(tmp_path).create(team="t", app="a")[1].encode()
    mine = Agreed(tmp_path, "", told, 0)
    mine.put_in_force()
    time.sleep(0.01)
    assert (mine.find(key).team, mine.unready) == ("t", None)


async def test_the_event_loop_never_asks_a_database(shared, tmp_path, told, monkeypatch):
    run = PostgresTables._run

    def apart(self, work):
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return run(self, work)

    monkeypatch.setattr(PostgresTables, "_run", apart)
    mine = Agreed(tmp_path, shared.url, told, math.inf)
    mine.put_in_force()
    await mine.look()
    assert mine.find(b"sk-gw-none") is None
    assert not mine.guards_admin()
    await mine.close()


def test_what_a_directory_keeps_for_itself_is_told_at_the_start_and_once(shared, tmp_path, told):
    (tmp_path / "old").mkdir()
    alone = Agreeing(tmp_path / "old")
    alone(Keys).create(team="t", app="a")
    alone.close()
    first = Agreed(tmp_path, shared.url, Told(), math.inf)
    mine = Agreed(tmp_path / "old", shared.url, told, math.inf)
    asyncio.run(mine.look())
    assert told.names == ["state_not_shared"]
    asyncio.run(first.close())
    asyncio.run(mine.close())


def test_files_that_a_database_took_over_are_refused(tmp_path, told):
    (tmp_path / "shared").write_text("Shared")
    with pytest.raises(StateTaken, match="set GATEWAY_DATABASE_URL"):
        Agreed(tmp_path, "", told, math.inf)


def test_files_have_no_age(tmp_path, told):
    mine = Agreed(tmp_path, "", told, math.inf)
    assert (mine.age_seconds(), mine.read) == (0.0, True)
    asyncio.run(mine.close())
