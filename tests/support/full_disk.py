"""An audit trail on a disk that has become full: it can be taken, and nothing can be appended."""

import contextlib
import os


@contextlib.contextmanager
def taken_by_a_full_disk(audit):
    descriptor = os.open("/dev/full", os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
