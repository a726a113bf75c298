"""Amounts for people."""

import pytest

from gateway.cli.spend.printed import percent, short


@pytest.mark.parametrize(
    ("pico", "expected"),
    [
        (0, "0.0000"),
        (1, "0.000000000001"),
        (123_456, "0.000000123"),
        (9_996 * 10**6, "0.01"),
        (10**10, "0.0100"),
        (1_234_567_890_123, "1.2346"),
        (-1_234_567_890_123, "-1.2346"),
        (-123_456, "-0.000000123"),
        (99_999_960_000_000_000, "99999.9600"),
        (999_999_999_999, "1.0000"),
    ],
)
def test_short(pico, expected):
    assert short(pico) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 7, "0.0 %"),
        (7, 7, "100.0 %"),
        (99_999, 100_000, "99.9 %"),
        (-5, 7, "0.0 %"),
        (9, 7, "100.0 %"),
        (1, 3, "33.3 %"),
    ],
)
def test_percent_is_never_rounded_up(part, whole, expected):
    assert percent(part, whole) == expected
