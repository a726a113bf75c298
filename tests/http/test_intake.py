"""Limits of a listener, and what a loop that is late means."""

import asyncio

import pytest
from support.listening import Listening, post

from gateway.adapters.metrics import SHED
from gateway.http.intake import LATE_SECONDS, REASONS, TICK_SECONDS, Intake, Lateness

LATE, FINE = LATE_SECONDS * 1.1, LATE_SECONDS * 0.9


def test_metrics_know_every_reason():
    assert set(REASONS) <= set(SHED)


@pytest.mark.parametrize(
    ("history", "shedding"),
    [
        ([], False),
        ([(LATE, 0)], False),  # one large body
        ([(10 * LATE, 0), (FINE, 0.3)], False),
        ([(LATE, 0), (LATE, 0.1), (LATE, 0.19)], False),
        ([(LATE, 0), (LATE, 0.1), (LATE, 0.21)], True),
        ([(LATE, 0), (FINE, 0.1), (LATE, 0.21)], False),
        ([(LATE, 0), (LATE, 0.21), (FINE, 0.25)], False),
        ([(LATE, 0), (LATE, 0.21), (FINE, 0.25), (LATE, 0.3)], True),  # it was so only just now
        ([(LATE, 0), (LATE, 0.21), (FINE, 0.25), (LATE, 2)], False),
    ],
)
def test_a_loop_is_overloaded_when_it_stays_late(history, shedding):
    lateness = Lateness()
    for late, now in history:
        lateness.seen(late, now)
    assert lateness.shedding == shedding


def limits(**some):
    return Intake(lambda _: None, lambda _: False, **some)


def test_calls_are_counted():
    intake = limits(requests=2)
    assert [intake.full(under_way, []) for under_way in (0, 1, 2, 3)] == [None, None, "inflight", "inflight"]
    assert limits().full(1_000_000, []) is None


async def test_what_was_answered_just_now_makes_room_at_once():
    intake = limits(requests=2)
    intake.start()
    intake.answered()
    assert intake.full(2, []) is None
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert intake.full(2, []) == "inflight"
    intake.stop()


async def test_the_timer_looks_at_those_that_wait_and_ends():
    looked = []

    class Waits:
        def look(self, now):
            looked.append(now)
            intake.waiting.discard(self)

    intake = limits()
    intake.waiting.add(Waits())
    intake.start()
    for _ in range(100):
        await asyncio.sleep(TICK_SECONDS)
        if looked:
            break
    intake.stop()
    assert len(looked) == 1
    assert intake.waiting == set()
    intake.waiting.add(Waits())
    await asyncio.sleep(20 * TICK_SECONDS)
    assert len(looked) == 1


def test_a_loop_that_stays_late_takes_no_more_and_takes_them_again_once_it_is_not():
    intake = limits(requests=10)
    assert intake.full(3, []) is None
    for moment in (0.0, 1.0):
        intake.late.seen(LATE, moment)
    assert (intake.full(3, []), intake.full(10, [])) == ("delay", "inflight")
    intake.late.seen(FINE, 2.0)
    assert intake.full(3, []) is None


async def test_a_loop_that_is_late_takes_what_is_spared():
    async with Listening(requests=2, spares=lambda headers: (b"x-team", b"calm") in headers) as served:
        served.intake.late.shedding = True
        served.intake.late.seen = lambda *_: None
        for headers, status in (([], b"503"), ([b"x-team: calm"], b"200"), ([b"x-team: loud"], b"503")):
            told = await served.told(post(b"hi", b"connection: close", *headers))
            assert told.startswith(b"HTTP/1.1 " + status)
        assert served.shed == {"delay": 2}
