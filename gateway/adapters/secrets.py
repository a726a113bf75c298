"""Provider keys: found where the catalog says, kept out of everything that prints."""

import os
from collections.abc import Iterable
from pathlib import Path

from gateway.core.catalog import Backend

_LEAST = 16
"""Characters from which on a value is a secret by itself: a shorter one (`EMPTY`) may be a word of an answer."""


class Secret:
    """A value that no repr, format or log shows."""

    __slots__ = ("_bytes", "_stars", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._bytes = value.encode() if len(value) >= _LEAST else b""
        self._stars = b"*" * len(self._bytes)

    def reveal(self) -> str:
        """The value, for the one place that sends it."""
        return self._value

    def out_of(self, data: bytes) -> bytes:
        """Data with stars where the value stood."""
        return data.replace(self._bytes, self._stars) if self._bytes and self._bytes in data else data

    def begun_in(self, data: bytes) -> int:
        """How many bytes at the end of data may be the beginning of the value."""
        value, end = self._bytes, len(data)
        at = data.find(value[:1], max(0, end - len(value) + 1)) if value else -1
        while at >= 0 and not value.startswith(data[at:]):
            at = data.find(value[:1], at + 1)
        return end - at if at >= 0 else 0

    def __repr__(self) -> str:
        return "***"


def find(reference: str) -> Secret | None:
    """The secret behind `env:NAME` or `file:PATH`, None when it is not there or empty.

    Where NAME is empty or not set, `NAME_FILE` may be the path of a file that holds it: so secrets are mounted.
    """
    source, _, name = reference.partition(":")
    if source == "env":
        value = os.environ.get(name, "").strip()
        if not value and (path := os.environ.get(f"{name}_FILE")):
            value = _text_of(path)
    else:
        value = _text_of(name)
    return Secret(value) if value.isascii() and value.isprintable() and value else None


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def not_offered(backends: Iterable[Backend]) -> dict[str, str]:
    """The backends whose key is not here, with the reason."""
    missing = {}
    for backend in backends:
        if backend.key_ref is not None and find(backend.key_ref) is None:
            source, _, name = backend.key_ref.partition(":")
            if source != "env":
                missing[backend.id] = "its key file is missing or empty"
            elif os.environ.get(f"{name}_FILE") and not os.environ.get(name, "").strip():
                missing[backend.id] = f"the file that {name}_FILE names is missing or empty"
            else:
                missing[backend.id] = f"{name} is not set"
    return missing
