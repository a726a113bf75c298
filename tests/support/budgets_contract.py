"""What every adapter of the `Budgets` port does, whichever store it counts in.

A test file inherits from `BudgetsContract` and gives it `make`, which puts limits and rates in force and gives back
books whose methods are all awaited. Amounts are nano-USD, the smallest unit that every store counts exactly.
"""

from itertools import count

import msgspec
import pytest

from gateway.adapters.stores import store_of
from gateway.core.budget import Ask, Exceeded, Limit, Reserved, Spend
from gateway.core.rate import Left, Pace, Rate, Throttled
from gateway.core.record import Entry
from gateway.core.spender import Spender

NOON = 1_795_348_800.0
DAY = 86_400.0
NANO = 1000
SPENDER = Spender("k1", "red", "chat", "alpha", "openai", "us")
_numbers = count()


def limit(id, per, window, nano_usd=None, *, project="", enforced=True, minimum=0, **terms):
    pico_usd = None if nano_usd is None else nano_usd * NANO
    return Limit(id, id, Spend(per, window, pico_usd, minimum_pico_usd=minimum * NANO, **terms), project, enforced)


PER_KEY = limit("per-key", "key", "day", 100)


def ask(most, least=None, *, exempt=None, requests=1, tokens=0, **who):
    id = f"call-{next(_numbers)}"
    return Ask(
        id,
        msgspec.structs.replace(SPENDER, **who),
        most * NANO,
        (most if least is None else least) * NANO,
        requests,
        tokens,
        exempt,
    )


def entry(**fields):
    names = Entry.__struct_fields__
    plain = dict.fromkeys(names, "") | {
        name: 0 for name in names if name in ("hop", "status", "duration_ms", "cost_pico_usd") or "cache" in name
    }
    plain |= dict.fromkeys(("input_uncached", "output", "reasoning", "audio_input", "audio_output"), 0)
    return Entry(
        **(plain | {"final": -1, "time": NOON, "state": "settled", "hop": 1} | msgspec.structs.asdict(SPENDER) | fields)
    )


async def spend(books, amount, moment=NOON, **who):
    room = await books.reserve(ask(amount, **who), moment)
    assert isinstance(room, Reserved), room
    await books.settle(room, amount * NANO, 0)


async def has_room(books, amount, moment=NOON, exempt=None, **who):
    return isinstance(await books.reserve(ask(amount, exempt=exempt, **who), moment), Reserved)


class BudgetsContract:
    async def test_what_is_reserved_is_not_there_for_the_next(self, make):
        books = await make(PER_KEY)
        first = await books.reserve(ask(60), NOON)
        assert not await has_room(books, 41)
        await books.settle(first, 10 * NANO, 0)
        assert await has_room(books, 90)
        assert not await has_room(books, 1)

    async def test_the_refusal_has_the_figures(self, make):
        books = await make(PER_KEY)
        await spend(books, 30)
        await books.reserve(ask(20), NOON)
        assert await books.reserve(ask(60), NOON) == Exceeded(
            PER_KEY, "k1", 30 * NANO, 20 * NANO, 100 * NANO, NOON // DAY * DAY + DAY
        )

    async def test_a_call_that_cost_more_than_reserved_is_booked_in_full(self, make):
        books = await make(PER_KEY)
        await books.settle(await books.reserve(ask(10), NOON), 99 * NANO, 0)
        assert await has_room(books, 1)
        assert not await has_room(books, 1)

    async def test_a_released_call_leaves_nothing(self, make):
        books = await make(PER_KEY)
        await books.settle(await books.reserve(ask(100), NOON), 0, 0)
        assert await has_room(books, 100)

    async def test_accounts_are_apart_and_a_reservation_is_made_in_all_or_in_none(self, make):
        books = await make(limit("team", "team", "day", 50), limit("all", "organisation", "day", 80))
        await spend(books, 50)
        assert not await has_room(books, 1)
        assert not await has_room(books, 31, team="blue")
        assert await has_room(books, 30, team="blue")

    @pytest.mark.parametrize(
        ("window", "later", "free"),
        [
            ("hour", 3599, False),
            ("hour", 3600, True),
            ("day", DAY / 2, True),
            ("week", DAY / 2 - 1, False),
            ("week", DAY / 2, True),
            ("month", 8 * DAY, False),
            ("month", 9 * DAY, True),
            ("1d", DAY - 3600, False),
            ("1d", DAY + 3600, True),
            ("2h", 7199, False),
            ("2h", 7260, True),
            ("7d", 6 * DAY, False),
            ("7d", 8 * DAY, True),
        ],
    )
    async def test_windows_end(self, make, window, later, free):
        books = await make(limit("l", "key", window, 100))
        await spend(books, 100)
        assert await has_room(books, 100, NOON + later) is free

    async def test_what_leaves_a_rolling_window_leaves_it_bit_by_bit(self, make):
        books = await make(limit("l", "key", "2d", 100))
        for hours in (0, 10, 20):
            await spend(books, 30, NOON + hours * 3600)
        assert not await has_room(books, 11, NOON + 2 * DAY)
        assert await has_room(books, 40, NOON + 2 * DAY + 3600)
        assert not await has_room(books, 1, NOON + 2 * DAY + 3600)
        assert await has_room(books, 30, NOON + 2 * DAY + 11 * 3600)

    async def test_a_share_counts_from_its_minimum_on(self, make):
        books = await make(limit("share", "provider", "7d", share=0.6, minimum=100))
        await spend(books, 99)
        assert not await has_room(books, 1)  # all of 100 would be one provider's
        await spend(books, 60, provider="mistral")
        assert await has_room(books, 1, provider="mistral")
        assert not await has_room(books, 1)  # 100 of 160
        await spend(books, 10, provider="mistral")
        assert await has_room(books, 1)

    async def test_the_limit_that_a_request_was_downgraded_by_is_passed_and_others_are_not(self, make):
        books = await make(PER_KEY, limit("team", "team", "day", 110))
        await spend(books, 100)
        assert not await has_room(books, 10)
        assert await has_room(books, 10, exempt="per-key")
        assert not await has_room(books, 10, exempt="per-key")

    async def test_a_project_limit_binds_that_project_alone(self, make):
        books = await make(limit("alpha", "organisation", "day", 10, project="alpha"))
        assert not await has_room(books, 11)
        assert await has_room(books, 11, project="beta")

    async def test_what_the_ledger_holds_is_restored(self, make, tmp_path):
        store = store_of(tmp_path)
        big = 7 * 10**9 + 3
        store.write(
            [
                entry(request_id="a", cost_pico_usd=big * NANO),
                entry(request_id="b", cost_pico_usd=5 * NANO, key="k2"),
                entry(request_id="c", cost_pico_usd=1000 * NANO, time=NOON - 2 * DAY),
                entry(request_id="d", cost_pico_usd=2 * NANO, project="beta"),
            ]
        )
        store.close()
        books = await make(
            limit("per-key", "key", "day", big + 10),
            limit("beta", "organisation", "day", 3, project="beta"),
            limit("share", "provider", "day", share=0.5, minimum=10**12),
            limit("rolling", "key", "7d", big + 1010),
            ledger=tmp_path,
        )
        assert not await has_room(books, 9)
        assert await has_room(books, 8)
        assert not await has_room(books, 2, project="beta", key="k3")
        assert await has_room(books, 1, project="beta", key="k3")

    async def test_a_limit_on_trial_tells_and_denies_nothing(self, make):
        books = await make(limit("trial", "key", "day", 10, enforced=False))
        assert (await books.reserve(ask(10), NOON)).watched == ()
        assert (await books.reserve(ask(1), NOON)).watched == ("trial",)

    async def test_what_costs_nothing_passes_a_budget_that_is_used_up(self, make):
        books = await make(PER_KEY)
        await books.settle(await books.reserve(ask(90), NOON), 150 * NANO, 0)
        assert not await has_room(books, 1)
        assert await has_room(books, 0)

    async def test_near_the_end_one_call_gets_half_of_what_is_left_so_that_others_get_some(self, make):
        books = await make(PER_KEY)
        await spend(books, 20)
        grants = [(await books.reserve(ask(200, 5), NOON)).pico_usd // NANO for _ in range(5)]
        assert grants == [40, 20, 10, 5, 5]
        assert isinstance(await books.reserve(ask(200, 5), NOON), Exceeded)

    async def test_a_call_is_booked_in_the_window_that_it_began_in(self, make):
        midnight = NOON // DAY * DAY + DAY
        books = await make(PER_KEY)
        begun = await books.reserve(ask(60), midnight - 1)
        await spend(books, 40, midnight + 1)
        await books.settle(begun, 60 * NANO, 0)
        assert await has_room(books, 60, midnight + 2)
        assert not await has_room(books, 1, midnight + 2)

    async def test_a_budget_of_one_binds_nobody_else(self, make):
        books = await make(Limit("b", "budget", Spend("team", "day", 10 * NANO), whose="red"))
        assert not await has_room(books, 11)
        assert await has_room(books, 11, team="blue")

    @pytest.mark.parametrize(
        ("spent", "enforced", "state"),
        [(79, True, "ok"), (80, True, "soft"), (100, True, "exhausted"), (99, False, "ok"), (100, False, "soft")],
    )
    async def test_the_state_of_a_budget_is_known_before_anything_is_denied(self, make, spent, enforced, state):
        books = await make(limit("l", "key", "day", 100, enforced=enforced), limit("other", "provider", "day", 1))
        await books.settle(await books.reserve(ask(0), NOON), spent * NANO, 0)
        await books.reserve(ask(0), NOON)
        assert books.budgets.state(Spender("k1", "red"), NOON) == state
        assert books.budgets.state(Spender("k2", "red"), NOON) == "ok"

    async def test_accounts_are_told(self, make):
        books = await make(PER_KEY, limit("share", "provider", "day", share=0.5, minimum=10**9))
        await spend(books, 30)
        await books.reserve(ask(20), NOON)
        await spend(books, 1, key="k2")
        [mine] = await books.standings(Spender("k1"), NOON)
        assert (mine.value, mine.spent_pico_usd, mine.reserved_pico_usd) == ("k1", 30 * NANO, 20 * NANO)
        assert (mine.ceiling_pico_usd, mine.resets) == (100 * NANO, NOON // DAY * DAY + DAY)
        every = {each.value: each.spent_pico_usd for each in await books.every_standing(NOON)}
        assert every == {"k1": 30 * NANO, "k2": NANO}

    async def test_what_is_booked_beyond_a_ceiling_is_told(self, make):
        books = await make(PER_KEY)
        await books.settle(await books.reserve(ask(90), NOON), 95 * NANO, 0)
        assert books.budgets.overshot_pico_usd == 0
        await books.settle(await books.reserve(ask(5), NOON), 25 * NANO, 0)
        assert books.budgets.overshot_pico_usd == 20 * NANO

    async def test_a_request_that_comes_too_soon_is_held_up_by_the_longest_wait(self, make):
        per_key, per_team = Rate("key", "requests", 2), Rate("team", "requests", 1, "red")
        books = await make(rates=(per_key, per_team))
        first = await books.reserve(ask(0), NOON)
        assert first.pace == Pace(Left(1, 0, 60.0), None)
        held = await books.reserve(ask(0), NOON)
        assert (held.rate, held.value, held.wait) == (per_team, "red", 60.0)
        assert isinstance(await books.reserve(ask(0, team="blue"), NOON), Reserved)
        assert isinstance(await books.reserve(ask(0), NOON + 60), Reserved)

    async def test_what_a_rate_holds_up_takes_nothing(self, make):
        books = await make(PER_KEY, rates=[Rate("key", "requests", 1)])
        await spend(books, 1)
        assert isinstance(await books.reserve(ask(50), NOON), Throttled)
        [standing] = await books.standings(Spender("k1"), NOON)
        assert (standing.spent_pico_usd, standing.reserved_pico_usd) == (NANO, 0)

    async def test_tokens_are_expected_first_and_corrected_later(self, make):
        books = await make(rates=[Rate("app", "tokens", 100)])
        call = await books.reserve(ask(0, tokens=60), NOON)
        assert isinstance(await books.reserve(ask(0, tokens=60), NOON), Throttled)
        await books.settle(call, 0, 20)
        assert (await books.pace(Spender(app="chat"), NOON)).tokens.remaining == 80
        assert isinstance(await books.reserve(ask(0, tokens=60), NOON), Reserved)

    async def test_where_there_are_no_rates_there_is_no_pace(self, make):
        books = await make(PER_KEY, rates=[Rate("team", "requests", 5, "blue")])
        assert await books.pace(SPENDER, NOON) == Pace()

    async def test_a_request_that_was_let_in_is_not_held_up_half_way(self, make):
        books = await make(rates=[Rate("key", "requests", 1), Rate("key", "tokens", 10)])
        assert isinstance(await books.reserve(ask(0, tokens=10), NOON), Reserved)
        assert isinstance(await books.reserve(ask(0, tokens=10, requests=0), NOON), Reserved)

    async def test_rates_that_stay_keep_their_levels(self, make):
        rate = Rate("key", "requests", 1)
        books = await make(rates=[rate])
        await books.reserve(ask(0), NOON)
        await books.enforce([PER_KEY], [rate])
        assert isinstance(await books.reserve(ask(0), NOON), Throttled)

    async def test_what_a_call_can_no_longer_cost_is_there_for_the_next(self, make):
        books = await make(PER_KEY, limit("all", "organisation", "month", 200), limit("rolling", "team", "7d", 300))
        call = await books.reserve(ask(80), NOON)
        assert not await has_room(books, 21)
        less = await books.shrink(call, 30 * NANO)
        assert less.pico_usd == 30 * NANO
        assert not await has_room(books, 71)
        next = await books.reserve(ask(70), NOON)
        assert isinstance(next, Reserved)
        await books.settle(next, 0, 0)
        await books.settle(less, 20 * NANO, 0)
        for standing in await books.standings(SPENDER, NOON):
            assert (standing.spent_pico_usd, standing.reserved_pico_usd) == (20 * NANO, 0)

    async def test_a_room_that_shrinks_never_grows_again(self, make):
        books = await make(PER_KEY)
        call = await books.reserve(ask(60), NOON)
        for asked, left in ((40, 40), (40, 40), (55, 40), (10, 10), (0, 0), (60, 0)):
            call = await books.shrink(call, asked * NANO)
            [standing] = await books.standings(SPENDER, NOON)
            assert (call.pico_usd, standing.reserved_pico_usd) == (left * NANO, left * NANO)

    async def test_a_call_that_comes_to_more_than_it_shrank_to_is_booked_in_full(self, make):
        books = await make(PER_KEY)
        call = await books.shrink(await books.reserve(ask(60), NOON), 10 * NANO)
        other = await books.reserve(ask(80), NOON)
        await books.settle(call, 50 * NANO, 0)
        assert books.budgets.overshot_pico_usd == 30 * NANO
        [standing] = await books.standings(SPENDER, NOON)
        assert (standing.spent_pico_usd, standing.reserved_pico_usd) == (50 * NANO, 80 * NANO)
        await books.settle(other, 0, 0)

    async def test_a_limit_that_comes_into_force_has_what_is_left_of_a_room(self, make):
        books = await make(PER_KEY)
        call = await books.shrink(await books.reserve(ask(60), NOON), 10 * NANO)
        await books.enforce([PER_KEY, limit("new", "team", "month", 100)])
        found = {each.limit.id: each.reserved_pico_usd for each in await books.standings(SPENDER, NOON)}
        assert found == {"per-key": 10 * NANO, "new": 10 * NANO}
        await books.settle(call, 5 * NANO, 0)
        assert {each.reserved_pico_usd for each in await books.standings(SPENDER, NOON)} == {0}
