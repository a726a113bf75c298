"""The shape of each file in a policy tree, as pydantic models: what may stand where, before it means anything."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(value: object) -> object:
    if isinstance(value, str) and (match := _DURATION.match(value)):
        return float(match[1]) * _SECONDS[match[2]]
    raise ValueError("a duration is a number with a unit, for example `5s`, `500ms` or `10m`")


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=86_400)]


def _decimal(value: object) -> object:
    """A whole number in YAML is a number of any kind."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    raise ValueError("write a plain number, without quotes")


Number = Annotated[Decimal, BeforeValidator(_decimal)]
Usd = Annotated[Number, Field(ge=0, le=1_000_000, max_digits=18, decimal_places=6)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class TimeoutsEntry(_Entry):
    """Durations of one backend's calls."""

    connect: Seconds = 5.0
    first_byte: Seconds = 60.0
    idle: Seconds = 60.0
    total: Seconds = 600.0


class TokenPrice(_Entry):
    """USD per million tokens."""

    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    reasoning: Usd | None = None


class MachinePrice(_Entry):
    """What our own machine costs, and what it serves."""

    gpu_hour: Annotated[Number, Field(ge=0, le=100_000)]
    tokens_per_second: Annotated[Number, Field(ge=Decimal("0.001"))]


def _price(value: object) -> object:
    """Picks the model by the fields that are there, so that an error speaks of the one that was meant."""
    if value is None or value == "book":
        return value
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004  pydantic takes ValueError
            "a price is `book`, `{input: ..., output: ...}` or `{gpu_hour: ..., tokens_per_second: ...}`"
        )
    return (MachinePrice if {"gpu_hour", "tokens_per_second"} & value.keys() else TokenPrice).model_validate(value)


class BackendEntry(_Entry):
    """A backend: how it is reached, what it can do, what it costs, and its passport."""

    provider: str
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")] | None = None
    api_key: Reference | None = None
    model: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    aliases: list[Name] = []
    timeout: TimeoutsEntry = TimeoutsEntry()
    capabilities: list[str] = ["chat"]
    context: Annotated[int, Field(gt=0)] | None = None
    max_output: Annotated[int, Field(gt=0)] | None = None
    price: Annotated[Any, BeforeValidator(_price)] = None
    """`book`, a TokenPrice, a MachinePrice, or None."""
    deployment: str | None = None
    zone: str | None = None
    region: str | None = None
    weights_origin: str | None = None
    operator_origin: str | None = None
    licence: str | None = None
    status: str | None = None
    retention: str | None = None
    trains_on_data: str | None = None
    audience: str | None = None
    source: str | None = None
    review_by: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None


class CatalogFile(_Entry):
    """catalog/*.yaml"""

    backends: dict[Name, BackendEntry]


class BookPrice(TokenPrice):
    """One model of the price book, with where the figure comes from."""

    source: str
    date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class PricesFile(_Entry):
    """prices.yaml"""

    version: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    models: dict[Name, BookPrice]


class VocabularyFile(_Entry):
    """vocabulary.yaml"""

    levels: dict[Word, str]
    tags: dict[Word, str]
    purposes: dict[Word, str]
    deployments: dict[Word, str]
    zones: dict[Word, str]
    regions: dict[Word, str]
    origins: dict[Word, str]
    licences: dict[Word, str]
    statuses: dict[Word, str]
    retentions: dict[Word, str]
    training: dict[Word, str]
    audiences: dict[Word, str]


class Scope(_Entry):
    """What a rule speaks of: requests (`when`) and backends (`to`)."""

    when: dict[str, Any] = {}
    to: dict[str, Any] = {}


class Preference(_Entry):
    """How to order what is permitted."""

    order: Annotated[list[Literal["cost"]], Field(min_length=1)]
    when: dict[str, Any] = {}


class RuleEntry(_Entry):
    """One rule: an id and exactly one effect."""

    id: Name
    why: str | None = None
    permit: Scope | None = None
    forbid: Scope | None = None
    prefer: Preference | None = None


class PolicyFile(_Entry):
    """policies/*.yaml"""

    policy: Name
    owner: str
    rules: list[RuleEntry]
