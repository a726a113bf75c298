"""What concerns one spender, as keys and arguments of the script that replicas share (`budgets_valkey.lua`).

Amounts go to the server in nano-USD, since pico-USD would not fit the doubles it computes with. What is asked and what
is booked is rounded up, ceilings are rounded down: a limit errs to the safe side, by less than a nano-USD a call.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.adapters.valkey import Call, Command
from gateway.core.budget import EVERYTHING, Ask, Exceeded, Limit, Reserved, Standing, bucket_seconds, window_at
from gateway.core.rate import Left, Pace, Rate, Throttled, tightest
from gateway.core.spender import Spender

NANO = 1000
"""Pico-USD of a nano-USD."""


def up(pico_usd: int) -> int:
    """Whole nano-USD, rounded up."""
    return -(-pico_usd // NANO)


def family_of(limit: Limit) -> str:
    """Names the accounts of a limit. Its amount is not part of it: what was counted stays when that changes."""
    return f"{limit.id}|{limit.terms.per}|{limit.terms.window}|{limit.project}"


class Generation(msgspec.Struct, frozen=True):
    """The accounts of a limit since they were made from the ledger. `mark` is what the server holds of it.

    `name` is part of the keys of its accounts; `read` is when the ledger was read and `opens` when room may be taken
    (Unix seconds by the server's clock); `run_id` is the server that they were made on.
    """

    name: str
    read: float
    opens: float
    run_id: str

    @property
    def mark(self) -> str:
        """As it is kept."""
        return f"{self.name}|{self.read:.6f}|{self.opens:.6f}|{self.run_id}"


def generation_of(mark: bytes) -> Generation:
    """What a mark says."""
    name, read, opens, run_id = mark.decode().split("|")
    return Generation(name, float(read), float(opens), run_id)


def mark_key(family: str) -> str:
    """Where the server keeps which accounts a limit has."""
    return f"{{gw}}:f:{family}"


def call_key(id: str) -> str:
    """Where the server keeps what is reserved for a call."""
    return f"{{gw}}:c:{id}"


class Ended(msgspec.Struct, frozen=True):
    """A call that has ended, on its way to the server: `granted` and `cost` in nano-USD. `moment` is when it got room,
    `at` when it ended (monotonic). `only_known`: it is booked only if the server knows it. `booked`: the generations
    whose accounts have it, as far as it belongs in them."""

    id: str
    spender: Spender
    exempt: str | None
    granted: int
    moment: float
    cost: int
    tokens: int
    at: float
    only_known: bool = False
    booked: frozenset[str] = frozenset()


class Account(msgspec.Struct, frozen=True):
    """An account that a call is booked in. `ceiling` is in nano-USD, None: it is a share, or denies nothing."""

    limit: Limit
    family: str
    value: str
    key: str
    ceiling: int | None


class Book(msgspec.Struct, frozen=True):
    """All that concerns one spender. `lines` are limits, each with the value whose account it is."""

    lines: tuple[tuple[Limit, str], ...]
    pacing: tuple[tuple[Rate, str], ...]
    accounts: tuple[Account, ...]
    mine: tuple[int, ...]  # for each line, which of the accounts
    rate_keys: tuple[str, ...]
    keys: tuple[str, ...]
    arguments: tuple[str | int, ...]
    exempt: Mapping[str, int]  # by the limit's id

    def asking(self, ask: Ask) -> Call:
        """The call that takes room."""
        return (call_key(ask.id), *self.keys), (
            "reserve",
            up(ask.most),
            up(ask.least),
            ask.requests,
            ask.tokens,
            self.exempt.get(ask.exempt, 0) if ask.exempt else 0,
            *self.arguments,
        )

    def putting(self, id: str, nano_usd: int, moment: float) -> Call:
        """The call that puts a reservation back."""
        windows = [each.limit.terms.window for each in self.accounts]
        keys = [each.key for each in self.accounts]
        return (call_key(id), *keys), ("put", nano_usd, repr(moment), *windows)

    def settling(self, ended: Ended, accounts: Sequence[Account]) -> Call:
        """The call that settles one that ended: it is booked in these accounts."""
        rates = [
            (key, rate.a_minute)
            for key, (rate, _) in zip(self.rate_keys, self.pacing, strict=True)
            if ended.tokens and rate.unit == "tokens"
        ]
        arguments: list[str | int] = []
        for each in accounts:
            exempt = each.limit.id == ended.exempt
            arguments += (each.limit.terms.window, "" if each.ceiling is None or exempt else each.ceiling)
        return (call_key(ended.id), *(each.key for each in accounts), *(key for key, _ in rates)), (
            "settle",
            ended.cost,
            ended.granted,
            repr(ended.moment),
            ended.tokens,
            int(ended.only_known),
            len(accounts),
            *arguments,
            *(a_minute for _, a_minute in rates),
        )

    def reading(self) -> Call:
        """The call that reads accounts and levels."""
        keys = [each.key for each in self.accounts]
        windows = [each.limit.terms.window for each in self.accounts]
        return (*keys, *self.rate_keys), ("read", len(keys), *windows, *(rate.a_minute for rate, _ in self.pacing))

    def pace(self, levels: Sequence[bytes]) -> Pace | None:
        """The pace that levels leave."""
        found = []
        for (rate, _), level in zip(self.pacing, levels, strict=True):
            left = float(level)
            resets = (rate.a_minute - left) * 60.0 / rate.a_minute
            found.append((rate.unit, Left(rate.a_minute, max(0, int(left)), resets)))
        return tightest(found)

    def exceeded(self, line: int, ceiling: int, ends: float, spent: int, reserved: int) -> Exceeded:
        """A line without room, in pico-USD again."""
        limit, value = self.lines[line]
        told = ceiling * NANO if limit.terms.pico_usd is None else limit.terms.pico_usd
        return Exceeded(limit, value, spent * NANO, reserved * NANO, told, ends)

    def throttled(self, number: int, wait: float, levels: Sequence[bytes]) -> Throttled:
        """A rate that holds a call up."""
        rate, value = self.pacing[number]
        return Throttled(rate, value, wait, self.pace(levels) or Pace())


class Room(Reserved, frozen=True, kw_only=True):
    """Room for a call, taken at `moment`. `alone`: by this replica, while nobody could be asked."""

    ask: Ask
    nano_usd: int
    moment: float
    alone: bool = False


def shrinking(room: Room) -> Call:
    """The call that leaves a call no more room than this."""
    return (call_key(room.ask.id),), ("shrink", room.nano_usd)


def book_of(
    spender: Spender, limits: Iterable[Limit], rates: Iterable[Rate], generations: Mapping[str, Generation]
) -> Book:
    """What concerns a spender. Each limit has its generation."""
    lines: list[tuple[Limit, str]] = []
    accounts: dict[str, Account] = {}
    mine: list[int] = []
    marks: list[str] = []
    keys: list[str] = []
    arguments: list[str | int] = []
    for limit in limits:
        value = limit.value(spender)
        if value is None:
            continue
        terms, family = limit.terms, family_of(limit)
        generation = generations[family]
        own = f"{{gw}}:a:{generation.name}:{value}"
        fixed = None if terms.pico_usd is None else terms.pico_usd // NANO
        accounts.setdefault(own, Account(limit, family, value, own, fixed if limit.enforced else None))
        mine.append(list(accounts).index(own))
        marks.append(mark_key(family))
        keys.append(own)
        if fixed is None:
            everyone = f"{{gw}}:a:{generation.name}:{EVERYTHING}"
            accounts.setdefault(everyone, Account(limit, family, EVERYTHING, everyone, None))
            keys.append(everyone)
        arguments += (
            generation.mark,
            terms.window,
            "" if fixed is None else fixed,
            "" if terms.share is None else repr(terms.share),
            up(terms.minimum_pico_usd),
            int(limit.enforced),
        )
        lines.append((limit, value))
    pacing = tuple((rate, value) for rate in rates if (value := rate.value(spender)) is not None)
    rate_keys = tuple(f"{{gw}}:p:{rate.per}:{rate.unit}:{rate.a_minute}:{rate.whose}:{value}" for rate, value in pacing)
    for rate, _ in pacing:
        arguments += (rate.a_minute, rate.unit)
    return Book(
        lines=tuple(lines),
        pacing=pacing,
        accounts=tuple(accounts.values()),
        mine=tuple(mine),
        rate_keys=rate_keys,
        keys=(*marks, *keys, *rate_keys),
        arguments=(len(lines), len(pacing), *arguments),
        exempt={limit.id: number for number, (limit, _) in enumerate(lines, 1)},
    )


def standing(limit: Limit, value: str, spent: int, reserved: int, moment: float) -> Standing:
    """How an account stands, of nano-USD."""
    ends = window_at(limit.terms.window, moment).end
    return Standing(limit, value, spent * NANO, reserved * NANO, limit.terms.pico_usd, ends)


def made(limit: Limit, name: str, value: str, buckets: Mapping[int, int], moment: float) -> list[Command]:
    """The commands that make an account of a generation, with what was spent: pico-USD, by the start of a bucket."""
    window = window_at(limit.terms.window, moment)
    rolls = limit.terms.window[:-1].isdigit()
    spent: dict[int, int] = {}
    for bucket, pico_usd in buckets.items():
        if bucket >= window.start:
            at = bucket if rolls else int(window.start)
            spent[at] = spent.get(at, 0) + up(pico_usd)
    key, index = f"{{gw}}:a:{name}:{value}", f"{{gw}}:v:{name}"
    fields = [part for at, nano_usd in spent.items() for part in (f"s:{at}", nano_usd)]
    seconds = int(window.end - window.start) + 2 * bucket_seconds(limit.terms.window) + 86_400
    return [
        ("HSET", key, "b", int(window.start), "S", sum(spent.values()), "R", 0, *fields),
        ("EXPIRE", key, seconds),
        ("SADD", index, value),
        ("EXPIRE", index, 100 * 86_400),
    ]
