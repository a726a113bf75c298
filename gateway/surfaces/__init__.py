"""Every protocol that clients speak: one row each. A new one is one file here and one row."""

from collections.abc import Mapping

from gateway.surfaces.chat import Chat
from gateway.surfaces.messages import CountTokens, Messages
from gateway.surfaces.plain import Plain
from gateway.surfaces.responses import Responses
from gateway.wire import Surface

CHAT = Chat()

_ROWS: tuple[Surface, ...] = (
    CHAT,
    Responses(),
    Messages(),
    CountTokens(),
    Plain(name="completions", asks="prompt", streams=True, limit=16),  # what OpenAI writes where nobody says how much
    Plain(name="embeddings", asks="input"),
    Plain(name="moderations", asks="input", model="auto"),
    Plain(name="images", asks="prompt"),
    Plain(name="rerank", asks="query"),
)

SURFACES: Mapping[str, Surface] = {surface.name: surface for surface in _ROWS}
"""By name."""
