"""Which series and labels a query names. Not a parser of PromQL: enough to find a name that nobody has."""

import re
from collections.abc import Iterator, Mapping

LABELS_OF_SCRAPES = frozenset({"instance", "job"})
_SERIES = re.compile(r"\b(gateway_\w+)\s*(\{[^}]*\})?")
_MADE = re.compile(r'label_replace\(.*?"(\w+)", "[^"]*", "\w*", "[^"]*"\)')
_GROUPED = re.compile(r"\b(?:by|without) \(([\w, ]+)\) \(")
_JOINED = re.compile(r"\b(?:on|group_left) \(([\w, ]+)\)")


def series_of(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Every series that is named, with the labels that it is selected by."""
    for found in _SERIES.finditer(expr):
        yield found[1], set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", found[2] or ""))


def problems(expr: str, known: Mapping[str, frozenset[str]]) -> list[str]:
    """Series that are unknown, and labels that the series they are asked of do not have."""
    found = [f"unknown series {name}" for name, _ in series_of(expr) if name not in known]
    if found:
        return found
    made = set(_MADE.findall(expr))
    every = {label for name, _ in series_of(expr) for label in known[name]} | LABELS_OF_SCRAPES | made
    for name, labels in series_of(expr):
        found += [f"{name} has no label {label}" for label in labels - known[name] - LABELS_OF_SCRAPES]
    for grouped in _GROUPED.finditer(expr):
        inside = _without_labels(_inside(expr, grouped.end() - 1))
        of = {name for name, _ in series_of(inside)}
        for label in set(grouped[1].split(", ")) - made - LABELS_OF_SCRAPES:
            found += [f"{name} has no label {label}" for name in of if label not in known[name]]
    for joined in _JOINED.finditer(expr):
        found += [f"nothing has the label {label}" for label in set(joined[1].split(", ")) - every]
    return found


def _without_labels(expr: str) -> str:
    """A query without what is only asked whether it is there at all: `on () (...)`."""
    while (at := expr.find("on () (")) >= 0:
        expr = expr.replace(expr[at : at + 6] + _inside(expr, at + 6), "")
    return expr


def _inside(expr: str, opened: int) -> str:
    """What is between a parenthesis and the one that closes it."""
    depth = 0
    for index in range(opened, len(expr)):
        depth += (expr[index] == "(") - (expr[index] == ")")
        if depth == 0:
            return expr[opened : index + 1]
    raise ValueError(f"not closed: {expr[opened:]}")
