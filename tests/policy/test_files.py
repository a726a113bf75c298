"""The shape of each file, before it means anything."""

import json
from decimal import Decimal

import pytest
from pydantic import ValidationError

from gateway.policy.files import (
    FORMS,
    BackendEntry,
    BookPrice,
    CatalogFile,
    Ceiling,
    ExceptionEntry,
    PolicyFile,
    ProjectsFile,
    PromoteEntry,
    RuleEntry,
    TimeoutsEntry,
)
from gateway.policy.tree import KINDS

EXCEPTION = {
    "id": "e",
    "rules": ["a"],
    "principal": {"key": "k"},
    "backends": ["far"],
    "starts": "2026-11-22T18:00:00Z",
    "expires": "2026-11-22T20:00:00Z",
    "ticket": "T-1",
    "requested_by": "ann",
    "approved_by": ["bob", "eve"],
}
BOOK = {"input": 1, "output": 2, "source": "list", "date": "2026-11-22"}


def wrong(model, data):
    """The places that a model does not accept."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        return [".".join(map(str, each["loc"])) for each in error.errors()]
    return []


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("5s", 5.0), ("500ms", 0.5), ("10m", 600.0), ("1.5h", 5400.0), ("0.25s", 0.25)],
)
def test_a_duration(written, seconds):
    assert TimeoutsEntry.model_validate({"total": written}).total == pytest.approx(seconds)


@pytest.mark.parametrize("written", [5, "5", "5 s", "s", "-5s", "5S", "0s", "1e3s", "5d", None, True, "5s\n"])
def test_no_duration(written):
    assert wrong(TimeoutsEntry, {"total": written}) == ["total"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0, Decimal(0)),
        (4, Decimal(4)),
        (Decimal("0.044"), Decimal("0.044")),
        (Decimal("0.000001"), Decimal("0.000001")),
    ],
)
def test_a_price_is_exact(written, expected):
    assert BookPrice.model_validate(BOOK | {"input": written}).input == expected


@pytest.mark.parametrize("written", [-1, Decimal("-0.5"), Decimal("0.0000001"), 0.5, "1", True, None, 10**18])
def test_no_price(written):
    assert wrong(BookPrice, BOOK | {"input": written}) == ["input"]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("base_url", "http://qwen-a:8000/v1", "ftp://x"),
        ("base_url", "https://x", "https://user@x/v1"),
        ("base_url", "https://x/", "https://x/v1?key=1"),
        ("base_url", "https://x/v1", "https://x/v1#a"),
        ("base_url", "https://[::1]:1/v1", "https://x /v1"),
        ("api_key", "env:OPENAI_API_KEY", "sk-live-0123456789"),
        ("api_key", "file:/run/secrets/key", "file:"),
        ("api_key", "env:_x", "env:1X"),
        ("model", "z-ai/glm-5.2", ""),
        ("model", "x" * 256, "x" * 257),
        ("context", 1, 0),
        ("context", 131072, "131072"),
        ("context", 131072, Decimal("1.5")),
        ("max_output", 1, True),
        ("aliases", ["smart", "a/b:c@d"], ["a b"]),
        ("capabilities", ["chat"], "chat"),
        ("review_by", "2027-02-01", "soon"),
        ("review_by", "2027-02-01", "2027-13-01"),
        ("review_by", "2027-02-01", "\uff12\uff10\uff12\uff17-02-01"),
        ("deployment", "self_hosted", 1),
        ("status", {"active": "2026-01-01"}, 1),
        ("substitute", "gpt", ""),
        ("eligible_persons", [], "us_person"),
    ],
)
def test_a_backend_field(field, good, bad):
    here = [f"{field}.0"] if field == "aliases" else [field]
    entry = {"provider": "openai"}
    bad_places = list(dict.fromkeys(".".join(each.split(".")[: len(here[0].split("."))]) for each in wrong(BackendEntry, entry | {field: bad})))  # fmt: skip
    assert (wrong(BackendEntry, entry | {field: good}), bad_places) == ([], here)


@pytest.mark.parametrize("name", ["", " ", "-a", "a b", "a\n", "é", "a" * 129])
def test_a_backend_name_is_a_plain_word(name):
    assert wrong(CatalogFile, {"backends": {name: {"provider": "openai"}}}) == [f"backends.{name}.[key]"]


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        (RuleEntry, {"id": "a", "permit": {}}, []),
        (RuleEntry, {"permit": {}}, ["id"]),
        (RuleEntry, {"id": "a", "allow": {}}, ["allow"]),
        (RuleEntry, {"id": "a", "permit": {"unless": {}}}, ["permit.unless"]),
        (RuleEntry, {"id": "a", "permit": {"when": None}}, ["permit.when"]),
        (RuleEntry, {"id": "a", "forbid": {"to": []}}, ["forbid.to"]),
        (RuleEntry, {"id": "a", "prefer": {"order": ["cost"]}}, []),
        (RuleEntry, {"id": "a", "prefer": {"order": []}}, ["prefer.order"]),
        (RuleEntry, {"id": "a", "prefer": {"order": ["luck"]}}, ["prefer.order.0"]),
        (RuleEntry, {"id": "a", "prefer": {}}, ["prefer.order"]),
        (RuleEntry, {"id": "a", "prefer": {"order": ["cost"], "to": {}}}, ["prefer.to"]),
        (PolicyFile, {"policy": "a", "owner": "b", "rules": []}, []),
        (PolicyFile, {"policy": "a", "rules": None}, ["owner", "rules"]),
        (PolicyFile, {"policy": "a", "owner": "b", "rules": [], "mode": "shadow"}, []),
        (PolicyFile, {"policy": "a", "owner": "b", "rules": [], "mode": "dry"}, ["mode"]),
        (RuleEntry, {"id": "a", "require": {"do": ["redact", {"max_output_tokens": 5}]}}, []),
        (RuleEntry, {"id": "a", "require": {}}, ["require.do"]),
        (RuleEntry, {"id": "a", "require": {"do": []}}, ["require.do"]),
        (RuleEntry, {"id": "a", "forbid": {}, "breakable": True}, []),
        (RuleEntry, {"id": "a", "forbid": {}, "breakable": "never"}, []),
        (RuleEntry, {"id": "a", "forbid": {}, "in_flight": "stop"}, ["in_flight"]),
        (Ceiling, {"usd": 200, "per": "key", "window": "day"}, []),
        (Ceiling, {"usd": 200, "per": "moon", "window": "day"}, ["per"]),
        (Ceiling, {"usd": -1, "per": "key", "window": "day"}, ["usd"]),
        (Ceiling, {"share": 0, "of": "spend", "by": "zone", "window": "7d"}, ["share"]),
        (Ceiling, {"share": Decimal("1.01"), "of": "spend", "by": "zone", "window": "7d"}, ["share"]),
        (Ceiling, {"share": 1, "of": "calls", "by": "zone", "window": "7d"}, ["of"]),
        (Ceiling, {"share": 1, "of": "spend", "by": "organisation", "window": "7d"}, ["by"]),
        (Ceiling, {"usd": 1, "per": "key", "window": "day", "on_store_down": "permit"}, ["on_store_down"]),
        (ProjectsFile, {"projects": {"a": {}, "b": {"floor": "restricted"}}}, []),
        (ProjectsFile, {"projects": {"a": {"floor": "secret"}}}, ["projects.a.floor"]),
        (ProjectsFile, {"projects": {"a": None}}, ["projects.a"]),
        (ExceptionEntry, EXCEPTION, []),
        (
            ExceptionEntry,
            EXCEPTION | {"rules": [], "backends": [], "principal": {}},
            ["rules", "principal", "backends"],
        ),
        (ExceptionEntry, EXCEPTION | {"approved_by": ["b"]}, ["approved_by"]),
        (ExceptionEntry, EXCEPTION | {"ticket": "", "requested_by": ""}, ["ticket", "requested_by"]),
        (CatalogFile, {"backends": {}}, []),
        (CatalogFile, {}, ["backends"]),
        (CatalogFile, None, [""]),
    ],
)
def test_what_does_not_fit_is_named(model, data, expected):
    assert wrong(model, data) == expected


@pytest.mark.parametrize("window", ["hour", "day", "week", "month", "1h", "12h", "7d", "9999d"])
def test_a_window(window):
    assert wrong(Ceiling, {"usd": 1, "per": "key", "window": window}) == []


@pytest.mark.parametrize("window", ["year", "0d", "7", "d", "7w", "1.5h", "-1d", "10000d", "7d\n", "\u0667d", ""])
def test_no_window(window):
    assert wrong(Ceiling, {"usd": 1, "per": "key", "window": window}) == ["window"]


@pytest.mark.parametrize("after", ["1h", "24h", "7d", "9999h"])
@pytest.mark.parametrize("most", ["0%", "0.1%", "5%", "12.25%", "100%", "0.000001%", 0, 1, 5000])
def test_a_promotion(after, most):
    assert wrong(PromoteEntry, {"after": after, "max_new_denials": most}) == []


@pytest.mark.parametrize("after", ["0h", "24", "1.5h", "30m", "-1d", "10000h", "24h\n", "\u0667d", "", 24, None])
def test_no_time_of_trial(after):
    assert wrong(PromoteEntry, {"after": after, "max_new_denials": 0}) == ["after"]


@pytest.mark.parametrize(
    "most",
    ["0.1", "100.1%", "101%", "-1%", "05%", ".1%", "1.%", "0.0000001%", "0.1%\n", "\u0661%", "%", "", -1, True, None, 0.1, Decimal("0.1"), []],
)  # fmt: skip
def test_no_bound_of_new_denials(most):
    assert wrong(PromoteEntry, {"after": "24h", "max_new_denials": most}) == ["max_new_denials"]


@pytest.mark.parametrize("pattern", FORMS)
def test_every_form_in_words_is_that_of_some_field(pattern):
    assert any(json.dumps(pattern) in json.dumps(model.model_json_schema()) for model in KINDS.values())
