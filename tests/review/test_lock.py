"""policy.lock: read strictly, and for one tree only."""

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.policy_trees import BACKENDS, policy, read, rule

from gateway import __version__
from gateway.review.lock import Lock, lock_of, parse, text, why_not

DATED = BACKENDS["far"] | {"status": {"active": "2026-01-01", "retired": "2026-12-01"}}
FILES = {"catalog/a.yaml": {"backends": {"home": BACKENDS["home"], "far": DATED}}}
GOOD = {"digest": "0123456789012345", "facts": "0" * 16, "gateway": "1.0", "verdicts": {"out": "holds", "1": "holds"}}


def bundle(today="2026-11-22", **more):
    return read(FILES, today=today, main=policy(rule("permit", id="all"), **more)).bundle


@pytest.mark.parametrize("verdicts", [{}, {"out": "holds", "1": "holds", "true": "holds", "1.5": "holds"}])
def test_what_is_written_is_what_is_read(verdicts):
    lock = msgspec.convert(GOOD | {"verdicts": verdicts}, Lock)
    assert parse("policy.lock", text(lock).encode()) == (lock, ())


def test_json_is_read_as_well():
    assert parse("policy.lock", json.dumps(GOOD).encode())[0] == msgspec.convert(GOOD, Lock)


def test_it_is_written_so_that_a_change_shows_line_by_line():
    lines = text(msgspec.convert(GOOD, Lock)).splitlines()
    assert lines[1:] == [
        'digest: "0123456789012345"',
        'facts: "0000000000000000"',
        'gateway: "1.0"',
        "verdicts:",
        '  "1": holds',
        '  "out": holds',
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"digest": None},
        {"digest": 1},
        {"digest": ""},
        {"digest": "0123456789ABCDEF"},
        {"digest": GOOD["digest"] + "\n"},
        {"facts": "x"},
        {"gateway": 1},
        {"gateway": "1\n2"},
        {"gateway": "1" * 41},
        {"verdicts": None},
        {"verdicts": ["out"]},
        {"verdicts": {"out": "violated"}},
        {"verdicts": {"out": True}},
        {"verdicts": {"out": "holds", "in": "not decided"}},
        {"signature": "x"},
    ],
)
def test_what_the_command_would_not_write_is_odd(change):
    lock, (problem,) = parse("tree/policy.lock", json.dumps(GOOD | change).encode())
    assert (lock, problem.mark.file, problem.code, problem.severity) == (None, "tree/policy.lock", "P305", "warning")
    assert problem.message.startswith("policy.lock does not count: ")


@pytest.mark.parametrize("name", GOOD)
def test_nothing_may_be_missing(name):
    lock, problems = parse("l", json.dumps({key: value for key, value in GOOD.items() if key != name}).encode())
    assert (lock, len(problems)) == (None, 1)


@pytest.mark.parametrize(
    ("raw", "place", "said"),
    [
        (b"", "l:1:1", "Expected `object`, got `null`"),
        (b"- 1\n", "l:1:1", "Expected `object`, got `array`"),
        (b"a: [\n", "l:2:1", "not YAML"),
        (b"digest: a\ndigest: b\n", "l:2:1", "duplicate key"),
        (b"a: &x 1\nb: *x\n", "l:1:4", "anchors are not accepted"),
        (b"<<<<<<< HEAD\ndigest: a\n=======\n", "l:", "not YAML"),
        (b"\xff", "l:1:1", "not UTF-8"),
        (b"#" * 600_000, "l:1:1", "larger than"),
        (b"[" * 40, "l:1:33", "nested deeper"),
    ],
)
def test_what_is_no_lock_is_told_with_its_place(raw, place, said):
    lock, (problem,) = parse("l", raw)
    assert (lock, str(problem.mark).startswith(place), said in problem.message) == (None, True, True), problem


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'"\\ud800": 1')
@example(b'{"digest": "\\udfff"}')
@example(b"? [a]\n: 1")
@settings(derandomize=True, max_examples=300, deadline=None)
def test_nothing_that_is_read_breaks_the_reader(raw):
    lock, problems = parse("l", raw)
    assert (lock, [(each.code, each.severity) for each in problems]) == (None, [("P305", "warning")])


def test_it_is_for_the_tree_that_it_was_made_of():
    lock = lock_of(bundle(), ["i"])
    assert (lock.digest, lock.gateway, lock.verdicts) == (bundle().digest, __version__, {"i": "holds"})
    assert why_not(lock, bundle()) == ""


def test_it_is_for_no_other_tree_and_says_which():
    other = bundle(mode="shadow")
    assert why_not(lock_of(bundle(), ["i"]), other) == (
        f"policy.lock is for digest {bundle().digest}, this is {other.digest} (with the extra catalog, if any)"
    )


def test_it_ends_when_a_status_begins_in_the_same_bytes():
    lock, later = lock_of(bundle(), ["i"]), bundle("2026-12-01")
    assert later.digest == lock.digest
    assert why_not(lock, bundle("2026-11-30")) == ""
    assert why_not(lock, later) == "a status has begun since policy.lock was written"


def test_another_gateway_may_mean_something_else_by_the_same_bytes():
    lock = msgspec.structs.replace(lock_of(bundle(), ["i"]), gateway="0.0.9")
    assert why_not(lock, bundle()) == f"policy.lock was written by gateway 0.0.9, this is {__version__}"


def test_the_order_of_backends_does_not_matter():
    there = bundle()
    again = msgspec.structs.replace(there, backends=there.backends[::-1])
    assert lock_of(again, ["i"]) == lock_of(there, ["i"])


def test_what_one_process_writes_another_reads():
    """Sets of words come in another order in each process."""
    (home, _) = bundle().backends
    words = frozenset(f"word{number}" for number in range(20))
    made = msgspec.structs.replace(bundle(), backends=(msgspec.structs.replace(home, passport={"audience": words}),))
    assert lock_of(made, []).facts == "3e1773fc38c5a3bb"
