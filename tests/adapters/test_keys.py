"""The key store."""

import re
import sqlite3

from gateway.adapters.keys import Keys
from gateway.core.record import Caller


def test_a_key_leads_to_its_caller(tmp_path):
    keys = Keys(tmp_path)
    id, key = keys.create(
        team="t", app="a", projects=["p", "q"], purposes=["bulk"], floor="confidential", person="us", opaque_as="public"
    )
    assert re.fullmatch(r"sk-gw-[\w-]{32}", key)
    assert keys.find(key.encode()) == Caller(id, "t", "a", ("p", "q"), ("bulk",), "confidential", "us", "public")
    assert keys.find(key.encode()[:-1]) is None
    assert keys.find(b"") is None


def test_another_process_makes_and_revokes_keys(tmp_path):
    server, cli = Keys(tmp_path), Keys(tmp_path)
    assert server.find(b"sk-gw-none") is None
    id, key = cli.create(team="t", app="a")
    assert server.find(key.encode()) is not None
    assert cli.revoke(id)
    server.refresh()
    assert server.find(key.encode()) is None
    assert not cli.revoke(id)
    assert not cli.revoke("key_none")


def test_a_key_says_what_nobody_can_read_counts_as_or_nothing(tmp_path):
    keys = Keys(tmp_path)
    made = [keys.create(team="t", app="a", opaque_as=level) for level in (None, "internal")]
    assert [keys.find(key.encode()).opaque_as for _, key in made] == [None, "internal"]
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
    db.executescript("DROP TABLE keys;" + OLD)
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
    assert db.execute("PRAGMA user_version").fetchone() == (3,)
