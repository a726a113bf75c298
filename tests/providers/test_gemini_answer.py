"""Gemini's answers against written vectors, whole and cut at every offset."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from openai._streaming import SSEDecoder
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from support.cutting import offsets
from support.vectors import Recorded, load

from gateway.core.chat import parse
from gateway.core.errors import FailureKind
from gateway.core.usage import Usage
from gateway.providers.failures import unreadable
from gateway.providers.gemini_answer import FINISHES, Stream, answer_of, usage_of

ROOT = Path(__file__).resolve().parents[1] / "vectors" / "gemini"
VECTORS = {path.stem: load(path) for path in sorted(ROOT.glob("*.txt"))}
STREAMS = [each for each in VECTORS.values() if each.streamed]
SIGNED = {"google": {"thought_signature": "EuIOCt8OAXLI2nyUmA16xmPM/6gOhK7z"}}

FAILS = {
    "blocked": FailureKind.CONTENT_FILTERED,
    "blocked_stream": FailureKind.CONTENT_FILTERED,
    "malformed": FailureKind.BROKEN,
    "malformed_stream": FailureKind.BROKEN,
    "err_midstream": FailureKind.THROTTLED,
}
USED = {
    "text": Usage(input_uncached=5, output=12),
    "text_stream": Usage(input_uncached=5, output=12),
    "thinking": Usage(input_uncached=7, output=6, reasoning=120),
    "thinking_stream": Usage(input_uncached=7, output=6, reasoning=120),
    "parallel_stream": Usage(input_uncached=40, output=30, reasoning=75),
    "blocked": Usage(input_uncached=9),
    "blocked_stream": Usage(input_uncached=9),
    "cached": Usage(input_uncached=254, cache_read=4096, audio_input=700, output=4, reasoning=33),
    "max_tokens": Usage(input_uncached=5, reasoning=47),
    "n2": Usage(input_uncached=5, output=6),
    "malformed": Usage(input_uncached=40, reasoning=12),
    "malformed_stream": Usage(input_uncached=40, output=3),
}


def asked(vector: Recorded, **more: object):
    return parse(json.dumps({**vector.request, **more}).encode(), 1_700_000_000)


def answered(name: str) -> dict:
    answer = answer_of(VECTORS[name].body, asked(VECTORS[name]))
    assert answer.failed is None
    ChatCompletion.model_validate_json(answer.body)
    return json.loads(answer.body)


def message(name: str) -> dict:
    return answered(name)["choices"][0]["message"]


def play(vector: Recorded, blocks: list[bytes], *, wants_usage: bool = True) -> tuple[bytes, Stream]:
    """What the client sees of a stream, with its end, and the reader after it."""
    stream = Stream(asked(vector, **({"stream_options": {"include_usage": True}} if wants_usage else {})))
    out = b"".join(stream.feed(block) for block in blocks)
    return (out if stream.done else out + stream.close()), stream


def events(raw: bytes) -> list[str]:
    """The data of each event, as the official SDK reads the bytes."""
    return [each.data for each in SSEDecoder().iter_bytes(iter([raw]))]


def chunks(raw: bytes) -> list[dict]:
    return [json.loads(data) for data in events(raw) if data != "[DONE]"]


def told(stream: Stream) -> tuple[object, ...]:
    return stream.usage, stream.written_bytes, stream.written_events, stream.failed, stream.service


def joined(raw: bytes) -> list[dict]:
    """The choices of a stream as a client puts them together: message and finish reason."""
    choices: dict[int, dict] = {}
    for chunk in chunks(raw):
        for choice in chunk["choices"]:
            whole = choices.setdefault(choice["index"], {"content": None, "refusal": None, "finish_reason": None})
            assert ("role" in choice["delta"]) == ("role" not in whole)
            assert whole["finish_reason"] is None
            whole["finish_reason"] = choice["finish_reason"]
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    for call in value:
                        assert call.pop("index") == len(whole.setdefault("tool_calls", []))
                        whole["tool_calls"].append(call)
                elif name in whole and whole[name] is not None and name != "extra_content":
                    whole[name] += value
                else:
                    whole[name] = value
    for whole in choices.values():
        whole["content"] = whole["content"] or None
    return [choices[index] for index in sorted(choices)]


def test_a_text():
    said = answered("text")
    assert (said["id"], said["model"], said["created"]) == ("Z3JhbnQtMDAwMQ", "gemini-2.5-flash", 1_700_000_000)
    assert said["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "One, two, three. Größe: 3 🎉", "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert (said["usage"]["prompt_tokens"], said["usage"]["completion_tokens"]) == (5, 12)


def test_thoughts_and_the_signature_of_a_text():
    said = message("thinking")
    assert (said["content"], said["reasoning_content"]) == ("One, two, three.", "**Counting**\n\nThree numbers.")
    assert said["extra_content"] == SIGNED


def test_calls_keep_their_ids_or_get_ones_that_last():
    call = message("tools")["tool_calls"][0]
    assert call == {
        "id": "x8kq3p1z",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Köln"}'},
        "extra_content": SIGNED,
    }
    said = answered("parallel")["choices"][0]
    assert said["finish_reason"] == "tool_calls"
    assert [call["id"] for call in said["message"]["tool_calls"]] == [
        f"call_Z3JhbnQtcGFyYWxsZWw_0_{n}" for n in range(3)
    ]
    assert [call["function"]["arguments"] for call in said["message"]["tool_calls"]] == [
        '{"city":"Köln"}',
        '{"city":"Paris"}',
        "{}",
    ]
    assert [call.get("extra_content") for call in said["message"]["tool_calls"]] == [SIGNED, None, None]


@pytest.mark.parametrize(
    ("name", "finish", "content"),
    [("safety", "content_filter", None), ("max_tokens", "length", None), ("cached", "stop", "A cat purrs.")],
)
def test_ends(name, finish, content):
    choice = answered(name)["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == (finish, content)


def test_two_choices():
    said = [(each["index"], each["message"]["content"], each["finish_reason"]) for each in answered("n2")["choices"]]
    assert said == [(0, "One.", "stop"), (1, "Uno.", "length")]


def test_logprobs():
    said = answered("logprobs")["choices"][0]["logprobs"]
    assert said["content"][0] == {
        "token": "Yes",
        "logprob": -0.1,
        "bytes": [89, 101, 115],
        "top_logprobs": [
            {"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115]},
            {"token": "No", "logprob": -2.5, "bytes": [78, 111]},
        ],
    }
    out, _ = play(VECTORS["logprobs_stream"], [VECTORS["logprobs_stream"].body])
    assert [each["choices"][0]["logprobs"] for each in chunks(out) if each["choices"]] == [said, None]


def test_logprobs_of_tokens_without_a_text():
    result = {"chosenCandidates": [{"token": "x", "logProbability": -1}]}
    body = json.dumps({"candidates": [{"logprobsResult": result, "finishReason": "STOP"}]}).encode()
    out, _ = play(VECTORS["logprobs_stream"], [b"data: " + body + b"\n\n"])
    said = [each["choices"][0]["logprobs"] for each in chunks(out)]
    assert said == [
        {"content": [{"token": "x", "logprob": -1, "bytes": [120], "top_logprobs": []}], "refusal": None},
        None,
    ]


def test_quotations_are_placed_in_characters():
    cited = {"start_index": 4, "end_index": 9, "url": "https://example.com/poem", "title": ""}
    noted = [{"type": "url_citation", "url_citation": cited}]
    assert message("citations")["annotations"] == noted
    out, _ = play(VECTORS["citations_stream"], [VECTORS["citations_stream"].body])
    assert joined(out)[0]["annotations"] == noted


def test_an_image():
    said = message("image")
    assert said["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    assert said["content"] == "Here: "


@pytest.mark.parametrize("name", sorted(FAILS.keys() - {each for each in FAILS if VECTORS[each].streamed}))
def test_an_answer_that_is_none_fails_and_is_billed(name):
    answer = answer_of(VECTORS[name].body, asked(VECTORS[name]))
    assert answer.failed is not None
    assert (answer.body, answer.failed.kind, answer.usage) == (b"", FAILS[name], USED[name])


@pytest.mark.parametrize("name", sorted(name for name in USED if not VECTORS[name].streamed))
def test_what_a_whole_answer_used(name):
    answer = answer_of(VECTORS[name].body, asked(VECTORS[name]))
    assert (answer.usage, answer.service) == (USED[name], "standard")


@pytest.mark.parametrize("vector", STREAMS, ids=lambda each: each.name)
def test_a_stream_says_what_a_whole_answer_says(vector):
    name = vector.name.removeprefix("gemini/")
    out, stream = play(vector, [vector.body])
    if name in FAILS:
        assert stream.failed is not None
        assert stream.failed.kind is FAILS[name]
        assert events(out)[-1] == json.dumps(chunks(out)[-1], separators=(",", ":"), ensure_ascii=False)
        assert "error" in chunks(out)[-1]
        assert "[DONE]" not in events(out)
        assert all(choice["finish_reason"] is None for each in chunks(out)[:-1] for choice in each["choices"])
        return
    assert stream.failed is None
    assert events(out)[-1] == "[DONE]"
    for chunk in chunks(out):
        ChatCompletionChunk.model_validate(chunk)
    whole = name.removesuffix("_stream")
    if name == "safety_stream":  # it has begun to write
        assert [(each["content"], each["finish_reason"]) for each in joined(out)] == [("First you", "content_filter")]
        return
    assert joined(out) == [
        {**choice["message"], "finish_reason": choice["finish_reason"]} for choice in answered(whole)["choices"]
    ]


@pytest.mark.parametrize("name", sorted(name for name in USED if VECTORS[name].streamed))
def test_what_a_stream_used(name):
    out, stream = play(VECTORS[name], [VECTORS[name].body])
    assert (stream.usage, stream.service, stream.usage_is_last) == (USED[name], "standard", True)
    if name not in FAILS:
        assert chunks(out)[-1]["choices"] == []
        assert chunks(out)[-1]["usage"]["total_tokens"] == USED[name].total
    hidden, _ = play(VECTORS[name], [VECTORS[name].body], wants_usage=False)
    assert all("usage" not in each for each in chunks(hidden))


@pytest.mark.parametrize("vector", STREAMS, ids=lambda each: each.name)
def test_a_stream_reads_the_same_cut_at_every_offset(vector):
    whole, after = play(vector, [vector.body])
    for offset in offsets(vector.body):
        out, stream = play(vector, [vector.body[:offset], vector.body[offset:]])
        assert out == whole, offset
        assert told(stream) == told(after)
    assert play(vector, [vector.body[at : at + 1] for at in range(len(vector.body))])[0] == whole
    unix = vector.body.replace(b"\r\n", b"\n")
    assert play(vector, [b": ping\n\n" + unix.rstrip(b"\n")])[0] == whole


@pytest.mark.parametrize("vector", STREAMS, ids=lambda each: each.name)
def test_a_stream_that_is_cut_short_never_looks_finished(vector):
    end = vector.body.find(b'"finishReason"')
    for offset in range(0, max(0, end), 7):
        out, stream = play(vector, [vector.body[:offset]])
        assert stream.failed is not None
        assert "error" in chunks(out)[-1]
        assert "[DONE]" not in events(out)


def test_one_choice_of_two_that_did_not_end_breaks_the_stream():
    body = VECTORS["n2_stream"].body
    out, stream = play(VECTORS["n2_stream"], [body[: body.rfind(b"data: ")]])
    assert stream.failed is not None
    assert "error" in chunks(out)[-1]


def test_a_lost_connection_and_what_comes_after_it():
    vector = VECTORS["text_stream"]
    stream = Stream(asked(vector))
    stream.feed(vector.body[:400])
    assert b'"error"' in stream.broke_off(unreadable("gone"))
    assert (stream.feed(vector.body), stream.done) == (b"", True)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"candidates":[]}', b'{"candidates":[{}]}', b"<html>"])
def test_what_is_no_answer_fails(body):
    answer = answer_of(body, asked(VECTORS["text"]))
    assert answer.failed is not None
    assert answer.failed.kind is FailureKind.BROKEN
    out, stream = play(VECTORS["text"], [b"data: " + body + b"\n\n"])
    assert stream.failed is not None
    assert b"[DONE]" not in out


def test_an_error_under_status_200_is_one():
    vector = VECTORS["err_overloaded"]
    answer = answer_of(vector.body, asked(vector))
    assert answer.failed is not None
    assert answer.failed.kind is FailureKind.OVERLOADED


@pytest.mark.parametrize("reason", ["OTHER", "UNEXPECTED_TOOL_CALL", "FINISH_REASON_UNSPECIFIED", "NEW", "NO_IMAGE"])
def test_a_reason_that_is_no_end_is_a_failure(reason):
    body = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": reason}]}
    answer = answer_of(json.dumps(body).encode(), asked(VECTORS["text"]))
    assert answer.failed is not None
    assert (answer.failed.kind, answer.written_bytes) == (FailureKind.BROKEN, 1)


@pytest.mark.parametrize("reason", FINISHES)
def test_every_end_has_a_word_of_openai(reason):
    body = json.dumps({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": reason}]}).encode()
    answer = answer_of(body, asked(VECTORS["text"]))
    ChatCompletion.model_validate_json(answer.body)
    assert json.loads(answer.body)["choices"][0]["finish_reason"] == FINISHES[reason]
    assert json.loads(answer.body)["id"] == "gemini-1700000000"


@pytest.mark.parametrize(
    "wire",
    [
        b'{"promptTokenCount":-1}',
        b'{"promptTokenCount":"5"}',
        b"[]",
    ],
)
def test_usage_that_cannot_be_meant_is_none(wire):
    assert usage_of(Raw(wire)) is None


AUDIO = {"modality": "AUDIO", "tokenCount": 9}


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"cachedContentTokenCount": 9}, Usage(5, cache_read=9, output=4, source="estimated")),
        ({"promptTokensDetails": [AUDIO]}, Usage(5, audio_input=9, output=4, source="estimated")),
        ({"candidatesTokensDetails": [AUDIO]}, Usage(5, output=4, audio_output=9, source="estimated")),
    ],
)
def test_parts_of_more_than_the_whole_count_beside_it_and_are_no_report(wire, usage):
    whole = {"promptTokenCount": 5, "candidatesTokenCount": 4, **wire}
    assert usage_of(Raw(json.dumps(whole).encode())) == usage


def test_tokens_that_only_the_total_counts_are_reasoning():
    assert usage_of(Raw(b'{"promptTokenCount":5,"totalTokenCount":9}')) == Usage(input_uncached=5, reasoning=4)
    assert usage_of(Raw(b"null")) is None


def test_sound_has_buckets_of_its_own():
    wire = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 30,
        "totalTokenCount": 40,
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 25}, {"modality": "TEXT", "tokenCount": 5}],
    }
    assert usage_of(Raw(msgspec.json.encode(wire))) == Usage(input_uncached=10, output=5, audio_output=25)


_NAMES = ("candidates", "content", "parts", "text", "functionCall", "name", "args", "finishReason", "index", "error")
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["STOP", "OTHER"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=12,
)
_LIKELY = st.fixed_dictionaries(
    {
        "candidates": st.lists(
            st.fixed_dictionaries(
                {"content": st.fixed_dictionaries({"parts": st.lists(_ANY, max_size=3)})},
                optional={"finishReason": st.sampled_from(["STOP", "MAX_TOKENS", "OTHER"]), "index": st.integers(0, 2)},
            ),
            max_size=3,
        )
    }
)


@settings(deadline=None)
@given(st.lists(_ANY | _LIKELY, max_size=4), st.integers(1, 40))
def test_any_bodies_are_an_answer_or_a_failure(bodies, size):
    for body in bodies:
        answer = answer_of(json.dumps(body).encode(), asked(VECTORS["text"]))
        assert (answer.failed is None) == bool(answer.body)
    raw = b"".join(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies)
    out, stream = play(VECTORS["text"], [raw[at : at + size] for at in range(0, len(raw), size)])
    assert stream.done
    assert (stream.failed is None) == (b"[DONE]" in out)
    assert out == play(VECTORS["text"], [raw])[0]


@pytest.mark.parametrize("args", [b'{"a":"\xff"}', b'{"\xff":1}'])
def test_arguments_that_are_no_text_are_a_failure(args):
    body = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":%b}}]},"finishReason":"STOP"}]}'
    asked = parse(b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}')
    reader = Stream(asked)
    reader.feed(b"data: " + body % args + b"\n\n")
    for failed in (answer_of(body % args, asked).failed, reader.failed):
        assert failed is not None
        assert failed.kind is FailureKind.BROKEN
