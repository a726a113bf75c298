"""How the spend commands print amounts for people."""

from gateway.core.price import PICO_PER_USD, usd

_ROUGH = PICO_PER_USD // 10**4
_DIGITS = 3


def short(pico: int) -> str:
    """An amount in USD for people: four decimals, below a cent three digits."""
    size = abs(pico)
    if size >= PICO_PER_USD // 100 or not size:
        whole, rest = divmod((size + _ROUGH // 2) // _ROUGH, 10**4)
        return f"{'-' if pico < 0 else ''}{whole}.{rest:04d}"
    unit = 10 ** max(0, len(str(size)) - _DIGITS)
    rounded: int = (size + unit // 2) // unit * unit
    return usd(-rounded if pico < 0 else rounded)


def percent(part: int, whole: int) -> str:
    """A part in percent with one decimal, never rounded up: 100 is all of it. Out of bounds is 0 or 100."""
    thousandths = max(0, min(1000, 1000 * part // whole))
    return f"{thousandths // 10}.{thousandths % 10} %"
