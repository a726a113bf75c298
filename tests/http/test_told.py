"""Signals while a process starts."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.server import ROOT, Server

from gateway.http.told import ENDING, Told


def test_the_signal_is_kept():
    before = {each: signal.getsignal(each) for each in ENDING}
    try:
        told = Told()
        assert told.signal is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert told.signal is signal.SIGTERM
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@pytest.mark.parametrize("signum", ENDING)
@pytest.mark.parametrize("after", [0, 0.3, 0.6])
def test_who_is_told_to_end_while_starting_ends_well(tmp_path, signum, after):
    gateway = Server(tmp_path, ROOT / "routing_policies")
    catches = int(signal.SIGTERM) - 1
    with gateway.log.open("ab") as log:
        process = subprocess.Popen(gateway.command, env=gateway.environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        while not int(_caught(process.pid), 16) >> catches & 1:  # Python has only just begun
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(after)
        process.send_signal(signum)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
    assert b"stopped" in gateway.log.read_bytes()


def _caught(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith("SigCgt")).split()[1]
