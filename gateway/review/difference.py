"""A difference between two policies, put into words for a review: as text, as markdown, as data."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from gateway.core.decision import Facts
from gateway.core.steering import plain
from gateway.policy.claims import USUAL
from gateway.policy.diff import NO_LONGER, NOW, Diff, Direction, Except, Reason, Statement
from gateway.policy.document import Mark, Problem, Severity
from gateway.policy.model import Invariant
from gateway.policy.vocabulary import REQUEST
from gateway.review.words import alternatives, code, escaped, requests, row, shown

_MOST_STATEMENTS = 20
_MOST_BACKENDS = 8
_MOST_RULES = 3
_MOST_CHANGES = 30
"""How many of each are put into words; data has all."""

_HEAD = (row(["requests", "backends", "because"]), row(["---"] * 3))
_FOLLOWING = ("source_sensitivity", "project.jurisdiction", "key.bucket")
"""Facts that follow from others: the label, and the project."""

_SAME = "the same requests may reach the same backends"
_FATES = {"added": " (new)", "removed": " (removed)", "changed": " (its facts changed)", "unchanged": ""}
_DECIDED: dict[tuple[Direction, Literal["forbid", "permit"]], str] = {
    (NOW, "forbid"): "still forbidden by",
    (NOW, "permit"): "already permitted by",
    (NO_LONGER, "forbid"): "already forbidden by",
    (NO_LONGER, "permit"): "still permitted by",
}


def text(found: Diff, broken: Iterable[Invariant], old: str, new: str) -> str:
    """The difference for a terminal; `old` and `new` are what to call the sides, `broken` what `unapproved` found."""
    lines = [f"{_verdict(found)}", f"from {old} to {new}"]
    for direction, sign in ((NOW, "+"), (NO_LONGER, "-")):
        told = _told(found, direction)
        for words, statement in told[:_MOST_STATEMENTS]:
            lines += [
                "",
                f"{sign} {direction}: {requests(words)}",
                f"    to {_backends(statement)}",
                *(f"    except where {each}" for each in _exceptions(statement)),
                *(f"    only while {each} is open" for each in _open(statement)),
                *(f"    because {_reason(reason)}" for reason in statement.reasons),
                f"    for example {_example(statement)}",
            ]
        lines += _more(told, f"{sign} ", direction)
    if found.also:
        lines += ["", "also changed", *(f"  {change}" for change in shown(map(str, found.also), _MOST_CHANGES))]
    lines += [line for each in broken for line in ("", _refused(each))]
    return "\n".join(map(plain, lines))


def markdown(found: Diff, broken: Iterable[Invariant], old: str, new: str) -> str:
    """The difference for a pull request: the verdict, a table for each direction, the details folded."""
    lines = [f"### Policy: {_verdict(found)}", "", f"From {code(old)} to {code(new)}."]
    lines += [line for each in broken for line in ("", f"> [!CAUTION]\n> {escaped(_refused(each))}")]
    for direction in (NOW, NO_LONGER):
        told = _told(found, direction)
        if not told:
            continue
        lines += ["", f"#### {direction.capitalize()}", "", *_HEAD]
        for words, each in told[:_MOST_STATEMENTS]:
            lead = [requests(words), *(f"except where {cut}" for cut in _exceptions(each))]
            lead += [f"only while {exception} is open" for exception in _open(each)]
            cells = ["<br>".join(map(escaped, lead)), escaped(_backends(each))]
            lines.append(row([*cells, "<br>".join(escaped(_reason(reason)) for reason in each.reasons)]))
        lines += _more(told, "", direction)
        examples = [f"- {escaped(_example(each))}" for _, each in told[:_MOST_STATEMENTS]]
        lines += ["", "<details><summary>Examples</summary>", "", *examples, "", "</details>"]
    if found.also:
        also = [f"- {escaped(change)}" for change in shown(map(str, found.also), _MOST_CHANGES)]
        lines += ["", f"<details><summary>Also changed: {len(found.also)}</summary>", "", *also, "", "</details>"]
    return "\n".join(lines)


def data(found: Diff, broken: Iterable[Invariant], old: str, new: str) -> dict[str, object]:
    """All of the difference, for programs."""
    return {
        "verdict": found.verdict,
        "old": {"name": old, "digest": found.old},
        "new": {"name": new, "digest": found.new},
        "statements": [_statement(each) for each in found.statements],
        "moved": found.moved,
        "also": [
            {"kind": each.kind, "id": each.id, "field": each.field, "before": each.before, "after": each.after}
            for each in found.also
        ],
        "unapproved": [{"invariant": each.id, "approver": each.approver or None} for each in broken],
    }


def problems(found: Diff, broken: Iterable[Invariant]) -> Iterator[Problem]:
    """The difference as remarks at the rules that make it."""
    unapproved = tuple(broken)
    for words, statement in (*_told(found, NOW), *_told(found, NO_LONGER)):
        severity: Severity = "info" if statement.direction == NO_LONGER else "error" if unapproved else "warning"
        said = f"{statement.direction}: {requests(words)}, to {_backends(statement)}"
        code = "P303" if statement.direction == NOW else "P304"
        for reason in statement.reasons:
            yield Problem(reason.mark, code, f"{said}; {reason.effect} `{reason.rule}` {_fate(reason)}", severity)
    for each in unapproved:
        yield Problem(each.mark, "P301", _refused(each))


def _verdict(found: Diff) -> str:
    counts = [f"{len(_told(found, each))} {each}" for each in (NOW, NO_LONGER) if found.of(each)]
    moved = f"; {', '.join(found.moved)} moved: what was sent there goes somewhere else now" if found.moved else ""
    return f"{found.verdict} ({', '.join(counts) or _SAME}){moved}"


def _refused(invariant: Invariant) -> str:
    who = f"{invariant.approver} has not approved it" if invariant.approver else "nobody can approve it"
    return f"invariant {invariant.id} ({invariant.mark}) does not hold: there is new access, and {who}"


def _told(found: Diff, direction: Direction) -> list[tuple[dict[str, str], Statement]]:
    """The statements in one direction, those that say the same of similar requests taken together."""
    groups: dict[object, list[Statement]] = {}
    for each in found.of(direction):
        groups.setdefault((each.backends, each.fate, each.reasons, each.open, *_exceptions(each)), []).append(each)
    return [
        (words, group[at])
        for group in groups.values()
        for at, words in alternatives(each.words for each in group).items()
    ]


def _more(told: Sequence[object], sign: str, direction: Direction) -> list[str]:
    more = len(told) - _MOST_STATEMENTS
    return ["", f"{sign}{direction}: and {more} more"] if more > 0 else []


def _backends(statement: Statement) -> str:
    return ", ".join(shown((f"{id}{_FATES[statement.fate]}" for id in statement.backends), _MOST_BACKENDS))


def _open(statement: Statement) -> tuple[str, ...]:
    return (f"exception {', '.join(statement.open)}",) if statement.open else ()


def _reason(reason: Reason) -> str:
    return f"{reason.effect} {reason.rule} {_fate(reason)} ({reason.mark})"


def _fate(reason: Reason) -> str:
    return "decides otherwise, itself unchanged" if reason.fate == "unchanged" else f"was {reason.fate}"


def _exceptions(statement: Statement) -> Iterator[str]:
    """What is decided as it was, by the rules that do."""
    grouped: dict[str, list[Except]] = {}
    for each in statement.exceptions:
        rules = ", ".join(shown(each.rules, _MOST_RULES))
        grouped.setdefault(f"{_DECIDED[statement.direction, each.decide]} {rules}", []).append(each)
    decided = [
        f"{said}: {' | '.join(shown(map(requests, alternatives(each.words for each in parts).values()), _MOST_RULES))}"
        for said, parts in grouped.items()
    ]
    yield from shown(decided, _MOST_RULES)


def _example(statement: Statement) -> str:
    """The request of an example: what the statement asks about, and what is not as usual."""
    before, after = (_facts(facts, statement) for facts in (statement.example.old, statement.example.new))
    read = f" (read as {before} before)" if before != after else ""
    return f"{after or 'any request'} to {statement.example.backend}{read}"


def _facts(facts: Facts, statement: Statement) -> str:
    found = []
    for name, attribute in REQUEST.items():
        value, usual = (getattr(each, attribute.field) for each in (facts, USUAL))
        if name in statement.words or (value != usual and name not in _FOLLOWING):
            found.append(f"{name}={_value(value)}")
    return " ".join(found)


def _value(value: str | frozenset[str] | None) -> str:
    if isinstance(value, frozenset):
        return ",".join(sorted(value)) or "none"
    return "unknown" if value is None else value


def _statement(each: Statement) -> dict[str, object]:
    return {
        "direction": each.direction,
        "requests": each.words,
        "exceptions": [{"requests": cut.words, "decide": cut.decide, "rules": cut.rules} for cut in each.exceptions],
        "backends": each.backends,
        "backends_are": each.fate,
        "open_exceptions": each.open,
        "rules": [
            {"rule": reason.rule, "effect": reason.effect, "fate": reason.fate, **_place(reason.mark)}
            for reason in each.reasons
        ],
        "example": {
            "backend": each.example.backend,
            "before": _plain_facts(each.example.old),
            "after": _plain_facts(each.example.new),
        },
    }


def _place(mark: Mark) -> dict[str, object]:
    return {"file": mark.file, "line": mark.line, "column": mark.column}


def _plain_facts(facts: Facts) -> dict[str, object]:
    values = {name: getattr(facts, attribute.field) for name, attribute in REQUEST.items()}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}
