"""A backend is asked in the client's own protocol where it speaks that and no word may change."""

import json

import msgspec
import pytest
from support.doubles import backend

from gateway.core.catalog import HOSTED_TOOLS
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


def said(only="", capability="", hosted=False):
    return msgspec.structs.replace(CHAT, native=Native("messages", {}, only, capability, hosted))


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
        (said("", hosted=True), {"chat", "messages"}, (), "chat"),
        (said("uses x", hosted=True), {"chat", "messages"}, (), None),
        (said("uses x", hosted=True), {"chat", "messages", "hosted_tools"}, (), "messages"),
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


@pytest.mark.parametrize(
    ("surface", "body", "hosted"),
    [
        ("messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ("messages", {"tools": [{"type": "bash_20250124", "name": "bash"}]}, False),
        ("messages", {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, False),
        ("messages", {"mcp_servers": [{"type": "url", "url": "https://x", "name": "n"}]}, True),
        ("responses", {"tools": [{"type": "web_search"}]}, True),
        ("responses", {"tools": [{"type": "mcp", "server_label": "n", "server_url": "https://x"}]}, True),
        ("responses", {"tools": [{"type": "local_shell"}]}, False),
        ("responses", {"tools": [{"type": "function", "name": "f", "parameters": {}}]}, False),
        ("chat", {"web_search_options": {}}, True),
        ("chat", {"enable_search": True}, True),
        ("chat", {"enable_search": False, "plugins": []}, False),
    ],
)
def test_tools_that_run_at_the_provider_are_known(surface, body, hosted):
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **body}
    if surface == "responses":
        asked = {"model": "m", "input": "x", **body}
    chat = SURFACES[surface].parse(json.dumps(asked).encode(), 0)
    needs = chat.native.needs if chat.native else chat.needs
    assert (HOSTED_TOOLS in needs) is hosted
