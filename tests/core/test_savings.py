"""Savings have a sign, are net of what routing cost, and leave nothing out without saying so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.books import Books
from gateway.adapters.ledger_sqlite import SqliteStore
from gateway.adapters.spend import Asked, past_calls
from gateway.core.decision import Decision, Facts
from gateway.core.errors import FailureKind
from gateway.core.price import Price, Rates, charge
from gateway.core.record import Call, Caller, End, Record, Tried, entries
from gateway.core.savings import Called, Saved, Savings, saved_by, savings
from gateway.core.usage import Usage

PRICES = {
    "big": Price(rates=Rates(10, 1, 12, 12, 10, 100, 100, 100), version="v"),
    "small": Price(rates=Rates(1, 1, 1, 1, 1, 10, 10, 10), version="v"),
    "free": Price(rates=Rates(*[0] * 8), version="v"),
}
USED = Usage(input_uncached=3, output=2)  # 230 on big, 23 on small
CACHED = Usage(cache_read=30, output=1)  # 130 on big


def call(request, cost, *, requested="big", served=True, usage=USED, group=("red",)):
    return Called(request, group, requested, served, usage, cost)


@pytest.mark.parametrize(
    ("calls", "baseline", "expected"),
    [
        ((), "requested", Savings((), 0, 0)),
        ((call("r1", 23),), "requested", Savings((Saved(("red",), 1, 23, 230, 207, 0),), 0, 0)),
        ((call("r1", 230),), "requested", Savings((Saved(("red",), 1, 230, 230, 0, 0),), 0, 0)),
        ((call("r1", 240),), "requested", Savings((Saved(("red",), 1, 240, 230, 0, 10),), 0, 0)),
        ((call("r1", 5, usage=CACHED),), "requested", Savings((Saved(("red",), 1, 5, 130, 125, 0),), 0, 0)),
        # the caller asked for small; against big it is still cheap, against free it is not
        ((call("r1", 23, requested="small"),), "big", Savings((Saved(("red",), 1, 23, 230, 207, 0),), 0, 0)),
        ((call("r1", 23, requested="auto"),), "free", Savings((Saved(("red",), 1, 23, 0, 0, 23),), 0, 0)),
        # a name that is no model of the catalog
        ((call("r1", 23, requested="auto"), call("r2", 3)), "requested",
         Savings((Saved(("red",), 1, 3, 230, 227, 0),), 1, 0)),
        # a failed call is ours: it costs, and is not in the baseline
        ((call("r1", 500, served=False, usage=Usage(), group=("x",)), call("r1", 23)), "requested",
         Savings((Saved(("red",), 1, 523, 230, 0, 293),), 0, 0)),
        # nobody served it
        ((call("r1", 9, served=False),), "requested", Savings((Saved(("red",), 1, 9, 0, 0, 9),), 0, 0)),
        # sent, outcome unknown: an upper bound is no cost, and there is no usage to compare
        ((call("r1", 9999, usage=Usage()),), "requested", Savings((), 0, 1)),
        # saved and lost stand apart, the greatest net first
        ((call("r1", 20), call("r2", 260), call("r3", 0, group=("blue",))), "requested",
         Savings((Saved(("blue",), 1, 0, 230, 230, 0), Saved(("red",), 2, 280, 460, 210, 30)), 0, 0)),
    ],
)  # fmt: skip
def test_savings(calls, baseline, expected):
    assert expected == savings(calls, PRICES, baseline)


def test_the_total_is_the_sum_of_the_groups():
    found = savings([call("r1", 20), call("r2", 260), call("r3", 0, group=("blue",))], PRICES)
    assert (found.total, found.total.net_pico_usd) == (Saved((), 3, 280, 690, 440, 30), 410)


counts = st.integers(0, 10**6)
many = st.lists(st.tuples(st.builds(Usage, counts, counts, counts, output=st.integers(1, 10**6)), counts), max_size=20)


@given(many)
@settings(max_examples=50, deadline=None)
def test_net_is_baseline_less_cost(requests):
    calls = [call(f"r{at}", cost, usage=usage) for at, (usage, cost) in enumerate(requests)]
    found = savings(calls, PRICES, "big").total
    exact = sum(charge(usage, PRICES["big"]) - cost for usage, cost in requests)
    assert (found.net_pico_usd, found.requests) == (exact, len(requests))
    assert min(found.saved_pico_usd, found.lost_pico_usd) >= 0


USED = Usage(10, output=5)


def tried(state, cost, usage=USED, failure=None, hop=1):
    return Tried(hop, "b", "openai", "m", "z", state, usage, cost, "v", failure)


DOWN = FailureKind.UNREACHABLE
OUTCOMES = [
    [tried("settled", 20)],
    [tried("settled", 999)],
    [tried("released", 0, Usage(), DOWN), tried("settled", 20, hop=2)],
    [tried("uncertain", 90, Usage(), DOWN), tried("settled", 20, hop=2)],
    [tried("uncertain", 90, Usage())],
    [tried("uncertain", 90, Usage(), DOWN)],
    [tried("settled", 90, USED, DOWN)],
    [tried("released", 0, Usage())],
    [tried("settled", 5, Usage())],
]


@pytest.mark.parametrize("end", [each for each in End if each is not End.CRASHED])
@pytest.mark.parametrize("calls", OUTCOMES)
def test_one_request_is_compared_as_the_ledger_compares_many(tmp_path, calls, end):
    caller, decision = Caller("k", "t", "a"), Decision("d", "digest", "big", Facts(*[None] * 7), (), ())
    record = Record(Call("r", caller, 0.0, 0.0), decision, tuple(calls), end, 200, None, False, 1.0, 0.1)
    store = SqliteStore(tmp_path / "ledger.sqlite")
    store.write(entries(record))
    store.close()
    past = savings(past_calls(Books(tmp_path), [], Asked(0.0)), PRICES)
    assert saved_by(calls, end, PRICES["big"]) == past.total.net_pico_usd
