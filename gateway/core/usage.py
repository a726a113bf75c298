"""What one upstream call used, in tokens."""

from typing import Literal

import msgspec

Source = Literal["reported", "estimated"]


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one upstream call, in disjoint buckets: their sum is what was used.

    `source` says who counted: the provider (`reported`) or we (`estimated`, biased high).
    """

    input_uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    source: Source = "reported"

    def __post_init__(self) -> None:
        if min(self.input_uncached, self.cache_read, self.cache_write, self.output, self.reasoning) < 0:
            raise ValueError(f"inconsistent usage: {self}")

    @property
    def total(self) -> int:
        """All tokens, read and written."""
        return self.input_uncached + self.cache_read + self.cache_write + self.output + self.reasoning


NOTHING = Usage()
