"""Dictionaries: what is a term, what is told of a file, and that no message repeats what stands in it."""

import pytest

from gateway.policy import dictionaries
from gateway.policy.dictionaries import outside, terms_of
from gateway.policy.document import Mark

SECRET = "Omega Holdings"


def told(raw, most=100):
    _, problems = terms_of("d.txt", raw if isinstance(raw, bytes) else raw.encode(), most)
    assert {problem.code for problem in problems} <= {"P112"}
    assert [problem.message for problem in problems if "Omega" in problem.message] == []
    return [f"{problem.mark.line}:{problem.mark.column} {problem.message}" for problem in problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Acme\nZeta\n", ["Acme", "Zeta"]),
        ("\ufeffAcme\r\nZeta", ["Acme", "Zeta"]),
        ("# of 2026\n\n   \n  Acme \t Holdings  \n#x", ["Acme Holdings"]),
        ("C# GmbH\nA&O\n华为公司", ["C# GmbH", "A&O", "华为公司"]),
        ("Acme\nAcme", ["Acme", "Acme"]),
        ("x" * 200, ["x" * 200]),
    ],
)
def test_a_term_is_a_line(text, expected):
    assert terms_of("d.txt", text.encode(), 10) == (expected, [])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ["1:1 there is no term in it; take the dictionary out of sensitivity.yaml if that is meant"]),
        ("# Acme\n\n", ["1:1 there is no term in it; take the dictionary out of sensitivity.yaml if that is meant"]),
        (f"{SECRET}\nab\n 华为 \n", [f"{line}:1 a term of fewer than 3 characters would be found everywhere" for line in (2, 3)]),
        (f"{SECRET}{'x' * 200}", ["1:1 a term of more than 200 characters"]),
        ("Acme\n...\n_-_", ["2:1 a term has a letter or a digit", "3:1 a term has a letter or a digit"]),
        (f"{SECRET}\nab\xe9".encode("latin-1"), ["2:3 a dictionary is UTF-8; this is not"]),
        (SECRET.encode("utf-16"), ["1:1 a dictionary is UTF-8; this is not"]),
        (f"{SECRET}\na\0bc", ["2:2 the character U+0000 is not accepted: it does not show"]),
        (f"{SECRET}\nab\u200bcd\u202e", [f"2:{at} the character U+{code} is not accepted: it does not show" for at, code in ((3, "200B"), (6, "202E"))]),
        ("aaa\nbbb\nccc\nddd", ["3:1 the dictionaries of a tree have at most 1000000 terms"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_line_and_not_repeated(raw, expected):
    assert told(raw, most=2) == expected


def test_of_many_mistakes_some_are_told():
    assert len(told("ab\n" * 1000)) == len(told("abc\u200b\n" * 1000)) == 20


def test_a_file_that_is_too_large_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(dictionaries, "MAX_BYTES", 10)
    assert told("ab\n" * 10) == ["1:1 a dictionary has at most 10 bytes"]


def test_the_mark_is_in_the_file():
    assert terms_of("x/d.txt", b"a", 1)[1][0].mark == Mark("x/d.txt", 1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dictionaries: [{file: /b}, {file: dictionaries/a.txt}, {file: /a}, {file: /b}]", ("/a", "/b")),
        ("dictionaries: [1, {file: [/a]}, {id: /b}, {file: b}]", ()),
        ("dictionaries: {file: /a}", ()),
        ("- a", ()),
        ("dictionaries: [{file: /a}", ()),
        ("", ()),
    ],
)
def test_the_files_outside_that_are_named(text, expected):
    assert outside(text.encode()) == expected
