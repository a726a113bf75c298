"""What a change of policy changes: who may now reach which backend and could not before, or the other way round.

Exact: a statement is a cube of requests without some exceptions, and together the statements are all the cells in
which the two sides disagree. They are few because a cell is newly permitted for one of two reasons only: a forbid that
covered it is gone, or a permit covers it that did not.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from gateway.core.decision import Facts
from gateway.policy.cells import OTHER, UNKNOWN, Cells, Piece
from gateway.policy.changes import Change, changes, meaning
from gateway.policy.claims import USUAL
from gateway.policy.decide import Eligibility
from gateway.policy.document import Mark
from gateway.policy.joint import Joint, View
from gateway.policy.model import Bundle, Effect, Exemption, Invariant
from gateway.policy.space import Cube, intersect, merge, point, witness
from gateway.policy.vocabulary import REQUEST

Direction = Literal["now allowed", "no longer allowed"]
NOW: Direction = "now allowed"
NO_LONGER: Direction = "no longer allowed"
Verdict = Literal["same", "more permissive", "less permissive", "incomparable"]
Fate = Literal["added", "removed", "changed", "unchanged"]

_NEVER = -1.0
"""A moment at which no break-glass exception is open."""


class Reason(msgspec.Struct, frozen=True):
    """A rule that makes the difference, and what became of it. `mark` is where it stands now, or where it stood.

    An `unchanged` one decides otherwise because a backend's facts, a project or the vocabulary changed.
    """

    rule: str
    effect: Effect
    fate: Fate
    mark: Mark


class Except(msgspec.Struct, frozen=True):
    """Requests for which a statement does not hold, since some rules `decide` them alike on both sides."""

    cube: Cube
    words: dict[str, str]
    decide: Literal["forbid", "permit"]
    rules: tuple[str, ...]


class Example(msgspec.Struct, frozen=True):
    """One request that a statement speaks of, as each side reads it: they differ where a project's declaration does.
    `moment` (Unix seconds) is when its exceptions are open."""

    backend: str
    old: Facts
    new: Facts
    moment: float


class Statement(msgspec.Struct, frozen=True):
    """Some requests that may now, or may no longer, be sent to some backends.

    `words` say which requests, attribute by attribute; none: every request. `fate` is the backends': `added` ones are
    in the new catalog only. `open` names break-glass exceptions while which it holds.
    """

    direction: Direction
    cube: Cube
    words: dict[str, str]
    exceptions: tuple[Except, ...]
    backends: tuple[str, ...]
    fate: Fate
    reasons: tuple[Reason, ...]
    example: Example
    open: tuple[str, ...] = ()


class Diff(msgspec.Struct, frozen=True):
    """All that differs between two policies: what is decided otherwise, and what else was changed."""

    old: str
    new: str
    statements: tuple[Statement, ...]
    also: tuple[Change, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether the new policy lets more happen, or less."""
        directions = {statement.direction for statement in self.statements}
        if not directions:
            return "same"
        if len(directions) == 2:
            return "incomparable"
        return "more permissive" if NOW in directions else "less permissive"

    def of(self, direction: Direction) -> tuple[Statement, ...]:
        """The statements in one direction."""
        return tuple(statement for statement in self.statements if statement.direction == direction)

    @property
    def moved(self) -> tuple[str, ...]:
        """The backends of both catalogs that are now somebody else, or somewhere else: what goes there is as new."""
        places = ("base_url", "provider")
        return tuple(dict.fromkeys(each.id for each in self.also if each.kind == "backend" and each.field in places))

    @property
    def new_access(self) -> bool:
        """Whether anyone may send anything to where it was not allowed before."""
        return bool(self.of(NOW) or self.moved)


def diff(old: Bundle, new: Bundle) -> Diff:
    """Compares two policies, cell by cell."""
    return Diff(old.digest, new.digest, tuple(_Diff(old, new).statements()), changes(old, new))


def unapproved(found: Diff, old: Bundle, new: Bundle, approvers: Collection[str]) -> tuple[Invariant, ...]:
    """The `no_new_access` invariants that a change breaks and none of whose approvers has agreed.

    Those of both sides count: a change cannot take away the approval that it needs.
    """
    if not found.new_access:
        return ()
    claims = {
        (each.id, each.approver): each
        for each in (*old.invariants, *new.invariants)
        if each.kind == "no_new_access" and not (each.approver and each.approver in approvers)
    }
    return tuple(claims.values())


class _Cut(NamedTuple):
    cube: Cube
    decide: Literal["forbid", "permit"]
    rules: tuple[str, ...]


class _Gain(msgspec.Struct, frozen=True):
    """Cells that one side permits and the other does not: a cube without exceptions, and the rules that did it."""

    cube: Cube
    exceptions: tuple[_Cut, ...]
    forbids: tuple[str, ...]
    permits: tuple[str, ...]


class _Diff:
    def __init__(self, old: Bundle, new: Bundle) -> None:
        self.joint = Joint(old, new)
        self.cells = self.joint.cells
        self.asked = (Eligibility(old), Eligibility(new))
        self.rules = tuple({rule.id: rule for rule in bundle.rules} for bundle in (old, new))
        self.ids = sorted(self.joint.old.backends.keys() | self.joint.new.backends.keys())

    def statements(self) -> Iterator[Statement]:
        """The statements: the permissive first, the broader first."""
        closed, *moments = _moments(self.joint.old.bundle, self.joint.new.bundle)
        found = self._at(closed)
        yield from found
        known = set(map(_claim, found))
        for moment in moments:
            yield from (each for each in self._at(moment) if _claim(each) not in known)

    def _at(self, moment: float) -> list[Statement]:
        """The statements while the exceptions of one moment are open."""
        old, new = self.joint.old, self.joint.new
        open_old, open_new = _open(old.bundle, moment), _open(new.bundle, moment)
        groups: dict[tuple[View, View], list[str]] = {}
        for id in self.ids:
            groups.setdefault((old.view(id, open_old), new.view(id, open_new)), []).append(id)
        gained: dict[tuple[Direction, Fate, _Gain], list[str]] = {}
        for (before, after), ids in groups.items():
            sides: tuple[tuple[Direction, View, View], ...] = (NOW, before, after), (NO_LONGER, after, before)
            for direction, closed, opened in sides:
                for gain in self._gains(closed, opened):
                    for id in ids:
                        gained.setdefault((direction, self._fate(id), gain), []).append(id)
        names = tuple(sorted({exemption.id for exemption in (*open_old, *open_new)}))
        found = [self._statement(*key, tuple(ids), moment, names) for key, ids in gained.items()]
        return sorted(found, key=lambda each: (each.direction == NO_LONGER, _breadth(each.cube), each.backends))

    def _fate(self, id: str) -> Fate:
        before, after = self.joint.old.backends.get(id), self.joint.new.backends.get(id)
        if before is None or after is None:
            return "added" if before is None else "removed"
        return "unchanged" if before.passport == after.passport and before.provider == after.provider else "changed"

    def _gains(self, before: View, after: View) -> Iterator[_Gain]:
        """What `after` permits and `before` does not."""
        stay, were = [each.cube for each in after.forbids], [each.cube for each in before.permits]
        gone = [each for each in before.forbids if not _within(each.cube, stay)]
        come = [each for each in after.permits if not _within(each.cube, were)]
        opened = [both for f in gone for p in after.permits if (both := intersect(f.cube, p.cube)) is not None]
        admitted = [each.cube for each in come]
        bases = self._bases(opened, after.forbids)
        for cube in bases:
            cuts = tuple(self._cuts(cube, after.forbids, "forbid"))
            yield _Gain(cube, cuts, _responsible(cube, gone), ())
        for cube in self._bases(admitted, (*after.forbids, *before.permits), beside=bases):
            cuts = (*self._cuts(cube, after.forbids, "forbid"), *self._cuts(cube, before.permits, "permit"))
            yield _Gain(cube, cuts, (), _responsible(cube, come))

    def _bases(self, cubes: list[Cube], minus: Sequence[Piece], beside: Sequence[Cube] = ()) -> list[Cube]:
        """Few cubes that are, but for `minus` and what is `beside` them, the same cells as many."""
        without = [each.cube for each in minus]
        tight = (_tightened(cube, without) for cube in merge(cubes))
        found = merge(self._widened(cube) for cube in tight if cube is not None)
        without += self.cells.impossible
        for cube in reversed(found):
            others = [other for other in found if other is not cube]
            if witness(cube, [*without, *others, *beside]) is None:
                found = others
        return found

    def _widened(self, cube: Cube) -> Cube:
        """A cube without conditions that hold for every possible request in it."""
        for at, full in enumerate(self.cells.whole):
            if rest := full & ~cube[at]:
                other = (*cube[:at], rest, *cube[at + 1 :])
                if witness(other, self.cells.impossible) is None:
                    cube = (*cube[:at], full, *cube[at + 1 :])
        return cube

    def _cuts(self, cube: Cube, pieces: Iterable[Piece], decide: Literal["forbid", "permit"]) -> Iterator[_Cut]:
        """What some rules decide inside a cube, each part with the rules that do."""
        inside: dict[Cube, set[str]] = {}
        for piece in pieces:
            both = intersect(cube, piece.cube)
            if both is not None and witness(both, self.cells.impossible) is not None:
                inside.setdefault(both, set()).add(piece.rule)
        for part in merge(inside):
            rules = {rule for smaller, ids in inside.items() if _within(smaller, [part]) for rule in ids}
            yield _Cut(part, decide, tuple(sorted(rules)))

    def _statement(
        self,
        direction: Direction,
        fate: Fate,
        gain: _Gain,
        backends: tuple[str, ...],
        moment: float,
        open: tuple[str, ...],
    ) -> Statement:
        forbade, permits = (0, 1) if direction == NOW else (1, 0)
        reasons = [self._reason(forbade, id) for id in gain.forbids]
        reasons += [self._reason(permits, id) for id in gain.permits]
        return Statement(
            direction=direction,
            cube=gain.cube,
            words=self._words(gain.cube),
            exceptions=tuple(
                Except(cut.cube, self._words(cut.cube, gain.cube), cut.decide, cut.rules) for cut in gain.exceptions
            ),
            backends=backends,
            fate=fate,
            reasons=tuple(reasons),
            example=self._example(direction, gain, backends[0], moment),
            open=open,
        )

    def _words(self, cube: Cube, region: Cube | None = None) -> dict[str, str]:
        """What a cube says beyond what its region says already, without values that no request in it has."""
        said = list(cube)
        for at, (mask, full) in enumerate(zip(cube, self.cells.whole, strict=True)):
            if region is not None and not region[at] & ~mask:
                said[at] = full
            elif mask != full:
                bits = [1 << bit for bit in range(mask.bit_length()) if mask >> bit & 1]
                parts = ((bit, (*cube[:at], bit, *cube[at + 1 :])) for bit in bits)
                said[at] = sum(bit for bit, part in parts if witness(part, self.cells.impossible) is not None)
        return self.cells.words(tuple(said))

    def _reason(self, side: int, id: str) -> Reason:
        rule, other = self.rules[side][id], self.rules[1 - side].get(id)
        if other is None:
            return Reason(id, rule.effect, "added" if side else "removed", rule.mark)
        fate: Fate = "unchanged" if meaning(rule) == meaning(other) else "changed"
        return Reason(id, rule.effect, fate, self.rules[1][id].mark)

    def _example(self, direction: Direction, gain: _Gain, backend: str, moment: float) -> Example:
        """A request as usual as it can be, asked of both sides: what is claimed is also what is decided."""
        minus = [*(cut.cube for cut in gain.exceptions), *self.cells.impossible]
        cell = witness(gain.cube, minus)
        assert cell is not None
        region = gain.cube
        for at, mask in enumerate(_usual(self.cells)):
            nearer = (*region[:at], region[at] & mask, *region[at + 1 :])
            if nearer[at] and (found := witness(nearer, minus)) is not None:
                region, cell = nearer, found
        facts = self.cells.facts(point(cell), USUAL)
        old, new = self.joint.old.facts(facts), self.joint.new.facts(facts)
        allowed = [
            backend in verdicts and verdicts[backend].permitted
            for verdicts in (
                self.asked[0].ask(old, moment).verdicts,
                self.asked[1].ask(new, moment).verdicts,
            )
        ]
        if allowed != [direction == NO_LONGER, direction == NOW]:
            raise AssertionError(f"{direction}: {backend} for {facts}, but it is decided as {allowed}")
        return Example(backend, old, new, moment)


def _claim(statement: Statement) -> tuple[object, ...]:
    """What a statement says, whenever it does."""
    return (statement.direction, statement.cube, *(each.cube for each in statement.exceptions), statement.backends)


def _responsible(cube: Cube, pieces: Iterable[Piece]) -> tuple[str, ...]:
    return tuple(sorted({piece.rule for piece in pieces if intersect(cube, piece.cube) is not None}))


def _within(cube: Cube, others: Sequence[Cube]) -> bool:
    return cube in others or any(all(not mask & ~bound for mask, bound in zip(cube, o, strict=True)) for o in others)


def _tightened(cube: Cube, minus: Sequence[Cube]) -> Cube | None:
    """A cube without what others cut off straight, so that it takes one `not` and no exception; None: all of it."""
    before, meeting = None, [other for other in minus if intersect(cube, other) is not None]
    while before != cube:
        before = cube
        for other in meeting:
            short = [at for at, (mask, bound) in enumerate(zip(cube, other, strict=True)) if mask & ~bound]
            if not short:
                return None
            if len(short) == 1 and intersect(cube, other) is not None:
                at = short[0]
                cube = (*cube[:at], cube[at] & ~other[at], *cube[at + 1 :])
    return cube


def _breadth(cube: Cube) -> tuple[int, Cube]:
    """Sorts what says least first."""
    return -sum(map(int.bit_count, cube)), cube


def _usual(cells: Cells) -> Iterator[int]:
    """The value that each variable has for a request that says nothing special, as a mask; 0: it has none."""
    for variable in cells.variables:
        name, _, word = variable.name.partition(":")
        usual = getattr(USUAL, REQUEST[name].field)
        value = UNKNOWN if usual is None else "no" if word else "known" if isinstance(usual, frozenset) else usual
        known = variable.values
        yield 1 << known.index(value) if value in known else 1 if known[0] == OTHER else 0


def _moments(old: Bundle, new: Bundle) -> Iterator[float]:
    """Moments that stand for all: one when no break-glass exception is open, one for each pair of open sets."""
    ends = {end for bundle in (old, new) for each in bundle.exemptions for end in (each.starts, each.expires)}
    seen = set()
    for moment in (_NEVER, *sorted(ends)):
        state = tuple(frozenset(map(meaning, _open(bundle, moment))) for bundle in (old, new))
        if state not in seen:
            seen.add(state)
            yield moment


def _open(bundle: Bundle, moment: float) -> tuple[Exemption, ...]:
    return tuple(each for each in bundle.exemptions if each.starts <= moment < each.expires)
