"""What an alert is: one value, from which its rule, its tests and its section of the runbook are made."""

from typing import Literal

import msgspec


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A history, a sample each `step`, in promtool's notation; `at` is when to look.

    For one that fires: the labels of the alerts (`severity` is added), each with the value as the summary shows it.
    """

    why: str
    series: tuple[tuple[str, str], ...]
    at: str
    fires: tuple[tuple[dict[str, str], str], ...] = ()
    step: Literal["1m", "30m"] = "1m"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. `lasts` is for how long its expression must hold; `critical` wakes somebody, `warning` can wait for
    the morning. `line` is the runbook in one line; `means`, `look` and `do` are its section of docs/runbook.md.
    """

    name: str
    expr: str
    lasts: str
    severity: Literal["critical", "warning"]
    summary: str
    line: str
    means: str
    look: tuple[str, ...]
    do: tuple[str, ...]
    cases: tuple[Case, ...]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A recording rule: a query that several alerts ask, or that is dear to ask over a week."""

    name: str
    expr: str
    why: str
