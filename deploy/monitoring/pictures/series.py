"""Series over a month, written as OpenMetrics: coarse at first, as fine as scrapes for the last hours."""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from deploy.monitoring.pictures.house import DAY, HOUR, MONTH, NOW, Curve

_FINE, _FINER = NOW - 25 * HOUR, NOW - 7 * HOUR
TIMES = array("q", [*range(MONTH - 7 * DAY, _FINE, 600), *range(_FINE, _FINER, 60), *range(_FINER, NOW + 1, 15)])
STEPS = array("q", [0, *(after - before for before, after in pairwise(TIMES))])
DAY_BEFORE, HOURS_BEFORE = bisect_left(TIMES, _FINE), bisect_left(TIMES, _FINER)
"""Where in TIMES the last day and the last hours begin: what no dashboard shows earlier is not written earlier."""
REPLICAS = (("gateway-0:8081", 0.53), ("gateway-1:8081", 0.47))
"""Replicas, and which share of the work is theirs."""


class Series:
    """All that is to be written, family by family. Labels are by name; `begin` is a place in TIMES."""

    def __init__(self) -> None:
        self.families: dict[str, tuple[str, list[tuple[str, Sequence[float], int]]]] = {}

    def count(
        self, name: str, grows: Sequence[float], labels: dict[str, str], *, begin: int = 0, whole: bool = True
    ) -> None:
        """A counter of each replica, from what all of them together count in each step."""
        sums = [*accumulate(grows[begin:])]
        for replica, share in REPLICAS:
            values = [math.floor(each * share) if whole else each * share for each in sums]
            self._add(name, "counter", "_total", {"instance": replica, **labels}, values, begin)

    def gauge(
        self, name: str, value: Curve | float, labels: dict[str, str], *, begin: int = HOURS_BEFORE, split: bool = False
    ) -> None:
        """What each replica shows alike; `split`: a share of it each, in whole numbers."""
        times = TIMES[begin:]
        values = [value(at) for at in times] if callable(value) else [value] * len(times)
        for replica, share in REPLICAS:
            shown = [round(each * share) for each in values] if split else values
            self._add(name, "gauge", "", {"instance": replica, **labels}, shown, begin)

    def histogram(
        self, name: str, grows: Sequence[float], labels: dict[str, str], bounds: Iterable[float], median: Curve
    ) -> None:
        """The last hours of a histogram whose values lie around a median, as a log-normal's do."""
        begin = HOURS_BEFORE
        labels = {"instance": REPLICAS[0][0], **labels}
        for bound in bounds:
            below = (0.5 * math.erfc(-math.log(bound / median(at)) / 0.5 / math.sqrt(2)) for at in TIMES[begin:])
            values = [*accumulate(many * share for many, share in zip(grows[begin:], below, strict=True))]
            self._add(name, "histogram", "_bucket", {**labels, "le": str(float(bound))}, values, begin)
        values = [*accumulate(grows[begin:])]
        self._add(name, "histogram", "_bucket", {**labels, "le": "+Inf"}, values, begin)
        self._add(name, "histogram", "_count", labels, values, begin)

    def write(self, path: Path) -> None:
        """Writes all of it."""
        with path.open("w", encoding="ascii") as file:
            for name, (kind, series) in self.families.items():
                file.write(f"# TYPE {name} {kind}\n")
                for shown, values, begin in series:
                    at_each = zip(TIMES[begin:], values, strict=True)
                    file.writelines(f"{shown} {value:.12g} {at}\n" for at, value in at_each)
            file.write("# EOF\n")

    def _add(
        self, name: str, kind: str, suffix: str, labels: dict[str, str], values: Sequence[float], begin: int
    ) -> None:
        shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
        self.families.setdefault(name, (kind, []))[1].append((f"{name}{suffix}{{{shown}}}", values, begin))
