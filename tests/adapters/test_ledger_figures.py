"""What the ledger says of today and this month."""

import asyncio
import threading

import pytest
from support.stores import entry

from gateway.adapters import ledger_figures
from gateway.adapters.books import Books, LedgerUnreadable
from gateway.adapters.ledger_figures import LEAST_SECONDS, Figures, LedgerReader, follow
from gateway.core.booked import Sum
from gateway.core.budget import Limit, Spend
from gateway.core.day import SECONDS, day_of

USD = 10**12
HOUR = 3600
NOON = day_of("2026-11-27") * SECONDS + 12.0 * HOUR
PLACES = {
    "own": {"backend": "own", "provider": "vllm", "zone": "inhouse"},
    "far": {"backend": "far", "provider": "openai", "zone": "us-vendors"},
}
LIMITS = (
    Limit("all", "r", Spend("organisation", "month", 100 * USD)),
    Limit("red", "r", Spend("team", "month", 30 * USD), whose="red"),
    Limit("keys", "r", Spend("key", "month", 1)),
    Limit("share", "r", Spend("provider", "month", share=0.1)),
)


def call(id, ago_hours, usd, place="own", **more):
    where = {"team": "red", "usage_source": "reported", **PLACES[place], **more}
    return entry(id, time=NOON - ago_hours * HOUR, cost=usd * USD, **where)


def kept(place, *entries):
    store = place.store()
    store.write(entries)
    store.close()


@pytest.fixture
def reader(place) -> LedgerReader:
    kept(
        place,
        call("before", 24 * 40, 1000),
        call("early", 24 * 10, 10),
        call("yesterday", 24, 12, "far", team="blue"),
        call("today", 3, 6, usage_source="estimated"),
        call("now", 0, 2, "far"),
    )
    return LedgerReader(place.books)


def test_what_was_booked_today_and_this_month(reader):
    found = reader.read((), {"own": "cn"}, NOON)
    assert (found.today, found.month) == (Sum(8 * USD, 6 * USD), Sum(30 * USD, 6 * USD))
    assert (found.month.measured, found.today.measured) == (0.8, 0.25)
    assert found.largest == {"provider": 16 / 30, "zone": 16 / 30, "model": 16 / 30, "weights_origin": 16 / 30}
    assert found.moment == NOON


def test_where_the_month_ends_and_how_long_limits_last(reader):
    found = reader.read(LIMITS, {}, NOON)
    assert found.projected.spent_pico_usd == 30 * USD
    assert found.projected.end_pico_usd > 30 * USD
    told = {(each.limit.id, each.value): each.runway_days for each in found.runways}
    assert told.keys() == {("all", "(all)"), ("red", "red")}  # a key is no label, a share has no runway
    assert 0 < told["red", "red"] < 5


def test_a_limit_that_lasts_has_no_runway(reader):
    lasting = Limit("all", "r", Spend("organisation", "month", 10**9 * USD))
    assert reader.read((lasting,), {}, NOON).runways == ()


def test_nothing_is_booked_where_there_is_no_ledger(tmp_path):
    found = LedgerReader(Books(tmp_path)).read(LIMITS, {}, NOON)
    assert (found.today, found.month, found.largest, found.runways) == (Sum(0, 0), Sum(0, 0), {}, ())


def test_what_is_new_is_read_each_time_and_the_past_once_an_hour(place, reader):
    clock = [1000.0]
    reader._clock = lambda: clock[0]
    assert reader.read(LIMITS, {}, NOON).month.pico_usd == 30 * USD
    kept(place, call("newer", 0, 4), call("now", 0, 3, "far"), call("corrected", 24 * 5, 100))
    clock[0] += 60
    assert reader.read(LIMITS, {}, NOON + 60).month.pico_usd == 35 * USD
    clock[0] += ledger_figures.WHOLE_SECONDS
    found = reader.read(LIMITS, {}, NOON + 60)
    assert found.month.pico_usd == 135 * USD
    assert found.projected.spent_pico_usd == 135 * USD


def test_hours_that_were_read_once_are_not_counted_twice(reader):
    """An hour later the last ones are read again, and stand for what they were."""
    sums = [reader.read(LIMITS, {}, NOON + hours * HOUR).month.pico_usd for hours in range(5)]
    assert sums == [30 * USD] * 5


def test_hours_in_which_nothing_could_be_read_are_read_later(place, reader):
    """The clock of the pauses stands still while a machine sleeps."""
    reader._clock = lambda: 1000.0
    reader.read(LIMITS, {}, NOON)
    kept(place, call("meanwhile", -2, 4))
    found = reader.read(LIMITS, {}, NOON + 9 * HOUR)
    assert (found.month.pico_usd, found.projected.spent_pico_usd) == (34 * USD, 34 * USD)


def test_the_first_day_that_is_looked_at_is_a_whole_one(place):
    """One USD at one in the morning and one at one in the afternoon: the first day has both, whatever hour it is."""
    kept(place, *(call(f"{hours}", hours, 1) for hours in range(11, 24 * 70, 12)))
    found = LedgerReader(place.books).read((), {}, NOON)
    assert found.projected.low_pico_usd == found.projected.high_pico_usd == found.projected.end_pico_usd


def test_a_new_month_begins_with_nothing(reader):
    reader.read(LIMITS, {}, NOON)
    found = reader.read(LIMITS, {}, NOON + 5 * SECONDS)
    assert (found.month, found.today) == (Sum(0, 0), Sum(0, 0))
    assert found.projected.spent_pico_usd == 0


def test_limits_that_tell_others_apart_have_all_read_again(reader):
    reader.read((), {}, NOON)
    assert {each.value for each in reader.read(LIMITS, {}, NOON).runways} == {"(all)", "red"}


@pytest.mark.parametrize(("took", "pause", "whole"), [(0.1, LEAST_SECONDS, 3600), (2, 198, 3600), (50, 4950, 4950)])
def test_it_is_read_two_percent_of_the_time_at_most(reader, took, pause, whole):
    clock = [1000.0]

    def ticking():
        clock[0] += took
        return clock[0] - took

    reader._clock = ticking
    reader.read((), {}, NOON)
    assert reader.pause_seconds == LEAST_SECONDS
    assert reader._whole_due == pytest.approx(1000 + 2 * took + whole)
    reader._whole_due = 10**9
    reader.read((), {}, NOON)
    assert reader.pause_seconds == pytest.approx(pause)


async def test_it_is_shown_until_it_cannot_be_read_and_that_is_told_once(tmp_path):
    reader = LedgerReader(Books(tmp_path))
    good = reader.read((), {}, NOON)
    answers = [good, LedgerUnreadable("gone"), ValueError("odd"), good, LedgerUnreadable("again")]
    shown: list[Figures | None] = []
    told: list[str] = []
    done = asyncio.Event()

    def read():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def show(figures):
        shown.append(figures)
        if not answers:
            done.set()

    reader.pause_seconds = 0
    task = asyncio.create_task(follow(reader, read, show, lambda name, error: told.append(f"{name}: {error}")))
    async with asyncio.timeout(10):
        await done.wait()
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert shown == [good, None, None, good, None]
    assert told == ["figures_not_read: gone", "figures_not_read: again"]


def test_a_server_that_stops_waits_for_no_reading(tmp_path):
    asked, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def read():
        asked.set()
        go_on.wait(30)
        ended.set()
        raise LedgerUnreadable("too late")

    async def serve():
        task = asyncio.create_task(follow(LedgerReader(Books(tmp_path)), read, lambda _: None, lambda *_, **__: None))
        await asyncio.to_thread(asked.wait, 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    try:
        asyncio.run(serve())
        assert asked.is_set()
        assert not ended.is_set()
    finally:
        go_on.set()
        assert ended.wait(10)
