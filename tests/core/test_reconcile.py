"""Two books side by side: every difference is told, and a correction makes the sums equal."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.day import day_of
from gateway.core.reconcile import (
    ALL_MODELS,
    CORRECTION,
    NO_MODEL,
    Compared,
    Invoice,
    Ours,
    Theirs,
    compare,
    corrections,
    same_model,
    total,
)

DAY = day_of("2026-11-20")
HALF_PERCENT = Fraction(5, 1000)


def invoice(*lines, measure="pico_usd", first=DAY, last=DAY):
    return Invoice("openai", measure, tuple(Theirs(*line) for line in lines), first, last)


def ours(cost, model="gpt-5.6-sol", day=DAY, *, tokens=0, estimated=0, uncertain=0, corrected=0, backend="sol"):
    return Ours(day, model, tokens, cost, estimated, uncertain, corrected, backend, "us")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-5.6-sol", "gpt-5.6-sol-2026-09-01"),
        ("gpt-4o", "GPT-4o-20240806"),
        ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
        ("claude-3-5-haiku@20241022", "claude-3-5-haiku-latest"),
        ("openai/gpt-4.1", "openai/gpt-4.1-2025-04-14"),
        ("mistral-large-latest", "mistral-large"),
    ],
)
def test_ways_to_write_one_model(one, other):
    assert same_model(one) == same_model(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("gpt-4o", "gpt-4o-mini"), ("gpt-4", "gpt-4-0613"), ("gpt-5.6-sol", "gpt-5.6-luna"), ("o3", "o3-pro-2025-06-10")],
)
def test_other_models(one, other):
    assert same_model(one) != same_model(other)


@pytest.mark.parametrize(
    ("billed", "held", "expected"),
    [
        ([], [], []),
        ([(DAY, "gpt-5.6-sol", 1000)], [ours(1000)], [("gpt-5.6-sol", 1000, 1000, "match")]),
        ([(DAY, "gpt-5.6-sol", 1000)], [ours(995)], [("gpt-5.6-sol", 995, 1000, "match")]),
        ([(DAY, "gpt-5.6-sol", 1000)], [ours(994)], [("gpt-5.6-sol", 994, 1000, "theirs higher")]),
        ([(DAY, "gpt-5.6-sol", 994)], [ours(1000)], [("gpt-5.6-sol", 1000, 994, "ours higher")]),
        ([], [ours(7)], [("(all models)", 7, 0, "only ours")]),
        ([(DAY, "other", 1)], [ours(7)], [("gpt-5.6-sol", 7, 0, "only ours"), ("other", 0, 1, "only theirs")]),
        # what cost nothing need not be billed, and the other way round
        ([(DAY, "other", 0)], [ours(0)], [("gpt-5.6-sol", 0, 0, "match"), ("other", 0, 0, "match")]),
        # lines of a model add up, under our name for it
        ([(DAY, "gpt-5.6-sol-2026-09-01", 600), (DAY, "gpt-5.6-sol-2026-09-01", 400)], [ours(1000)],
         [("gpt-5.6-sol", 1000, 1000, "match")]),
        # two snapshots are one model
        ([(DAY, "gpt-5.6-sol-2026-09-01", 30)], [ours(10), ours(20, "gpt-5.6-sol-2026-09-01")],
         [("gpt-5.6-sol-2026-09-01", 30, 30, "match")]),
        # an invoice that names no model is compared by day
        ([(DAY, "", 30)], [ours(10), ours(20, "luna")], [(ALL_MODELS, 30, 30, "match")]),
        # a line of no model beside others
        ([(DAY, "", 5), (DAY, "gpt-5.6-sol", 10)], [ours(10)],
         [(NO_MODEL, 0, 5, "only theirs"), ("gpt-5.6-sol", 10, 10, "match")]),
        # which finds the correction that was booked for it
        ([(DAY, "", 5), (DAY, "gpt-5.6-sol", 10)], [ours(10), ours(5, NO_MODEL, corrected=5)],
         [(NO_MODEL, 5, 5, "match"), ("gpt-5.6-sol", 10, 10, "match")]),
    ],
)  # fmt: skip
def test_both_books(billed, held, expected):
    found = compare(invoice(*billed), held, HALF_PERCENT)
    assert [(each.model, each.ours, each.theirs, each.verdict) for each in found] == expected


def test_days_outside_of_the_invoice_are_not_compared():
    held = [ours(1, day=day) for day in range(DAY - 2, DAY + 4)]
    found = compare(invoice((DAY, "x", 1), first=DAY, last=DAY + 2), held, HALF_PERCENT)
    assert [(each.day - DAY, each.model) for each in found] == [
        (0, "gpt-5.6-sol"),
        (0, "x"),
        (1, "gpt-5.6-sol"),
        (2, "gpt-5.6-sol"),
    ]


def test_our_side_says_how_sure_it_is():
    held = [ours(100, estimated=30, uncertain=20), ours(-9, corrected=-9, backend=CORRECTION)]
    (found,) = compare(invoice((DAY, "gpt-5.6-sol", 91)), held, Fraction(0))
    assert found == Compared(DAY, "gpt-5.6-sol", 91, 70, 10, 20, -9, 91, "match", "sol", "us")
    assert total([found, found], Fraction(0)) == Compared(0, "", 182, 140, 20, 40, -18, 182, "match")


def test_an_export_without_costs_is_compared_by_tokens():
    held = [ours(10**12, tokens=500)]
    (found,) = compare(invoice((DAY, "gpt-5.6-sol", 400), measure="tokens"), held, HALF_PERCENT)
    assert (found.ours, found.theirs, found.difference, found.verdict) == (500, 400, -100, "ours higher")


def test_a_correction_names_whom_it_can():
    held = [ours(1000), ours(7, "luna", backend="luna"), ours(7, "luna", backend="luna-eu")]
    found = compare(invoice((DAY, "gpt-5.6-sol", 400), (DAY, "luna", 8), (DAY, "new", 1)), held, Fraction(0))
    entries = corrections(found, "openai", "nov.csv", "abc", DAY + 1)
    assert [(e.request_id, e.cost_pico_usd, e.model, e.backend, e.zone) for e in entries] == [
        ("cor-openai-2026-11-20-gpt-5-6-sol-abc-1000+0", -600, "gpt-5.6-sol", "sol", "us"),
        ("cor-openai-2026-11-20-luna-abc-14+0", -6, "luna", CORRECTION, "us"),
        ("cor-openai-2026-11-20-new-abc-0+0", 1, "new", CORRECTION, CORRECTION),
    ]
    first = entries[0]
    assert (first.state, first.hop, first.time, first.team, first.price_version, first.usage_source) == (
        "corrected",
        0,
        DAY * 86_400 + 43_200.0,
        CORRECTION,
        "invoice:nov.csv",
        "reported",
    )


def test_a_day_that_is_not_over_is_not_corrected():
    found = compare(invoice((DAY, "m", 1), (DAY + 1, "m", 1), last=DAY + 1), [], Fraction(0))
    assert [entry.time // 86_400 for entry in corrections(found, "openai", "f", "d", DAY + 1)] == [DAY]


lines = st.lists(
    st.tuples(st.integers(DAY, DAY + 2), st.sampled_from(["a", "b-2026-01-01", ""]), st.integers(0, 10**9))
)
held = st.lists(st.tuples(st.integers(0, 10**9), st.sampled_from(["a", "b"]), st.integers(DAY, DAY + 2)))


@given(lines, held)
@settings(max_examples=100, deadline=None)
def test_once_corrected_the_books_are_equal(lines, held):
    """And booking again finds nothing to book."""
    bill, mine = invoice(*lines, last=DAY + 2), [ours(*each) for each in held]
    booked = corrections(compare(bill, mine, Fraction(0)), "openai", "f", "d", DAY + 3)
    mine += [
        ours(e.cost_pico_usd, e.model, int(e.time // 86_400), corrected=e.cost_pico_usd, backend=e.backend)
        for e in booked
    ]
    after = compare(bill, mine, Fraction(0))
    assert {each.verdict for each in after} <= {"match"}
    assert sum(each.ours for each in after) == sum(line[2] for line in lines)
    assert len({entry.request_id for entry in booked}) == len(booked)
