"""One record per request, one row per call, and no place for a prompt."""

import enum
import types
import typing
from decimal import Decimal

import msgspec
import pytest
from support.doubles import backend

from gateway.core.decision import Decision, Facts
from gateway.core.errors import FailureKind, Refused
from gateway.core.price import Machine, Schedule
from gateway.core.record import Call, Caller, End, Entry, Record, Tried, entries, entry_of
from gateway.core.usage import NOTHING, Usage

CALL = Call("req-1", Caller("key-1", "red", "chat", ("alpha",), ("support",), "public"), 5.0, 1_700_000_000.5)
FACTS = Facts("internal", frozenset(), "support", "alpha", "red", "chat", "key-1")
DECISION = Decision("dec-1", "digest-1", "fast", FACTS, (), ())
USED = Usage(1, 2, 3, output=4, reasoning=5)
GUESSED = Usage(input_uncached=9, output=7, source="estimated")
FIRST = Tried(1, "local", "llama", "m1", "inhouse", "released", NOTHING, 0, "book:m1", FailureKind.THROTTLED)
SECOND = Tried(2, "cloud", "openai", "m2", "us-vendors", "settled", USED, 700, "book:m2")
UNSURE = Tried(2, "cloud", "openai", "m2", "us-vendors", "uncertain", GUESSED, 900, "book:m2", FailureKind.TIMED_OUT)


def record(*tried, decision=DECISION, end=End.COMPLETE, status=200):
    return Record(CALL, decision, tried, end, status, None, False, 1.2345, 0.001, None, "internal", "support", "alpha")


ROW_OF_FIRST = Entry(
    request_id="req-1",
    hop=1,
    state="released",
    time=1_700_000_000.5,
    key="key-1",
    team="red",
    app="chat",
    project="alpha",
    purpose="support",
    requested="fast",
    backend="local",
    model="m1",
    provider="llama",
    zone="inhouse",
    sensitivity="internal",
    decision_id="dec-1",
    policy_digest="digest-1",
    price_version="book:m1",
    input_uncached=0,
    cache_read=0,
    cache_write=0,
    output=0,
    reasoning=0,
    usage_source="reported",
    cost_pico_usd=0,
    outcome="failed",
    failure="throttled",
    status=429,
    duration_ms=1234,
)
ROW_OF_SECOND = msgspec.structs.replace(
    ROW_OF_FIRST,
    status=200,
    hop=2,
    state="settled",
    backend="cloud",
    model="m2",
    provider="openai",
    zone="us-vendors",
    price_version="book:m2",
    input_uncached=1,
    cache_read=2,
    cache_write=3,
    output=4,
    reasoning=5,
    cost_pico_usd=700,
    outcome="complete",
    failure="",
)
ROW_OF_UNSURE = msgspec.structs.replace(
    ROW_OF_SECOND,
    state="uncertain",
    input_uncached=9,
    cache_read=0,
    cache_write=0,
    output=7,
    reasoning=0,
    usage_source="estimated",
    cost_pico_usd=900,
    outcome="failed",
    failure="timed_out",
    status=504,
)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (record(), ()),
        (record(decision=None, end=End.REFUSED, status=400), ()),
        (record(SECOND), (ROW_OF_SECOND,)),
        (record(FIRST, SECOND), (ROW_OF_FIRST, ROW_OF_SECOND)),
        (
            record(FIRST, UNSURE, end=End.FAILED, status=504),
            (ROW_OF_FIRST, ROW_OF_UNSURE),
        ),
    ],
)
def test_each_call_has_one_row(of, expected):
    noted = (msgspec.structs.replace(row, final=int(row is expected[-1])) for row in expected)
    assert tuple(noted) == entries(of)


@pytest.mark.parametrize("end", End)
def test_the_last_call_bears_the_outcome(end):
    assert ["failed", end.value] == [row.outcome for row in entries(record(FIRST, SECOND, end=end))]


def test_the_row_of_a_call_under_way_has_no_outcome_yet():
    under_way = msgspec.structs.replace(SECOND, state="open")
    expected = msgspec.structs.replace(ROW_OF_SECOND, state="open", outcome="", status=0, duration_ms=0)
    assert expected.final == -1  # whether another follows is not known yet
    assert expected == entry_of(CALL, DECISION, under_way, project="alpha", purpose="support", sensitivity="internal")


@pytest.mark.parametrize("kind", FailureKind)
def test_a_row_names_the_failure(kind):
    (row,) = entries(record(msgspec.structs.replace(SECOND, failure=kind)))
    assert kind.code == row.failure


@pytest.mark.parametrize(
    ("of", "served", "usage", "cost"),
    [
        (record(), None, NOTHING, 0),
        (record(SECOND), SECOND, USED, 700),
        (record(FIRST, SECOND), SECOND, USED, 700),
        (record(SECOND, UNSURE), UNSURE, GUESSED, 1600),
    ],
)
def test_a_record_costs_all_its_calls_and_used_what_the_last_did(of, served, usage, cost):
    assert (served, usage, cost) == (of.served, of.usage, of.cost_pico_usd)


def test_the_rows_of_a_record_cost_what_it_costs():
    of = record(FIRST, SECOND, UNSURE)
    assert of.cost_pico_usd == sum(row.cost_pico_usd for row in entries(of))


def leaves(kind, path):
    """Every (path, type) below a type that is no struct."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for name, inner in typing.get_type_hints(kind).items():
            yield from leaves(inner, f"{kind.__name__}.{name}")
    elif typing.get_origin(kind) in (tuple, list, frozenset, set, types.UnionType, typing.Union):
        for inner in typing.get_args(kind):
            yield from leaves(inner, path)
    else:
        yield path, kind


LEAVES = frozenset(leaves(Record, "")) | frozenset(leaves(Entry, ""))

WORDS = {
    "Call": "id sensitivity_hint purpose_hint project_hint client_request_id",
    "Caller": "key team app projects purposes floor person opaque_as scopes models",
    "Classified": "sensitivity tags provenance declared kinds",
    "Redaction": "tags",
    "Facts": "sensitivity tags purpose project team app key source_sensitivity redaction jurisdiction person budget attempt"
    " last_error visited_regions visited_operators",
    "Decision": "id policy_digest requested",
    "Demand": "needs service",
    "Candidate": "rules watched broken",
    "Obligation": "name tags",
    "Exclusion": "backend rules reason",
    "Backend": "id provider base_url model aliases key_ref capabilities substitute review_by reports_as",
    "Price": "version",
    "Tried": "backend provider model misnamed zone price_version watched broken service sensitivity",
    "Record": "code sensitivity purpose project",
    "Entry": "request_id key team app project purpose requested backend model provider zone sensitivity decision_id"
    " policy_digest price_version usage_source outcome failure service",
}
"""Every field of a record or a row that can hold text. A new one is added here, by somebody who asked whose text."""


def test_only_these_fields_hold_text():
    assert {f"{owner}.{name}" for owner, names in WORDS.items() for name in names.split()} == {
        path for path, kind in LEAVES if kind is str
    }


def test_no_field_can_hold_just_anything():
    plain = {str, int, float, bool, type(None), type(Ellipsis)}
    odd = {
        (path, kind)
        for path, kind in LEAVES
        if kind not in plain
        and kind is not Ellipsis
        and typing.get_origin(kind) is not typing.Literal
        and not (isinstance(kind, type) and issubclass(kind, enum.Enum))
    }
    assert odd == {
        ("Backend.passport", dict[str, str | frozenset[str]]),
        ("Price.services", dict[str, Schedule]),
        *((f"Decided.{name}", bytes) for name in ("shared", "own")),  # lines that are made of a decision alone
        *((f"Machine.{name}", Decimal) for name in Machine.__struct_fields__),
    }


@pytest.mark.parametrize("word", ["message", "prompt", "content", "body", "text", "fields", "header", "error"])
def test_no_field_is_named_after_what_is_never_kept(word):
    words = {path for path, _ in LEAVES if word in path.split(".")[1].split("_")}
    assert words - {"Facts.last_error"} == set()  # a failure's code, from a closed list


@pytest.mark.parametrize(
    ("value", "field"),
    [(CALL, "id"), (CALL.caller, "key"), (SECOND, "state"), (record(SECOND), "end"), (ROW_OF_FIRST, "hop")],
)
def test_what_is_kept_is_frozen(value, field):
    with pytest.raises(AttributeError):
        setattr(value, field, "other")


@pytest.mark.parametrize(
    ("models", "asked", "let"),
    [((), "any", True), (("a", "b"), "b", True), (("a",), "b", False), (("a",), "A", False), (("a",), "", False)],
)
def test_a_key_names_the_models_that_it_may(models, asked, let):
    caller = Caller("k", "t", "a", models=frozenset(models))
    if let:
        assert caller.named(asked) == asked
    else:
        with pytest.raises(Refused) as refused:
            caller.named(asked)
        assert refused.value.refusal.code == "model_not_found"


@pytest.mark.parametrize(
    ("models", "reached"),
    [
        ((), "bc"),
        (("small",), "bc"),
        (("small", "a"), "bc"),
        (("a",), ""),
        (("b",), "b"),
        (("both",), "b"),
        (("both", "c"), "bc"),
        (("auto",), "bc"),
        (("gone",), ""),
    ],
)
def test_whom_a_key_reaches_by_any_of_its_names(models, reached):
    a, b, c = backend("a"), backend("b"), backend("c")
    names = {"a": (a,), "b": (b,), "c": (c,), "small": (b, c), "both": (a, b), "auto": (a, b, c)}
    caller = Caller("k", "t", "a", models=frozenset(models))
    assert "".join(each.id for each in caller.reached("small", names["small"], names)) == reached


def test_a_row_has_the_label_that_its_call_was_sent_with():
    raised = msgspec.structs.replace(FIRST, sensitivity="restricted")
    assert [row.sensitivity for row in entries(record(raised, SECOND))] == ["restricted", "internal"]


@pytest.mark.parametrize(
    ("tried", "sent"),
    [(FIRST, True), (SECOND, True), (UNSURE, True), (msgspec.structs.replace(FIRST, failure=None), False)],
)
def test_what_was_given_up_before_anything_went_out_was_not_sent(tried, sent):
    assert tried.sent is sent
