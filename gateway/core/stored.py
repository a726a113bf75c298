"""A decision as it is kept: what was asked, what was decided, and what came of it. No prompt text."""

import msgspec

from gateway.core.chat import Demand
from gateway.core.decision import By, Facts, Redaction
from gateway.core.record import End
from gateway.core.usage import Usage

AWAY = ("offer", "health", "load")
"""Stages that say nothing of what is permitted: the backend was not there then, or had no room."""


class Denied(msgspec.Struct, frozen=True):
    """A backend that was not to be asked: which stage said so, and the rules if it was the policy."""

    backend: str
    by: By
    rules: tuple[str, ...]


class Stored(msgspec.Struct, frozen=True):
    """One request that reached a decision. Enough to decide it again under another policy, and to price it again.

    `time` is Unix seconds. `facts` are as the policy read them: a word that its vocabulary did not hold is None.
    `plan` are the backends that could be asked, in that order. `backend` is the one whose answer the client got, or
    the last one tried; None: nothing was sent. `usage` is of that last call, `cost_pico_usd` of all calls.
    `redactions` are the forms with something taken out that were made, `provenance` are the sources of the label with
    what each asked for, `kinds` what was found.
    """

    decision_id: str
    request_id: str
    time: float
    policy_digest: str
    requested: str
    facts: Facts
    demand: Demand
    plan: tuple[str, ...]
    denied: tuple[Denied, ...]
    backend: str | None
    usage: Usage
    cost_pico_usd: int
    end: End
    status: int
    redactions: tuple[Redaction, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    kinds: tuple[str, ...] = ()

    def without(self, tags: tuple[str, ...]) -> Facts | None:
        """The facts with findings of these tags taken out, None: that form was never made."""
        return next((each.facts for each in self.redactions if each.tags == tags), None)
