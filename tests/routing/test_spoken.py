"""A backend is asked in the client's own protocol where it speaks that and no word may change."""

import json

import msgspec
import pytest
from support.doubles import backend

from gateway.core.chat import Native, parse
from gateway.core.decision import Obligation
from gateway.routing.spoken import lacking, spoken
from gateway.surfaces import SURFACES

CHAT = parse(b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}')
CUT, REDACT = Obligation("max_output_tokens", 7), Obligation("redact", 0, ("pii",))


class Row(msgspec.Struct, frozen=True):
    takes: str
    lack: str = ""

    def lacks(self, chat, backend):
        return self.lack


ROWS = {"openai-compatible": {"chat": Row("chat"), "messages": Row("messages")}}


def said(only="", capability=""):
    return msgspec.structs.replace(CHAT, native=Native("messages", {}, only, capability))


@pytest.mark.parametrize(
    ("chat", "capabilities", "do", "takes"),
    [
        (CHAT, {"chat", "messages"}, (), "chat"),
        (said(), {"chat"}, (), "chat"),
        (said(), {"chat", "messages"}, (), "messages"),
        (said(), {"chat", "messages"}, (CUT,), "messages"),
        (said(), {"chat", "messages"}, (CUT, REDACT), "chat"),
        (said("uses x"), {"chat", "messages"}, (), "messages"),
        (said("uses x"), {"chat", "messages"}, (REDACT,), None),
        (said("uses x"), {"chat"}, (), None),
        (said("", "responses"), {"chat", "messages"}, (), "chat"),
    ],
)
def test_the_protocol(chat, capabilities, do, takes):
    dialect = spoken(chat, do, backend("a", capabilities=frozenset(capabilities)), ROWS)
    assert (dialect.takes if dialect else None) == takes


@pytest.mark.parametrize(
    ("chat", "do", "rows", "why"),
    [
        (CHAT, (), {"chat": Row("chat")}, ""),
        (CHAT, (), {"chat": Row("chat", "does not take `n` above 1")}, "does not take `n` above 1"),
        (CHAT, (), {"messages": Row("messages")}, "does not serve chat"),
        (
            CHAT,
            (),
            {"chat": Row("chat", "said: <what the client wrote>")},
            "cannot do what a parameter of the request asks",
        ),
        (
            said("uses the tool `x`"),
            (),
            {"chat": Row("chat")},
            "cannot be asked in the client's own protocol, and the request uses the tool `x`",
        ),
    ],
)
def test_what_is_lacking(chat, do, rows, why):
    assert lacking(chat, do, backend("a"), {"openai-compatible": rows}) == why


@pytest.mark.parametrize(
    ("surface", "body", "scanned"),
    [
        ("rerank", {"query": "x"}, False),
        ("images", {"prompt": "x"}, False),
        ("completions", {"prompt": "x"}, True),
        ("embeddings", {"input": "x"}, True),
        ("moderations", {"input": "x"}, True),
    ],
)
def test_an_answer_that_cannot_be_scanned_is_not_asked_for(surface, body, scanned):
    chat = SURFACES[surface].parse(json.dumps({"model": "m", **body}).encode(), 0)
    why = lacking(
        chat, (Obligation("scan_answer", 0, ("pii",)),), backend("a"), {"openai-compatible": {surface: Row(surface)}}
    )
    assert (why == "") == scanned
    assert lacking(chat, (), backend("a"), {"openai-compatible": {surface: Row(surface)}}) == ""
