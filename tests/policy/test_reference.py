"""The reference in the README of the shipped tree is what the code says now."""

from pathlib import Path

import pytest

from gateway.policy.claims import FAULTS
from gateway.policy.codes import CODES
from gateway.policy.files import BackendEntry, RuleEntry
from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.parse import parse
from gateway.policy.reference import BEGIN, END, inserted, reference
from gateway.policy.vocabulary import BACKEND, REQUEST, Vocabulary
from gateway.providers import BASE_URLS

SHIPPED = Path(__file__).parents[2] / "routing_policies"
VOCABULARY = parse({"vocabulary.yaml": (SHIPPED / "vocabulary.yaml").read_bytes()}, BASE_URLS).bundle.vocabulary
SAID = reference(VOCABULARY, BASE_URLS)
LINES = SAID.splitlines()


def test_the_shipped_reference_is_up_to_date():
    """If this fails: `gateway policy schema --write routing_policies`."""
    readme = (SHIPPED / "README.md").read_text()
    assert BEGIN in readme
    is_current = inserted(readme, VOCABULARY, BASE_URLS) == readme
    assert is_current


@pytest.mark.parametrize("row", [*REQUEST.values(), *BACKEND.values()], ids=lambda row: row.name)
def test_every_attribute_has_a_line_with_its_values_and_meaning(row):
    line = next(line for line in LINES if line.startswith(f"| `{row.name}` |") and row.meaning in line)
    values = VOCABULARY.values(row) or ()
    told = (values[0], values[-1]) if row.kind == "number" else values
    assert [value for value in told if f"`{value}`" not in line] == []


@pytest.mark.parametrize(
    "words",
    [RuleEntry.model_fields, BackendEntry.model_fields, OBLIGATIONS, BASE_URLS, FAULTS],
    ids=["rules", "catalog", "obligations", "providers", "faults"],
)
def test_every_word_is_there(words):
    assert [word for word in words if f"`{word}`" not in SAID and f"`{word}: " not in SAID] == []


def test_every_code_has_a_line():
    assert [id for id, code in CODES.items() if f"| {id} | {code.meaning} | {code.remedy} |" not in LINES] == []


def test_ordered_values_show_their_order():
    assert "| `sensitivity` | `public` < `internal` < `confidential` < `restricted` |" in SAID


def test_tables_are_tables():
    rows = [line for line in LINES if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    widths = [line.replace("\\|", "").count("|") for line in rows]
    heads = [at for at, line in enumerate(rows) if line.startswith("| ---")]
    assert all(widths[at] == widths[at - 1] == widths[at + 1] for at in heads)


def test_a_bar_in_a_meaning_does_not_end_its_cell():
    sections = dict(VOCABULARY.sections) | {"purposes": {"a|b": "x"}}
    line = next(each for each in reference(Vocabulary(sections), ()).splitlines() if each.startswith("| `purpose` |"))
    assert "`a\\|b`" in line


@pytest.mark.parametrize("text", ["", "no markers", f"only {BEGIN}", f"only {END}"])
def test_a_text_without_both_markers_stays_as_it_is(text):
    assert inserted(text, VOCABULARY, BASE_URLS) == text


def test_what_is_around_the_markers_stays_and_what_is_between_goes():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    made = inserted(text, VOCABULARY, BASE_URLS)
    assert (made.startswith(f"before\n{BEGIN}\n\n### "), made.endswith(f"{END}\nafter\n"), "old\n" in made) == (
        True,
        True,
        False,
    )
    assert inserted(made, VOCABULARY, BASE_URLS) == made
