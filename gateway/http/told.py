"""What a process was told before its server runs."""

import signal

ENDING = (signal.SIGINT, signal.SIGTERM)
"""Signals that end a server."""


class Told:
    """The signal to end that came while the process starts: nothing is cut short by it, and it is not lost."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        for each in ENDING:
            signal.signal(each, self._keep)

    def _keep(self, signum: int, _: object) -> None:
        self.signal = signal.Signals(signum)
