"""The server's side of a connection: uvicorn's httptools protocol, and who to tell when the client hangs up.

Watching for the hang-up with a task of its own costs about a tenth of a request; being told costs nothing.
"""

from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SCOPE_KEY = "gateway.connection"


class Connection(HttpToolsProtocol):
    """One client connection. `on_lost` is called once, when the client is gone before its answer is complete."""

    on_lost: Callable[[], object] | None = None

    def on_message_begin(self) -> None:
        """Lets the application find its connection."""
        super().on_message_begin()
        self.scope[SCOPE_KEY] = self  # type: ignore[literal-required]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells whoever is serving the connection."""
        super().connection_lost(exc)
        if (tell := self.on_lost) is not None:
            self.on_lost = None
            tell()
