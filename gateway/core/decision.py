"""What is asked of the policy, and what was decided."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from gateway.core.buckets import bucket_of
from gateway.core.catalog import Backend


class Facts(msgspec.Struct, frozen=True):
    """Everything a policy may ask about a request at one hop. Flat, no text; None means unknown, never a default.

    An attribute is one field here, one row in `policy.vocabulary`, and the line in `relay` that fills it. From
    `attempt` on the facts are about the hop: they are the only ones that change between the hops of a request.
    """

    sensitivity: str | None
    tags: frozenset[str] | None
    purpose: str | None
    project: str | None
    team: str | None
    app: str | None
    key: str | None
    source_sensitivity: str | None = None
    redaction: str | None = "none"
    jurisdiction: str | None = None
    person: str | None = None
    budget: str | None = "ok"
    attempt: str | None = "1"
    last_error: str | None = "none"
    visited_regions: frozenset[str] | None = frozenset()
    visited_operators: frozenset[str] | None = frozenset()

    @property
    def bucket(self) -> str | None:
        """The bucket that the key is in. It follows from the key, so it is no field, and never contradicts it."""
        return None if self.key is None else bucket_of(self.key)


class Project(msgspec.Struct, frozen=True):
    """What is declared of a project; None: nothing, so it is unknown. `floor` is the least label of its requests,
    `opaque_as` the level that parts count as which nobody can read."""

    name: str
    jurisdiction: str | None = None
    floor: str | None = None
    opaque_as: str | None = None


class Obligation(msgspec.Struct, frozen=True, order=True):
    """Something to be done for a call: its name (`policy.obligations`), its figure (0: it has none), and the tags of
    the findings that it is about."""

    name: str
    amount: int = 0
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.name, *([str(self.amount)] if self.amount else ()), *self.tags])


def strictest(due: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """Each obligation once, with its smallest figure and all its tags."""
    least: dict[str, Obligation] = {}
    for each in due:
        other = least.get(each.name, each)
        tags = tuple(sorted({*each.tags, *other.tags}))
        least[each.name] = Obligation(each.name, min(each.amount, other.amount), tags)
    return tuple(sorted(least.values()))


class Verdict(msgspec.Struct, frozen=True):
    """What the policy says of one backend, by rule id.

    `permits` are true and `forbids` fire; `do` is to be done before it is sent; `watched` are rules in shadow or warn
    mode that would have fired; `broken` are forbids that a break-glass exception lifts; `revokes`: some forbid that
    fires also cuts calls that are running. `redact` are the tags of findings that would have to be taken out first for
    it to be permitted, if that is what it lacks.
    """

    permits: tuple[str, ...]
    forbids: tuple[str, ...]
    do: tuple[Obligation, ...] = ()
    watched: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    revokes: bool = False
    redact: tuple[str, ...] = ()

    @property
    def permitted(self) -> bool:
        """Some permit is true and no forbid fires."""
        return bool(self.permits) and not self.forbids


class Ruling(msgspec.Struct, frozen=True):
    """The policy's answer: the facts as it read them, a verdict for each backend id, and what to order by."""

    facts: Facts
    verdicts: dict[str, Verdict]
    order: frozenset[str]


By = Literal["policy", "capability", "context", "price", "offer", "budget", "health", "load"]


class Exclusion(msgspec.Struct, frozen=True):
    """Why a backend is not asked: which stage said so, the rules if there are any, and the reason in words.

    `wait` is the seconds until it may be otherwise, 0: nobody knows.
    """

    backend: str
    by: By
    rules: tuple[str, ...]
    reason: str
    wait: int = 0


class Candidate(msgspec.Struct, frozen=True):
    """A backend that may be asked, the permits that admit it, and what it is expected to cost in pico-USD.

    `do`, `watched` and `broken` are those of its verdict: what must be done before anything is sent to it, the rules in
    trial that would have fired, and the forbids that a break-glass exception lifts.
    """

    backend: Backend
    rules: tuple[str, ...]
    expected_pico_usd: int
    do: tuple[Obligation, ...] = ()
    watched: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


class Redaction(msgspec.Struct, frozen=True):
    """A form of a request with findings of these tags taken out: what a policy may ask about it."""

    tags: tuple[str, ...]
    facts: Facts


class Decision(msgspec.Struct, frozen=True):
    """The ordered candidates are the fallback plan: there is no other list. `facts` are of the request as it came."""

    id: str
    policy_digest: str
    requested: str
    facts: Facts
    candidates: tuple[Candidate, ...]
    excluded: tuple[Exclusion, ...]
    redactions: tuple[Redaction, ...] = ()


PERMITTED = ("load", "health", "budget", "offer", "price")
"""Exclusions of backends that policy permits and that could do what is asked."""


def denied_by(decision: Decision) -> list[str]:
    """The rules by which no backend may be asked, in order; none: some may, or it is not policy that they lack, or not
    policy alone: one that has no room, or fails, or is not there, or that no money is left for, is permitted."""
    by_policy = [each for each in decision.excluded if each.by == "policy"]
    if decision.candidates or not by_policy or any(each.by in PERMITTED for each in decision.excluded):
        return []
    return sorted({rule for each in by_policy for rule in each.rules}) or ["default-deny"]
