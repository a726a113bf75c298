"""Strict YAML: the place of every key and value, and nothing that expands."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.steering import plain
from gateway.policy.document import MAX_FILE_BYTES, MAX_SHOWN, Document, Mark, Problem, render, suggestion

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


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
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
        (b"a: 1\nb: 2\n...\nc: 3", ["f:4:1 P001"]),
        (b"a: \x00", ["f:1:4 P001"]),
        (b"a: 1\nb: \xff", ["f:2:4 P001"]),
        (b"a: \xed\xa0\x80", ["f:1:4 P001"]),
        (b"\xff\xfea\0", ["f:1:1 P001"]),
        ("é: 1\nü: é\x7f".encode(), ["f:2:5 P001"]),
        # what ends a line in YAML and not in an editor, or shows text in another order
        (b"a: 1\nb: 2 # x\r- c: 3", ["f:2:9 P001"]),
        ("a: 1 # x\u2028b: 2".encode(), ["f:1:9 P001"]),
        ("a: 1 # x\u2029b: 2".encode(), ["f:1:9 P001"]),
        ("a: 1 # x\u0085b: 2".encode(), ["f:1:9 P001"]),
        ("a: 1\nb: \u202e2".encode(), ["f:2:4 P001"]),
        ("a: \u20661".encode(), ["f:1:4 P001"]),
        ("a: 1\nb: \ufffe".encode(), ["f:2:4 P001"]),
        ("a: 'e\u0301 \U0001f469\u200d\U0001f4bb \u00a0'".encode(), []),
        (b"%YAML 1.1\n---\na: 1", ["f:1:1 P003"]),
        (b"a: 1\n...\n%TAG ! tag:x\n---\nb: 1", ["f:3:1 P003"]),
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
        (b"- x\n" * 19_999, []),  # and the list itself
        (b"- x\n" * 20_000, ["f:20000:3 P001"]),
        (b"a: " + b"x" * 4096, []),
        (b"a: " + b"x" * 4097, ["f:1:4 P001"]),
        (b"? " + b"x" * 4097 + b"\n: 1", ["f:1:3 P001"]),
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
    document = Document("f", b"\n".join(levels))
    assert (document.data, {each.code for each in document.problems}) == (None, {"P003"})


def test_of_many_things_that_are_not_accepted_only_some_are_told():
    assert len(Document("f", b"[" + b"&a," * 100_000 + b"]").problems) == 20


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


@pytest.mark.parametrize(("severity", "said"), [("error", ""), ("warning", "warning: "), ("info", "info: ")])
def test_a_problem_says_how_grave_it_is(severity, said):
    assert str(Problem(Mark("f", 2, 3), "P201", "never matches", severity)) == f"f:2:3 P201 {said}never matches"


def test_the_column_of_a_caret_is_that_of_the_mark_also_in_windows_files_and_in_long_lines():
    problem = Problem(Mark("f", 1, 500), "P102", "bad")
    line = "a" * 499 + "X" + "b" * 400
    text, caret = render([problem], {"f": line + "\r\n"}).split("\n")[1:]
    assert (len(text), text[caret.index("^")], text.strip() in line) == (164, "X", True)
    short = render([Problem(Mark("f", 1, 4), "P102", "bad")], {"f": "a: X\r\n"}).split("\n")[1:]
    assert short == ["    a: X", "       ^"]


def test_only_so_many_problems_are_shown():
    problems = [Problem(Mark("f", line), "P102", "bad") for line in range(1, MAX_SHOWN + 4)]
    shown = render(problems, {}).split("\n")
    assert (len(shown), shown[-1]) == (MAX_SHOWN + 1, "... and 3 more")


@pytest.mark.parametrize("character", ["\x1b", "\n", "\r", "\x00", "\x9b", "\u2028", "\u202e", "\u2066", "\udcff"])
def test_what_would_steer_a_terminal_is_not_printed(character):
    assert plain(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"
    shown = render([Problem(Mark("f"), "P103", f"unknown value `{character}`")], {"f": f"a: {character}"})
    assert f"`{character}`" not in shown
