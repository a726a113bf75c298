"""Names that answers say."""

import pytest

from gateway.core.catalog import Backend
from gateway.core.reported import NO_NAME, is_other, other_name


@pytest.mark.parametrize(
    ("asked", "reported", "other"),
    [
        ("gpt-4o", "gpt-4o", False),
        ("gpt-4o", "gpt-4o-2024-08-06", False),
        ("gpt-4o-2024-08-06", "gpt-4o", False),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", False),
        ("gemini-2.5-flash", "models/gemini-2.5-flash-001", False),
        ("openai/gpt-4o", "gpt-4o-2024-08-06", False),
        ("Qwen/Qwen3-8B", "qwen3-8b", False),
        ("gpt-4o", "gpt-4o-mini", True),
        ("gpt-4o-mini", "gpt-4o", True),
        ("gpt-4", "gpt-4.1", True),
        ("glm-4", "glm-4-9b", True),
        ("claude-opus-4-5", "claude-haiku-4-5", True),
        ("deepseek-chat", "qwen2.5-7b", True),
    ],
)
def test_which_name_is_of_another_model(asked, reported, other):
    assert is_other(asked, reported) is other


ROW = Backend("b", "p", "http://b/v1", "gpt-4o", {}, reports_as=("prod-eu", "gpt-4o-mini"))


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        (None, ""),
        ("", ""),
        ("gpt-4o", ""),
        ("gpt-4o-2024-08-06", ""),
        ("prod-eu", ""),
        ("models/Prod-EU-002", ""),
        ("gpt-4o-mini-2024-07-18", ""),
        ("gpt-4.1", "gpt-4.1"),
        ("org/gpt-4.1:free", "org/gpt-4.1:free"),
        ("prod-us", "prod-us"),
        ("b", "b"),  # how the catalog calls it is no name that it gives itself
        ("what the caller asked was this", NO_NAME),
        ("two\nlines", NO_NAME),
        ("x" * 129, NO_NAME),
        ("\x1b[2J", NO_NAME),
    ],
)
def test_the_name_of_another_model_is_told_and_nothing_else_that_a_backend_says(reported, name):
    assert other_name(ROW, reported) == name
