"""Names that answers say."""

import pytest

from gateway.core.reported import is_other


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
        ("m", None, False),
        ("m", "", False),
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
