"""The obligations: a closed table, each row with its meaning and what discharges it."""

import pytest
from support.policy_trees import WORDS

from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.vocabulary import BACKEND, REQUEST, Vocabulary


def test_the_list_is_closed():
    assert set(OBLIGATIONS) == {
        "redact",
        "rescan",
        "no_prompt_log",
        "no_cache",
        "region_pin",
        "zdr_only",
        "max_output_tokens",
        "strip_images",
        "scan_answer",
        "human_approval",
        "canary_watermark",
    }


def test_a_row_stands_under_its_name_and_says_what_it_means():
    assert [(name, bool(row.meaning)) for name, row in OBLIGATIONS.items()] == [(row.name, True) for row in OBLIGATIONS.values()]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (lambda row: row.when is None, {"human_approval", "canary_watermark"}),
        (lambda row: row.takes == "figure", {"max_output_tokens"}),
        (lambda row: row.takes == "tags", {"redact", "scan_answer"}),
        (lambda row: row.acts, {"max_output_tokens", "strip_images", "scan_answer"}),
        (lambda row: row.when and row.when[0].side == "request", {"redact", "rescan"}),
        (lambda row: row.when and row.when[0].side == "backend", {"region_pin", "zdr_only"}),
    ],
)
def test_what_the_rows_are(wanted, names):
    assert {name for name, row in OBLIGATIONS.items() if wanted(row)} == names


def test_what_carries_a_figure_is_done_and_not_only_asked():
    assert [name for name, row in OBLIGATIONS.items() if row.takes == "figure" and not row.acts] == []


@pytest.mark.parametrize(
    "atom",
    [atom for row in OBLIGATIONS.values() for atom in row.when or ()],
    ids=lambda atom: f"{atom.attribute} {atom.test}",
)
def test_what_discharges_is_asked_of_attributes_and_words_that_exist(atom):
    attribute = (REQUEST if atom.side == "request" else BACKEND)[atom.attribute]
    vocabulary = Vocabulary({section: dict.fromkeys(words, "x") for section, words in WORDS.items()})
    assert atom.values <= set(vocabulary.values(attribute))
