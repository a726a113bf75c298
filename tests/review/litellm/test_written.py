"""What was imported as text: YAML that our own parser reads back, shell that a shell reads back."""

import shlex
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.document import Document
from gateway.review.litellm.values import Ceiling, Command, Imported, Note, Row
from gateway.review.litellm.written import BUDGETS, CATALOG, COMMANDS, NOTES, files_of, said_in_short

NOTHING = Imported((), (), (), (), (), (), ())


def files(**fields):
    return files_of(Imported(**{**{name: () for name in Imported.__struct_fields__}, **fields}))


def test_what_there_is_nothing_for_is_not_written():
    made = files_of(NOTHING)
    assert list(made) == [CATALOG, NOTES]
    assert Document("c", made[CATALOG].encode()).data == {"backends": {}}
    assert "all of it was carried over" in made[NOTES]
    assert list(said_in_short(NOTHING)) == []


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=20)
VALUES = st.recursive(
    TEXTS | st.integers(0, 10**9) | st.decimals(0, 10**6, places=6) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(TEXTS, VALUES)
def test_any_row_is_read_back_as_it_was(id, value):
    document = Document("c", files(rows=(Row(id, {"provider": value}, ("said",)),))[CATALOG].encode())
    assert document.problems == []
    assert document.data == {"backends": {id: {"provider": value}}}


@pytest.mark.parametrize(
    "word", ["true", "No", "null", "~", "1", "1.5", "1e3", "600s", "2026-11-22", "a: b", "a #b", "env:X", "a:"]
)
def test_words_that_yaml_would_take_for_something_else(word):
    document = Document("c", files(rows=(Row("m", {"model": word}),))[CATALOG].encode())
    assert document.data == {"backends": {"m": {"model": word}}}


def test_budgets_are_rules_with_ids_of_their_own():
    key = "litellm_settings.default_team_settings"
    made = files(ceilings=(Ceiling(key, D("100.50"), "team", "day"), Ceiling(key, D(5), "team", "10d")))
    rules = Document("p", made[BUDGETS].encode()).data["rules"]
    assert [(rule["id"], rule["limit"]) for rule in rules] == [
        ("litellm-default-team-settings", {"usd": D("100.5"), "per": "team", "window": "day"}),
        ("litellm-default-team-settings-2", {"usd": 5, "per": "team", "window": "10d"}),
    ]


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_a_shell_reads_the_words_of_a_command(words):
    last = files(commands=(Command(tuple(words)),))[COMMANDS].splitlines()[-1]
    assert shlex.split(last) == words


def test_notes_say_what_is_to_be_done_first():
    note = Note("litellm_settings.drop`params", "because", "Do this.", ("a\nb",))
    imported = Imported((Row("m", {}),), (), (Command(("x",)),), (note,), ("model_list",), ("MY_KEY",), ("m",))
    text = files_of(imported)[NOTES]
    for said in (
        "`MY_KEY`",
        "each says what): `m`",
        "`keys.sh`",
        "- `litellm_settings.drop'params` (a\N{REPLACEMENT CHARACTER}b): because. Do this.",
    ):
        assert said in text
    short = "\n".join(said_in_short(imported))
    for said in ("MY_KEY", "1 of 1 rows (m)", "not carried over as it was (1)"):
        assert said in short
