"""Finish reasons in other words."""

import pytest

from gateway.providers.finish import OURS, failure, reason


@pytest.mark.parametrize(
    ("spelled", "ours"),
    [
        *((each, each) for each in sorted(OURS)),
        ("STOP", "stop"),
        ("end_turn", "stop"),
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("sensitive", "content_filter"),
        ("SAFETY", "content_filter"),
        ("refusal", "content_filter"),
        ("a word of next year", "stop"),
    ],
)
def test_a_reason_is_one_of_five(spelled, ours):
    assert (reason(spelled), failure(spelled)) == (ours, "")


@pytest.mark.parametrize("spelled", ["error", "network_error", "insufficient_system_resource", "abort", "ERROR"])
def test_some_reasons_say_that_it_is_no_answer(spelled):
    assert failure(spelled).startswith("the backend ")
