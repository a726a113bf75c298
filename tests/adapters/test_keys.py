"""The key store."""

import re

from gateway.adapters.keys import Keys
from gateway.core.record import Caller


def test_a_key_leads_to_its_caller(tmp_path):
    keys = Keys(tmp_path)
    id, key = keys.create(team="t", app="a", projects=["p", "q"], purposes=["bulk"], floor="confidential")
    assert re.fullmatch(r"sk-gw-[\w-]{32}", key)
    assert keys.find(key.encode()) == Caller(id, "t", "a", ("p", "q"), ("bulk",), "confidential")
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
