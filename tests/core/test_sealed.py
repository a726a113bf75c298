"""What we hand to a client to keep."""

import base64

import pytest

from gateway.core.sealed import SEALED, unsealed


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (SEALED + base64.b64encode(b"{}").decode(), b"{}"),
        (SEALED, b""),
        ("gAAAA", None),
        (SEALED + "\u00e9", None),
        (SEALED + "a", None),
    ],
)
def test_what_is_inside(text, inside):
    assert unsealed(text) == inside
