"""What one upstream call used, in tokens."""

from typing import Literal

import msgspec

Source = Literal["reported", "estimated"]


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one upstream call, in disjoint buckets: their sum is what was used.

    `cache_write_long` went into a cache that is kept for an hour, not for minutes. `audio_input` and `audio_output`
    are sound, which no other bucket counts. `source` says who counted: the provider (`reported`) or we (`estimated`,
    biased high).
    """

    input_uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    audio_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
    source: Source = "reported"

    def __post_init__(self) -> None:
        if min(self.counts()) < 0:
            raise ValueError(f"inconsistent usage: {self}")

    def counts(self) -> tuple[int, ...]:
        """The figures, in the order of `BUCKETS`."""
        return (
            self.input_uncached,
            self.cache_read,
            self.cache_write,
            self.cache_write_long,
            self.audio_input,
            self.output,
            self.reasoning,
            self.audio_output,
        )

    @property
    def read(self) -> int:
        """All tokens that the model read."""
        return self.input_uncached + self.cache_read + self.cache_write + self.cache_write_long + self.audio_input

    @property
    def written(self) -> int:
        """All tokens that the model wrote."""
        return self.output + self.reasoning + self.audio_output

    @property
    def total(self) -> int:
        """All tokens, read and written."""
        return self.read + self.written


BUCKETS = Usage.__struct_fields__[:-1]
READ = BUCKETS.index("output")
"""How many of the buckets, the first ones, are tokens that were read."""


def less(whole: int, *parts: int) -> tuple[int, Source]:
    """What is left of a figure without its parts, and whether that is as reported. Parts of more than there is
    contradict it: they may have been counted beside it, so all of it is left, and that is an estimate that errs high.
    """
    left = whole - sum(parts)
    return (left, "reported") if left >= 0 else (whole, "estimated")


def surest(*sources: Source) -> Source:
    """Who counted, where figures come from several: one that is estimated makes the whole an estimate."""
    return "estimated" if "estimated" in sources else "reported"


NOTHING = Usage()
UNTOLD = Usage(source="estimated")
"""Of a call of which nobody knows whether it is billed: nothing was reported, and its cost is the most it can be."""


def highest(one: Usage, other: Usage) -> Usage:
    """Of each bucket the higher count: what errs high where neither is the last word."""
    counts = map(max, one.counts(), other.counts())
    return msgspec.convert({**dict(zip(BUCKETS, counts, strict=True)), "source": "estimated"}, Usage)


def shortened(usage: Usage, written: int) -> Usage:
    """The usage with no more written than so many tokens; sound that was counted stays."""
    over = max(0, usage.written - written)
    output = max(0, usage.output - over)
    reasoning = max(0, usage.reasoning - (over - (usage.output - output)))
    return msgspec.structs.replace(usage, output=output, reasoning=reasoning)
