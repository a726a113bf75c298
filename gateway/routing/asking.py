"""Asking the policy about a request that can be sent in several forms: as it came, and with findings taken out."""

from collections.abc import Callable

import msgspec

from gateway.core.decision import Facts, Obligation, Ruling, strictest
from gateway.ports import Policy

Without = Callable[[tuple[str, ...]], Facts | None]
"""The facts of a request once findings with these tags are taken out; None: that cannot be done."""


def ask(policy: Policy, facts: Facts, moment: float, without: Without) -> Ruling:
    """The policy's answer. A backend that may not have the request as it came, but may have it with findings taken out,
    is permitted with `redact` as an obligation; what is asked of the form that it would get counts, too."""
    ruling = policy.ask(facts, moment)
    if not facts.tags:
        return ruling  # nothing was found that could be taken out, or nobody knows
    permitted = {}
    for id, verdict in ruling.verdicts.items():
        if verdict.permitted or not verdict.redact or (form := without(verdict.redact)) is None:
            continue
        again = policy.ask(form, moment).verdicts[id]
        if again.permitted:
            taken = Obligation("redact", tags=verdict.redact)
            permitted[id] = msgspec.structs.replace(again, do=strictest((*again.do, taken)))
    return msgspec.structs.replace(ruling, verdicts={**ruling.verdicts, **permitted}) if permitted else ruling


def taken_out(do: tuple[Obligation, ...]) -> tuple[str, ...]:
    """The tags of the findings that are to be taken out of a request, by its obligations."""
    return next((each.tags for each in do if each.name == "redact"), ())
