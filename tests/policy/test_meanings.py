"""Every field of every policy file has a line of meaning, and no line is about a field that is gone."""

import pytest

from gateway.policy import files
from gateway.policy.meanings import MEANINGS, meaning, models
from gateway.policy.tree import KINDS
from gateway.policy.vocabulary import BACKEND

MODELS = list(models())


def fields(model):
    """The fields as they are written."""
    return [each.alias or name for name, each in model.model_fields.items()]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_has_a_meaning(model):
    said = [meaning(model, field) for field in fields(model)]
    assert [text for text in said if not text or text.endswith(".") or "\n" in text] == []


def test_no_meaning_is_of_a_field_that_is_gone():
    assert [
        (model.__name__, field) for model, said in MEANINGS.items() for field in said if field not in fields(model)
    ] == []


def test_every_kind_of_file_is_among_the_models():
    assert set(KINDS.values()) <= set(MODELS)


def test_a_passport_fact_means_what_its_attribute_means():
    assert meaning(files.BackendEntry, "region") == BACKEND["region"].meaning


def test_a_field_that_is_inherited_keeps_its_meaning():
    assert meaning(files.BookPrice, "input") == meaning(files.TokenPrice, "input")


@pytest.mark.parametrize("model", [files.BackendEntry, files.RuleEntry])
def test_a_field_without_a_meaning_is_an_error(model):
    with pytest.raises(KeyError):
        meaning(model, "no-such-field")
