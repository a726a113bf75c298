"""What is kept of a decision holds words of ours, figures and ids: no place for a prompt."""

import typing

import msgspec
import pytest

from gateway.core.chat import Demand
from gateway.core.decision import Facts
from gateway.core.record import End
from gateway.core.stored import Denied, Stored
from gateway.core.usage import Usage

FACTS = Facts("internal", None, "support", "alpha", "red", "chat", "key-1")
STORED = Stored(
    "dec-1",
    "req-1",
    5.0,
    "digest-1",
    "auto",
    FACTS,
    Demand(frozenset({"chat"}), 100, 2, None, 1),
    ("a", "b"),
    (Denied("c", "policy", ("stays-home",)),),
    "a",
    Usage(10, output=5),
    15,
    End.COMPLETE,
    200,
)


def test_a_stored_decision_survives_as_text_and_unknown_stays_unknown():
    again = msgspec.json.decode(msgspec.json.encode(STORED), type=Stored)
    assert again == STORED
    assert again.facts.tags is None


@pytest.mark.parametrize("kind", [Stored, Denied, Demand])
def test_only_these_fields_hold_text(kind):
    texts = {name for name, type_ in typing.get_type_hints(kind).items() if "str" in str(type_)}
    assert (
        texts
        == {
            Stored: {
                "decision_id",
                "request_id",
                "policy_digest",
                "requested",
                "plan",
                "backend",
                "provenance",
                "kinds",
            },
            Denied: {"backend", "rules"},
            Demand: {"needs", "service"},
        }[kind]
    )
