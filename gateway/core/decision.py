"""What is asked of the policy, and what was decided."""

from typing import Literal

import msgspec

from gateway.core.catalog import Backend


class Facts(msgspec.Struct, frozen=True):
    """Everything a policy may ask about a request. Flat, no text; None means unknown, never a default.

    An attribute is one field here, one row in `policy.vocabulary`, and the line in `relay` that fills it.
    """

    sensitivity: str | None
    tags: frozenset[str] | None
    purpose: str | None
    project: str | None
    team: str | None
    app: str | None
    key: str | None


class Verdict(msgspec.Struct, frozen=True):
    """What the policy says of one backend: the permits that are true and the forbids that fire, by rule id."""

    permits: tuple[str, ...]
    forbids: tuple[str, ...]

    @property
    def permitted(self) -> bool:
        """Some permit is true and no forbid fires."""
        return bool(self.permits) and not self.forbids


class Ruling(msgspec.Struct, frozen=True):
    """The policy's answer: the facts as it read them, a verdict for each backend id, and what to order by."""

    facts: Facts
    verdicts: dict[str, Verdict]
    order: frozenset[str]


By = Literal["policy", "capability", "context", "price", "offer"]


class Exclusion(msgspec.Struct, frozen=True):
    """Why a backend is not asked: which stage said so, the rules if it was the policy, and the reason in words."""

    backend: str
    by: By
    rules: tuple[str, ...]
    reason: str


class Candidate(msgspec.Struct, frozen=True):
    """A backend that may be asked, the permits that admit it, and what it is expected to cost in pico-USD."""

    backend: Backend
    rules: tuple[str, ...]
    expected_pico_usd: int


class Decision(msgspec.Struct, frozen=True):
    """The ordered candidates are the fallback plan: there is no other list."""

    id: str
    policy_digest: str
    requested: str
    facts: Facts
    candidates: tuple[Candidate, ...]
    excluded: tuple[Exclusion, ...]
