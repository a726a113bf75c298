"""No memory of ours on disk."""

import subprocess
import sys

import pytest

CODE = """
import ctypes, resource
from gateway.adapters import dumps
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
dumps.forbid()
print(before, resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's own")
def test_a_process_that_forbids_them_leaves_none():
    said = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    assert said.split(" ", 1)[1].strip() == "(0, 0) 0"
