"""Prices and charges. Money is an integer number of pico-USD (1e-12 USD); every published price is exact in it."""

from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING, Decimal

import msgspec

from gateway.core.usage import Usage

PICO_PER_USD = 10**12
_PICO_PER_TOKEN = 10**6
"""One USD per million tokens, in pico-USD per token."""

USUAL = frozenset({"", "default", "standard", "standard_only", "on_demand"})
"""What providers call the service tier that is served when nobody chooses one."""

AUTO = "auto"
"""The service tier that leaves the choice to the provider."""

UNKNOWN_SERVICE = "other"
"""A service tier that a price does not name. It is charged at the dearest rates that the price has."""


UNPRICED = "unpriced"
"""The version of the price of what has none: the dearest that is known. What it comes to is an upper bound."""


class Rates(msgspec.Struct, frozen=True):
    """Pico-USD per token, one figure for each bucket of `Usage`, in their order."""

    input: int
    cache_read: int
    cache_write: int
    cache_write_long: int
    audio_input: int
    output: int
    reasoning: int
    audio_output: int

    def figures(self) -> tuple[int, ...]:
        """The figures, in the order of `usage.BUCKETS`."""
        return (
            self.input,
            self.cache_read,
            self.cache_write,
            self.cache_write_long,
            self.audio_input,
            self.output,
            self.reasoning,
            self.audio_output,
        )


class Tier(msgspec.Struct, frozen=True):
    """The rates of the whole request once its prompt has more than `above` tokens."""

    above: int
    rates: Rates


class Schedule(msgspec.Struct, frozen=True):
    """The rates of one service tier: the usual ones, and those of longer prompts, shortest first."""

    rates: Rates
    tiers: tuple[Tier, ...] = ()

    def at(self, read: int) -> Rates:
        """The rates of a request whose prompt has so many tokens."""
        found = self.rates
        for tier in self.tiers:
            if read <= tier.above:
                break
            found = tier.rates
        return found

    def up_to(self, read: int) -> Iterator[Rates]:
        """The rates that may apply to a prompt of at most so many tokens."""
        yield self.rates
        for tier in self.tiers:
            if tier.above < read:
                yield tier.rates


class Price(Schedule, frozen=True, kw_only=True):
    """What a model costs. `version` names where the figures come from, `services` are the provider's further service
    tiers (`flex`, `priority`, `batch`), each with its own rates."""

    version: str
    services: dict[str, Schedule] = {}


def rates_of(price: Price, read: int, service: str = "") -> Rates:
    """The rates of a request whose prompt has so many tokens. `service` is as `service_of` says it."""
    if not service or not price.services:
        return price.at(read)
    if (schedule := price.services.get(service)) is not None:
        return schedule.at(read)
    return _dearest(each.at(read) for each in (price, *price.services.values()))


def charge(usage: Usage, price: Price, service: str = "") -> int:
    """What the usage costs, in pico-USD. `service` is as `service_of` says it."""
    return bill(usage, rates_of(price, usage.read, service) if service or price.tiers else price.rates)


def bill(usage: Usage, rates: Rates) -> int:
    """What the usage costs at these rates, in pico-USD."""
    return (
        usage.input_uncached * rates.input
        + usage.cache_read * rates.cache_read
        + usage.cache_write * rates.cache_write
        + usage.cache_write_long * rates.cache_write_long
        + usage.audio_input * rates.audio_input
        + usage.output * rates.output
        + usage.reasoning * rates.reasoning
        + usage.audio_output * rates.audio_output
    )


def service_of(price: Price, asked: str | None, served: str | None) -> str:
    """The service tier that a call is charged at: the one that the answer names, or else the one that was asked for.

    Empty: the usual one. A word that the price does not name is `UNKNOWN_SERVICE`, whoever made it up, and so is
    `auto` where the answer does not say what was chosen: so the ledger shows that the figures may be of another tier.
    """
    said = served or asked or ""
    if said in USUAL:
        return ""
    return said if said in price.services else UNKNOWN_SERVICE


def dearest(price: Price, prompt: int, asked: str = "", *, audio: bool = True) -> tuple[int, int]:
    """The most that one read and one written token can cost, in pico-USD, when the prompt has at most so many tokens.

    `asked` is the service tier that the request names: the provider may serve it, or the usual one instead; of `auto`,
    and of a word that the price does not name, any. A request that names none is taken to be served the usual one.
    `audio`: the request may have sound in it, or in its answer.
    """
    read = written = 0
    for schedule in _schedules(price, asked):
        for rates in schedule.up_to(prompt):
            read = max(read, rates.input, rates.cache_read, rates.cache_write, rates.cache_write_long)
            written = max(written, rates.output, rates.reasoning)
            if audio:
                read, written = max(read, rates.audio_input), max(written, rates.audio_output)
    return read, written


def dearest_at(price: Price, read: int, asked: str, served: str | None) -> Rates:
    """Of each bucket the most that a token can cost when the prompt has so many tokens: `asked` is as for `dearest`,
    `served` the service tier that the answer names, None: it has not."""
    schedules = [*_schedules(price, asked), *(_schedules(price, served) if served else ())]
    return _dearest(schedule.at(read) for schedule in schedules)


def _schedules(price: Price, asked: str) -> list[Schedule]:
    """The rates that may apply where a service tier is asked for."""
    service = service_of(price, asked, None)
    if service == UNKNOWN_SERVICE:
        return [price, *price.services.values()]
    return [price, price.services[service]] if service else [price]


def unpriced(book: Iterable[Price]) -> Price | None:
    """What a model without a price is charged at: of each bucket the dearest figure of a book; None: it is empty."""
    known = [
        rates
        for price in book
        for schedule in (price, *price.services.values())
        for rates in (schedule.rates, *(tier.rates for tier in schedule.tiers))
    ]
    return Price(rates=_dearest(iter(known)), version=UNPRICED) if known else None


def _dearest(rates: Iterator[Rates]) -> Rates:
    """Of each bucket the dearest figure."""
    return Rates(*(max(figures) for figures in zip(*(each.figures() for each in rates), strict=True)))


def pico_per_token(usd_per_million: Decimal) -> int:
    """A published price as pico-USD per token.

    Raises ValueError when it is negative or finer than a pico-USD: rounding a price is not ours to do.
    """
    if usd_per_million.is_finite() and usd_per_million >= 0:
        numerator, denominator = usd_per_million.as_integer_ratio()
        pico, rest = divmod(numerator * _PICO_PER_TOKEN, denominator)
        if not rest:
            return pico
    raise ValueError("a price is at least 0 and has at most 6 decimals (USD per million tokens)")


def rates_per_million(
    *,
    input: Decimal,
    output: Decimal,
    cache_read: Decimal | None = None,
    cache_write: Decimal | None = None,
    cache_write_long: Decimal | None = None,
    reasoning: Decimal | None = None,
    audio_input: Decimal | None = None,
    audio_output: Decimal | None = None,
) -> Rates:
    """Rates from USD per million tokens. A cache figure left out is what input costs, a long cache write what a short
    one does, reasoning what output does. Sound without a figure costs the dearest of all that are known: nobody knows
    what it costs, and it is never cheaper than text."""
    written = input if cache_write is None else cache_write
    known = [input, output]
    known += (
        each for each in (cache_read, cache_write, cache_write_long, reasoning, audio_input, audio_output) if each
    )
    dear = max(known)
    return Rates(
        input=pico_per_token(input),
        cache_read=pico_per_token(input if cache_read is None else cache_read),
        cache_write=pico_per_token(written),
        cache_write_long=pico_per_token(written if cache_write_long is None else cache_write_long),
        audio_input=pico_per_token(dear if audio_input is None else audio_input),
        output=pico_per_token(output),
        reasoning=pico_per_token(output if reasoning is None else reasoning),
        audio_output=pico_per_token(dear if audio_output is None else audio_output),
    )


def per_million(version: str, **figures: Decimal) -> Price:
    """A price without tiers, from the figures of `rates_per_million`."""
    return Price(rates=rates_per_million(**figures), version=version)


def scaled(schedule: Schedule, by: Decimal) -> Schedule:
    """The rates times a factor, at every length of prompt. Raises ValueError when that is finer than a pico-USD."""
    tiers = tuple(Tier(tier.above, _scaled(tier.rates, by)) for tier in schedule.tiers)
    return Schedule(_scaled(schedule.rates, by), tiers)


def _scaled(rates: Rates, by: Decimal) -> Rates:
    numerator, denominator = by.as_integer_ratio()
    figures = [divmod(figure * numerator, denominator) for figure in rates.figures()]
    if any(rest for _, rest in figures):
        raise ValueError(f"{by} times the price is finer than a pico-USD per token; write the figures out")
    return Rates(*(pico for pico, _ in figures))


def per_gpu_hour(
    version: str, *, usd_per_hour: Decimal, tokens_per_second: Decimal, utilisation: Decimal = Decimal(1)
) -> Price:
    """What our own machine costs per token, read or written alike, rounded up; a cached prompt token costs nothing.

    `utilisation` is the share of the hour (above 0, at most 1) that it is busy: its tokens pay for the idle rest, too.
    """
    if not (usd_per_hour.is_finite() and tokens_per_second.is_finite() and usd_per_hour >= 0 < tokens_per_second):
        raise ValueError("gpu_hour is at least 0 and tokens_per_second is above 0")
    if not 0 < utilisation <= 1:
        raise ValueError("utilisation is above 0 and at most 1")
    exact = usd_per_hour * PICO_PER_USD / (tokens_per_second * 3600 * utilisation)
    pico = int(exact.to_integral_value(rounding=ROUND_CEILING))
    rates = Rates(*(0 if name == "cache_read" else pico for name in Rates.__struct_fields__))
    return Price(rates=rates, version=version)


class Machine(msgspec.Struct, frozen=True):
    """A machine of our own: what an hour of it costs, busy or not, and what it serves while it is busy. `utilisation`
    is the share of the hour that it is; None: nobody said."""

    usd_per_hour: Decimal
    tokens_per_second: Decimal
    utilisation: Decimal | None = None

    @property
    def marginal(self) -> Rates:
        """What a token costs while it is busy."""
        return per_gpu_hour("", usd_per_hour=self.usd_per_hour, tokens_per_second=self.tokens_per_second).rates

    def priced(self, version: str) -> Price:
        """What a token costs: with `utilisation`, its idle hours, too."""
        return per_gpu_hour(
            version,
            usd_per_hour=self.usd_per_hour,
            tokens_per_second=self.tokens_per_second,
            utilisation=self.utilisation or Decimal(1),
        )


def pico_usd(usd: Decimal) -> int:
    """An amount of USD in pico-USD, rounded up."""
    return int((usd * PICO_PER_USD).to_integral_value(ROUND_CEILING))


def usd(pico: int) -> str:
    """Pico-USD as a plain decimal number of USD, exact, without an exponent."""
    sign, pico = ("-", -pico) if pico < 0 else ("", pico)
    whole, rest = divmod(pico, PICO_PER_USD)
    return f"{sign}{whole}.{rest:012d}".rstrip("0").rstrip(".")
