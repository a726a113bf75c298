"""Who may be reached at all: whether some request with a label may be sent to a backend, exactly, or not said.

No: even where nothing but the label is given, every permit is covered by forbids. Yes: a request is admitted that can
come just so, as a first call, with nothing found in it and nothing taken out of it. In between (one that only what a
redaction leaves may be sent to, say, or only a call after a failed one) it depends on more than the rules, so nothing
is said. A breakable forbid counts as lifted, since an exception may come at any time.
"""

from collections.abc import Iterable

from gateway.core.labels import LEVELS
from gateway.policy.cells import UNKNOWN, Cells
from gateway.policy.clauses import clauses
from gateway.policy.document import Mark
from gateway.policy.model import Atom, Bundle
from gateway.policy.space import Budget, Cube, Exhausted, intersect, witness

LABELS = (*LEVELS, UNKNOWN)
"""Every label that a call can be sent with."""

_LABEL = Atom("request", "sensitivity", "in", frozenset(LEVELS), "", Mark("gateway/policy/reach.py"))


def reach(bundle: Bundle, steps: int) -> dict[tuple[str, str], bool]:
    """By label and backend, whether some request may be sent there. What is not decided in its share of so many search
    steps is left out, as is what depends on more than the rules."""
    found = clauses(bundle)
    asked = [atom for clause in (*found.permits, *found.forbids) for atom in clause.when]
    cells = Cells(bundle, [*asked, _LABEL])
    breakable = {rule.id for rule in bundle.rules if rule.breakable}
    alike: dict[tuple[tuple[Cube, ...], tuple[Cube, ...]], list[str]] = {}
    for backend in bundle.backends:
        permits = dict.fromkeys(piece.cube for piece in cells.permits(found, backend))
        forbids = (piece.cube for piece in cells.forbids(found, backend) if piece.rule not in breakable)
        alike.setdefault((tuple(permits), tuple(dict.fromkeys(forbids))), []).append(backend.id)
    known: dict[tuple[str, str], bool] = {}
    left, questions = steps, len(LABELS) * len(alike)
    redacts = _redacts(bundle)
    for (admitting, firm), ids in alike.items():
        for label in LABELS:
            budget = Budget(left // questions)
            left -= budget.steps or 0
            answer = _reached(cells, label, admitting, (*firm, *cells.impossible), budget, redacts)
            left, questions = left + (budget.steps or 0), questions - 1
            if answer is not None:
                known.update(dict.fromkeys(((label, id) for id in ids), answer))
    return known


def _redacts(bundle: Bundle) -> bool:
    rules = (*bundle.effect("permit"), *bundle.effect("require"))
    return any(obligation.name == "redact" for rule in rules for obligation in rule.do)


def _reached(
    cells: Cells, label: str, permits: Iterable[Cube], covered: tuple[Cube, ...], budget: Budget, redacts: bool
) -> bool | None:
    try:
        if _met(_plain(cells, label), permits, covered, budget):
            return True
        anyhow = {"sensitivity": cells.mask("sensitivity", [label])}
        if cells.has("redaction") and not redacts:
            anyhow["redaction"] = cells.mask("redaction", ["none"])
        return None if _met(cells.where(anyhow), permits, covered, budget) else False
    except Exhausted:
        return None


def _met(region: Cube, permits: Iterable[Cube], covered: tuple[Cube, ...], budget: Budget) -> bool:
    inside = (both for permit in permits if (both := intersect(permit, region)) is not None)
    return any(witness(each, covered, budget) is not None for each in inside)


def _plain(cells: Cells, label: str) -> Cube:
    """First calls as they come: nothing was found in them, or, where the label is unknown, nobody could look."""
    given = {"sensitivity": label, "redaction": "none", "budget": "ok", "attempt": "1"}
    given["tags"] = UNKNOWN if label == UNKNOWN else "known"
    masks = {name: cells.mask(name, [value]) for name, value in given.items() if cells.has(name)}
    for variable in cells.variables:
        name, _, word = variable.name.partition(":")
        if word:
            masks[variable.name] = 0b01
        elif name.startswith("visited_"):
            masks[name] = cells.mask(name, ["known"])
    return cells.where(masks)
