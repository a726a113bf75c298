"""Strict YAML: the place of every key and value, and nothing that expands."""

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.document import MAX_FILE_BYTES, Document, Mark, Problem, render, suggestion

TEXT = """\
policy: base # a comment
rules:
  - id: own
    to: {zone: [eu, "us"]}
  - id: é-ü
    täg: {ü: x}
"""


def said(raw):
    return [f"{each.mark} {each.code}" for each in Document("f", raw).problems]


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), (1, 1), (1, 1)),
        (("policy",), (1, 1), (1, 9)),
        (("rules",), (2, 1), (3, 3)),
        (("rules", 0), (3, 5), (3, 5)),
        (("rules", 0, "id"), (3, 5), (3, 9)),
        (("rules", 0, "to"), (4, 5), (4, 9)),
        (("rules", 0, "to", "zone"), (4, 10), (4, 16)),
        (("rules", 0, "to", "zone", 0), (4, 17), (4, 17)),
        (("rules", 0, "to", "zone", 1), (4, 21), (4, 21)),
        (("rules", 1, "id"), (5, 5), (5, 9)),
        (("rules", 1, "täg", "ü"), (6, 11), (6, 14)),  # columns are characters, not bytes
        (("rules", 0, "to", "none", "such"), (4, 5), (4, 9)),  # the nearest thing around it
        (("none", "such"), (1, 1), (1, 1)),
    ],
)
def test_marks_are_exact(path, key, value):
    document = Document("f", TEXT.encode())
    assert (document.key(path), document.value(path)) == (Mark("f", *key), Mark("f", *value))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_marks_do_not_depend_on_line_ends(ends):
    document = Document("f", TEXT.replace("\n", ends).encode())
    assert document.value(("rules", 1, "täg", "ü")) == Mark("f", 6, 14)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("off", "off"),
        ("y", "y"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("1e3", "1e3"),
        ("0x10", "0x10"),
        ("0o10", "0o10"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("+1", "+1"),
        (".5", ".5"),
        ("1.", "1."),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("12:30:45", "12:30:45"),
        ("2027-02-01", "2027-02-01"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("272000", 272000),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, "9" * 19),
        ("0.10", Decimal("0.10")),
        ("-1.5", Decimal("-1.5")),
        ("0.1234567890123", "0.1234567890123"),
        ('"1"', "1"),
        ("'1.5'", "1.5"),
        ('"true"', "true"),
        ("''", ""),
        ("|\n  1", "1"),
        (">-\n  true", "true"),
        ("[1, no]", [1, "no"]),
        ("{1: 2}", {"1": 2}),
        ("{true: x}", {"true": "x"}),
    ],
)
def test_scalars(written, value):
    document = Document("f", f"a: {written}".encode())
    assert (repr(document.data), document.problems) == (repr({"a": value}), [])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (b"# only a comment\n", []),
        (b"\xef\xbb\xbfa: 1", []),
        (b"a: [\n", ["f:2:1 P001"]),
        (b"a: 1\nb:\n\t- 1", ["f:3:1 P001"]),
        (b"a: 1\n---\nb: 2", ["f:2:1 P001"]),
        (b"{a: 1}: 2", ["f:1:1 P001"]),
        (b"a: 1\n? [x]\n: 2", ["f:2:3 P001"]),
        (b"a: \x00", ["f:1:1 P001"]),
        (b"a: \xff", ["f:1:1 P001"]),
        (b"a: \xed\xa0\x80", ["f:1:1 P001"]),
        (b"a: 1\nb: 2\na: 3", ["f:3:1 P002"]),
        (b"a: {x: 1, x: 2}\na: 3", ["f:1:11 P002", "f:2:1 P002"]),
        (b"a: 1\n'a': 2", ["f:2:1 P002"]),
        (b"a: &x 1", ["f:1:4 P003"]),
        (b"a: &x {b: 1}\nc: *x", ["f:1:4 P003", "f:2:4 P003"]),
        (b"a: *x", ["f:1:4 P003"]),
        (b"a: !!str 1", ["f:1:4 P003"]),
        (b"a: !!python/object:os.system x", ["f:1:4 P003"]),
        (b"a: ! 1", ["f:1:4 P003"]),
        (b"a: !mine {b: 1}", ["f:1:4 P003"]),
        (b"a:\n  <<: {b: 1}", ["f:2:3 P003"]),
        (b"[" * 32 + b"]" * 32, []),
        (b"[" * 33 + b"]" * 33, ["f:1:33 P003"]),
        (b"- " * 33 + b"x", ["f:1:65 P003"]),
        (b"[" * 100_000, ["f:1:33 P003"]),
        (b"#" * MAX_FILE_BYTES, []),
        (b"#" * (MAX_FILE_BYTES + 1), ["f:1:1 P001"]),
    ],
)
def test_what_is_not_accepted(raw, expected):
    assert said(raw) == expected


def test_a_refused_file_gives_no_data():
    assert [Document("f", raw).data for raw in (b"a: *x", b"a: [", b"\xff", b"#" * (MAX_FILE_BYTES + 1))] == [None] * 4


def test_a_first_key_wins_and_its_line_is_told():
    document = Document("f", b"a: 1\nb: 2\na: 3")
    assert (document.data, document.problems) == (
        {"a": 1, "b": 2},
        [Problem(Mark("f", 3, 1), "P002", "duplicate key `a`, first at line 1")],
    )


def test_an_alias_bomb_is_refused_unexpanded():
    levels = [b"a0: &a0 [x, x]"]
    levels += [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 30)]
    bomb = b"\n".join(levels)
    began = time.perf_counter()
    document = Document("f", bomb)
    took = time.perf_counter() - began
    assert (document.data, {each.code for each in document.problems}, took < 0.05) == (None, {"P003"}, True)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_give_a_document(raw):
    document = Document("f", raw)
    assert all(each.mark.line >= 1 and each.mark.column >= 1 and each.code for each in document.problems)


@given(st.text("ab:-[]{}&*!<>|?#'\" \n\t0,.~%", max_size=60))
def test_any_yaml_like_text_gives_a_document(text):
    document = Document("f", text.encode())
    assert str(document.key(("a", 0))).startswith("f:")
    assert document.data is None or not {"P003"} & {each.code for each in document.problems} or "<<" in text


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text("abc 1.:#-é'", max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé", min_size=1, max_size=4), inner),
    max_leaves=12,
)


@given(PLAIN)
def test_json_is_read_as_what_it_says(data):
    document = Document("f", json.dumps(data, ensure_ascii=False).encode())
    assert (document.data, document.problems) == (data, [])


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("secrt", ["secret", "pii"], "; did you mean `secret`?"),
        ("zzz", ["secret", "pii"], "; known: pii, secret"),
        ("zzz", [], ""),
        ("zzz", [f"word{n}" for n in range(13)], ""),
    ],
)
def test_suggestion(word, known, expected):
    assert suggestion(word, known) == expected


def test_problems_are_rendered_sorted_with_a_caret():
    late, early = Problem(Mark("f", 2, 3), "P101", "bad"), Problem(Mark("f", 1, 1), "P002", "worse")
    elsewhere = Problem(Mark("g", 9, 9), "P001", "gone")
    assert render([elsewhere, late, early, late], {"f": "a: 1\n  b: 2\n"}) == (
        "f:1:1 P002 worse\n    a: 1\n    ^\nf:2:3 P101 bad\n      b: 2\n      ^\ng:9:9 P001 gone"
    )
