"""All triggers in one automaton, made cheap.

An automaton that counts for many expressions at once has a state for every combination of counts, and is rebuilt over
and over. So a trigger is cut short where it begins to count: what is left still matches wherever the whole does. One
that begins by counting a long run of letters and digits shares the trigger of all long runs.
"""

from collections.abc import Iterable, Iterator

import re2

from gateway.sensitivity.questions import Questions, Trigger

LONG_RUN = r"[A-Za-z0-9+/_\-]{12}"
_LONG = 12
_COUNTED = 3
_LITTLE, _TELLING = 2, 4
"""How many characters before the counting are enough to look for, and how many are better than a long run."""
_CACHE_BYTES = 64_000_000
"""Memory for the automaton's states. They are made as texts need them."""

_QUANTIFIERS = "*+?{"
_RUN_CLASSES = (
    r"\w",
    "A-Za-z0-9",
    "0-9A-Za-z",
    "1-9A-HJ-NP-Za-km-z",
    "A-Z0-9",
    "0-9A-F",
    "0-9a-fA-F",
    "0-9a-f",
    "0-9a-z",
)


class Triggers:
    """The triggers of a table, looked for in one pass."""

    def __init__(self, triggers: Iterable[Trigger]) -> None:
        rows = tuple(triggers)
        numbers: dict[str, list[int]] = {}
        for number, trigger in enumerate(rows):
            if isinstance(trigger, str):
                numbers.setdefault(cheap(trigger), []).append(number)
        self._questions = Questions(rows)
        self._numbers = tuple(numbers.values())
        options = re2.Options()
        options.max_mem = _CACHE_BYTES
        self._set = re2.Set(re2._Anchor.UNANCHORED, options)  # noqa: SLF001  SearchSet() takes no options
        for trigger in numbers:
            self._set.Add(trigger)
        self._set.Compile()

    def any(self, text: str) -> bool:
        """Whether any trigger matches."""
        return bool(self._set.Match(text)) or self._questions.any(text)

    def of(self, text: str) -> list[int]:
        """The numbers of the triggers that match, in the order of the table; perhaps of some more."""
        found = [number for each in self._set.Match(text) or () for number in self._numbers[each]]
        return sorted(found + self._questions.of(text))


def cheap(trigger: str) -> str:
    """A trigger that matches wherever the given one does, and does not count."""
    flags, expression = ("(?i)", trigger[4:]) if trigger.startswith("(?i)") else ("", trigger)
    kept: list[str] = []
    for atom, quantifier, least in _atoms(expression):
        if atom == "|":
            return trigger  # each way would have to be cut for itself
        if quantifier and (least > _COUNTED or quantifier[0] in "*+" or quantifier.endswith(",}")):
            letters = sum(len(part) for part in kept if part[0] not in "[\\")
            if least >= _LONG and letters < _TELLING and _plain(atom):
                return LONG_RUN
            return flags + "".join(kept) + atom * min(least, 1) if letters >= _LITTLE else trigger
        kept.append(atom + quantifier)
    return trigger


def _plain(atom: str) -> bool:
    """Whether it is a class with only characters of long runs."""
    if not atom.startswith("["):
        return False
    rest = atom[1:-1]
    for known in _RUN_CLASSES:
        rest = rest.removeprefix(known)
    return all(c in "+/_-\\" for c in rest)


def _atoms(expression: str) -> Iterator[tuple[str, str, int]]:
    """The parts of an expression: each with its quantifier, and how often it must stand at least."""
    at = 0
    while at < len(expression):
        end = _end_of_atom(expression, at)
        quantifier, least = "", 1
        if end < len(expression) and expression[end] in _QUANTIFIERS:
            stop = expression.index("}", end) + 1 if expression[end] == "{" else end + 1
            quantifier = expression[end:stop]
            least = int(quantifier[1:-1].split(",")[0]) if quantifier[0] == "{" else int(quantifier[0] == "+")
            if stop < len(expression) and expression[stop] == "?":
                stop += 1
            yield expression[at:end], expression[end:stop], least
            at = stop
        else:
            yield expression[at:end], "", 1
            at = end


def _end_of_atom(expression: str, at: int) -> int:
    """Where the part that begins here ends."""
    first = expression[at]
    if first == "\\":
        if expression[at + 1] in "pPx" and expression[at + 2 : at + 3] == "{":
            return expression.index("}", at) + 1
        return at + 2
    if first == "[":
        end = at + 2 if expression[at + 1] != "^" else at + 3
        while expression[end] != "]":
            end += 2 if expression[end] == "\\" else 1
        return end + 1
    if first == "(":
        end = at + 1
        while expression[end] != ")":
            end = _end_of_atom(expression, end)
        return end + 1
    return at + 1
