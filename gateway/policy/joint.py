"""Two policies in one space, so that they can be compared cell by cell.

The space has the words of both vocabularies. A side that does not know a word reads it as unknown, as it does when it
decides. What a project declares is part of a side, too: the same request may be under another jurisdiction, or have a
higher label, on the other side. So a cell of the space is a request as it is sent, and each side reads it its own way.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import or_

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts, Project
from gateway.core.labels import LEVELS, join
from gateway.policy.cells import UNKNOWN, Cells, Piece, class_of
from gateway.policy.clauses import clauses
from gateway.policy.document import Mark
from gateway.policy.model import Atom, Bundle, Exemption
from gateway.policy.space import Cube, intersect, remainder
from gateway.policy.vocabulary import REQUEST, SECTIONS, Vocabulary

_LABELS = ("sensitivity", "source_sensitivity")
_JURISDICTION = "project.jurisdiction"
_HERE = Mark("gateway/policy/joint.py")


class Joint:
    """The space of two bundles, and each of them in it. A project that they declare differently is in `moved`."""

    def __init__(self, old: Bundle, new: Bundle) -> None:
        names = sorted(old.projects.keys() | new.projects.keys())
        declared = {name: (_declared(old, name), _declared(new, name)) for name in names}
        self.moved = tuple(name for name, (before, after) in declared.items() if before != after)
        vocabulary = Vocabulary({section: _words(old, new, section) for section in SECTIONS})
        projects = {name: _shared(before, after) for name, (before, after) in declared.items()}
        both = Bundle("", vocabulary, (), (), projects)
        atoms = [atom for bundle in (old, new) for atom in _atoms(bundle)]
        asked = {atom.attribute for atom in atoms}
        for attribute in REQUEST.values():
            if attribute.name in asked and attribute.kind == "set":
                foreign = old.vocabulary.words(attribute.section) ^ new.vocabulary.words(attribute.section)
                atoms.append(Atom("request", attribute.name, "any", foreign, "", _HERE))
        if self.moved and not asked.isdisjoint((*_LABELS, _JURISDICTION)):
            atoms.append(Atom("request", "project", "in", frozenset(self.moved), "", _HERE))
        self.cells = Cells(both, atoms)
        self.old, self.new = Side(self, old), Side(self, new)


def _declared(bundle: Bundle, name: str) -> Project:
    return bundle.projects.get(name) or Project(name)


def _shared(before: Project, after: Project) -> Project:
    """What both sides agree on: a label is at least the lower floor; a jurisdiction only if it is the same."""
    floors = [project.floor for project in (before, after)]
    floor = None if None in floors else min(filter(None, floors), key=LEVELS.index)
    return Project(before.name, before.jurisdiction if before.jurisdiction == after.jurisdiction else None, floor)


def _words(old: Bundle, new: Bundle, section: str) -> dict[str, str]:
    """The words of both, in their order if that is the same; else in an order that does not depend on the side."""
    before, after = list(old.vocabulary.sections.get(section, ())), list(new.vocabulary.sections.get(section, ()))
    return dict.fromkeys(before if before == after else sorted({*before, *after}), "")


def _atoms(bundle: Bundle) -> Iterator[Atom]:
    found = clauses(bundle)
    for clause in (*found.permits, *found.forbids):
        yield from clause.when
    for exemption in bundle.exemptions:
        yield from exemption.when


class View(msgspec.Struct, frozen=True):
    """What one side says of a backend, in the joint space: permitted is what some permit covers, and no forbid."""

    permits: tuple[Piece, ...]
    forbids: tuple[Piece, ...]


class Side:
    """One bundle, as it reads the joint space."""

    def __init__(self, joint: Joint, bundle: Bundle) -> None:
        self.bundle = bundle
        self.backends = {backend.id: backend for backend in bundle.backends}
        self._moved = joint.moved
        self._clauses = clauses(bundle)
        self._there = joint.cells
        self._here = Cells(bundle, _atoms(bundle))
        self._same = self._here.variables == self._there.variables and not self._moved
        known = bundle.vocabulary.words
        self._foreign = {
            row.name: [
                word for word in joint.cells.bundle.vocabulary.words(row.section) if word not in known(row.section)
            ]
            for row in REQUEST.values()
            if row.kind == "set"
        }
        self._lifted: dict[Cube, list[Cube]] = {}

    def view(self, id: str, exemptions: Iterable[Exemption] = ()) -> View:
        """The permits and forbids that concern a backend, while some exceptions are open. Not in the catalog: none."""
        backend = self.backends.get(id)
        if backend is None:
            return View((), ())
        forbids = self._lift(self._here.forbids(self._clauses, backend))
        return View(
            tuple(self._lift(self._here.permits(self._clauses, backend))),
            tuple(self._unless(exemptions, backend, forbids)),
        )

    def _unless(self, exemptions: Iterable[Exemption], backend: Backend, forbids: list[Piece]) -> Iterator[Piece]:
        """The forbids without what exceptions lift."""
        cubes = {
            exemption: [cube for here in self._here.cubes(exemption.when, certain=True) for cube in self._cubes(here)]
            for exemption in exemptions
            if backend.id in exemption.backends
        }
        for piece in forbids:
            lifted = [cube for exemption, found in cubes.items() if piece.rule in exemption.rules for cube in found]
            for cube in remainder(piece.cube, lifted):
                yield Piece(piece.rule, cube)

    def facts(self, facts: Facts) -> Facts:
        """A request of the joint space as this side reads it: its project is what is declared here."""
        if facts.project not in self._moved:
            return facts
        project = _declared(self.bundle, facts.project)
        changes: dict[str, str | None] = {"jurisdiction": project.jurisdiction}
        for name in _LABELS:
            label = getattr(facts, name)
            changes[name] = join(label, project.floor) if label and project.floor else label
        return msgspec.structs.replace(facts, **changes)

    def _lift(self, pieces: list[Piece]) -> list[Piece]:
        return [Piece(piece.rule, cube) for piece in pieces for cube in self._cubes(piece.cube)]

    def _cubes(self, here: Cube) -> list[Cube]:
        """The joint cells that this side reads as being in a cube of its own space."""
        if self._same:
            return [here]
        if here not in self._lifted:
            found = [self._there.whole]
            for variable, mask, full in zip(self._here.variables, here, self._here.whole, strict=True):
                if mask != full:
                    values = [value for at, value in enumerate(variable.values) if mask >> at & 1]
                    options = list(self._read_as(variable.name, values))
                    found = [
                        both for cube in found for option in options if (both := intersect(cube, option)) is not None
                    ]
            self._lifted[here] = [cube for each in found for cube in self._by_project(each)]
        return self._lifted[here]

    def _read_as(self, name: str, values: list[str]) -> Iterator[Cube]:
        """Where this side reads one variable as one of some values."""
        joint = self._there.variables[self._there.at(name)].values
        mine = self._here.variables[self._here.at(name)].values
        foreign = [f"{name}:{word}" for word in self._foreign.get(name, ())]
        if name in self._foreign:  # whether a set is known: it is not when it has a word that this side does not know
            if UNKNOWN in values:
                yield self._there.where({name: self._there.mask(name, [UNKNOWN])})
                for word in foreign:
                    yield self._there.where({name: self._there.mask(name, ["known"]), word: 0b10})
            else:
                yield self._there.where({name: self._there.mask(name, values), **dict.fromkeys(foreign, 0b01)})
            return
        # A joint value that is not among mine is in an interval of mine, or any other name, or it is a word that this
        # side does not know.
        classes = [class_of(self._here.variables[self._here.at(name)], value) for value in joint]
        read = [value if value in mine else UNKNOWN for value in classes]
        if mask := reduce(or_, (1 << at for at, value in enumerate(read) if value in values), 0):
            yield self._there.where({name: mask})

    def _by_project(self, cube: Cube) -> Iterator[Cube]:
        """A cube, with what it says of labels and jurisdictions put in terms of the projects that have moved."""
        cells = self._there
        asked = [
            name
            for name in (*_LABELS, _JURISDICTION)
            if cells.has(name) and cube[cells.at(name)] != cells.whole[cells.at(name)]
        ]
        if not self._moved or not asked:
            yield cube
            return
        others = cells.whole[cells.at("project")] & ~cells.mask("project", self._moved)
        if elsewhere := intersect(cube, cells.where({"project": others})):
            yield elsewhere
        for name in self._moved:
            if here := intersect(cube, cells.where({"project": cells.mask("project", [name])})):
                yield from self._as_declared(here, _declared(self.bundle, name), asked)

    def _as_declared(self, cube: Cube, project: Project, asked: list[str]) -> Iterator[Cube]:
        """The cells of one project that are in a cube once they have its jurisdiction and its floor."""
        cells, found = self._there, list(cube)
        for name in asked:
            at = cells.at(name)
            if name == _JURISDICTION:
                fits = bool(cube[at] & cells.mask(name, [project.jurisdiction or UNKNOWN]))
                found[at] = cells.whole[at] if fits else 0
            else:
                labels = cells.variables[at].values
                raised = [join(label, project.floor or label) if label != UNKNOWN else label for label in labels]
                found[at] = sum(1 << bit for bit, label in enumerate(raised) if cube[at] & cells.mask(name, [label]))
        if all(found):
            yield tuple(found)
