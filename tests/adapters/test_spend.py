"""Questions to the ledger, wherever it is."""

import random
import time
from collections import defaultdict

import msgspec
import pytest
from support.stores import NOW, Place

from gateway.adapters.books import Books
from gateway.adapters.ledger_sqlite import _write, connect
from gateway.adapters.spend import BY, Line, breakdown, requests
from gateway.core.record import Entry
from gateway.core.usage import BUCKETS


def entry(request: str, cost: int, *, hop: int = 1, **more: object) -> Entry:
    blank = {
        field.name: {str: "x", int: 1, float: 100.0}.get(field.type, "settled")
        for field in msgspec.structs.fields(Entry)
    }
    return Entry(
        **{**blank, "request_id": request, "hop": hop, "cost_pico_usd": cost, "usage_source": "reported", **more}
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
    lines = breakdown(ledger, ["team"], since=50.0)
    assert [
        (line.group, line.requests, line.calls, line.cost_pico_usd, line.estimated_pico_usd, line.uncertain_pico_usd)
        for line in lines
    ] == [
        (("blue",), 2, 3, 32, 12, 7),
        (("red",), 1, 1, 10, 0, 0),
    ]


def test_spend_by_two_dimensions(ledger):
    assert {line.group: line.cost_pico_usd for line in breakdown(ledger, ["team", "model"], 50.0)} == {
        ("red", "big"): 10,
        ("blue", "big"): 20,
        ("blue", "small"): 12,
    }


@pytest.mark.parametrize("by", BY)
def test_every_dimension_sums_to_the_same(ledger, by):
    assert sum(line.cost_pico_usd for line in breakdown(ledger, [by], 0.0)) == 1042


def test_a_request_has_one_line_whatever_its_hops(ledger):
    lines = {line.request_id: line for line in requests(ledger, 50.0)}
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
    assert breakdown(Books(tmp_path), ["team"], 0.0) == []
    assert requests(Books(tmp_path), 0.0) == []


def test_an_interval_has_its_first_moment_and_not_its_last(ledger):
    assert [line.cost_pico_usd for line in breakdown(ledger, [], 1.0, 100.0)] == [1000]
    assert [line.cost_pico_usd for line in breakdown(ledger, [], 1.5, 100.5)] == [42]
    assert breakdown(ledger, [], 2.0, 100.0) == []
    assert [line.request_id for line in requests(ledger, 0.0, 100.0)] == ["old"]


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
    assert [line.cost_pico_usd for line in breakdown(ledger, [], 0.0, None, where)] == costs
    assert sum(line.cost_pico_usd for line in requests(ledger, 0.0, None, where)) == sum(costs)


@pytest.mark.parametrize("name", ["day", "colour"])
def test_what_cannot_be_chosen_by_is_an_error(ledger, name):
    with pytest.raises(ValueError, match=f"cannot choose by {name}; known: .*team"):
        breakdown(ledger, [], 0.0, None, {name: "x"})


def test_times_are_told_in_utc_and_in_order(place):
    store = place.store()
    moments = [1_703_980_799.5, 1_703_980_800.0, 1_704_067_199.0, 1_704_067_200.0, 1_704_153_600.0]
    store.write([entry(f"r{at}", 10 - at, time=moment) for at, moment in enumerate(moments)])
    store.close()
    assert {
        by: [(*line.group, line.calls) for line in breakdown(place.books, [by], 0.0)]
        for by in ("hour", "day", "week", "month")
    } == {
        "hour": [
            ("2023-12-30T23:00Z", 1),
            ("2023-12-31T00:00Z", 1),
            ("2023-12-31T23:00Z", 1),
            ("2024-01-01T00:00Z", 1),
            ("2024-01-02T00:00Z", 1),
        ],
        "day": [("2023-12-30", 1), ("2023-12-31", 2), ("2024-01-01", 1), ("2024-01-02", 1)],
        "week": [("2023-W52", 3), ("2024-W01", 2)],
        "month": [("2023-12", 3), ("2024-01", 2)],
    }


def random_entries(chance: random.Random, amount: int) -> list[Entry]:
    found = []
    for n in range(amount):
        for hop in range(1, chance.choice([1, 1, 1, 2, 3]) + 1):
            texts = {
                column: chance.choice(["x", "y", "ü", ""])
                for column in set(BY.values()) - {"time", "request_id", "state", "usage_source"}
            }
            found.append(
                entry(
                    f"req-{n:05}",
                    chance.choice([0, 1, chance.randrange(10**12), chance.randrange(2**62), 2**63 - 1]),
                    hop=hop,
                    time=1_690_000_000.0 + chance.randrange(250) * 86_400 + chance.random(),
                    state=chance.choice(["settled", "released", "uncertain"]),
                    usage_source=chance.choice(["reported", "estimated"]),
                    **texts,
                    **{name: chance.choice([0, chance.randrange(10**6)]) for name in BUCKETS},
                )
            )
    return found


SHOWN = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}


def reckoned(entries: list[Entry], by: list[str], where: dict[str, str]) -> dict[tuple[str, ...], Line]:
    """What `breakdown` has to say, added up in Python."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for each in entries:
        if all(getattr(each, BY[name]) == value for name, value in where.items()):
            when = time.gmtime(each.time)
            groups[
                tuple(time.strftime(SHOWN[name], when) if name in SHOWN else getattr(each, BY[name]) for name in by)
            ].append(each)
    return {
        group: Line(
            group,
            requests=sum(each.hop == 1 for each in found),
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
            lines = breakdown(place.books, by, 0.0, None, where)
            assert {line.group: line for line in lines} == expected
            assert len(lines) == len(expected)
    for store in stores:
        while store.fold(NOW):
            pass
        store.close()
    assert [breakdown(place.books, ["month", "team"], 0.0) for place in places] == [
        breakdown(shared.books, ["month", "team"], 0.0)
    ] * 2
    assert requests(shared.books, 0.0) == requests(places[0].books, 0.0) == []


def test_both_stores_have_the_same_requests(tmp_path, shared):
    entries = random_entries(random.Random(7), 100)
    found = []
    for place in (Place(tmp_path), shared):
        store = place.store()
        store.write([each for each in entries if each.cost_pico_usd < 2**60])
        store.close()
        found.append(requests(place.books, 1_690_000_000.0 + 86_400))
    assert found[0] == found[1]
    assert len(found[0]) > 30


def test_a_file_written_beside_the_gateway_is_read(tmp_path):
    db = connect(tmp_path / "ledger.sqlite")
    _write(db, [entry("r", 3)])
    db.close()
    assert breakdown(Books(tmp_path), ["request"], 0.0)[0].group == ("r",)
