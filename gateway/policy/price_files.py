"""The shape of prices, in prices.yaml and in a catalog, as pydantic models."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter

from gateway.core.day import day_of

_DAY = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_SERVICE = r"^[a-z][a-z0-9_-]{0,31}$"
FORMS: Mapping[str, str] = {
    _DAY: "a day such as `2026-11-22`",
    _SERVICE: "the name of a service tier such as `flex`: small letters, digits, `_` and `-`",
}
"""As `files.FORMS`."""


def _of_calendar(day: str) -> str:
    """Refuses the thirtieth of February."""
    try:
        day_of(day)
    except ValueError:
        raise ValueError(f"there is no day {day} (from 1970 on)") from None
    return day


Day = Annotated[str, StringConstraints(pattern=_DAY), AfterValidator(_of_calendar)]


def _decimal(value: object) -> object:
    """A whole number in YAML is a number of any kind."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    raise ValueError("write a plain number, without quotes")


Number = Annotated[Decimal, BeforeValidator(_decimal, json_schema_input_type=float)]
Usd = Annotated[Number, Field(ge=0, le=1_000_000, max_digits=18, decimal_places=6)]
_Times = Annotated[Number, Field(ge=0, le=100, max_digits=9, decimal_places=6)]
_TIMES: TypeAdapter[Decimal] = TypeAdapter(_Times)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class Figures(_Entry):
    """USD per million tokens."""

    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_long: Usd | None = None
    reasoning: Usd | None = None
    audio_input: Usd | None = None
    audio_output: Usd | None = None


class TierPrice(Figures):
    """What the whole request costs once its prompt is longer."""

    above: Annotated[int, Field(gt=0)]


class ServicePrice(Figures):
    """What a service tier of the provider costs."""

    tiers: list[TierPrice] = []


def _service(value: object) -> object:
    """Picks the form by what is there, so that an error speaks of the one that was meant."""
    return ServicePrice.model_validate(value) if isinstance(value, dict) else _TIMES.validate_python(value)


_Service = Annotated[Any, BeforeValidator(_service, json_schema_input_type=_Times | ServicePrice)]
"""A Decimal, or a ServicePrice."""


class TokenPrice(ServicePrice):
    """USD per million tokens."""

    services: dict[Annotated[str, StringConstraints(pattern=_SERVICE)], _Service] = {}


class MachinePrice(_Entry):
    """What our own machine costs, and what it serves."""

    gpu_hour: Annotated[Number, Field(ge=0, le=100_000)]
    tokens_per_second: Annotated[Number, Field(ge=Decimal("0.001"))]
    utilisation: Annotated[Number, Field(gt=0, le=1)] | None = None


class BookPrice(TokenPrice):
    """One model of the price book, with where the figure comes from."""

    from_: Annotated[Day | None, Field(alias="from")] = None
    source: str
    date: Day
