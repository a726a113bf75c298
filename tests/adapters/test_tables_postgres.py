"""Tables that replicas share: one change after the other, whole or not at all, and nobody is left in doubt."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from support.stores import Agreeing

from gateway.adapters import audit
from gateway.adapters.keys import Keys
from gateway.adapters.migrations_postgres import migrate
from gateway.adapters.suspensions import Suspensions
from gateway.adapters.tables import OutcomeUnknown, Unreachable
from gateway.adapters.tables_postgres import MIGRATIONS, RECORD, PostgresTables

ADD = "INSERT INTO secrets (name, value) VALUES (?, ?)"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'gateway'"


@pytest.fixture
def opened(shared):
    """Opens the tables as one more process would."""
    made = []

    def open_(meet=lambda _: None):
        made.append(PostgresTables(shared.url, meet))
        return made[-1]

    yield open_
    for each in made:
        each.close()


@pytest.fixture
def cut(shared, server):
    """Ends every connection of a gateway to the database."""
    name = shared.url.partition("?")[0].rpartition("/")[2]
    return lambda: server.ask(CUT.format(name))


def add(tables, name):
    tables.begin()
    tables.change(ADD, [name, b"x"])
    tables.commit()


def names(tables):
    return [name for (name,) in tables.ask("SELECT name FROM secrets ORDER BY name")]


def test_a_change_is_seen_by_others_once_it_is_committed(opened):
    one, other = opened(), opened()
    before = other.version()
    assert other.version() == before
    one.begin()
    assert one.change(ADD, ["a", b"x"]) == 1
    assert (names(other), other.version()) == ([], before)
    one.commit()
    assert names(other) == ["a"]
    assert other.version() != before


def test_what_is_undone_leaves_nothing_and_holds_nobody_up(opened):
    one, other = opened(), opened()
    one.begin()
    one.change(ADD, ["a", b"x"])
    one.undo()
    add(other, "b")
    assert names(one) == names(other) == ["b"]


def test_a_change_that_nobody_began_is_a_fault(opened):
    with pytest.raises(RuntimeError, match="nobody began"):
        opened().change(ADD, ["a", b"x"])


def test_of_two_changes_one_waits_for_the_other(opened):
    one, other = opened(), opened()
    other.version()
    one.begin()
    one.change(ADD, ["a", b"x"])
    waiting = threading.Thread(target=add, args=(other, "b"))
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    one.commit()
    waiting.join(5)
    assert names(one) == ["a", "b"]


def test_a_change_that_waits_too_long_for_another_is_refused(opened):
    one, other = opened(), opened()
    one.begin()
    with pytest.raises(Unreachable, match="lock timeout"):
        other.begin()
    one.commit()


def test_a_connection_that_was_cut_is_made_anew_and_what_it_met_is_met_again(opened, cut):
    met = []
    tables = opened(met.append)
    before = tables.version()
    cut()
    assert tables.version() != before  # whether the database is the same, nobody knows
    assert len(met) == 2


def test_a_database_that_was_set_back_is_another_one_though_it_counts_as_many_changes(opened):
    tables = opened()
    before = tables.version()
    tables.ask("UPDATE changes SET number = number")  # as a backup does that is put back behind the same connection
    assert tables.version() != before


def test_a_standby_is_not_read(opened, server):
    tables, late = opened(), opened()
    tables.version()
    with server.standby():
        for each in (tables, late):
            with pytest.raises(Unreachable, match="GATEWAY_DATABASE_URL"):
                each.version()  # it may be behind, and nobody would be told
    tables.version()


def test_changes_follow_each_other_whatever_isolation_a_database_has(opened, shared, server):
    name = shared.url.partition("?")[0].rpartition("/")[2]
    server.ask(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    one, other = opened(), opened()
    other.version()
    one.begin()
    one.change(ADD, ["a", b"x"])
    waiting = threading.Thread(target=add, args=(other, "b"))
    waiting.start()
    time.sleep(0.3)
    one.commit()
    waiting.join(5)
    assert names(one) == ["a", "b"]


def test_no_statement_stays_prepared_on_a_connection_that_others_may_be_given(opened):
    tables = opened()
    for _ in range(2):
        add(tables, str(tables.version()))
    assert tables.ask("SELECT name FROM pg_prepared_statements") == []


def test_a_change_whose_connection_was_cut_is_not_made_by_the_next_one(opened, cut):
    tables = opened()
    tables.begin()
    tables.change(ADD, ["a", b"x"])
    cut()
    with pytest.raises(Unreachable):
        tables.change(ADD, ["b", b"x"])
    with pytest.raises(Unreachable):
        tables.change(ADD, ["c", b"x"])
    with pytest.raises(Unreachable):
        tables.commit()
    tables.undo()
    assert names(tables) == []


def test_whether_a_commit_that_nobody_answered_was_done_is_not_known(opened, cut):
    tables = opened()
    tables.begin()
    tables.change(ADD, ["a", b"x"])
    cut()
    with pytest.raises(OutcomeUnknown, match="whether it was done is not known"):
        tables.commit()


def test_a_commit_that_the_database_refuses_was_not_done(opened):
    tables = opened()
    tables.ask("CREATE TABLE late (n BIGINT UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    tables.begin()
    tables.change("INSERT INTO late VALUES (1), (1)")
    with pytest.raises(Unreachable, match="duplicate key") as told:
        tables.commit()
    assert not isinstance(told.value, OutcomeUnknown)


def test_the_trail_says_that_nobody_knows_whether_it_was_done(shared, cut):
    agreeing = Agreeing(shared.directory, shared.url)
    keys = agreeing(Keys)
    id, _ = keys.create(team="t", app="a")
    commit = keys._db.commit

    def cut_before():
        cut()
        commit()

    keys._db.commit = cut_before
    with pytest.raises(OutcomeUnknown):
        keys.revoke(id)
    outcomes = [(each.act, each.outcome) for each in audit.read(shared.directory)]
    assert outcomes == [("key_created", "done"), ("key_revoked", "done"), ("key_revoked", "unknown")]
    agreeing.close()


def test_what_cannot_be_reached_is_told_without_the_password():
    tables = PostgresTables("postgresql://me:secret@127.0.0.1:1/state")
    with pytest.raises(Unreachable, match="GATEWAY_DATABASE_URL") as told:
        tables.version()
    assert "secret" not in str(told.value)
    tables.close()


def test_a_server_that_hangs_is_waited_for_so_long_and_no_longer(opened, server):
    tables = opened()
    tables.version()
    began = time.monotonic()
    with server.frozen(), pytest.raises(Unreachable):
        tables.version()
    assert time.monotonic() - began < 10


STOPPED = """
import sys, time
from gateway.adapters.tables_postgres import PostgresTables
tables = PostgresTables(sys.argv[1])
tables.begin()
print("begun", flush=True)
time.sleep(60)
"""


def test_a_process_that_died_in_the_middle_of_a_change_holds_nobody_up(opened, shared):
    tables = opened()
    tables.version()
    stuck = subprocess.Popen([sys.executable, "-c", STOPPED, shared.url], stdout=subprocess.PIPE, text=True)
    try:
        assert stuck.stdout.readline() == "begun\n"
        stuck.send_signal(signal.SIGKILL)
        stuck.wait()
        add(tables, "a")
    finally:
        stuck.kill()
        stuck.wait()
    assert names(tables) == ["a"]


def test_orders_of_many_at_once_are_all_there_and_in_one_order(shared):
    agreeing = Agreeing(shared.directory, shared.url)
    agreeing(Suspensions).news()

    def order(number):
        each = Suspensions(shared.directory, agreeing.tables())
        for at in range(5):
            each.suspend(f"{number}.{at}", by="ana")
        each.close()

    threads = [threading.Thread(target=order, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = agreeing(Suspensions)
    seen.news()
    assert len(seen.in_force) == 20
    agreeing.close()


@pytest.mark.assures("fault 27")
def test_a_later_version_beside_this_one_is_no_matter(opened, shared):
    later = opened()
    later.version()

    async def add_a_column(db):
        await migrate(db, RECORD, (*MIGRATIONS, "ALTER TABLE secrets ADD COLUMN later TEXT NOT NULL DEFAULT 'x'"))

    later._run(add_a_column)
    tables = opened()
    add(tables, "a")
    assert tables.ask("SELECT name, later FROM secrets") == [("a", "x")]
    assert tables.ask(f"SELECT MAX(number) FROM {RECORD}") == [(len(MIGRATIONS) + 1,)]
