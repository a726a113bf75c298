"""Every protocol that clients speak: one row each. A new one is one file here and one row."""

from collections.abc import Mapping

from gateway.ports import Surface
from gateway.surfaces.chat import Chat

CHAT = Chat()

SURFACES: Mapping[str, Surface] = {surface.name: surface for surface in (CHAT,)}
"""By name."""
