"""A call needs a permit, a permit is minted from a decision only, and it is good for one call."""

import re
from pathlib import Path

import msgspec
import pytest
from support.doubles import FACTS, YES, backend

from gateway.core.decision import Candidate, Decision, Obligation, Ruling, Verdict
from gateway.core.fallback import Attempt
from gateway.core.permit import Permit, mint

A, B = Candidate(backend("a"), ("p",), 0), Candidate(backend("b"), ("p",), 0)
DECISION = Decision("dec-1", "digest", "auto", FACTS, (A, B), ())
PACKAGE = Path(__file__).resolve().parents[2] / "gateway"


def ruling(**verdicts):
    return Ruling(FACTS, verdicts, frozenset())


BOTH = ruling(a=YES, b=YES)
LIMIT, STRICTER, STRIP = Obligation("limit", 9), Obligation("limit", 5), Obligation("strip")


def obliged(*do):
    return ruling(a=Verdict(("p",), (), do))


def doing(*do):
    candidate = msgspec.structs.replace(A, do=do)
    return msgspec.structs.replace(DECISION, candidates=(candidate,)), Attempt(1, candidate)


def test_a_permit_is_for_exactly_one_call():
    permit = mint("req-1", DECISION, Attempt(2, B), BOTH, BOTH)
    assert (permit.request_id, permit.hop, permit.policy_digest, permit.candidate) == ("req-1", 2, "digest", B)
    assert permit.backend is B.backend
    assert permit.spend() is B.backend
    with pytest.raises(RuntimeError, match="spent"):
        permit.spend()


@pytest.mark.parametrize("forged", [None, object(), "mint", True])
def test_nobody_makes_a_permit(forged):
    with pytest.raises(RuntimeError, match="minted"):
        Permit(forged, "req-1", "digest", 1, A)


@pytest.mark.parametrize(
    "attempt",
    [Attempt(1, B), Attempt(2, A), Attempt(3, A), Attempt(1, Candidate(backend("c"), ("p",), 0)), Attempt(0, A)],
    ids=["another's turn", "its turn is over", "no such call", "not planned", "before the first"],
)
def test_only_what_was_decided_is_permitted(attempt):
    with pytest.raises(RuntimeError, match="decided"):
        mint("req-1", DECISION, attempt, BOTH, BOTH)


DENIALS = [Verdict(("p",), ("f",)), Verdict((), ()), None]


@pytest.mark.parametrize("denial", DENIALS, ids=["forbidden", "not permitted", "unknown"])
@pytest.mark.parametrize("which", ["pinned", "newest"])
def test_both_rulings_must_permit(which, denial):
    denied = ruling(b=YES) if denial is None else ruling(a=denial, b=YES)
    rulings = {"pinned": BOTH, "newest": BOTH, which: denied}
    with pytest.raises(RuntimeError, match="not permitted"):
        mint("req-1", DECISION, Attempt(1, A), **rulings)


@pytest.mark.parametrize(
    ("done", "pinned", "newest", "covered"),
    [
        ((), (), (), True),
        ((LIMIT,), (LIMIT,), (LIMIT,), True),
        ((STRICTER,), (LIMIT,), (STRICTER,), True),
        ((STRIP, LIMIT), (LIMIT,), (), True),
        ((), (LIMIT,), (LIMIT,), False),
        ((), (), (LIMIT,), False),
        ((LIMIT,), (LIMIT,), (STRICTER,), False),
        ((STRIP,), (LIMIT,), (LIMIT,), False),
        ((LIMIT,), (LIMIT,), (LIMIT, STRIP), False),
    ],
)
def test_what_either_ruling_asks_for_must_be_going_to_be_done(done, pinned, newest, covered):
    decision, attempt = doing(*done)
    if covered:
        assert mint("req-1", decision, attempt, obliged(*pinned), obliged(*newest)).candidate.do == done
    else:
        with pytest.raises(RuntimeError, match="more done"):
            mint("req-1", decision, attempt, obliged(*pinned), obliged(*newest))


def using(pattern: str) -> list[str]:
    return sorted(
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(pattern, path.read_text()) and path.name != "permit.py"
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\bmint\b", ["relay.py"]),
        (r"permit\.spend\b", ["adapters/upstreams.py"]),
        # the recogniser's `Upstreams` hands a permit on as it came: it can neither make nor spend one
        (r"\bPermit\b", ["adapters/recognizer.py", "adapters/upstreams.py", "hop.py", "ports.py"]),
        (r"upstreams\.open\(", ["adapters/recognizer.py", "hop.py"]),
        (r"\.transport\.write(lines)?\(", ["adapters/upstreams.py", "http/connection.py"]),  # which answers clients
        (
            r"\b(aiohttp|httpx2?|requests)\b.*\bimport\b|\bimport (aiohttp|httpx2?|requests)\b",
            ["adapters/otel_sender.py", "adapters/upstreams.py"],  # to a collector: records, which hold no text
        ),
    ],
)
def test_one_place_mints_one_spends_and_one_sends(pattern, expected):
    assert using(pattern) == expected
