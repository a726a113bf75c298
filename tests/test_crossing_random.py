"""Random requests and random streams through every surface and dialect: a refusal or an answer, and nothing else.

What is random comes of a number, so a failure names all that is needed to see it again.
"""

import json
import os
import random
import re
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import crossing, message_events
from support.anthropic_vectors import STREAMS as MESSAGES
from support.doubles import SCANNING, Snapshot, backend
from support.response_vectors import STREAMS as RESPONSES
from support.vectors import all_recorded, load

from gateway.adapters.desk import redacted_of, walked_of
from gateway.core.chat import ChatRequest, parse
from gateway.core.decision import Obligation
from gateway.core.discharge import discharged
from gateway.core.errors import Refused
from gateway.core.turns import turns
from gateway.providers import DIALECTS
from gateway.routing.spoken import lacking, spoken
from gateway.sensitivity.scan import Again
from gateway.surfaces import SURFACES

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
SEEDS = st.integers(0, 2**32)
VECTORS = Path(__file__).parent / "vectors"
KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"


def often(times: int) -> settings:
    return settings(
        max_examples=times * (30 if FULL else 1), deadline=None, suppress_health_check=list(HealthCheck), database=None
    )


# -- random JSON ------------------------------------------------------------------------------------------------------

WORDS = (
    *("text", "type", "user", "assistant", "system", "tool", "developer", "function", "custom", "auto", "none", "any"),
    *("image", "image_url", "input_text", "output_text", "tool_use", "tool_result", "thinking", "document", "base64"),
    *("function_call", "function_call_output", "reasoning", "message", "item_reference", "web_search", "json_schema"),
    *(
        "stop",
        "length",
        "tool_calls",
        "end_turn",
        "STOP",
        "completed",
        "low",
        "look",
        "",
        "ä\u2028🎉",
        "\x00",
        "{}",
        "[DONE]",
    ),
    *("data:image/png;base64,AAAA", "https://example.org/x.png", "application/pdf", "c2lnbmVk", KEY, f"it is {KEY}"),
)
VALUES = tuple(
    "null true false 0 1 -1 7 9007199254740993 1000000000000000000000000 0.5 1e308 -0.0 [] {} [[]] [{}] [null]".split()
)


def value(dice: random.Random, depth: int = 2) -> object:
    """Any JSON."""
    pick = dice.random()
    if depth and pick < 0.2:
        return [value(dice, depth - 1) for _ in range(dice.randrange(3))]
    if depth and pick < 0.45:
        return {dice.choice(WORDS): value(dice, depth - 1) for _ in range(dice.randrange(4))}
    return dice.choice(WORDS) if pick < 0.75 else json.loads(dice.choice(VALUES))


def places(of: object, into: list) -> list:
    """Every list and object in a JSON value."""
    if isinstance(of, (dict, list)):
        if of:
            into.append(of)
        for each in of.values() if isinstance(of, dict) else of:
            places(each, into)
    return into


def mutate(dice: random.Random, document: object) -> None:
    """Changes one thing somewhere, in place. Large lists are as likely as the request itself."""
    found = places(document, [])
    if not found:
        return
    place = found[0] if dice.random() < 0.2 else dice.choice(found)
    at = dice.choice(list(place)) if isinstance(place, dict) else dice.randrange(len(place))
    match dice.randrange(7):
        case 0:
            del place[at]
        case 1 | 2:
            place[at] = value(dice)
        case 3:
            other = dice.choice(found)
            place[at] = json.loads(json.dumps(dice.choice(list(other.values() if isinstance(other, dict) else other))))
        case 4 if isinstance(place, dict):
            place[dice.choice([*WORDS, "seed", "stop", "n", "cache_control", "strict", "top_logprobs"])] = value(dice)
        case 5 if isinstance(place, dict):
            place[dice.choice(WORDS)] = place.pop(at)
        case 6 if isinstance(place, list):
            place.insert(at, place[dice.randrange(len(place))])
        case _:
            place[at] = dice.choice(WORDS)


# -- requests ---------------------------------------------------------------------------------------------------------

_TURN = {"role": "user", "content": "hi"}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q": 1}'}}
_USE = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": 1}}
_THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}
_PIXEL = "data:image/png;base64,AAAA"


@cache
def _samples(surface: str) -> tuple[str, ...]:
    """Good requests, as JSON."""
    tools = crossing.TOOLS[surface]
    if surface == "chat":
        content = [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": _PIXEL, "detail": "low"}},
        ]
        messages = [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": content},
            {"role": "assistant", "content": None, "tool_calls": [_CALL], "reasoning_content": "hm", "thinking_blocks": [_THOUGHT]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "found"}]},
            {"role": "assistant", "content": "ok", "refusal": None},
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}]},
        ]  # fmt: skip
        form = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}  # fmt: skip
        more = {"tools": tools, "tool_choice": "required", "max_tokens": 50, "temperature": 0.5, "stop": ["x"], "n": 1}
        bodies = [
            {"messages": messages, **more, "reasoning_effort": "low", "service_tier": "auto", "user": "u"},
            {
                "messages": messages[:2],
                "response_format": form,
                "stream": True,
                "stream_options": {"include_usage": True},
            },
            {"messages": [_TURN], "logprobs": True, "top_logprobs": 2, "seed": 1, "extra_body": {"google": {}}},
        ]
    elif surface == "messages":
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "found"}, image], "is_error": False}  # fmt: skip
        document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "t", "citations": {"enabled": False}}  # fmt: skip
        messages = [
            {"role": "user", "content": [{"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}}, image, document]},
            {"role": "assistant", "content": [_THOUGHT, {"type": "redacted_thinking", "data": "eA=="}, {"type": "text", "text": "I look"}, _USE]},
            {"role": "user", "content": [result, {"type": "text", "text": "and?"}]},
        ]  # fmt: skip
        bodies = [
            {"messages": messages, "max_tokens": 50, "system": [{"type": "text", "text": "be brief"}], "tools": tools, "tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"messages": [_TURN], "max_tokens": 9, "stream": True, "stop_sequences": ["x"], "metadata": {"user_id": "u"}, "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}},
            json.loads((VECTORS / "messages" / "claude_code_request.json").read_text()),
        ]  # fmt: skip
    else:
        items = [
            {"role": "developer", "content": "be brief"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": _PIXEL, "detail": "auto"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "eA=="},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"q": 1}'},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "found"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": []}]},
        ]  # fmt: skip
        custom = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}}  # fmt: skip
        bodies = [
            {"input": items, "instructions": "x", "tools": [*tools, custom], "tool_choice": "auto", "max_output_tokens": 50, "reasoning": {"effort": "low", "summary": "auto"}},
            {"input": "hi", "stream": True, "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"}, "metadata": {"a": "b"}, "store": False},
            *(json.loads((VECTORS / "responses" / name).read_text()) for name in ("codex_first.json", "codex_second.json")),
        ]  # fmt: skip
    return tuple(json.dumps({"model": "m", **body}) for body in bodies)


def request(dice: random.Random, surface: str) -> bytes:
    document = json.loads(dice.choice(_samples(surface)))
    for _ in range(dice.choice((0, 1, 1, 2, 3, 6))):
        mutate(dice, document)
    document.setdefault("model", "m")
    return json.dumps(document, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")


MODELS = {
    "openai": ("gpt-5.2",),
    "anthropic": ("claude-opus-4-5", "claude-3-haiku-20240307", "claude-opus-5-5"),
    "gemini-native": ("gemini-2.5-flash", "gemini-3-pro", "gemma-3"),
    "vertex-native": ("gemini-2.5-flash",),
    "openai-responses": ("gpt-5.2",),
    "perplexity": ("sonar",),
}
CAPABLE = frozenset({"chat", "messages", "responses", "tools", "vision", "json_schema"})
BACKENDS = [
    msgspec.structs.replace(backend("b", capabilities=able), provider=provider, model=model)
    for provider, models in MODELS.items()
    for model in models
    for able in (CAPABLE, CAPABLE - {"messages", "responses"})
]
DONE_TO_IT = [
    (),
    (Obligation("max_output_tokens", 7),),
    (Obligation("strip_images"),),
    (Obligation("scan_answer", tags=("secret",)), Obligation("max_output_tokens", 3)),
]
POLICY = Snapshot([])
LOOK = SCANNING._look(POLICY)
EMPTY = parse(b'{"model":"m","messages":[{"role":"user"}]}')


def forms(chat: ChatRequest, body: bytes) -> list[tuple[ChatRequest, bool]]:
    """The request as it came, and without its secrets if it can be; and whether it is the latter."""
    try:
        scan = LOOK.scanner.examine(walked_of(body))
    except Refused:
        return [(chat, False)]
    redacted = redacted_of(LOOK, chat, scan, frozenset({"secret"}), Again(LOOK.scanner, {}))
    return [(chat, False)] if redacted is None else [(chat, False), (redacted.chat, True)]


@pytest.mark.assures("fault 23")
@pytest.mark.parametrize("surface", ["chat", "messages", "responses"])
@given(seed=SEEDS)
@often(220)
def test_a_request_is_refused_or_can_be_said_to_every_backend(surface, seed):
    dice = random.Random(seed)
    body = request(dice, surface)
    try:
        chat = SURFACES[surface].parse(body, 1_700_000_000)
    except Refused:
        return
    list(turns(chat))
    assert SURFACES[surface].drops(chat) is not None
    for form, clean in forms(chat, body):
        for of in BACKENDS:
            do = (*dice.choice(DONE_TO_IT), *((Obligation("redact", tags=("secret",)),) if clean else ()))
            why = lacking(form, do, of, DIALECTS)
            dialect = spoken(form, do, of, DIALECTS)
            if why or dialect is None:
                continue
            assert all(isinstance(name, str) for name in dialect.drops(form, of))
            try:
                sent = dialect.encode(discharged(form, do, dialect.limit_field), of)
            except Refused:
                continue
            said = json.loads(sent)
            assert isinstance(said, dict)
            assert dialect.endpoint(form, of).path.startswith("/")
            if clean:
                assert KEY.encode() not in sent
                assert dialect.takes == "chat"


@pytest.mark.assures("fault 23")
@pytest.mark.parametrize("surface", sorted(SURFACES))
@given(seed=SEEDS, raw=st.binary(max_size=40))
@often(60)
def test_any_bytes_and_any_json_are_refused_or_read(surface, seed, raw):
    dice = random.Random(seed)
    for body in (raw, json.dumps(value(dice, 4)).encode(), json.dumps({"model": "m", "messages": value(dice, 4), "input": value(dice, 4), "prompt": value(dice, 3), "query": "x", "max_tokens": 9}).encode(), b"[" * 50_000, b'{"model":"m","messages":' + b"[" * 50_000):  # fmt: skip
        try:
            chat = SURFACES[surface].parse(body, 0)
        except Refused:
            continue
        assert isinstance(chat.demand.input_bytes, int)


# -- streams ----------------------------------------------------------------------------------------------------------

STREAMS = {
    "chat": [each.body for each in all_recorded() if each.streamed and each.status == 200],
    "messages": [each.body for each in MESSAGES],
    "gemini": [each.body for each in map(load, sorted((VECTORS / "gemini").glob("*.txt"))) if each.streamed],
    "responses": [each.body for each in RESPONSES],
}
for _wire, _recorded in STREAMS.items():
    _recorded += [b"".join(crossing.events_of(_wire, calls=calls)) for calls in (False, True)]

READERS = {
    ("chat", "chat"): "openai-compatible",
    ("messages", "chat"): "anthropic",
    ("gemini", "chat"): "gemini-native",
    ("responses", "chat"): "openai-responses",
    ("messages", "messages"): "anthropic",
    ("responses", "responses"): "openai-compatible",
}
"""By wire and by what the dialect takes: a provider that has it."""

ENDS = {
    "chat": re.compile(rb'\[DONE\]|"finish_reason": ?"'),
    "messages": re.compile(rb'"message_stop"|"stop_reason": ?"'),
    "gemini": re.compile(rb'"finishReason"|"blockReason"'),
    "responses": re.compile(rb'"response\.(completed|incomplete)"'),
}
CROSSINGS = [(wire, takes, surface) for wire, takes in READERS for surface in ("chat", "messages", "responses") if takes in ("chat", surface)]  # fmt: skip


def asked(surface: str) -> ChatRequest:
    more = {"stream": True, "tools": crossing.TOOLS[surface]}
    if surface == "chat":
        more["stream_options"] = {"include_usage": True}
    return SURFACES[surface].parse(json.dumps(crossing.body_of(surface, "m", **more)).encode(), 1_700_000_000)


ASKED = {surface: asked(surface) for surface in ("chat", "messages", "responses")}


def pieces_of(raw: bytes) -> list[bytes]:
    return [each + b"\n\n" for each in raw.replace(b"\r\n", b"\n").split(b"\n\n") if each.strip()]


def mangled(dice: random.Random, raw: bytes) -> bytes:
    """A recorded stream with something wrong in it: cut, reordered, twice, garbage, values of other types."""
    events = pieces_of(raw)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 4))):
        at = dice.randrange(len(events)) if events else 0
        match dice.randrange(9):
            case 0:
                events = events[:at]
            case 1 if events:
                del events[at]
            case 2 if events:
                events.insert(dice.randrange(len(events)), events.pop(at))
            case 3 if events:
                events.insert(dice.randrange(len(events)), events[at])
            case 4:
                junk = [b"data: {\n\n", b"data: []\n\n", b"data: null\n\n", b": ping\n\n", b"data\n\n", b"event: ping\ndata: {}\n\n", b"data: [DONE]\n\n", b"data: " + b"[" * 9000 + b"\n\n"]  # fmt: skip
                events.insert(at, dice.choice(junk))
            case 5:
                events.insert(at, b"data: " + json.dumps(value(dice, 3)).encode() + b"\n\n")
            case 6 | 7 | 8 if events:
                before, found, data = events[at].partition(b"data: ")
                try:
                    document = json.loads(data)
                except (ValueError, RecursionError):
                    continue
                for _ in range(dice.choice((1, 1, 3))):
                    mutate(dice, document)
                events[at] = before + found + json.dumps(document).encode() + b"\n\n"
    whole = b"".join(events)
    return whole[: dice.randrange(len(whole) + 1)] if dice.random() < 0.2 else whole


def played(dice: random.Random, raw: bytes, wire: str, takes: str, surface: str) -> tuple[bytes, object]:
    """What the client of a surface sees of a stream, in blocks of any size, watched and restored or not."""
    dialect = DIALECTS[READERS[wire, takes]][takes]
    chat = ASKED[surface]
    reader = dialect.reader(chat)
    if takes == "chat":
        if dice.random() < 0.3:
            scanned = SCANNING.scan(POLICY, "t", EMPTY, b'{"model":"m","messages":[]}')
            reader = scanned.follow(reader, frozenset({"secret"}), {"[SECRET_1]": KEY})
        reader = SURFACES[surface].follow(reader, chat)
    out, at = b"", 0
    while at < len(raw) and not reader.done:
        size = dice.choice((1, 7, 60, 1000, 10_000))
        out += reader.feed(raw[at : at + size])
        at += size
    return (out if reader.done else out + reader.close()), reader


@pytest.mark.assures("fault 24")
@pytest.mark.parametrize(("wire", "takes", "surface"), CROSSINGS, ids=str)
@given(seed=SEEDS)
@often(90)
def test_a_stream_never_breaks_a_reader_and_never_looks_finished_when_it_is_not(wire, takes, surface, seed):
    dice = random.Random(seed)
    raw = mangled(dice, dice.choice(STREAMS[wire]))
    out, reader = played(dice, raw, wire, takes, surface)
    assert reader.done
    finished = crossing.looks_finished(surface, out)
    assert finished == (reader.failed is None)
    if not ENDS[wire].search(raw):
        assert not finished
    if reader.usage is not None:
        assert reader.usage.total >= 0
    if takes != "chat":
        return  # the events are the backend's own, as they came
    if surface == "messages":
        (message_events.message if finished else message_events.failure)(out)
        return
    crossing.official(surface, out, strict=False)
    events = crossing.data_of(out)
    if surface == "responses":
        assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
        assert sum(data["type"] in ("response.completed", "response.incomplete", "response.failed", "error") for _, data in events) == 1  # fmt: skip
    elif wire != "chat":  # there the events are the backend's own, too
        crossing.read_strictly(events, finished=finished)


@pytest.mark.assures("fault 7")
@pytest.mark.parametrize(("wire", "takes", "surface"), CROSSINGS, ids=str)
def test_a_truncated_stream_never_looks_finished(wire, takes, surface):
    """Cut before each event, and within it: it is finished only once the backend's end is in."""
    for raw in STREAMS[wire]:
        events = pieces_of(raw)
        step = max(1, len(events) // 12)
        for last in [*range(0, len(events), step), *range(max(0, len(events) - 4), len(events))]:
            for cut in (0, len(events[last]) // 2):
                part = b"".join(events[:last]) + events[last][:cut]
                out, reader = played(random.Random(last), part, wire, takes, surface)
                finished = crossing.looks_finished(surface, out)
                assert finished == (reader.failed is None)
                assert not finished or ENDS[wire].search(part), (last, cut)
