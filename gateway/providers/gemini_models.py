"""What Gemini's model families do differently: one row each.

Facts: Google's pages on thinking, structured output, file input and thought signatures, and its migration guides for
Gemini 3.5 to 3.8, November 2026; error texts of issues 1609 (js-genai) and 867 (python-genai).
"""

import re
from collections.abc import Mapping

import msgspec

Efforts = Mapping[str, int | str]
"""What each `reasoning_effort` becomes: tokens to think with, or a level."""

_NONE: Efforts = {}
_BUDGETS: Efforts = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
_LEVELS: Efforts = {
    "none": "MINIMAL",  # thinking cannot be switched off
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
_FROM_LOW: Efforts = {**_LEVELS, "none": "LOW", "minimal": "LOW"}


class Family(msgspec.Struct, frozen=True):
    """Models that take the same requests.

    `efforts`: empty, they do not think. `system`: they take a system instruction. `samples`: temperature, top_p and
    top_k count for something. `choices`: more than one answer can be asked for. `penalties`: Google's own API takes
    them. `json_with_tools`: an answer in JSON goes with tools. `fetches`: they read files at public https addresses.
    `signed`: an earlier function call must bear a thought signature. `shows`: tools may answer with images.
    `continues`: the last message may be the assistant's.
    """

    efforts: Efforts = _NONE
    system: bool = True
    samples: bool = True
    choices: bool = True
    penalties: bool = True
    json_with_tools: bool = False
    fetches: bool = True
    signed: bool = False
    shows: bool = False
    continues: bool = True


_FIRST = Family(fetches=False)
_SECOND = Family(_BUDGETS, penalties=False)
_THIRD = Family(_LEVELS, choices=False, json_with_tools=True, signed=True, shows=True)
_NEWEST = msgspec.structs.replace(_THIRD, efforts=_FROM_LOW, samples=False, continues=False)

_ROWS: tuple[tuple[str, Family], ...] = (
    (r"gemma-[123]", Family(system=False, fetches=False)),
    (r"gemini-(1|2\.0)\b", _FIRST),
    (r"gemini-2\.5-.*(image|tts)", msgspec.structs.replace(_SECOND, efforts=_NONE)),
    (
        r"gemini-2\.5-pro",
        msgspec.structs.replace(_SECOND, efforts={**_BUDGETS, "none": 128, "xhigh": 32768, "max": 32768}),
    ),
    (r"gemini-2", _SECOND),
    (r"gemini-3.*(image|tts)", msgspec.structs.replace(_THIRD, efforts=_NONE)),
    (r"gemini-3-pro", msgspec.structs.replace(_THIRD, efforts={**_FROM_LOW, "medium": "HIGH"})),
    (r"gemini-3\.1-pro", msgspec.structs.replace(_THIRD, efforts=_FROM_LOW)),
    (r"gemini-3\.5-flash-lite", msgspec.structs.replace(_THIRD, samples=False)),
    (r"gemini-3(\.[0-5])?-", _THIRD),
    (r"gemini-3\.6-", msgspec.structs.replace(_NEWEST, efforts=_LEVELS)),
    (r"gemini-", _NEWEST),
)
_TABLE = tuple((re.compile(pattern), family) for pattern, family in _ROWS)
_OTHER = Family()


def family_of(model: str) -> Family:
    """The family of a model, by the last part of its name. A Gemini model that no row knows is taken for a new one."""
    name = model.rpartition("/")[2].lower()
    return next((family for pattern, family in _TABLE if pattern.match(name)), _OTHER)
