"""A file is its owner's, is brought up to date once, and by one process of many."""

import sqlite3
import subprocess
import sys

import pytest

from gateway.adapters.sqlite_files import opened

FIRST = "CREATE TABLE a (x INTEGER)"
SECOND = "ALTER TABLE a ADD COLUMN y INTEGER"


def columns(db):
    return [name for _, name, *_ in db.execute("PRAGMA table_info(a)")]


@pytest.mark.assures("fault 27")
def test_a_file_is_made_and_later_brought_up_to_date(tmp_path):
    path = tmp_path / "a.sqlite"
    with opened(path, [FIRST]) as db:
        db.execute("INSERT INTO a VALUES (1)")
    assert path.stat().st_mode & 0o077 == 0
    for _ in range(2):
        db = opened(path, [FIRST, SECOND])
        assert (columns(db), db.execute("SELECT x FROM a").fetchall()) == (["x", "y"], [(1,)])


@pytest.mark.assures("fault 27")
def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.sqlite"
    opened(path, [FIRST]).close()
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        opened(path, [FIRST, SECOND, "ALTER TABLE nowhere ADD COLUMN z INTEGER"])
    assert columns(opened(path, [FIRST])) == ["x"]


def test_many_that_start_at_once_all_find_it_up_to_date(tmp_path):
    script = (
        "import sys; from pathlib import Path; from gateway.adapters.sqlite_files import opened; "
        f"sys.stdin.read(1); opened(Path({str(tmp_path / 'a.sqlite')!r}), [{FIRST!r}, {SECOND!r}])"
    )
    started = [subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) for _ in range(6)]
    for process in started:
        process.stdin.write(b"x")
        process.stdin.flush()
    assert [process.wait(20) for process in started] == [0] * 6
