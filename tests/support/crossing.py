"""One answer in the words of every kind of backend, and one reading of it by the client of every surface."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import openai
from openai._models import construct_type
from openai._streaming import SSEDecoder
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from support import message_events
from support.server import backend
from support.upstream import DONE, RESET, STREAM_END, STREAM_HEAD, answer, chunk

TEXT = "Hej aus Köln"
BEGINNING = TEXT[: len(TEXT) // 2]
ARGUMENTS = {"city": "Paris", "at": [1, 2]}
CUT = 14
"""Where the arguments of a call are cut in two."""

READ, CACHED, WROTE = 14, 4, 5
"""Tokens of the prompt, of those from the cache, and of the answer."""

PRICE = {"input": 1, "cache_read": 0.5, "output": 2}
COST_PICO_USD = (READ - CACHED) * 1_000_000 + CACHED * 500_000 + WROTE * 2_000_000

KINDS = {
    "chat": {"provider": "openai-compatible"},
    "claude": {"provider": "anthropic", "model": "claude-opus-4-5"},
    "gemini": {"provider": "gemini-native", "model": "gemini-2.5-flash"},
    "oai": {"provider": "openai-responses", "model": "gpt-5.2"},
    "own-messages": {"provider": "openai-compatible", "speaks": ["messages"]},
    "own-responses": {"provider": "openai-compatible", "speaks": ["responses"]},
    "claude-messages": {"provider": "anthropic", "model": "claude-opus-4-5", "speaks": ["messages"]},
}
"""Every kind of backend, by its name in the catalog. `speaks` are surfaces that it has natively."""

WIRES = {"claude": "messages", "gemini": "gemini", "oai": "responses", "claude-messages": "messages"}
"""How a backend answers what is not chat completions, whoever asks."""

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}


def catalog(upstream, **more) -> dict:
    """A row for each kind."""
    return {
        name: backend(
            upstream.url(name),
            **{key: value for key, value in kind.items() if key != "speaks"},
            capabilities=[
                "chat",
                "tools",
                "vision",
                "json_schema",
                *kind.get("speaks", ()),
                *(["hosted_tools"] if "speaks" in kind else []),
            ],
            **{"max_output": 1000, "price": PRICE, **more},
        )
        for name, kind in KINDS.items()
    }


def wire_of(kind: str, surface: str) -> str:
    """In which form a backend of a kind is asked by a surface."""
    native = surface in KINDS[kind].get("speaks", ())
    return surface if native else WIRES.get(kind, "chat")


ALL_PAIRS = [
    (surface, kind)
    for surface in PATHS
    for kind in KINDS
    if wire_of(kind, surface) == surface or kind in WIRES or kind == "chat"
]
"""Surfaces and kinds of backends, each pair that differs."""


# -- what backends answer ---------------------------------------------------------------------------------------------


def _sse(*events: dict, named: bool) -> list[bytes]:
    return [
        (f"event: {each['type']}\n" if named else "").encode() + b"data: " + json.dumps(each).encode() + b"\n\n"
        for each in events
    ]


def _chat(calls: bool, said: str, arguments: dict) -> tuple[dict, list[bytes]]:
    usage = {
        "prompt_tokens": READ,
        "completion_tokens": WROTE,
        "total_tokens": READ + WROTE,
        "prompt_tokens_details": {"cached_tokens": CACHED},
    }
    head = {"id": "chatcmpl-1", "created": 1, "model": "scripted"}
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": json.dumps(arguments)}}
    finish = "tool_calls" if calls else "stop"
    message = {"role": "assistant", "content": said} | ({"tool_calls": [call]} if calls else {})
    whole = {
        **head,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    }

    def piece(delta: dict, finish: str | None = None) -> dict:
        return {
            **head,
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    text = json.dumps(arguments)
    pieces = [
        piece({"role": "assistant", "content": said[: len(said) // 2]}),
        piece({"content": said[len(said) // 2 :]}),
    ]
    if calls:
        named = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
        pieces.append(piece({"tool_calls": [{"index": 0, **named}]}))
        pieces += [
            piece({"tool_calls": [{"index": 0, "function": {"arguments": each}}]}) for each in (text[:CUT], text[CUT:])
        ]
    pieces += [piece({}, finish), {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage}]
    return whole, [*_sse(*pieces, named=False), DONE]


def _messages(calls: bool, said: str, arguments: dict) -> tuple[dict, list[bytes]]:
    read = {
        "input_tokens": READ - CACHED,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": 0,
    }
    stop = "tool_use" if calls else "end_turn"
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-5"}
    content = [{"type": "text", "text": said}]
    if calls:
        content.append({"type": "tool_use", "id": "toolu_1", "name": "look", "input": arguments})
    whole = {
        **head,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {**read, "output_tokens": WROTE},
    }
    begun = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**read, "output_tokens": 1}}
    text = json.dumps(arguments)
    events = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said[: len(said) // 2]}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said[len(said) // 2 :]}},
        {"type": "content_block_stop", "index": 0},
    ]
    if calls:
        block = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
        events += [
            {"type": "content_block_start", "index": 1, "content_block": block},
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": text[:CUT]},
            },
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": text[CUT:]},
            },
            {"type": "content_block_stop", "index": 1},
        ]
    events += [
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {"output_tokens": WROTE},
        },
        {"type": "message_stop"},
    ]
    return whole, _sse(*events, named=True)


def _gemini(calls: bool, said: str, arguments: dict) -> tuple[dict, list[bytes]]:
    usage = {
        "promptTokenCount": READ,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": WROTE,
        "totalTokenCount": READ + WROTE,
    }
    call = [{"functionCall": {"name": "look", "args": arguments}}] if calls else []

    def told(*parts: dict, **more: object) -> dict:
        candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}
        return {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": "gemini-2.5-flash",
            "responseId": "r",
        }

    whole = told({"text": said}, *call, finishReason="STOP")
    pieces = [
        told({"text": said[: len(said) // 2]}),
        told({"text": said[len(said) // 2 :]}),
        *([told(*call)] if calls else []),
    ]
    return whole, _sse(*pieces, told({"text": ""}, finishReason="STOP"), named=False)


def _responses(calls: bool, said: str, arguments: dict) -> tuple[dict, list[bytes]]:
    usage = {
        "input_tokens": READ,
        "input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": 0},
        "output_tokens": WROTE,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": READ + WROTE,
    }
    text = json.dumps(arguments)
    part = {"type": "output_text", "text": said, "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    call = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "look",
        "arguments": text,
        "status": "completed",
    }
    head = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5.2",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1,
    }
    whole = {**head, "status": "completed", "output": [message, *([call] if calls else [])], "usage": usage}
    begun = {**head, "status": "in_progress", "output": [], "usage": None}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**message, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **at, "delta": said[: len(said) // 2], "logprobs": []},
        {"type": "response.output_text.delta", **at, "delta": said[len(said) // 2 :], "logprobs": []},
        {"type": "response.output_text.done", **at, "text": said, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
    ]
    if calls:
        of = {"item_id": "fc_1", "output_index": 1}
        events += [
            {
                "type": "response.output_item.added",
                "output_index": 1,
                "item": {**call, "arguments": "", "status": "in_progress"},
            },
            {"type": "response.function_call_arguments.delta", **of, "delta": text[:CUT]},
            {"type": "response.function_call_arguments.delta", **of, "delta": text[CUT:]},
            {"type": "response.function_call_arguments.done", **of, "name": "look", "arguments": text},
            {"type": "response.output_item.done", "output_index": 1, "item": call},
        ]
    events.append({"type": "response.completed", "response": whole})
    return whole, _sse(*({**each, "sequence_number": at} for at, each in enumerate(events)), named=True)


SPOKEN = {"chat": _chat, "messages": _messages, "gemini": _gemini, "responses": _responses}


def events_of(wire: str, *, calls: bool = False) -> list[bytes]:
    """The events of the answer, in the form of a backend."""
    return SPOKEN[wire](calls, TEXT, ARGUMENTS)[1]


def script_of(wire: str, *, streamed: bool, calls: bool = False, text: str = TEXT, arguments: dict = ARGUMENTS) -> list:
    """The answer, in the form of a backend. Text and arguments come in two pieces each."""
    whole, events = SPOKEN[wire](calls, text, arguments)
    return [STREAM_HEAD, *map(chunk, events), STREAM_END] if streamed else [answer(whole, x_request_id="theirs")]


def broken(wire: str, end: object = RESET) -> list:
    """A stream that ends after some text."""
    events = events_of(wire)
    rest = json.dumps(TEXT[len(BEGINNING) :])[1:-1].encode()
    last = next(at for at, each in enumerate(events) if rest in each)
    return [STREAM_HEAD, *map(chunk, events[: last + 1]), 0.05, end]


# -- what clients ask, and how they read it ---------------------------------------------------------------------------

_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = {
    "chat": [{"type": "function", "function": {"name": "look", "parameters": _SCHEMA}}],
    "responses": [{"type": "function", "name": "look", "parameters": _SCHEMA, "strict": False}],
    "messages": [{"name": "look", "input_schema": _SCHEMA}],
}


def body_of(surface: str, model: str, text: str = "hi", **more: object) -> dict:
    """A request of a surface that streams or asks in words."""
    said = {
        "chat": {"messages": [{"role": "user", "content": text}]},
        "messages": {"messages": [{"role": "user", "content": text}], "max_tokens": 100},
        "responses": {"input": text},
        "completions": {"prompt": text},
        "count_tokens": {"messages": [{"role": "user", "content": text}]},
        "embeddings": {"input": text},
        "moderations": {"input": text},
        "images": {"prompt": text},
        "rerank": {"query": text, "documents": ["d"]},
    }[surface]
    return {"model": model, **said, **more}


@dataclass(frozen=True)
class Told:
    """What a client got: status, headers in lower case, and the raw body."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["x-request-id"]


def post(base: str, path: str, body: dict | bytes, headers: dict) -> Told:
    """Sends a request, and reads all of the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(base + path, data, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked, timeout=30) as got:
            return Told(got.status, {name.lower(): value for name, value in got.headers.items()}, got.read())
    except urllib.error.HTTPError as error:
        return Told(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


def bearer(key: str) -> dict:
    return {"authorization": f"Bearer {key}"}


def data_of(body: bytes) -> list[tuple[str | None, dict]]:
    """The name and the JSON of each event that OpenAI's SDK sees, up to [DONE]."""
    out = []
    for each in SSEDecoder().iter_bytes(iter([body])):
        if each.data.startswith("[DONE]"):
            break
        if each.data:
            out.append((each.event, json.loads(each.data)))
    return out


_EVENT = TypeAdapter(ResponseStreamEvent)


def read(surface: str, told: Told, *, streamed: bool) -> SimpleNamespace:
    """What a client has in the end: text, calls, why it ended, and usage as (prompt, cached, written)."""
    return _READERS[surface](told.body, streamed)


def _read_chat(body: bytes, streamed: bool) -> SimpleNamespace:
    if not streamed:
        whole = ChatCompletion.model_validate_json(body)
        (choice,) = whole.choices
        calls = [(each.function.name, json.loads(each.function.arguments)) for each in choice.message.tool_calls or ()]
        return _got(choice.message.content, calls, choice.finish_reason, whole.usage)
    assert body.endswith(DONE)
    text, calls, finishes, usage = "", {}, [], None
    for _, data in data_of(body):
        piece = ChatCompletionChunk.model_validate(data)
        usage = piece.usage or usage
        for choice in piece.choices:
            text += choice.delta.content or ""
            finishes += [choice.finish_reason] if choice.finish_reason else []
            for call in choice.delta.tool_calls or ():
                name, said = calls.get(call.index, ("", ""))
                calls[call.index] = (name + (call.function.name or ""), said + (call.function.arguments or ""))
    (finish,) = finishes
    return _got(text, [(name, json.loads(said)) for name, said in calls.values()], finish, usage)


def _got(text: str | None, calls: list, finish: str, usage: object) -> SimpleNamespace:
    details = usage.prompt_tokens_details
    counted = (usage.prompt_tokens, details.cached_tokens if details else 0, usage.completion_tokens)
    return SimpleNamespace(text=text or "", calls=calls, finish=finish, usage=counted)


def _read_responses(body: bytes, streamed: bool) -> SimpleNamespace:
    if streamed:
        events = data_of(body)
        assert [name for name, _ in events] == [data["type"] for _, data in events]
        assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
        for _, data in events:
            _EVENT.validate_python(data)
        last = events[-1][1]
        assert last["type"] == "response.completed"
        whole = Response.model_validate(last["response"])
        pieces = "".join(data["delta"] for _, data in events if data["type"] == "response.output_text.delta")
        assert pieces == whole.output_text
    else:
        whole = Response.model_validate_json(body)
    assert whole.status == "completed"
    calls = [(item.name, json.loads(item.arguments)) for item in whole.output if item.type == "function_call"]
    usage = whole.usage
    counted = (usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens)
    return SimpleNamespace(text=whole.output_text, calls=calls, finish="tool_calls" if calls else "stop", usage=counted)


def _read_messages(body: bytes, streamed: bool) -> SimpleNamespace:
    whole = message_events.message(body) if streamed else json.loads(body)
    assert (whole["type"], whole["role"]) == ("message", "assistant")
    text = "".join(block["text"] for block in whole["content"] if block["type"] == "text")
    calls = [
        (block["name"], json.loads(block["input"]) if streamed else block["input"])
        for block in whole["content"]
        if block["type"] == "tool_use"
    ]
    usage = whole["usage"]
    cached = usage.get("cache_read_input_tokens") or 0
    counted = (
        usage["input_tokens"] + cached + (usage.get("cache_creation_input_tokens") or 0),
        cached,
        usage["output_tokens"],
    )
    finish = {"end_turn": "stop", "tool_use": "tool_calls"}[whole["stop_reason"]]
    return SimpleNamespace(text=text, calls=calls, finish=finish, usage=counted)


_READERS = {"chat": _read_chat, "responses": _read_responses, "messages": _read_messages}


def error_of(surface: str, told: Told) -> tuple[str, str]:
    """The type and the message of an error answer, in the envelope of the surface and in no other."""
    body = told.json
    assert told.headers["content-type"] == "application/json"
    if surface in ("messages", "count_tokens"):
        assert body.keys() == {"type", "error", "request_id"}
        assert body["type"] == "error"
        assert body["error"].keys() >= {"type", "message"}
        assert told.headers["request-id"] == told.headers["x-request-id"] == body["request_id"]
    else:
        assert body.keys() == {"error"}
        assert body["error"].keys() >= {"message", "type", "param", "code"}
    return body["error"]["type"], body["error"]["message"]


def failure_of(surface: str, body: bytes) -> dict:
    """The error that ends a stream, as the surface's client is told. The stream then never looks finished."""
    assert b"[DONE]" not in body
    if surface == "messages":
        return message_events.failure(body)
    events = data_of(body)
    if surface == "responses":
        assert not {"response.completed", "response.incomplete"} & {data["type"] for _, data in events}
        last = events[-1][1]
        assert last["type"] in ("response.failed", "error")
        _EVENT.validate_python(last)
        if last["type"] == "error":
            return last
        assert last["response"]["status"] == "failed"
        return last["response"]["error"]
    assert all("error" not in data for _, data in events[:-1])
    assert not any(choice.get("finish_reason") for _, data in events for choice in data.get("choices", ()))
    return events[-1][1]["error"]


def looks_finished(surface: str, body: bytes) -> bool:
    """Whether a client takes a stream for complete."""
    events = [each for each in SSEDecoder().iter_bytes(iter([body])) if each.data]
    if surface in ("chat", "completions"):
        return any(each.data.startswith("[DONE]") for each in events)
    ends = ("message_stop", "response.completed", "response.incomplete")
    return any(json.loads(each.data).get("type") in ends for each in events)


def official(surface: str, body: bytes, *, strict: bool = True) -> None:
    """Reads every event of a stream into the types of the official SDK. `strict`: more strictly than it does itself,
    which takes values of any type where a backend's own go on, such as log probabilities."""
    for _, data in data_of(body):
        if "error" in data and surface in ("chat", "completions"):
            continue
        if surface == "responses" and strict:
            _EVENT.validate_python(data)
        elif surface == "responses":
            construct_type(value=data, type_=ResponseStreamEvent)
        elif surface == "messages":
            assert isinstance(data["type"], str)
        else:
            construct_type(value=data, type_=ChatCompletionChunk if surface == "chat" else Completion)


def read_strictly(events: list[tuple[str | None, dict]], *, finished: bool) -> None:
    """Holds the chunks of a stream that we wrote ourselves to all that clients rely on."""
    begun: set[int] = set()
    ended: set[int] = set()
    calls: set[tuple[int, int]] = set()
    for _, data in events:
        if "error" in data:
            continue
        construct_type(value=data, type_=ChatCompletionChunk)
        for choice in data["choices"]:
            index, delta = choice["index"], choice["delta"]
            assert ("role" in delta) == (index not in begun)
            begun.add(index)
            for call in delta.get("tool_calls", ()):
                first = (index, call["index"]) not in calls
                assert ("id" in call) == first
                assert not first or call["index"] == sum(1 for of, _ in calls if of == index)
                calls.add((index, call["index"]))
            if choice["finish_reason"] is not None:
                assert index not in ended
                assert choice["finish_reason"] in {"stop", "length", "tool_calls", "content_filter", "function_call"}
                ended.add(index)
    assert not finished or ended == begun


@cache  # it takes a fifth of a second to make
def sdk(base: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=20)
