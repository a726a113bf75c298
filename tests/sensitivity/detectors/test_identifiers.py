"""All tables together: what one row finds no other may spoil, and one wrong digit is enough to find nothing."""

import pytest

from gateway.sensitivity.detectors.identifiers import IDENTIFIERS, ROWS
from gateway.sensitivity.kinds import KINDS
from gateway.sensitivity.shapes import Bare
from gateway.sensitivity.sight import Sight

STRONG = (
    "ES91 2100", "756.9217.0769.85", "CHE-100.155.212", "112-233-445 95", "111.444.777-35", "11.222.333/0001-81", "12.345.678-5",
    "61 1090 1014 0000 0712 1981 2874", "2 55 08 14 168 025 38", "11010519491231002X", "526-025-02-74",
)  # fmt: skip


def found(text: str) -> list[str]:
    return [text[hit.start : hit.end] for row in ROWS for hit in row.find(Sight(text))]


@pytest.mark.parametrize("value", STRONG[1:])
def test_one_wrong_digit_in_a_sentence_and_it_is_nothing(value):
    assert found(f"so we wrote {value} there") == [value]
    for place, digit in enumerate(value):
        if digit.isdecimal():
            spoilt = f"{value[:place]}{(int(digit) + 1) % 10}{value[place + 1 :]}"
            assert found(f"so we wrote {spoilt} there") == []


def test_ids_are_unique_and_kinds_exist():
    assert len({row.id for row in IDENTIFIERS}) == len(IDENTIFIERS)
    assert {row.kind for row in IDENTIFIERS} <= KINDS.keys()


def test_a_row_without_check_and_form_needs_its_words_or_to_stand_alone():
    assert [row.id for row in IDENTIFIERS if row.bare is Bare.ANYWHERE and row.valid is None and not row.form] == []


def test_every_row_can_be_named():
    assert [row.id for row in IDENTIFIERS if not row.words.spoken or not row.shapes] == []


@pytest.mark.parametrize(
    "text",
    [
        "W 2020 roku sprzedano 12345678901 sztuk.", "Zamówienie nr 44051401459 zostało wysłane.", "ISBN 978-83-01-00000-1",
        "Python 3.11.7, numpy 1.26.4", "1 + 2 = 3, 12345 * 678 = 8369910", "timestamp 1700000000", "color #1234567", "id = 1234567",
        "uuid 123e4567-e89b-12d3-a456-426614174000", "The answer is (B) 123 456 789", "on 12 MAY 2020 the car", "3M 4K 8K 16K",
        "H2SO4 and C6H12O6", "at 10:30:45 on 2024-01-15", "v1.2.3-beta.4+build.5678", "0x1234567890abcdef",
    ],
)  # fmt: skip
def test_what_is_no_identifier(text):
    assert found(text) == []
