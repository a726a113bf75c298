"""What providers do otherwise, one vector for each: the request as sent, and what the client sees of the answer, whole
and cut at every offset."""

import json

import pytest
from support.cutting import offsets
from support.quirks import Quirk, all_quirks

from gateway.core.catalog import CAPABILITIES, Backend
from gateway.core.chat import ChatRequest, parse
from gateway.core.usage import Usage
from gateway.providers import DIALECTS
from gateway.providers.openai import OpenAI
from gateway.wire import Dialect

QUIRKS = all_quirks()
STREAMS = [each for each in QUIRKS if each.streamed]
WHOLE = [each for each in QUIRKS if not each.streamed]
OPENAI = {name for name, speaks in DIALECTS.items() if isinstance(speaks["chat"], OpenAI)}
"""Providers that are spoken to in OpenAI's protocol; other protocols have vectors of their own."""


def ids(quirks: list[Quirk]) -> list[str]:
    return [each.name for each in quirks]


def parts(quirk: Quirk) -> tuple[Dialect, ChatRequest, Backend]:
    dialect, chat = DIALECTS[quirk.provider]["chat"], parse(quirk.client)
    return (
        dialect,
        chat,
        Backend("b", quirk.provider, "http://u/v1", quirk.model, {}, capabilities=frozenset(CAPABILITIES)),
    )


def expected(quirk: Quirk) -> Usage | None:
    return Usage(**quirk.usage) if quirk.usage else None


def play(quirk: Quirk, blocks: list[bytes]) -> tuple[bytes, object]:
    dialect, chat, _ = parts(quirk)
    reader = dialect.reader(chat)
    out = b"".join(reader.feed(block) for block in blocks)
    return (out if reader.done else out + reader.close()), reader


def test_every_provider_has_a_vector():
    assert {each.provider for each in QUIRKS} == OPENAI


@pytest.mark.parametrize("quirk", QUIRKS, ids=ids(QUIRKS))
def test_the_request_is_sent_as_the_provider_takes_it(quirk):
    dialect, chat, backend = parts(quirk)
    assert dialect.lacks(chat, backend) == ""
    assert dialect.encode(chat, backend) == quirk.sent
    assert dialect.drops(chat, backend) == quirk.dropped


@pytest.mark.parametrize("quirk", QUIRKS, ids=ids(QUIRKS))
def test_a_limit_goes_under_one_name_and_no_figure_is_lost(quirk):
    client, sent = json.loads(quirk.client), json.loads(quirk.sent)
    limits = ("max_tokens", "max_completion_tokens")
    given = [client[name] for name in limits if name in client]
    assert [sent[name] for name in limits if name in sent] == ([max(given)] if given else [])


@pytest.mark.parametrize("quirk", WHOLE, ids=ids(WHOLE))
def test_an_answer_reaches_the_client(quirk):
    dialect, chat, _ = parts(quirk)
    answer = dialect.answer(quirk.back, chat)
    assert (answer.failed.kind.code if answer.failed else "") == quirk.failed
    assert answer.usage == expected(quirk)
    assert answer.body == (quirk.shown if quirk.shown.rstrip() != quirk.back.rstrip() else quirk.back)


@pytest.mark.parametrize("quirk", STREAMS, ids=ids(STREAMS))
def test_a_stream_reaches_the_client(quirk):
    out, reader = play(quirk, [quirk.back])
    assert out == quirk.shown
    assert reader.usage == expected(quirk)
    assert (reader.failed.kind.code if reader.failed else "") == quirk.failed
    assert (b"[DONE]" in out) == (reader.failed is None)


@pytest.mark.parametrize("quirk", STREAMS, ids=ids(STREAMS))
def test_a_stream_reads_the_same_cut_at_every_offset(quirk):
    whole, told = play(quirk, [quirk.back])
    for offset in offsets(quirk.back):
        out, reader = play(quirk, [quirk.back[:offset], quirk.back[offset:]])
        assert out == whole, offset
        assert (reader.usage, reader.failed) == (told.usage, told.failed)
    out, _ = play(quirk, [quirk.back[at : at + 1] for at in range(len(quirk.back))])
    assert out == whole


@pytest.mark.parametrize("quirk", STREAMS, ids=ids(STREAMS))
def test_what_the_client_sees_keeps_the_rules_of_streams(quirk):
    seen = [json.loads(each[6:]) for each in quirk.shown.decode().split("\n\n") if each.startswith("data: {")]
    finishes = [
        choice["finish_reason"] for each in seen for choice in each.get("choices", ()) if choice["finish_reason"]
    ]
    assert len(finishes) == (0 if quirk.failed else 1)
    assert set(finishes) <= {"stop", "length", "tool_calls", "content_filter", "function_call"}
    known: dict[int, str] = {}
    for each in seen:
        for choice in each.get("choices", ()):
            for call in choice["delta"].get("tool_calls", ()):
                assert isinstance(call["function"]["arguments"], str)
                assert ("id" in call) == (call["index"] not in known)
                known.setdefault(call["index"], call.get("id", ""))
    assert sorted(known) == list(range(len(known)))
