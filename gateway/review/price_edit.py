"""What is published, written into the text of a prices.yaml: only the figures that differ are touched, so that order,
comments and whatever nobody else knows stay as they are."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec
import yaml

from gateway.core.price import Price
from gateway.review.prices import Published, Step, at, differences, plain

Priced = Callable[[str], Price]
"""The price of one row in a text of the file."""

_LAST = ("tiers", "services", "source", "date")
"""How a row ends. Figures stand before these."""

_REST = re.compile(r"(\s*\n[ \t]*(#[^\n]*)?)+\Z")
"""Empty lines and comments that a block takes in, although they belong to what follows."""


class Row(msgspec.Struct, frozen=True):
    """A row of the file: a model, and which of its list (None: it is no list)."""

    model: str
    position: int | None = None


def renewed(text: str, row: Row, published: Published, priced: Priced, *, source: str, date: str) -> str:
    """The text with the row as it is published, and with where that comes from.

    `priced` reads the row's price out of a text: what a factor such as `flex: 0.5` comes to is only known once the
    figures beside it are right.
    """
    usual = msgspec.structs.replace(published, services={})
    # One by one: a figure that is not written follows another one, and may be right only until that one changes.
    while short := [each for each in differences(priced(text), usual) if not each.above]:
        text = _set(text, _row(text, row), short[0].rate, plain(short[0].theirs))
    if differences(priced(text), usual):
        text = _with_tiers(text, row, published)
    if lacking := {each.service for each in differences(priced(text), published)}:
        text = _with_services(text, row, published, lacking)
    for key, value in (("source", source), ("date", date)):
        text = _set(text, _row(text, row), key, value)
    return text


def with_version(text: str, version: str) -> str:
    """The text under another version."""
    return _set(text, _top(text), "version", f'"{version}"')


def _with_tiers(text: str, row: Row, published: Published) -> str:
    kept = _tiers(_row(text, row))
    tiers = [{"above": str(step.above), **kept.get(step.above, {}), **_written(step)} for step in published.steps[1:]]
    return _set(text, _row(text, row), "tiers", _list(tiers))


def _with_services(text: str, row: Row, published: Published, lacking: set[str]) -> str:
    for service, steps in published.services.items():
        if service not in lacking:
            continue
        factor = _factor(published.steps, steps)
        value = plain(factor) if factor is not None else _own(steps)
        node = _row(text, row)
        services = _member(node, "services")
        if isinstance(services, yaml.MappingNode) and services.value:
            text = _set(text, services, service, value)
        else:
            text = _set(text, node, "services", f"{{{service}: {value}}}")
    return text


def _factor(usual: tuple[Step, ...], steps: tuple[Step, ...]) -> Decimal | None:
    """By what all usual rates are multiplied, None: not all by the same, or by nothing that can be written."""
    lengths = {step.above for step in (*usual, *steps)}
    pairs = [(at(usual, above).get(rate), figure) for above in lengths for rate, figure in at(steps, above).items()]
    base, figure = pairs[0]
    if not base or any(set(at(usual, above)) != set(at(steps, above)) for above in lengths):
        return None
    factor = figure / base
    exact = all(each is not None and each * factor == mine for each, mine in pairs)
    return factor if exact and factor == round(factor, 6) else None


def _own(steps: tuple[Step, ...]) -> str:
    figures = _written(steps[0])
    if len(steps) > 1:
        figures["tiers"] = _list([{"above": str(step.above), **_written(step)} for step in steps[1:]])
    return _map(figures)


def _written(step: Step) -> dict[str, str]:
    return {rate: plain(figure) for rate, figure in step.figures.items()}


def _map(figures: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{name}: {figure}' for name, figure in figures.items())}}}"


def _list(maps: list[dict[str, str]]) -> str:
    return f"[{', '.join(map(_map, maps))}]"


# Places in the text. The file was parsed before, so everything is where it has to be.


def _top(text: str) -> yaml.MappingNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    return node


def _member(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _row(text: str, row: Row) -> yaml.MappingNode:
    models = _member(_top(text), "models")
    assert isinstance(models, yaml.MappingNode)
    found = _member(models, row.model)
    if isinstance(found, yaml.SequenceNode):
        found = found.value[row.position or 0]
    assert isinstance(found, yaml.MappingNode)
    return found


def _tiers(row: yaml.MappingNode) -> dict[int, dict[str, str]]:
    """The tiers that a row has, as written."""
    found = _member(row, "tiers")
    tiers = [{key.value: value.value for key, value in each.value} for each in found.value] if found else []
    return {int(tier.pop("above")): tier for tier in tiers}


def _set(text: str, node: yaml.MappingNode, key: str, value: str) -> str:
    """The text with a value of a mapping set: in its place, or, where it has none, before what it stands before."""
    if (old := _member(node, key)) is not None:
        start, end = old.start_mark.index, old.end_mark.index
        end = start + len(_REST.sub("", text[start:end]))  # a block ends where the next thing begins
        return text[:start] + value + text[end:]
    later = _LAST[_LAST.index(key) + 1 :] if key in _LAST else _LAST
    before = next((name for name, _ in node.value if name.value in later), node.value[0][0]).start_mark
    separator = ", " if node.flow_style else "\n" + " " * before.column
    return f"{text[: before.index]}{key}: {value}{separator}{text[before.index :]}"
