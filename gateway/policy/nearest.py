"""Where a request lies in the space of all requests, and the least that would have to change for it to be permitted."""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.core.catalog import Backend
from gateway.core.decision import Facts
from gateway.policy.cells import UNKNOWN, Cells
from gateway.policy.decide import known_only
from gateway.policy.space import Budget, Cube, Exhausted, intersect, merge, remainder
from gateway.policy.vocabulary import BACKEND, REQUEST

_STEPS = 20_000
"""Search steps for one backend. A search that runs out shows the nearest that it has seen."""
_MOST = 3
"""Alternatives that are given."""


class Change(msgspec.Struct, frozen=True):
    """One attribute that would have to be otherwise: as it is, and the values of which any would do."""

    attribute: str
    now: str
    wanted: str


def cell_of(cells: Cells, facts: Facts, backend: Backend | None = None) -> Cube:
    """The cell of a request, and of a backend where the space has backends' facts."""
    facts = known_only(facts, cells.bundle.vocabulary)
    masks: dict[str, int] = {}
    for name, attribute in REQUEST.items():
        if cells.has(name):
            masks |= _masks(cells, name, getattr(facts, attribute.field))
    if backend is not None:
        known = backend.passport | {"backend": backend.id, "provider": backend.provider}
        for name in BACKEND:
            if cells.has(f"backend.{name}"):
                masks |= _masks(cells, f"backend.{name}", known.get(name))
    return cells.where(masks)


def _masks(cells: Cells, name: str, value: str | frozenset[str] | None) -> dict[str, int]:
    if not isinstance(value, frozenset):
        return {name: cells.mask(name, [UNKNOWN if value is None else value])}
    members = [variable.name for variable in cells.variables if variable.name.startswith(f"{name}:")]
    inside = {member: cells.mask(member, ["yes" if member.partition(":")[2] in value else "no"]) for member in members}
    return inside | {name: cells.mask(name, ["known"])}


def closest(
    cells: Cells, here: Cube, regions: Iterable[Cube], minus: Sequence[Cube], steps: int = _STEPS
) -> Cube | None:
    """The part of some regions, outside `minus`, that is as `here` in the most attributes; None: there is none, or none
    that was found in so many search steps."""
    found = _parts(cells, here, regions, minus, steps)
    best = min(found, key=len, default=None)
    if best is None:
        return None
    return tuple(at & mask or mask for at, mask in zip(here, found[best][0], strict=True))


def nearest(
    cells: Cells, here: Cube, permits: Iterable[Cube], forbids: Sequence[Cube], free: Iterable[str]
) -> tuple[tuple[Change, ...], ...]:
    """The smallest sets of changes by which a denied cell becomes a permitted one, as alternatives; none: nothing of
    what is free to change would do. `free` are the attributes that may change, as variables of the space are named."""
    attributes, free = _attributes(cells), frozenset(free)
    region = tuple(
        full if name in free else mask for name, full, mask in zip(attributes, cells.whole, here, strict=True)
    )
    found = _parts(cells, here, (both for cube in permits if (both := intersect(region, cube))), forbids)
    least = min(map(len, found), default=0)
    sets = sorted((names for names in found if len(names) == least), key=lambda names: [*map(attributes.index, names)])
    return tuple(_changes(cells, attributes, here, names, found[names]) for names in sets[:_MOST])


def _attributes(cells: Cells) -> list[str]:
    """Of each variable the attribute that it belongs to."""
    return [variable.name.partition(":")[0] for variable in cells.variables]


def _parts(
    cells: Cells, here: Cube, regions: Iterable[Cube], minus: Sequence[Cube], steps: int = _STEPS
) -> dict[tuple[str, ...], list[Cube]]:
    """What `minus` and the impossible leave of some regions, by the attributes in which it is not as `here`."""
    attributes, taken = _attributes(cells), [*minus, *cells.impossible]
    found: dict[tuple[str, ...], list[Cube]] = {}
    budget = Budget(steps)
    try:
        for region in regions:
            for cube in remainder(region, taken, budget):
                changed = (name for name, at, mask in zip(attributes, here, cube, strict=True) if not at & mask)
                found.setdefault(tuple(dict.fromkeys(changed)), []).append(cube)
    except Exhausted:
        pass  # the nearest that was seen is near enough
    return found


def _changes(
    cells: Cells, attributes: list[str], here: Cube, names: tuple[str, ...], cubes: list[Cube]
) -> tuple[Change, ...]:
    """The changes of some attributes; whatever else the cubes ask is as it is."""
    kept = [
        tuple(mask if name in names else at & mask for name, at, mask in zip(attributes, here, cube, strict=True))
        for cube in cubes
    ]
    best = merge(kept)[0]
    now, wanted = cells.words(here), cells.words(best)
    return tuple(Change(name, now.get(name, "any"), _plain(wanted.get(name, "any"))) for name in names)


def _plain(wanted: str) -> str:
    """What is none of some words is known: that goes without saying."""
    return wanted.removesuffix(f", {UNKNOWN}") if wanted.startswith("not ") else wanted
