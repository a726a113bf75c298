"""The shape of each file, before it means anything."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from gateway.policy.files import BackendEntry, BookPrice, CatalogFile, PolicyFile, RuleEntry, TimeoutsEntry

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
        ("deployment", "self_hosted", 1),
    ],
)
def test_a_backend_field(field, good, bad):
    here = [f"{field}.0"] if field == "aliases" else [field]
    entry = {"provider": "openai"}
    assert (wrong(BackendEntry, entry | {field: good}), wrong(BackendEntry, entry | {field: bad})) == ([], here)


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
        (PolicyFile, {"policy": "a", "owner": "b", "rules": [], "mode": "shadow"}, ["mode"]),
        (CatalogFile, {"backends": {}}, []),
        (CatalogFile, {}, ["backends"]),
        (CatalogFile, None, [""]),
    ],
)
def test_what_does_not_fit_is_named(model, data, expected):
    assert wrong(model, data) == expected
