"""Questions to the ledger about a period, a part of it, and time."""

import msgspec
import pytest

from gateway.adapters import spend
from gateway.adapters.ledger_sqlite import _write, connect
from gateway.adapters.spend_days import DIMENSIONS, Asked, billed, breakdown, calls, hourly, requests
from gateway.core.day import day_of
from gateway.core.forecast import Spent
from gateway.core.reconcile import Ours
from gateway.core.record import Entry
from gateway.core.savings import Called
from gateway.core.usage import Usage

DAY = day_of("2026-11-29") * 86_400.0  # a Sunday
HOUR = 3600.0
EVER = Asked(0.0)


def entry(request: str, cost: int, *, hop: int = 1, **more: object) -> Entry:
    blank = {
        field.name: {str: "x", int: 1, float: DAY}.get(field.type, "settled") for field in msgspec.structs.fields(Entry)
    }
    return Entry(
        **{**blank, "request_id": request, "hop": hop, "cost_pico_usd": cost, "usage_source": "reported", **more}
    )


ROWS = [
    entry("r1", 10, team="red", backend="big", time=DAY + 5 * HOUR, outcome="complete"),
    entry("r2", 20, team="blue", backend="big", time=DAY + 24 * HOUR, outcome="failed", state="uncertain"),
    entry("r2", 5, hop=2, team="blue", backend="small", time=DAY + 24 * HOUR, usage_source="estimated"),
    entry("r3", 7, team="blue", backend="small", time=DAY + 49 * HOUR),
    entry("cor", -4, hop=0, state="corrected", team="(correction)", backend="big", time=DAY + 12 * HOUR,
          **dict.fromkeys(("input_uncached", "output"), 0)),
]  # fmt: skip


@pytest.fixture
def ledger(tmp_path):
    db = connect(tmp_path / "ledger.sqlite")
    _write(db, ROWS)
    db.close()
    return tmp_path


def test_without_a_period_it_is_the_same_breakdown(ledger):
    by_spend = {line.group: line.cost_pico_usd for line in spend.breakdown(ledger, ["team"], 0.0)}
    assert {line.group: line.cost_pico_usd for line in breakdown(ledger, ["team"], EVER)} == by_spend


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("hour", {"2026-11-29 05:00": 10, "2026-11-29 12:00": -4, "2026-11-30 00:00": 25, "2026-12-01 01:00": 7}),
        ("day", {"2026-11-29": 6, "2026-11-30": 25, "2026-12-01": 7}),
        ("week", {"2026-11-23": 6, "2026-11-30": 32}),
        ("month", {"2026-11": 31, "2026-12": 7}),
    ],
)
def test_spend_over_time_is_in_its_order(ledger, by, expected):
    found = [(line.group[0], line.cost_pico_usd) for line in breakdown(ledger, [by], EVER)]
    assert found == list(expected.items())


def test_a_correction_is_no_request(ledger):
    lines = {line.group[0]: (line.requests, line.calls) for line in breakdown(ledger, ["team"], EVER)}
    assert lines == {"red": (1, 1), "blue": (2, 3), "(correction)": (0, 0)}
    assert "cor" not in {call.request_id for call in calls(ledger, [], EVER)}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (EVER, 38),
        (Asked(DAY + 24 * HOUR), 32),
        (Asked(0.0, DAY + 24 * HOUR), 6),
        (Asked(0.0, where=(("team", "blue"),)), 32),
        (Asked(0.0, where=(("team", "blue"), ("model", "big"))), 20),
        (Asked(0.0, where=(("team", "blue"), ("team", "red"))), 42),
        (Asked(DAY, DAY + 30 * HOUR, (("model", "big"),)), 26),
        (Asked(0.0, where=(("day", "2026-11-30"),)), 25),
        (Asked(0.0, where=(("team", "' OR 1=1 --"),)), 0),
    ],
)
def test_a_part_of_the_ledger(ledger, asked, expected):
    assert sum(line.cost_pico_usd for line in breakdown(ledger, [], asked)) == expected
    assert sum(line.cost_pico_usd for line in requests(ledger, asked)) == expected


@pytest.mark.parametrize("by", DIMENSIONS)
def test_every_dimension_sums_to_the_same_and_can_be_asked_for(ledger, by):
    lines = breakdown(ledger, [by], EVER)
    assert sum(line.cost_pico_usd for line in lines) == 38
    for line in lines:
        (one,) = breakdown(ledger, [by], Asked(0.0, where=((by, line.group[0]),)))
        assert one.cost_pico_usd == line.cost_pico_usd


def test_how_sure_it_is(ledger):
    (line,) = breakdown(ledger, [], EVER)
    assert (line.cost_pico_usd, line.estimated_pico_usd, line.uncertain_pico_usd) == (38, 25, 20)


def test_a_request_has_one_line_whatever_its_hops(ledger):
    assert requests(ledger, EVER) == spend.requests(ledger, 0.0)


def test_calls_of_a_request_follow_each_other(ledger):
    used = Usage(1, 1, 1, 1, 1, 1, 1, 1)
    estimated = msgspec.structs.replace(used, source="estimated")
    assert list(calls(ledger, ["team", "day"], EVER)) == [
        Called("r1", ("red", "2026-11-29"), "x", True, used, 10),
        Called("r2", ("blue", "2026-11-30"), "x", False, used, 20),
        Called("r2", ("blue", "2026-11-30"), "x", True, estimated, 5),
        Called("r3", ("blue", "2026-12-01"), "x", True, used, 7),
    ]


@pytest.mark.parametrize(
    ("state", "outcome", "served"),
    [("settled", "complete", True), ("settled", "truncated", True), ("uncertain", "client_gone", True),
     ("released", "client_gone", False), ("settled", "failed", False), ("uncertain", "crashed", False)],
)  # fmt: skip
def test_who_was_served(tmp_path, state, outcome, served):
    db = connect(tmp_path / "ledger.sqlite")
    _write(db, [entry("r1", 1, state=state, outcome=outcome)])
    db.close()
    assert [call.served for call in calls(tmp_path, [], EVER)] == [served]


def test_spending_by_the_hour(ledger):
    found = hourly(ledger, {"team"}, DAY + 12 * HOUR)
    assert sorted(found, key=lambda each: each.hour) == [
        Spent({"team": "(correction)"}, int(DAY + 12 * HOUR), -4),
        Spent({"team": "blue"}, int(DAY + 24 * HOUR), 25),
        Spent({"team": "blue"}, int(DAY + 49 * HOUR), 7),
    ]
    assert sum(each.pico_usd for each in hourly(ledger, set(), 0.0)) == 38


def test_what_a_provider_is_owed(ledger):
    first = day_of("2026-11-29")
    assert billed(ledger, "x", first, first + 1) == [
        Ours(first, "x", 14, 6, 0, 0, -4, "big", "x"),
        Ours(first + 1, "x", 16, 25, 25, 20, 0, "", "x"),
    ]
    assert billed(ledger, "y", first, first + 1) == []


def test_sums_leave_64_bits_behind(tmp_path):
    db = connect(tmp_path / "ledger.sqlite")
    _write(db, [entry(f"r{n}", 9 * 10**18) for n in range(5)])
    db.close()
    assert breakdown(tmp_path, [], EVER)[0].cost_pico_usd == 45 * 10**18
    assert hourly(tmp_path, [], 0.0)[0].pico_usd == 45 * 10**18


def test_no_ledger_is_no_spend(tmp_path):
    assert breakdown(tmp_path, ["team"], EVER) == []
    assert requests(tmp_path, EVER) == []
    assert hourly(tmp_path, ["team"], 0.0) == []
    assert list(calls(tmp_path, [], EVER)) == []
