"""Completions in our own words are what OpenAI's clients read, and what our own reader does."""

import json

from gateway.core.chat import parse
from gateway.core.usage import Usage
from gateway.providers.completion import DONE, Chunks, completion, error_event
from gateway.providers.failures import unreadable
from gateway.providers.openai import OpenAI

USAGE = Usage(7, cache_read=3, output=2, reasoning=4)


def chat(**fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return parse(json.dumps(body).encode(), arrived=1_700_000_000)


def data(events: bytes) -> list[dict]:
    return [json.loads(line[6:]) for line in events.split(b"\n\n") if line and line != DONE.strip()]


def written(**fields) -> bytes:
    chunks = Chunks(chat(stream=True, **fields), "chatcmpl-1", "model")
    deltas = [chunks.delta({"reasoning_content": "r"}), chunks.delta({"content": "a"}), chunks.delta({"content": "b"})]
    return b"".join(deltas) + chunks.finish("stop") + chunks.finish("length", 1) + chunks.end(USAGE)


def test_chunks_are_those_that_clients_expect():
    chunks = data(written())
    assert {(each["id"], each["object"], each["created"], each["model"]) for each in chunks} == {
        ("chatcmpl-1", "chat.completion.chunk", 1_700_000_000, "model")
    }
    deltas = [(choice["index"], choice["delta"], choice["finish_reason"]) for c in chunks for choice in c["choices"]]
    assert deltas == [
        (0, {"role": "assistant", "content": "", "reasoning_content": "r"}, None),
        (0, {"content": "a"}, None),
        (0, {"content": "b"}, None),
        (0, {}, "stop"),
        (1, {"role": "assistant", "content": ""}, None),
        (1, {}, "length"),
    ]
    assert all("usage" not in each for each in chunks)
    assert written().endswith(DONE)


def test_usage_is_told_to_those_who_asked():
    chunks = data(written(stream_options={"include_usage": True}))
    assert [each["usage"] for each in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 16)


def test_our_own_reader_reads_them():
    request = chat(stream=True, stream_options={"include_usage": True})
    reader = OpenAI().reader(request)
    stream = written(stream_options={"include_usage": True})
    assert reader.feed(stream) == stream
    assert (reader.done, reader.failed, reader.usage) == (True, None, USAGE)


def test_a_whole_completion_is_read_again():
    body = completion(chat(), "chatcmpl-1", "model", [({"content": "ab"}, "stop"), ({"refusal": "no"}, "stop")], USAGE)
    answer = OpenAI().answer(body, chat())
    assert (answer.usage, answer.failed, answer.written_bytes) == (USAGE, None, 4)
    choices = json.loads(body)["choices"]
    assert choices[0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "ab", "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert "usage" not in json.loads(completion(chat(), "i", "m", [({}, "stop")], None))
    assert json.loads(completion(chat(), "i", "m", [({}, "stop")], None, {"x": 1}))["x"] == 1


def test_an_error_is_an_event_without_an_end():
    assert data(error_event(unreadable("m"))) == [{"error": unreadable("m").error}]
