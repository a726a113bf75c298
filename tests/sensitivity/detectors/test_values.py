"""How much a value looks like a credential."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tokens import filled

from gateway.sensitivity.detectors.values import Strength, filler, generic, placeholder, runs_on, strength, wordy

NONE, WEAK, FAIR, STRONG = Strength


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", NONE),
        ("12345", NONE),
        ("${PASSWORD}", NONE),
        ("<your-token>", NONE),
        ("{{ token }}", NONE),
        ("process.env.TOKEN", NONE),
        ("your_api_key_here", NONE),
        ("xxxxxxxxxxxxxxxxxxxx", NONE),
        ("password", NONE),
        ("newPassword", NONE),
        ("/etc/ssl/private/key.pem", NONE),
        ("https://x.test/a", NONE),
        ("abcdefghijklmnopqrstuvwxyz", NONE),
        ("sunflower", WEAK),
        ("open sesame", WEAK),
        ("prod-database-credentials", WEAK),
        ("kubernetesServiceAccountToken", WEAK),
        ("sunflower7", FAIR),
        ("p4ss!", FAIR),
        (filled("{A20}"), STRONG),
        (filled("{H32}"), STRONG),
        (filled("{G}"), STRONG),
        (filled("{b52}"), STRONG),
        (filled("{W43}"), STRONG),
        ("t9rbmk2lolc4okdihul4", STRONG),
    ],
)
def test_strength(value, expected):
    assert strength(value) is expected


@pytest.mark.parametrize("value", ["a1b2c3d4e5f6g7h8", "0123456789abcdef", "abcdef.0123456789abcdef", "A1B2C3D4"])
def test_what_counts_up_is_nobodys_key(value):
    assert runs_on(value)
    assert filler(value)


@pytest.mark.parametrize("value", [filled("{A40}"), filled("{H40}"), filled("{W22}"), filled("{b26}")])
def test_what_is_random_is_no_filler_and_no_word(value):
    assert not filler(value)
    assert not placeholder(value)
    assert not wordy(value)


@pytest.mark.parametrize(
    "value", ["PASSWORD", "my_secret_key".replace("my_", ""), "accessToken", "user-name".replace("-", "")]
)
def test_a_value_that_repeats_what_it_is(value):
    assert generic(value)


@given(st.text())
def test_every_text_has_a_strength(text):
    assert strength(text) in Strength
