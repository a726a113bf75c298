"""The state directory: keys, ledger and journal of one gateway. Only its owner may read it."""

import fcntl
import os
from pathlib import Path


class StateTaken(Exception):
    """Another process holds the directory, or it cannot be used. The message says what to do."""


def prepare(directory: Path) -> Path:
    """Creates the directory if need be. Raises StateTaken when it cannot be written."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateTaken(f"cannot use state directory {directory}: {error.strerror}; set GATEWAY_STATE_DIR") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StateTaken(f"cannot write to state directory {directory}; set GATEWAY_STATE_DIR")
    return directory


def claim(directory: Path) -> int:
    """Takes the directory for this process, until it ends. Returns the descriptor that holds it."""
    descriptor = os.open(prepare(directory) / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StateTaken(
            f"another gateway runs on state directory {directory}; stop it, or set GATEWAY_STATE_DIR"
        ) from None
    return descriptor
