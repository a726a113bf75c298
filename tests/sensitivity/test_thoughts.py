"""What a provider sealed is told by where it stands and by its bytes; a text in its place is read."""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sensitivity.thoughts import is_sealed_thought
from gateway.sensitivity.walk import walk

BYTES = random.Random(9).randbytes(300)
SIGNED = base64.b64encode(BYTES).decode()
URL_SAFE = base64.urlsafe_b64encode(BYTES).decode()
THINKING = {"type": "thinking", "thinking": "hm"}
PLACE = ("messages", 1, "content", 0)


def texts(document) -> list[str]:
    return [leaf.text for leaf in walk(document).leaves]


@pytest.mark.parametrize(
    ("block", "name", "path"),
    [
        (THINKING, "signature", ("messages", 1, "content", 0)),
        ({"type": "redacted_thinking"}, "data", ("messages", 1, "content", 0)),
        ({"type": "reasoning", "summary": []}, "encrypted_content", ("input", 1)),
        ({"type": "compaction"}, "encrypted_content", ("messages", 1, "content", 0)),
        ({}, "thought_signature", ("messages", 1, "tool_calls", 0, "extra_content", "google")),
    ],
)
@pytest.mark.parametrize("token", [SIGNED, URL_SAFE, URL_SAFE.rstrip("="), "gAAAAAB" + URL_SAFE[:64]])
def test_what_a_provider_sealed_is_no_text(block, name, path, token):
    assert is_sealed_thought(token, name, {**block, name: token}, path)


@pytest.mark.parametrize(
    ("block", "name", "path"),
    [
        ({"type": "text"}, "signature", ()),
        ({"type": "thinking"}, "thinking", ()),
        ({"type": "thinking"}, "encrypted_content", ()),
        ({"type": ["thinking"]}, "signature", ()),
        ({}, "signature", ()),
        ({}, "thought_signature", ("messages", 0)),
        ({"type": "tool_use"}, "data", ()),
    ],
)
def test_elsewhere_it_is_one(block, name, path):
    assert not is_sealed_thought(SIGNED, name, block, path or PLACE)


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("content", 0),
        ("messages", 0, "content", 0, "input"),
        ("messages", 0, "content", 0, "input", "x"),
        ("messages", 0, "tool_calls", 0, "function", "arguments"),
        ("tools", 0, "input_schema", "default"),
        ("system", 0),
        ("input", 0, "arguments"),
        ("input", 0, "input"),
        ("metadata",),
    ],
)
@pytest.mark.parametrize(
    ("block", "name"),
    [(THINKING, "signature"), ({"type": "redacted_thinking"}, "data"), ({"type": "reasoning"}, "encrypted_content")],
)
def test_where_a_model_reads_it_is_one_whatever_its_type(block, name, path):
    assert not is_sealed_thought(SIGNED, name, block, path)


@pytest.mark.parametrize(
    "text",
    [
        SIGNED[:60],
        SIGNED + " ",
        SIGNED + "\n",
        "my key: " + SIGNED,
        SIGNED + "==" + SIGNED,
        SIGNED[:-1] + "ü",
        SIGNED[:65] + "=",
        "the customer lives in " * 9,
        "TheCustomerLivesInBerlinAndHisNameIsMuster" * 3,
        base64.b64encode(b"The customer lives in Berlin, and his name is Muster." * 5).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe" + b"key=sk-proj-0123456789abcdef, keep it" * 5).decode(),
        "Sk1+-" + SIGNED,
        "sk-proj-" + URL_SAFE,
        "github_pat_" + URL_SAFE,
    ],
)
def test_what_may_be_a_text_is_read(text):
    document = {"messages": [{"role": "assistant", "content": [{**THINKING, "signature": text}]}]}
    assert text in texts(document)


def test_only_the_token_is_left_out_of_a_body():
    blocks = [{**THINKING, "signature": SIGNED}, {"type": "text", "text": SIGNED}]
    document = {"messages": [{"role": "assistant", "content": blocks}]}
    assert texts(document) == ["assistant", "thinking", "hm", "text", SIGNED]
    assert walk(document).opaque == ()  # it raises no label: it is the model's own, from before


@given(st.binary(min_size=48, max_size=300))
def test_a_text_in_base64_never_passes(data):
    printable = bytes(32 + each % 95 for each in data)
    token = base64.b64encode(printable).decode()
    assert not is_sealed_thought(token, "signature", THINKING, PLACE)
