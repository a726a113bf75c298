"""The shape of sensitivity.yaml."""

import json

import pytest
from pydantic import ValidationError

from gateway.core.labels import LEVELS
from gateway.policy.sensitivity_files import FORMS, DetectorEntry, DictionaryEntry, KindEntry, SensitivityFile

DETECTOR = {"id": "d", "pattern": "A-[0-9]{6}", "level": "internal", "examples": ["A-123456"]}
DICTIONARY = {"id": "d", "file": "dictionaries/d.txt", "level": "internal"}


def wrong(model, data):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    return [error["loc"][0] for error in caught.value.errors()]


def test_a_file_may_say_nothing():
    assert SensitivityFile.model_validate({}) == SensitivityFile()


def test_levels_are_those_of_labels():
    assert KindEntry.model_json_schema()["properties"]["level"]["anyOf"][0]["enum"] == list(LEVELS)


@pytest.mark.parametrize("id", ["A", "a-b", "a.b", "1a", "", "a" * 33, "a\n", "é"])
def test_an_id_is_a_word(id):
    assert wrong(DetectorEntry, DETECTOR | {"id": id}) == ["id"]
    assert wrong(DictionaryEntry, DICTIONARY | {"id": id}) == ["id"]


@pytest.mark.parametrize(
    "file",
    ["d.txt", "dictionaries/d.yaml", "dictionaries/.d.txt", "dictionaries/../d.txt", "dictionaries/a/d.txt", "./dictionaries/d.txt", "../d.txt", "/", "", "https://x/d.txt", "~/d.txt"],
)  # fmt: skip
def test_a_file_lies_in_its_folder_or_has_a_whole_path(file):
    assert wrong(DictionaryEntry, DICTIONARY | {"file": file}) == ["file"]


@pytest.mark.parametrize("file", ["dictionaries/d e-1.txt", "/etc/gateway/customers.csv", "/d"])
def test_files_that_a_dictionary_may_have(file):
    assert DictionaryEntry.model_validate(DICTIONARY | {"file": file}).file == file


@pytest.mark.parametrize(
    ("field", "value"),
    [("pattern", ""), ("pattern", "x" * 1001), ("level", "low"), ("near", []), ("near", ["x"]), ("examples", []), ("examples", [""]), ("examples", ["x"] * 21), ("counterexamples", [""]), ("words", 1)],
)  # fmt: skip
def test_no_detector(field, value):
    assert wrong(DetectorEntry, DETECTOR | {field: value}) == [field]


@pytest.mark.parametrize("value", ["on", True, {"level": "low"}, {"levels": "public"}, [], None, "none"])
def test_no_kind(value):
    assert wrong(SensitivityFile, {"kinds": {"email": value}})[0] == "kinds"


@pytest.mark.parametrize("pattern", FORMS)
def test_every_form_in_words_is_that_of_some_field(pattern):
    assert json.dumps(pattern) in json.dumps(SensitivityFile.model_json_schema())
