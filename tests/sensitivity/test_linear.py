"""No text can make the detectors of identifiers slow: twice the text takes twice the time, whatever it is made of.

Every row is attacked with what it looks for: its own value over and over, its value spoilt, and the beginnings of it.
Ratios only, of processor time and the best of several runs, since the machine that tests has other work.
"""

import os
import time

import pytest

from gateway.sensitivity.canonical import REWRITES
from gateway.sensitivity.detectors import DETECTORS as ALL
from gateway.sensitivity.detectors import contact, payment
from gateway.sensitivity.detectors.identifiers import IDENTIFIERS, ROWS
from gateway.sensitivity.payload import PACKINGS
from gateway.sensitivity.sight import Sight

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
LARGE = 500_000 if FULL else 16_000
DETECTORS = (*ROWS, *payment.ROWS, *contact.ROWS)
SMALL = 4_000
MOST = 2.3
CLOCK = 0.001

FAMILIES = {
    "digits": "1234567890", "one digit": "7", "dashes": "1-", "blanks": "1 ", "dots": "1.2.", "pairs": "12 34 ", "fours": "1234 ",
    "letters": "abcdefghij", "letters and digits": "A1", "plus": "+1", "brackets": "(1) ", "signs": "a@", "mailboxes": "a.b@c.de ",
    "quotes": '"123456789"', "cells": "|123456789", "cards": "4111 1111 1111 1111 ", "base58": "1A1zP1eP5QGefi2DMPTfTL5SL",
    "bech32": "bc1q", "hex": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "ibans": "GB82 ", "words": "account number ", "calls": "tel 12 34 56 ",
    "streets": "12 Long Long Road Street ", "calles": "calle ", "han": "身份证", "colons": "1:", "underscores": "1_", "accents": "é1 ",
}  # fmt: skip


def seconds(text: str) -> float:
    """The best of two."""
    runs = []
    for _ in range(2):
        started = time.process_time()
        for row in DETECTORS:
            for _ in row.find(Sight(text)):
                pass
        runs.append(time.process_time() - started)
    return min(runs)


def holds(unit: str) -> bool:
    """Whether twice takes twice; what is quadratic fails every time, what was interrupted does not."""
    once, twice = (unit * (size // len(unit) + 1) for size in (SMALL, 2 * SMALL))
    return any(seconds(twice) < MOST * seconds(once) + CLOCK for _ in range(4))


@pytest.mark.assures("threat D3")
@pytest.mark.parametrize("family", FAMILIES)
def test_twice_the_text_takes_twice_the_time(family, showed):
    assert holds(FAMILIES[family])
    if family == list(FAMILIES)[-1]:
        showed(
            f"{len(FAMILIES)} families of texts, all patterns", f"twice the text takes less than {MOST} times as long"
        )


@pytest.mark.parametrize("row", IDENTIFIERS, ids=lambda row: row.id)
def test_no_row_can_be_made_slow_with_what_it_looks_for(row):
    value = row.shapes[-1].translate(str.maketrans("9AX", "1B2")).replace(" ", row.separators[0])
    assert holds(f"{row.words.spoken[0].rstrip('*')} {value} ")


FORMS = {
    "keys": "password = ", "addresses of databases": "postgres://u:p@h/", "base64": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo", "code": "def f(x):\n",
    "braces": '{"a":[', "key blocks": "-----BEGIN PRIVATE KEY-----\n", "tokens": "eyJhbGciOi.", "entities": "&#65;", "percents": "%41",
    "escapes": "\\u0041", "prefixes": "ghp_", "equals": "a=b&", "fences": "```\n", "calls": "x.y(",
}  # fmt: skip
EACH = (
    *((row.id, lambda text, row=row: row.find(Sight(text))) for row in ALL),
    *((row.id, row.edits) for row in REWRITES),
    *((row.id, row.unpacked) for row in PACKINGS),
)


@pytest.mark.assures("threat D3")
def test_nothing_that_looks_at_a_text_can_be_made_slow_by_itself(showed):
    def took(look, text):
        runs = []
        for _ in range(2):
            started = time.process_time()
            for _ in look(text):
                pass
            runs.append(time.process_time() - started)
        return min(runs)

    def grows(look, unit):
        """At one size by more than it should, and at the next one, too: a step where memory comes from elsewhere is none."""
        for size in (LARGE, LARGE // 2):
            once, twice = (unit * (length // len(unit) + 1) for length in (size, 2 * size))
            if any(took(look, twice) < MOST * took(look, once) + CLOCK for _ in range(3)):
                return False
        return True

    families = {**FAMILIES, **FORMS}
    slow = [(family, id) for family, unit in families.items() for id, look in EACH if grows(look, unit)]
    assert slow == []
    showed(
        f"{len(EACH)} detectors, ways of writing and packings, each with {len(families)} families, {2 * LARGE:,} characters",
        f"twice the text takes less than {MOST} times as long",
    )
