"""A package genai-prices in small: the shape of its data as far as we read it, with a few made-up models."""

import datetime as dt
import json
import re
import types
from decimal import Decimal as D


class Price:
    """A figure that a price does not have is None there, too."""

    def __init__(self, **figures) -> None:
        self.__dict__.update(figures)

    def __getattr__(self, name):
        if name.endswith("_mtok"):
            return
        raise AttributeError(name)


def tiered(base, *tiers):
    return types.SimpleNamespace(
        base=D(base), tiers=[types.SimpleNamespace(start=at, price=D(price)) for at, price in tiers]
    )


def price(**figures):
    return Price(**{f"{name}_mtok": D(each) if isinstance(each, str) else each for name, each in figures.items()})


class Starts:
    def __init__(self, day) -> None:
        self.start_date = dt.date.fromisoformat(day)

    def active(self, moment) -> bool:
        return moment.date() >= self.start_date


class Hours:
    def __init__(self, start, end) -> None:
        self.start_time, self.end_time = (dt.time(hour, tzinfo=dt.UTC) for hour in (start, end))

    def active(self, moment) -> bool:
        return self.start_time <= moment.timetz() < self.end_time


class Model:
    def __init__(self, id, *prices, variants=()) -> None:
        self.id = id
        self.prices = [types.SimpleNamespace(constraint=when, prices=each) for when, each in prices]
        self.price_variants = [
            types.SimpleNamespace(when=when, prices=each, constraint=limit) for when, each, limit in variants
        ]

    def get_prices(self, moment, context=None):
        found = next(e.prices for e in reversed(self.prices) if e.constraint is None or e.constraint.active(moment))
        figures = dict(found.__dict__)
        for each in reversed(self.price_variants):
            active = each.constraint is None or each.constraint.active(moment)
            if active and context and all(context.get(key) == word for key, word in each.when.items()):
                figures |= each.prices.__dict__
        return Price(**figures)


class Provider:
    def __init__(self, id, pattern, *models) -> None:
        self.id, self.pattern, self.models = id, pattern, models

    def find_model(self, name):
        return next((each for each in self.models if each.id == name), None)


class Snapshot:
    def __init__(self, providers, from_auto_update=False) -> None:
        self.providers = providers

    def find_provider(self, name, provider_id, url):
        for each in self.providers:
            if re.match(each.pattern, url or "") if url else each.find_model(name):
                return each
        raise LookupError(name or url)


DEAR = price(input="2", cache_read="0.2", output="12")
PROVIDERS = [
    Provider(
        "openai",
        r"https://api\.openai\.com",
        Model("plain", (None, DEAR)),
        Model(
            "rich",
            (
                None,
                price(
                    input=tiered("4", (100, "8")),
                    cache_read="0.4",
                    cache_write="5",
                    cache_write_1h="8",
                    output=tiered("20", (100, "30")),
                    output_reasoning="21",
                    input_audio="40",
                    output_audio="80",
                ),
            ),
            variants=[
                ({"service_tier": "default"}, price(), None),
                (
                    {"service_tier": "flex"},
                    price(input=tiered("2", (100, "4")), output=tiered("10", (100, "15"))),
                    None,
                ),
                ({"processing": "batch"}, price(input="1"), Starts("2026-10-14")),
                ({"service_tier": "later"}, price(input="1"), Starts("2999-01-01")),
                ({"speed": "fast"}, price(input="9"), None),
                ({"service_tier": "flex", "speed": "fast"}, price(input="9"), None),
            ],
        ),
        Model("rising", (None, DEAR), (Starts("2026-12-01"), price(input="3", output="12"))),
        Model(
            "hourly",
            (None, price(input="1", output="2")),
            (Hours(6, 10), price(input="2", output="4")),
            (Hours(20, 22), price(input="1.5", output="5")),
        ),
        Model("picture", (None, price(output_image="1"))),
        Model("fine", (None, price(input="0.0000001", output="1"))),
        Model("shared", (None, DEAR)),
    ),
    Provider("other", r"https://other", Model("shared", (None, price(input="2", output="13")))),
]


def install(monkeypatch) -> None:
    """Puts it where the real one would be."""
    import sys

    package = types.ModuleType("genai_prices")
    package.__version__ = "9.9.9"
    package.data_snapshot = types.SimpleNamespace(get_snapshot=lambda: Snapshot(PROVIDERS), DataSnapshot=Snapshot)
    package.types = types.SimpleNamespace(_providers_from_raw=_from_raw)
    package.UpdatePrices = _Updates
    monkeypatch.setitem(sys.modules, "genai_prices", package)


def _from_raw(raw):
    return [
        Provider(each["id"], ".", *(Model(name, (None, price(**figures))) for name, figures in each["models"].items()))
        for each in raw
    ]


RAW = json.dumps([{"id": "file", "models": {"plain": {"input": "7", "output": "8"}}}])
"""A data.json, in the shape of this double."""


class _Updates:
    def fetch(self):
        return Snapshot(_from_raw([{"id": "net", "models": {"plain": {"input": "5", "output": "6"}}}]))
