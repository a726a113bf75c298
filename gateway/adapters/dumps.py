"""No memory of ours on disk: a dump of it would hold keys and prompts."""

import contextlib
import ctypes
import sys

_PR_SET_DUMPABLE = 4


def forbid() -> None:
    """Keeps the kernel from writing this process's memory to a file, and other processes of the same user from reading
    it. What it starts later inherits the limit, not the second part: it calls this itself."""
    try:
        import resource
    except ImportError:  # Windows, which writes none unless told to
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # the limit does not hold where the kernel hands dumps to a program
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
