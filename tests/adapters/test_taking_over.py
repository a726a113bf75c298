"""A new database takes over what a directory has, once; nothing is merged, and nothing is lost without a word."""

import contextlib
import shutil
import sqlite3
import threading
import time

import pytest
from support.stores import Agreeing

from gateway.adapters import audit, taking_over
from gateway.adapters.audit import Audit
from gateway.adapters.budget_store import BudgetStore
from gateway.adapters.keys import FILE, Keys
from gateway.adapters.suspensions import Suspensions
from gateway.adapters.tables import Unreachable
from gateway.adapters.taking_over import NAME, left, went


@pytest.fixture
def joined(shared):
    """Opens the database as gateways would that have each a state directory of their own."""
    made = []

    def open_(name, url=shared.url):
        (shared.directory / name).mkdir(exist_ok=True)
        made.append(Agreeing(shared.directory / name, url))
        return made[-1]

    yield open_
    for each in made:
        each.close()


def filled(alone, name="one"):
    """What a directory has before it meets a database; returns the secrets of its key."""
    agreeing = alone(name, "")
    keys, orders, budgets = agreeing(Keys), agreeing(Suspensions), agreeing(BudgetStore)
    id, old = keys.create(team="t", app="a", expires=2e9)
    secrets = [keys.rotate(id, 3600), old]
    keys.revoke(keys.create(team="t", app="b")[0])
    orders.suspend("a", by="ana", reason="first")
    orders.suspend("b", by="ana")
    orders.resume("b", by="ana")
    budgets.set_budget("team", "red", "month", 10**19, soft=True)
    budgets.set_rate("key", "*", "tokens", 5)
    return secrets


def all_of(agreeing):
    keys, orders, budgets = agreeing(Keys), agreeing(Suspensions), agreeing(BudgetStore)
    keys.refresh()
    orders.news()
    return keys.rows(), orders.in_force, budgets.read(), keys


def test_everything_is_taken_over_and_is_as_it_was(joined):
    secrets = filled(joined)
    before = all_of(joined("one", ""))
    agreeing = joined("one")
    after = all_of(agreeing)
    assert after[:3] == before[:3]
    assert [after[3].find(secret.encode()).team for secret in secrets] == ["t", "t"]
    assert after[3].secret("x") == before[3].secret("x")  # the pepper is the same
    counts = {"keys": 2, "suspension_orders": 3, "budgets": 2}
    assert agreeing.told == [("state_shared", counts)]
    assert left(agreeing.tables(), agreeing.directory) == {}
    noted = [each for each in audit.read(agreeing.directory) if each.act == "state_shared"]
    assert [(each.actor, each.outcome, each.detail) for each in noted] == [
        ("test", "done", "2 keys, 3 suspension orders, 2 budgets")
    ]


def test_a_later_directory_is_not_merged_and_what_it_has_is_counted(joined):
    filled(joined)
    (secret, _) = filled(joined, "two")
    all_of(joined("one"))
    two = joined("two")
    rows, *_, keys = all_of(two)
    assert (len(rows), keys.find(secret.encode()), two.told) == (2, None, [])
    assert left(two.tables(), two.directory) == {"keys": 2, "suspension_orders": 3}  # the same budgets are set


def test_a_directory_that_has_nothing_is_not_noted(joined):
    agreeing = joined("one")
    assert all_of(agreeing)[0] == []
    assert list(audit.read(agreeing.directory)) == []
    assert (agreeing.told, left(agreeing.tables(), agreeing.directory)) == ([], {})


def test_what_was_ended_since_does_not_come_back_with_a_database_that_is_new_again(joined, postgres_server):
    filled(joined)
    keys = joined("one")(Keys)
    keys.refresh()
    for row in keys.rows():
        keys.revoke(row.id)
    again = joined("one", postgres_server.url())
    assert all_of(again)[0] == []
    assert left(again.tables(), again.directory) == {}
    (again.directory / NAME).unlink()  # somebody wants it so
    last = joined("one", postgres_server.url())
    assert len(all_of(last)[0]) == 2


def test_files_that_met_a_database_say_so(joined):
    agreeing = joined("one")
    assert went(agreeing.directory) == ""
    all_of(agreeing)
    assert "set GATEWAY_DATABASE_URL" in went(agreeing.directory)
    assert "no longer read" in (agreeing.directory / NAME).read_text()


def test_of_many_that_meet_a_new_database_one_brings_its_own_and_all_have_one_pepper(joined):
    directories = [f"d{number}" for number in range(6)]
    for name in directories:
        filled(joined, name)
    agreeing = [joined(name) for name in directories]
    found = []
    starting = threading.Barrier(len(agreeing))

    def meet(each):
        starting.wait()
        keys = Keys(each.directory, each.tables())
        keys.refresh()
        found.append((keys.secret("x"), [row.id for row in keys.rows()]))
        keys.close()

    threads = [threading.Thread(target=meet, args=(each,)) for each in agreeing]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len({pepper for pepper, _ in found}) == 1
    assert [ids for _, ids in found] == [found[0][1]] * 6
    assert len(found[0][1]) == 2
    assert [name for each in agreeing for name, _ in each.told] == ["state_shared"]
    outcomes = [note.outcome for each in agreeing for note in audit.read(each.directory) if note.act == "state_shared"]
    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "another gateway was first"}


def test_a_key_that_is_revoked_while_files_are_taken_over_stays_revoked(joined):
    filled(joined)
    agreeing = joined("one")
    keys = agreeing(Keys)
    with Audit(agreeing.directory).during("ana", "key_revoked"):
        taking = threading.Thread(target=refreshed, args=(agreeing,))
        taking.start()
        time.sleep(1)
        db = sqlite3.connect(agreeing.directory / FILE)
        db.execute("UPDATE keys SET revoked = 1.0 WHERE revoked IS NULL")
        db.commit()
        db.close()
    taking.join(10)
    assert len(rows := keys.rows()) == 2
    assert all(row.revoked is not None for row in rows)


def refreshed(agreeing):
    keys = Keys(agreeing.directory, agreeing.tables())
    keys.refresh()
    keys.close()


def test_a_key_that_only_a_copy_of_the_directory_has_revoked_is_told(joined):
    filled(joined)
    copy = shutil.copytree(joined("one", "").directory, joined("one", "").directory.parent / "copy")
    with contextlib.closing(Keys(copy)) as keys:
        [live] = [row.id for row in keys.rows() if row.revoked is None]
        assert keys.revoke(live)
    all_of(joined("one"))
    late = joined("copy")
    all_of(late)
    assert left(late.tables(), copy) == {"revoked_keys": 1}


def test_what_cannot_be_noted_is_not_taken_over(joined):
    filled(joined)
    agreeing = joined("one")
    (agreeing.directory / "audit.jsonl").unlink()
    (agreeing.directory / "audit.jsonl").symlink_to("/dev/full")
    with pytest.raises(Unreachable, match="space"):
        agreeing(Keys).refresh()
    (agreeing.directory / "audit.jsonl").unlink()
    assert len(all_of(agreeing)[0]) == 2


def test_a_file_of_an_earlier_version_is_taken_over_too(joined):
    directory = joined("one", "").directory
    db = sqlite3.connect(directory / FILE)
    first = taking_over._FILES[0][1][0]
    db.executescript(f"{first}; PRAGMA user_version=1;")
    db.execute("INSERT INTO keys VALUES ('key_1', x'00', 's', 't', 'a', '[\"p\"]', '[\"g\"]', 'internal', 1.0, NULL)")
    db.commit()
    db.close()
    [row] = all_of(joined("one"))[0]
    assert (row.id, row.scopes) == ("key_1", ("inference", "models", "usage"))
