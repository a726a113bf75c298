"""What the package genai-prices knows of models: its data as values. Only the commands of the price book import it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from gateway.core.price import USUAL
from gateway.review.prices import Published, Step

SOURCE = "genai-prices"
_RATES: Mapping[str, tuple[str, ...]] = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok",),
    "cache_write": ("cache_write_mtok", "cache_write_5m_mtok"),
    "cache_write_long": ("cache_write_1h_mtok",),
    "audio_input": ("input_audio_mtok",),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok",),
    "audio_output": ("output_audio_mtok",),
}
"""Where each rate is in their data: the first that is there counts."""

_SERVICE_KEYS = ("service_tier", "processing")
"""What their variants call a service tier: OpenAI's field of that name, or `processing: batch`."""


class Unavailable(Exception):
    """The data cannot be had. The message says why and what to do."""


class Known(msgspec.Struct, frozen=True):
    """What one of their providers says of a model, with the days on which it will say something else."""

    provider: str
    published: Published
    announced: Mapping[str, Published]


class PriceData:
    """Their data. `version` names it."""

    def __init__(self, snapshot: Any, version: str) -> None:
        self._snapshot = snapshot
        self.version = version

    def known(self, model: str, urls: Iterable[str], today: str) -> list[Known]:
        """What is published of a model on a day (YYYY-MM-DD) by the providers at these addresses; where there are none,
        by the one that the model's name tells of. Empty: nobody knows it."""
        found = {}
        for provider in self._providers(model, urls):
            entry = provider.find_model(model)
            if entry is not None and (published := _published(entry, today)) is not None:
                later = {day: _published(entry, day) for day in _days_after(entry, today)}
                announced = {day: each for day, each in later.items() if each is not None}
                found[provider.id] = Known(provider.id, published, announced)
        return list(found.values())

    def _providers(self, model: str, urls: Iterable[str]) -> Iterator[Any]:
        wanted: list[tuple[str | None, str | None]] = [(None, url) for url in urls] or [(model.lower(), None)]
        for name, url in wanted:
            try:
                yield self._snapshot.find_provider(name, None, url)
            except LookupError:
                continue


def open_data(file: Path | None, *, fetch: bool) -> PriceData:
    """The data that the package brings, that of a file in its format (its data.json), or, with `fetch`, the newest from
    where the package looks for it. Raises Unavailable."""
    try:
        import genai_prices  # optional, and it takes a second: only these commands wait for it
        from genai_prices import data_snapshot, types
    except ImportError as error:
        raise Unavailable(f"this needs the package genai-prices: pip install 'gateway[prices]' ({error})") from None
    version: str = genai_prices.__version__
    if fetch:
        try:
            return PriceData(genai_prices.UpdatePrices().fetch(), version)
        except Exception as error:  # noqa: BLE001  whatever the network or its library says
            raise Unavailable(f"cannot fetch the newest prices: {error}") from None
    if file is None:
        return PriceData(data_snapshot.get_snapshot(), version)
    try:
        providers = types._providers_from_raw(json.loads(file.read_bytes()))  # noqa: SLF001  it has no public reader
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise Unavailable(f"cannot read {file} as data of genai-prices: {error}") from None
    return PriceData(data_snapshot.DataSnapshot(providers, from_auto_update=False), version)


def _published(entry: Any, day: str) -> Published | None:
    """None: it has no price by the token."""
    moments = [datetime.combine(date.fromisoformat(day), at, UTC) for at in sorted(_times(entry))]
    standard = [entry.get_prices(moment) for moment in moments]
    variants = {
        name: [entry.get_prices(moment, {key: name}) for moment in moments]
        for key, name in _services(entry, moments[0])
    }
    above = sorted(
        {0, *(start for prices in (standard, *variants.values()) for each in prices for start in _starts(each))}
    )
    steps = _steps(standard, above)
    if not {"input", "output"} <= steps[0].figures.keys():
        return None
    return Published(steps, {name: _steps(prices, above) for name, prices in variants.items()})


def _steps(prices: list[Any], above: list[int]) -> tuple[Step, ...]:
    """The figures at each length of prompt. Where they depend on the hour, the dearest: nobody knows when one calls."""
    steps = []
    for start in above:
        figures: dict[str, Decimal] = {}
        for price in prices:
            for rate, keys in _RATES.items():
                figure = next((found for key in keys if (found := getattr(price, key)) is not None), None)
                if figure is not None:
                    figures[rate] = max(figures.get(rate, Decimal(0)), _figure(figure, start))
        steps.append(Step(start, figures))
    return tuple(steps)


def _figure(price: Any, above: int) -> Decimal:
    """The figure of a prompt with one token more than `above`; 0: of a short one."""
    found: Decimal = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if above and tier.start <= above:
            found = tier.price
    return found


def _starts(price: Any) -> Iterator[int]:
    for key in (key for keys in _RATES.values() for key in keys):
        for tier in getattr(getattr(price, key), "tiers", ()):
            yield tier.start


def _conditions(entry: Any) -> Iterator[Any]:
    """All that a price of the model may depend on beside the request."""
    for each in (*(entry.prices if isinstance(entry.prices, list) else ()), *(entry.price_variants or ())):
        if each.constraint is not None:
            yield each.constraint


def _times(entry: Any) -> set[time]:
    """The hours of a day (UTC) from which on its price may be another one."""
    found = {time(0)}
    for each in _conditions(entry):
        for bound in (getattr(each, "start_time", None), getattr(each, "end_time", None)):
            if bound is not None:
                found.add(bound.replace(tzinfo=None))
    return found


def _days_after(entry: Any, today: str) -> list[str]:
    """The days after this one on which its price changes, as far as they are known."""
    starts = (getattr(each, "start_date", None) for each in _conditions(entry))
    return sorted({start.isoformat() for start in starts if start is not None and start.isoformat() > today})


def _services(entry: Any, moment: datetime) -> Iterator[tuple[str, str]]:
    """The service tiers that have a price of their own by then: by which key, and their name."""
    for variant in entry.price_variants or ():
        if variant.constraint is None or variant.constraint.active(moment):
            for key, name in variant.when.items():
                if key in _SERVICE_KEYS and len(variant.when) == 1 and name not in USUAL:
                    yield key, name
