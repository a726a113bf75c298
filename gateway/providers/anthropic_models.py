"""What each generation of Claude accepts: one row per change. A model that is newer than all rows is as the newest.

Facts: platform.claude.com/docs, pages on models, effort, thinking and structured outputs, and the migration guides of
Opus 4.6 to 5.5, Sonnet 5 and 5.5, and Haiku 5.5; its pages on preserved thinking; November 2026.
"""

import re
from typing import Literal

import msgspec

ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")


class Abilities(msgspec.Struct, frozen=True):
    """What a model takes.

    `thinking` is how it is asked to think: it decides itself (`adaptive`), with a token `budget`, or it cannot
    (`never`). `unasked`: it thinks when nobody says anything, and `off` is the type of thinking by which it then does
    not, empty: it always thinks. `quiet`: it shows its thinking only when asked to. `efforts` are the levels of
    `output_config.effort`, lowest first. `sampling`: temperature and top_p are `free`, only `one` of them may be
    given, or they are `fixed`. `forced`: it can be made to call a tool. `schemas`: it takes JSON schemas for answers,
    and strict tools. `prefill`: it goes on from a last message of the assistant. `bound`: it checks that nothing
    has changed before thinking that is sent back. `max_output` is tokens.
    """

    thinking: Literal["adaptive", "budget", "never"] = "adaptive"
    unasked: bool = True
    off: Literal["disabled", "between_tools", ""] = ""
    quiet: bool = True
    efforts: tuple[str, ...] = ALL_EFFORTS
    sampling: Literal["free", "one", "fixed"] = "fixed"
    forced: bool = False
    schemas: bool = True
    prefill: bool = False
    bound: bool = False
    max_output: int = 128_000


_CURRENT = Abilities(bound=True)
_FIVE = Abilities(off="disabled", forced=True)
_CHOOSES = Abilities(unasked=False, off="disabled", forced=True)  # thinks adaptively, and only when asked
_SIX = msgspec.structs.replace(_CHOOSES, quiet=False, sampling="one", efforts=("low", "medium", "high", "max"))
_BUDGET = Abilities("budget", False, "disabled", False, (), "one", forced=True, prefill=True, max_output=64_000)
_EARLY = msgspec.structs.replace(_BUDGET, schemas=False)
_FIRST = msgspec.structs.replace(_EARLY, sampling="free")
_BEFORE = msgspec.structs.replace(_FIRST, thinking="never", max_output=4_096)

_ROWS: dict[str, tuple[tuple[tuple[int, int], Abilities], ...]] = {
    "fable": (((5, 1), _CURRENT), ((0, 0), Abilities(forced=True))),
    "mythos": (((5, 1), _CURRENT), ((0, 0), Abilities(forced=True))),
    "opus": (
        ((5, 5), _CURRENT),
        ((5, 0), _FIVE),
        ((4, 7), _CHOOSES),
        ((4, 6), _SIX),
        ((4, 5), _BUDGET),
        ((4, 1), msgspec.structs.replace(_EARLY, max_output=32_000)),
        ((4, 0), msgspec.structs.replace(_FIRST, max_output=32_000)),
        ((0, 0), _BEFORE),
    ),
    "sonnet": (
        ((5, 5), Abilities(off="between_tools", bound=True)),
        ((5, 0), _FIVE),
        ((4, 6), _SIX),
        ((4, 5), _BUDGET),
        ((3, 7), _FIRST),
        ((0, 0), _BEFORE),
    ),
    "haiku": (((5, 0), msgspec.structs.replace(_FIVE, bound=True)), ((4, 5), _BUDGET), ((0, 0), _BEFORE)),
}
"""By family: from which version on a row holds, newest first."""

_NAME = re.compile(r"(fable|mythos|opus|sonnet|haiku)(?:[-.](\d{1,2})(?:[-.](\d{1,2}))?(?!\d))?")
_OLD_NAME = re.compile(r"claude[-.](\d)(?:[-.](\d))?[-.](opus|sonnet|haiku)")


def abilities(model: str) -> Abilities:
    """What a model takes, by its name: Anthropic's, or that of a cloud that sells it. One that names no family is
    taken for a current one, and so is a family's name without a version."""
    if old := _OLD_NAME.search(model):
        family, version = old[3], (int(old[1]), int(old[2] or 0))
    elif name := _NAME.search(model):
        family = name[1]
        if name[2] is None:
            return _ROWS[family][0][1] if "preview" not in model else _ROWS[family][-1][1]
        version = (int(name[2]), int(name[3] or 0))
    else:
        return _CURRENT
    return next(row for since, row in _ROWS[family] if version >= since)
