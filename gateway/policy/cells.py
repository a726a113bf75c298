"""A policy as a finite space: every request, and every conceivable backend, falls into a cell that rules cannot split.

Each attribute is one variable whose classes are its values, `(any other)` for names that no rule mentions, and
`unknown`. Of numbers the classes are the widest intervals that no rule cuts, each named for where it begins. A set is
one variable for whether it is known and one for each word. A permitting clause becomes the cubes in which it is true, a
forbidding one those in which it is true or unknown. So questions about all requests are questions about cubes, and
exact (`policy.space` answers them).
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import count, product
from operator import or_

import msgspec

from gateway.core.buckets import bucket_of, key_in
from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.core.labels import LEVELS
from gateway.policy.clauses import Clauses
from gateway.policy.model import Atom, Bundle, Clause, bound, every, of_backend
from gateway.policy.space import Cube, Variable, intersect
from gateway.policy.vocabulary import BACKEND, REQUEST, Attribute

UNKNOWN = "unknown"
OTHER = "(any other)"
_KNOWN = ("known", UNKNOWN)
_MEMBER = ("no", "yes")


class Piece(msgspec.Struct, frozen=True):
    """Some cells on behalf of a rule."""

    rule: str
    cube: Cube


class Cells:
    """The space that a bundle's clauses, and further atoms asked about it, live in.

    With `any_backend` a backend's facts are variables too (named `backend.…`), else they are put in. `impossible` are
    cells that no request is in: an undeclared project has no jurisdiction, a label is not below its project's floor,
    what was not redacted has the label that it came with, a first call has no error and no place before it, a key is in
    its bucket.
    """

    def __init__(self, bundle: Bundle, atoms: Iterable[Atom], *, any_backend: bool = False) -> None:
        self.bundle = bundle
        mentioned: dict[str, set[str]] = {}
        for atom in atoms:
            if atom.side == "request" or any_backend:
                mentioned.setdefault(_variable(atom), set()).update(_told_apart(atom))
                if atom.other and any_backend:
                    mentioned.setdefault(f"backend.{atom.other}", set())
        for asked, needed in _BOUND:  # facts that bind each other are in the space together, or not at all
            if not mentioned.keys().isdisjoint(asked):
                for name in needed:
                    mentioned.setdefault(name, set())
        if "project" in mentioned and not mentioned.keys().isdisjoint(("project.jurisdiction", "sensitivity")):
            mentioned["project"].update(bundle.projects)
        self.variables = tuple(
            variable
            for prefix, table in (("", REQUEST), ("backend.", BACKEND))
            for attribute in table.values()
            if f"{prefix}{attribute.name}" in mentioned
            for variable in self._variables(prefix, attribute, mentioned[f"{prefix}{attribute.name}"])
        )
        self._index = {variable.name: at for at, variable in enumerate(self.variables)}
        self.whole: Cube = tuple((1 << len(variable.values)) - 1 for variable in self.variables)
        self.impossible = tuple(cube for cube in self._impossible() if all(cube))
        self._cubes: dict[tuple[tuple[Atom, ...], bool], list[Cube]] = {}
        self._found: dict[tuple[str, tuple[Atom, ...], bool], list[Piece]] = {}

    def _variables(self, prefix: str, attribute: Attribute, mentioned: set[str]) -> list[Variable]:
        name = f"{prefix}{attribute.name}"
        closed = self.bundle.vocabulary.values(attribute)
        if attribute.kind == "set":
            words = closed if prefix and closed else sorted(mentioned)
            return [Variable(name, _KNOWN), *(Variable(f"{name}:{word}", _MEMBER) for word in words)]
        if attribute.kind == "number":
            return [Variable(name, (*sorted({attribute.values[0], *mentioned}, key=int), UNKNOWN))]
        if closed is not None:
            return [Variable(name, (*closed, UNKNOWN))]
        return [Variable(name, (OTHER, *sorted(mentioned), UNKNOWN))]

    def permits(self, found: Clauses, backend: Backend | None = None) -> list[Piece]:
        """Where permits are true of a backend; without one, of any."""
        return [piece for clause in found.permits for piece in self._pieces(clause, backend, certain=True)]

    def forbids(self, found: Clauses, backend: Backend | None = None) -> list[Piece]:
        """Where forbids are true or unknown."""
        return [piece for clause in found.forbids for piece in self._pieces(clause, backend, certain=False)]

    def _pieces(self, clause: Clause, backend: Backend | None, *, certain: bool) -> list[Piece]:
        if backend is None:
            return self._of_rule(clause.rule, (*clause.when, *clause.to), certain=certain)
        truth = every(of_backend(atom, backend) for atom in clause.to)
        if truth is False or (certain and truth is None):
            return []
        when = clause.when
        if any(atom.other for atom in when):
            here = [bound(atom, backend) for atom in when]
            if certain and None in here:
                return []
            when = tuple(atom for atom in here if atom is not None)
        return self._of_rule(clause.rule, when, certain=certain)

    def _of_rule(self, rule: str, atoms: tuple[Atom, ...], *, certain: bool) -> list[Piece]:
        """The pieces of a rule, made once: most backends see the same ones."""
        key = rule, atoms, certain
        if key not in self._found:
            self._found[key] = [Piece(rule, cube) for cube in self.cubes(atoms, certain=certain)]
        return self._found[key]

    def cubes(self, atoms: Iterable[Atom], *, certain: bool) -> list[Cube]:
        """Where all atoms are true, or, unless `certain`, none is false."""
        key = tuple(atoms), certain
        if key not in self._cubes:
            found = [self.whole]
            for atom in key[0]:
                options = self._options(atom, certain=certain)
                crossed = (intersect(cube, option) for cube, option in product(found, options))
                found = list(dict.fromkeys(cube for cube in crossed if cube is not None))
            self._cubes[key] = found
        return list(self._cubes[key])

    def where(self, masks: Mapping[str, int]) -> Cube:
        """The cells in which some variables are within masks."""
        cube = list(self.whole)
        for name, mask in masks.items():
            cube[self._index[name]] &= mask
        return tuple(cube)

    def mask(self, name: str, values: Iterable[str]) -> int:
        """The mask of some values of a variable. Values that it does not have are in its `(any other)`; where it has
        none of that either, they stand for nothing."""
        variable = self.variables[self._index[name]]
        known = variable.values
        named = (class_of(variable, value) for value in values)
        bits = (1 << known.index(value) for value in named if value in known)
        return reduce(or_, bits, 0)

    def has(self, name: str) -> bool:
        """Whether the space has a variable of this name."""
        return name in self._index

    def at(self, name: str) -> int:
        """The position of a variable."""
        return self._index[name]

    def _full(self, name: str) -> int:
        return self.whole[self._index[name]]

    def _options(self, atom: Atom, *, certain: bool) -> list[Cube]:
        """The cubes whose union is where one atom is true, or not false."""
        name = _variable(atom)
        attribute = (REQUEST if atom.side == "request" else BACKEND)[atom.attribute]
        unknown = [] if certain else [self.where({name: self.mask(name, [UNKNOWN])})]
        if atom.test in ("declared", "undeclared"):
            missing = self.mask(name, [UNKNOWN])
            return [self.where({name: missing if atom.test == "undeclared" else self._full(name) & ~missing})]
        if atom.other:
            return self._compared(atom, name, certain=certain)
        if attribute.kind == "set":
            known = self.mask(name, ["known"])
            if atom.test == "any":
                members = [{f"{name}:{word}": _YES} for word in sorted(atom.values)]
            else:
                members = [{f"{name}:{word}": _YES if atom.test == "all" else _NO for word in atom.values}]
            return [*(self.where({name: known, **each}) for each in members), *unknown]
        named = self.mask(name, atom.values)
        if atom.test == "not_in":
            named = self._full(name) & ~named & ~self.mask(name, [UNKNOWN])
        return [self.where({name: named if certain else named | self.mask(name, [UNKNOWN])})]

    def _compared(self, atom: Atom, name: str, *, certain: bool) -> list[Cube]:
        """A word of the request in, or not in, the set of a backend whose facts are variables."""
        other = f"backend.{atom.other}"
        member = _YES if atom.test == "in" else _NO
        known = self.mask(other, ["known"])
        words = self.bundle.vocabulary.values(BACKEND[atom.other]) or ()
        inside = ({name: self.mask(name, [word]), other: known, f"{other}:{word}": member} for word in words)
        found = [self.where(each) for each in inside]
        return (
            found if certain else [*found, *(self.where({each: self.mask(each, [UNKNOWN])}) for each in (name, other))]
        )

    def _impossible(self) -> Iterable[Cube]:
        for variable in self.variables:
            name, _, word = variable.name.partition(":")
            if word:  # nothing is in a set that nobody knows: one cell for it is enough
                yield self.where({name: self.mask(name, [UNKNOWN]), variable.name: _YES})
            elif name in _GIVEN:
                yield self.where({name: self.mask(name, [UNKNOWN])})
        if self.has("project"):
            yield from self._undeclared()
        if self.has("source_sensitivity"):
            unredacted = self.mask("redaction", ["none"])
            for level in (*LEVELS, UNKNOWN):
                other = self._full("source_sensitivity") & ~self.mask("source_sensitivity", [level])
                here = self.mask("sensitivity", [level])
                yield self.where({"sensitivity": here, "source_sensitivity": other, "redaction": unredacted})
        if self.has("key") and self.has("key.bucket"):
            yield from self._in_other_buckets()
        if self.has("attempt"):
            first = self.mask("attempt", ["1"])
            if self.has("last_error"):
                none = self.mask("last_error", ["none"])
                yield self.where({"attempt": first, "last_error": self._full("last_error") & ~none})
                yield self.where({"attempt": self._full("attempt") & ~first, "last_error": none})
            for variable in self.variables:
                if variable.name.startswith("visited_"):
                    yield self.where({"attempt": first, variable.name: _YES})  # of the set itself: unknown

    def _undeclared(self) -> Iterable[Cube]:
        """What projects.yaml does not say of projects, those that it does not name included."""
        of: dict[tuple[str, str | None], list[str]] = {}
        for name in self.variables[self._index["project"]].values:
            declared = self.bundle.projects.get(name)
            whose = (declared.jurisdiction if declared else None) or UNKNOWN
            of.setdefault((whose, declared.floor if declared else None), []).append(name)
        for (whose, floor), names in of.items():
            here = {"project": self.mask("project", names)}
            if self.has("project.jurisdiction"):
                other = self._full("project.jurisdiction") & ~self.mask("project.jurisdiction", [whose])
                yield self.where({**here, "project.jurisdiction": other})
            if self.has("sensitivity") and floor:
                yield self.where({**here, "sensitivity": self.mask("sensitivity", LEVELS[: LEVELS.index(floor)])})

    def _in_other_buckets(self) -> Iterable[Cube]:
        """Each key with the buckets that it is not in. Of those that no rule names there are some in every bucket."""
        for key in self.variables[self._index["key"]].values:
            may_be = {UNKNOWN} if key == UNKNOWN else {bucket_of(key)}
            if key == OTHER:
                may_be = set(self.variables[self._index["key.bucket"]].values) - {UNKNOWN}
            other = self._full("key.bucket") & ~self.mask("key.bucket", may_be)
            yield self.where({"key": self.mask("key", [key]), "key.bucket": other})

    def read(self, cell: Cube) -> dict[str, str | frozenset[str] | None]:
        """The values of the variables in one cell (the lowest of each mask); None: unknown."""
        found: dict[str, str | frozenset[str] | None] = {}
        members: dict[str, set[str]] = {}
        for variable, mask in zip(self.variables, cell, strict=True):
            value = variable.values[(mask & -mask).bit_length() - 1]
            name, _, word = variable.name.partition(":")
            if not word:
                found[name] = None if value == UNKNOWN else value
                if value == "known":
                    members[name] = set()
            elif value == "yes" and name in members:
                members[name].add(word)
        return found | {name: frozenset(words) for name, words in members.items()}

    def facts(self, cell: Cube, usual: Facts) -> Facts:
        """A request in a cell; what the space does not ask, or does not tell apart, is as in `usual`."""
        read = self.read(cell)
        values = {
            REQUEST[name].field: self.other(name, getattr(usual, REQUEST[name].field)) if value == OTHER else value
            for name, value in read.items()
            if name in REQUEST and not REQUEST[name].follows
        }
        if "source_sensitivity" not in values and "sensitivity" in values:
            values["source_sensitivity"] = values["sensitivity"]
        facts = self.in_bucket(msgspec.structs.replace(usual, **values), cell)
        declared = self.bundle.projects.get(facts.project or "")
        if declared is None:
            return facts
        if declared.floor and facts.sensitivity in LEVELS[: LEVELS.index(declared.floor)]:
            if not self.has("sensitivity"):
                facts = msgspec.structs.replace(facts, sensitivity=declared.floor, source_sensitivity=declared.floor)
            elif not self.has("project"):  # another project has such requests
                return msgspec.structs.replace(facts, project=_fresh(self.bundle.projects))
        if not self.has("project.jurisdiction"):
            facts = msgspec.structs.replace(facts, jurisdiction=declared.jurisdiction)
        return facts

    def in_bucket(self, facts: Facts, cell: Cube) -> Facts:
        """The facts with a key that is in the bucket of a cell: the one that they have, if it is."""
        if not self.has("key.bucket"):
            return facts
        at = self._index["key.bucket"]
        bucket = self.read(cell)["key.bucket"]
        if not isinstance(bucket, str):
            return msgspec.structs.replace(facts, key=None)
        if facts.bucket is not None and class_of(self.variables[at], facts.bucket) == bucket:
            return facts
        named = self.variables[self._index["key"]].values if self.has("key") else ()
        return msgspec.structs.replace(facts, key=key_in(bucket, named))

    def other(self, name: str, usual: str | None) -> str:
        """A name that falls under `(any other)`: the usual one if it does."""
        known = self.variables[self._index[name]].values
        return usual if usual is not None and usual not in known else _fresh(known)

    def words(self, cube: Cube) -> dict[str, str]:
        """What a cube says, attribute by attribute, in words; attributes that it leaves open are left out."""
        found: dict[str, str] = {}
        for variable, mask, full in zip(self.variables, cube, self.whole, strict=True):
            if mask == full:
                continue
            values = [value for at, value in enumerate(variable.values) if mask >> at & 1]
            name, _, word = variable.name.partition(":")
            if word:
                said = f"{'with' if values == ['yes'] else 'without'} {word}"
                found[name] = f"{found[name]}, {said}" if name in found and found[name] != "known" else said
            elif values == ["known"]:
                found.setdefault(name, "known")
            else:
                found[name] = _said(variable, values)
        return found


_NO, _YES = 0b01, 0b10
_BOUND = (
    (("project.jurisdiction",), ("project",)),
    (("source_sensitivity",), ("sensitivity", "redaction")),
    (("last_error", "visited_regions", "visited_operators"), ("attempt",)),
)
_NUMBERS = {name: attribute.values for name, attribute in REQUEST.items() if attribute.kind == "number"}
_GIVEN = frozenset({"redaction", "budget", "attempt", "last_error", "backend.backend", "backend.provider"})
"""What is never unknown: the gateway fills it in itself, or no backend is without it."""


def class_of(variable: Variable, value: str) -> str:
    """The class that a value is in: itself, the interval that begins at or below a number, or all names not named."""
    if value in variable.values:
        return value
    if variable.name in _NUMBERS:
        return max((each for each in variable.values if each != UNKNOWN and int(each) <= int(value)), key=int)
    return OTHER


def _told_apart(atom: Atom) -> Iterable[str]:
    """The values that an atom names; of numbers those at which its truth changes."""
    if atom.attribute not in _NUMBERS:
        return atom.values
    inside = [value in atom.values for value in _NUMBERS[atom.attribute]]
    pairs = zip(_NUMBERS[atom.attribute], inside, [not inside[0], *inside], strict=False)
    return [value for value, here, before in pairs if here != before]


def _fresh(known: Container[str]) -> str:
    return next(name for number in count(1) if (name := f"any-other{f'-{number}' * (number > 1)}") not in known)


def _variable(atom: Atom) -> str:
    return atom.attribute if atom.side == "request" else f"backend.{atom.attribute}"


def _said(variable: Variable, values: Sequence[str]) -> str:
    """Some values of a variable, or all but those that are missing, whichever is shorter."""
    missing = [value for value in variable.values if value not in values]
    if missing == [UNKNOWN]:
        return "known"
    if variable.name in _NUMBERS:
        return ", ".join(_spans(variable, values))
    if len(missing) < len(values) and (OTHER in values or len(values) > 3):
        return f"not {', '.join(missing)}"
    return ", ".join(values)


def _spans(variable: Variable, values: Sequence[str]) -> Iterator[str]:
    """Intervals in words: `0 to 9`, `50`. Those that touch are one."""
    *begins, _ = variable.values
    ends = [int(next_one) - 1 for next_one in begins[1:]] + [int(_NUMBERS[variable.name][-1])]
    spans: list[list[int]] = []
    for begin, end in zip(map(int, begins), ends, strict=True):
        if str(begin) in values:
            if spans and spans[-1][1] == begin - 1:
                spans[-1][1] = end
            else:
                spans.append([begin, end])
    yield from (f"{begin} to {end}" if begin < end else str(begin) for begin, end in spans)
    if UNKNOWN in values:
        yield UNKNOWN


def atoms_of(bundle: Bundle, found: Clauses) -> list[Atom]:
    """Every atom that can matter to a bundle's clauses and invariants."""
    atoms = [atom for clause in (*found.permits, *found.forbids) for atom in (*clause.when, *clause.to)]
    for invariant in bundle.invariants:
        atoms += [*invariant.request, *invariant.backend, *invariant.left, *invariant.enter]
    return atoms
