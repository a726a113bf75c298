"""The shape of each file in a policy tree, as pydantic models: what may stand where, before it means anything."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from gateway.policy.price_files import BookPrice, Day, MachinePrice, Number, TokenPrice, Usd

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$"
_WORD = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
_REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"
_URL = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
_REF = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$"
_TRIAL = r"^[1-9][0-9]{0,3}[hd]$"
_PERCENT = r"^(100|[1-9]?[0-9](\.[0-9]{1,6})?)%$"
_WINDOW = r"^(hour|day|week|month|[1-9][0-9]{0,3}[hd])$"
FORMS: Mapping[str, str] = {
    _NAME: "a name of letters, digits and `._:@/-`",
    _WORD: "a word of small letters, digits and `_.-`",
    _REFERENCE: "`env:NAME` or `file:PATH`, never the key itself",
    _URL: "`http://host/path` or `https://host/path`, without user, query or fragment",
    _REF: "a git ref such as `origin/main`",
    _TRIAL: "a number of hours or days such as `24h` or `7d`",
    _WINDOW: "`hour`, `day`, `week`, `month`, or a number of hours or days such as `12h` or `7d`",
}
"""What text that has to match a pattern should be, in words."""

SECRET = frozenset({_REFERENCE, _URL})
"""Patterns of fields where somebody may have put a secret: what stands there is not repeated."""

Name = Annotated[str, StringConstraints(pattern=_NAME)]
Word = Annotated[str, StringConstraints(pattern=_WORD)]
Reference = Annotated[str, StringConstraints(pattern=_REFERENCE)]
_DURATION = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)$")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(value: object) -> object:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        return float(match[1]) * _SECONDS[match[2]]
    raise ValueError("a duration is a number with a unit, for example `5s`, `500ms` or `10m`")


_Duration = Annotated[str, StringConstraints(pattern=_DURATION.pattern)]
Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=_Duration), Field(gt=0, le=86_400)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class TimeoutsEntry(_Entry):
    """Durations of one backend's calls."""

    connect: Seconds = 5.0
    first_byte: Seconds = 60.0
    idle: Seconds = 60.0
    total: Seconds = 600.0


def _price(value: object) -> object:
    """Picks the model by the fields that are there, so that an error speaks of the one that was meant."""
    if value is None or value == "book":
        return value
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004  pydantic takes ValueError
            "a price is `book`, `{input: ..., output: ...}` or `{gpu_hour: ..., tokens_per_second: ...}`"
        )
    machine = MachinePrice.model_fields.keys() & value.keys()
    return (MachinePrice if machine else TokenPrice).model_validate(value)


class BackendEntry(_Entry):
    """A backend: how it is reached, what it can do, what it costs, and its passport."""

    provider: str
    base_url: Annotated[str, StringConstraints(pattern=_URL)] | None = None
    api_key: Reference | None = None
    model: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    reports_as: list[Annotated[str, StringConstraints(min_length=1, max_length=256)]] = []
    aliases: list[Name] = []
    timeout: TimeoutsEntry = TimeoutsEntry()
    capabilities: list[str] = ["chat"]
    context: Annotated[int, Field(gt=0)] | None = None
    max_output: Annotated[int, Field(gt=0)] | None = None
    max_concurrent: Annotated[int, Field(gt=0)] | None = None
    price: Annotated[
        Any, BeforeValidator(_price, json_schema_input_type=Literal["book"] | TokenPrice | MachinePrice | None)
    ] = None
    """`book`, a TokenPrice, a MachinePrice, or None."""
    deployment: str | None = None
    zone: str | None = None
    region: str | None = None
    weights_origin: str | None = None
    operator_origin: str | None = None
    licence: str | None = None
    status: str | dict[str, Day] | None = None
    """A status, or statuses each with the day that it begins on."""
    retention: str | None = None
    trains_on_data: str | None = None
    audience: str | None = None
    eligible_persons: list[str] | None = None
    substitute: Name | None = None
    source: str | None = None
    review_by: Day | None = None


class CatalogFile(_Entry):
    """catalog/*.yaml"""

    backends: dict[Name, BackendEntry]


class PricesFile(_Entry):
    """prices.yaml"""

    version: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    unpriced: Literal["refuse", "allow"] = "refuse"
    models: dict[Name, BookPrice | Annotated[list[BookPrice], Field(min_length=1)]]


class VocabularyFile(_Entry):
    """vocabulary.yaml"""

    levels: dict[Word, str]
    tags: dict[Word, str]
    purposes: dict[Word, str]
    jurisdictions: dict[Word, str] = {}
    persons: dict[Word, str] = {}
    deployments: dict[Word, str]
    zones: dict[Word, str]
    regions: dict[Word, str]
    origins: dict[Word, str]
    licences: dict[Word, str]
    statuses: dict[Word, str]
    retentions: dict[Word, str]
    training: dict[Word, str]
    audiences: dict[Word, str]


class ProjectEntry(_Entry):
    """What is known of a project."""

    jurisdiction: str | None = None
    floor: Literal["public", "internal", "confidential", "restricted"] | None = None
    opaque_as: Literal["public", "internal", "confidential", "restricted"] | None = None
    why: str | None = None


class ProjectsFile(_Entry):
    """projects.yaml"""

    projects: dict[Name, ProjectEntry]


class Scope(_Entry):
    """What a rule speaks of: requests (`when`) and backends (`to`)."""

    when: dict[str, Any] = {}
    to: dict[str, Any] = {}


class Requirement(Scope):
    """What is to be done before a call is sent: names, or names with a figure."""

    do: Annotated[list[Any], Field(min_length=1)]


class Ceiling(_Entry):
    """A ceiling on spending: so many USD per key, app, ..., or a share of all spending for one provider, zone, ..."""

    usd: Usd | None = None
    per: Literal["organisation", "team", "app", "key", "project", "provider", "zone"] | None = None
    share: Annotated[Number, Field(gt=0, le=1)] | None = None
    of: Literal["spend"] | None = None
    by: Literal["team", "app", "key", "project", "provider", "zone"] | None = None
    window: Annotated[str, StringConstraints(pattern=_WINDOW)]
    min_sample_usd: Usd | None = None
    then: Any = "deny"
    on_store_down: Literal["deny", "local_quota"] = "deny"


class Preference(_Entry):
    """How to order what is permitted."""

    order: Annotated[list[Literal["cost"]], Field(min_length=1)]
    when: dict[str, Any] = {}


class RuleEntry(_Entry):
    """One rule: an id and one effect. A `permit` may have a `require` beside it, which is then its own condition."""

    id: Name
    why: str | None = None
    permit: Scope | None = None
    forbid: Scope | None = None
    require: Requirement | None = None
    limit: Ceiling | list[Ceiling] | None = None
    prefer: Preference | None = None
    breakable: Literal["never"] | bool = False
    in_flight: Literal["finish", "revoke"] = "finish"
    on_model_mismatch: Literal["count", "suspend"] = "count"


def _denials(value: object) -> object:
    if (type(value) is int and value >= 0) or (isinstance(value, str) and re.fullmatch(_PERCENT, value)):
        return value
    raise ValueError("write a share of the requests such as `0.1%`, or a whole number of them")


_Percent = Annotated[str, StringConstraints(pattern=_PERCENT)]
_Requests = Annotated[int, Field(ge=0)]


class PromoteEntry(_Entry):
    """When a file on trial is ready for the next mode."""

    after: Annotated[str, StringConstraints(pattern=_TRIAL)]
    max_new_denials: Annotated[Any, BeforeValidator(_denials, json_schema_input_type=_Percent | _Requests)]
    """A share with `%`, or a number of requests."""


class PolicyFile(_Entry):
    """policies/*.yaml, and policies/projects/NAME/*.yaml"""

    policy: Name
    owner: str
    mode: Literal["off", "shadow", "warn", "enforce"] = "enforce"
    canary: Annotated[int, Field(ge=1, le=100)] | None = None
    promote: PromoteEntry | None = None
    rules: list[RuleEntry]


class NeverEntry(_Entry):
    """A pair that must not meet."""

    request: dict[str, Any] = {}
    backend: dict[str, Any] = {}


class AlwaysEntry(_Entry):
    """Requests that somebody must be able to serve."""

    request: dict[str, Any] = {}


class AfterEntry(_Entry):
    """Backends that a request may not go to once it has been to others."""

    left: dict[str, Any]
    enter: dict[str, Any]


class ChainEntry(_Entry):
    """Bounds on the calls of one request."""

    max_distinct_operators: Annotated[int, Field(ge=1, le=9)] | None = None
    never_after: AfterEntry | None = None


class NewAccessEntry(_Entry):
    """The version that access is compared with."""

    base: Annotated[str, StringConstraints(pattern=_REF)]
    unless_approved_by: str | None = None


class InvariantEntry(_Entry):
    """One invariant: an id and exactly one claim."""

    id: Name
    why: str | None = None
    absolute: bool = False
    over: Literal["catalog", "any_backend"] = "catalog"
    never: NeverEntry | None = None
    always_some: AlwaysEntry | None = None
    backend: dict[str, Any] = {}
    monotone: Literal["sensitivity"] | None = None
    chain: ChainEntry | None = None
    no_new_access: NewAccessEntry | None = None


class InvariantsFile(_Entry):
    """invariants.yaml"""

    invariants: list[InvariantEntry]


class ExpectEntry(_Entry):
    """What a test expects."""

    permit: list[Name] | None = None
    deny: dict[Name, str | list[str] | None] | list[Name] | None = None
    permit_only: dict[str, Any] | None = None
    first: Name | None = None
    decision: Literal["permit", "deny"] | None = None
    http: Annotated[int, Field(ge=100, le=599)] | None = None
    reason: str | None = None
    hops: Annotated[int, Field(ge=0, le=9)] | None = None
    sent_outside: Annotated[int, Field(ge=0, le=9)] | None = None
    watch: list[Name] | None = None


class TestEntry(_Entry):
    """One example. `request` has attributes, and `model` and `needs` (capabilities)."""

    name: str
    request: dict[str, Any] = {}
    faults: dict[Name, int | str] = {}
    spent: dict[str, Usd | dict[Name, Usd]] = {}
    at: str | None = None
    expect: ExpectEntry


class TestsFile(_Entry):
    """tests/*.yaml"""

    tests: list[TestEntry]


class ExceptionEntry(_Entry):
    """A break-glass exception."""

    id: Name
    rules: Annotated[list[Name], Field(min_length=1)]
    principal: Annotated[dict[str, Any], Field(min_length=1)]
    backends: Annotated[list[Name], Field(min_length=1)]
    starts: str
    expires: str
    ticket: Annotated[str, StringConstraints(min_length=1)]
    requested_by: Annotated[str, StringConstraints(min_length=1)]
    approved_by: Annotated[list[str], Field(min_length=2, max_length=9)]
    why: str | None = None


class ExceptionsFile(_Entry):
    """exceptions/*.yaml"""

    exceptions: list[ExceptionEntry]
