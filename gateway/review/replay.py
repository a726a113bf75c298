"""What a change of policy would have done to past traffic: stored facts, decided again under both policies.

Only facts and figures are read; there is no text in them. Costs are those expected of the backend that would be asked
first, by the same estimate on both sides, so that prices count and luck does not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from gateway.core.decision import Candidate, Decision, Facts, Project
from gateway.core.labels import join
from gateway.core.stored import AWAY, Stored
from gateway.policy.decide import Eligibility
from gateway.policy.model import Bundle
from gateway.policy.suspend import RULE as SUSPENDED
from gateway.routing.asking import ask
from gateway.routing.plan import plan

_NO_MODEL = "no such model"


class Turned(msgspec.Struct, frozen=True):
    """Requests of one key for one model that are decided the other way round.

    `why` are the rules that deny now, or denied before; where none does, the permits that admit, or reasons in words.
    `example` is the decision id of one of them.
    """

    team: str
    key: str
    model: str
    why: tuple[str, ...]
    requests: int
    example: str


class Moved(msgspec.Struct, frozen=True):
    """Requests that would be sent to another backend first, and what they are expected to cost, in pico-USD."""

    before: str
    after: str
    requests: int
    before_pico_usd: int
    after_pico_usd: int
    example: str


class Cost(msgspec.Struct, frozen=True):
    """One team's costs in pico-USD: expected before and after, and what was in fact booked."""

    team: str
    requests: int
    before_pico_usd: int
    after_pico_usd: int
    booked_pico_usd: int

    @property
    def delta_pico_usd(self) -> int:
        """What the change adds."""
        return self.after_pico_usd - self.before_pico_usd


class Flow(msgspec.Struct, frozen=True):
    """How many requests of one label go first to one kind of place. `unknown`: nobody declared it."""

    sensitivity: str
    operator_origin: str
    weights_origin: str
    zone: str
    before: int
    after: int


class Replay(msgspec.Struct, frozen=True):
    """Past traffic under two policies. `begins` and `ends` are Unix seconds, None: there was no traffic.

    `unlike` are requests that the older policy decides otherwise than they were decided at the time, since another
    policy was in force, or a backend was not offered. The most frequent stands first everywhere.
    """

    requests: int
    begins: float | None
    ends: float | None
    unlike: int
    denied: tuple[Turned, ...]
    allowed: tuple[Turned, ...]
    moved: tuple[Moved, ...]
    costs: tuple[Cost, ...]
    flows: tuple[Flow, ...]

    @property
    def newly_denied(self) -> int:
        """Requests that were served and would not be."""
        return sum(each.requests for each in self.denied)

    @property
    def newly_allowed(self) -> int:
        """Requests that were refused and would not be."""
        return sum(each.requests for each in self.allowed)

    @property
    def rerouted(self) -> int:
        """Requests that would be sent to another backend first."""
        return sum(each.requests for each in self.moved)

    @property
    def delta_pico_usd(self) -> int:
        """What the change adds to the expected cost of all."""
        return sum(each.delta_pico_usd for each in self.costs)


def replay(stored: Iterable[Stored], old: Bundle, new: Bundle) -> Replay:
    """Decides past requests under both policies, and compares."""
    total = _Total(Eligibility(old), Eligibility(new))
    for each in stored:
        total.add(each)
    return total.replay()


class _Total:
    def __init__(self, old: Eligibility, new: Eligibility) -> None:
        self.old = old
        self.new = new
        self.requests = self.unlike = 0
        self.begins: float | None = None
        self.ends: float | None = None
        self.turned: dict[bool, Counter[tuple[str, str, str, tuple[str, ...]]]] = {True: Counter(), False: Counter()}
        self.rerouted: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self.costs: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self.flows: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
        self.examples: dict[object, str] = {}

    def add(self, stored: Stored) -> None:
        """Takes one request."""
        before, after = _decide(stored, self.old), _decide(stored, self.new)
        first, then = _first(before), _first(after)
        team = stored.facts.team or "unknown"
        self.requests += 1
        self.begins = stored.time if self.begins is None else min(self.begins, stored.time)
        self.ends = stored.time if self.ends is None else max(self.ends, stored.time)
        self.unlike += (stored.plan[0] if stored.plan else None) != (first.backend.id if first else None)
        costs = [each.expected_pico_usd if each else 0 for each in (first, then)]
        self.costs[team] = [a + b for a, b in zip(self.costs[team], (1, *costs, stored.cost_pico_usd), strict=True)]
        for side, candidate in enumerate((first, then)):
            if candidate is not None:
                self.flows[_flow(stored.facts, candidate)][side] += 1
        if (first is None) != (then is None):
            key = (team, stored.facts.key or "unknown", stored.requested, _why(before, after))
            self.turned[then is not None][key] += 1
            self.examples.setdefault((then is not None, key), stored.decision_id)
        elif first is not None and then is not None and first.backend.id != then.backend.id:
            pair = (first.backend.id, then.backend.id)
            self.rerouted[pair] = [a + b for a, b in zip(self.rerouted[pair], (1, *costs), strict=True)]
            self.examples.setdefault(pair, stored.decision_id)

    def replay(self) -> Replay:
        """The comparison."""
        moved = [
            Moved(before, after, requests, cost, then, self.examples[before, after])
            for (before, after), (requests, cost, then) in self.rerouted.items()
        ]
        costs = [Cost(team, *figures) for team, figures in self.costs.items()]
        flows = [Flow(*place, *counts) for place, counts in self.flows.items()]
        return Replay(
            requests=self.requests,
            begins=self.begins,
            ends=self.ends,
            unlike=self.unlike,
            denied=self._turned(served=False),
            allowed=self._turned(served=True),
            moved=tuple(sorted(moved, key=lambda each: (-each.requests, each.before, each.after))),
            costs=tuple(sorted(costs, key=lambda each: (-abs(each.delta_pico_usd), -each.requests, each.team))),
            flows=tuple(sorted(flows, key=lambda each: (-abs(each.after - each.before), -each.before, _names(each)))),
        )

    def _turned(self, *, served: bool) -> tuple[Turned, ...]:
        counted = sorted(self.turned[served].items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple(Turned(*key, count, self.examples[served, key]) for key, count in counted)


def _decide(stored: Stored, policy: Eligibility) -> Decision | None:
    """The plan for a stored request; None: the policy's catalog has no such name."""
    backends = policy.names.get(stored.requested)
    if backends is None:
        return None
    off = {each.backend for each in stored.denied if each.by in AWAY or SUSPENDED in each.rules}
    project = policy.projects.get(stored.facts.project or "")
    facts = _declared(stored.facts, project)

    def redacted(tags: tuple[str, ...]) -> Facts | None:
        form = stored.without(tags)
        return None if form is None else _declared(form, project)

    return plan(
        id=stored.decision_id,
        digest=policy.digest,
        requested=stored.requested,
        backends=backends,
        ruling=ask(policy, facts, stored.time, redacted),
        demand=stored.demand,
        not_offered=dict.fromkeys(off, "was off"),
    )


def past(stored: Iterable[Stored], bundle: Bundle) -> Counter[Facts]:
    """How often there were requests with these facts, as a tree declares their projects."""
    return Counter(_declared(each.facts, bundle.projects.get(each.facts.project or "")) for each in stored)


def _declared(facts: Facts, project: Project | None) -> Facts:
    """The facts as a tree declares their project. A label that a floor once raised stays where it was."""
    jurisdiction, floor = (project.jurisdiction, project.floor) if project else (None, None)
    raised = {
        name: join(label, floor)
        for name in ("sensitivity", "source_sensitivity")
        if floor and (label := getattr(facts, name))
    }
    return msgspec.structs.replace(facts, jurisdiction=jurisdiction, **raised)


def _first(decision: Decision | None) -> Candidate | None:
    return decision.candidates[0] if decision and decision.candidates else None


def _flow(facts: Facts, candidate: Candidate) -> tuple[str, str, str, str]:
    backend = candidate.backend
    origins = backend.word("operator_origin"), backend.word("weights_origin")
    return (facts.sensitivity or "unknown", *origins, backend.zone)


def _why(before: Decision | None, after: Decision | None) -> tuple[str, ...]:
    """The rules that deny now, or denied before; where none does, the permits that admit, or the reasons in words."""
    if first := _first(after):
        denied = (each.rules for each in before.excluded if each.backend == first.backend.id) if before else ()
        return next(filter(None, denied), first.rules)
    if after is None or before is None:
        return (_NO_MODEL,)
    lost = {candidate.backend.id for candidate in before.candidates}
    excluded = [each for each in after.excluded if each.backend in lost]
    rules = {rule for each in excluded for rule in each.rules}
    reasons = {each.reason for each in excluded if not each.rules}
    return tuple(sorted(rules)) or tuple(sorted(reasons)) or ("its backends are gone",)


def _names(flow: Flow) -> tuple[str, str, str, str]:
    return flow.sensitivity, flow.operator_origin, flow.weights_origin, flow.zone
