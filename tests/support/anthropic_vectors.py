"""Answers of servers that speak Anthropic Messages, and requests to say to them."""

import json
from pathlib import Path

import msgspec
from msgspec import Raw
from openai._streaming import SSEDecoder

from gateway.core.catalog import Backend
from gateway.core.chat import ChatRequest, Native, parse
from support.vectors import Recorded, load

ROOT = Path(__file__).resolve().parents[1] / "vectors" / "anthropic"
VECTORS = {each.name: each for each in (load(path) for path in sorted(ROOT.glob("*/*.txt")))}
COUNT = VECTORS.pop("documented/count_tokens")
STREAMS = [each for each in VECTORS.values() if each.streamed and each.status == 200]
ANSWERS = [each for each in VECTORS.values() if not each.streamed and each.status == 200]
ERRORS = [each for each in VECTORS.values() if each.status != 200]
BROKEN = {"documented/overloaded_midway_stream", "documented/overloaded_at_once_stream"}
WHOLE = [each for each in STREAMS if each.name not in BROKEN]


def name(recorded: Recorded) -> str:
    return recorded.name


def backend(model: str = "claude-opus-5-5", **more) -> Backend:
    return Backend("b", "anthropic", "https://api.anthropic.com/v1", model, {}, **more)


def chat(*messages, **fields) -> ChatRequest:
    """A chat completion. A message that is a string is what the user says."""
    said = [{"role": "user", "content": each} if isinstance(each, str) else each for each in messages or ("hi",)]
    return parse(json.dumps({"model": "name", "messages": said, **fields}).encode(), 1700000000)


def native(body: bytes, canonical: ChatRequest | None = None) -> ChatRequest:
    """A request that came as Messages, with what it is as a chat."""
    fields = msgspec.json.decode(body, type=dict[str, Raw])
    return msgspec.structs.replace(canonical or chat(stream=True), native=Native("messages", fields))


def play(stream, blocks: list[bytes]) -> bytes:
    """What the client sees of a stream, with its end."""
    out = b"".join(stream.feed(block) for block in blocks)
    return out if stream.done else out + stream.close()


def events(raw: bytes) -> list[str]:
    """The data of each event, as an official SDK reads the bytes."""
    return [each.data for each in SSEDecoder().iter_bytes(iter([raw])) if each.data]


def event(**members) -> bytes:
    return f"event: {members['type']}\ndata: {json.dumps(members)}\n\n".encode()


def chunks_of(raw: bytes) -> list[dict]:
    """The chunks of a canonical stream."""
    return [json.loads(data) for data in events(raw) if data != "[DONE]"]
