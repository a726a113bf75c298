"""Conditions as they are written, made into atoms. Everything becomes a finite set of values, so it stays decidable.

team: legal                  the value              sensitivity: ">= confidential"   an ordered level
team: [legal, hr]            one of                 tags: {any: [secret, pii]}       a set meets
team: {not: [legal, hr]}     none of                tags: {all: [...]}, {none: [...]} a set holds, avoids
team: any                    no condition           region: declared                 a passport fact is written down
key.bucket: "< 10"           a number in a range
principal.person: {in: backend.eligible_persons}, {not_in: ...}                      a word and a backend's set
"""

import re

from gateway.core.labels import LEVELS
from gateway.policy.document import Document, Path, Problem, suggestion
from gateway.policy.model import Atom, Test
from gateway.policy.vocabulary import BACKEND, ORDERED, REQUEST, Attribute, Side, Vocabulary

_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(\S+)\Z")
_SET_TESTS: dict[str, Test] = {"any": "any", "all": "all", "none": "none"}
_WORD_TESTS: dict[str, Test] = {"in": "in", "not": "not_in", "not_in": "not_in"}
ANY = "any"
DECLARED = "declared"
WORDS_WITH_MEANING = frozenset({ANY, DECLARED, "unknown"})
"""No vocabulary may have these words: they already mean something in a condition or a test."""


class Conditions:
    """Reads conditions against the vocabulary and the catalog; adds to `problems` what it cannot accept."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        backends: frozenset[str] | None,
        providers: frozenset[str],
        problems: list[Problem],
    ) -> None:
        self.vocabulary = vocabulary
        self._words = {"backend": backends, "provider": providers}  # None: not known, so not checked
        self._problems = problems

    def atoms(
        self, document: Document, path: Path, written: dict[str, object], side: Side, *, alone: bool = False
    ) -> tuple[Atom, ...]:
        """The atoms of a `when` (side request) or a `to` (side backend). `alone`: no backend to compare with."""
        table = REQUEST if side == "request" else BACKEND
        found = []
        for name, condition in written.items():
            at = (*path, name)
            attribute = table.get(name)
            if attribute is None:
                other = "to" if name in BACKEND else "when" if name in REQUEST else ""
                hint = f"; it belongs under `{other}`" if other else suggestion(name, table)
                self._problem(document, at, "P104", f"unknown attribute `{name}` of a {side}{hint}", key=True)
            elif condition != ANY and (atom := self._atom(document, at, attribute, condition)):
                if alone and atom.other:
                    self._problem(document, at, "P106", "no backend is known here that this could be compared with")
                found.append(atom)
        return tuple(found)

    def _problem(self, document: Document, path: Path, code: str, message: str, *, key: bool = False) -> None:
        mark = document.key(path) if key else document.value(path)
        self._problems.append(Problem(mark, code, message))

    def _atom(self, document: Document, path: Path, attribute: Attribute, condition: object) -> Atom | None:
        mark, text = document.key(path), _text(attribute.name, condition)
        if condition == DECLARED and attribute.side == "backend":
            return Atom(attribute.side, attribute.name, "declared", frozenset(), text, mark)
        tests = _SET_TESTS if attribute.kind == "set" else _WORD_TESTS
        test: Test = "in"
        if isinstance(condition, dict):
            if len(condition) != 1 or next(iter(condition)) not in tests:
                self._problem(document, path, "P102", f"{_forms(attribute)} for `{attribute.name}`")
                return None
            ((form, condition),) = condition.items()
            test, path = tests[form], (*path, form)
        elif attribute.kind == "set":
            self._problem(document, path, "P102", f"`{attribute.name}` is a set; {_forms(attribute)}")
            return None
        if isinstance(condition, str) and condition.startswith("backend."):
            return self._comparison(document, path, attribute, test, condition.removeprefix("backend."), text)
        values = self._values(document, path, attribute, condition)
        return None if values is None else Atom(attribute.side, attribute.name, test, values, text, mark)

    def _comparison(
        self, document: Document, path: Path, attribute: Attribute, test: Test, other: str, text: str
    ) -> Atom | None:
        """A word of the request and a set of the backend, out of the same closed list."""
        row = BACKEND.get(other)
        if row is None or row.kind != "set" or attribute.side != "request" or row.section != attribute.section:
            fitting = [
                f"`{word.name}` with `backend.{many.name}`"
                for many in BACKEND.values()
                for word in REQUEST.values()
                if many.kind == "set" and word.kind == "word" and word.section == many.section
            ]
            self._problem(document, path, "P102", f"these can be compared: {', '.join(fitting)}")
            return None
        return Atom(attribute.side, attribute.name, test, frozenset(), text, document.key(path), other)

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
            if attribute.kind in ("count", "number") and type(word) is int:
                word = str(word)  # noqa: PLW2901  it may be written as the number it is
            if not isinstance(word, str):
                self._problem(document, at, "P102", f"a value of `{attribute.name}` is a word; quote it if it is one")
            elif known is None and word in WORDS_WITH_MEANING:
                self._problem(document, at, "P102", f"`{word}` is no value of `{attribute.name}`: it has a meaning")
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
        if attribute.name in self._words:
            return self._words[attribute.name]
        if attribute.section and not self.vocabulary.sections:
            return None
        values = self.vocabulary.values(attribute)
        return None if values is None else frozenset(values)

    def _range(
        self, document: Document, path: Path, attribute: Attribute, operator: str, word: str
    ) -> frozenset[str] | None:
        if attribute.kind not in ORDERED:
            self._problem(document, path, "P102", f"`{attribute.name}` has no order; `{operator}` does not apply")
            return None
        ordered = LEVELS if attribute.kind == "level" else attribute.values
        if word not in ordered:
            self._problem(document, path, "P103", f"unknown {attribute.kind} `{word}`{suggestion(word, ordered)}")
            return None
        at = ordered.index(word)
        found = {">=": ordered[at:], ">": ordered[at + 1 :], "<=": ordered[: at + 1], "<": ordered[:at]}[operator]
        if not found:
            self._problem(document, path, "P102", f"nothing is `{operator} {word}`")
            return None
        return frozenset(found)


def _forms(attribute: Attribute) -> str:
    """What can be written for an attribute."""
    if attribute.kind == "set":
        return "write `{any: [...]}`, `{all: [...]}` or `{none: [...]}`"
    return "write a value, a list of values, or `{not: ...}`"


def _text(name: str, condition: object) -> str:
    """The condition in one line, for explanations."""
    if isinstance(condition, dict) and len(condition) == 1:
        ((form, condition),) = condition.items()
        return f"{name} {str(form).replace('_', ' ')} {_words(condition)}"
    words = _words(condition)
    return f"{name} {words}" if _COMPARISON.match(words) or words == DECLARED else f"{name} is {words}"


def _words(condition: object) -> str:
    return ", ".join(map(str, condition)) if isinstance(condition, list) else str(condition)
