"""Signatures and encrypted thoughts that a provider wants back unchanged: random bytes in base64, told by their place.

They are no text to any model, and nobody but their provider can read them. Random letters look like a key now and
then, in long conversations often enough, and with that taken out the provider refuses the turn. So they are not read
as texts. Only what cannot be a text passes: in base64 from end to end, with the digits that random letters have, with
bytes in it that are none either, and without a beginning as keys have it (`sk-proj-`, `github_pat_`).
"""

import binascii
import re
from collections.abc import Mapping

_MEMBERS: Mapping[str, str] = {
    "thinking": "signature",
    "redacted_thinking": "data",
    "reasoning": "encrypted_content",
    "compaction": "encrypted_content",
}
"""Where they stand: the member, by the type of the block or item that has it."""

_GEMINI = ("extra_content", "google")
_STEPS = frozenset({"messages", "content", "input", "tool_calls", *_GEMINI})
"""Where a block or an item may stand. What looks like one elsewhere, in arguments or a schema, say, a model reads."""
NAMES = frozenset({*_MEMBERS.values(), "thought_signature"})
"""Members that may hold one."""

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{64,}|(?![A-Za-z]{2,10}[_-])[A-Za-z0-9_-]{64,})={0,2}\Z")
_LEAST_DIGITS, _MOST_PRINTABLE = 0.05, 0.7
"""Shares of the characters and of the bytes: 0.16 and 0.37 where they are random."""

_OTHERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/-_="
_NO_DIGITS, _UNPRINTABLE = str.maketrans("", "", _OTHERS), bytes({*range(256)} - {*range(32, 127)})


def is_sealed_thought(text: str, name: str, block: Mapping[str, object], path: tuple[str | int, ...]) -> bool:
    """Whether a text is one: it is the member `name` of a block that stands at a path."""
    kind = block.get("type")
    known = (
        _MEMBERS.get(kind) == name if isinstance(kind, str) else name == "thought_signature" and path[-2:] == _GEMINI
    )
    if not known or not _is_place(path) or _BASE64.match(text) is None:
        return False
    if len(text.translate(_NO_DIGITS)) < _LEAST_DIGITS * len(text):
        return False
    whole = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = binascii.a2b_base64(whole + "=" * (-len(whole) % 4))
    except ValueError:  # of a length that no encoder writes
        return False
    return len(data.translate(None, _UNPRINTABLE)) <= _MOST_PRINTABLE * len(data)


def _is_place(path: tuple[str | int, ...]) -> bool:
    """Whether blocks of an answer stand there as clients send them back: `input` is a list of items only at the top."""
    names = [step for step in path if isinstance(step, str)]
    return path[:1] in (("messages",), ("input",)) and _STEPS.issuperset(names) and "input" not in names[1:]
