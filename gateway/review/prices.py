"""The price book beside what others say of the same models, and our own machines beside hosted ones."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal

import msgspec

from gateway.core.catalog import OURS, Backend
from gateway.core.price import UNPRICED, Machine, Price, Rates, Schedule

_PICO_PER_TOKEN = 10**6
READ_PER_WRITTEN = 3
"""Tokens of the prompt for each one of the answer, where a price is compared that has one figure for both."""


class Step(msgspec.Struct, frozen=True):
    """USD per million tokens, by the names of `Rates`, once the prompt has more than `above` tokens. A rate that is not
    there is not known."""

    above: int
    figures: Mapping[str, Decimal]


class Published(msgspec.Struct, frozen=True):
    """What somebody says that a model costs on a day. The first step is from nothing on, the others follow in order."""

    steps: tuple[Step, ...]
    services: Mapping[str, tuple[Step, ...]] = {}

    @property
    def exact(self) -> bool:
        """Whether each figure is a whole number of pico-USD per token, as the book wants it."""
        steps = (*self.steps, *(step for steps in self.services.values() for step in steps))
        return all(figure * _PICO_PER_TOKEN % 1 == 0 for step in steps for figure in step.figures.values())


class Difference(msgspec.Struct, frozen=True):
    """One figure that is not the same, USD per million tokens. `service` empty: the usual tier; `above` 0: the rates of
    short prompts. `ours` None: we do not have this service tier."""

    service: str
    above: int
    rate: str
    ours: Decimal | None
    theirs: Decimal

    def __str__(self) -> str:
        if self.ours is None:
            return f"the service tier `{self.service}` is not in the book"
        where = " ".join(filter(None, (self.service, self.rate, f"above {self.above} tokens" if self.above else "")))
        return f"{where}: {plain(self.ours)}, but {plain(self.theirs)} by genai-prices"


def differences(price: Price, published: Published) -> tuple[Difference, ...]:
    """Where a price and what is published of it differ, of all that is published."""
    found = list(_between("", price, published.steps))
    for service, steps in published.services.items():
        schedule = price.services.get(service)
        if schedule is None:
            found += (Difference(service, 0, rate, None, theirs) for rate, theirs in steps[0].figures.items())
        else:
            found += _between(service, schedule, steps)
    return tuple(found)


def _between(service: str, schedule: Schedule, steps: tuple[Step, ...]) -> Iterator[Difference]:
    """At each step of either: a step that only one of them has counts where its rates differ."""
    for above in sorted({step.above for step in steps} | {tier.above for tier in schedule.tiers}):
        ours, theirs = schedule.at(above + 1 if above else 0), at(steps, above)
        for rate, figure in theirs.items():
            if (mine := per_million(ours, rate)) != figure:
                yield Difference(service, above, rate, mine, figure)


def at(steps: tuple[Step, ...], above: int) -> Mapping[str, Decimal]:
    """The figures of a prompt with one token more than `above`."""
    return next(step.figures for step in reversed(steps) if step.above <= above)


def per_million(rates: Rates, rate: str) -> Decimal:
    """One of the rates in USD per million tokens."""
    figure: int = getattr(rates, rate)
    return Decimal(figure) / _PICO_PER_TOKEN


def plain(figure: Decimal) -> str:
    """A decimal as it is written in a file: without an exponent, and without zeros that say nothing."""
    return f"{figure.normalize():f}"


def break_even(gpu_hour: Decimal, tokens_per_second: Decimal, hosted: Rates) -> int | None:
    """From how many tokens a day on a machine of our own, which costs `gpu_hour` USD around the clock, is cheaper than
    a hosted model. None: more than it can serve, or the hosted one is free.

    Both are compared for `READ_PER_WRITTEN` tokens of prompt to one of answer, none of them cached.
    """
    if not (each := _blend(hosted)):
        return None
    tokens = int((gpu_hour * 24 * _PICO_PER_TOKEN / each).to_integral_value(ROUND_CEILING))
    return tokens if tokens <= tokens_per_second * 86_400 else None


def break_even_share(machine: Machine, hosted: Rates) -> Decimal | None:
    """From which share of what a machine can serve on it is cheaper than a hosted model, compared as `break_even` does.
    Above 1: never, since it cannot serve so much. None: the hosted one is free."""
    if not (each := _blend(hosted)):
        return None
    return machine.usd_per_hour * _PICO_PER_TOKEN / (machine.tokens_per_second * 3600 * each)


def rival(machine: Backend, backends: Iterable[Backend]) -> Backend | None:
    """The cheapest hosted model that answers to a name of a machine's; None: there is none with a price of its own."""
    names = {machine.id, *machine.aliases}
    found = [
        (_blend(each.price.rates), each.model, each.id, each)
        for each in backends
        if each.machine is None
        and each.fact("deployment") != OURS
        and each.price is not None
        and each.price.version != UNPRICED
        and names.intersection(each.aliases)
    ]
    return min(found)[3] if found else None


def _blend(rates: Rates) -> Decimal:
    """USD per million tokens."""
    read, written = per_million(rates, "input"), per_million(rates, "output")
    return (READ_PER_WRITTEN * read + written) / (READ_PER_WRITTEN + 1)
