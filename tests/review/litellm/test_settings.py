"""Every setting has something said about it, unknown ones too."""

import pytest

from gateway.review.litellm.settings import _TABLE, note_rest, said_of
from gateway.review.litellm.values import Findings


@pytest.mark.parametrize(
    ("section", "key", "why"),
    [
        ("litellm_settings", "drop_params", "what else is not sent"),
        ("litellm_settings", "langfuse_default_tags", "callback"),
        ("litellm_settings", "message_logging", "never kept"),
        ("litellm_settings", "logging", "does not know it"),
        ("router_settings", "redis_host", "several share budgets"),
        ("router_settings", "fallbacks", "no list of fallbacks"),
        ("router_settings", "routing_strategy_args", "ordered by cost"),
        ("general_settings", "master_key", "no key that may do everything"),
        ("general_settings", "store_prompts_in_spend_logs", "never kept"),
        ("litellm_params", "default_api_key_tpm_limit", "not of a backend"),
        ("litellm_params", "input_cost_per_second", "per million tokens"),
        ("litellm_params", "aws_secret_access_key", "one key"),
        ("litellm_params", "never_heard_of", "does not know it"),
        ("model_info", "cache_read_input_token_cost", "per million tokens"),
        ("", "guardrails", "scanner"),
        ("nowhere", "x", "does not know it"),
    ],
)
def test_what_is_said(section, key, why):
    assert why in said_of(section, key)[0]


def test_no_name_of_a_section_stands_behind_one_that_fits_first():
    for section, rows in _TABLE.items():
        for names, said in rows:
            for name in names.split():
                if "*" not in name:
                    assert said_of(section, name) == said, (section, name)


def test_what_is_said_is_said_once_for_all_places():
    found = Findings()
    note_rest(found, "litellm_params", ["rpm", "tpm"], "a")
    note_rest(found, "litellm_params", ["rpm"], "b")
    note_rest(found, "", ["odd"])
    assert [(note.key, note.where) for note in found.notes()] == [
        ("litellm_params.rpm", ("a", "b")),
        ("litellm_params.tpm", ("a",)),
        ("odd", ()),
    ]
