"""What the process for large requests makes of one is what is made of a small one on the event loop."""

import json
import pickle

import msgspec
import pytest
from support import crossing
from support.crossing import PATHS, body_of
from support.doubles import backend

from gateway.adapters import desk as module
from gateway.adapters.desk import (
    Desk,
    Examined,
    Look,
    Outlined,
    Question,
    Spoken,
    TakenOut,
    ToEncode,
    ToExamine,
    ToJudge,
    Told,
    ToOutline,
    ToRedact,
    redacted_of,
    walked_of,
)
from gateway.core.decision import Obligation
from gateway.core.discharge import discharged
from gateway.core.errors import Refusal
from gateway.core.members import MOST_TEXTS
from gateway.core.terms import BUILT_IN
from gateway.core.turns import turns
from gateway.providers import DIALECTS
from gateway.routing.spoken import lacking, spoken
from gateway.sensitivity.scan import Again
from gateway.surfaces import SURFACES

KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
LOOK = Look(BUILT_IN)
CAPABLE = frozenset({"chat", "tools", "vision", "messages", "responses", "json_schema", "reasoning"})
BACKENDS = [
    msgspec.structs.replace(
        backend("b", capabilities=CAPABLE if able else CAPABLE - {"messages", "responses"}),
        provider=kind["provider"],
        model=kind.get("model", "m"),
    )
    for kind in crossing.KINDS.values()
    for able in (True, False)
]
DONE_TO_IT = [(), (Obligation("max_output_tokens", 7),), (Obligation("strip_images"),)]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def asked_of(
    desk: Desk, ask, body: bytes | None, *, surface="chat", number=1, terms=None, digest=None
) -> tuple[Told, list[bytes]]:
    digest = (terms or BUILT_IN).digest if digest is None else digest
    head = pickle.dumps(Question(number, surface, 7, digest, terms, ask))
    told, *rest = desk.find([head] if body is None else [head, body])
    return msgspec.json.decode(told, type=Told), rest


def bodies() -> list[tuple[str, bytes]]:
    asked = [(surface, body_of(surface, "m", f"please use {KEY} now", stream=True)) for surface in PATHS]
    asked.append(("chat", {"model": "m", "messages": [{"role": "user", "content": [IMAGE]}], "n": 2, "stop": ["x"]}))
    asked.append(("embeddings", body_of("embeddings", "m", KEY)))
    return [(surface, json.dumps(body).encode()) for surface, body in asked]


@pytest.mark.parametrize(("surface", "body"), bodies())
@pytest.mark.parametrize("tags", [(), ("secret",)], ids=["as it came", "without secrets"])
def test_it_says_a_request_to_every_backend_as_the_loop_does(surface, body, tags):
    desk, chat = Desk(), SURFACES[surface].parse(body, 7)
    told, rest = asked_of(desk, ToOutline(), body, surface=surface)
    assert told == Told()
    outlined = msgspec.json.decode(rest[0], type=Outlined)
    assert (outlined.outline.turns, outlined.messages) == (tuple(turns(chat)), len(chat.view.messages))
    assert outlined.outline.text_bytes == chat.text_bytes
    form, taking = chat, (Obligation("redact", tags=tags),) if tags else ()
    if tags:
        redacted = redacted_of(
            LOOK, chat, LOOK.scanner.examine(walked_of(body)), frozenset(tags), Again(LOOK.scanner, {})
        )
        form = redacted.chat
        for whole in (True, False):
            _, rest = asked_of(desk, ToRedact(tags, {}, whole), None, surface=surface, terms=BUILT_IN)
            taken = msgspec.json.decode(rest[0], type=TakenOut)
            assert (taken.taken, taken.found) == (redacted.taken, redacted.found)
            if not whole:
                assert taken.outlined.outline.text_bytes == form.text_bytes
            elif redacted.taken:
                assert {**chat.fields, **taken.changed} == form.fields
    for each in BACKENDS:
        for do in ((*some, *taking) for some in DONE_TO_IT):
            _, rest = asked_of(desk, ToJudge(((each, do),)), None, surface=surface)
            why = lacking(chat, do, each, DIALECTS)
            assert msgspec.json.decode(rest[0]) == [why]
            dialect = spoken(form, do, each, DIALECTS)
            if why or dialect is None:
                continue
            sent = discharged(form, do, dialect.limit_field)
            told, rest = asked_of(desk, ToEncode(tags, do, each), None, surface=surface, terms=BUILT_IN)
            assert told == Told()
            assert msgspec.json.decode(rest[0], type=Spoken) == Spoken(
                dialect.endpoint(sent, each), dialect.drops(sent, each)
            )
            assert rest[1] == dialect.encode(sent, each)
            assert not tags or KEY.encode() not in rest[1]


@pytest.mark.parametrize(("at", "needs"), [("http://x/y.png", True), ("data:image/png;base64,AAAA", False)])
def test_an_outline_says_whether_anything_is_only_named(at, needs):
    part = {"type": "image_url", "image_url": {"url": at}}
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode()
    _, rest = asked_of(Desk(), ToOutline(), body)
    assert ("urls" in msgspec.json.decode(rest[0], type=Outlined).outline.needs) is needs


def test_what_is_known_is_not_examined_again_and_what_is_fresh_is_told():
    body = json.dumps(body_of("chat", "m", f"please use {KEY} now")).encode()
    _, rest = asked_of(Desk(), ToExamine({}), body, number=0, terms=BUILT_IN)
    first = msgspec.json.decode(rest[0], type=Examined)
    _, rest = asked_of(Desk(), ToExamine(first.fresh), body, number=0, terms=BUILT_IN)
    again = msgspec.json.decode(rest[0], type=Examined)
    assert (again.places, again.fresh) == (first.places, {})
    assert first.places == LOOK.scanner.examine(walked_of(body)).places


def test_what_each_text_of_a_body_that_is_kept_holds_is_not_told():
    desk, body = Desk(), json.dumps(body_of("chat", "m", KEY)).encode()
    told = []
    for number in (0, 1):
        _, rest = asked_of(desk, ToExamine({}), body, number=number, terms=BUILT_IN)
        told.append(msgspec.json.decode(rest[0], type=Examined))
    assert told[0].places == told[1].places
    assert (bool(told[0].fresh), told[1].fresh) == (True, {})


def test_a_body_that_is_not_here_is_asked_for(monkeypatch):
    desk, body = Desk(), json.dumps(body_of("chat", "m")).encode()
    assert asked_of(desk, ToOutline(), None) == (Told(unknown=True), [])
    for number in range(1, module.KEPT_BODIES + 2):
        assert asked_of(desk, ToOutline(), body, number=number)[0] == Told()
    assert asked_of(desk, ToOutline(), None, number=1)[0].unknown
    assert not asked_of(desk, ToOutline(), None, number=2)[0].unknown
    monkeypatch.setattr(module, "KEPT_BYTES", len(body))
    assert asked_of(desk, ToOutline(), body, number=9)[0] == Told()
    assert asked_of(desk, ToOutline(), None, number=2)[0].unknown
    assert not asked_of(desk, ToOutline(), None, number=9)[0].unknown
    desk.rest()
    assert asked_of(desk, ToOutline(), None, number=9)[0].unknown


def test_a_wrong_request_is_refused_as_on_the_loop():
    told, rest = asked_of(Desk(), ToOutline(), b'{"model":"m"}')
    assert (told.refused, told.param, rest) == ("MISSING_PARAMETER", "messages", [])
    told, _ = asked_of(Desk(), ToExamine({}), b'{"a":1,"a":2}', number=0, terms=BUILT_IN)
    assert told.refused == "INVALID_JSON"


def test_a_body_of_too_many_texts_is_not_read_even_to_see_what_is_wrong_with_it():
    told, _ = asked_of(Desk(), ToOutline(), b'{"x": [' + b'"",' * (MOST_TEXTS + 1))
    assert told.refused == Refusal.TOO_LARGE.name


def test_terms_that_cannot_be_used_leave_nothing_to_scan_by(monkeypatch):
    desk, body = Desk(), json.dumps(body_of("chat", "m", KEY)).encode()
    assert asked_of(desk, ToExamine({}), body, number=0, terms=BUILT_IN)[0] == Told()

    def broken(_):
        raise ZeroDivisionError("with prompt text in it")

    monkeypatch.setattr(module, "Look", broken)
    told, _ = asked_of(desk, ToExamine({}), body, number=0, terms=BUILT_IN)
    assert told == Told(error="ZeroDivisionError")
    assert asked_of(desk, ToExamine({}), body, number=0)[0] == Told(unknown=True)


@pytest.mark.parametrize(
    "ask", [ToExamine({}), ToRedact(("secret",), {}, True), ToEncode(("secret",), (), BACKENDS[0])]
)
def test_nothing_is_scanned_by_terms_that_a_question_does_not_go_by(ask):
    desk, body = Desk(), json.dumps(body_of("chat", "m", KEY)).encode()
    calm = msgspec.structs.replace(BUILT_IN, kinds=(), digest="calm")
    assert asked_of(desk, ask, body) == (Told(unknown=True), [])
    assert asked_of(desk, ask, body, terms=calm)[0] == Told()
    assert asked_of(desk, ask, body) == (Told(unknown=True), [])
    assert asked_of(desk, ask, None, terms=BUILT_IN)[0] == Told()
    assert asked_of(desk, ask, None, digest="calm") == (Told(unknown=True), [])


def test_other_terms_are_another_scan_of_the_same_body():
    desk, body = Desk(), json.dumps(body_of("chat", "m", f"{KEY} bob@example.org")).encode()
    calm = msgspec.structs.replace(
        BUILT_IN, kinds=tuple(kind for kind in BUILT_IN.kinds if kind.name != "email"), digest="calm"
    )
    found = []
    for terms in (BUILT_IN, calm, BUILT_IN):
        _, rest = asked_of(desk, ToRedact(("secret",), {}, True), body, terms=terms)
        found.append(dict(msgspec.json.decode(rest[0], type=TakenOut).found.kinds))
    assert found == [{"email": 1}, {}, {"email": 1}]


def test_what_goes_on_from_one_block_to_the_next_is_taken_out_and_what_is_left_of_it_counts():
    """In the chat the two are one text with a gap between them, in which neither is seen."""
    said = [f"it is {KEY[:20]}", f"{KEY[20:]} ; bob.miller@exam", "ple.org wrote it"]
    content = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}} for text in said]
    body = json.dumps(body_of("messages", "m") | {"messages": [{"role": "user", "content": content}]}).encode()
    chat, again = SURFACES["messages"].parse(body, 7), Again(LOOK.scanner, {})
    taken = redacted_of(LOOK, chat, LOOK.scanner.examine(walked_of(body)), frozenset({"secret"}), again)
    assert taken.taken == {"[SECRET_1]": KEY}
    text = json.loads(taken.chat.with_fields({}))["messages"][0]["content"]
    assert text == "it is [SECRET_1]\n\n ; bob.miller@exam\n\nple.org wrote it"
    assert [text[each.start : each.end] for each in taken.chat.native.pieces] == [
        "it is [SECRET_1]",
        " ; bob.miller@exam",
        "ple.org wrote it",
    ]
    assert ("email" in dict(taken.found.kinds), "secret" in taken.found.tags) == (True, False)
