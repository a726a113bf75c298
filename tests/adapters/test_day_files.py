"""Batches in files of a day: sealed with all before them, through starts, crashes, full disks and forgetting."""

import errno
import os

import pytest

from gateway.adapters import day_files
from gateway.adapters.day_files import DayFiles, check, day_of, files, sealed_lines
from gateway.core.chain import Walk, linked


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept"


@pytest.fixture
def clock(monkeypatch):
    now = [1_800_000_000.0]
    monkeypatch.setattr(day_files.time, "time", lambda: now[0])
    return now


def write(folder, *batches, told=None):
    """One start to end, with so many batches."""
    store = DayFiles(folder, lambda *each: None if told is None else told.append(each))
    for batch in batches:
        store.begin()
        store.append(batch)
    store.close()


def walked(folder, begun=None):
    """`begun` None: all that is there, as it says of itself."""
    walk = Walk()
    if begun is None:
        firsts = {path.name: linked(path.read_bytes().split(b"\n")[0] + b"\n") for path in files(folder)}
        begun = {name: str(first[0]) if first else "" for name, first in firsts.items()}
    check(folder, walk, begun, "kept")
    return walk, [(each.file, each.line, each.kind) for each in sorted(walk.findings)]


def test_a_file_begins_where_the_one_before_ended(folder, clock):
    told = []
    write(folder, b"a\n", b"b\nc\n", told=told)
    write(folder, b"d\n", told=told)
    first, second = (path.read_bytes().splitlines(keepends=True) for path in files(folder))
    assert [line for line in (*first, *second) if linked(line) is None] == [b"a\n", b"b\n", b"c\n", b"d\n"]
    assert linked(second[0]) == linked(first[-1])
    assert [name for name, _ in told] == [path.name for path in files(folder)] == [
        f"{day_of(clock[0])}.00000{n}.jsonl" for n in (1, 2)
    ]  # fmt: skip
    assert [head for _, head in told] == [str(linked(lines[0])[0]) for lines in (first, second)]
    walk, findings = walked(folder, dict(told))
    assert (findings, walk.head.number) == ([], 3)


def test_a_new_day_is_a_new_file(folder, clock):
    store = DayFiles(folder, lambda *_: None)
    assert store.begin()
    store.append(b"a\n")
    assert not store.begin()
    clock[0] += 86_400
    assert store.begin()
    store.append(b"b\n")
    store.close()
    assert len(files(folder)) == 2
    assert len(files(folder, day_of(clock[0]))) == 1
    assert walked(folder)[1] == []


@pytest.mark.parametrize("cut", [1, 3, 70, 76])
def test_what_a_crash_leaves_is_sealed_by_the_next_start(folder, clock, cut):
    write(folder, b"a\n", b"b\nc\n")
    (path,) = files(folder)
    path.write_bytes(path.read_bytes()[:-cut])
    assert [kind for _, _, kind in walked(folder)[1]] == ["torn"]
    write(folder, b"d\n")
    walk, findings = walked(folder)
    assert [kind for _, _, kind in findings] == ["torn"]
    path.write_bytes(path.read_bytes()[:-1])  # and now somebody takes a little more
    walk, findings = walked(folder)
    assert any(each.breaks for each in walk.findings)


class Disk:
    """Stands in for `os.write`: it has room for so many more bytes."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self._write = os.write
        monkeypatch.setattr(day_files.os, "write", self.write)

    def write(self, descriptor, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "no space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("room", range(0, 240, 3))
def test_a_full_disk_breaks_no_chain(folder, clock, monkeypatch, room, again):
    disk = Disk(monkeypatch, room)
    lost = 0

    def append(store, batch):
        nonlocal lost
        try:
            store.begin()
            store.append(batch)
        except OSError:
            lost += 1

    store = DayFiles(folder, lambda *_: None)
    append(store, b"first\n")
    append(store, b"second\n")
    if again:
        disk.room = room // 2
        append(store, b"third\n")
    disk.room = 100_000
    append(store, b"fourth\n")
    store.close()
    write(folder, b"fifth\n")  # and after a start
    walk, _ = walked(folder)
    assert [each for each in walk.findings if each.breaks] == []
    text = b"".join(path.read_bytes() for path in files(folder))
    assert b"fourth\n" in text
    assert b"fifth\n" in text
    assert lost or room > 200


def test_files_from_before_there_was_a_chain_are_sealed_as_they_are(folder, clock):
    folder.mkdir()
    (folder / "2026-01-01.000001.jsonl").write_bytes(b"[1]\n[2]\n")
    told = []
    write(folder, b"a\n", told=told)
    walk, findings = walked(folder, dict(told))
    assert [kind for _, _, kind in findings] == ["torn"]
    assert walk.head.number == 2


def test_a_link_is_found_however_much_stands_behind_it(folder, clock):
    write(folder, b"a\n")
    (path,) = files(folder)
    with path.open("ab") as file:
        file.write(b"[%b]\n" % (b"x" * 3_000_000))
    write(folder, b"b\n")
    assert [kind for _, _, kind in walked(folder)[1]] == ["torn"]


def test_a_file_that_is_gone_is_told_unless_the_gateway_says_it_forgot_it(folder, clock):
    told = []
    write(folder, b"a\n", told=told)
    write(folder, b"b\n", told=told)
    write(folder, b"c\n", told=told)
    first, _, last = files(folder)
    begun = dict(told)
    first.unlink()
    walk = Walk()
    check(folder, walk, begun, "kept", forgotten={first.name})
    assert walk.findings == []
    assert walked(folder, begun)[1] == [(f"kept/{first.name}", 0, "removed")]
    last.unlink()
    assert (f"kept/{last.name}", 0, "removed") in walked(folder, begun)[1]


def test_files_that_all_were_written_anew_are_not_those_that_were_begun(folder, clock):
    told = []
    write(folder, b"a\n", told=told)
    write(folder, b"b\n", told=told)
    for path in files(folder):
        path.unlink()
    write(folder, b"x\n")
    write(folder, b"b\n")
    assert (f"kept/{files(folder)[1].name}", 1, "changed") in walked(folder, dict(told))[1]
    walk = Walk()
    check(folder, walk, {}, "kept")
    assert [(each.file, each.kind) for each in walk.findings] == [("kept", "removed")]


def test_a_file_that_was_never_begun_is_told(folder, clock):
    told = []
    write(folder, b"a\n", b"b\n", told=told)
    stray = folder / files(folder)[0].name.replace("000001", "000002")
    stray.write_bytes(b"[1]\n")
    assert (f"kept/{stray.name}", 0, "changed") in walked(folder, dict(told))[1]


def test_a_file_that_was_begun_while_the_trail_was_read_is_none_of_its_findings(folder, clock):
    told = []
    write(folder, b"a\n", told=told)
    before, acts = files(folder), dict(told)
    write(folder, b"b\n", told=told)
    for begun in (acts, dict(told)):
        walk = Walk()
        check(folder, walk, begun, "kept", there_before=before)
        assert walk.findings == []


def test_a_name_that_is_not_ours_stops_nothing(folder, clock):
    folder.mkdir()
    for name in ("backup.jsonl", "9999-99-99.x.jsonl", "2027-01-15.000009.jsonl.bak"):
        (folder / name).write_bytes(b"[1]\n")
    told = []
    write(folder, b"a\n", told=told)
    assert [path.name for path in files(folder)] == [name for name, _ in told]
    assert walked(folder, dict(told))[1] == []


def test_a_clock_that_is_put_back_over_midnight_puts_nothing_before_what_was_written(folder, clock):
    told = []
    store = DayFiles(folder, lambda *each: told.append(each))
    for at in (clock[0], clock[0] + 86_400, clock[0], clock[0] + 86_400):
        clock[0] = at
        store.begin()
        store.append(b"a\n")
    store.close()
    clock[0] -= 86_400
    write(folder, b"b\n", told=told)
    assert len(files(folder)) == 3
    assert walked(folder, dict(told))[1] == []


def test_what_cannot_be_noted_is_not_begun(folder, clock):
    told, full = [], [True]

    def note(*each):
        if full:
            raise OSError(errno.ENOSPC, "no space left on device")
        told.append(each)

    store = DayFiles(folder, note)
    with pytest.raises(OSError, match="no space"):
        store.begin()
    assert files(folder) == []
    full.clear()
    assert store.begin()
    store.append(b"a\n")
    store.close()
    assert walked(folder, dict(told))[1] == []


def test_only_what_a_link_answers_for_is_read(folder, clock):
    write(folder, b"a\nb\n", b"c\n")
    (path,) = files(folder)
    with path.open("ab") as file:
        file.write(b"forged\n")
    assert list(sealed_lines(path)) == [b"a\n", b"b\n", b"c\n"]
