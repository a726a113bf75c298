"""What was booked, and how much of it one provider, zone or model has. Money is pico-USD, time Unix seconds."""

from collections.abc import Callable, Iterable, Mapping

import msgspec


class Booked(msgspec.Struct, frozen=True):
    """What calls of one kind came to in an hour, and the part of it that nobody reported. Corrections may be negative.

    `model` is the id of the catalog's backend.
    """

    hour: int
    model: str
    provider: str
    zone: str
    pico_usd: int
    estimated_pico_usd: int


class Sum(msgspec.Struct, frozen=True):
    """What was booked in all."""

    pico_usd: int
    estimated_pico_usd: int

    @property
    def measured(self) -> float | None:
        """The share of it that was reported, 0 to 1; None: nothing was booked."""
        if self.pico_usd <= 0:
            return None
        return min(1.0, max(0.0, 1 - self.estimated_pico_usd / self.pico_usd))


def booked_since(rows: Iterable[Booked], start: float) -> Sum:
    """What was booked from the start of an hour on."""
    found = [row for row in rows if row.hour >= start]
    return Sum(sum(row.pico_usd for row in found), sum(row.estimated_pico_usd for row in found))


def concentration(rows: Iterable[Booked], origins: Mapping[str, str]) -> dict[str, float]:
    """The largest share of what was booked that one value has, 0 to 1, by dimension; empty: nothing was booked.

    `origins` says where the weights of a model come from; of one that it does not have nobody knows any more.
    """
    values: dict[str, Callable[[Booked], str]] = {
        "provider": lambda row: row.provider,
        "zone": lambda row: row.zone,
        "model": lambda row: row.model,
        "weights_origin": lambda row: origins.get(row.model, "unknown"),
    }
    kept = list(rows)
    everything = sum(row.pico_usd for row in kept)
    if everything <= 0:
        return {}
    found = {}
    for dimension, value in values.items():
        sums: dict[str, int] = {}
        for row in kept:
            sums[value(row)] = sums.get(value(row), 0) + row.pico_usd
        found[dimension] = min(1.0, max(sums.values()) / everything)
    return found
