"""Ledger rows for tests: complete, and plain but for what a test names."""

import time

import msgspec

from gateway.core.record import Entry

_BLANK = {
    field.name: {str: "", int: 0, float: 0.0}.get(field.type, "settled") for field in msgspec.structs.fields(Entry)
}


def entry(**fields: object) -> Entry:
    """A settled call of now."""
    return Entry(**{**_BLANK, "state": "settled", "hop": 1, "time": time.time(), **fields})
