"""Vectors come in the form that the client asked for, whatever the server answered."""

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.doubles import backend

from gateway.core.errors import FailureKind
from gateway.core.usage import Usage
from gateway.providers.embeddings import Embeddings
from gateway.surfaces.plain import Plain

SURFACE = Plain(name="embeddings", asks="input")


def asked(**fields):
    return SURFACE.parse(json.dumps({"model": "m", "input": "x", **fields}).encode(), 0)


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def body(*vectors, **more) -> bytes:
    data = [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(vectors)]
    return json.dumps(
        {"object": "list", "data": data, "usage": {"prompt_tokens": 7, "total_tokens": 7}, **more}
    ).encode()


@pytest.mark.parametrize(
    ("wanted", "served", "got"),
    [
        ("base64", [0.5, -2.0], packed(0.5, -2.0)),
        ("base64", packed(0.5), packed(0.5)),
        ("float", packed(0.5, -2.0), [0.5, -2.0]),
        (None, packed(0.5), [0.5]),
        (None, [0.5], [0.5]),
    ],
)
def test_the_form_is_the_clients(wanted, served, got):
    answer = Embeddings().answer(body(served, served, x=1), asked(encoding_format=wanted) if wanted else asked())
    read = json.loads(answer.body)
    assert [item["embedding"] for item in read["data"]] == [got, got]
    assert (read["x"], answer.usage, answer.failed) == (1, Usage(7), None)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=50))
def test_no_number_changes_on_the_way(numbers):
    there = Embeddings().answer(body(numbers), asked(encoding_format="base64")).body
    back = Embeddings().answer(there, asked()).body
    assert json.loads(back)["data"][0]["embedding"] == numbers


def test_what_needs_no_change_keeps_its_bytes():
    served = body([0.1, 1e-7], model="m")
    assert Embeddings().answer(served, asked()).body is served


@pytest.mark.parametrize("wanted", ["base64", None])
def test_vectors_come_in_the_order_of_what_was_asked(wanted):
    served = json.loads(body([1.0], [2.0], [3.0]))
    served["data"] = [served["data"][at] for at in (2, 0, 1)]
    chat = asked(encoding_format=wanted) if wanted else asked()
    read = json.loads(Embeddings().answer(json.dumps(served).encode(), chat).body)
    assert [item["index"] for item in read["data"]] == [0, 1, 2]
    assert [item["embedding"] for item in read["data"]] == [
        packed(number) if wanted else [number] for number in (1.0, 2.0, 3.0)
    ]


@pytest.mark.parametrize("index", [{}, {"index": None}])
def test_vectors_that_say_no_place_stay_where_they_are(index):
    served = json.loads(body([1.0], [2.0]))
    served["data"][1] = {"object": "embedding", "embedding": [2.0], **index}
    raw = json.dumps(served).encode()
    assert Embeddings().answer(raw, asked()).body is raw


@pytest.mark.parametrize("packs", [True, False])
def test_no_form_is_numbers(packs):
    sent = json.loads(Embeddings(packs=packs).encode(asked(encoding_format=None), backend("a")))
    assert sent == {"model": "a", "input": "x", "encoding_format": "float"}


@pytest.mark.parametrize("packs", [True, False])
def test_a_server_that_cannot_pack_is_asked_for_numbers(packs):
    sent = json.loads(Embeddings(packs=packs).encode(asked(encoding_format="base64"), backend("a")))
    assert sent == {"model": "a", "input": "x", "encoding_format": "base64" if packs else "float"}


@pytest.mark.parametrize(
    "served",
    [
        b"{}",
        b'{"data": 7}',
        b'{"data": [{"index": 0}]}',
        body("***"),
        body(packed(1.0)[:-3]),
        body(["x"]),
        body([1e300]),
    ],
)
def test_what_is_no_vector_is_broken(served):
    wanted = asked(encoding_format="base64") if b'"embedding": [' in served else asked()
    assert Embeddings().answer(served, wanted).failed.kind is FailureKind.BROKEN
