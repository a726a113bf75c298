"""What to do next, as a function of what happened so far."""

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Candidate, Decision, Facts
from gateway.core.errors import Failed, FailureKind, Refusal

MAX_ATTEMPTS = 4
"""Most backends that one request may reach; a client's own retries multiply it."""
_WAIT_SECONDS = "5"


class Attempt(msgspec.Struct, frozen=True):
    """The hop to make next. Hops count from 1."""

    hop: int
    candidate: Candidate


class GiveUp(msgspec.Struct, frozen=True):
    """There is no next hop. None: nothing was ever tried."""

    last: Failed | None


class Told(msgspec.Struct, frozen=True):
    """What the client is told when every call failed. `code` is our own word for it; `error` may quote a provider.
    `retry_after_ms` is more exact than `retry_after`, where a single failure was told so."""

    status: int
    error: dict[str, object]
    retry_after: str | None
    code: str
    retry_after_ms: int | None = None


def next_step(decision: Decision, failures: tuple[Failed, ...], max_attempts: int = MAX_ATTEMPTS) -> Attempt | GiveUp:
    """The next attempt, or why there is none. A candidate is asked once: a retry is a second candidate,
    put there by the policy, where everyone can see it."""
    tried = len(failures)
    if failures and not failures[-1].kind.may_fall_back:
        return GiveUp(failures[-1])
    if tried >= min(max_attempts, len(decision.candidates)):
        return GiveUp(failures[-1] if failures else None)
    return Attempt(tried + 1, decision.candidates[tried])


def after(facts: Facts, backend: Backend, failed: Failed) -> Facts:
    """The facts of the next hop. Whatever became of a call, its backend counts as visited."""
    return msgspec.structs.replace(
        facts,
        attempt=None if facts.attempt is None else str(int(facts.attempt) + 1),
        last_error=failed.kind.code,
        visited_regions=_visited(facts.visited_regions, backend.fact("region")),
        visited_operators=_visited(facts.visited_operators, backend.fact("operator_origin")),
    )


def _visited(places: frozenset[str] | None, place: str | frozenset[str] | None) -> frozenset[str] | None:
    """One place more. After a place that nobody declared, nobody knows where the request has been."""
    return places | {place} if places is not None and isinstance(place, str) else None


def given_up(decision: Decision, failures: tuple[Failed, ...]) -> Told:
    """How a request failed: a single failure as it came, several as what they have in common."""
    last = failures[-1]
    too_much = last.kind in {FailureKind.CONTEXT_TOO_LONG, FailureKind.TOO_LARGE}
    together = len(failures) > 1 and last.kind.may_fall_back and not too_much
    if not together or {failed.kind for failed in failures} == {FailureKind.THROTTLED}:
        soon = _soonest(failures if together else (last,))
        busy = last.kind in {FailureKind.THROTTLED, FailureKind.OVERLOADED}
        exact = None if together else last.retry_after_ms
        return Told(last.status, last.error, soon or (_WAIT_SECONDS if busy else None), last.kind.code, exact)
    tried = ", ".join(
        f"{candidate.backend.id}: {failed.kind.code}"
        for candidate, failed in zip(decision.candidates, failures, strict=False)
    )
    refusal = Refusal.NO_BACKEND
    message = f"no permitted backend is available ({tried}){denied_others(decision)}"
    error: dict[str, object] = {"message": message, "type": refusal.type, "param": None, "code": refusal.code}
    return Told(refusal.status, error, _soonest(failures) or _WAIT_SECONDS, refusal.code)


def _soonest(failures: tuple[Failed, ...]) -> str | None:
    """The least of what providers said that has to be waited, since one that serves is enough; None: none said it.
    A date is told as it came where nobody said seconds."""
    said = [failed.retry_after for failed in failures if failed.retry_after is not None]
    seconds = [each for each in said if each.strip().isdecimal()]
    return min(seconds, key=float) if seconds else said[-1] if said else None


def denied_others(decision: Decision) -> str:
    """Words for the rules that took other backends out, to go behind why the permitted ones do not serve."""
    rules = sorted({rule for excluded in decision.excluded if excluded.by == "policy" for rule in excluded.rules})
    return f"; policy denies others (rules: {', '.join(rules)})" if rules else ""
