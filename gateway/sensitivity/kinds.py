"""What can be found in a text: see `core.kinds`, which policies read, too."""

from gateway.core.kinds import KINDS, Kind

__all__ = ["KINDS", "Kind"]
