"""Questions to the ledger, wherever it is."""

import random
import time
from collections import defaultdict

import msgspec
import pytest
from support.stores import NOW, Place

from gateway.adapters.books import Books
from gateway.adapters.ledger_sqlite import _write, connect
from gateway.adapters.spend import (
    BY,
    DIMENSIONS,
    PERIODS,
    Asked,
    Line,
    billed,
    booked,
    breakdown,
    hourly,
    past_calls,
    requests,
    spent_by,
)
from gateway.core.budget import window_at
from gateway.core.day import day_of
from gateway.core.forecast import Spent
from gateway.core.reconcile import Ours
from gateway.core.record import Entry
from gateway.core.savings import Called
from gateway.core.spender import Spender
from gateway.core.usage import BUCKETS, Usage


def entry(request: str, cost: int, *, hop: int = 1, **more: object) -> Entry:
    blank = {
        field.name: {str: "x", int: 1, float: 100.0}.get(field.type, "settled")
        for field in msgspec.structs.fields(Entry)
    }
    return Entry(
        **{**blank, "request_id": request, "hop": hop, "cost_pico_usd": cost, "usage_source": "reported", "final": -1}
        | more
    )


@pytest.fixture
def ledger(place) -> Books:
    store = place.store()
    store.write(
        [
            entry("r1", 10, team="red", backend="big"),
            entry("r2", 20, team="blue", backend="big", state="released"),
            entry("r2", 5, hop=2, team="blue", backend="small", usage_source="estimated"),
            entry("r3", 7, team="blue", backend="small", state="uncertain"),
            entry("old", 1000, team="red", time=1.0),
        ],
    )
    store.close()
    return place.books


def test_spend_by_team_is_dearest_first(ledger):
    lines = breakdown(ledger, ["team"], Asked(50.0))
    assert [
        (line.group, line.requests, line.calls, line.cost_pico_usd, line.estimated_pico_usd, line.uncertain_pico_usd)
        for line in lines
    ] == [
        (("blue",), 2, 3, 32, 12, 7),
        (("red",), 1, 1, 10, 0, 0),
    ]


def test_spend_by_two_dimensions(ledger):
    assert {line.group: line.cost_pico_usd for line in breakdown(ledger, ["team", "model"], Asked(50.0))} == {
        ("red", "big"): 10,
        ("blue", "big"): 20,
        ("blue", "small"): 12,
    }


@pytest.mark.parametrize("by", BY)
def test_every_dimension_sums_to_the_same(ledger, by):
    assert sum(line.cost_pico_usd for line in breakdown(ledger, [by], Asked(0.0))) == 1042


def test_a_request_has_one_line_whatever_its_hops(ledger):
    lines = {line.request_id: line for line in requests(ledger, Asked(50.0))}
    assert lines.keys() == {"r1", "r2", "r3"}
    r2 = lines["r2"]
    assert (r2.calls, r2.cost_pico_usd, r2.model, r2.input_uncached, r2.usage_source) == (
        2,
        25,
        "small",
        2,
        "estimated",
    )


def test_no_ledger_is_no_spend(tmp_path):
    assert breakdown(Books(tmp_path), ["team"], Asked(0.0)) == []
    assert requests(Books(tmp_path), Asked(0.0)) == []


def test_an_interval_has_its_first_moment_and_not_its_last(ledger):
    assert [line.cost_pico_usd for line in breakdown(ledger, [], Asked(1.0, 100.0))] == [1000]
    assert [line.cost_pico_usd for line in breakdown(ledger, [], Asked(1.5, 100.5))] == [42]
    assert breakdown(ledger, [], Asked(2.0, 100.0)) == []
    assert [line.request_id for line in requests(ledger, Asked(0.0, 100.0))] == ["old"]


@pytest.mark.parametrize(
    ("where", "costs"),
    [
        ({"team": "blue"}, [32]),
        ({"team": "blue", "model": "small"}, [12]),
        ({"state": "uncertain"}, [7]),
        ({"request": "r2"}, [25]),
        ({"team": "' OR ''='"}, []),
    ],
)
def test_spend_of_what_has_certain_values(ledger, where, costs):
    assert [line.cost_pico_usd for line in breakdown(ledger, [], Asked(0.0, where=tuple(where.items())))] == costs
    assert sum(line.cost_pico_usd for line in requests(ledger, Asked(0.0, where=tuple(where.items())))) == sum(costs)


@pytest.mark.parametrize("name", ["day", "colour"])
def test_what_cannot_be_chosen_by_is_an_error(ledger, name):
    with pytest.raises(ValueError, match=f"cannot choose by {name}; known: .*team"):
        breakdown(ledger, [], Asked(0.0, where=((name, "x"),)))


def test_times_are_told_in_utc_and_in_order(place):
    store = place.store()
    moments = [1_703_980_799.5, 1_703_980_800.0, 1_704_067_199.0, 1_704_067_200.0, 1_704_153_600.0]
    store.write([entry(f"r{at}", 10 - at, time=moment) for at, moment in enumerate(moments)])
    store.close()
    assert {
        by: [(*line.group, line.calls) for line in breakdown(place.books, [by], Asked(0.0))]
        for by in ("hour", "day", "week", "month")
    } == {
        "hour": [
            ("2023-12-30 23:00", 1),
            ("2023-12-31 00:00", 1),
            ("2023-12-31 23:00", 1),
            ("2024-01-01 00:00", 1),
            ("2024-01-02 00:00", 1),
        ],
        "day": [("2023-12-30", 1), ("2023-12-31", 2), ("2024-01-01", 1), ("2024-01-02", 1)],
        "week": [("2023-12-25", 3), ("2024-01-01", 2)],
        "month": [("2023-12", 3), ("2024-01", 2)],
    }


@pytest.mark.parametrize("folded", [False, True])
def test_after_a_fallback_a_request_is_of_the_model_that_served_it_and_counts_once(place, folded):
    store = place.store()
    rows = [
        entry("r1", 1, backend="first", provider="a", final=0),
        entry("r1", 2, hop=2, backend="second", provider="b", final=1),
        entry("r2", 4, backend="first", provider="a", final=1),
        entry("before", 8, backend="first", provider="a"),  # by a version that noted nothing: its first call counts
        entry("before", 16, hop=2, backend="second", provider="b"),
        entry("crashed", 32, backend="third", provider="b", state="uncertain"),
    ]
    store.write(rows)
    while folded and store.fold(NOW):
        pass
    store.close()
    for by in (["model"], ["provider"], ["model", "provider"], ["state"], []):
        lines = breakdown(place.books, by, Asked(0.0))
        assert sum(line.requests for line in lines) == 4
        assert sum(line.calls for line in lines) == 6
    assert {line.group: (line.requests, line.calls) for line in breakdown(place.books, ["model"], Asked(0.0))} == {
        ("first",): (2, 3),
        ("second",): (1, 2),
        ("third",): (1, 1),
    }
    [second] = breakdown(place.books, ["model"], Asked(0.0, where=(("model", "second"),)))
    assert second.requests == 1


def random_entries(chance: random.Random, amount: int) -> list[Entry]:
    found = []
    for n in range(amount):
        hops, noted = chance.choice([1, 1, 1, 2, 3]), chance.random() < 0.7
        for hop in range(1, hops + 1):
            texts = {
                column: chance.choice(["x", "y", "ü", ""])
                for column in set(DIMENSIONS.values()) - {"request_id", "state", "usage_source"}
            }
            found.append(
                entry(
                    f"req-{n:05}",
                    chance.choice([0, 1, chance.randrange(10**12), chance.randrange(2**62), 2**63 - 1]),
                    hop=hop,
                    time=1_690_000_000.0 + chance.randrange(250) * 86_400 + chance.random(),
                    state=chance.choice(["settled", "released", "uncertain"]),
                    usage_source=chance.choice(["reported", "estimated"]),
                    final=int(hop == hops) if noted else -1,
                    **texts,
                    **{name: chance.choice([0, chance.randrange(10**6)]) for name in BUCKETS},
                )
            )
    return found


def shown(period: str, moment: float) -> str:
    start = window_at(period, moment).start
    return time.strftime({"hour": "%Y-%m-%d %H:00", "month": "%Y-%m"}.get(period, "%Y-%m-%d"), time.gmtime(start))


def reckoned(entries: list[Entry], by: list[str], where: dict[str, str]) -> dict[tuple[str, ...], Line]:
    """What `breakdown` has to say, added up in Python."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for each in entries:
        if all(getattr(each, DIMENSIONS[name]) == value for name, value in where.items()):
            groups[
                tuple(shown(name, each.time) if name in PERIODS else getattr(each, DIMENSIONS[name]) for name in by)
            ].append(each)
    return {
        group: Line(
            group,
            requests=sum(each.final == 1 or (each.final < 0 and each.hop == 1) for each in found),
            calls=len(found),
            **{name: sum(getattr(each, name) for each in found) for name in BUCKETS},
            cost_pico_usd=sum(each.cost_pico_usd for each in found),
            estimated_pico_usd=sum(
                each.cost_pico_usd for each in found if each.usage_source == "estimated" or each.state == "uncertain"
            ),
            uncertain_pico_usd=sum(each.cost_pico_usd for each in found if each.state == "uncertain"),
        )
        for group, found in groups.items()
    }


@pytest.mark.parametrize("seed", range(3))
def test_both_stores_say_what_can_be_added_up_by_hand(tmp_path, shared, seed):
    chance = random.Random(seed)
    entries = random_entries(chance, 400)
    places = [Place(tmp_path), shared]
    stores = [place.store() for place in places]
    for store in stores:
        store.write(entries)
        for _ in range(40):  # some of it is folded, not the same in both
            store.fold(NOW)
    names = [name for name in BY if name != "request"]
    for _ in range(12):
        by = chance.sample(names, chance.randrange(4))
        where = {
            name: chance.choice(["x", "y", "ü"])
            for name in chance.sample(["team", "model", "zone"], chance.randrange(3))
        }
        expected = reckoned(entries, by, where)
        for place in places:
            lines = breakdown(place.books, by, Asked(0.0, where=tuple(where.items())))
            assert {line.group: line for line in lines} == expected
            assert len(lines) == len(expected)
    for store in stores:
        while store.fold(NOW):
            pass
        store.close()
    assert [breakdown(place.books, ["month", "team"], Asked(0.0)) for place in places] == [
        breakdown(shared.books, ["month", "team"], Asked(0.0))
    ] * 2
    assert requests(shared.books, Asked(0.0)) == requests(places[0].books, Asked(0.0)) == []


def test_both_stores_have_the_same_requests(tmp_path, shared):
    entries = random_entries(random.Random(7), 100)
    found = []
    for place in (Place(tmp_path), shared):
        store = place.store()
        store.write([each for each in entries if each.cost_pico_usd < 2**60])
        store.close()
        found.append(requests(place.books, Asked(1_690_000_000.0 + 86_400)))
    assert found[0] == found[1]
    assert len(found[0]) > 30


def test_a_file_written_beside_the_gateway_is_read(tmp_path):
    db = connect(tmp_path / "ledger.sqlite")
    _write(db, [entry("r", 3)])
    db.close()
    assert breakdown(Books(tmp_path), ["request"], Asked(0.0))[0].group == ("r",)


DAY = day_of("2026-11-29") * 86_400.0  # a Sunday
HOUR = 3600.0
EVER = Asked(0.0)


def dated_entry(request: str, cost: int, **more: object) -> Entry:
    return entry(request, cost, **{"time": DAY, **more})


ROWS = [
    dated_entry("r1", 10, team="red", backend="big", time=DAY + 5 * HOUR, outcome="complete"),
    dated_entry("r2", 20, team="blue", backend="big", time=DAY + 24 * HOUR, outcome="failed", state="uncertain"),
    dated_entry("r2", 5, hop=2, team="blue", backend="small", time=DAY + 24 * HOUR, usage_source="estimated"),
    dated_entry("r3", 7, team="blue", backend="small", time=DAY + 49 * HOUR),
    dated_entry("cor", -4, hop=0, state="corrected", team="(correction)", backend="big", time=DAY + 12 * HOUR,
          **dict.fromkeys(("input_uncached", "output"), 0)),
]  # fmt: skip


@pytest.fixture
def dated(place) -> Books:
    store = place.store()
    store.write(ROWS)
    store.close()
    return place.books


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("hour", {"2026-11-29 05:00": 10, "2026-11-29 12:00": -4, "2026-11-30 00:00": 25, "2026-12-01 01:00": 7}),
        ("day", {"2026-11-29": 6, "2026-11-30": 25, "2026-12-01": 7}),
        ("week", {"2026-11-23": 6, "2026-11-30": 32}),
        ("month", {"2026-11": 31, "2026-12": 7}),
    ],
)
def test_spend_over_time_is_in_its_order(dated, by, expected):
    found = [(line.group[0], line.cost_pico_usd) for line in breakdown(dated, [by], EVER)]
    assert found == list(expected.items())


def test_a_correction_is_no_request(dated):
    lines = {line.group[0]: (line.requests, line.calls) for line in breakdown(dated, ["team"], EVER)}
    assert lines == {"red": (1, 1), "blue": (2, 3), "(correction)": (0, 0)}
    assert "cor" not in {call.request_id for call in past_calls(dated, [], EVER)}


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
        (Asked(0.0, where=(("team", "' OR 1=1 --"),)), 0),
    ],
)
def test_a_part_of_the_ledger(dated, asked, expected):
    assert sum(line.cost_pico_usd for line in breakdown(dated, [], asked)) == expected
    assert sum(line.cost_pico_usd for line in requests(dated, asked)) == expected


@pytest.mark.parametrize("by", DIMENSIONS)
def test_every_dimension_can_be_asked_for(dated, by):
    lines = breakdown(dated, [by], EVER)
    assert sum(line.cost_pico_usd for line in lines) == 38
    for line in lines:
        (one,) = breakdown(dated, [by], Asked(0.0, where=((by, line.group[0]),)))
        assert one.cost_pico_usd == line.cost_pico_usd


def test_how_sure_it_is(dated):
    (line,) = breakdown(dated, [], EVER)
    assert (line.cost_pico_usd, line.estimated_pico_usd, line.uncertain_pico_usd) == (38, 25, 20)


def test_a_correction_has_a_line_among_requests(dated):
    assert [line.calls for line in requests(dated, EVER)] == [1, 1, 2, 1]


def test_calls_of_a_request_follow_each_other(dated):
    used = Usage(1, 1, 1, 1, 1, 1, 1, 1)
    estimated = msgspec.structs.replace(used, source="estimated")
    assert list(past_calls(dated, ["team", "day"], EVER)) == [
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
def test_who_was_served(place, state, outcome, served):
    store = place.store()
    store.write([entry("r1", 1, state=state, outcome=outcome)])
    store.close()
    assert [call.served for call in past_calls(place.books, [], EVER)] == [served]


def test_spending_by_the_hour(dated):
    found = hourly(dated, {"team"}, DAY + 12 * HOUR)
    assert sorted(found, key=lambda each: each.hour) == [
        Spent(Spender(team="(correction)"), int(DAY + 12 * HOUR), -4),
        Spent(Spender(team="blue"), int(DAY + 24 * HOUR), 25),
        Spent(Spender(team="blue"), int(DAY + 49 * HOUR), 7),
    ]
    assert sum(each.pico_usd for each in hourly(dated, set(), 0.0)) == 38


def test_what_a_provider_is_owed(dated):
    first = day_of("2026-11-29")
    assert billed(dated, "x", first, first + 1) == [
        Ours(first, "x", 14, 6, 0, 0, -4, "big", "x"),
        Ours(first + 1, "x", 16, 25, 25, 20, 0, "", "x"),
    ]
    assert billed(dated, "y", first, first + 1) == []


def test_sums_leave_64_bits_behind(place):
    store = place.store()
    store.write([entry(f"r{n}", 9 * 10**18) for n in range(5)])
    store.close()
    assert breakdown(place.books, [], EVER)[0].cost_pico_usd == 45 * 10**18
    assert hourly(place.books, [], 0.0)[0].pico_usd == 45 * 10**18


def test_a_key_has_spent_today_and_this_month(place):
    store = place.store()
    store.write([dated_entry("a", 10, key="k1"), dated_entry("b", 5, key="k1", time=DAY - 86_400), dated_entry("c", 1)])
    store.close()
    told = spent_by(place.books, "k1", DAY + 7200)
    assert [(told[window]["requests"], told[window]["cost_usd"]) for window in ("day", "month")] == [
        (1, "0.00000000001"),
        (2, "0.000000000015"),
    ]


def test_what_was_booked_by_the_hour_and_where(dated):
    found = booked(dated, DAY + 12 * HOUR)
    assert sum(each.pico_usd for each in found) == sum(each.pico_usd for each in hourly(dated, set(), DAY + 12 * HOUR))
    lines = breakdown(dated, ["model", "provider", "zone"], Asked(0.0))
    of_lines = {line.group: (line.cost_pico_usd, line.estimated_pico_usd) for line in lines}
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for each in booked(dated, 0.0):
        cost, estimated = sums.get((each.model, each.provider, each.zone), (0, 0))
        sums[each.model, each.provider, each.zone] = cost + each.pico_usd, estimated + each.estimated_pico_usd
    assert sums == of_lines
    assert all(each.hour % HOUR == 0 for each in found)
