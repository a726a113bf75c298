"""Ids of requests."""

import time
from random import getrandbits


def request_id() -> str:
    """A fresh id. It begins with the time (48 bits of milliseconds), so ledger rows are appended, not scattered."""
    return "req-" + (int(time.time() * 1000) << 48 | getrandbits(48)).to_bytes(12, "big").hex()
