"""Counterexamples: a request that breaks an invariant, asked of the real policy, and put so that it can be acted on."""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec
import yaml

from gateway.core.catalog import PASSPORT, Backend
from gateway.core.decision import Facts, Verdict
from gateway.policy.cells import OTHER, Cells
from gateway.policy.claims import told_otherwise
from gateway.policy.clauses import clauses
from gateway.policy.conditions import ANY
from gateway.policy.decide import Eligibility, known_only
from gateway.policy.document import Mark
from gateway.policy.model import Bundle, Exemption, Invariant, bound, of_backend, of_request
from gateway.policy.query import PLAIN
from gateway.policy.space import Cube
from gateway.policy.vocabulary import BACKEND, REQUEST

_NOTHING: tuple[object, ...] = (frozenset(), "none", "1")
"""Usual values that need no word even where they matter: no tags, not redacted, the first call."""
_NEAREST = 3
"""Forbids that are named as the nearest."""
Written = dict[str, str | list[str]]
"""Attributes with their values, as a test file has them."""


class Place(msgspec.Struct, frozen=True):
    """A rule and where it stands. `asks`: its one condition that is not met; empty: all are."""

    rule: str
    mark: Mark
    asks: str = ""


class Step(msgspec.Struct, frozen=True):
    """One call of a request: to whom, admitted by which permits, and after which error; empty: it is the first."""

    backend: str
    permits: tuple[Place, ...]
    after: str = ""


class Counterexample(msgspec.Struct, frozen=True):
    """The plainest request that breaks an invariant.

    `request` is what matters about it (all else may be anything), `facts` one such request. It reaches `backend`, or,
    when there is a `passport`, any backend with these facts; empty: nobody. `permits` admit it, `nearest` are forbids
    that lack one condition, `lifted` are forbids that an exception would have to lift. `calls` are a chain's. With the
    label `lower` it is denied. `denied` says by which forbids, for each backend; none: no rule permits it.
    `test` is a file for tests/ that fails until this is mended; empty: a test cannot say it.
    """

    facts: Facts
    request: Written
    backend: str = ""
    passport: Written | None = None
    permits: tuple[Place, ...] = ()
    nearest: tuple[Place, ...] = ()
    lifted: tuple[str, ...] = ()
    calls: tuple[Step, ...] = ()
    lower: str = ""
    denied: dict[str, tuple[str, ...]] = {}
    test: str = ""


class Witness:
    """Makes counterexamples out of cells. Each is asked of the policy first: what it does not confirm is our bug.

    A cube says what matters about a request, a cell in it is the request. `lifted` are rules that an exception lifts.
    """

    def __init__(self, bundle: Bundle, invariant: Invariant, cells: Cells) -> None:
        self.bundle = bundle
        self.invariant = invariant
        self.cells = cells
        self._usual = known_only(PLAIN, bundle.vocabulary)
        self._marks = {rule.id: rule.mark for rule in bundle.rules}

    def reaching(
        self, cube: Cube, cell: Cube, backend: Backend | None, lifted: Collection[str], lower: Cube | None = None
    ) -> Counterexample:
        """The request reaches a backend; None: one with the facts of the cell. In the cell `lower` it does not."""
        facts = self._facts(cube, cell)
        passport = None
        if backend is None:
            backend, passport = self._conceivable(cube, cell)
        below, denied = None, dict[str, tuple[str, ...]]()
        if lower is not None:
            below = self._facts(cube, lower)
            facts = msgspec.structs.replace(facts, project=below.project)
            denied[backend.id] = self._denied(below, backend, lifted)
        verdict = self._permitted(facts, backend, lifted)
        request = self._request(cube, facts, label=lower is not None)
        return Counterexample(
            facts=facts,
            request=request,
            backend=backend.id,
            passport=passport,
            permits=self._places(verdict.permits),
            nearest=() if lower is not None else self._nearest(facts, backend, verdict.broken),
            lifted=verdict.broken,
            lower="" if below is None else below.sensitivity or "",
            denied=denied,
            test="" if passport is not None or verdict.broken else self._test(request, {"deny": [backend.id]}),
        )

    def serving_nobody(self, cube: Cube, cell: Cube, wanted: Iterable[Backend]) -> Counterexample:
        """No wanted backend may serve the request."""
        facts = self._facts(cube, cell)
        request = self._request(cube, facts)
        denied = {backend.id: self._denied(facts, backend, ()) for backend in wanted}
        others = (backend for backend in self.bundle.backends if backend.id not in denied)
        served = [backend.id for backend in others if self._ask(facts, backend, ()).permitted]
        expect: dict[str, object] = {"decision": "permit"}
        if served:  # then a decision alone would not tell: name somebody who ought to be permitted, too
            expect = {"permit": sorted([*served, *list(denied)[:1]])}
        return Counterexample(facts=facts, request=request, denied=denied, test=self._test(request, expect))

    def walking(
        self, cube: Cube, cell: Cube, path: Sequence[tuple[Backend, str]], lifted: Collection[str]
    ) -> Counterexample:
        """The calls of the request go to backends in an order that must not be, each after an error."""
        facts = self._facts(cube, cell)
        calls, broken = list[Step](), dict[str, None]()
        for number, (backend, error) in enumerate(path, 1):
            before = [earlier for earlier, _ in path[: number - 1]]
            facts = msgspec.structs.replace(
                facts,
                attempt=str(number),
                last_error=error,
                visited_regions=_visited(before, "region"),
                visited_operators=_visited(before, "operator_origin"),
            )
            verdict = self._permitted(facts, backend, lifted)
            broken |= dict.fromkeys(verdict.broken)
            calls.append(Step(backend.id, self._places(verdict.permits), error if before else ""))
        request = self._request(cube, facts)
        return Counterexample(
            facts=facts,
            request=request,
            backend=backend.id,
            permits=calls[-1].permits,
            nearest=self._nearest(facts, backend, broken),
            lifted=tuple(broken),
            calls=tuple(calls),
            test="" if broken else self._test(request, {"deny": [backend.id]}),
        )

    def _facts(self, cube: Cube, cell: Cube) -> Facts:
        """The request of a cell. Where a name matters it is a name, not the `any` of a request that says nothing."""
        facts = self.cells.facts(cell, self._usual)
        named = [name for name in ("team", "app", "key") if self._matters(cube, name)]
        fresh = {name: self.cells.other(name, None) for name in named if getattr(facts, name) == ANY}
        return self.cells.in_bucket(msgspec.structs.replace(facts, **fresh), cell)

    def _ask(self, facts: Facts, backend: Backend, lifted: Collection[str]) -> Verdict:
        """What the policy says of a backend while an exception lifts some rules."""
        nobody = Mark("-")
        opened = Exemption("-", frozenset(lifted), (), frozenset({backend.id}), 0.0, 2.0, "", "", (), nobody)
        alone = msgspec.structs.replace(self.bundle, backends=(backend,), exemptions=(opened,) if lifted else ())
        return Eligibility(alone).ask(facts, 1.0).verdicts[backend.id]

    def _permitted(self, facts: Facts, backend: Backend, lifted: Collection[str]) -> Verdict:
        verdict = self._ask(facts, backend, lifted)
        if not verdict.permitted:
            raise AssertionError(f"{self.invariant.id}: {backend} is not permitted for {facts}: {verdict}")
        return verdict

    def _denied(self, facts: Facts, backend: Backend, lifted: Collection[str]) -> tuple[str, ...]:
        verdict = self._ask(facts, backend, lifted)
        if verdict.permitted:
            raise AssertionError(f"{self.invariant.id}: {backend} is permitted for {facts}: {verdict}")
        return verdict.forbids

    def _conceivable(self, cube: Cube, cell: Cube) -> tuple[Backend, Written]:
        """A backend with the facts of a cell, and those of them that matter."""
        read = self.cells.read(cell)
        names = {}
        for name, usual in (("backend", "conceivable"), ("provider", "openai-compatible")):
            value = read.get(f"backend.{name}", usual)
            names[name] = self.cells.other(f"backend.{name}", usual) if value == OTHER else str(value)
        passport = {name: fact for name in PASSPORT if (fact := read.get(f"backend.{name}")) is not None}
        backend = Backend(names["backend"], names["provider"], "", names["backend"], passport)
        values = {**names, **passport}
        written = {
            name: _written(values[name]) if name in values else "undeclared"
            for name in BACKEND
            if self._matters(cube, f"backend.{name}")
        }
        return backend, written

    def _request(self, cube: Cube, facts: Facts, *, label: bool = False) -> Written:
        """What a test has to say: what matters about a request, and what is not as it would be without a word."""
        written: Written = {}
        project = self.bundle.projects.get(facts.project or "")
        unsaid = msgspec.structs.replace(
            self._usual,
            sensitivity=self._usual.sensitivity if self.cells.has("sensitivity") else facts.sensitivity,
            source_sensitivity=facts.sensitivity,
            jurisdiction=project.jurisdiction if project else None,
        )
        for name, attribute in REQUEST.items():
            value = getattr(facts, attribute.field)
            told = name == "source_sensitivity" and value == facts.sensitivity and "sensitivity" in written
            matters = self._matters(cube, name) or (label and name == "sensitivity")
            if told_otherwise(name, facts):
                continue
            if value != getattr(unsaid, attribute.field) or (matters and not told and value not in _NOTHING):
                written[name] = _written(value)
        return written

    def _matters(self, cube: Cube, name: str) -> bool:
        """Whether a cube leaves an attribute open."""
        return any(
            mask != full
            for variable, mask, full in zip(self.cells.variables, cube, self.cells.whole, strict=True)
            if variable.name.partition(":")[0] == name
        )

    def _places(self, rules: Iterable[str]) -> tuple[Place, ...]:
        return tuple(Place(rule, self._marks[rule]) for rule in rules)

    def _nearest(self, facts: Facts, backend: Backend, lifted: Collection[str]) -> tuple[Place, ...]:
        """The forbids that would fire if one thing were otherwise; those first that ask it of the request."""
        found: dict[str, Place] = {}
        for _, rule, asks in sorted(self._short_of_one(facts, backend, lifted)):
            found.setdefault(rule, Place(rule, self._marks[rule], asks))
        return tuple(found.values())[:_NEAREST]

    def _short_of_one(self, facts: Facts, backend: Backend, lifted: Collection[str]) -> Iterator[tuple[bool, str, str]]:
        for clause in clauses(self.bundle).forbids:
            here = ((atom, bound(atom, backend)) for atom in clause.when)
            lacking = [atom for atom, at in here if at is not None and of_request(at, facts) is False]
            lacking += [atom for atom in clause.to if of_backend(atom, backend) is False]
            if len(lacking) == 1 and clause.rule not in lifted:
                of_it = lacking[0].side == "backend"
                yield of_it, clause.rule, f"{'backend ' if of_it else ''}{lacking[0].text}"

    def _test(self, request: Written, expect: dict[str, object]) -> str:
        id = self.invariant.id
        return (
            f"# Found by `gateway policy prove`: this fails until invariant {id} holds.\n"
            f"tests:\n  - name: counterexample to {id}\n    request: {_flow(request)}\n    expect: {_flow(expect)}\n"
        )


def _flow(data: object) -> str:
    """Plain data as YAML in one line."""
    return str(yaml.safe_dump(data, sort_keys=False, default_flow_style=True, width=math.inf)).strip()


def _written(value: str | frozenset[str] | None) -> str | list[str]:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else sorted(value)


def _visited(backends: Iterable[Backend], fact: str) -> frozenset[str] | None:
    """What a fact of earlier calls comes to; None: one of them does not declare it."""
    words = {backend.fact(fact) for backend in backends}
    return None if None in words else frozenset(str(word) for word in words)
