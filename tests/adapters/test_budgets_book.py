"""Keys and arguments: what they hang on, and how amounts are rounded."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.budgets_contract import DAY, NANO, NOON, SPENDER, limit

from gateway.adapters.budgets_book import Generation, book_of, family_of, generation_of, made, standing, up
from gateway.core.budget import Ask, Limit, Spend
from gateway.core.rate import Left, Pace, Rate

PER_KEY = limit("per-key", "key", "day", 100)


def generations(*limits):
    return {family_of(each): Generation(f"g{number}", 1.0, 2.0, "run") for number, each in enumerate(limits)}


@given(st.integers(0, 10**18))
def test_amounts_are_rounded_up(pico_usd):
    assert 0 <= up(pico_usd) * NANO - pico_usd < NANO


def test_a_ceiling_is_rounded_down():
    of_each = Limit("l", "l", Spend("key", "day", 1999))
    book = book_of(SPENDER, [of_each], [], generations(of_each))
    assert book.accounts[0].ceiling == 1


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (limit("per-key", "key", "day", 5, downgrade="small"), True),
        (limit("per-key", "key", "day", 100, enforced=False), True),
        (limit("other", "key", "day", 100), False),
        (limit("per-key", "team", "day", 100), False),
        (limit("per-key", "key", "1d", 100), False),
        (limit("per-key", "key", "day", 100, project="alpha"), False),
    ],
)
def test_accounts_do_not_hang_on_the_amount(other, same):
    assert (family_of(PER_KEY) == family_of(other)) is same


def test_a_mark_says_what_it_was_made_from():
    generation = Generation("0a", 1_795_348_800.123456, 1_795_348_802.5, "abc")
    assert generation_of(generation.mark.encode()) == generation


def test_a_share_has_two_accounts_and_what_does_not_concern_somebody_none():
    share, others = limit("share", "provider", "7d", share=0.5), limit("beta", "key", "day", 1, project="beta")
    limits = [share, others, PER_KEY]
    book = book_of(
        SPENDER, limits, [Rate("team", "tokens", 5, "blue"), Rate("app", "requests", 9)], generations(*limits)
    )
    assert [each.key for each in book.accounts] == ["{gw}:a:g0:openai", "{gw}:a:g0:(all)", "{gw}:a:g2:k1"]
    assert (book.mine, book.exempt) == ((0, 2), {"share": 1, "per-key": 2})
    assert book.rate_keys == ("{gw}:p:app:requests:9::chat",)
    keys, arguments = book.asking(Ask("id", SPENDER, 1001, 999, tokens=7, exempt="per-key"))
    assert keys == (
        "{gw}:c:id",
        "{gw}:f:share|provider|7d|",
        "{gw}:f:per-key|key|day|",
        *("{gw}:a:g0:openai", "{gw}:a:g0:(all)", "{gw}:a:g2:k1"),
        "{gw}:p:app:requests:9::chat",
    )
    assert arguments[:8] == ("reserve", 2, 1, 1, 7, 2, 2, 1)
    assert all("{gw}" in key for key in keys)  # one slot


def test_levels_become_a_pace():
    book = book_of(SPENDER, [], [Rate("key", "requests", 60), Rate("key", "tokens", 100)], {})
    assert book.pace([b"30.5", b"-20"]) == Pace(Left(60, 30, 29.5), Left(100, 0, 72.0))


@pytest.mark.parametrize(
    ("window", "start", "fields"),
    [
        ("day", NOON - 43_200, (f"s:{int(NOON - 43_200)}", 5)),
        ("1d", NOON - DAY, (f"s:{int(NOON - 3600)}", 2, f"s:{int(NOON)}", 3)),
    ],
)
def test_an_account_is_made_of_what_is_in_its_window(window, start, fields):
    buckets = {int(NOON - 3600): 1001, int(NOON): 3000, int(NOON - 2 * DAY): 10**9}
    commands = made(limit("l", "key", window, 1), "g", "k1", buckets, NOON)
    assert commands[0] == ("HSET", "{gw}:a:g:k1", "b", int(start), "S", 5, "R", 0, *fields)
    assert [each[0] for each in commands] == ["HSET", "EXPIRE", "SADD", "EXPIRE"]


def test_a_standing_is_in_pico_usd_again():
    told = standing(PER_KEY, "k1", 30, 20, NOON)
    assert msgspec.structs.astuple(told)[1:] == ("k1", 30 * NANO, 20 * NANO, 100 * NANO, NOON + DAY / 2)
