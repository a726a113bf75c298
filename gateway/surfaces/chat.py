"""Chat completions, as OpenAI's clients speak them: the canonical form itself, so nothing is translated."""

from gateway.core.chat import ChatRequest, parse
from gateway.surfaces.untranslated import Untranslated


class Chat(Untranslated, frozen=True, kw_only=True):
    """The surface of /v1/chat/completions."""

    name: str = "chat"

    def parse(self, body: bytes, arrived: int) -> ChatRequest:
        """The request in a body. Raises Refused (400)."""
        return parse(body, arrived)
