"""Triggers that no expression can say: questions about a text, such as whether any of a million names is in it."""

from collections.abc import Callable, Iterable

Question = Callable[[str], bool]
"""True of every text that has a part of which it is true."""
Trigger = str | Question

class Questions:
    """The questions among some triggers, by the numbers that they have there."""

    def __init__(self, triggers: Iterable[Trigger]) -> None:
        self._asked = [(number, each) for number, each in enumerate(triggers) if not isinstance(each, str)]

    def any(self, text: str) -> bool:
        """Whether any of them is true of a text."""
        return any(ask(text) for _, ask in self._asked)

    def of(self, text: str) -> list[int]:
        """The numbers of those that are true of a text."""
        return [number for number, ask in self._asked if ask(text)]
