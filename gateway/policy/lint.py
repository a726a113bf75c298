"""What is odd about a tree that loads: found by asking the space of all requests, not by reading the text.

Everything here is a hint (warning or info), never a reason not to load.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from gateway.core.catalog import AUTO, OUT_OF_USE, Backend, names
from gateway.core.decision import Facts
from gateway.core.fallback import MAX_ATTEMPTS
from gateway.policy.cells import UNKNOWN, Cells, Piece, atoms_of
from gateway.policy.clauses import Clauses, clauses, permitting
from gateway.policy.document import Mark, Problem, Severity
from gateway.policy.model import Atom, Bundle, Clause, Rule, every, of_backend
from gateway.policy.nearest import cell_of
from gateway.policy.space import Cube, intersect, remainder, witness

_SOON_SECONDS = 14 * 86_400.0
_MOST_CLASSES = 5
"""Request classes without a backend that are shown."""


class Past(msgspec.Struct, frozen=True):
    """Requests that there were, by their facts, and since when, in words."""

    requests: Mapping[Facts, int]
    since: str


def lint(bundle: Bundle, today: str, moment: float, past: Past | None = None) -> tuple[Problem, ...]:
    """The hints for a bundle, sorted. `today` is a date (YYYY-MM-DD), `moment` Unix seconds. With `past`, requests that
    nobody may serve are counted in it."""
    return tuple(sorted(set(_Lint(bundle, past).all(today, moment))))


class _Lint:
    def __init__(self, bundle: Bundle, past: Past | None) -> None:
        self.bundle = bundle
        self.past = past
        self.clauses = clauses(bundle)
        atoms = atoms_of(bundle, self.clauses)
        self.cells = Cells(bundle, atoms)
        self.anywhere = Cells(bundle, atoms, any_backend=True)
        self.views = _views(bundle, self.cells, self.clauses)
        self.rules = {rule.id: rule for rule in bundle.rules}

    def all(self, today: str, moment: float) -> Iterator[Problem]:
        idle = set()
        for rule in (*self.bundle.effect("permit"), *self.bundle.effect("forbid"), *self.bundle.effect("require")):
            if said := self._never_matches(rule):
                idle.add(rule.id)
                yield _hint(rule.mark, "P201", f"rule `{rule.id}` {said}")
            elif rule.effect == "permit" and not self._fits(rule):
                idle.add(rule.id)
                said = f"rule `{rule.id}` permits nobody today: no backend of the catalog fits its `to`"
                yield _hint(rule.mark, "P201", said, "info")
            else:
                yield from self._implied(rule)
        for rule in self.bundle.effect("permit"):
            if rule.id not in idle:
                yield from self._permit(rule)
        for rule in self.bundle.effect("forbid"):
            if rule.id not in idle:
                yield from self._forbid(rule)
        yield from self._backends()
        yield from self._nobody()
        yield from self._dated(today, moment)
        yield from self._chains()

    def _possible(self, cells: Cells, cubes: Iterable[Cube]) -> bool:
        return any(witness(cube, cells.impossible) is not None for cube in cubes)

    def _never_matches(self, rule: Rule) -> str:
        found = permitting(rule) if rule.effect == "permit" else (Clause(rule.id, rule.when, rule.to),)
        if not found:
            return "permits nobody: what it requires cannot be done by this gateway"
        certain = [cube for each in found for cube in self.anywhere.cubes((*each.when, *each.to), certain=True)]
        if not self._possible(self.anywhere, certain):
            return "never matches: its conditions contradict each other"
        return ""

    def _fits(self, rule: Rule) -> bool:
        return any(every(of_backend(atom, backend) for atom in rule.to) is True for backend in self.bundle.backends)

    def _implied(self, rule: Rule) -> Iterator[Problem]:
        """Conditions that another one of the same rule makes superfluous."""
        atoms = [atom for atom in (*rule.when, *rule.to) if atom.mark != rule.mark]
        for atom in atoms:
            rest = [other for other in (*rule.when, *rule.to) if other is not atom]
            if rest and self._same(rest, (*rule.when, *rule.to), certain=rule.effect == "permit"):
                yield _hint(atom.mark, "P211", f"`{atom.text}` follows from the rule's other conditions")

    def _same(self, wider: Iterable[Atom], narrower: Iterable[Atom], *, certain: bool) -> bool:
        minus = [*self.anywhere.cubes(narrower, certain=certain), *self.anywhere.impossible]
        return all(witness(cube, minus) is None for cube in self.anywhere.cubes(wider, certain=certain))

    def _permit(self, rule: Rule) -> Iterator[Problem]:
        needed, cut = False, {}
        for _, permits, forbids in self.views:
            mine = [piece.cube for piece in permits if piece.rule == rule.id]
            others = [piece.cube for piece in permits if piece.rule != rule.id]
            minus = [*others, *(piece.cube for piece in forbids), *self.cells.impossible]
            needed = needed or any(witness(cube, minus) is not None for cube in mine)
            for piece in forbids:
                for cube in mine:
                    both = intersect(cube, piece.cube) if piece.rule not in cut else None
                    if both and witness(both, self.cells.impossible) is not None:
                        cut[piece.rule] = both
        if not needed:
            yield _hint(
                rule.mark, "P202", f"permit `{rule.id}` changes nothing: other rules decide all that it speaks of"
            )
        elif cut:
            first, cube = min(cut.items())
            more = f" (and {len(cut) - 1} more)" if len(cut) > 1 else ""
            words = ", ".join(f"{name} {value}" for name, value in self.cells.words(cube).items()) or "every request"
            said = f"permit `{rule.id}` is cut by forbid `{first}`{more}, for example for {words}"
            yield _hint(rule.mark, "P204", said, "info")

    def _forbid(self, rule: Rule) -> Iterator[Problem]:
        """Redundant when, for any conceivable backend, other forbids cover it; a guard when no permit reaches it."""
        pieces = self.anywhere.forbids(self.clauses)
        mine = [piece.cube for piece in pieces if piece.rule == rule.id]
        minus = [piece.cube for piece in pieces if piece.rule != rule.id]
        minus += self.anywhere.impossible
        if all(witness(cube, minus) is None for cube in mine):
            yield _hint(rule.mark, "P203", f"forbid `{rule.id}` changes nothing: other forbids cover all of it")
            return
        permits = [piece.cube for piece in self.anywhere.permits(self.clauses)]
        reached = (both for cube in mine for permit in permits if (both := intersect(cube, permit)))
        if all(witness(both, minus) is None for both in reached):
            said = f"forbid `{rule.id}` is a guard: no permit reaches what it forbids today"
            yield _hint(rule.mark, "P203", said, "info")

    def _backends(self) -> Iterator[Problem]:
        for group, permits, forbids in self.views:
            minus = [*(piece.cube for piece in forbids), *self.cells.impossible]
            if any(witness(piece.cube, minus) is not None for piece in permits):
                continue
            for backend in group:
                if backend.word("status") in OUT_OF_USE:
                    continue  # that is what its status says
                yield _hint(self._mark(backend), "P205", f"no request can reach backend `{backend.id}`")

    def _nobody(self) -> Iterator[Problem]:
        """Classes of requests, with all facts known and at their first call, that no backend may serve."""
        known = list(self.cells.whole)
        for at, variable in enumerate(self.cells.variables):
            if UNKNOWN in variable.values and ":" not in variable.name:
                known[at] &= ~(1 << variable.values.index(UNKNOWN))
        if self.cells.has("attempt"):
            known[self.cells.at("attempt")] = self.cells.mask("attempt", ["1"])
        classes: list[Cube] = []
        more = False
        while cell := self._stuck_outside(tuple(known), classes):
            if len(classes) == _MOST_CLASSES:
                more = True
                break
            classes.append(self._widened(cell, tuple(known)))
        counted, rest = self._counted(classes)
        if more:
            said = f"nobody may serve some more classes of requests{self._so_many(rest)}"
            yield _hint(self._first(), "P206", said, "info")
        for cube, requests in zip(classes, counted, strict=True):
            words = ", ".join(f"{name} {value}" for name, value in self._meant(cube, tuple(known)).items())
            meant = any(intersect(cube, piece.cube) for _, permits, _ in self.views for piece in permits)
            severity: Severity = "info" if meant else "warning"
            why = "forbidden" if meant else "no permit"
            said = f"nobody may serve ({why}): {words or 'any request'}{self._so_many(requests)}"
            yield _hint(self._first(), "P206", said, severity)

    def _counted(self, classes: list[Cube]) -> tuple[list[int], int]:
        """How many past requests were in each class (in the first of those that overlap), and how many that nobody may
        serve were in none."""
        counts, rest = [0] * len(classes), 0
        for facts, requests in self.past.requests.items() if self.past is not None else ():
            cell = cell_of(self.cells, facts)
            inside = (at for at, cube in enumerate(classes) if intersect(cell, cube) is not None)
            if (found := next(inside, None)) is not None:
                counts[found] += requests
            elif not any(self._served(cell, permits, forbids) for _, permits, forbids in self.views):
                rest += requests
        return counts, rest

    def _so_many(self, requests: int) -> str:
        if self.past is None:
            return ""
        said = "1 request was" if requests == 1 else f"{requests or 'no'} request{'s were' if requests else ' was'}"
        return f"; {said} since {self.past.since}"

    def _first(self) -> Mark:
        """Where to say what is about all rules."""
        return min((rule.mark for rule in self.bundle.rules), default=Mark("policies"))

    def _stuck_outside(self, known: Cube, classes: list[Cube]) -> Cube | None:
        parts = remainder(known, classes)
        return next((cell for part in parts for cell in self._stuck(part, 0)), None)

    def _widened(self, cell: Cube, known: Cube) -> Cube:
        """The class around a cell: each attribute left open as far as still nobody may serve any of it."""
        for at, mask in enumerate(known):
            wider = (*cell[:at], mask, *cell[at + 1 :])
            if not any(self._served(wider, permits, forbids) for _, permits, forbids in self.views):
                cell = wider
        return cell

    def _served(self, cube: Cube, permits: tuple[Piece, ...], forbids: tuple[Piece, ...]) -> bool:
        minus = [*(piece.cube for piece in forbids), *self.cells.impossible]
        inside = (intersect(cube, piece.cube) for piece in permits)
        return any(witness(each, minus) is not None for each in inside if each is not None)

    def _meant(self, cube: Cube, known: Cube) -> dict[str, str]:
        """The words for a cube within the known facts."""
        opened = tuple(
            full if mask == within else mask for mask, within, full in zip(cube, known, self.cells.whole, strict=True)
        )
        return self.cells.words(opened)

    def _stuck(self, region: Cube, at: int) -> Iterator[Cube]:
        """What is left of a region when every group of backends from `at` on has taken what it may serve."""
        if at == len(self.views):
            yield from remainder(region, self.cells.impossible)
            return
        _, permits, forbids = self.views[at]
        for rest in remainder(region, [piece.cube for piece in permits]):
            yield from self._stuck(rest, at + 1)
        seen: list[Cube] = []
        for permit in permits:
            inside = intersect(region, permit.cube)
            for forbid in forbids:
                both = intersect(inside, forbid.cube) if inside else None
                if both is not None:
                    for fresh in remainder(both, seen):
                        yield from self._stuck(fresh, at + 1)
                    seen.append(both)

    def _dated(self, today: str, moment: float) -> Iterator[Problem]:
        for backend in self.bundle.backends:
            if backend.review_by is not None and backend.review_by < today:
                said = f"the facts of backend `{backend.id}` were to be reviewed by {backend.review_by}"
                yield _hint(self._mark(backend), "P207", said)
        for exemption in self.bundle.exemptions:
            if exemption.expires <= moment:
                yield _hint(exemption.mark, "P208", f"exception `{exemption.id}` has expired; delete it")
            elif exemption.expires < moment + _SOON_SECONDS:
                yield _hint(exemption.mark, "P208", f"exception `{exemption.id}` expires within 14 days", "info")

    def _chains(self) -> Iterator[Problem]:
        by_id = {backend.id: backend for backend in self.bundle.backends}
        for backend in self.bundle.backends:
            substitute = by_id.get(backend.substitute or "")
            if substitute is not None and substitute.word("status") in OUT_OF_USE and substitute.substitute is None:
                said = f"the substitute of `{backend.id}`, `{substitute.id}`, is {substitute.word('status')} itself"
                yield _hint(self._mark(backend), "P212", said)
        for name, behind in names(self.bundle.backends).items():
            if name != AUTO and len(behind) > MAX_ATTEMPTS:
                said = f"{len(behind)} backends are behind `{name}`; a request calls {MAX_ATTEMPTS} of them at most"
                yield _hint(self._mark(behind[0]), "P212", said, "info")

    def _mark(self, backend: Backend) -> Mark:
        return self.bundle.places.get(backend.id, Mark("catalog"))


def _hint(mark: Mark, code: str, message: str, severity: Severity = "warning") -> Problem:
    return Problem(mark, code, message, severity)


def _views(
    bundle: Bundle, cells: Cells, found: Clauses
) -> list[tuple[list[Backend], tuple[Piece, ...], tuple[Piece, ...]]]:
    """Backends that all rules treat alike, with their permits and forbids."""
    groups: dict[tuple[tuple[Piece, ...], tuple[Piece, ...]], list[Backend]] = {}
    for backend in bundle.backends:
        view = (tuple(cells.permits(found, backend)), tuple(cells.forbids(found, backend)))
        groups.setdefault(view, []).append(backend)
    return [(backends, *view) for view, backends in groups.items()]
