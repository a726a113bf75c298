"""Questions to the ledger."""

import msgspec
import pytest

from gateway.adapters.ledger_sqlite import _write, connect
from gateway.adapters.spend import BY, breakdown, requests
from gateway.core.record import Entry


def entry(request: str, cost: int, *, hop: int = 1, **more: object) -> Entry:
    blank = {
        field.name: {str: "x", int: 1, float: 100.0}.get(field.type, "settled")
        for field in msgspec.structs.fields(Entry)
    }
    return Entry(
        **{**blank, "request_id": request, "hop": hop, "cost_pico_usd": cost, "usage_source": "reported", **more}
    )


@pytest.fixture
def ledger(tmp_path):
    db = connect(tmp_path / "ledger.sqlite")
    _write(
        db,
        [
            entry("r1", 10, team="red", backend="big"),
            entry("r2", 20, team="blue", backend="big", state="released"),
            entry("r2", 5, hop=2, team="blue", backend="small", usage_source="estimated"),
            entry("r3", 7, team="blue", backend="small", state="uncertain"),
            entry("old", 1000, team="red", time=1.0),
        ],
    )
    db.close()
    return tmp_path


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


def test_sums_leave_64_bits_behind(tmp_path):
    db = connect(tmp_path / "ledger.sqlite")
    _write(db, [entry(f"r{n}", 9 * 10**18) for n in range(5)])
    db.close()
    assert breakdown(tmp_path, ["team"], 0.0)[0].cost_pico_usd == 45 * 10**18


def test_no_ledger_is_no_spend(tmp_path):
    assert breakdown(tmp_path, ["team"], 0.0) == []
    assert requests(tmp_path, 0.0) == []
