"""Prices and charges. Money is an integer number of pico-USD (1e-12 USD); every published price is exact in it."""

from decimal import ROUND_CEILING, Decimal

import msgspec

from gateway.core.usage import Usage

PICO_PER_USD = 10**12
_PICO_PER_TOKEN = 10**6
"""One USD per million tokens, in pico-USD per token."""


class Price(msgspec.Struct, frozen=True):
    """Pico-USD per token, one figure per bucket of `Usage`; `version` names where they come from."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    version: str

    @property
    def dearest_input(self) -> int:
        """The most that one prompt token can cost, in pico-USD."""
        return max(self.input, self.cache_read, self.cache_write)

    @property
    def dearest_output(self) -> int:
        """The most that one written token can cost, in pico-USD."""
        return max(self.output, self.reasoning)


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


def per_million(
    version: str,
    *,
    input: Decimal,
    output: Decimal,
    cache_read: Decimal | None = None,
    cache_write: Decimal | None = None,
    reasoning: Decimal | None = None,
) -> Price:
    """A price from USD per million tokens. A cache figure left out is what input costs, reasoning what output does."""
    return Price(
        input=pico_per_token(input),
        output=pico_per_token(output),
        cache_read=pico_per_token(input if cache_read is None else cache_read),
        cache_write=pico_per_token(input if cache_write is None else cache_write),
        reasoning=pico_per_token(output if reasoning is None else reasoning),
        version=version,
    )


def per_gpu_hour(version: str, *, usd_per_hour: Decimal, tokens_per_second: Decimal) -> Price:
    """What our own machine costs per token, read or written alike, rounded up; a cached prompt token costs nothing."""
    if not (usd_per_hour.is_finite() and tokens_per_second.is_finite() and usd_per_hour >= 0 < tokens_per_second):
        raise ValueError("gpu_hour is at least 0 and tokens_per_second is above 0")
    exact = usd_per_hour * PICO_PER_USD / (tokens_per_second * 3600)
    pico = int(exact.to_integral_value(rounding="ROUND_CEILING"))
    return Price(input=pico, output=pico, cache_read=0, cache_write=pico, reasoning=pico, version=version)


def charge(usage: Usage, price: Price) -> int:
    """What the usage costs, in pico-USD."""
    return (
        usage.input_uncached * price.input
        + usage.cache_read * price.cache_read
        + usage.cache_write * price.cache_write
        + usage.output * price.output
        + usage.reasoning * price.reasoning
    )


def pico_usd(usd: Decimal) -> int:
    """An amount of USD in pico-USD, rounded up."""
    return int((usd * PICO_PER_USD).to_integral_value(ROUND_CEILING))


def usd(pico: int) -> str:
    """Pico-USD as a plain decimal number of USD, exact, without an exponent."""
    sign, pico = ("-", -pico) if pico < 0 else ("", pico)
    whole, rest = divmod(pico, PICO_PER_USD)
    return f"{sign}{whole}.{rest:012d}".rstrip("0").rstrip(".")
