"""Thoughts that a model writes into its answer, between tags at the beginning: parted from it, however they are cut."""

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTags:
    """Parts the text of one choice. Only a tag at the very beginning counts: one that stands later is text."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._trimming = False  # blank lines after a tag belong to the tag
        self.passed = False
        """What follows is all text: nobody needs to look at it any more."""

    def feed(self, text: str) -> tuple[str, str]:
        """Of a piece of text, with what was held back before it: thoughts, and answer."""
        if self.passed:
            return "", text
        text, self._held = self._held + text, ""
        if not self._inside and not self._trimming:
            start = text.lstrip()
            if not start.startswith(_OPEN):
                if _OPEN.startswith(start):
                    self._held = text
                    return "", ""
                self.passed = True
                return "", text
            self._inside = self._trimming = True
            text = start[len(_OPEN) :]
        thought = ""
        if self._inside:
            thought, closed, text = text.partition(_CLOSE)
            if closed:
                self._inside = False
            else:
                thought, self._held = _without_half(thought)
            if self._trimming and (thought := thought.lstrip("\n")):
                self._trimming = False
            if not closed:
                return thought, ""
            self._trimming = True
        if rest := text.lstrip("\n"):
            self.passed = True
        return thought, rest

    def end(self) -> tuple[str, str]:
        """What is still held back when no more text follows: thoughts, and answer."""
        held, self._held = self._held, ""
        self.passed = True
        return (held, "") if self._inside else ("", held)


def _without_half(text: str) -> tuple[str, str]:
    """A text without what may be the beginning of a closing tag, and that."""
    for size in range(min(len(text), len(_CLOSE) - 1), 0, -1):
        if _CLOSE.startswith(text[-size:]):
            return text[:-size], text[-size:]
    return text, ""
