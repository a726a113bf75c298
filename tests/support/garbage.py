"""Answers that are no answers, as a table: how each is made from a good one, and what clients may get of it.

`ends` are what may come of a kind: `whole` (200, an answer that the official SDK reads), `refused` (502, nobody was
shown anything), `told` (a stream that had begun ends with an error event and never looks finished).
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass

from support.upstream import CLOSE, DONE, STREAM_END, STREAM_HEAD, answer, chunk, event

WHOLE, REFUSED, TOLD = "whole", "refused", "told"
Script = Callable[[dict, list[bytes]], list]


@dataclass(frozen=True)
class Kind:
    """One kind. `script` makes it from the body and the events of a good answer. `free`: it says itself that it is no
    answer, so nobody charges for it."""

    streamed: bool
    ends: tuple[str, ...]
    script: Script
    free: bool = False


def _buffered(body: Callable[[dict], object], *ends: str, free: bool = False, **how: object) -> Kind:
    def script(good: dict, _: list[bytes]) -> list:
        made = body(json.loads(json.dumps(good)))
        return [answer(made if isinstance(made, bytes) else json.dumps(made).encode(), **how)]

    return Kind(False, ends or (REFUSED,), script, free)


def _wire(script: Callable[[bytes], list], *ends: str, free: bool = False) -> Kind:
    return Kind(False, ends or (REFUSED,), lambda good, _: script(json.dumps(good).encode()), free)


def _either(ends: tuple[str, ...]) -> tuple[str, ...]:
    """What goes wrong within a stream may be read together with its first event: then nothing was shown yet."""
    return (*ends, REFUSED) if TOLD in ends or not ends else ends


def _events(change: Callable[[list[bytes]], list[bytes]], *ends: str, free: bool = False) -> Kind:
    """The first two events go out before the others, so that the client has begun to read."""

    def script(_: dict, events: list[bytes]) -> list:
        first, second, *rest = [*map(chunk, change(list(events))), b"", b""]
        return [STREAM_HEAD, first, second, 0.02, *rest, STREAM_END]

    return Kind(True, _either(ends), script, free)


def _stream(script: Callable[[list[bytes]], list], *ends: str) -> Kind:
    return Kind(True, _either(ends), lambda _, events: script(list(events)))


def _with(**changes: object) -> Callable[[dict], dict]:
    return lambda good: {**good, **changes}


def _choice(**changes: object) -> Callable[[dict], dict]:
    return lambda good: {**good, "choices": [{**good["choices"][0], **changes}]}


def _message(**changes: object) -> Callable[[dict], dict]:
    def change(good: dict) -> dict:
        choice = good["choices"][0]
        return {**good, "choices": [{**choice, "message": {**choice["message"], **changes}}]}

    return change


def _text(data: dict) -> bytes:
    return json.dumps(data).encode()


def _without(*names: str) -> Callable[[dict], dict]:
    return lambda good: {name: value for name, value in good.items() if name not in names}


def _head(status: str, *lines: str, length: int | None = None) -> bytes:
    more = [f"content-length: {length}"] if length is not None else []
    return "\r\n".join([f"HTTP/1.1 {status}", "content-type: application/json", *lines, *more, "", ""]).encode()


def _changed(events: list[bytes], at: int, made: bytes) -> list[bytes]:
    return [*events[:at], made, *events[at + 1 :]]


def _edited(events: list[bytes], **changes: object) -> list[bytes]:
    """Every event of the answer with other members."""
    return [each if each == DONE else event({**json.loads(each.removeprefix(b"data: ")), **changes}) for each in events]


HTML = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"
DEEP = b"[" * 100_000
GIANT = 3_000_000

GARBAGE: dict[str, Kind] = {
    # whole answers
    "nothing at all": _buffered(lambda _: b""),
    "a word": _buffered(lambda _: b"hello"),
    "HTML": _buffered(lambda _: HTML, content_type="text/html"),
    "HTML that says it is JSON": _buffered(lambda _: HTML),
    "half of the JSON": _buffered(lambda good: _text(good)[: len(_text(good)) // 2]),
    "null": _buffered(lambda _: None),
    "a list": _buffered(lambda _: [1, 2]),
    "a number": _buffered(lambda _: 7),
    "a string": _buffered(lambda _: "hello"),
    "an empty object": _buffered(lambda _: {}),
    "no choices": _buffered(_without("choices")),
    "choices null": _buffered(_with(choices=None)),
    "choices a string": _buffered(_with(choices="hello")),
    "a choice null": _buffered(_with(choices=[None])),
    "a message null": _buffered(_choice(message=None)),
    "a message that is a string": _buffered(_choice(message="hello")),
    "content a number": _buffered(_message(content=7)),
    "calls that are no list": _buffered(_message(tool_calls=7)),
    "usage a string": _buffered(_with(usage="much"), WHOLE),
    "usage below zero": _buffered(_with(usage={"prompt_tokens": -5, "completion_tokens": -1}), WHOLE),
    "usage beyond all measure": _buffered(
        lambda good: _text(good).replace(b'"completion_tokens": ', b'"completion_tokens": 1e400, "x": '), WHOLE, REFUSED
    ),
    "usage missing": _buffered(_without("usage"), WHOLE),
    "bytes that are no UTF-8": _buffered(lambda good: _text(good).replace(b"word", b"\xff\xfe", 1)),
    "NaN": _buffered(lambda good: _text(good).replace(b'"created": 1', b'"created": NaN')),
    "a hundred thousand brackets": _buffered(lambda _: DEEP),
    "two documents": _buffered(lambda good: _text(good) * 2),
    "a byte order mark": _buffered(lambda good: b"\xef\xbb\xbf" + _text(good)),
    "an error with status 200": _buffered(
        lambda _: {"error": {"message": "m", "type": "server_error", "code": "c"}}, free=True
    ),
    "events although none were asked for": _buffered(lambda _: b"data: {}\n\n", content_type="text/event-stream"),
    "gzip cut short": _buffered(lambda good: gzip.compress(_text(good))[:-20], content_encoding="gzip"),
    "gzip that nobody asked for": _buffered(lambda good: gzip.compress(_text(good)), content_encoding="gzip"),
    "status 204": _wire(lambda _: [_head("204 No Content")], free=True),
    "a redirect": _wire(lambda _: [_head("302 Found", "location: http://localhost/x", length=0)], free=True),
    "status 999": _wire(lambda data: [_head("999 What", length=len(data)) + data], free=True),
    "no status line": _wire(lambda _: [b"nonsense\r\n\r\n", CLOSE]),
    "a length that is a lie": _wire(lambda data: [_head("200 OK", length=len(data) + 500) + data, CLOSE]),
    "a length that is no number": _wire(lambda data: [_head("200 OK", "content-length: many") + data, CLOSE]),
    "chunks that are none": _wire(
        lambda data: [_head("200 OK", "transfer-encoding: chunked") + b"zz\r\n" + data, CLOSE]
    ),
    "a header without a colon": _wire(lambda data: [_head("200 OK", "nonsense", length=len(data)) + data, CLOSE]),
    "a header of 100 kB": _wire(lambda data: [_head("200 OK", "x: " + "y" * 100_000, length=len(data)) + data, CLOSE]),
    "a hundred interim answers": _wire(
        lambda data: [b"HTTP/1.1 100 Continue\r\n\r\n" * 100, _head("200 OK", length=len(data)) + data], WHOLE, REFUSED
    ),
    # streams
    "HTML instead of events": _stream(lambda _: [answer(HTML, content_type="text/html")]),
    "a body instead of events": _stream(lambda _: [answer({"id": "x"})]),
    "no event at all": _events(lambda _: []),
    "comments and no event": _events(lambda _: [b": ping\n\n"] * 20),
    "a first event that is no JSON": _events(lambda events: [b"data: {\n\n", *events]),
    "an event that is no JSON": _events(lambda events: _changed(events, 2, b'data: {"choices": [\n\n'), TOLD),
    "an event null": _events(lambda events: _changed(events, 2, b"data: null\n\n"), TOLD, WHOLE),
    "an event of wrong types": _events(lambda events: _changed(events, 2, event({"choices": 5})), TOLD),
    "bytes that are no UTF-8 in an event": _events(
        lambda events: _changed(events, 2, events[2].replace(b"word", b"\xff\xfe")), TOLD
    ),
    "NUL bytes in an event": _events(lambda events: _changed(events, 2, b"data: \0\0\n\n"), TOLD),
    "an event of 3 MB": _events(
        lambda events: _changed(events, 1, events[1].replace(b"word ", b"w" * GIANT)), WHOLE, TOLD
    ),
    "a line that never ends": _stream(
        lambda events: [STREAM_HEAD, chunk(events[0]), 0.02, chunk(b"data: " + b"x" * GIANT), CLOSE], TOLD
    ),
    "brackets in an event": _events(lambda events: _changed(events, 2, b"data: " + DEEP + b"\n\n"), TOLD),
    "every event twice": _events(lambda events: [each for each in events[:-1] for _ in (0, 1)] + [DONE], WHOLE, TOLD),
    "an id that changes": _events(
        lambda events: [each.replace(b"chatcmpl-1", b"other-%d" % at) for at, each in enumerate(events)],
        WHOLE,
    ),
    "usage missing in a stream": _events(lambda events: [*events[:-2], DONE], WHOLE),
    "usage of wrong types in a stream": _events(
        lambda events: _edited(events, usage={"prompt_tokens": "x"}), WHOLE, TOLD
    ),
    "an end without a reason": _events(lambda events: events[:3], TOLD),
    "a reason and no end": _events(lambda events: events[:-1], WHOLE, TOLD),
    "an end before the answer": _events(lambda events: [DONE, *events[:-1]], REFUSED, free=True),
    "events after the end": _events(lambda events: [*events, *events], WHOLE),
    "an error event first": _events(
        lambda _: [event({"error": {"message": "m", "type": "server_error", "code": "c"}})], free=True
    ),
    "an index beyond all measure": _events(
        lambda events: [each.replace(b'"index": 0', b'"index": 99999999999') for each in events], WHOLE, TOLD, REFUSED
    ),
    "CRLF": _events(lambda events: [each.replace(b"\n", b"\r\n") for each in events], WHOLE),
    "a byte order mark in a stream": _events(lambda events: [b"\xef\xbb\xbf" + events[0], *events[1:]], WHOLE, REFUSED),
    "chunks of a byte": _events(lambda events: [bytes([byte]) for byte in b"".join(events)], WHOLE),
    "gzip in a stream": _stream(
        lambda events: [
            STREAM_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"),
            chunk(gzip.compress(b"".join(events))[:-20]),
            STREAM_END,
        ]
    ),
    "chunks that are none in a stream": _stream(
        lambda events: [STREAM_HEAD, chunk(events[0]), 0.02, b"zz\r\n", CLOSE], TOLD
    ),
}
