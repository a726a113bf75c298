"""All triggers in one pass, so that a text in which there is nothing costs next to nothing."""

from collections.abc import Callable, Iterable

import re2

Trigger = str | Callable[[str], bool]
"""When a row has anything to do: an RE2 expression without anchors, or, where none can say it, a question about a text.
Either is true of every text that has a part of which it is true."""


class Triggers:
    """Triggers by number, in the order given."""

    def __init__(self, triggers: Iterable[Trigger]) -> None:
        self._expressions = re2.Set.SearchSet()
        self._numbers: list[int] = []
        self._questions: list[tuple[int, Callable[[str], bool]]] = []
        for number, trigger in enumerate(triggers):
            if isinstance(trigger, str):
                self._expressions.Add(trigger)
                self._numbers.append(number)
            else:
                self._questions.append((number, trigger))
        self._expressions.Compile()

    def of(self, text: str) -> list[int]:
        """The numbers of those that are true of a text."""
        found = [self._numbers[at] for at in self._expressions.Match(text) or ()]
        if self._questions:
            found += [number for number, ask in self._questions if ask(text)]
        return found
