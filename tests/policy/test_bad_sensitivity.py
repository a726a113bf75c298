"""What nobody should be able to load as sensitivity.yaml: each is told at its line, by its code, in a moment."""

import time

import pytest
from support.policy_trees import encoded, tree

from gateway.core.kinds import KINDS
from gateway.policy.parse import parse
from gateway.providers import BASE_URLS

MOST_SECONDS = 0.05
FILE, TERMS = "sensitivity.yaml", "dictionaries/d.txt"


def detector(pattern="A-[0-9]{6}", **fields):
    """One detector; its pattern stands in line 3, further fields from line 6 on."""
    more = "".join(f"    {field}: {value}\n" for field, value in fields.items() if field != "id")
    return f"detectors:\n  - id: {fields.get('id', 'd')}\n    pattern: '{pattern}'\n    level: internal\n    examples: [x]\n{more}"


def dictionary(file=TERMS, **fields):
    more = "".join(f"    {field}: {value}\n" for field, value in fields.items() if field != "id")
    return f"dictionaries:\n  - id: {fields.get('id', 'd')}\n    file: {file}\n    level: internal\n{more}"


def many(line, code, count):
    return [(number, code) for number in range(line, line + count)]


BAD = [
    # the file
    ("not closed", "kinds: {\n", [(2, "P001")]),
    ("a list", "- kinds\n", [(1, "P102")]),
    ("nothing", "", [(1, "P102")]),
    ("an anchor", "kinds: &k {}\n", [(1, "P003")]),
    ("a key twice", "kinds: {}\nkinds: {}\n", [(2, "P002")]),
    ("the scanner switched off", "scanner: off\n", [(1, "P101")]),
    ("an unknown field", "dictionarys: []\n", [(1, "P101")]),
    # kinds
    ("a list of kinds", "kinds: [email]\n", [(1, "P102")]),
    ("an unknown kind", "kinds:\n  email: off\n  emial: off\n", [(3, "P103")]),
    ("a kind that says nothing", "kinds:\n  email: {}\n", [(2, "P102")]),
    ("a kind that is on", "kinds:\n  email: on\n", [(2, "P102")]),
    ("a kind that is true", "kinds:\n  email: true\n", [(2, "P102")]),
    ("a kind without a value", "kinds:\n  email:\n", [(2, "P102")]),
    ("an unknown level", "kinds:\n  email: {level: secret}\n", [(2, "P103")]),
    ("an unknown tag", "kinds:\n  email: {tag: peopel}\n", [(2, "P103")]),
    ("an unknown field of a kind", "kinds:\n  email:\n    level: internal\n    tags: pii\n", [(4, "P101")]),
    # detectors
    ("a map of detectors", "detectors:\n  d: {}\n", [(2, "P102")]),
    ("a detector without a pattern", "detectors:\n  - id: d\n    level: internal\n    examples: [x]\n", [(2, "P102")]),
    ("a detector without an example", "detectors:\n  - id: d\n    pattern: x\n    level: internal\n", [(2, "P102")]),
    ("no example at all", detector(counterexamples="[x]").replace("[x]", "[]", 1), [(5, "P102")]),
    ("an id that is no word", detector(id="Our-Tickets"), [(2, "P102")]),
    ("an id of a built-in kind", detector(id="email"), [(2, "P105")]),
    ("an id used twice", detector() + detector().partition("\n")[2], [(6, "P210")]),
    ("an id of a detector and a dictionary", detector() + dictionary(), [(7, "P210")]),
    ("a level that is none", detector().replace("internal", "low"), [(4, "P103")]),
    ("a tag that is none", detector(tag="people"), [(6, "P103")]),
    ("no words to be near", detector(near="[]"), [(6, "P102")]),
    ("a letter to be near", detector(near="[ticket, x]"), [(6, "P102")]),
    ("a bracket that never closes", detector("(a"), [(3, "P111")]),
    ("a class that never closes", detector("[a"), [(3, "P111")]),
    ("a look ahead", detector("a(?=b)"), [(3, "P111")]),
    ("a look behind", detector("(?<=a)b"), [(3, "P111")]),
    ("a reference back", detector(r"(a)\1"), [(3, "P111")]),
    ("a possessive count", detector("a++"), [(3, "P111")]),
    ("a count too high", detector("a{2000}"), [(3, "P111")]),
    ("a program too large", detector(r"\pL{20}"), [(3, "P111")]),
    ("a program that RE2 does not make", detector(r"\pL{1000}"), [(3, "P111")]),
    ("counts in counts", detector(4 * "((a{10}){10}){10}"), [(3, "P111")]),
    ("nothing to find", detector("a*"), [(3, "P111")]),
    ("a place to find", detector(r"\b"), [(3, "P111")]),
    ("an empty pattern", detector(""), [(3, "P102")]),
    ("a pattern without end", detector("a" * 1001), [(3, "P102")]),
    ("a number for a pattern", "detectors:\n  - id: d\n    pattern: 1\n    level: internal\n    examples: [x]\n", [(3, "P102")]),
    ("101 detectors", "detectors:\n" + "".join(f"  - {{id: d{n}, pattern: x, level: internal, examples: [x]}}\n" for n in range(101)), [(2, "P102")]),
    ("100 bad detectors", "detectors:\n" + "".join(f"  - {{id: d{n}, pattern: '(x', level: internal, examples: [x]}}\n" for n in range(100)), many(2, "P111", 100)),
    # dictionaries
    ("a file that is not there", dictionary("dictionaries/none.txt"), [(3, "P112")]),
    ("a file elsewhere that is not there", dictionary("/no/such/file"), [(3, "P112")]),
    ("a file above", dictionary("../d.txt"), [(3, "P102")]),
    ("a file around", dictionary("dictionaries/../../d.txt"), [(3, "P102")]),
    ("a file on the net", dictionary("https://example.com/d.txt"), [(3, "P102")]),
    ("a yes for true", dictionary(whole_words="yes"), [(5, "P102")]),
    ("a tag of a dictionary that is none", dictionary(tag="people"), [(5, "P103")]),
    ("21 dictionaries", "dictionaries:\n" + "".join(f"  - {{id: d{n}, file: {TERMS}, level: internal}}\n" for n in range(21)), [(2, "P102")]),
]  # fmt: skip
BAD_TERMS = [
    ("a short term", "Acme\nab\n", [(2, "P112")]),
    ("no term", "# Acme\n", [(1, "P112")]),
    ("a term that does not show", "Ac\u200bme\n", [(1, "P112")]),
    ("no text", b"Acme\n\xff\xfe\n", [(2, "P112")]),
    ("a table", "Acme\n" + "x," * 200 + "\n", [(2, "P112")]),
    ("100,000 short terms", "ab\n" * 100_000, many(1, "P112", 20)),
    ("a list of YAML", "- Acme\n-\n", [(2, "P112")]),
]


def loaded(text, terms="Acme\n"):
    return encoded(tree({FILE: text, TERMS: terms}))


def took(files):
    began = time.process_time()
    parse(files, BASE_URLS)
    return time.process_time() - began


@pytest.mark.parametrize(("text", "problems"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_file_is_told_at_its_line_in_a_moment(text, problems):
    files = loaded(text)
    parsed = parse(files, BASE_URLS)
    assert parsed.bundle is None
    assert {each.mark.file for each in parsed.problems} == {FILE}
    assert all(each.message and "\n" not in each.message for each in parsed.problems)
    assert [(each.mark.line, each.code) for each in parsed.problems] == problems
    base = min(took(loaded("{}")) for _ in range(2))
    assert min(took(files) for _ in range(3)) - base < MOST_SECONDS


@pytest.mark.parametrize(("terms", "problems"), [row[1:] for row in BAD_TERMS], ids=[row[0] for row in BAD_TERMS])
def test_a_bad_dictionary_is_told_at_its_line_in_a_moment(terms, problems):
    files = loaded(dictionary(), terms)
    parsed = parse(files, BASE_URLS)
    assert parsed.bundle is None
    assert {each.mark.file for each in parsed.problems} == {TERMS}
    assert [(each.mark.line, each.code) for each in parsed.problems] == problems
    assert [each for each in parsed.problems if "Acme" in each.message] == []
    base = min(took(loaded("{}")) for _ in range(2))
    assert min(took(files) for _ in range(3)) - base < MOST_SECONDS


def test_there_are_enough_and_the_files_they_spoil_are_good():
    assert (len(BAD) >= 15, len({row[0] for row in BAD}) == len(BAD)) == (True, True)
    assert {"P111", "P112", "P105", "P210"} <= {code for row in BAD for _, code in row[2]}
    for text in (
        detector(tag="pii", near="[ab]"),
        dictionary(),
        f"kinds: {{{', '.join(f'{kind}: off' for kind in KINDS)}}}",
    ):
        assert parse(loaded(text), BASE_URLS).problems == ()
