"""A request and its forms: made once, when they are first asked for, and never on faith."""

import json

import msgspec
from support.doubles import FACTS, YES, Snapshot, backend

from gateway.asked import Asked, watched_tags
from gateway.core.chat import parse
from gateway.core.decision import Candidate, Obligation, Verdict
from gateway.core.errors import Failed, FailureKind
from gateway.core.findings import Classified, Found, Redacted

CHAT = parse(json.dumps({"model": "auto", "messages": [{"role": "user", "content": "the secret"}]}).encode())
CLEAN = parse(json.dumps({"model": "auto", "messages": [{"role": "user", "content": "the [SECRET_1]"}]}).encode())
CAME = msgspec.structs.replace(FACTS, sensitivity="restricted", tags=frozenset({"secret"}))
SECRET = (Obligation("redact", tags=("secret",)),)


class Scanned:
    """The `Scanned` port. `left` is what is still found afterwards, None: nothing can be taken out."""

    found = Found("restricted", frozenset({"secret"}))

    def __init__(self, left: Found | None) -> None:
        self.left = left
        self.asked: list[frozenset[str]] = []

    def redacted(self, chat, tags):
        self.asked.append(tags)
        return None if self.left is None else Redacted(CLEAN, {"[SECRET_1]": "secret"}, self.left)


def request(left: Found | None, declared="internal") -> tuple[Asked, Scanned]:
    scanned = Scanned(left)
    label = Classified("restricted", frozenset({"secret"}), (), declared)
    return Asked(CHAT, CAME, label, scanned, "confidential"), scanned


def raw_never(_of, facts, _moment):
    return YES if facts.redaction == "done" else Verdict((), ("raw",), redact=("secret",))


def candidate(*do):
    return Candidate(backend("a"), ("p",), 0, do)


async def test_a_form_is_made_when_a_policy_first_asks_for_it_and_then_kept():
    asked, scanned = request(Found())
    assert (await asked.form_for(candidate())).chat is CHAT
    assert (scanned.asked, asked.redactions) == ([], ())
    ruling = await asked.ask(Snapshot([backend("a"), backend("b")], raw_never), 0.0)
    await asked.ask(Snapshot([backend("a")], raw_never), 0.0)
    assert [each.do for each in ruling.verdicts.values()] == [SECRET, SECRET]
    assert scanned.asked == [frozenset({"secret"})]
    form = await asked.form_for(candidate(*SECRET))
    assert (form.chat, form.taken) == (CLEAN, {"[SECRET_1]": "secret"})
    assert (form.facts.sensitivity, form.facts.tags, form.facts.redaction) == ("internal", frozenset(), "done")
    assert [each.facts for each in asked.redactions] == [form.facts]


async def test_the_label_of_a_form_is_what_was_declared_and_what_is_still_there():
    asked, _ = request(Found("confidential", frozenset({"pii"}), opaque=True), declared="public")
    assert (await asked.form_for(candidate(*SECRET))).facts.sensitivity == "confidential"
    assert (await asked.form_for(candidate(*SECRET))).facts.tags == {"pii"}


async def test_where_something_of_it_is_left_there_is_no_form():
    asked, _ = request(Found("restricted", frozenset({"secret"})))
    assert await asked.form_for(candidate(*SECRET)) is None
    assert (await asked.ask(Snapshot([backend("a")], raw_never), 0.0)).verdicts["a"].forbids == ("raw",)
    assert asked.redactions == ()


async def test_where_nothing_can_be_taken_out_there_is_no_form():
    asked, _ = request(None)
    assert await asked.form_for(candidate(*SECRET)) is None


async def test_where_the_second_scan_failed_nothing_is_known_of_the_form():
    asked, _ = request(Found(known=False))
    facts = (await asked.form_for(candidate(*SECRET))).facts
    assert (facts.sensitivity, facts.tags) == (None, None)


async def test_every_form_learns_of_a_call_that_failed():
    asked, _ = request(Found())
    before = await asked.form_for(candidate(*SECRET))
    asked.failed(backend("a"), Failed(FailureKind.OVERLOADED, 503, {}))
    for form in (asked.came, before):
        assert (form.facts.attempt, form.facts.last_error) == ("2", "overloaded")
    later, _ = request(Found())
    later.failed(backend("a"), Failed(FailureKind.OVERLOADED, 503, {}))
    assert (await later.form_for(candidate(*SECRET))).facts.attempt == "2"


def test_what_an_answer_may_not_show_is_read_from_the_obligations():
    assert watched_tags((*SECRET, Obligation("scan_answer", tags=("pii", "secret")))) == {"pii", "secret"}
    assert watched_tags(SECRET) == frozenset()


ONE = backend("a")
REDACTED_ONLY = Snapshot([ONE], raw_never)
ANYTHING = Snapshot([ONE], lambda *_: YES)
ONLY_AS_IT_CAME = Snapshot(
    [ONE], lambda _of, facts, _moment: Verdict((), ("low",)) if facts.redaction == "done" else YES
)


async def test_what_one_policy_wants_taken_out_the_other_is_asked_about_what_is_left():
    """It may forbid what has less in it than what came: then nothing is sent."""
    for pinned, newest, permitted in (
        (REDACTED_ONLY, ANYTHING, (True, True)),
        (ANYTHING, REDACTED_ONLY, (True, True)),
        (REDACTED_ONLY, ONLY_AS_IT_CAME, (True, False)),
        (ONLY_AS_IT_CAME, REDACTED_ONLY, (False, True)),
    ):
        asked, _ = request(Found())
        said = [ruling.verdicts["a"] for ruling in await asked.ask_both(pinned, newest, ONE, 0.0)]
        assert tuple(each.permitted for each in said) == permitted
        assert all(each.do == SECRET for each in said if each.permitted)


async def test_where_what_is_wanted_cannot_be_taken_out_no_policy_says_yes():
    asked, _ = request(None)
    rulings = await asked.ask_both(REDACTED_ONLY, ANYTHING, ONE, 0.0)
    assert not rulings[0].verdicts["a"].permitted
    asked, _ = request(Found())
    rulings = await asked.ask_both(ANYTHING, ANYTHING, ONE, 0.0)
    assert [ruling.verdicts["a"].do for ruling in rulings] == [(), ()]
