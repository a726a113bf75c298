"""Reads the events of an Anthropic message as its SDKs do, and takes no other order than the documented one."""

import json

from openai._streaming import SSEDecoder


def events(raw: bytes) -> list[dict]:
    """The data of each event. Its name must be there, and be its type: SDKs skip others."""
    out = []
    for each in SSEDecoder().iter_bytes(iter([raw])):
        data = json.loads(each.data)
        assert each.event == data["type"]
        out.append(data)
    return out


def message(raw: bytes) -> dict:
    """The message of a complete stream. Arguments of tools stay text."""
    seen = [each for each in events(raw) if each["type"] != "ping"]
    assert seen[0]["type"] == "message_start"
    assert [each["type"] for each in seen[-2:]] == ["message_delta", "message_stop"]
    whole = seen[0]["message"]
    assert (whole["type"], whole["role"], whole["content"]) == ("message", "assistant", [])
    assert (whole["stop_reason"], whole["stop_sequence"]) == (None, None)
    blocks = []
    opened = None
    for each in seen[1:-2]:
        if each["type"] == "content_block_start":
            assert opened is None
            assert each["index"] == len(blocks)
            opened = dict(each["content_block"])
            if opened["type"] == "tool_use":
                assert opened["input"] == {}
                opened["input"] = ""
        elif each["type"] == "content_block_delta":
            assert each["index"] == len(blocks)
            add(opened, each["delta"])
        else:
            assert (each["type"], each["index"]) == ("content_block_stop", len(blocks))
            blocks.append(opened)
            opened = None
    assert opened is None
    last = seen[-2]
    assert last["usage"]["output_tokens"] is not None
    return {**whole, **last["delta"], "content": blocks, "usage": {**whole["usage"], **last["usage"]}}


def add(block: dict, delta: dict) -> None:
    kinds = {
        "text_delta": ("text", "text", "text"),
        "thinking_delta": ("thinking", "thinking", "thinking"),
        "signature_delta": ("thinking", "signature", "signature"),
        "input_json_delta": ("tool_use", "partial_json", "input"),
    }
    kind, said, member = kinds[delta["type"]]
    assert block["type"] == kind
    block[member] += delta[said]


def failure(raw: bytes) -> dict:
    """The error that ends a stream, which then never says that it is complete."""
    seen = events(raw)
    assert seen[-1]["type"] == "error"
    assert not {"message_delta", "message_stop"} & {each["type"] for each in seen}
    return seen[-1]["error"]
