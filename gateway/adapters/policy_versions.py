"""The signed policy tree that was last in force here, so that none that is older ever is again."""

import os
from pathlib import Path

import msgspec

from gateway.policy.parse import Parsed
from gateway.policy.signature import Signed, superseded


class PolicyVersions:
    """A file of the state directory. Trees that are not signed leave it alone."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "policy.version"

    @property
    def in_force(self) -> Signed | None:
        """What was last in force; None: nothing that was signed. Raises OSError, and ValueError when it is damaged."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(raw, type=Signed)

    def admit(self, parsed: Parsed) -> str:
        """Keeps a tree as the one in force. Returns why it may not be, if it is superseded or cannot be kept."""
        signed = parsed.signed
        if signed is None:
            return ""
        try:
            before = self.in_force
            if (why := superseded(signed, before)) or signed == before:
                return why
            self._keep(signed)
        except (OSError, ValueError) as error:  # what cannot be remembered could be undone later
            return f"{self._path} cannot be read or written: {error}"
        return ""

    def _keep(self, signed: Signed) -> None:
        partial = self._path.with_name(f".{self._path.name}.new")
        with partial.open("wb") as file:
            file.write(msgspec.json.encode(signed))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
