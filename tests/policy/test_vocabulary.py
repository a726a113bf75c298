"""The attributes are the same wherever they are listed."""

from pathlib import Path

import pytest

from gateway.core.catalog import PASSPORT
from gateway.core.decision import Facts
from gateway.core.labels import LEVELS
from gateway.policy.document import Document
from gateway.policy.files import BackendEntry, VocabularyFile
from gateway.policy.vocabulary import BACKEND, REQUEST, SECTIONS, Vocabulary

SHIPPED = Path(__file__).parents[2] / "routing_policies" / "vocabulary.yaml"


def test_a_request_attribute_is_a_field_of_facts():
    assert tuple(REQUEST) == Facts.__struct_fields__


def test_a_backend_attribute_is_a_fact_of_the_passport():
    assert tuple(BACKEND) == ("backend", "provider", *PASSPORT)


def test_a_passport_fact_is_a_field_of_a_catalog_entry():
    assert set(PASSPORT) <= set(BackendEntry.model_fields)


def test_a_section_is_a_field_of_the_vocabulary_file():
    assert tuple(VocabularyFile.model_fields) == SECTIONS


@pytest.mark.parametrize(("table", "side"), [(REQUEST, "request"), (BACKEND, "backend")])
def test_a_row_stands_under_its_name_and_side(table, side):
    assert [(name, side) for name in table] == [(row.name, row.side) for row in table.values()]


def test_only_names_and_what_the_catalog_knows_have_no_section():
    open_ended = {row.name for row in (*REQUEST.values(), *BACKEND.values()) if not row.section}
    assert open_ended == {"project", "team", "app", "key", "backend", "provider"}


@pytest.mark.parametrize(
    ("section", "expected"), [("tags", frozenset({"secret", "pii"})), ("zones", frozenset()), ("none", frozenset())]
)
def test_words(section, expected):
    vocabulary = Vocabulary({"tags": {"secret": "a key", "pii": "a person"}, "zones": {}})
    assert vocabulary.words(section) == expected


def test_the_shipped_vocabulary_says_what_each_word_means():
    data = Document("vocabulary.yaml", SHIPPED.read_bytes()).data
    assert (tuple(data), tuple(data["levels"])) == (SECTIONS, LEVELS)
    assert all(isinstance(meaning, str) and meaning for words in data.values() for meaning in words.values())
