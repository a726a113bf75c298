"""A buffered answer that is read in another process: it is what it would have been here."""

import json
import pickle

import msgspec
import pytest
from support.crossing import ALL_PAIRS, KINDS, SPOKEN, TEXT, TOOLS, body_of, wire_of
from support.doubles import backend

from gateway.adapters.desk import Desk, Look, Question, Told, shown
from gateway.adapters.heard import heard, to_answer, whole_of
from gateway.answering import whole
from gateway.core.decision import Obligation
from gateway.core.errors import FailureKind
from gateway.core.terms import BUILT_IN
from gateway.ports import Sent
from gateway.providers import DIALECTS
from gateway.routing.spoken import spoken
from gateway.surfaces import SURFACES

ARGUMENTS = {"city": "Paris"}
LOOK = Look(BUILT_IN)
KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
NOTHING = frozenset()


def sent(surface: str, kind: str, watched=NOTHING, taken=None) -> Sent:
    row = KINDS[kind]
    asked = msgspec.structs.replace(
        backend("b"),
        provider=row["provider"],
        model=row.get("model", "m"),
        capabilities=frozenset(row.get("speaks", ())),
    )
    body = body_of(surface, "m", "what is said", tools=TOOLS[surface])
    chat = SURFACES[surface].parse(json.dumps(body).encode(), 1)
    do = (Obligation("scan_answer", tags=tuple(watched)),) if watched else ()
    dialect = spoken(chat, do, asked, DIALECTS)
    read_as = SURFACES[surface] if dialect.takes != surface else None
    return Sent(chat, asked, do, dialect, read_as, watched, taken or {})


def guard(body, watched, taken):
    return shown(LOOK, body, watched, taken)


def there(request: Sent, raw: bytes):
    return whole_of(*heard(to_answer(request), raw, guard))


@pytest.mark.parametrize(("surface", "kind"), ALL_PAIRS)
@pytest.mark.parametrize("calls", [False, True], ids=["text", "calls"])
def test_an_answer_is_the_same_wherever_it_is_read(surface, kind, calls):
    request = sent(surface, kind)
    raw = json.dumps(SPOKEN[wire_of(kind, surface)](calls, TEXT, ARGUMENTS)[0]).encode()
    here = whole(raw, request, guard)
    assert here.failed is None
    assert here.usage is not None
    assert there(request, raw) == here


def test_an_answer_that_nobody_says_the_end_of_is_told_to_be_one():
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": None}
    assert there(sent("chat", "chat"), json.dumps({"choices": [choice]}).encode()).unfinished


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"no json", FailureKind.BROKEN),
        (b'{"error":{"message":"m","type":"t","code":"c"}}', FailureKind.REJECTED),
        (b'{"choices":[]}', FailureKind.BROKEN),
    ],
)
def test_a_failure_is_told_with_all_that_is_known_of_it(raw, kind):
    request = sent("messages", "chat")
    here = whole(raw, request, guard)
    assert here.failed is not None
    assert there(request, raw) == here


def test_what_must_not_be_shown_is_not_and_is_paid_for():
    request = sent("messages", "chat", watched=frozenset({"secret"}))
    raw = json.dumps(SPOKEN["chat"](False, f"the key is {KEY}", {})[0]).encode()
    told = there(request, raw)
    assert (told.failed.kind, told.body) == (FailureKind.BLOCKED, b"")
    assert told.usage == whole(raw, request, guard).usage is not None


def test_what_was_taken_is_put_back():
    request = sent("messages", "chat", taken={"[EMAIL_1]": "bob@example.org"})
    raw = json.dumps(SPOKEN["chat"](False, "write to [EMAIL_1]", {})[0]).encode()
    assert b"write to bob@example.org" in there(request, raw).body


def test_the_question_has_no_words_of_the_request():
    question = to_answer(sent("messages", "chat"))
    assert b"what is said" not in pickle.dumps(question)


def test_a_process_that_was_not_told_what_to_watch_for_says_so():
    request = sent("chat", "chat", watched=frozenset({"secret"}))
    raw = json.dumps(SPOKEN["chat"](False, TEXT, {})[0]).encode()
    ask = Question(0, "", 0, BUILT_IN.digest, None, to_answer(request))
    (told,) = Desk().find([pickle.dumps(ask), raw])
    assert msgspec.json.decode(told, type=Told).unknown
    told, *rest = Desk().find([pickle.dumps(msgspec.structs.replace(ask, terms=BUILT_IN)), raw])
    assert msgspec.json.decode(told, type=Told) == Told()
    assert whole_of(*rest).body == raw
