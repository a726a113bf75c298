"""The trail of acts: any number of processes write it, and none spoils it."""

import contextlib
import errno
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from gateway.adapters import audit
from gateway.adapters.audit import NAME, Audit, Busy, Notes, Unfinished, follow, read, whoever
from gateway.adapters.sqlite_files import SqliteTables
from gateway.core.chain import Walk


def walked(directory):
    walk = Walk()
    records = list(follow(directory, walk))
    return records, walk


def test_an_act_is_kept_as_it_was_said(tmp_path):
    Audit(tmp_path).note("cli me", "key_created", "key_1", detail="t/a")
    Audit(tmp_path).note("gateway", "policy_refused", "tree", "refused")
    (first, second), walk = walked(tmp_path)
    assert (first.number, first.actor, first.act, first.object, first.outcome, first.detail) == (
        1, "cli me", "key_created", "key_1", "done", "t/a",
    )  # fmt: skip
    assert abs(first.time - time.time()) < 60
    assert (second.number, second.outcome) == (2, "refused")
    assert (walk.findings, walk.head.number) == ([], 2)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_what_fails_is_noted_and_still_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), Audit(tmp_path).during("cli me", "key_revoked", "key_1"):
        raise ZeroDivisionError
    with Audit(tmp_path).during("cli me", "key_revoked") as noted:
        noted.object, noted.outcome, noted.detail = "key_2", "no such key", "d"
    assert [(r.object, r.outcome, r.detail) for r in read(tmp_path)] == [
        ("key_1", "begun", ""),
        ("key_1", "failed", ""),
        ("", "begun", ""),
        ("key_2", "no such key", "d"),
    ]


def test_what_cannot_be_noted_is_not_begun(tmp_path, monkeypatch):
    (tmp_path / NAME).mkdir()
    with pytest.raises(OSError), Audit(tmp_path).during("me", "key_created"):
        pytest.fail("it was begun")
    monkeypatch.setattr(audit, "_PATIENCE_SECONDS", 0.05)
    other = tmp_path / "other"
    other.mkdir()
    with (other / NAME).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="another process"), Audit(other).during("me", "key_created"):
            pytest.fail("it was begun")


@contextlib.contextmanager
def room_for(path, more):
    """The file takes so many bytes more, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_act_that_nobody_can_take_back_is_in_the_trail_also_where_its_end_is_not(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(b"\n" * 2_000_000)  # so that nothing else is too large
    Audit(tmp_path).note("me", "started")
    before = path.stat().st_size
    done = []
    with room_for(path, 0), pytest.raises(OSError), Audit(tmp_path).during("me", "spend_booked"):
        done.append("although it was not begun")
    assert (done, path.stat().st_size) == ([], before)
    with room_for(path, 250), pytest.raises(Unfinished), Audit(tmp_path).during("me", "spend_booked"):
        done.append("once")
    records, _ = walked(tmp_path)
    assert (done, [(r.act, r.outcome) for r in records]) == (["once"], [("started", "done"), ("spend_booked", "begun")])


@pytest.mark.assures("threat L1")
def test_no_word_can_steer_a_terminal_or_make_a_line_of_its_own(tmp_path, showed):
    hostile = ["a\r\nb", "\x1b[2J\x1b]0;x\x07", "x\u2028y\u2029", "\u202ereversed", "\x00\x7f\x9b31m", '","digest":"', "=cmd()", "z" * 9999]  # fmt: skip
    for word in hostile:
        Audit(tmp_path).note(word, "key_created", word, word, word)
    raw = (tmp_path / NAME).read_bytes()
    assert raw.count(b"\n") == len(hostile)
    text = raw.decode()
    assert [c for c in text if c != "\n" and (ord(c) < 32 or c in "\x7f\x9b\u2028\u2029\u202e")] == []
    assert all(isinstance(json.loads(line), dict) for line in raw.splitlines())
    records, walk = walked(tmp_path)
    assert (walk.findings, len(records)) == ([], len(hostile))
    assert max(len(line) for line in raw.splitlines()) < 10_000
    showed(f"{4 * len(hostile)} hostile words in the audit trail", "one line each, none with a control character")


def test_a_line_that_lacks_only_its_end_is_whole(tmp_path):
    for number in range(2):
        Audit(tmp_path).note("me", "key_created", str(number))
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-1])
    Audit(tmp_path).note("me", "key_created", "after")
    records, walk = walked(tmp_path)
    assert ([r.object for r in records], walk.findings) == (["0", "1", "after"], [])


@pytest.mark.parametrize("cut", [2, 40, 150])
def test_a_torn_line_is_noted_by_the_next_writer_and_the_trail_goes_on(tmp_path, cut):
    for number in range(3):
        Audit(tmp_path).note("me", "key_created", str(number))
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-cut])
    assert [each.kind for each in walked(tmp_path)[1].findings] == ["torn"]
    Audit(tmp_path).note("me", "key_created", "after")
    records, walk = walked(tmp_path)
    assert [r.object for r in records if r.act != "line_torn"] == ["0", "1", "after"]
    assert [(each.line, each.kind) for each in walk.findings] == [(3, "torn")]
    assert walk.head.number == 4


def test_a_line_that_somebody_put_there_is_no_tear(tmp_path):
    Audit(tmp_path).note("me", "key_created", "1")
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"number":2,"actor":"nobody"}\n')
    Audit(tmp_path).note("me", "key_created", "2")
    records, walk = walked(tmp_path)
    assert [r.object for r in records] == ["1", "2"]
    assert [(each.line, each.kind) for each in walk.findings] == [(2, "changed")]


def test_a_long_tail_of_what_is_no_record_hides_no_head(tmp_path):
    Audit(tmp_path).note("me", "key_created", "1")
    with (tmp_path / NAME).open("ab") as file:
        file.write(b"x" * 300_000)
    Audit(tmp_path).note("me", "key_created", "2")
    assert [r.number for r in read(tmp_path)] == [1, 2, 3]


WRITER = """
import sys, time
from pathlib import Path
from gateway.adapters.audit import Audit
from gateway.adapters.sqlite_files import SqliteTables
for number in range(int(sys.argv[3])):
    Audit(Path(sys.argv[1])).note(sys.argv[2], "key_created", str(number))
"""


def writer(directory, name, count):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(directory), name, str(count)])


def test_many_processes_write_one_trail(tmp_path):
    writers = [writer(tmp_path, f"w{number}", 100) for number in range(4)]
    assert [each.wait(60) for each in writers] == [0] * 4
    records, walk = walked(tmp_path)
    assert (walk.findings, len(records)) == ([], 400)
    for number in range(4):
        assert [r.object for r in records if r.actor == f"w{number}"] == [str(n) for n in range(100)]


@pytest.mark.assures("threat A1", "fault 13")
def test_a_writer_that_is_killed_leaves_a_trail_that_holds(tmp_path, showed):
    kills = 5
    for number in range(kills):
        process = writer(tmp_path, f"w{number}", 100_000)
        deadline = time.monotonic() + 20
        while not any(r.actor == f"w{number}" for r in read(tmp_path)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    Audit(tmp_path).note("me", "key_created")
    records, walk = walked(tmp_path)
    assert [each for each in walk.findings if each.breaks] == []
    assert records[-1].actor == "me"
    showed(f"{kills} writers killed with -9, {len(records)} acts", "0 breaks in the audit trail")


def test_notes_of_the_gateway_are_written_in_order_and_a_loss_is_told(tmp_path, monkeypatch):
    losses = []
    notes = Notes(Audit(tmp_path), losses.append)
    notes.note("started", "1")
    notes.note("stopped", "1")
    notes.close()
    assert [(r.actor, r.act) for r in read(tmp_path)] == [("gateway", "started"), ("gateway", "stopped")]

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(audit.os, "write", full)
    notes = Notes(Audit(tmp_path), losses.append)
    notes.note("started", "1")
    notes.close()
    assert losses == ["[Errno 28] no space left on device"]


def test_a_disk_that_takes_only_a_part_again_and_again_leaves_nothing(tmp_path, monkeypatch):
    Audit(tmp_path).note("me", "key_created", "1")
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(audit.os, "write", lambda fd, data: write(fd, data[:30]))
        for number in (2, 3):
            with pytest.raises(OSError, match="only a part"):
                Audit(tmp_path).note("me", "key_created", str(number))
    Audit(tmp_path).note("me", "key_created", "4")
    records, walk = walked(tmp_path)
    assert [r.object for r in records] == ["1", "4"]
    assert walk.findings == []


def test_what_is_done_in_a_database_is_done_once_it_is_noted(tmp_path):
    db = SqliteTables(tmp_path / "x.sqlite", ["CREATE TABLE t (n INTEGER)"])

    def there():
        return [n for (n,) in db.ask("SELECT n FROM t")]

    with Audit(tmp_path).during("me", "key_created", db=db):
        db.change("INSERT INTO t VALUES (1)")
    with pytest.raises(ZeroDivisionError), Audit(tmp_path).during("me", "key_created", db=db):
        db.change("INSERT INTO t VALUES (2)")
        raise ZeroDivisionError
    assert (there(), [r.outcome for r in read(tmp_path)]) == ([1], ["done", "failed"])
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).symlink_to("/dev/full")
    with pytest.raises(OSError, match="space"), Audit(tmp_path).during("me", "key_created", db=db):
        db.change("INSERT INTO t VALUES (3)")
    assert there() == [1]
    db.begin()  # nothing is under way


def test_what_is_done_elsewhere_is_taken_back_where_it_fails_or_cannot_be_noted(tmp_path):
    there = []
    with Audit(tmp_path).during("me", "policy_rolled_back", undo=there.clear):
        there.append("done")
    assert there == ["done"]
    with pytest.raises(ZeroDivisionError), Audit(tmp_path).during("me", "policy_rolled_back", undo=there.clear):
        there.append("half")
        raise ZeroDivisionError
    assert (there, [r.outcome for r in read(tmp_path)]) == ([], ["done", "failed"])
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).symlink_to("/dev/full")
    with pytest.raises(OSError, match="space"), Audit(tmp_path).during("me", "policy_rolled_back", undo=there.clear):
        there.append("done")
    assert there == []


def test_who_it_was_is_the_system_s_word(monkeypatch):
    before = whoever()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert whoever() == before
    assert before.startswith("cli ")
    monkeypatch.setattr(audit.os, "getuid", lambda: 4_000_000_000)
    assert whoever() == "cli uid 4000000000"


def test_where_there_is_no_trail_there_is_nothing_to_read(tmp_path):
    assert list(read(tmp_path)) == []
