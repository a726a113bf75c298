"""Connections that are kept: uvicorn's httptools protocol with one keep-alive timer, where uvicorn sets and cancels one
for each request."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class KeptConnection(HttpToolsProtocol):
    """A connection that is closed (`close`) once it was idle for `timeout_keep_alive` seconds."""

    _idle_since: float | None = None  # in loop time; None: a request is under way

    def close(self) -> None:
        """Ends the connection."""
        self.transport.close()

    def _idle(self) -> None:
        """Nothing is under way any more. The timer is set only if none runs."""
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """Something came, so the connection is not idle. The timer finds out when it fires."""
        self._idle_since = None

    def timeout_keep_alive_handler(self) -> None:
        """Closes the connection if it has been idle for long enough, else looks again when it may have been."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # the next answer sets it again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            self.close()

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
