"""A policy is asked about each form of a request that somebody may have."""

import msgspec
from support.doubles import FACTS, YES, Snapshot, backend

from gateway.core.decision import Obligation, Verdict
from gateway.routing.asking import ask, taken_out

TAGGED = msgspec.structs.replace(FACTS, tags=frozenset({"secret", "pii"}))
LIMIT = Obligation("max_output_tokens", 9)


def policy(verdict):
    return Snapshot([backend("a"), backend("b")], verdict)


def without(tags):
    return msgspec.structs.replace(TAGGED, tags=TAGGED.tags - {*tags}, redaction="done")


def never(tags):
    raise AssertionError("nobody wanted that")


def test_who_may_have_it_as_it_came_is_not_asked_again():
    house = policy(lambda *_: YES)
    assert ask(house, TAGGED, 0.0, never).verdicts == {"a": YES, "b": YES}
    assert house.asked == [TAGGED]


def test_where_nothing_was_found_there_is_nothing_to_take_out():
    refused = Verdict((), ("raw",), redact=("secret",))
    for tags in (frozenset(), None):
        facts = msgspec.structs.replace(FACTS, tags=tags)
        assert ask(policy(lambda *_: refused), facts, 0.0, never).verdicts["a"] == refused


def test_who_may_have_another_form_is_permitted_with_what_has_to_be_done():
    def verdict(of, facts, _moment):
        if of == "b":
            return Verdict((), ("no",))
        return Verdict(("p",), (), (LIMIT,)) if facts.redaction == "done" else Verdict((), ("raw",), redact=("secret",))

    house = policy(verdict)
    ruling = ask(house, TAGGED, 0.0, without)
    assert ruling.facts == TAGGED
    assert ruling.verdicts["a"] == Verdict(("p",), (), (LIMIT, Obligation("redact", tags=("secret",))))
    assert ruling.verdicts["b"] == Verdict((), ("no",))
    assert [facts.redaction for facts in house.asked] == ["none", "done"]


def test_a_form_that_cannot_be_made_or_is_denied_too_changes_nothing():
    refused = Verdict((), ("raw",), redact=("secret",))
    assert ask(policy(lambda *_: refused), TAGGED, 0.0, lambda tags: None).verdicts["a"] == refused
    assert ask(policy(lambda *_: refused), TAGGED, 0.0, without).verdicts["a"] == refused


def test_each_backend_asks_for_its_own_form():
    def verdict(of, facts, _moment):
        tags = {"a": ("secret",), "b": ("pii", "secret")}[of]
        return YES if not facts.tags & {*tags} else Verdict((), ("raw",), redact=tags)

    ruling = ask(policy(verdict), TAGGED, 0.0, without)
    assert {id: taken_out(each.do) for id, each in ruling.verdicts.items()} == {
        "a": ("secret",),
        "b": ("pii", "secret"),
    }


def test_what_is_taken_out_is_read_from_the_obligations():
    assert taken_out((LIMIT,)) == ()
    assert taken_out((LIMIT, Obligation("redact", tags=("pii",)))) == ("pii",)
