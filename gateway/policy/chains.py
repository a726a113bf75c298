"""The calls of one request as a space: what holds of a chain is asked like everything else.

A request that is tried several times is one request (its own facts do not change) and, for each call, a choice: a
backend with a permit that admits it, and the error of the call before. What rules ask about earlier calls (`attempt`,
`last_error`, `visited_...`) becomes a condition on these choices, so a chain that a rule forbids is covered by a cube.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from itertools import combinations, pairwise
from operator import or_

import msgspec

from gateway.core.catalog import Backend
from gateway.core.fallback import MAX_ATTEMPTS
from gateway.policy.cells import Cells, Piece
from gateway.policy.model import Invariant, every, of_backend
from gateway.policy.query import Query
from gateway.policy.space import Cube
from gateway.policy.vocabulary import REQUEST

_FACT = {"visited_regions": "region", "visited_operators": "operator_origin"}
"""What is remembered of earlier calls, and the fact of a backend that it is made of."""
_HOP = frozenset(name for name, attribute in REQUEST.items() if attribute.hop)
_ERRORS = tuple(error for error in REQUEST["last_error"].values if error != "none")
_UNKNOWN, _YES, _EITHER = 0b10, 0b10, 0b11

Condition = Mapping[int, int]
"""A conjunction: a mask for each of some positions of a cube."""


class Group(msgspec.Struct, frozen=True):
    """Backends that all rules treat alike, and where they are permitted: in some permit and no forbid.

    `lifted` are forbids that break-glass exceptions may lift; empty where these are in `forbids` like the others.
    """

    backends: tuple[Backend, ...]
    permits: tuple[Cube, ...]
    forbids: tuple[Cube, ...]
    lifted: tuple[Piece, ...] = ()


class Chains:
    """The chains that break an invariant of kind `chain`, by their length in calls."""

    def __init__(self, cells: Cells, groups: Iterable[Group], invariant: Invariant) -> None:
        self.cells = cells
        self.most = invariant.most_operators
        self.invariant = invariant
        self.asked = not _HOP.isdisjoint(variable.name for variable in cells.variables)
        # Those of whom the invariant speaks for certain come first: a chain that is found is made of them if it can be.
        self.groups = sorted((part for group in groups for part in self._alike(group)), key=self._uncertain)
        self.ordered = self.most is None or bool(invariant.left or invariant.enter)

    def lengths(self) -> list[int]:
        """The lengths that have to be looked at. Where no rule asks about earlier calls, only the shortest."""
        if self.asked:
            return list(range(2, MAX_ATTEMPTS + 1))
        shortest = {2} if self.ordered else set()
        return sorted(shortest | ({self.most + 1} if self.most and self.most < MAX_ATTEMPTS else set()))

    def _alike(self, group: Group) -> list[Group]:
        """Backends that the invariant, and what is remembered of a call, treat alike, too."""
        facts = [fact for name, fact in _FACT.items() if self.cells.has(name)]
        parts: dict[object, list[Backend]] = {}
        for backend in group.backends:
            remembered = [backend.fact(fact) for fact in facts]
            operator = backend.operator if self.most else ""
            parts.setdefault((*remembered, operator, self.left(backend), self.enter(backend)), []).append(backend)
        return [msgspec.structs.replace(group, backends=tuple(backends)) for backends in parts.values()]

    def _uncertain(self, group: Group) -> bool:
        claims = (self.invariant.left, self.invariant.enter)
        return any(every(of_backend(atom, group.backends[0]) for atom in claim) is None for claim in claims)

    def left(self, backend: Backend) -> bool:
        """Whether nothing may be entered after this one. What is not known counts."""
        return every(of_backend(atom, backend) for atom in self.invariant.left) is not False

    def enter(self, backend: Backend) -> bool:
        """Whether this one may not be entered after some. What is not known counts."""
        return every(of_backend(atom, backend) for atom in self.invariant.enter) is not False


class Walk:
    """The chains of one length whose last call breaks the invariant.

    Its cubes have the request's own variables, the choice of each call, and, if rules ask it, the error before each
    call but the first.
    """

    def __init__(self, chains: Chains, length: int) -> None:
        self.chains = chains
        self.cells = chains.cells
        self.length = length
        self._options = [(group, permit) for group in chains.groups for permit in group.permits]
        self._own = [at for at, each in enumerate(self.cells.variables) if each.name.partition(":")[0] not in _HOP]
        self._hop = [at for at in range(len(self.cells.variables)) if at not in self._own]
        self._calls = range(len(self._own), len(self._own) + length)
        self._errors = self.cells.mask("last_error", _ERRORS) if self.cells.has("last_error") else 0
        self._every_choice = (1 << len(self._options)) - 1
        self._of = {
            id(group): sum(1 << at for at, (whose, _) in enumerate(self._options) if whose is group)
            for group in chains.groups
        }
        self.whole: Cube = (
            *(self.cells.whole[at] for at in self._own),
            *[self._every_choice] * length,
            *[self._errors] * (length - 1 if self._errors else 0),
        )

    def queries(self) -> Iterator[Query]:
        """The ways in which the last call may break the invariant. Each answer is a chain."""
        if not self._options:
            return
        avoid = [cube for cube in (*self._not_admitted(), *self._forbidden(), *self._called_twice()) if all(cube)]
        requests = [(cube, self.with_request(self.whole, cube)) for cube in self.cells.impossible]
        impossible = tuple(here for cube, here in requests if self.request(here) == cube)
        chains = self.chains
        if chains.ordered and (chains.asked or self.length == 2):
            left = self._choices(group for group in chains.groups if chains.left(group.backends[0]))
            enter = self._choices(group for group in chains.groups if chains.enter(group.backends[0]))
            for earlier in self._calls[:-1]:
                region = self._cube({earlier: left, self._calls[-1]: enter})
                if all(region):
                    yield Query(region, tuple(avoid), impossible)
        if chains.most and self.length > chains.most and (chains.asked or self.length == chains.most + 1):
            for before in combinations(self._calls[:-1], chains.most):
                apart = tuple(self._apart((*before, self._calls[-1])))
                yield Query(self.whole, (*avoid, *apart), impossible)

    def path(self, found: Cube) -> list[tuple[Backend, str]]:
        """The backends that the choices of a cell stand for, each with the error of the call before."""
        path: list[tuple[Backend, str]] = []
        for call in range(self.length):
            group, _ = self._options[_lowest(found[self._calls[call]])]
            backend = next(each for each in group.backends if all(each is not before for before, _ in path))
            error = "none" if call == 0 else _ERRORS[0]
            if call and self._errors:
                values = self.cells.variables[self.cells.at("last_error")].values
                error = values[_lowest(found[self._calls[-1] + call])]
            path.append((backend, error))
        return path

    def request(self, found: Cube) -> Cube:
        """The request of a cell or cube, in the space of requests, without a word about its calls."""
        request = list(self.cells.whole)
        for position, at in enumerate(self._own):
            request[at] = found[position]
        return tuple(request)

    def with_request(self, found: Cube, request: Cube) -> Cube:
        """The same calls of another request."""
        return (*(request[at] for at in self._own), *found[len(self._own) :])

    def _cube(self, *conditions: Condition) -> Cube:
        cube = list(self.whole)
        for condition in conditions:
            for position, mask in condition.items():
                cube[position] &= mask
        return tuple(cube)

    def _choices(self, groups: Iterable[Group]) -> int:
        return reduce(or_, (self._of[id(group)] for group in groups), 0)

    def _not_admitted(self) -> Iterator[Cube]:
        """Choices whose permit is not true. Those that lack the same thing are one cube."""
        always: dict[tuple[int, int], int] = {}
        for at, (_, permit) in enumerate(self._options):
            for position, its in enumerate(self._own):
                if permit[its] != self.whole[position]:
                    key = position, self.whole[position] & ~permit[its]
                    always[key] = always.get(key, 0) | 1 << at
        asking = [(at, permit) for at, (_, permit) in enumerate(self._options) if self._asks(permit)]
        for call, position in enumerate(self._calls):
            for (its, mask), choices in always.items():
                yield self._cube({its: mask, position: choices})
            lacking: dict[tuple[tuple[int, int], ...], int] = {}
            for at, permit in asking:
                for options in self._about_calls(permit, call, holds=False):
                    for condition in options:
                        key_ = tuple(sorted(condition.items()))
                        lacking[key_] = lacking.get(key_, 0) | 1 << at
            for conditions, choices in lacking.items():
                yield self._cube(dict(conditions), {position: choices})

    def _forbidden(self) -> Iterator[Cube]:
        """Choices of backends that a forbid denies."""
        whom: dict[Cube, list[Group]] = {}
        for group in self.chains.groups:
            for forbid in group.forbids:
                whom.setdefault(forbid, []).append(group)
        for forbid, groups in whom.items():
            choices = self._choices(groups)
            for call, position in enumerate(self._calls):
                for condition in self._holds(forbid, call):
                    yield self._cube(condition, {position: choices})

    def _called_twice(self) -> Iterator[Cube]:
        """More calls to some backends than there are of them: each is called once."""
        for group in self.chains.groups:
            choices = self._choices([group])
            for calls in combinations(self._calls, len(group.backends) + 1):
                yield self._cube(dict.fromkeys(calls, choices))

    def _apart(self, calls: tuple[int, ...]) -> Iterator[Cube]:
        """Calls that do not all go to different operators. Where their order does not matter, only one is looked at."""
        by_operator: dict[str, list[Group]] = {}
        for group in self.chains.groups:
            by_operator.setdefault(group.backends[0].operator, []).append(group)
        below = 0
        for operator in sorted(by_operator):
            here = self._choices(by_operator[operator])
            below |= here
            if self.chains.asked:
                yield from (self._cube({a: here, b: here}) for a, b in combinations(calls, 2))
            else:
                yield from (self._cube({a: here, b: below}) for a, b in pairwise(calls))

    def _holds(self, cube: Cube, call: int) -> list[Condition]:
        """The conditions under any of which a call is in a cube of the space of requests."""
        found: list[Condition] = [{position: cube[at] for position, at in enumerate(self._own)}]
        for options in self._about_calls(cube, call, holds=True) if self._asks(cube) else ():
            found = [_both(one, other) for one in found for other in options]
        return found

    def _asks(self, cube: Cube) -> bool:
        """Whether a cube asks anything about calls."""
        return any(cube[at] != self.cells.whole[at] for at in self._hop)

    def _about_calls(self, cube: Cube, call: int, *, holds: bool) -> Iterator[list[Condition]]:
        """For each thing that a cube asks about calls, the conditions under any of which it holds, or does not."""
        for name, value in (("attempt", str(call + 1)), ("last_error", "none")):
            asked = self.cells.has(name) and (name == "attempt" or call == 0)
            if asked and not cube[self.cells.at(name)] & self.cells.mask(name, [value]):
                yield [] if holds else [{}]
        if self._errors and call > 0:
            errors = cube[self.cells.at("last_error")] & self._errors
            if errors != self._errors:
                yield [{self._calls[-1] + call: errors if holds else self._errors & ~errors}]
        for name, fact in _FACT.items():
            if self.cells.has(name):
                yield from self._about_places(name, fact, cube, call, holds=holds)

    def _about_places(self, name: str, fact: str, cube: Cube, call: int, *, holds: bool) -> Iterator[list[Condition]]:
        known = cube[self.cells.at(name)]
        if known == _EITHER:
            return
        # Each is: some earlier call went to such a backend (True), or none did.
        wanted = [(self._at(fact, None), known == _UNKNOWN)]
        prefix = f"{name}:"
        for variable, mask in zip(self.cells.variables, cube, strict=True):
            if mask != _EITHER and variable.name.startswith(prefix):
                wanted.append((self._at(fact, variable.name.removeprefix(prefix)), mask == _YES))
        for choices, some in wanted:
            earlier, others = self._calls[:call], self._every_choice & ~choices
            yield [{at: choices} for at in earlier] if some is holds else [dict.fromkeys(earlier, others)]

    def _at(self, fact: str, word: str | None) -> int:
        """The choices of backends with a fact; None: of those that do not declare it."""
        return self._choices(group for group in self.chains.groups if group.backends[0].fact(fact) == word)


def _both(one: Condition, other: Condition) -> Condition:
    return {**one, **{at: one.get(at, -1) & mask for at, mask in other.items()}}


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1
