"""From the policy's ruling to an ordered plan. Only narrows: what the policy denies cannot come back here."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from gateway.core import tokens
from gateway.core.budget import Exceeded, utc
from gateway.core.catalog import URLS, Backend
from gateway.core.chat import Demand
from gateway.core.decision import Candidate, Decision, Exclusion, Obligation, Redaction, Ruling, Verdict, strictest
from gateway.core.discharge import demanded, undoable
from gateway.core.errors import FINAL, Refusal, Refused
from gateway.core.fallback import Attempt, denied_others
from gateway.core.lane import Held
from gateway.core.price import Price, rates_of, service_of, usd
from gateway.core.rate import Throttled, pace_headers

Lacks = Callable[[Backend, tuple[Obligation, ...]], str]
"""Why a backend cannot do what is asked, once the obligations are done; empty: it can."""

TYPICAL_OUTPUT = 512
"""Tokens that an answer is expected to have when the client set no limit; only for comparing prices."""

COUNT_AGAIN_SECONDS = 2
"""When to come back while nobody can count."""

_UNDER_WAY_SECONDS = 2
"""When to ask again for money that calls under way hold: they give most of it back when they end."""
_OWN = frozenset({"key", "app", "team", "project"})
"""Limits of those a caller belongs to. What others spend, too, is not the caller's to know."""
_NAMED = 3

DENIED = Verdict((), ())
"""What a ruling says of a backend that it does not name."""


def plan(
    *,
    id: str,
    digest: str,
    requested: str,
    backends: Collection[Backend],
    ruling: Ruling,
    demand: Demand,
    not_offered: Mapping[str, str],
    redactions: tuple[Redaction, ...] = (),
    lacks: Lacks | None = None,
    rank: Callable[[str], int] | None = None,
) -> Decision:
    """Splits the backends behind a name into ordered candidates and exclusions, each with its reason.

    `lacks` tells what a backend cannot do of this very request; None: only what is demanded is known of it. `rank`
    tells which backends are asked after others, whatever they cost; None: none is."""
    candidates: list[Candidate] = []
    excluded: list[Exclusion] = []
    for backend in backends:
        verdict = ruling.verdicts.get(backend.id, DENIED)
        do = verdict.do
        asked = demanded(demand, do) if do and not undoable(do) else demand
        if found := _exclusion(backend, verdict, asked, not_offered):
            excluded.append(found)
        elif lacks is not None and (lacking := lacks(backend, do)):
            excluded.append(Exclusion(backend.id, "capability", (), lacking))
        elif backend.price is not None:
            expected = _expected(backend.price, asked)
            candidates.append(Candidate(backend, verdict.permits, expected, do, verdict.watched, verdict.broken))
    if not candidates and lacks is not None:
        excluded = [_unable(each, backends, ruling, lacks) for each in excluded]
    if len(candidates) > 1:
        by_cost = "cost" in ruling.order
        candidates.sort(key=lambda each: (each.expected_pico_usd if by_cost else 0, each.backend.id))
        if rank is not None:
            candidates.sort(key=lambda each: rank(each.backend.id))
    return Decision(id, digest, requested, ruling.facts, tuple(candidates), tuple(excluded), redactions)


def _exclusion(backend: Backend, verdict: Verdict, demand: Demand, not_offered: Mapping[str, str]) -> Exclusion | None:
    """Why a backend is out: what it cannot do, since no policy changes that, then the policy, then what is missing."""
    if lacking := demand.needs - backend.capabilities:
        hint = "; it fetches nothing, so send the content itself as a `data:` URL" if URLS in lacking else ""
        return Exclusion(backend.id, "capability", (), f"lacks {', '.join(sorted(lacking))}{hint}")
    least = tokens.prompt_at_least(demand.input_bytes) if demand.prompts == 1 else 0
    if backend.context is not None and least > backend.context:
        return Exclusion(
            backend.id, "context", (), f"the prompt has at least {least} tokens, its context is {backend.context}"
        )
    if not verdict.permitted:
        reason = "forbidden" if verdict.forbids else "no rule permits it"
        return Exclusion(backend.id, "policy", verdict.forbids, reason)
    if verdict.do and (undone := undoable(verdict.do)):
        return Exclusion(backend.id, "policy", (), f"requires what cannot be done here: {', '.join(undone)}")
    if backend.price is None:
        return Exclusion(backend.id, "price", (), "has no price, so its cost could not be booked")
    if missing := not_offered.get(backend.id):
        return Exclusion(backend.id, "offer", (), missing)
    return None


def _unable(excluded: Exclusion, backends: Iterable[Backend], ruling: Ruling, lacks: Lacks) -> Exclusion:
    """An exclusion of a backend that is not there, or what it could not do if it were: that is for the caller to mend.
    Found out only where nobody serves, since it takes longer than all the rest."""
    if excluded.by in {"offer", "price"}:
        backend = next(each for each in backends if each.id == excluded.backend)
        if lacking := lacks(backend, ruling.verdicts.get(backend.id, DENIED).do):
            return Exclusion(backend.id, "capability", (), lacking)
    return excluded


def _expected(price: Price, demand: Demand) -> int:
    prompt = tokens.prompt_at_most(demand.input_bytes, demand.messages)
    limit = demand.output_limit
    written = TYPICAL_OUTPUT if limit is None else min(limit, TYPICAL_OUTPUT)
    rates = rates_of(price, prompt, service_of(price, demand.service, None))
    return prompt * rates.input + written * demand.choices * rates.output


def without(decision: Decision, backend: Backend, verdict: Verdict) -> Decision:
    """The decision without a candidate that the policy has come to deny."""
    candidates = tuple(each for each in decision.candidates if each.backend.id != backend.id)
    revoked = Exclusion(backend.id, "policy", verdict.forbids, "revoked while the request was under way")
    return msgspec.structs.replace(decision, candidates=candidates, excluded=(*decision.excluded, revoked))


def narrowed(decision: Decision, attempt: Attempt, pinned: Verdict, newest: Verdict) -> Decision:
    """The decision once the pinned and the newest policy were asked about an attempt: itself if both say what it says.

    Its candidate is out when either denies it. It stays, with the obligations of both, when those have become more.
    """
    candidate = attempt.candidate
    for verdict in (pinned, newest):
        if not verdict.permitted or undoable(verdict.do):
            return without(decision, candidate.backend, verdict)
    told = (
        pinned.do if pinned.do == newest.do else strictest(pinned.do + newest.do),
        tuple(dict.fromkeys(pinned.watched + newest.watched)),
        tuple(dict.fromkeys(pinned.broken + newest.broken)),
    )
    if told == (candidate.do, candidate.watched, candidate.broken):
        return decision
    do, watched, broken = told
    again = msgspec.structs.replace(candidate, do=do, watched=watched, broken=broken)
    at = attempt.hop - 1
    candidates = (*decision.candidates[:at], again, *decision.candidates[at + 1 :])
    return msgspec.structs.replace(decision, candidates=candidates)


def exhausted(decision: Decision, backend: Backend, exceeded: Exceeded, moment: float) -> Decision:
    """The decision without a candidate that a limit has no room for, if it is one."""
    candidates = tuple(each for each in decision.candidates if each.backend.id != backend.id)
    limit, wait = exceeded.limit, max(1, math.ceil(exceeded.resets - moment))
    spent, reserved = usd(exceeded.spent_pico_usd), usd(exceeded.reserved_pico_usd)
    reason = f"limit `{limit.rule}` per {limit.terms.per} and {limit.terms.window}"
    if limit.terms.per in _OWN:
        reason += f": {spent} USD spent and {reserved} reserved of {usd(exceeded.ceiling_pico_usd)}"
    reason += f", until {utc(exceeded.resets)}"
    if exceeded.needed_pico_usd:
        reason += f"; this call needs {usd(exceeded.needed_pico_usd)}"
        left = exceeded.ceiling_pico_usd - exceeded.spent_pico_usd - exceeded.reserved_pico_usd
        if exceeded.shortest_pico_usd <= left and exceeded.shortest_pico_usd < exceeded.needed_pico_usd:
            reason += ", with a smaller `max_tokens` less"
        if (
            exceeded.reserved_pico_usd
            and exceeded.spent_pico_usd + exceeded.needed_pico_usd <= exceeded.ceiling_pico_usd
        ):
            reason += "; there is room for it when calls under way have ended"
            wait = min(wait, _UNDER_WAY_SECONDS)
    excluded = Exclusion(backend.id, "budget", (limit.rule,), reason, wait)
    return msgspec.structs.replace(decision, candidates=candidates, excluded=(*decision.excluded, excluded))


def held_up(decision: Decision, backend: Backend, held: Held) -> Decision:
    """The decision without a candidate that is not asked now."""
    candidates = tuple(each for each in decision.candidates if each.backend.id != backend.id)
    excluded = Exclusion(backend.id, held.by, (), held.reason, max(1, math.ceil(held.wait)))
    return msgspec.structs.replace(decision, candidates=candidates, excluded=(*decision.excluded, excluded))


def planned_again(decision: Decision, calls: int, fresh: Decision) -> Decision:
    """The decision after so many calls: those that were called, then what the facts of the next hop have made the
    plan. A backend is called once, so none of them comes a second time."""
    called = decision.candidates[:calls]
    ids = {candidate.backend.id for candidate in called}
    return msgspec.structs.replace(
        decision,
        candidates=(*called, *(candidate for candidate in fresh.candidates if candidate.backend.id not in ids)),
        excluded=tuple(excluded for excluded in fresh.excluded if excluded.backend not in ids),
    )


def refusal(decision: Decision, poor: Sequence[Exceeded] = ()) -> Refused:
    """What to tell the client when nobody may be asked. Of several reasons the one that stands nearest to an answer:
    busy (429), down (503), no money (402), not in service (503), denied (403), not able (400). So 403 and 400 are said
    only where no backend is both permitted and able. `poor` are the limits that had no room."""
    by = {exclusion.by for exclusion in decision.excluded}
    named = f"model `{decision.requested}`"
    if now := [each for each in decision.excluded if each.by in {"load", "health"}]:  # it passes soon
        wait = min(each.wait for each in now)
        said = f"({'; '.join(_told(now))}){denied_others(decision)}"
        if "load" in by:
            message = f"every backend of {named} that may be asked is busy {said}; try again in {wait} s"
            return Refused(Refusal.OVERLOADED, message, retry_after=wait)
        message = f"no permitted backend of {named} is available {said}; try again in {wait} s"
        return Refused(Refusal.NO_BACKEND, message, retry_after=wait)
    if "budget" in by and not all(each.limit.counted for each in poor):
        message = "what was spent cannot be read at the moment, so nothing that costs is sent; try again"
        return Refused(Refusal.BUDGETS_DOWN, message, retry_after=COUNT_AGAIN_SECONDS)
    if "budget" in by:  # permitted and able, but for the money
        out = [exclusion for exclusion in decision.excluded if exclusion.by == "budget"]
        said = "; ".join(dict.fromkeys(exclusion.reason for exclusion in out))
        wait = min(exclusion.wait for exclusion in out)
        figures = {"budgets": [_figures(each) for each in dict.fromkeys(poor)]}
        message = f"no budget is left for {named} ({said})"
        return Refused(Refusal.BUDGET_EXCEEDED, message, retry_after=wait, details=figures)
    if not by:
        return Refused(Refusal.NO_BACKEND, "the catalog is empty; the gateway's operator adds backends", retry_after=30)
    if "offer" in by or "price" in by:  # permitted and able, but not there
        message = (
            f"no backend of {named} that may be asked is in service{denied_others(decision)}; its operator finds the "
            "reason with `gateway policy explain`"
        )
        final = () if "offer" in by else FINAL  # SDKs would: a price is not there by then
        return Refused(Refusal.NO_BACKEND, message, retry_after=30, headers=final)
    if "policy" in by:
        rules = {rule for exclusion in decision.excluded for rule in exclusion.rules}
        return _denial(f"policy denies {named} for this request", rules, decision)
    reasons = "; ".join(_told(decision.excluded))
    kind = Refusal.CONTEXT_TOO_LONG if by == {"context"} else Refusal.UNSUPPORTED
    return Refused(
        kind, f"no backend of {named} can do this: {reasons}", param="messages" if by == {"context"} else None
    )


def _told(excluded: Sequence[Exclusion]) -> Iterator[str]:
    """Each reason once, with the backends that it holds for: of many only the first ones."""
    by_reason: dict[str, list[str]] = {}
    for each in excluded:
        by_reason.setdefault(each.reason, []).append(each.backend)
    for reason, names in by_reason.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{reason} ({', '.join(names[:_NAMED])}{more})"


def _figures(exceeded: Exceeded) -> dict[str, object]:
    """A limit without room, for programs: amounts are decimal USD, the time is UTC."""
    terms = exceeded.limit.terms
    told = {"limit": exceeded.limit.rule, "per": terms.per, "account": exceeded.value, "window": terms.window}
    if terms.per in _OWN:
        told |= {
            "limit_usd": usd(exceeded.ceiling_pico_usd),
            "settled_usd": usd(exceeded.spent_pico_usd),
            "reserved_usd": usd(exceeded.reserved_pico_usd),
        }
    return {**told, "needed_usd": usd(exceeded.needed_pico_usd), "resets_at": utc(exceeded.resets)}


def too_soon(throttled: Throttled) -> Refused:
    """What to tell a client whose request comes too soon."""
    rate, wait = throttled.rate, max(1, math.ceil(throttled.wait))
    return Refused(
        Refusal.TOO_SOON,
        f"{rate.per} `{throttled.value}` may have {rate.a_minute} {rate.unit} a minute; try again in {wait} s",
        retry_after=wait,
        details={"type": rate.unit},
        headers=pace_headers(throttled.pace),
    )


def revocation(decision: Decision, verdict: Verdict) -> Refused:
    """What to tell the client when a call was cut while it was running."""
    named = f"model `{decision.requested}`"
    return _denial(f"policy has come to deny {named} while it was answering", verdict.forbids, decision)


def _denial(what: str, rules: Iterable[str], decision: Decision) -> Refused:
    said = f"rules: {', '.join(sorted(rules))}" if rules else "no rule permits it"
    return Refused(Refusal.POLICY_DENIED, f"{what} ({said}); decision {decision.id}")
