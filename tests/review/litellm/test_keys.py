"""Keys become commands, and what a command cannot say becomes a note."""

from decimal import Decimal as D

import pytest

from gateway.review.litellm.keys import commands_of
from gateway.review.litellm.values import Findings


@pytest.mark.parametrize(
    ("key", "words", "notes"),
    [
        ({"key_alias": "bot", "team_id": "red", "max_budget": D("10.5"), "budget_duration": "30d", "rpm_limit": 60, "tpm_limit": 1000},
         "--team=red --app=bot --budget-usd=10.5 --per=month --rpm=60 --tpm=1000", []),
        ({"token": "88dc", "key_name": "sk-...abcd", "user_id": "u", "spend": 0, "models": []}, "--team=u --app=key-1", []),
        ({"key_alias": "bot"}, "--team=default --app=bot", []),
        ({"key_alias": "bot", "blocked": True}, None, ["key.blocked"]),
        ({"key_alias": "bot", "expires": "2026-01-01T00:00:00Z"}, None, ["key.expires"]),
        ({"key_alias": "bot", "expires": "2027-01-01T00:00:00Z"}, "--team=default --app=bot", ["key.expires"]),
        ({"key_alias": "bot", "models": ["m", "other"]}, "--team=default --app=bot", ["key.models"]),
        ({"key_alias": "bot", "models": ["all-team-models"]}, "--team=default --app=bot", []),
        ({"key_alias": "bot", "max_budget": "x"}, "--team=default --app=bot --budget-usd=0 --per=month", ["key.max_budget"]),
        ({"key_alias": "bot", "max_budget": 5}, "--team=default --app=bot --budget-usd=5 --per=month", ["key.max_budget"]),
        ({"key_alias": "bot", "rpm_limit": 0}, None, ["key.rpm_limit"]),
        ({"key_alias": "bot", "spend": D("0.1"), "metadata": {"a": 1}, "odd": 1, "team_id": "red", "user_id": "u"},
         "--team=red --app=bot", ["key.spend", "key.metadata", "key.odd", "key.user_id"]),
    ],
)  # fmt: skip
def test_commands(key, words, notes):
    found = Findings()
    made = commands_of([key], {"m": ("m/openai", "m/azure")}, "2026-11-22", found)
    assert [command.words for command in made] == (
        [] if words is None else [("gateway", "keys", "create", *words.split())]
    )
    assert [note.key for note in found.notes()] == notes


def test_the_rule_for_models_is_ready_to_be_copied():
    found = Findings()
    commands_of(
        [{"key_alias": "it's", "models": ["m", "7b", "gone"]}],
        {"m": ("m/openai", "m/azure"), "7b": ("7b",)},
        "2026-11-22",
        found,
    )
    [note] = found.notes()
    assert "forbid: {when: {app: ['it''s']}, to: {backend: {not: [m/openai, m/azure, '7b']}}}" in note.do
    commands_of([{"key_alias": "bot", "models": ["gone"]}], {}, "2026-11-22", found)
    assert "forbid: {when: {app: [bot]}}`" in found.notes()[-1].do
