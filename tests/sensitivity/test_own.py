"""The scanner that an operator asked for."""

import random

import pytest

from gateway.core.kinds import KINDS, Kind
from gateway.core.lexicon import shards
from gateway.core.patterns import compiled, why_refused
from gateway.core.terms import BUILT_IN, Dictionary, OwnDetector, ScannerTerms
from gateway.sensitivity.detectors import DETECTORS
from gateway.sensitivity.own import _trigger, detector_of, kinds_of, scanner_of
from gateway.sensitivity.scan import Scanner
from gateway.sensitivity.triggers import Triggers, needed

MAIL = "write to jane.roe@example.com"
TICKET = OwnDetector("ticket", r"\bACME-[0-9]{6}\b", "internal", "pii")
NAMES = Dictionary("names", shards({"zeta works", "omega"}), "confidential", None)
OWN = ScannerTerms(detectors=(TICKET,), dictionaries=(NAMES,))


def found(scanner, text):
    return [(each.kind, text[each.start : each.end]) for each in scanner.scan_text(text)]


def without(*off):
    return ScannerTerms(tuple(kind for kind in KINDS.values() if kind.name not in off))


def test_a_kind_means_what_the_operator_said():
    terms = ScannerTerms((Kind("email", "internal", None),), (TICKET,), (NAMES,))
    assert kinds_of(terms) == {
        "email": Kind("email", "internal", None),
        "ticket": Kind("ticket", "internal", "pii"),
        "names": Kind("names", "confidential", None),
    }
    assert kinds_of(BUILT_IN) == KINDS


def test_where_nobody_says_anything_it_is_the_built_in_scanner():
    assert found(scanner_of(BUILT_IN), MAIL) == found(Scanner(DETECTORS), MAIL) != []


def test_a_kind_that_is_off_is_not_found_and_others_are():
    assert found(scanner_of(without("email")), MAIL) == []
    assert found(scanner_of(without("phone")), MAIL) == found(Scanner(DETECTORS), MAIL)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see ACME-123456.", [("ticket", "ACME-123456")]),
        ("see ACME-1234567", []),
        ("A\u200bCME-123\u200b456", [("ticket", "A\u200bCME-123\u200b456")]),
        ("for Zeta\nWorks and ZETA WORKS", [("names", "Zeta\nWorks"), ("names", "ZETA WORKS")]),
        ("for zeta\u200b works", [("names", "zeta\u200b works")]),
        ("Omega", [("names", "Omega")]),
    ],
)
def test_own_detectors_and_dictionaries_see_what_built_in_ones_see(text, expected):
    assert found(scanner_of(OWN), text) == expected


@pytest.mark.parametrize("term", ["ACME-123456", "zeta works"])
def test_they_are_found_in_every_leaf_whatever_stands_in_the_next_one(term):
    body = {"messages": [{"content": "abc"}, {"content": term}, {"content": "def"}]}
    scan = scanner_of(OWN).scan(body)
    assert len(scan.places) == 1
    (place,) = scan.places
    assert scan.leaves[place.leaf].text == term


def test_they_are_found_across_a_seam():
    body = {"messages": [{"content": [{"type": "text", "text": "my ACME-12"}, {"type": "text", "text": "3456 now"}]}]}
    places = scanner_of(OWN).scan(body).places
    assert [place.finding.kind for place in places if place.finding.kind == "ticket"] == ["ticket", "ticket"]


@pytest.mark.parametrize(
    ("pattern", "near", "text", "expected"),
    [
        ("no: ([0-9]{4})", (), "no: 1234", ["1234"]),
        ("(x)?no: [0-9]{4}", (), "no: 1234", ["no: 1234"]),  # group 1 took no part
        ("no(x*): [0-9]{4}", (), "no: 1234", ["no: 1234"]),  # or is empty
        ("[0-9]{4}", ("Fälle", "invoice*"), "1234 5678", []),
        ("[0-9]{4}", ("Fälle", "invoice*"), "INVOICES 1234", ["1234"]),
        ("[0-9]{4}", ("Fälle", "invoice*"), "zwei fälle: 1234", ["1234"]),
        ("é[0-9]{2}", (), "ée é12 é34", ["é12", "é34"]),
    ],
)
def test_what_a_pattern_finds(pattern, near, text, expected):
    scanner = Scanner([detector_of(OwnDetector("d", pattern, "internal", None, near))])
    assert [text for _, text in found(scanner, text)] == expected


PARTS = [
    "a", "b", "[ab]", "[^a]", r"\b", "^", "$", r"\B", r"\z", ".", r"\.", r"\d", r"\pL", r"\p{L}", r"\x61", r"\x{62}",
    "[[:alpha:]]", r"\Qa.b\E", r"\Q(\E", "[]a]", "[^]a]", r"[\]a]", r"\^", r"\$", "(?i)", "(a|b)", "(?:ab)", "|", "ACME", "{",
    "}", "{,2}", "-", " ", "[A-Z0-9]", "[A-Za-z0-9+/_-]",
]  # fmt: skip
COUNTS = ["", "", "", "*", "+", "?", "{2}", "{5}", "{0,3}", "{2,}", "{12}", "*?", "{13,}?"]
ALPHABET = "ab.(^$0-ACME]}{, n\n"


def test_whatever_an_operator_writes_its_trigger_is_true_of_every_text_with_a_finding():
    """However the table of triggers cuts it."""
    rand, matched = random.Random(11), 0
    for _ in range(800):
        pattern = "".join(rand.choice(PARTS) + rand.choice(COUNTS) for _ in range(rand.randint(1, 5)))
        if why_refused(pattern):
            continue
        strict, triggers = compiled(pattern), Triggers([_trigger(pattern)])
        for _ in range(5):
            before, text, behind = ("".join(rand.choices(ALPHABET, k=rand.randint(0, 9))) for _ in range(3))
            if strict.search(text):
                matched += 1
                assert triggers.any(before + text + behind), (pattern, before, text, behind)
                assert triggers.of(before + text + behind) == [0]
    assert matched > 120


def test_a_simple_trigger_is_looked_for_like_the_built_in_ones():
    assert needed(detector_of(TICKET).trigger) == {"acme-"}


def test_as_many_steps_as_an_operator_may_have_leave_room_for_the_table():
    """Else the automaton of all triggers would find nothing any more, and nobody would be told."""
    rows = [rf"K{number:03}-[\pL\d]{{2,9}}x" for number in range(100)]
    patterns = [row for row in rows if not why_refused(row)] or [
        rf"K{number:03}-[a-z]{{2,250}}x" for number in range(100)
    ]
    assert sum(compiled(each).programsize for each in patterns) > 25_000
    own = [detector_of(OwnDetector(f"k{number}", each, "internal", None)) for number, each in enumerate(patterns)]
    triggers = Triggers(row.trigger for row in [*DETECTORS, *own])
    text = "".join(chr(code) for code in range(32, 0x3000)) * 3
    assert {len(DETECTORS), len(DETECTORS) + 99} <= set(triggers.of(f"{text} K000-abcx {text} K099-defx {text}"))
