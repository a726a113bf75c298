"""Fault 15: the wall clock jumps while the gateway runs. Deadlines and budgets do not follow it."""

import asyncio
import json
import os
import struct
import time
from pathlib import Path

import pytest
from support.fault_house import FIRST_BYTE, house
from support.faults import FaultUpstream

JUMPS = {"an hour on": 3600, "an hour back": -3600, "a day on": 86_400, "a day back": -86_400, "a leap second": 1, "the summer's hour": 3600, "the winter's hour": -3600, "a year back": -31_536_000}  # fmt: skip
_SHIFTED = """
import mmap, os, struct, time
_file = open(os.environ["FAULTS_CLOCK"], "rb")
_seconds = mmap.mmap(_file.fileno(), 8, access=mmap.ACCESS_READ)
_real = time.time
time.time = lambda: _real() + struct.unpack("d", _seconds[:8])[0]
"""
"""Python runs this as it starts: the wall clock of that process is off by what a file says."""


def shifted(directory: Path) -> dict[str, str]:
    """The settings of a gateway whose wall clock the file `clock` of a directory sets off; it is right as it begins."""
    (directory / "clock").write_bytes(struct.pack("d", 0.0))
    (directory / "sitecustomize.py").write_text(_SHIFTED)
    return {
        "PYTHONPATH": f"{directory}:{os.environ.get('PYTHONPATH', '')}",
        "FAULTS_CLOCK": str(directory / "clock"),
    }


def set_clock(path: Path, seconds: int) -> None:
    with path.open("r+b") as clock:  # in place: the gateway has it mapped
        clock.write(struct.pack("d", float(seconds)))


@pytest.mark.assures("fault 15")
async def test_a_clock_that_jumps_moves_no_deadline_and_refunds_nothing(tmp_path, showed):
    upstream = FaultUpstream()
    async with house(tmp_path / "house", {}, upstream, **shifted(tmp_path)) as gateway:
        told = await asyncio.to_thread(
            gateway.server.cli, "budgets", "set", "--team", "t", "--usd", "0.03", "--per", "hour"
        )
        assert told.returncode == 0, told.stderr
        await asyncio.sleep(1.2)
        refused = 0
        for seconds in JUMPS.values():
            for _ in range(4):
                refused += (await gateway.send(gateway.plan(streamed=False, words=900), "b00")).status == 402
            await asyncio.to_thread(gateway.server.ask_again, ["b01"])
            silent = gateway.plan(faults={"b01": "no head"})
            waiting = asyncio.create_task(gateway.send(silent, "b01", max_tokens=1))
            await asyncio.sleep(0.3)
            set_clock(tmp_path / "clock", seconds)
            began = time.monotonic()
            assert (await waiting).status in (504, 402)
            assert time.monotonic() - began < FIRST_BYTE + 1.5
            answered = await gateway.send(gateway.plan(words=1), "b02", max_tokens=1)
            assert answered.status in (200, 402)
        set_clock(tmp_path / "clock", 0)
        assert refused > 4  # the budget was used up, and no jump gave it back
        booked = await gateway.agree()
        spent = sum(each["cost_pico_usd"] for each in booked.values())
        assert spent <= 0.03 * 10**12
    upstream.stop()
    showed(f"{len(JUMPS)} jumps of up to a year", "deadlines kept; no window refunded, no ceiling passed")


def set_backs(log: Path) -> list[float]:
    """By how much the clock was set back, each time that a gateway told of it."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line["seconds"] for line in lines if line["event"] == "clock_set_back"]


@pytest.mark.assures("fault 15")
async def test_a_key_that_has_ended_stays_so_whatever_the_clock_does(tmp_path, showed):
    clock = tmp_path / "clock"
    upstream = FaultUpstream()
    async with house(tmp_path / "house", {}, upstream, **shifted(tmp_path)) as gateway:
        lasting, gateway.key = gateway.key, await asyncio.to_thread(gateway.server.key, expires="30m")

        async def status(key: str) -> int:
            gateway.key = key
            return (await gateway.send(gateway.plan(streamed=False, words=1), "b00")).status

        ending = gateway.key
        assert [await status(key) for key in (ending, lasting)] == [200, 200]
        set_clock(clock, 3600)
        assert [await status(key) for key in (ending, lasting)] == [401, 200]
        for seconds in (0, *JUMPS.values()):
            set_clock(clock, min(0, seconds))
            await asyncio.to_thread(gateway.server.key)  # so that the store is read anew
            assert [await status(key) for key in (ending, lasting)] == [401, 200]
            back = (await asyncio.to_thread(gateway.server.metrics))["gateway_clock_set_back_seconds"]
            assert back == pytest.approx(3600 - min(0, seconds), abs=2)
        furthest = pytest.approx(3600 - min(JUMPS.values()), abs=2)
        async with asyncio.timeout(10):
            while (told := set_backs(gateway.server.log))[-1:] != [furthest]:  # noqa: ASYNC110  a log tells nobody
                await asyncio.sleep(0.1)
        assert len(told) <= 1 + sum(seconds < 0 for seconds in JUMPS.values())
        set_clock(clock, 0)
        gateway.key = lasting
    upstream.stop()
    showed(
        f"a key that ended, then {len(JUMPS)} times another clock", "it stays ended, others go on; operators are told"
    )
