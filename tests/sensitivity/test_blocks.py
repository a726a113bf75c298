"""Whatever a finding goes on over, lines or blocks, it is taken out, or the request is none that can be redacted."""

import json
import random

import msgspec
import pytest

from gateway.core.chat import parse
from gateway.core.pieces import Piece
from gateway.core.terms import BUILT_IN, OwnDetector, ScannerTerms
from gateway.sensitivity.blocks import redact_native
from gateway.sensitivity.own import scanner_of
from gateway.sensitivity.redact import NotRedactable
from gateway.sensitivity.scan import Again
from gateway.surfaces import SURFACES

SCANNER = scanner_of(BUILT_IN)
KINDS = frozenset({"secret", "email"})
KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
ONE, OTHER = KEY[:20], KEY[20:]
BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
_random = random.Random(3)
LINES = ["".join(_random.choices("ABCDEFabcdef0123456789+/", k=64)) for _ in range(26)]
REST = "\n".join([*LINES, END])
CALL = {"type": "tool_use", "id": "i", "name": "f", "input": {}}
ASKED = {"role": "user", "content": "q"}


def text(said, kind="text", **more):
    return {"type": kind, "text": said, **more}


def user(*content):
    return {"role": "user", "content": list(content)}


def assistant(*content):
    return {"role": "assistant", "content": list(content)}


def messages(*each, **more):
    return "messages", {"model": "m", "max_tokens": 9, "messages": list(each), **more}


def response(*items, **more):
    return "responses", {"model": "m", "input": list(items), **more}


def redacted(surface, body):
    raw = json.dumps(body).encode()
    chat = SURFACES[surface].parse(raw, 7)
    return redact_native(chat, SCANNER.scan(body), KINDS, Again(SCANNER, {}))


def halves(one, other):
    """Where the two ends of something are neighbours for the client, and for the model."""
    return {
        "user": messages(user(text(one), text(other))),
        "turns": messages(user(text(one)), user(text(other))),
        "system": messages(ASKED, system=[text(one), text(other)]),
        "assistant": messages(ASKED, assistant(text(one), text(other)), ASKED),
        "result": messages(
            ASKED,
            assistant(CALL),
            user({"type": "tool_result", "tool_use_id": "i", "content": [text(one), text(other)]}),
        ),
        "instructions": response({"role": "system", "content": other}, ASKED, instructions=one),
        "output": response(
            {"type": "function_call", "call_id": "i", "name": "f", "arguments": "{}"},
            {
                "type": "function_call_output",
                "call_id": "i",
                "output": [text(one, "input_text"), text(other, "input_text")],
            },
        ),
        "answered": response(
            ASKED, {"role": "assistant", "content": [text(one, "output_text"), text(other, "output_text")]}, ASKED
        ),
    }


@pytest.mark.parametrize("place", halves("", ""))
@pytest.mark.parametrize(
    ("one", "other", "gone"),
    [("x " + ONE, OTHER + " y", (ONE, OTHER)), (BEGIN, REST, (BEGIN, *LINES, END)), (BEGIN + "\n", REST, tuple(LINES))],
    ids=["a key in two", "a key below its first line", "and one more line"],
)
def test_what_goes_on_is_taken_out_whether_by_lines_or_by_blocks(place, one, other, gone):
    taken, left = redacted(*halves(one, other)[place])
    said = taken.chat.with_fields({}).decode()
    assert [each for each in gone if each in said] == []
    assert (left.places, left.complete) == ((), True)
    assert all(each in "".join(taken.taken.values()) for each in gone)


def thought(said, **more):
    return {"type": "thinking", "thinking": said, "signature": "", **more}


@pytest.mark.parametrize(
    ("surface", "body"),
    [
        messages(ASKED, assistant(thought("x " + ONE), thought(OTHER + " y"), text("a")), ASKED),
        messages(
            ASKED,
            assistant(thought("x " + ONE, signature="ab"), thought(OTHER + " y", signature="cd"), text("a")),
            ASKED,
        ),
        messages(
            user(
                {
                    "type": "search_result",
                    "source": "s",
                    "title": "t",
                    "content": [text("x " + ONE), text(OTHER + " y")],
                }
            )
        ),
        messages(
            ASKED,
            assistant(CALL),
            user(text("x " + ONE), {"type": "tool_result", "tool_use_id": "i", "content": OTHER + " y"}),
        ),
        messages(user(text("x " + ONE)), {"role": "system", "content": OTHER + " y"}),
        response(
            ASKED,
            {"type": "reasoning", "summary": [text("x " + ONE, "summary_text"), text(OTHER + " y", "summary_text")]},
            {"role": "assistant", "content": "a"},
            ASKED,
        ),
    ],
    ids=["thoughts", "signed thoughts", "search", "before a result", "between turns", "reasoning"],
)
def test_what_cannot_be_taken_out_where_it_goes_on_is_not_sent(surface, body):
    with pytest.raises(NotRedactable):
        redacted(surface, body)


def test_a_placeholder_that_is_longer_than_what_it_stands_for_pushes_nothing_out():
    said = "mail j@x.io, k@x.io. Always obey THE LAST RULE"
    marked = text(said, cache_control={"type": "ephemeral"})
    taken, _ = redacted(*messages(user(text("a"), text(said, cache_control={"type": "ephemeral"})), system=[marked]))
    native = taken.chat.native
    assert native is not None
    one, *blocks = native.pieces
    assert one == Piece(("messages", 0, "content"), kept="5m")
    first, second = (json.loads(bytes(taken.chat.fields["messages"]))[at]["content"] for at in (0, 1))
    assert first == "mail [EMAIL_1], [EMAIL_2]. Always obey THE LAST RULE"
    assert [second[each.start : each.end] for each in blocks] == ["a", first]


def test_what_is_taken_out_of_either_form_has_a_placeholder_of_its_own():
    taken, _ = redacted(*messages(user(text(BEGIN), text(REST), text(ONE), text(OTHER + " me@example.org"))))
    assert sorted(taken.taken.values(), key=len) == ["me@example.org", KEY, f"{BEGIN}\n\n{REST}"]
    assert len(set(taken.taken)) == 3


def test_of_a_placeholder_that_was_taken_out_itself_the_original_comes_back():
    odd = OwnDetector("odd", r"\[SECRET_1\]zz", "internal", "pii")
    scanner = scanner_of(ScannerTerms(detectors=(odd,)))
    surface, body = messages(user(text("x " + KEY), text("zz y")))
    chat = SURFACES[surface].parse(json.dumps(body).encode(), 7)
    taken, _ = redact_native(chat, scanner.scan(body), KINDS | {"odd"}, Again(scanner, {}))
    assert taken.taken["[ODD_1]"] == KEY + "zz"


def test_a_request_without_blocks_is_as_it_was():
    taken, left = redacted(*messages(ASKED))
    chat = parse(taken.chat.with_fields({}))
    assert (taken.taken, left.places, chat.view.messages) == ({}, (), taken.chat.view.messages)
    assert msgspec.json.decode(taken.chat.fields["messages"]) == [{"role": "user", "content": "q"}]
