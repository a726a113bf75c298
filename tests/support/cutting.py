"""Where a recorded stream is cut in two.

With the amounts of the night, at every byte. Else at every byte near the end of a line and within a character of several
bytes, which is what can be read wrongly, and at some of those between: a piece of a line waits for the rest of it,
whichever piece it is.
"""

import os
from collections.abc import Sequence

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
NEAR = 4
EVERY = 17
LF, CR, ASCII = 0x0A, 0x0D, 0x7F


def offsets(body: bytes) -> Sequence[int]:
    """The places, in ascending order."""
    if FULL:
        return range(1, len(body))
    odd = {at for at, byte in enumerate(body) if byte > ASCII or byte in (LF, CR)}
    near = {at + step for at in odd for step in range(-NEAR, NEAR + 1)}
    return sorted(at for at in near | set(range(1, len(body), EVERY)) if 0 < at < len(body))
