"""What each Claude takes, by whatever name it is called."""

import pytest

from gateway.providers.anthropic_models import abilities


@pytest.mark.parametrize(
    ("model", "thinking", "off", "sampling", "forced", "schemas", "prefill", "max_output"),
    [
        ("claude-fable-5-2", "adaptive", "", "fixed", False, True, False, 128_000),
        ("claude-fable-5", "adaptive", "", "fixed", True, True, False, 128_000),
        ("claude-mythos-5-1", "adaptive", "", "fixed", False, True, False, 128_000),
        ("us.anthropic.claude-mythos-5", "adaptive", "", "fixed", True, True, False, 128_000),
        ("claude-mythos-preview", "adaptive", "", "fixed", True, True, False, 128_000),
        ("claude-opus-5-5", "adaptive", "", "fixed", False, True, False, 128_000),
        ("anthropic/claude-opus-5.5", "adaptive", "", "fixed", False, True, False, 128_000),
        ("claude-opus-5", "adaptive", "disabled", "fixed", True, True, False, 128_000),
        ("claude-opus-4-8", "adaptive", "disabled", "fixed", True, True, False, 128_000),
        ("anthropic.claude-opus-4-6-v1", "adaptive", "disabled", "one", True, True, False, 128_000),
        ("claude-opus-4-5-20251101", "budget", "disabled", "one", True, True, True, 64_000),
        ("claude-opus-4-1-20250805", "budget", "disabled", "one", True, False, True, 32_000),
        ("claude-opus-4@20250514", "budget", "disabled", "free", True, False, True, 32_000),
        ("claude-sonnet-5-5", "adaptive", "between_tools", "fixed", False, True, False, 128_000),
        ("claude-sonnet-5", "adaptive", "disabled", "fixed", True, True, False, 128_000),
        ("claude-sonnet-4-6", "adaptive", "disabled", "one", True, True, False, 128_000),
        ("claude-sonnet-4-5@20250929", "budget", "disabled", "one", True, True, True, 64_000),
        ("claude-sonnet-4-20250514", "budget", "disabled", "free", True, False, True, 64_000),
        ("claude-3-7-sonnet-latest", "budget", "disabled", "free", True, False, True, 64_000),
        ("claude-3-5-sonnet-20241022", "never", "disabled", "free", True, False, True, 4_096),
        ("claude-haiku-5-5", "adaptive", "disabled", "fixed", True, True, False, 128_000),
        ("claude-haiku-4-5-20251001", "budget", "disabled", "one", True, True, True, 64_000),
        # what nobody knows yet is taken for a current model
        ("claude-opus-7", "adaptive", "", "fixed", False, True, False, 128_000),
        ("claude-opus-latest", "adaptive", "", "fixed", False, True, False, 128_000),
        ("our-own-deployment", "adaptive", "", "fixed", False, True, False, 128_000),
    ],
)
def test_a_model_takes(model, thinking, off, sampling, forced, schemas, prefill, max_output):
    able = abilities(model)
    assert (able.thinking, able.off, able.sampling) == (thinking, off, sampling)
    assert (able.forced, able.schemas, able.prefill, able.max_output) == (forced, schemas, prefill, max_output)


@pytest.mark.parametrize(
    ("model", "unasked", "quiet", "efforts"),
    [
        ("claude-opus-5-5", True, True, 5),
        ("claude-opus-5", True, True, 5),
        ("claude-opus-4-7", False, True, 5),
        ("claude-opus-4-6", False, False, 4),
        ("claude-sonnet-4-5", False, False, 0),
    ],
)
def test_a_model_thinks(model, unasked, quiet, efforts):
    able = abilities(model)
    assert (able.unasked, able.quiet, len(able.efforts)) == (unasked, quiet, efforts)


@pytest.mark.parametrize(
    ("model", "bound"),
    [
        ("claude-fable-5-1", True),
        ("claude-fable-5", False),
        ("claude-opus-5-5", True),
        ("claude-opus-5", False),
        ("claude-sonnet-5-5", True),
        ("claude-sonnet-5", False),
        ("claude-haiku-5-5", True),
        ("claude-haiku-4-5", False),
    ],
)
def test_a_model_checks_what_stood_before_its_thinking(model, bound):
    assert abilities(model).bound is bound
