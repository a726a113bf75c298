"""What to do next, as a function of what happened so far."""

import msgspec

from gateway.core.decision import Candidate, Decision
from gateway.core.errors import Failed

MAX_ATTEMPTS = 4
"""Most backends that one request may reach; a client's own retries multiply it."""


class Attempt(msgspec.Struct, frozen=True):
    """The hop to make next. Hops count from 1."""

    hop: int
    candidate: Candidate


class GiveUp(msgspec.Struct, frozen=True):
    """There is no next hop. None: nothing was ever tried."""

    last: Failed | None


def next_step(decision: Decision, failures: tuple[Failed, ...], max_attempts: int = MAX_ATTEMPTS) -> Attempt | GiveUp:
    """The next attempt, or why there is none. A candidate is asked once: a retry is a second candidate,
    put there by the policy, where everyone can see it."""
    tried = len(failures)
    if failures and not failures[-1].kind.may_fall_back:
        return GiveUp(failures[-1])
    if tried >= min(max_attempts, len(decision.candidates)):
        return GiveUp(failures[-1] if failures else None)
    return Attempt(tried + 1, decision.candidates[tried])
