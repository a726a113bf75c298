"""Answers of the Responses API, recorded or written by hand, and ways to write more of them."""

import json
from pathlib import Path

from hypothesis import strategies as st

from gateway.core.chat import ChatRequest, parse
from gateway.core.errors import Failed
from gateway.providers.reader import Reader
from support.vectors import Recorded, load

ROOT = Path(__file__).resolve().parents[1] / "vectors" / "responses"

RECORDED = [load(path) for path in sorted(ROOT.glob("*/*.txt"))]
STREAMS = [each for each in RECORDED if each.streamed]
ANSWERS = [each for each in RECORDED if not each.streamed]
BROKEN = ("openai/error_stream", "openai/failed_stream", "openai/failed", "perplexity/failed_stream")
GOOD_STREAMS = [each for each in STREAMS if each.name not in BROKEN]
GOOD_ANSWERS = [each for each in ANSWERS if each.name not in BROKEN]


def vector(name: str) -> Recorded:
    return next(each for each in RECORDED if each.name == name)


def chat(**fields) -> ChatRequest:
    """A canonical request. It streams, and wants all that can be told, unless it says otherwise."""
    usual = {"stream": True, "stream_options": {"include_usage": True}, "logprobs": True}
    body = {"model": "alias", "messages": [{"role": "user", "content": "hi"}], **usual, **fields}
    return parse(json.dumps(body).encode(), 1795360000)


def sse(*events: dict) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def play(reader: Reader, *blocks: bytes) -> bytes:
    """What the client sees of a stream, with its end."""
    out = b"".join(reader.feed(block) for block in blocks)
    return out if reader.done else out + reader.close()


def learned(reader: Reader) -> tuple[object, ...]:
    return (
        reader.usage,
        reader.service,
        reader.written_bytes,
        reader.written_events,
        reader.done,
        kind_of(reader.failed),
    )


def kind_of(failed: Failed | None) -> str | None:
    return None if failed is None else failed.kind.code


def chunks(raw: bytes) -> list[dict]:
    """The chunks of a canonical stream. It has no other events, and one [DONE] at most, at its end."""
    events = raw.decode().split("\n\n")
    assert events.pop() == ""
    assert all(each.startswith("data: ") and "\n" not in each for each in events)
    data = [each.removeprefix("data: ") for each in events]
    if data and data[-1] == "[DONE]":
        data.pop()
    return [json.loads(each) for each in data]


def message_of(raw: bytes) -> tuple[dict, str | None]:
    """The message that a client puts together from the chunks of a stream, and why it ended."""
    message: dict = {}
    reasons: list[str] = []
    for chunk in chunks(raw):
        for choice in chunk["choices"]:
            assert choice["index"] == 0
            assert not reasons
            reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
            delta = choice["delta"]
            if "role" in delta:
                assert not message
            assert message or "role" in delta
            for name, value in delta.items():
                if name == "tool_calls":
                    (call,) = value
                    calls = message.setdefault("tool_calls", [])
                    if "id" in call:
                        assert call["index"] == len(calls)
                        calls.append({each: call[each] for each in call if each != "index"})
                    else:
                        kind = calls[call["index"]]["type"]
                        said = "input" if kind == "custom" else "arguments"
                        assert call.keys() == {"index", kind}
                        calls[call["index"]][kind][said] += call[kind][said]
                elif isinstance(value, list):
                    message.setdefault(name, []).extend(value)
                else:
                    message[name] = (message.get(name) or "") + value
    return message, reasons[0] if reasons else None


# -- random events ----------------------------------------------------------------------------------------------------

_WORD = st.sampled_from(["message", "function_call", "custom_tool_call", "reasoning", "web_search_call", "ä", ""])
_LEAF = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), _WORD, st.floats(allow_nan=False))
_PART = st.fixed_dictionaries(
    {}, optional={"type": _WORD, "text": _LEAF, "refusal": _WORD, "annotations": st.lists(_LEAF, max_size=1)}
)
_ITEM = st.fixed_dictionaries(
    {"type": _WORD},
    optional={
        "id": _WORD,
        "call_id": _WORD,
        "name": _WORD,
        "arguments": _LEAF,
        "input": _WORD,
        "content": st.lists(_PART, max_size=2),
        "summary": st.lists(_PART, max_size=2),
        "encrypted_content": _WORD,
    },
)
RESPONSES = st.fixed_dictionaries(
    {},
    optional={
        "id": _LEAF,
        "model": _LEAF,
        "status": st.sampled_from(["completed", "incomplete", "failed", "in_progress", "cancelled", None, 7]),
        "output": st.one_of(st.lists(_ITEM, max_size=3), _LEAF),
        "usage": st.one_of(_LEAF, st.fixed_dictionaries({"input_tokens": st.integers(-1, 9), "output_tokens": _LEAF})),
        "error": st.one_of(st.none(), _WORD, st.fixed_dictionaries({"code": _LEAF, "message": _LEAF})),
        "incomplete_details": st.one_of(st.none(), st.fixed_dictionaries({"reason": _LEAF})),
        "service_tier": _LEAF,
    },
)
"""Responses of every shape, most of them wrong somewhere."""

_TYPES = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.refusal.delta",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
    "response.output_text.annotation.added",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "error",
    "keepalive",
]
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(_TYPES)},
        optional={
            "sequence_number": _LEAF,
            "output_index": _LEAF,
            "content_index": _LEAF,
            "summary_index": _LEAF,
            "item_id": _LEAF,
            "delta": _LEAF,
            "logprobs": _LEAF,
            "annotation": st.one_of(_LEAF, st.fixed_dictionaries({"url": _WORD, "start_index": _LEAF})),
            "item": st.one_of(_LEAF, _ITEM),
            "response": st.one_of(_LEAF, RESPONSES),
            "error": st.one_of(st.none(), st.fixed_dictionaries({"message": _LEAF})),
        },
    ),
    max_size=8,
)
"""Streams of events, most of them wrong somewhere."""
