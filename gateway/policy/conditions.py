"""Conditions as they are written, made into atoms. Everything becomes a finite set of values, so it stays decidable.

team: legal                      the value                sensitivity: ">= confidential"    an ordered level
team: [legal, hr]                one of                   tags: {any: [secret, pii]}        a set meets
team: {not: [legal, hr]}         none of                  tags: {all: [...]}, {none: [...]} a set holds, avoids
"""

import re

from gateway.core.labels import LEVELS
from gateway.policy.document import Document, Path, Problem, suggestion
from gateway.policy.model import Atom, Test
from gateway.policy.vocabulary import BACKEND, REQUEST, Attribute, Side, Vocabulary

_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(\S+)\Z")
_TAG_TESTS: dict[str, Test] = {"any": "any", "all": "all", "none": "none"}


class Conditions:
    """Reads conditions against the vocabulary and the catalog; adds to `problems` what it cannot accept."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        backends: frozenset[str] | None,
        providers: frozenset[str],
        problems: list[Problem],
    ) -> None:
        self._vocabulary = vocabulary
        self._words = {"backend": backends, "provider": providers}  # None: not known, so not checked
        self._problems = problems

    def atoms(self, document: Document, path: Path, written: dict[str, object], side: Side) -> tuple[Atom, ...]:
        """The atoms of a `when` (side request) or a `to` (side backend)."""
        table = REQUEST if side == "request" else BACKEND
        found = []
        for name, condition in written.items():
            at = (*path, name)
            attribute = table.get(name)
            if attribute is None:
                other = "to" if name in BACKEND else "when" if name in REQUEST else ""
                hint = f"; it belongs under `{other}`" if other else suggestion(name, table)
                self._problem(document, at, "P104", f"unknown attribute `{name}` of a {side}{hint}", key=True)
                continue
            if atom := self._atom(document, at, attribute, condition):
                found.append(atom)
        return tuple(found)

    def _problem(self, document: Document, path: Path, code: str, message: str, *, key: bool = False) -> None:
        mark = document.key(path) if key else document.value(path)
        self._problems.append(Problem(mark, code, message))

    def _atom(self, document: Document, path: Path, attribute: Attribute, condition: object) -> Atom | None:
        test: Test = "in"
        if attribute.kind == "tags":
            if not (isinstance(condition, dict) and len(condition) == 1 and next(iter(condition)) in _TAG_TESTS):
                example = "`{any: [secret]}`, `{all: [...]}` or `{none: [...]}`"
                self._problem(document, path, "P102", f"`{attribute.name}` is a set; write {example}")
                return None
            ((name, condition),) = condition.items()
            test, path = _TAG_TESTS[name], (*path, name)
        elif isinstance(condition, dict):
            if set(condition) != {"not"}:
                self._problem(
                    document, path, "P102", f"write a value, a list of values, or `{{not: ...}}` for `{attribute.name}`"
                )
                return None
            test, condition, path = "not_in", condition["not"], (*path, "not")
        values = self._values(document, path, attribute, condition)
        if values is None:
            return None
        return Atom(
            attribute.side, attribute.name, test, values, _text(attribute.name, test, condition), document.key(path)
        )

    def _values(self, document: Document, path: Path, attribute: Attribute, condition: object) -> frozenset[str] | None:
        if isinstance(condition, str) and (match := _COMPARISON.match(condition)):
            return self._range(document, path, attribute, match[1], match[2])
        words: list[object] = condition if isinstance(condition, list) else [condition]
        if not words:
            self._problem(document, path, "P102", f"an empty list for `{attribute.name}` matches nothing; name a value")
            return None
        known = self._known(attribute)
        good: set[str] = set()
        for position, word in enumerate(words):
            at = (*path, position) if isinstance(condition, list) else path
            if not isinstance(word, str):
                self._problem(document, at, "P102", f"a value of `{attribute.name}` is a word; quote it if it is one")
            elif known is not None and word not in known:
                self._problem(
                    document,
                    at,
                    "P103",
                    f"unknown value `{word}` for {attribute.side}.{attribute.name}{suggestion(word, known)}",
                )
            else:
                good.add(word)
        return frozenset(good) if len(good) == len(set(map(str, words))) else None

    def _known(self, attribute: Attribute) -> frozenset[str] | None:
        """The values that an attribute can have, None: any name."""
        if attribute.kind == "name":
            return None
        if not attribute.section:
            return self._words[attribute.name]
        return self._vocabulary.words(attribute.section) if self._vocabulary.sections else None

    def _range(
        self, document: Document, path: Path, attribute: Attribute, operator: str, level: str
    ) -> frozenset[str] | None:
        if attribute.kind != "level":
            self._problem(document, path, "P102", f"`{attribute.name}` has no order; `{operator}` does not apply")
            return None
        if level not in LEVELS:
            self._problem(document, path, "P103", f"unknown level `{level}`{suggestion(level, LEVELS)}")
            return None
        at = LEVELS.index(level)
        return frozenset({">=": LEVELS[at:], ">": LEVELS[at + 1 :], "<=": LEVELS[: at + 1], "<": LEVELS[:at]}[operator])


def _text(name: str, test: Test, condition: object) -> str:
    """The condition in one line, for explanations."""
    words = ", ".join(map(str, condition)) if isinstance(condition, list) else str(condition)
    if test == "in":
        return f"{name} {words}" if _COMPARISON.match(words) else f"{name} is {words}"
    return f"{name} {'not' if test == 'not_in' else test} {words}"
