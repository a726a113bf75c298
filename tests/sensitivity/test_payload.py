"""Texts packed into texts are unpacked, and what holds no text is left alone."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sensitivity.payload import LONGEST, PACKINGS

TEXT = "bob@example.org is who to ask"


def unpacked(text: str) -> list[str]:
    return [inner for packing in PACKINGS for _, _, inner in packing.unpacked(text)]


@pytest.mark.parametrize(
    "packed",
    [
        base64.b64encode(TEXT.encode()).decode(),
        base64.b64encode(TEXT.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(("~~~???>>>" + TEXT).encode()).decode(),
        "data:text/plain;base64," + base64.b64encode(TEXT.encode()).decode(),
        base64.encodebytes((TEXT * 4).encode()).decode(),
        TEXT.encode().hex(),
        TEXT.encode().hex().upper(),
        TEXT.encode().hex(" "),
        TEXT.encode().hex(":"),
        base64.b64encode("größer als 你好 und mehr".encode()).decode(),
    ],
)
def test_a_packed_text_is_unpacked(packed):
    assert any(TEXT in inner or "größer" in inner for inner in unpacked(f"Look at this: {packed} please"))


@pytest.mark.parametrize(
    "text",
    [
        "prose without any long word in it",
        "internationalization and counterrevolutionaries",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "some_rather_long_identifier_name_of_a_function()",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        "1234567890123456",
    ],
)
def test_what_holds_no_text_is_left_alone(text):
    assert unpacked(text) == []


def test_the_place_is_that_of_the_packed_run():
    packed = base64.b64encode(TEXT.encode()).decode()
    ((start, end, inner),) = PACKINGS[0].unpacked(f"see {packed} there")
    assert (start, end, inner) == (4, 4 + len(packed), TEXT)


def test_a_run_beyond_all_bounds_is_not_unpacked():
    assert unpacked(base64.b64encode(b"a b " * (LONGEST // 4 + 100)).decode()) == []


@given(st.binary(max_size=80))
def test_whatever_is_packed_comes_out_as_text_or_not_at_all(data):
    for inner in unpacked(base64.b64encode(data).decode()):
        assert inner.isprintable() or any(c in inner for c in "\n\r\t") or not inner.isascii()
