"""Fault 24: streams with bytes changed at random, read by the official SDK's own parser before the gateway and behind it.

Behind it a client has the same events, or an error that says so.
"""

import json

import pytest
from openai._streaming import SSEDecoder
from support.crossing import events_of as answer_events
from support.fault_house import FULL, dice
from support.vectors import all_recorded

from gateway.providers.openai_stream import Stream

STREAMS = 1_000_000 if FULL else 3_000
RECORDED = [each.body for each in all_recorded() if each.streamed and each.status == 200 and len(each.body) < 20_000]
RECORDED += [b"".join(answer_events("chat", calls=calls)) for calls in (False, True)]
BYTES = [b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"\xff", b"\xc3", b'"', b"{", b"}", b":", b" ", b"data: ", b"data: [DONE]\n\n", b"event: x\n", b": c\n\n", b"\xef\xbb\xbf", b"\\", b"\\ud800"]  # fmt: skip


def changed(random, raw: bytes) -> bytes:
    """A stream with some bytes put in, taken out, replaced, moved, or cut off."""
    out = bytearray(raw)
    for _ in range(random.choice((0, 1, 1, 2, 5))):
        at, size = random.randrange(len(out) + 1), random.choice((0, 1, 1, 3, 40))
        match random.randrange(4):
            case 0:
                out[at : at + size] = random.choice(BYTES)
            case 1:
                del out[at : at + size]
            case 2:
                out[at : at + 1] = bytes([random.randrange(256)])
            case 3:
                out[at:at] = out[at : at + size]
    if random.random() < 0.2:
        del out[random.randrange(len(out) + 1) :]
    return bytes(out)


def by_the_sdk(raw: bytes) -> tuple[list, str]:
    """What the official SDK makes of a stream: the text of each event by choice, and how it ends: done, cut or error."""
    found = []
    try:
        for each in SSEDecoder().iter_bytes(iter([raw])):
            if each.data.startswith("[DONE]"):
                return found, "done"
            if each.data.strip():
                found.append(told_by(json.loads(each.data)))
    except (UnicodeDecodeError, ValueError, RecursionError):
        return found, "error"
    return found, "cut"


def told_by(data: object) -> list | str:
    if not isinstance(data, dict):
        return "nonsense"
    if data.get("error"):
        return "error"
    texts = []
    for choice in data.get("choices") or () if isinstance(data.get("choices"), list) else ():
        delta = choice.get("delta") if isinstance(choice, dict) else None
        texts.append(delta.get("content") if isinstance(delta, dict) else None)
    return texts


def spoken(events: list) -> list:
    """The events that say something; a server's chunks of usage alone may be told at another place."""
    return [each for each in events if isinstance(each, str) or any(text for text in each)]


@pytest.mark.assures("fault 24")
def test_a_client_behind_the_gateway_reads_what_one_before_it_reads_or_an_error(showed):
    random, ends = dice(24), {"done": 0, "error": 0}
    for _ in range(STREAMS):
        raw = changed(random, random.choice(RECORDED))
        reader = Stream(wants_usage=True, continuous=True)
        out, at = b"", 0
        while at < len(raw) and not reader.done:
            size = random.choice((1, 7, 60, 1000, 100_000))
            out += reader.feed(raw[at : at + size])
            at += size
        out += b"" if reader.done else reader.close()
        before, how_before = by_the_sdk(raw)
        behind, how = by_the_sdk(out)
        before, behind = spoken(before), spoken(behind)
        if reader.failed is None:
            ends["done"] += 1
            assert how == "done", (raw, out)
            assert behind[: len(before)] == before, (raw, out)
            assert how_before != "error", (raw, out)
            assert len(behind) <= len(before) + 1, (raw, out)  # an event whose blank line was cut off is one, too
        else:
            ends["error"] += 1
            assert how != "done", (raw, out)
            assert behind[-1] == "error", (raw, out)
            told = behind[:-1]
            assert told[: len(before)] == before[: len(told)], (raw, out)
            assert len(told) <= len(before) + 1, (raw, out)
    assert min(ends.values()) > STREAMS // 20
    showed(f"{STREAMS:,} streams", f"{ends['done']:,} read the same, {ends['error']:,} end with an error that says so")
