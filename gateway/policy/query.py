"""Questions about all requests, and the plainest request that answers one."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from gateway.policy.cells import OTHER, UNKNOWN, Cells
from gateway.policy.claims import USUAL
from gateway.policy.space import Budget, Cube, Variable, intersect, point, witness
from gateway.policy.vocabulary import BACKEND, REQUEST

PLAIN = msgspec.structs.replace(USUAL, source_sensitivity=USUAL.sensitivity)
"""A request that says nothing special."""


class Query(msgspec.Struct, frozen=True):
    """Is there a cell in `region` that no cube of `avoid` covers? Cells of `impossible` do not count."""

    region: Cube
    avoid: tuple[Cube, ...]
    impossible: tuple[Cube, ...]

    def answer(self, budget: Budget) -> Cube | None:
        """A cube that says yes; None: no. Raises `Exhausted`."""
        return witness(self.region, (*self.avoid, *self.impossible), budget)

    def clear(self, cube: Cube) -> bool:
        """Whether every possible cell of a cube in the region says yes."""
        meeting = (intersect(cube, other) for other in self.avoid)
        return all(both is None or witness(both, self.impossible) is None for both in meeting)


_LABELS = ("sensitivity", "source_sensitivity")
_LAST = ("sensitivity", "purpose", "project.jurisdiction", "project", "tags")
_DROPPED_IN_THIS_ORDER = (
    *reversed([name for name in REQUEST if name not in _LAST]),
    *(f"backend.{name}" for name in reversed(tuple(BACKEND))),
    *reversed(_LAST),
)
"""What says least about a request is given up first."""


def smallest(
    variables: Sequence[Variable],
    region: Cube,
    found: Cube,
    clear: Callable[[Cube], bool],
    impossible: Sequence[Cube],
) -> Cube:
    """A cube around one cell of `found` that is still clear, and as wide as the region in every attribute whose value
    does not matter. What matters has its mildest value. Variables of no attribute stay as they are found."""
    at: dict[str, list[int]] = {}
    for position, variable in enumerate(variables):
        at.setdefault(variable.name.partition(":")[0], []).append(position)
    now, before = point(found), None
    while now != before:
        before = now
        for name in _DROPPED_IN_THIS_ORDER:
            positions = at.get(name, ())
            wider = tuple(region[v] if v in positions else mask for v, mask in enumerate(now))
            if wider == now:
                continue
            if clear(wider):
                now = wider
                continue
            for position in positions:
                for milder in _milder(variables[position], now, region, position):
                    if clear(milder) and witness(milder, impossible) is not None:
                        now = milder
                        break
    return now


def _milder(variable: Variable, cube: Cube, region: Cube, position: int) -> Iterator[Cube]:
    """The cube with plainer values of one variable: the usual one, then milder ones. Of a label only milder ones."""
    bits = [1 << at for at in range(len(variable.values))]
    if variable.name not in _LABELS:
        bits.insert(0, 1 << variable.values.index(_usual(variable)))
    for bit in bits[: bits.index(cube[position])]:
        if region[position] & bit:
            yield (*cube[:position], bit, *cube[position + 1 :])


def plainest(cells: Cells, cube: Cube, impossible: Sequence[Cube]) -> Cube:
    """The possible cell of a cube that has the usual value of what the cube leaves open, else the mildest ones."""
    for position, variable in enumerate(cells.variables):
        mask = cube[position]
        bits = [1 << at for at in range(mask.bit_length()) if mask >> at & 1]
        if mask == cells.whole[position]:
            bits.insert(0, 1 << variable.values.index(_usual(variable)))
        for bit in bits:
            nearer = (*cube[:position], bit, *cube[position + 1 :])
            if witness(nearer, impossible) is not None:
                cube = nearer
                break
    return cube


def _usual(variable: Variable) -> str:
    """The value of a request that says nothing special, and of a backend of which nothing is declared."""
    name, _, word = variable.name.partition(":")
    known = variable.values
    if word:
        return "no"
    if name not in REQUEST:
        return OTHER if OTHER in known else UNKNOWN
    usual = getattr(PLAIN, REQUEST[name].field)
    if isinstance(usual, frozenset):
        return "known"
    return usual if usual in known else OTHER if OTHER in known else UNKNOWN
