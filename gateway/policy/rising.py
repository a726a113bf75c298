"""Labels that add a backend: where one is permitted with the higher of two labels and not with the lower."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from gateway.policy.cells import Cells
from gateway.policy.chains import Group
from gateway.policy.query import Query
from gateway.policy.space import Cube, intersect

Labels = Mapping[int, int]
"""Masks of the labels' variables, by position."""


class Focus(msgspec.Struct, frozen=True):
    """What a change of one rule did to a backend, in a tree in which labels added nothing before.

    `gained` is where it may be permitted now and was not: then the higher label must be in it. None: nowhere, so the
    lower label must be where a permit is `gone` or a forbid `came`.
    """

    gained: tuple[Cube, ...] | None
    gone: tuple[Cube, ...] = ()
    came: tuple[Cube, ...] = ()


def risen(cells: Cells, group: Group, low: Labels, high: Labels, focus: Focus | None) -> Iterator[tuple[Query, str]]:
    """Where a group is permitted with the high labels and not with the low ones, in cubes that leave the labels open.
    With each the breakable rule that is in force there, if it takes one."""
    gained = None if focus is None or focus.gained is None else _slice(cells, focus.gained, high)
    gone = None if focus is None or focus.gained is not None else _slice(cells, focus.gone, low)
    came = None if focus is None or focus.gained is not None else frozenset(focus.came)
    if gained == () or (gone == () and not came):
        return
    permits, before = _slice(cells, group.permits, high), frozenset(_slice(cells, group.permits, low))
    if gained is not None:
        permits = tuple(dict.fromkeys(_meeting(permits, gained)))
    impossible = (*_slice(cells, cells.impossible, low), *_slice(cells, cells.impossible, high))
    forbids = _slice(cells, group.forbids, high)
    alone = [permit for permit in permits if permit not in before]
    for region in alone if gone is None else _meeting(alone, gone):
        yield Query(region, (*forbids, *before), impossible), ""
    denied = [(cube, "") for cube in _slice(cells, _among(group.forbids, came), low)]
    lifted = [piece for piece in group.lifted if came is None or piece.cube in came]
    denied += [(cube, piece.rule) for piece in lifted for cube in _slice(cells, [piece.cube], low)]
    for forbid, rule in denied:
        same = [piece.cube for piece in group.lifted if piece.rule == rule]
        avoid = (*forbids, *_slice(cells, same, high))
        if forbid not in avoid:
            for region in _meeting(permits, [forbid]):
                yield Query(region, avoid, impossible), rule


def _meeting(some: Iterable[Cube], others: Sequence[Cube]) -> Iterator[Cube]:
    return (both for one in some for other in others if (both := intersect(one, other)) is not None)


def _among(cubes: Sequence[Cube], some: frozenset[Cube] | None) -> Sequence[Cube]:
    return cubes if some is None else [cube for cube in cubes if cube in some]


def _slice(cells: Cells, cubes: Sequence[Cube], labels: Labels) -> tuple[Cube, ...]:
    """The cubes that meet some labels, there: with these variables open."""
    opened = {at: cells.whole[at] for at in labels}
    found = (cube for cube in cubes if all(cube[at] & mask for at, mask in labels.items()))
    return tuple(dict.fromkeys([with_labels(cube, opened) for cube in found]))


def with_labels(cube: Cube, masks: Labels) -> Cube:
    """A cube with other masks for some variables."""
    other = list(cube)
    for at, mask in masks.items():
        other[at] = mask
    return tuple(other)
