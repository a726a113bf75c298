"""The key store."""

import math
import re
import sqlite3
import threading

import pytest
from support.stores import Agreeing

from gateway.adapters import keys as keys_adapter
from gateway.adapters.keys import Keys
from gateway.adapters.tables import Unreachable
from gateway.core.record import Caller
from gateway.core.scopes import DEFAULT_SCOPES, SCOPES


def taken(keys, key):
    """Whose key it is, once the store was looked at."""
    keys.refresh()
    return keys.find(key.encode())


def test_a_key_leads_to_its_caller(agreeing):
    keys = agreeing(Keys)
    id, key = keys.create(
        team="t", app="a", projects=["p", "q"], purposes=["bulk"], floor="confidential", person="us", opaque_as="public"
    )
    assert re.fullmatch(r"sk-gw-[\w-]{32}", key)
    assert taken(keys, key) == Caller(id, "t", "a", ("p", "q"), ("bulk",), "confidential", "us", "public")
    assert keys.find(key.encode()[:-1]) is None
    assert keys.find(b"") is None


def test_another_process_makes_and_revokes_keys(agreeing):
    server, cli = agreeing(Keys), agreeing(Keys)
    assert server.find(b"sk-gw-none") is None
    id, key = cli.create(team="t", app="a")
    assert taken(server, key) is not None
    assert cli.revoke(id)
    server.refresh()
    assert taken(server, key) is None
    assert not cli.revoke(id)
    assert not cli.revoke("key_none")


def test_a_key_that_another_process_has_just_made_in_a_file_is_found_without_waiting(tmp_path):
    server, cli = Keys(tmp_path), Keys(tmp_path)
    server.refresh()
    assert server.find(cli.create(team="t", app="a")[1].encode()) is not None


def test_whether_an_unknown_key_is_one_of_a_shared_store_is_not_asked_for_each_request(shared):
    agreeing = Agreeing(shared.directory, shared.url)
    server, cli = agreeing(Keys), agreeing(Keys)
    server.refresh()
    asked = []
    server._db.ask = lambda *question: asked.append(question)
    assert server.find(cli.create(team="t", app="a")[1].encode()) is None
    assert asked == []
    with pytest.raises(Unreachable):
        agreeing(Keys).secret("conversations")  # never read
    agreeing.close()


def test_a_secret_for_a_purpose_is_the_same_for_all_and_another_for_each_purpose(agreeing, tmp_path):
    one, other = agreeing(Keys), agreeing(Keys)
    one.refresh()
    other.refresh()
    assert one.secret("conversations") == other.secret("conversations")
    assert len({one.secret("conversations"), one.secret("more"), one._digest(b"conversations")}) == 3
    assert len(one.secret("more")) == 32


def test_how_many_teams_may_call_models_is_known(agreeing):
    keys = agreeing(Keys)
    assert keys.teams == 0
    for team, scopes in (("a", ["inference"]), ("a", ["inference", "models"]), ("ops", ["admin:read"])):
        keys.create(team=team, app="a", scopes=scopes)
    keys.refresh()
    assert keys.teams == 1
    id, _ = keys.create(team="b", app="a")
    keys.refresh()
    assert keys.teams == 2
    keys.revoke(id)
    keys.refresh()
    assert keys.teams == 1


def test_a_key_says_what_nobody_can_read_counts_as_or_nothing(agreeing):
    keys = agreeing(Keys)
    made = [keys.create(team="t", app="a", opaque_as=level) for level in (None, "internal")]
    assert [taken(keys, key).opaque_as for _, key in made] == [None, "internal"]
    assert [row.opaque_as for row in keys.rows()] == [None, "internal"]


def test_no_key_is_at_rest_anywhere(tmp_path):
    keys = Keys(tmp_path)
    made = [keys.create(team="t", app="a")[1] for _ in range(50)]
    keys.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [key for key in made if key.encode() in stored or key[6:].encode() in stored] == []


def test_what_is_shown_is_the_prefix_and_the_last_four(tmp_path):
    keys = Keys(tmp_path)
    _, key = keys.create(team="t", app="a")
    (row,) = keys.rows()
    assert row.shown == f"sk-gw-…{key[-4:]}"


def test_the_pepper_and_the_store_are_their_owners_only(tmp_path):
    Keys(tmp_path)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("pepper", "keys.sqlite")} == {0o600}


def test_a_key_of_another_store_is_worth_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = Keys(tmp_path / "a"), Keys(tmp_path / "b")
    _, key = one.create(team="t", app="a")
    assert other.find(key.encode()) is None


OLD = """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, shown TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL,
        projects TEXT NOT NULL, purposes TEXT NOT NULL, floor TEXT NOT NULL, created REAL NOT NULL, revoked REAL
    );
    PRAGMA user_version=1;
"""


def test_a_store_of_the_version_before_is_brought_up_to_date_once(tmp_path):
    of_today = Keys(tmp_path)
    db = sqlite3.connect(tmp_path / "keys.sqlite")
    db.executescript("DROP TABLE keys; DROP TABLE former;" + OLD)
    key = "sk-gw-old"
    db.execute(
        "INSERT INTO keys VALUES ('key_1', ?, 'sk-gw-…', 't', 'a', '[\"p\"]', '[\"general\"]', 'internal', 1.0, NULL)",
        (of_today._digest(key.encode()),),
    )
    db.commit()
    one, other = Keys(tmp_path), Keys(tmp_path)
    assert one.find(key.encode()) == Caller("key_1", "t", "a", ("p",), ("general",), "internal", None)
    id, made = other.create(team="t", app="a", person="us")
    assert one.find(made.encode()).person == "us"
    assert [(row.id, row.person) for row in one.rows()] == [("key_1", None), (id, "us")]
    assert db.execute("PRAGMA user_version").fetchone() == (7,)


@pytest.fixture
def clock(monkeypatch):
    """What time it is: a list of one."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(keys_adapter.time, "time", lambda: now[0])
    return now


def test_a_key_has_the_scopes_and_models_that_it_was_given_or_what_an_application_needs(agreeing):
    keys = agreeing(Keys)
    plain = taken(keys, keys.create(team="t", app="a")[1])
    assert (plain.scopes, plain.models) == ({"inference", "models", "usage"}, frozenset())
    _, key = keys.create(team="t", app="a", scopes=["metrics"], models=["fast", "auto"])
    found = taken(keys, key)
    assert (found.scopes, found.models) == ({"metrics"}, {"fast", "auto"})
    assert [(row.scopes, row.models) for row in keys.rows()] == [
        (DEFAULT_SCOPES, ()),
        (("metrics",), ("fast", "auto")),
    ]


def test_a_key_ends_when_it_expires_though_nobody_looks_at_the_store(agreeing, clock):
    server, cli = agreeing(Keys), agreeing(Keys)
    _, key = cli.create(team="t", app="a", expires=clock[0] + 10)
    server.refresh()
    clock[0] += 9.9
    assert server.find(key.encode()) is not None
    clock[0] += 0.1
    server.refresh = lambda: pytest.fail("asked the store")  # the caches alone know
    assert server._taken(server._digest(key.encode())) is None
    assert [row.in_force(clock[0]) for row in cli.rows()] == [False]


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not asked"])
def test_a_key_that_has_ended_stays_ended_when_the_clock_is_set_back(agreeing, clock, asked):
    """Also where the store is read anew by the clock as it is then, and for a secret that was rotated out."""
    server, cli = agreeing(Keys), agreeing(Keys)
    id, old = cli.create(team="t", app="a")
    new = cli.rotate(id, 10, expires=clock[0] + 20)
    cli.create(team="t", app="a", scopes=["admin:read"], expires=clock[0] + 20)
    assert [taken(server, key) is not None for key in (old, new)] == [True, True]
    clock[0] += 20
    if asked:
        assert [taken(server, key) for key in (old, new)] == [None, None]
    assert not server.admin_in_force
    clock[0] -= 3600
    assert [server.find(key.encode()) for key in (old, new)] == [None, None]
    _, other = cli.create(team="t", app="a", expires=clock[0] + 86_400)
    assert taken(server, other) is not None
    assert [taken(server, key) for key in (old, new)] == [None, None]
    assert not server.admin_in_force


def test_how_far_the_clock_was_set_back_is_known_and_keys_end_so_much_earlier(tmp_path, clock):
    server = Keys(tmp_path)
    soon, later = (server.create(team="t", app="a", expires=clock[0] + end)[1].encode() for end in (1800, 7200))
    assert server.set_back_seconds() == pytest.approx(0, abs=0.5)
    clock[0] += 3600
    assert server.set_back_seconds() == pytest.approx(0, abs=0.5)
    clock[0] -= 3600
    assert server.set_back_seconds() == pytest.approx(3600, abs=0.5)
    assert (server.find(soon), server.find(later).team) == (None, "t")
    clock[0] += 3600
    assert server.set_back_seconds() == pytest.approx(0, abs=0.5)


def test_a_rotated_key_stays_who_it_is_and_its_old_secret_ends_after_the_overlap(agreeing, clock):
    server, cli = agreeing(Keys), agreeing(Keys)
    id, old = cli.create(team="t", app="a", models=["fast"])
    new = cli.rotate(id, 3600)
    assert new != old
    assert taken(server, old) == taken(server, new) == Caller(id, "t", "a", models=frozenset({"fast"}))
    (row,) = cli.rows()
    assert (row.id, row.shown[-4:], row.overlaps) == (id, new[-4:], clock[0] + 3600)
    clock[0] += 3600
    assert taken(server, old) is None
    assert taken(server, new) is not None
    assert cli.rows()[0].overlaps is None


def test_no_secret_outlives_the_overlap_of_the_last_rotation(agreeing, clock):
    keys = agreeing(Keys)
    id, first = keys.create(team="t", app="a")
    second = keys.rotate(id, 86_400)
    third = keys.rotate(id, 0)
    assert [taken(keys, key) is not None for key in (first, second, third)] == [False, False, True]


def test_an_overlap_does_not_make_a_secret_live_longer_than_its_key_would_have(agreeing, clock):
    keys = agreeing(Keys)
    id, old = keys.create(team="t", app="a", expires=clock[0] + 60)
    new = keys.rotate(id, 3600, expires=clock[0] + 86_400)
    clock[0] += 61
    assert (taken(keys, old), taken(keys, new).key) == (None, id)


def test_a_key_that_is_revoked_loses_every_secret_and_cannot_be_rotated(agreeing, clock):
    server, cli = agreeing(Keys), agreeing(Keys)
    id, old = cli.create(team="t", app="a")
    new = cli.rotate(id, 3600)
    assert cli.revoke(id)
    server.refresh()
    assert [taken(server, key) for key in (old, new)] == [None, None]
    assert cli.rotate(id, 3600) is None
    assert cli.rotate("key_none", 3600) is None
    ended, _ = cli.create(team="t", app="a", expires=clock[0] + 1)
    clock[0] += 2
    assert cli.rotate(ended, 3600) is None


def test_once_there_was_an_admin_key_the_listener_stays_guarded(agreeing, clock):
    keys = agreeing(Keys)
    keys.create(team="t", app="a", scopes=["metrics", "inference"])
    keys.refresh()
    assert (keys.guards_admin, keys.admin_in_force) == (False, False)
    assert keys.admin_ends is None
    id, _ = keys.create(team="t", app="a", scopes=["admin:read"], expires=clock[0] + 10)
    keys.refresh()
    assert (keys.guards_admin, keys.admin_in_force) == (True, True)
    clock[0] += 10
    keys.refresh()
    assert (keys.guards_admin, keys.admin_in_force) == (True, False)
    keys.revoke(id)
    keys.refresh()
    assert (keys.guards_admin, keys.admin_in_force) == (True, False)


def test_when_the_last_admin_key_ends_is_known(agreeing, clock):
    keys, now = agreeing(Keys), clock[0]

    def made(expires, scope="admin:read"):
        id, _ = keys.create(team="t", app="a", scopes=[scope], expires=expires)
        keys.refresh()
        return id

    made(now + 900, "inference")
    made(now + 10)
    assert keys.admin_ends == now + 10
    later = made(now + 20, "admin:write")
    assert keys.admin_ends == now + 20
    endless = made(None)
    assert keys.admin_ends == math.inf
    clock[0] += 5
    keys.revoke(endless)
    keys.revoke(later)
    keys.refresh()
    assert keys.admin_ends == now + 10
    clock[0] += 50
    keys.revoke(made(now + 60))
    keys.refresh()
    assert (keys.admin_ends, keys.admin_in_force) == (now + 55, False)


def test_of_many_that_start_at_once_none_has_another_pepper(tmp_path):
    peppers = []
    starting = threading.Barrier(8)

    def start():
        starting.wait()
        peppers.append(keys_adapter.pepper_of(tmp_path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {len(pepper) for pepper in peppers} == {32}
    assert len(set(peppers)) == 1


def test_the_scopes_of_older_keys_are_those_of_a_key_that_says_nothing():
    (added,) = [statement for statement in keys_adapter.MIGRATIONS if "COLUMN scopes" in statement]
    assert str(list(DEFAULT_SCOPES)).replace("'", '"').replace(" ", "") in added
    assert set(DEFAULT_SCOPES) <= set(SCOPES)


def test_a_secret_that_is_rotated_out_does_not_outlive_its_key(agreeing, clock):
    keys = agreeing(Keys)
    id, old = keys.create(team="t", app="a")
    new = keys.rotate(id, 86_400, expires=clock[0] + 3600)
    assert keys.rows()[0].overlaps == clock[0] + 3600
    clock[0] += 3601
    keys.refresh()
    assert [taken(keys, secret) for secret in (old, new)] == [None, None]


def test_what_a_full_disk_cannot_note_is_undone(agreeing, tmp_path):
    keys = agreeing(Keys)
    id, secret = keys.create(team="t", app="a")
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    for act in (
        lambda: keys.rotate(id, 0),
        lambda: keys.revoke(id),
        lambda: keys.create(team="t", app="b"),
    ):
        with pytest.raises(OSError, match="space"):
            act()
    keys.refresh()
    assert taken(keys, secret).key == id
    assert len(keys.rows()) == 1


def test_a_secret_is_the_same_for_all_who_have_the_pepper_and_another_for_each_purpose(tmp_path):
    (tmp_path / "other").mkdir()
    one, again, other = Keys(tmp_path), Keys(tmp_path), Keys(tmp_path / "other")
    assert one.secret("a") == again.secret("a")
    assert len({one.secret("a"), one.secret("b"), other.secret("a")}) == 3
    assert len(one.secret("a")) == 32
