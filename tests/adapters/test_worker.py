"""A process beside the server, which may die, hang, or be left alone at any moment."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.adapters import worker as module
from gateway.adapters.worker import Worker, WorkerBusy, WorkerLost

BACKWARDS = "from gateway.adapters.worker import answer; answer(lambda question: [piece[::-1] for piece in question])"


@pytest.fixture
async def worker():
    worker = Worker(BACKWARDS, 30)
    yield worker
    await worker.close()


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:  # noqa: ASYNC110  the end of a process tells nobody
        await asyncio.sleep(0.02)
    return not alive(pid)


@pytest.mark.parametrize("question", [b"", b"abc", bytes(range(256)) * 20_000], ids=["empty", "short", "5 MB"])
async def test_it_answers_and_serves_again(worker, question):
    assert await worker.ask(lambda: [question]) == [question[::-1]]
    first = worker._idle.pid
    assert await worker.ask(lambda: [b"again"]) == [b"niaga"]
    assert (worker._idle.pid, worker.started) == (first, 1)


async def test_questions_that_come_at_once_are_answered_one_by_one(worker):
    asked = [str(number).encode() for number in range(10, 60)]
    assert await asyncio.gather(*(worker.ask(lambda q=q: [q]) for q in asked)) == [[q[::-1]] for q in asked]
    assert worker.started == 1


async def test_one_that_died_meanwhile_is_replaced_and_nobody_notices(worker):
    await worker.ask(lambda: [b"a"])
    for wait in (True, False):  # whether its end has been heard of or not
        os.kill(dead := worker._idle.pid, signal.SIGKILL)
        assert not wait or await gone(dead)
        assert await worker.ask(lambda: [b"ab"]) == [b"ba"]
        assert worker._idle.pid != dead


async def test_a_question_is_put_together_for_each_process_that_is_asked(worker):
    await worker.ask(lambda: [b"a"])
    os.kill(worker._idle.pid, signal.SIGKILL)
    assert await worker.ask(lambda: [b"process %d" % worker.started]) == [b"2 ssecorp"]


async def test_a_question_that_kills_every_process_is_told():
    worker = Worker("import os, sys; sys.stdin.buffer.read(8); os._exit(1)", 30)
    for _ in range(2):
        with pytest.raises(WorkerLost, match="ended half-way"):
            await worker.ask(lambda: [b"a"])


async def test_one_that_takes_too_long_is_given_up(worker):
    await worker.ask(lambda: [b"a"])
    os.kill(first := worker._idle.pid, signal.SIGSTOP)
    worker._most_seconds = 0.1
    with pytest.raises(WorkerLost, match="longer than 0 s"):
        await worker.ask(lambda: [b"a"])
    assert await gone(first)


async def test_nobody_gets_the_answer_to_a_question_whose_asker_left_and_the_process_stays():
    slow = "import time\nfrom gateway.adapters.worker import answer\ndef find(q):\n    time.sleep(0.2)\n    return q\nanswer(find)"
    worker = Worker(slow, 30)
    await worker.ask(lambda: [b"a"])
    first = worker._idle.pid
    for at in (0.0, 0.02, 0.1, 0.25):
        asking = asyncio.create_task(worker.ask(lambda: [b"old" * 100_000]))
        await asyncio.sleep(at)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await worker.ask(lambda: [b"new"]) == [b"new"]
    assert (worker._idle.pid, worker.started) == (first, 1)
    await worker.close()


SLEEPER = """
import os, time
from gateway.adapters.worker import answer
def find(question):
    time.sleep(float(question[0]))
    return [str(os.getpid()).encode()]
answer(find)
"""


async def left(worker: Worker, seconds: str, after: float = 0.05) -> None:
    """Asks, and leaves before there is an answer."""
    asking = asyncio.create_task(worker.ask(lambda: [seconds.encode()]))
    await asyncio.sleep(after)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("most_seconds", [30, 0.2], ids=["it is waited for", "it is given up"])
async def test_however_many_askers_leave_there_is_one_process(most_seconds, monkeypatch):
    worker = Worker(SLEEPER, 30)
    monkeypatch.setattr(module, "_LEFT_SECONDS", most_seconds)
    pids = {int((await worker.ask(lambda: [b"0"]))[0])}
    for _ in range(3):
        await left(worker, "0.5")
        await left(worker, "0")  # it waits for the one before
        await left(worker, "0")
        pids.add(int((await worker.ask(lambda: [b"0"]))[0]))
        await asyncio.sleep(0.6)  # so long that what was left would have been answered
        assert [pid for pid in pids if alive(pid)] == [worker._idle.pid]
    assert most_seconds < 1 or worker.started == 1
    await worker.close()
    assert not any(alive(pid) for pid in pids)


async def test_an_answer_that_nobody_gets_is_not_kept():
    worker = Worker(SLEEPER, 30)
    await worker.ask(lambda: [b"0"])
    await left(worker, "0.1")
    assert worker._left is not None
    await asyncio.sleep(0.3)
    assert worker._left is None
    await worker.close()


async def test_a_question_that_cannot_be_put_together_costs_no_process(worker):
    def broken() -> list[bytes]:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await worker.ask(broken)
    assert await worker.ask(lambda: [b"ab"]) == [b"ba"]
    assert worker.started == 1


async def test_a_question_whose_asker_left_keeps_nobody_for_long(worker, monkeypatch):
    monkeypatch.setattr(module, "_LEFT_SECONDS", 0.1)
    await worker.ask(lambda: [b"a"])
    os.kill(first := worker._idle.pid, signal.SIGSTOP)
    asking = asyncio.create_task(worker.ask(lambda: [b"old"]))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await worker.ask(lambda: [b"new"]) == [b"wen"]
    assert await gone(first)


async def test_one_that_is_still_asked_for_nobody_is_ended_when_it_is_closed(worker):
    await worker.ask(lambda: [b"a"])
    os.kill(first := worker._idle.pid, signal.SIGSTOP)
    asking = asyncio.create_task(worker.ask(lambda: [b"old"]))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await worker.close()
    assert await gone(first)


async def test_no_more_wait_than_may(worker):
    worker._most_waiting = 3
    asking = [asyncio.create_task(worker.ask(lambda: [b"ab"])) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(WorkerBusy):
        await worker.ask(lambda: [b"one too many"])
    assert await asyncio.gather(*asking) == [[b"ba"]] * 3
    assert await worker.ask(lambda: [b"ab"]) == [b"ba"]


@pytest.mark.parametrize(("most", "share"), [(4, 2), (3, 2), (1, 1)])
async def test_of_one_team_no_more_wait_than_half_so_that_there_is_room_for_others(worker, most, share):
    worker._most_waiting = most
    asking = [asyncio.create_task(worker.ask(lambda: [b"ab"], "a")) for _ in range(share)]
    await asyncio.sleep(0)
    with pytest.raises(WorkerBusy):
        await worker.ask(lambda: [b"one too many"], "a")
    if share < most:
        assert await worker.ask(lambda: [b"cd"], "b") == [b"dc"]
    assert await asyncio.gather(*asking) == [[b"ba"]] * share
    assert await worker.ask(lambda: [b"ab"], "a") == [b"ba"]
    assert not worker._waiting


async def test_a_team_with_one_question_does_not_wait_for_all_of_another(worker):
    answered = []

    async def ask(team):
        await worker.ask(lambda: [b"ab"], team)
        answered.append(team)

    await asyncio.gather(*(ask(team) for team in ("a", "a", "a", "a", "b", "b")))
    assert answered == ["a", "a", "b", "a", "b", "a"]  # the first has its turn before the others are there


@pytest.mark.parametrize("pieces", [[], [b""], [b"a", b"", bytes(range(256)) * 5000, b"b"]])
async def test_pieces_stay_what_they_are(worker, pieces):
    assert await worker.ask(lambda: pieces) == [piece[::-1] for piece in pieces]


async def test_one_that_has_nothing_to_do_rests(tmp_path):
    rested = tmp_path / "rested"
    code = f"from gateway.adapters.worker import answer\nfrom pathlib import Path\nanswer(lambda q: q, rest=lambda: Path({str(rested)!r}).touch(), rest_after_seconds=0.1)"
    worker = Worker(code, 30)
    assert await worker.ask(lambda: [b"a"]) == [b"a"]
    until = time.monotonic() + 5
    while not rested.exists() and time.monotonic() < until:  # noqa: ASYNC110  another process makes it
        await asyncio.sleep(0.02)
    assert rested.exists()
    assert await worker.ask(lambda: [b"b"]) == [b"b"]
    await worker.close()


KEEPS_NOTHING = """
import sys, weakref
from pathlib import Path
from gateway.adapters.worker import answer
class Noted(bytearray): pass
class Notes(list): pass
refs = []
def find(question):
    found = Notes([Noted(question[0]), Noted(question[0])])
    refs.extend([weakref.ref(found), *(weakref.ref(each) for each in found)])
    return found
def rest():
    Path(TOLD).write_text(f"{len(refs)} {sum(ref() is not None for ref in refs)}.")
answer(find, rest=rest, rest_after_seconds=0.1)
"""


async def test_one_that_rests_keeps_nothing_of_its_last_answer(tmp_path):
    told = tmp_path / "told"
    worker = Worker(KEEPS_NOTHING.replace("TOLD", repr(str(told))), 30)
    assert await worker.ask(lambda: [b"a"]) == [b"a", b"a"]
    until = time.monotonic() + 5
    while not (told.exists() and told.read_text().startswith("3")) and time.monotonic() < until:  # noqa: ASYNC110  another process writes it
        await asyncio.sleep(0.02)
    assert told.read_text() == "3 0."
    await worker.close()


async def test_closing_ends_it_and_is_no_matter_where_it_never_began(worker):
    await Worker(BACKWARDS, 30).close()
    await worker.ask(lambda: [b"a"])
    pid = worker._idle.pid
    await worker.close()
    assert not alive(pid)


async def test_one_that_does_not_listen_is_ended_all_the_same(worker, monkeypatch):
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.1)
    await worker.ask(lambda: [b"a"])
    os.kill(pid := worker._idle.pid, signal.SIGSTOP)
    await worker.close()
    assert not alive(pid)


async def test_it_does_not_outlive_a_server_that_is_killed():
    server = f"""
import asyncio, time
from gateway.adapters.worker import Worker
async def main():
    worker = Worker({BACKWARDS!r}, 30)
    await worker.ask(lambda: [b"a"])
    print(worker._idle.pid, flush=True)
    time.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE) as process:  # noqa: ASYNC220
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.kill()
    assert await gone(pid)


async def test_what_is_printed_does_not_get_among_the_answers(capfd):
    code = "from gateway.adapters.worker import answer\ndef loud(q):\n    print('loud', flush=True)\n    return q\nanswer(loud)"
    worker = Worker(code, 30)
    assert await worker.ask(lambda: [b"a"]) == [b"a"]
    await worker.close()
    assert capfd.readouterr() == ("", "loud\n")
