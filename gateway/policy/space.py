"""Finite spaces cut by cubes: whether some cubes cover a region, and what they leave of it.

Requests are a product of finite variables, a rule is a cube of it, and every proof asks one thing: is a region minus
a union of cubes empty? That is satisfiability, so the search does what solvers do. It follows every cube that leaves
only one way out, then guesses; from a dead end it derives a covered cube larger than the dead end, which says which
guesses were to blame, and remembers it. Sets of cubes are bits of one int: one operation asks all of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from math import prod
from operator import and_, or_

import msgspec

Cube = tuple[int, ...]
"""One non-zero bit mask per variable of a space: a product of sets."""

_REMEMBERED = 1000
"""Derived cubes kept by one search. Without them joint covers of 128 cubes took over 100,000 steps, with them 3,300."""


class Variable(msgspec.Struct, frozen=True):
    """One attribute's finite classes. Bit i of a mask stands for values[i]; the mildest comes first."""

    name: str
    values: tuple[str, ...]


class Exhausted(Exception):
    """The step budget is used up: neither covered nor not."""


class Budget:
    """Search steps left, None for no limit. One budget may serve many queries; a step is one look at all cubes."""

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps

    def spend(self) -> None:
        """Takes a step, or raises `Exhausted`."""
        if self.steps is None:
            return
        if self.steps <= 0:
            raise Exhausted
        self.steps -= 1


def size(cube: Cube) -> int:
    """The number of cells in a cube."""
    return prod(map(int.bit_count, cube))


def point(cube: Cube) -> Cube:
    """One cell of a cube: the lowest value of every variable."""
    return tuple(mask & -mask for mask in cube)


def intersect(a: Cube, b: Cube) -> Cube | None:
    """The cells in both; None when there are none."""
    both = tuple(map(and_, a, b))
    return both if all(both) else None


def witness(region: Cube, minus: Sequence[Cube], budget: Budget | None = None) -> Cube | None:
    """A cube inside the region and outside every cube of `minus`; None when `minus` covers the region."""
    return next(remainder(region, minus, budget), None)


def remainder(region: Cube, minus: Sequence[Cube], budget: Budget | None = None) -> Iterator[Cube]:
    """Disjoint cubes whose union is the region without `minus`, each found when it is asked for."""
    budget = budget or Budget()
    budget.spend()
    # Most queries of a policy end here: one rule covers the region, or nothing meets it.
    cubes: dict[Cube, None] = {}
    for cube in minus:
        if all(map(and_, cube, region)):
            both = tuple(map(and_, cube, region))
            if both == region:
                return
            cubes[both] = None
    if cubes:
        yield from _Search(region, list(cubes), budget).run()
    else:
        yield region


def merge(cubes: Iterable[Cube]) -> list[Cube]:
    """Fewer cubes with the same union, the largest first: those that differ in one variable become one."""
    found = sorted(set(cubes))
    before = -1
    while before != len(found):
        before = len(found)
        for variable in range(len(found[0]) if found else 0):
            joined: dict[Cube, int] = {}
            for cube in found:
                others = cube[:variable] + cube[variable + 1 :]
                joined[others] = joined.get(others, 0) | cube[variable]
            found = [(*others[:variable], mask, *others[variable:]) for others, mask in joined.items()]
    columns = _columns(tuple(reduce(or_, masks) for masks in zip(*found, strict=True)), found)
    # Every cube contains itself: a bit besides its own is a cube that makes it superfluous.
    largest = [cube for cube in found if _containing(cube, columns, len(found)).bit_count() == 1]
    return sorted(largest, key=lambda cube: (-size(cube), cube))


class _Column:
    """One variable of many cubes; a set of cubes is an int with their bits."""

    def __init__(self) -> None:
        self._cubes: dict[int, int] = {}  # by mask
        self._seen: dict[int, tuple[int, int]] = {}

    def add(self, mask: int, cube: int) -> None:
        """Notes that a cube, given as its bit, has a mask."""
        self._cubes[mask] = self._cubes.get(mask, 0) | cube
        for asked, (apart, short) in self._seen.items():
            if asked & ~mask:
                self._seen[asked] = apart if asked & mask else apart | cube, short | cube

    def against(self, mask: int) -> tuple[int, int]:
        """The cubes that do not meet a mask, and the cubes that do not contain it."""
        if mask not in self._seen:
            apart = short = 0
            for other, cubes in self._cubes.items():
                if mask & ~other:
                    short |= cubes
                    if not mask & other:
                        apart |= cubes
            self._seen[mask] = apart, short
        return self._seen[mask]


def _columns(region: Cube, cubes: Iterable[Cube]) -> list[_Column]:
    """For asking about parts of the region. Most cubes span it in most variables, and are noted in the others only."""
    columns = [_Column() for _ in region]
    for index, cube in enumerate(cubes):
        for column, mask, whole in zip(columns, cube, region, strict=True):
            if mask != whole:
                column.add(mask, 1 << index)
    return columns


def _containing(cube: Cube, columns: Sequence[_Column], count: int) -> int:
    short = 0
    for column, mask in zip(columns, cube, strict=True):
        short |= column.against(mask)[1]
    return (1 << count) - 1 & ~short


class _Search:
    """One walk through a region. `now` is the part in question; `trail` is how it came to be smaller than the region.

    An entry of the trail is a variable, its mask before, and the cube that covers what was cut off; None for a guess.
    Every entry takes a value away, so the trail is never longer than the variables have values.
    """

    def __init__(self, region: Cube, cubes: list[Cube], budget: Budget) -> None:
        self.region = region
        self.now = list(region)
        self.trail: list[tuple[int, int, Cube | None]] = []
        self.given = len(cubes)
        self.cubes = cubes
        self.columns = _columns(region, cubes)
        self.budget = budget

    def run(self) -> Iterator[Cube]:
        """The parts of the region that no cube covers."""
        while True:
            covered = self._narrow()
            if covered is None:
                # What is given out counts as covered from here on: that makes the parts disjoint.
                covered = tuple(self.now)
                yield covered
            if not self._turn_back(covered):
                return

    def _narrow(self) -> Cube | None:
        """Goes down until a cube covers `now`, and gives that cube, or until no cube meets `now`."""
        while True:
            self.budget.spend()
            apart = once = twice = 0
            shorts = []
            for column, mask in zip(self.columns, self.now, strict=True):
                disjoint, short = column.against(mask)
                apart |= disjoint
                twice |= once & short
                once |= short
                shorts.append(short)
            alive = (1 << len(self.cubes)) - 1 & ~apart
            if not alive:
                return None
            if covering := alive & ~once:
                return self._first(covering)
            if forcing := alive & ~twice:
                self._follow(forcing, shorts)
            else:
                self._guess(alive, shorts)

    def _first(self, cubes: int) -> Cube:
        return self.cubes[(cubes & -cubes).bit_length() - 1]

    def _follow(self, forcing: int, shorts: Sequence[int]) -> None:
        """Cuts off what cubes cover that fall short in one variable only."""
        for variable, short in enumerate(shorts):
            cubes = forcing & short
            while cubes:
                cube = self._first(cubes)
                cubes &= cubes - 1
                mask = self.now[variable]
                left = mask & ~cube[variable]
                if left not in {0, mask}:  # another cube may have cut off all of it, or all but it
                    self.trail.append((variable, mask, cube))
                    self.now[variable] = left

    def _guess(self, alive: int, shorts: Sequence[int]) -> None:
        """Leaves one of the cubes that are nearest to covering, by the variable in which most of these fall short."""
        digits: list[int] = []  # in how many variables each cube falls short, in binary, all cubes at once
        for short in shorts:
            carry = short & alive
            for place, digit in enumerate(digits):
                digits[place] = digit ^ carry
                carry &= digit
            if carry:
                digits.append(carry)
        nearest = alive
        for digit in reversed(digits):
            nearest = nearest & ~digit or nearest
        variable = max(range(len(shorts)), key=lambda v: (shorts[v] & nearest).bit_count())
        mask = self.now[variable]
        self.trail.append((variable, mask, None))
        self.now[variable] = mask & ~self._first(nearest & shorts[variable])[variable]

    def _turn_back(self, covered: Cube) -> bool:
        """Undoes the trail up to the last guess to blame and cuts off what is covered there; False when all is."""
        while self.trail:
            variable, mask, cube = self.trail.pop()
            self.now[variable] = mask
            left = mask & ~covered[variable]
            if not left:
                continue  # covered either way: this cut had no part in it
            if cube is None:
                self._remember(covered)
                self.trail.append((variable, mask, covered))
                self.now[variable] = left
                return True
            # Both cover their side of the cut, so what they share elsewhere is covered on both sides.
            shared = list(map(and_, covered, cube))
            shared[variable] = covered[variable] | cube[variable]
            covered = tuple(shared)
        return False

    def _remember(self, cube: Cube) -> None:
        if len(self.cubes) >= self.given + _REMEMBERED:
            del self.cubes[self.given : self.given + _REMEMBERED // 2]
            self.columns = _columns(self.region, self.cubes)
        bit = 1 << len(self.cubes)
        self.cubes.append(cube)
        for column, mask in zip(self.columns, cube, strict=True):
            column.add(mask, bit)
