"""Connections that are kept, and until when: an idle one is closed, one whose client takes nothing is dropped.

uvicorn's httptools protocol sets and cancels a timer for each request; here a connection has one.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http.intake import Intake


class KeptConnection(HttpToolsProtocol):
    """A connection that is closed once it was idle for `timeout_keep_alive` seconds."""

    def __init__(self, intake: Intake, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._intake = intake
        self._idle_since: float | None = None  # in loop time; None: a request is under way
        self._stuck_since: float | None = None  # None: the client takes what is there
        self._stuck_bytes = 0  # how much was there for it then

    def close(self) -> None:
        """Ends the connection once what was written is out."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._stuck()

    def look(self, now: float) -> None:
        """Drops a client that takes nothing: neither all that is there for it, nor as much as is expected."""
        least, there = self._intake.stall_bytes, self.transport.get_write_buffer_size()
        if self._stuck_since is None:
            self._stuck()
        elif now - self._stuck_since >= self._intake.stall_seconds:
            if self._stuck_bytes - there >= least:
                self._stuck()
            else:
                self._intake.shed("slow")
                self.transport.abort()

    def pause_writing(self) -> None:
        """The client does not take what is there for it."""
        super().pause_writing()
        self._stuck()

    def resume_writing(self) -> None:
        """It took most of it."""
        super().resume_writing()
        self._stuck_since = None

    def _stuck(self) -> None:
        self._stuck_since, self._stuck_bytes = self.loop.time(), self.transport.get_write_buffer_size()
        self._intake.waiting.add(self)

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
