"""Whom a caller could ever be sent to: exactly, over all that may be found in his requests, and spent."""

from collections.abc import Iterable, Iterator

from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.core.labels import LEVELS, RANK
from gateway.policy.cells import UNKNOWN, Cells, Piece, atoms_of
from gateway.policy.clauses import clauses
from gateway.policy.model import Bundle
from gateway.policy.space import Cube, intersect, remainder, witness
from gateway.policy.vocabulary import REQUEST

_FREE = ("sensitivity", "source_sensitivity", "tags", "redaction", "budget")
"""What a caller does not have by himself: it is found out about each request. A request begins with its first call, so
what is remembered of calls is nothing."""
_REMEMBERED = 4096


class Usable:
    """A bundle, ready to be asked whom it could ever permit."""

    def __init__(self, bundle: Bundle) -> None:
        found = clauses(bundle)
        atoms = atoms_of(bundle, found)
        self._bundle = bundle
        self._cells = cells = Cells(bundle, [*atoms, *(atom for each in bundle.exemptions for atom in each.when)])
        self._alike: dict[tuple[tuple[Cube, ...], tuple[Piece, ...]], list[Backend]] = {}
        for backend in bundle.backends:
            permits = tuple(dict.fromkeys(piece.cube for piece in cells.permits(found, backend)))
            view = permits, tuple(dict.fromkeys(cells.forbids(found, backend)))
            self._alike.setdefault(view, []).append(backend)
        self._never = (*cells.impossible, *self._not_found(), *self._raised())
        rules = (*bundle.effect("permit"), *bundle.effect("require"))
        self._known: dict[tuple[Facts, frozenset[str]], frozenset[str]] = {}
        self._redacts = any(obligation.name == "redact" for rule in rules for obligation in rule.do)

    def backends(self, facts: Facts, moment: float) -> frozenset[str]:
        """The backends that some first call may be sent to which has these facts, but for a label as high or higher,
        and whatever is found, taken out, or spent. `moment` (Unix seconds) says which break-glass exceptions are
        open."""
        exemptions = self._bundle.exemptions
        opened = frozenset(each.id for each in exemptions if each.starts <= moment < each.expires)
        key = facts, opened
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            lifts = {backend.id: self._lifted(backend, opened) for backend in self._bundle.backends}
            known = self._known[key] = self._reached(list(self._regions(facts)), lifts)
        return known

    def _reached(self, regions: list[Cube], lifts: dict[str, dict[str, list[Cube]]]) -> frozenset[str]:
        found: set[str] = set()
        for (permits, forbids), backends in self._alike.items():
            plain = [backend.id for backend in backends if not lifts[backend.id]]
            if plain and self._met(regions, permits, [piece.cube for piece in forbids]):
                found.update(plain)
            for id in (backend.id for backend in backends if lifts[backend.id]):
                if self._met(regions, permits, [cube for piece in forbids for cube in _left(piece, lifts[id])]):
                    found.add(id)
        return frozenset(found)

    def _met(self, regions: Iterable[Cube], permits: tuple[Cube, ...], forbids: list[Cube]) -> bool:
        for region in regions:
            inside = [both for permit in permits if (both := intersect(permit, region)) is not None]
            minus = [cube for cube in (*forbids, *self._never) if intersect(cube, region) is not None] if inside else []
            if any(witness(each, minus) is not None for each in inside):
                return True
        return False

    def _regions(self, facts: Facts) -> Iterator[Cube]:
        """Requests whose label somebody knows, and those that nobody could look into."""
        cells = self._cells
        given: dict[str, int] = {}
        for name, attribute in REQUEST.items():
            if not cells.has(name) or name in _FREE:
                continue
            value = getattr(facts, attribute.field)
            if attribute.kind == "set":
                given[name] = cells.mask(name, ["known"])
                members = (each.name for each in cells.variables if each.name.startswith(f"{name}:"))
                given |= {member: cells.mask(member, ["no"]) for member in members}
            else:
                words = self._bundle.vocabulary.values(attribute)
                known = value is not None and (words is None or value in words)
                given[name] = cells.mask(name, [value if known else UNKNOWN])
        if cells.has("redaction") and not self._redacts:
            given["redaction"] = cells.mask("redaction", ["none"])
        levels = LEVELS[RANK[facts.sensitivity or LEVELS[-1]] :]
        labels = {"sensitivity": levels, "source_sensitivity": levels, "tags": ["known"]}
        unread = {**{name: [UNKNOWN] for name in labels}, "redaction": ["none"]}
        for said in (labels, unread):
            masks = {name: cells.mask(name, words) for name, words in said.items() if cells.has(name)}
            yield cells.where({**given, **masks})

    def _not_found(self) -> Iterator[Cube]:
        """Tags that nothing has which the scanner finds, or only what raises the label above."""
        cells = self._cells
        least: dict[str, int] = {}
        terms = self._bundle.sensitivity
        tagged = [(each.tag, each.level) for each in terms.kinds]
        tagged += [(each.tag, each.level) for each in terms.detectors]
        tagged += [(each.tag, each.level) for each in terms.dictionaries]
        for tag, level in tagged:
            if tag is not None:
                rank = RANK[level] if level is not None else 0
                least[tag] = min(rank, least.get(tag, rank))
        for variable in cells.variables:
            name, _, tag = variable.name.partition(":")
            if name == "tags" and tag and tag not in least:
                yield cells.where({variable.name: cells.mask(variable.name, ["yes"])})
            elif name == "tags" and tag and least[tag] and cells.has("sensitivity"):
                below = cells.mask("sensitivity", LEVELS[: least[tag]])
                yield cells.where({variable.name: cells.mask(variable.name, ["yes"]), "sensitivity": below})

    def _raised(self) -> Iterator[Cube]:
        """Labels above the one that the request came with: what is taken out only lowers it."""
        if self._cells.has("source_sensitivity") and self._cells.has("sensitivity"):
            for rank, level in enumerate(LEVELS):
                source = self._cells.mask("source_sensitivity", LEVELS[:rank])
                here = {"sensitivity": self._cells.mask("sensitivity", [level]), "source_sensitivity": source}
                if source:
                    yield self._cells.where(here)

    def _lifted(self, backend: Backend, opened: frozenset[str]) -> dict[str, list[Cube]]:
        """Where exceptions that are open lift a rule, by its id."""
        found: dict[str, list[Cube]] = {}
        for each in self._bundle.exemptions:
            if backend.id in each.backends and each.id in opened:
                for rule in each.rules:
                    found.setdefault(rule, []).extend(self._cells.cubes(each.when, certain=True))
        return found


def _left(piece: Piece, lifted: dict[str, list[Cube]]) -> Iterator[Cube]:
    """What of a forbid is in force."""
    if piece.rule in lifted:
        yield from remainder(piece.cube, lifted[piece.rule])
    else:
        yield piece.cube
