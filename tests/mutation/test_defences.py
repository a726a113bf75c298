"""The table of defences says what is there: `make mutation` shows that their tests are worth something."""

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def table():
    found = importlib.util.spec_from_file_location("defences", HERE / "defences.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.DEFENCES


DEFENCES = table()


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: defence.name)
def test_a_defence_is_where_its_row_says(defence):
    text = (ROOT / "gateway" / defence.file).read_text()
    assert text.count(defence.source) == 1
    assert defence.source != defence.without
    compile(text.replace(defence.source, defence.without), defence.file, "exec")


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: defence.name)
def test_its_tests_are_there(defence):
    assert defence.tests
    for test in defence.tests:
        file, _, name = test.partition("::")
        text = (ROOT / "tests" / file).read_text()
        assert f"def {name or 'test_'}" in text, test


def test_no_two_rows_have_one_name():
    assert len({each.name for each in DEFENCES}) == len(DEFENCES)
