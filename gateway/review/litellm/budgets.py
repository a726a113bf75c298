"""Budgets of a config: those of everyone and of each team go to git, those of one provider or team are commands."""

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

import msgspec

from gateway.review.litellm.providers import KINDS
from gateway.review.litellm.reading import Section, decimal_of
from gateway.review.litellm.settings import said_of
from gateway.review.litellm.values import Ceiling, Command, Findings

_SPAN = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|w|mo)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "mo": 2_592_000}
WINDOWS = {"hour": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000}
"""Windows that commands take, and how long they are at least in seconds, where LiteLLM counts a month as 30 days."""
_PLACES = Decimal("0.000001")
_MOST = 1_000_000


class Budget(msgspec.Struct, frozen=True):
    """An amount for a window. `tightened` says how it is stricter than what the config says; empty: it is the same."""

    usd: Decimal
    window: str
    tightened: str = ""


def budget_of(amount: object, duration: object) -> Budget | None:
    """A budget as commands take one, None: the amount is none. One that a window of ours does not have gets a longer
    window, or an amount for each month: it binds at least as early, never later, but for one that LiteLLM never
    resets."""
    if (usd := _amount(amount)) is None:
        return None
    if duration is None:
        return Budget(usd, "month", "LiteLLM never resets it; here it is what may be spent in each month")
    found = _SPAN.match(str(duration))
    if found is None:
        return Budget(usd, "month", "its duration cannot be read; here it is a month")
    seconds = int(found[1]) * _SECONDS[found[2]]
    for window, length in WINDOWS.items():
        if seconds <= length:
            same = seconds == length
            return Budget(usd, window, "" if same else f"the window {duration} became a {window}, with the same amount")
    months = -(-seconds // WINDOWS["month"])
    share = (usd / months).quantize(_PLACES, ROUND_DOWN)
    return Budget(share, "month", f"the window {duration} became a month, with its part of the amount")


def _amount(written: object) -> Decimal | None:
    number = decimal_of(written)
    return number.quantize(_PLACES, ROUND_DOWN) if number is not None and 0 <= number <= _MOST else None


def rolling(duration: object) -> str | None:
    """A duration as a window of a policy, which may also be a number of hours or days; None: it is none."""
    found = _SPAN.match(str(duration))
    if found is None:
        return None
    seconds = int(found[1]) * _SECONDS[found[2]]
    named = {length: window for window, length in WINDOWS.items()}
    if seconds in named:
        return named[seconds]
    for unit, length in (("d", 86_400), ("h", 3600)):
        if seconds % length == 0 and 1 <= seconds // length <= 9999:
            return f"{seconds // length}{unit}"
    return None


def budgets_of(
    config: Section, providers: Mapping[str, str | None], found: Findings
) -> tuple[list[Ceiling], list[Command], dict[str, set[str]]]:
    """Ceilings for git, commands, and which keys of which section they were read from."""
    used: dict[str, set[str]] = {"litellm_settings": set(), "router_settings": set()}
    ceilings: list[Ceiling] = []
    commands: list[Command] = []
    litellm, router = config.get("litellm_settings") or {}, config.get("router_settings") or {}
    if litellm.get("max_budget") is not None:
        key = "litellm_settings.max_budget"
        if _ceiling(key, "organisation", litellm["max_budget"], litellm.get("budget_duration"), ceilings, found):
            used["litellm_settings"].add("max_budget")
            used["litellm_settings"] |= {"budget_duration"} & litellm.keys()
    if isinstance(teams := litellm.get("default_team_settings"), Sequence) and not isinstance(teams, str):
        used["litellm_settings"].add("default_team_settings")
        for team in teams:
            _team(team, ceilings, commands, found)
    if isinstance(written := router.get("provider_budget_config"), Mapping):
        used["router_settings"].add("provider_budget_config")
        for name, terms in written.items():
            _provider(name, terms, providers, commands, found)
    return ceilings, commands, used


def _ceiling(key: str, per: str, amount: object, duration: object, into: list[Ceiling], found: Findings) -> bool:
    usd, window = _amount(amount), rolling(duration)
    if usd is not None and window is not None:
        into.append(Ceiling(key, usd, per, window))
    elif budget := _budget(key, amount, duration, per, found):
        into.append(Ceiling(key, budget.usd, per, budget.window))
    return usd is not None


def _team(team: object, ceilings: list[Ceiling], commands: list[Command], found: Findings) -> None:
    section = "litellm_settings.default_team_settings"
    name = team.get("team_id") if isinstance(team, Mapping) else None
    if not isinstance(team, Mapping) or not isinstance(name, str):
        found.note(section, "an entry names no team", "Set its budget with `gateway budgets set --team NAME`.")
        return
    rest = [key for key, value in team.items() if key not in {"team_id", "max_budget", "budget_duration"} and value]
    for key in rest:
        found.note(f"{section}.{key}", *said_of("litellm_settings", key), name)
    if team.get("max_budget") is None:
        return
    if name == "default-settings":  # LiteLLM's word for each team that is not named
        _ceiling(section, "team", team["max_budget"], team.get("budget_duration"), ceilings, found)
    elif budget := _budget(section, team["max_budget"], team.get("budget_duration"), name, found):
        commands.append(_command("team", name, budget))


def _provider(
    name: str, terms: object, providers: Mapping[str, str | None], commands: list[Command], found: Findings
) -> None:
    section = "router_settings.provider_budget_config"
    ours = KINDS[name].ours if name in KINDS else name
    if not isinstance(terms, Mapping) or ours not in providers:
        found.note(
            section, "it is of no provider that this gateway knows", "Nothing, unless rows are made for it.", name
        )
        return
    amount = terms.get("budget_limit", terms.get("max_budget"))
    duration = terms.get("time_period", terms.get("budget_duration"))
    if budget := _budget(section, amount, duration, name, found):
        commands.append(_command("provider", ours, budget))
    for key in terms.keys() - {"budget_limit", "max_budget", "time_period", "budget_duration"}:
        found.note(f"{section}.{key}", *said_of("router_settings", key), name)


def _budget(key: str, amount: object, duration: object, whose: str, found: Findings) -> Budget | None:
    budget = budget_of(amount, duration)
    if budget is None:
        found.note(
            key,
            "it is no amount of USD up to a million",
            "Set one with `gateway budgets set`, or a rule with `limit`.",
            whose,
        )
        return None
    if budget.tightened:
        found.note(key, budget.tightened, "Set another amount or window if that is not meant.", whose)
    return budget


def _command(dimension: str, whose: str, budget: Budget) -> Command:
    words = (
        "gateway",
        "budgets",
        "set",
        f"--{dimension}={whose}",
        f"--usd={usd(budget.usd)}",
        f"--per={budget.window}",
    )
    return Command(words)


def usd(amount: Decimal) -> str:
    """An amount as commands and policies take it."""
    return f"{amount.normalize():f}"
