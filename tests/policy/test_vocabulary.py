"""The attributes are the same wherever they are listed."""

from pathlib import Path

import pytest

from gateway.core.catalog import PASSPORT
from gateway.core.decision import Facts
from gateway.core.errors import FailureKind
from gateway.core.fallback import MAX_ATTEMPTS
from gateway.core.labels import LEVELS
from gateway.policy.document import Document
from gateway.policy.files import BackendEntry, VocabularyFile
from gateway.policy.vocabulary import BACKEND, REQUEST, SECTIONS, Vocabulary

SHIPPED = Path(__file__).parents[2] / "routing_policies" / "vocabulary.yaml"


def test_a_request_attribute_is_a_field_of_facts():
    own = sorted(row.field for row in REQUEST.values() if not row.follows)
    assert own == sorted(Facts.__struct_fields__)


def test_an_attribute_that_follows_from_another_is_a_property_of_facts():
    followers = {row.name: row.follows for row in REQUEST.values() if row.follows}
    assert followers == {"key.bucket": "key"}
    assert [name for name in followers if not isinstance(getattr(Facts, REQUEST[name].field), property)] == []


def test_a_backend_attribute_is_a_fact_of_the_passport():
    assert tuple(BACKEND) == ("backend", "provider", *PASSPORT)


def test_a_passport_fact_is_a_field_of_a_catalog_entry():
    assert set(PASSPORT) <= set(BackendEntry.model_fields)


def test_a_section_is_a_field_of_the_vocabulary_file():
    assert sorted(VocabularyFile.model_fields) == sorted(SECTIONS)


@pytest.mark.parametrize(("table", "side"), [(REQUEST, "request"), (BACKEND, "backend")])
def test_a_row_stands_under_its_name_and_side(table, side):
    assert [(name, side) for name in table] == [(row.name, row.side) for row in table.values()]


def test_only_names_and_what_the_catalog_knows_have_no_section():
    open_ended = {row.name for row in (*REQUEST.values(), *BACKEND.values()) if not row.section}
    assert {name for name in open_ended if not {**REQUEST, **BACKEND}[name].values} == {
        "project",
        "team",
        "app",
        "key",
        "backend",
        "provider",
    }
    assert {name for name in open_ended if {**REQUEST, **BACKEND}[name].values} == {
        "redaction",
        "key.bucket",
        "budget",
        "attempt",
        "last_error",
    }


def test_the_facts_about_a_hop_are_those_that_change_between_hops():
    at = Facts.__struct_fields__.index("attempt")
    assert {row.field for row in REQUEST.values() if row.hop} == set(Facts.__struct_fields__[at:])


def test_the_usual_values_of_facts_are_words():
    usual = dict(
        zip(Facts.__struct_fields__[-len(Facts.__struct_defaults__) :], Facts.__struct_defaults__, strict=True)
    )
    for row in REQUEST.values():
        if row.values and not row.follows and usual[row.field] is not None:
            assert usual[row.field] in row.values


def test_every_failure_after_which_another_backend_is_asked_is_a_value():
    assert REQUEST["last_error"].values == ("none", *(kind.code for kind in FailureKind if kind.may_fall_back))
    assert REQUEST["attempt"].values == tuple(str(number) for number in range(1, MAX_ATTEMPTS + 1))


@pytest.mark.parametrize(
    ("name", "values"),
    [("tags", ("pii", "secret")), ("project.jurisdiction", ()), ("redaction", ("none", "done")), ("team", None)],
)
def test_the_closed_list_of_an_attribute(name, values):
    assert Vocabulary({"tags": {"pii": "a person", "secret": "a key"}}).values(REQUEST[name]) == values


@pytest.mark.parametrize(
    ("section", "expected"), [("tags", frozenset({"secret", "pii"})), ("zones", frozenset()), ("none", frozenset())]
)
def test_words(section, expected):
    vocabulary = Vocabulary({"tags": {"secret": "a key", "pii": "a person"}, "zones": {}})
    assert vocabulary.words(section) == expected


def test_the_shipped_vocabulary_says_what_each_word_means():
    data = Document("vocabulary.yaml", SHIPPED.read_bytes()).data
    assert (set(data) <= set(SECTIONS), tuple(data["levels"])) == (True, LEVELS)
    assert all(isinstance(meaning, str) and meaning for words in data.values() for meaning in words.values())
