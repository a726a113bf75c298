"""Decisions come back as they were made, cost little to keep, hold no text, and go after their time."""

import errno
import os
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters import day_files, decisions
from gateway.adapters.decisions import KEPT_DAYS, Decisions, find, read
from gateway.core.catalog import Backend
from gateway.core.chat import Demand
from gateway.core.decided import Decided
from gateway.core.decision import Candidate, Decision, Exclusion, Facts
from gateway.core.errors import FailureKind, Refusal, Refused
from gateway.core.record import Call, Caller, End, Record, Tried, refused_record
from gateway.core.stored import Denied, Stored
from gateway.core.usage import Usage

NOW = time.time()
DAY = 86_400
FACTS = Facts("internal", frozenset({"pii", "secret"}), "general", None, "red", "chat", "key-1", visited_regions=None)
CALLER = Caller("key-1", "red", "chat")
FIRST = Tried(1, "a", "openai", "m", "z", "released", Usage(), 0, "v", FailureKind.THROTTLED)
SECOND = Tried(
    2, "b", "openai", "m", "z", "settled", Usage(1, 2, 3, output=4, reasoning=5, source="estimated"), 700, "v"
)
DENIED = (
    Exclusion("c", "policy", ("stays-home", "(suspended)"), "forbidden"),
    Exclusion("d", "context", (), "the prompt has at least 9000 tokens, its context is 100"),
)


def plan(*ids):
    return tuple(Candidate(Backend(id, "openai", "http://x/v1", "m", {}), ("all",), 5) for id in ids)


def record(number=0, *, at=NOW, facts=FACTS, tried=(FIRST, SECOND), digest="digest-1", ids=("a", "b"), denied=DENIED):
    decision = Decision(f"dec-{number}", digest, "auto", facts, plan(*ids), denied)
    demand = Demand(frozenset({"chat", "tools"}), 1000 + number, 3, 50, 2)
    call = Call(f"req-{number}", CALLER, 5.0, at)
    return Record(call, decision, tried, End.COMPLETE, 200, None, False, 1.0, 0.001, demand=demand)


STORED = Stored(
    "dec-0",
    "req-0",
    NOW,
    "digest-1",
    "auto",
    FACTS,
    Demand(frozenset({"chat", "tools"}), 1000, 3, 50, 2),
    ("a", "b"),
    (Denied("c", "policy", ("stays-home", "(suspended)")), Denied("d", "context", ())),
    "b",
    Usage(1, 2, 3, output=4, reasoning=5, source="estimated"),
    700,
    End.COMPLETE,
    200,
)


@pytest.fixture
def keep(tmp_path):
    """Keeps records as a server does from start to end."""
    losses = []

    def run(*batches):
        store = Decisions(tmp_path, lambda count, why: losses.append((count, why)))
        for batch in batches:
            store.take(batch)
        store.close()
        return losses

    return run


def test_a_decision_comes_back_as_it_was(keep, tmp_path):
    keep([record()])
    assert list(read(tmp_path, 0)) == [STORED]
    assert find(tmp_path, "dec-0") == STORED
    assert find(tmp_path, "dec-1") is None


def test_what_was_denied_is_kept_and_what_was_never_decided_is_not(keep, tmp_path):
    nobody = record(1, tried=(), ids=())
    unread = refused_record(Call("req-9", CALLER, 5.0, NOW), Refused(Refusal.INVALID_JSON, "no"), 0.1)
    undecided = msgspec.structs.replace(record(2), decision=None)
    keep([nobody, unread, undecided])
    (stored,) = read(tmp_path, 0)
    assert (stored.decision_id, stored.plan, stored.backend, stored.usage) == ("dec-1", (), None, Usage())


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_every_record_of_every_batch_is_kept_once_and_in_order(keep, tmp_path, count):
    records = [record(number, at=NOW + number) for number in range(count)]
    keep(*[records[start : start + 7] for start in range(0, count, 7)])
    keep()  # another start, which finds what was there
    assert [stored.decision_id for stored in read(tmp_path, 0)] == [f"dec-{number}" for number in range(count)]
    assert len(list(read(tmp_path, NOW + count - 1))) == 1


facts = st.builds(
    Facts,
    st.none() | st.sampled_from(["public", "restricted"]),
    st.none() | st.frozensets(st.sampled_from(["pii", "secret", "code"])),
    *[st.none() | st.sampled_from(["x", "y", "é\u2028"])] * 5,
)
denials = st.lists(
    st.builds(Exclusion, st.sampled_from("cd"), st.sampled_from(["policy", "offer"]), st.just(("r",)), st.text()),
    max_size=2,
).map(tuple)


@given(st.lists(st.tuples(facts, st.sampled_from(["d1", "d2"]), st.sampled_from([(), ("a",), ("b", "a")]), denials)))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_sharing_never_mixes_two_decisions(tmp_path_factory, asked):
    folder = tmp_path_factory.mktemp("shared")
    store = Decisions(folder, print)
    store.take([record(n, facts=f, digest=d, ids=i, denied=e) for n, (f, d, i, e) in enumerate(asked)])
    store.close()
    kept = {stored.decision_id: stored for stored in read(folder, 0)}
    assert len(kept) == len(asked)
    for number, (known, digest, ids, denied) in enumerate(asked):
        stored = kept[f"dec-{number}"]
        assert (stored.facts, stored.policy_digest, stored.plan) == (known, digest, ids)
        assert stored.denied == tuple(Denied(each.backend, each.by, each.rules) for each in denied)


def test_decisions_come_in_the_order_of_their_requests_though_long_ones_are_written_last(keep, tmp_path):
    quick = [record(number, at=NOW + number) for number in range(1, 5)]
    keep([*quick, record(0, at=NOW)], [record(9, at=NOW + 9), record(5, at=NOW + 5)])
    assert [stored.decision_id for stored in read(tmp_path, 0)] == [f"dec-{n}" for n in (0, 1, 2, 3, 4, 5, 9)]
    assert [stored.decision_id for stored in read(tmp_path, NOW + 4)] == ["dec-4", "dec-5", "dec-9"]


def test_a_long_history_is_not_held_in_memory(keep, tmp_path, monkeypatch):
    keep([record(number, at=NOW + number * 60.0) for number in range(300)])
    made = []
    whole = decisions._stored
    monkeypatch.setattr(decisions, "_stored", lambda *parts: made.append(parts) or whole(*parts))
    assert next(read(tmp_path, 0)) == STORED
    assert len(made) < 70  # an hour's


def lines_of(directory):
    """The lines of each file, by its path."""
    return {path: path.read_bytes().splitlines() for path in sorted((directory / "decisions").iterdir())}


def shared(directory):
    return sum(line.startswith(b"{") for lines in lines_of(directory).values() for line in lines)


def test_what_decisions_share_is_written_once_whatever_the_reason_says_in_words(keep, tmp_path):
    def long(number):
        return record(number, denied=(Exclusion("d", "context", (), f"the prompt has at least {number} tokens"),))

    keep([long(number) for number in range(500)])
    assert shared(tmp_path) == 1
    keep([record(500)])
    assert shared(tmp_path) == 2


def test_only_so_much_is_remembered_and_what_was_forgotten_is_still_right(keep, tmp_path, monkeypatch):
    monkeypatch.setattr(decisions, "_REMEMBERED", 4)
    keep([record(number, digest=f"digest-{number % 7}") for number in range(70)])
    assert {s.decision_id: s.policy_digest for s in read(tmp_path, 0)} == {
        f"dec-{n}": f"digest-{n % 7}" for n in range(70)
    }


def test_what_is_too_old_goes_at_the_next_start(keep, tmp_path, monkeypatch):
    midnight = NOW // DAY * DAY
    old, young = midnight - KEPT_DAYS * DAY - 1, midnight - KEPT_DAYS * DAY
    with monkeypatch.context() as then:
        then.setattr(decisions.time, "time", lambda: old)
        keep([record(number, at=old, digest="old") for number in range(25)])
    with monkeypatch.context() as then:
        then.setattr(decisions.time, "time", lambda: young)
        keep([record(100, at=young, digest="young")])
    assert shared(tmp_path) == 2
    store = Decisions(tmp_path, print)
    deadline = time.monotonic() + 5
    while len(list((tmp_path / "decisions").iterdir())) > 1:  # deleted by a thread: not opened meanwhile
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [stored.decision_id for stored in read(tmp_path, 0)] == ["dec-100"]
    store.close()


def test_what_is_shared_lives_as_long_as_what_refers_to_it_though_the_night_was_quiet(tmp_path, monkeypatch):
    evening = (NOW // DAY) * DAY - 1
    clock = [evening]
    monkeypatch.setattr(decisions.time, "time", lambda: clock[0])
    store = Decisions(tmp_path, print)
    store.take([record(1, at=evening)])
    clock[0] = evening + 3600
    store.take([record(2, at=clock[0])])
    store.close()
    clock[0] = evening + 2 + KEPT_DAYS * DAY
    store = Decisions(tmp_path, print)
    store.take([])
    while find(tmp_path, "dec-1") is not None:
        time.sleep(0.01)
    store.close()
    assert [stored.decision_id for stored in read(tmp_path, 0)] == ["dec-2"]


def test_a_new_day_deletes_without_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(decisions, "_IDLE_SECONDS", 0.01)
    store = Decisions(tmp_path, print)
    store.take([record()])
    deadline = time.monotonic() + 5
    assert len(list(read(tmp_path, 0))) == 1
    monkeypatch.setattr(decisions.time, "time", lambda: NOW + (KEPT_DAYS + 1) * DAY)
    while list(read(tmp_path, 0)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(read(tmp_path, 0)) == []
    store.close()


def test_a_running_server_s_decisions_can_be_read(tmp_path):
    store = Decisions(tmp_path, print)
    store.take([record()])
    assert find(tmp_path, "dec-0") == STORED
    store.close()


class Disk:
    """Stands in for `os.write`. It has room for so many more bytes."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self.short = False  # it took only a part
        self._write = os.write
        monkeypatch.setattr(day_files.os, "write", self.write)

    def write(self, descriptor, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "no space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        self.short = self.short or written < len(data)
        return written


def test_what_the_disk_does_not_take_is_told_and_what_follows_is_kept(tmp_path, monkeypatch):
    losses = []
    store = Decisions(tmp_path, lambda *loss: losses.append(loss))
    disk = Disk(monkeypatch, 0)
    store.take([record(1), record(2)])
    disk.room = 1_000_000
    store.take([record(3)])  # shares with what was lost
    store.close()
    assert losses == [(2, "[Errno 28] no space left on device")]
    (kept,) = read(tmp_path, 0)
    assert (kept.decision_id, kept.facts) == ("dec-3", FACTS)


@pytest.mark.parametrize("room", range(1, 800, 7))
def test_a_torn_line_spoils_no_other(tmp_path, monkeypatch, room):
    losses = []
    store = Decisions(tmp_path, lambda *loss: losses.append(loss))
    disk = Disk(monkeypatch, room)
    store.take([record(1), record(2)])
    assert (losses == [(2, "the disk took only a part")]) is disk.short
    disk.room = 1_000_000
    store.take([record(3)])
    store.close()
    kept = [stored.decision_id for stored in read(tmp_path, 0)]
    assert kept[-1] == "dec-3"
    assert kept[:-1] == [f"dec-{number}" for number in range(1, len(kept))]
    assert len(kept) == 3 or losses


def test_a_process_that_died_while_it_wrote_loses_that_batch_alone(keep, tmp_path):
    keep([record(1)], [record(2), record(3)])
    (path,) = lines_of(tmp_path)
    link = lines_of(tmp_path)[path][-1]
    path.write_bytes(path.read_bytes()[: -len(link) - 20])
    keep([record(4)])
    assert [stored.decision_id for stored in read(tmp_path, 0)] == ["dec-1", "dec-4"]


def test_what_was_noted_before_a_process_died_is_kept_once(tmp_path):
    former = Decisions(tmp_path, print)
    noted = []
    for number in range(3):
        of = record(number)
        noted.append(former.decided(of.call, of.decision, of.demand, of.classified, "a"))
    of = record(2)
    noted.append(former.decided(of.call, of.decision, of.demand, of.classified, "b"))  # its second call
    former.take([msgspec.structs.replace(record(0), decided=noted[0])])
    former.close()
    for times in (2, 0):
        later = Decisions(tmp_path, print)
        read_back = [Decided(each.shared, each.own) for each in noted]
        assert later.recover([*read_back, Decided(b"{}", b"[]")]) == times
        later.close()
    first, second, third = read(tmp_path, 0)
    assert first == STORED
    assert (second.decision_id, second.backend, second.end, second.cost_pico_usd) == ("dec-1", "a", End.CRASHED, 0)
    assert (third.decision_id, third.backend) == ("dec-2", "b")
    assert (second.facts, second.plan, second.denied, second.demand.input_bytes) == (
        STORED.facts, STORED.plan, STORED.denied, 1001,
    )  # fmt: skip


def test_what_cannot_be_noted_is_not_forgotten(tmp_path, monkeypatch):
    def never(_):
        raise OSError("the trail cannot be written")

    (tmp_path / "decisions").mkdir()
    old = tmp_path / "decisions" / "2020-01-01.000001.jsonl"
    old.write_bytes(b"[1]\n")
    Decisions(tmp_path, print, on_forgotten=never).close()
    assert old.exists()
    Decisions(tmp_path, print).close()
    assert not old.exists()


def test_a_state_that_cannot_be_written_stops_nobody(tmp_path, monkeypatch):
    losses = []
    store = Decisions(tmp_path, lambda *loss: losses.append(loss))
    with monkeypatch.context() as then:
        then.setattr(store._files, "_folder", tmp_path / "nowhere")
        store.take([record(1)])
    store.take([record(2)])
    store.close()
    assert [count for count, _ in losses] == [1]
    assert [stored.decision_id for stored in read(tmp_path, 0)] == ["dec-2"]


def test_a_directory_without_decisions_has_none(tmp_path):
    assert list(read(tmp_path, 0)) == []
    assert find(tmp_path, "dec-0") is None
    assert list(tmp_path.iterdir()) == []


def test_the_store_is_its_owner_s_only(keep, tmp_path):
    keep([record()])
    (path,) = lines_of(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
