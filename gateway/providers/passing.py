"""What dialects have in common whose requests go on as they came."""

from collections.abc import Mapping

import msgspec

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.providers.failures import classify


class Passing(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect that takes one form of requests, and sends them all to one place."""

    takes: str
    target: Endpoint
    passes: tuple[str, ...] = ()
    limit_field: str = ""
    thinks_beside: bool = False

    def endpoint(self, chat: ChatRequest, backend: Backend) -> Endpoint:
        """Where the call goes."""
        return self.target

    def lacks(self, chat: ChatRequest, backend: Backend) -> str:
        """Nothing: what a server does not know it refuses itself."""
        return ""

    def drops(self, chat: ChatRequest, backend: Backend) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def beside(self, chat: ChatRequest, longest: int) -> int:
        """What may be thought, where that is beside the limit: nobody bounds it here."""
        return longest if self.thinks_beside else 0

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
        """What an answer with another status says."""
        return classify(status, body, headers)
