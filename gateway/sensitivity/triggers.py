"""All triggers of a table, looked for in a few passes that cost the same whatever the text is.

One automaton for all expressions would be made state by state as texts need them, and every new text needs new ones. So
what an expression cannot do without is taken out of it: a word that must be there, of which one linear search finds all
(Aho-Corasick, in lower case), or a digit, a long run of letters and digits, a character beyond ASCII. Where nothing of
the kind is to be had, the expression itself is searched for.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import product

import re2
from ahocorasick_rs import BytesAhoCorasick, Implementation

from gateway.sensitivity.expression import Expression

_LONG = 12
_MOST_WAYS, _MOST_CHARACTERS = 64, 12
_TELLING = 3
"""A shorter word stands in too many texts to be worth looking for, if there is anything else."""
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
_DIGITS = ("[0-9]", r"\d", *"0123456789")
_GATES = {"digit": "[0-9]", "long": r"[A-Za-z0-9+/_\-]{12}", "beyond": r"[^\x00-\x7f]"}
"""What is looked for where no word is to be had."""

_COUNTS = re.compile(r"\{\d*[4-9]|\{\d\d")
"""Expressions that count are searched for one by one: together they have a state for every combination of counts."""
_FEW = 40
_CACHE_BYTES = 32_000_000
"""Memory for the states of the others, which are made as texts need them."""
_NOTHING = r"[^\x00-\x{10ffff}]"
_UNREAD = re.compile(r"\\[QC0-7]|\[\[|\[:|\(\?(?!i?:)")
"""What the reading of expressions below does not know: they are searched for as they are."""

Words = frozenset[str]
Question = Callable[[str], bool]
"""A trigger that no expression can say, such as whether any of a million names is there: true of every text that has a
part of which it is true."""
Trigger = str | Question


class Triggers:
    """The triggers of a table, by number. They match a text if they match any part of it."""

    def __init__(self, triggers: Iterable[Trigger]) -> None:
        words: dict[str, list[int]] = {}
        plain: dict[str, list[int]] = {}
        runs: dict[str, list[int]] = {}
        counting: dict[str, list[int]] = {}
        narrow: dict[str, list[int]] = {}
        self._beyond: list[int] = []
        self._questions: list[tuple[Question, int]] = []
        for number, trigger in enumerate(triggers):
            if not isinstance(trigger, str):
                self._questions.append((trigger, number))
                continue
            need = needed(trigger)
            if not isinstance(need, str):
                for word in need:
                    words.setdefault(word, []).append(number)
            elif _counts_runs(trigger):
                runs.setdefault(trigger, []).append(number)
            elif not _COUNTS.search(trigger):
                exact = need == "nothing" or trigger in _DIGITS
                (plain if exact else narrow).setdefault(trigger, []).append(number)
            elif need == "beyond":
                self._beyond.append(number)
            else:
                where = {"digit": plain, "long": runs}.get(need, counting)
                where.setdefault(_GATES.get(need, trigger), []).append(number)
        self._numbers = list(words.values())
        self._words = BytesAhoCorasick([word.encode() for word in words], implementation=Implementation.DFA)
        plain.setdefault(_GATES["digit"], [])
        self._digit = list(plain).index(_GATES["digit"])
        literal = "|".join(re.escape(word) for word in words)
        self._worded = _set([*plain, f"(?i:{literal})"] if words else plain)
        self._plain, self._plain_numbers = _set(plain), list(plain.values())
        self._runs, self._runs_numbers = _set(runs), list(runs.values())
        self._narrow, self._narrow_numbers = _set(narrow), list(narrow.values())
        self._counting = [(Expression(each).stands_in, numbers) for each, numbers in counting.items()]

    def any(self, text: str) -> bool:
        """Whether any trigger may match."""
        octets = text.encode()
        return bool(self._worded(octets) or self._others(text, octets))

    def of(self, text: str) -> list[int]:
        """The numbers of all triggers that may match, in their order."""
        octets = text.encode()
        low = octets.lower() if len(octets) == len(text) else text.lower().encode()
        found = self._others(text, octets, self._plain(octets))
        if words := self._words.find_matches_as_indexes(low, overlapping=True):
            for word in {match[0] for match in words}:
                found += self._numbers[word]
        return sorted(set(found)) if len(found) > 1 else found

    def _others(self, text: str, octets: bytes, plain: Collection[int] = ()) -> list[int]:
        """Those that are looked for by neither, and those of `plain`; some may be named twice."""
        found: list[int] = []
        for at in plain:
            found += self._plain_numbers[at]
        for at in self._runs(octets):
            found += self._runs_numbers[at]
        beyond = len(octets) != len(text)
        if beyond or self._digit in plain:
            for at in self._narrow(octets):
                found += self._narrow_numbers[at]
        if beyond:
            found += self._beyond
        for stands_in, numbers in self._counting:
            if stands_in(octets):
                found += numbers
        for ask, number in self._questions:
            if ask(text):
                found.append(number)
        return found


def _set(expressions: Collection[str]) -> Callable[[bytes], list[int]]:
    """Which of some expressions match, by their places."""
    options = re2.Options()
    options.max_mem = _CACHE_BYTES
    made = re2.Set(re2._Anchor.UNANCHORED, options)  # noqa: SLF001  SearchSet() takes no options
    for expression in expressions or (_NOTHING,):
        made.Add(expression)
    made.Compile()
    match: Callable[[bytes], list[int]] = made._set.Match  # noqa: SLF001  its own method is a frame that does nothing else
    return match


def _counts_runs(expression: str) -> bool:
    """Whether all that an expression counts are letters and digits in a row, and few: of any number of those, one
    automaton needs little more states than of the longest."""
    if _UNREAD.search(expression):
        return False
    counted = 0
    for branch in _branches(expression):
        for atom, quantifier, least in _atoms(branch):
            if _COUNTS.search(atom):
                return False
            if _COUNTS.search(quantifier):
                if quantifier != f"{{{least}}}" or least > _FEW or not _is_run(atom):
                    return False
                counted += 1
    return counted > 0


def needed(trigger: str) -> Words | str:
    """What no match of an expression can do without: one of these words (in lower case), or a gate by its name
    (`_GATES`); `nothing`: neither is to be had."""
    if _UNREAD.search(expression := trigger.removeprefix("(?i)")):
        return "nothing"
    words = _any_of(_words(branch) for branch in _branches(expression))
    if words is not None and min(map(len, words)) >= _TELLING:
        return words
    for gate, opens in (("digit", _is_digit), ("long", _is_long), ("beyond", _is_beyond)):
        if _always(expression, opens):
            return gate
    return "nothing" if words is None else words


def _any_of(ways: Iterable[Words | None]) -> Words | None:
    """All words of all ways; None if one of the ways has none."""
    found: Words = frozenset()
    for words in ways:
        if words is None:
            return None
        found |= words
    return found


def _always(expression: str, opens: Callable[[str, int], bool]) -> bool:
    """Whether every match has a part that opens a gate."""
    return all(
        any(
            opens(atom, least) or (least > 0 and atom.startswith("(") and _always(_inside(atom), opens))
            for atom, _, least in _atoms(branch)
        )
        for branch in _branches(expression)
    )


def _is_digit(atom: str, least: int) -> bool:
    return least > 0 and atom in _DIGITS


def _is_long(atom: str, least: int) -> bool:
    return least >= _LONG and _is_run(atom)


def _words(sequence: str) -> Words | None:
    """Words of which one stands in whatever a sequence matches; None: there are none worth looking for."""
    best: Words | None = None
    exact: Words = frozenset([""])
    for atom, quantifier, least in _atoms(sequence):
        ways = _exact(atom)
        if ways is not None and not quantifier and len(exact) * len(ways) <= _MOST_WAYS:
            exact = frozenset(a + b for a, b in product(exact, ways))
            continue
        best = _better(best, exact)
        exact = frozenset([""])
        if least and atom.startswith("("):
            best = _better(best, _any_of(_words(branch) for branch in _branches(_inside(atom))))
        elif least and ways is not None:
            exact = ways if quantifier in ("", "+") else exact
            best = _better(best, ways)
    best = _better(best, exact)
    return best if best is not None and _worth(best) else None


def _better(one: Words | None, other: Words | None) -> Words | None:
    """The words that are rarer in texts: the longer ones."""
    if one is None or not one or other is None or not other:
        return one or other
    return other if (min(map(len, other)), -len(other)) > (min(map(len, one)), -len(one)) else one


def _worth(words: Words) -> bool:
    """Whether words are rare enough: no single letter or digit, no blank."""
    return all(
        len(word.strip()) > 1 or (len(word) == 1 and not word.isalnum() and word not in " \n.,-'\"") for word in words
    )


def _exact(atom: str) -> Words | None:
    """All that an atom can match, in lower case, if that is little."""
    if atom.startswith("("):
        inside = _inside(atom)
        found: set[str] = set()
        for branch in _branches(inside):
            ways: Words = frozenset([""])
            for inner, quantifier, _ in _atoms(branch):
                each = _exact(inner)
                if each is None or quantifier not in ("", "?"):
                    return None
                each = each | {""} if quantifier else each
                ways = frozenset(a + b for a, b in product(ways, each))
                if len(ways) > _MOST_WAYS:
                    return None
            found |= ways
        return frozenset(found)
    if atom.startswith("["):
        return _characters(atom[1:-1])
    if atom.startswith("\\"):
        return frozenset([atom[1]]) if not atom[1].isalnum() else frozenset([""]) if atom == r"\b" else None
    return None if atom in ".^$" else frozenset([atom.lower()])


def _characters(inside: str) -> Words | None:
    """The characters of a class, if they are few."""
    if inside.startswith("^") or "\\" in inside:
        return None
    found: set[str] = set()
    at = 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            found.update(map(chr, range(ord(inside[at]), ord(inside[at + 2]) + 1)))
            at += 3
        else:
            found.add(inside[at])
            at += 1
        if len(found) > _MOST_CHARACTERS:
            return None
    return frozenset(each.lower() for each in found)


def _is_run(atom: str) -> bool:
    """Whether it is a class with only characters of long runs."""
    if not atom.startswith("["):
        return False
    rest = atom[1:-1]
    for known in _RUN_CLASSES:
        rest = rest.removeprefix(known)
    return all(c in "+/_-\\" for c in rest)


def _is_beyond(atom: str, least: int) -> bool:
    """Whether it is a class with nothing of ASCII in it."""
    plain = atom.startswith("[") and atom[1:2] != "^" and "\\" not in atom
    return least > 0 and plain and all(c == "-" or c > "\x7f" for c in atom[1:-1])


def _inside(group: str) -> str:
    """What stands between the brackets of a group."""
    inside = group[1:-1]
    return inside[inside.index(":") + 1 :] if inside.startswith("?") else inside


def _branches(expression: str) -> Iterator[str]:
    """The alternatives of an expression."""
    start = at = 0
    while at < len(expression):
        if expression[at] == "|":
            yield expression[start:at]
            start = at = at + 1
        else:
            at = _end_of_atom(expression, at)
    yield expression[start:]


def _atoms(sequence: str) -> Iterator[tuple[str, str, int]]:
    """The parts of a sequence: each with its quantifier, and how often it must stand at least."""
    at = 0
    while at < len(sequence):
        end = stop = _end_of_atom(sequence, at)
        quantifier, least = "", 1
        if end < len(sequence) and sequence[end] in "*+?{":
            stop = sequence.index("}", end) + 1 if sequence[end] == "{" else end + 1
            quantifier = sequence[end:stop]
            least = int(quantifier[1:-1].split(",")[0]) if quantifier[0] == "{" else int(quantifier[0] == "+")
            stop += sequence[stop : stop + 1] == "?"
        yield sequence[at:end], quantifier, least
        at = stop


def _end_of_atom(expression: str, at: int) -> int:
    """Where the part that begins here ends."""
    first = expression[at]
    if first == "\\":
        if expression[at + 1] in "pPx" and expression[at + 2 : at + 3] == "{":
            return expression.index("}", at) + 1
        return at + 2
    if first == "[":
        end = at + 2 + (expression[at + 1] == "^")
        while expression[end] != "]":
            end += 2 if expression[end] == "\\" else 1
        return end + 1
    if first == "(":
        end = at + 1
        while expression[end] != ")":
            end = _end_of_atom(expression, end)
        return end + 1
    return at + 1
