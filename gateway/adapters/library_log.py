"""What libraries and Python itself have to say, as lines of our log: JSON, one each.

Of an exception its types and the places that it went through are told, not its words: a library quotes there what it
could not read, which may be a prompt. Those of the operating system are known, and told.
"""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from types import TracebackType

from gateway.adapters.logs import Log
from gateway.core.steering import plain

_MOST_CHARACTERS = 500
_MOST_PLACES = 50
_LEVELS = {logging.CRITICAL: "error", logging.ERROR: "error", logging.WARNING: "warning", logging.INFO: "info"}


class Lines(logging.Handler):
    """Puts records of `logging` into the log. Of a message the first line is kept: what follows is an exception."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line. Never raises."""
        try:
            message = _first_line(record.getMessage())
        except Exception:  # noqa: BLE001  a library whose message and arguments do not fit
            message = _first_line(record.msg) if isinstance(record.msg, str) else f"a {type(record.msg).__name__}"
        error = record.exc_info[1] if record.exc_info else None
        level = _LEVELS.get(record.levelno, "debug")
        self._log.event("library", level=level, logger=record.name, message=message, **_told(error))


def install(log: Log) -> None:
    """Has everything of this process go there that would otherwise be text on standard error."""
    logging.basicConfig(handlers=[Lines(log)], level=logging.WARNING)

    def uncaught(of: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(of, KeyboardInterrupt):
            sys.__excepthook__(of, error, trace)
        else:
            log.event("uncaught", level="error", **_told(error))

    def in_thread(said: threading.ExceptHookArgs) -> None:
        if issubclass(said.exc_type, SystemExit):
            return  # how a thread may end itself
        name = said.thread.name if said.thread is not None else ""
        log.event("uncaught", level="error", thread=name, **_told(said.exc_value))

    def unraisable(said: "sys.UnraisableHookArgs") -> None:
        log.event("uncaught", level="error", message=said.err_msg or "", **_told(said.exc_value))

    def warned(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
    ) -> None:
        said = _first_line(str(message))
        log.event("library", level="warning", logger=category.__name__, message=said, at=f"{filename}:{lineno}")

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, unraisable
    warnings.showwarning = warned


def _first_line(text: str) -> str:
    return plain(text.partition("\n")[0][:_MOST_CHARACTERS])


def _told(error: BaseException | None) -> dict[str, object]:
    """What is told of an exception, and of those that it came from."""
    if error is None:
        return {}
    causes = list(_causes(error))
    words = (
        {"error": causes[0].strerror} if isinstance(causes[0], OSError) and isinstance(causes[0].strerror, str) else {}
    )
    return {
        **words,
        "exception": [f"{type(each).__module__}.{type(each).__qualname__}" for each in causes],
        "traceback": [place for each in causes for place in _places(each)][-_MOST_PLACES:],
    }


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _places(error: BaseException) -> Iterator[str]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
