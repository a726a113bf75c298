"""Our ledger beside a provider's invoice: what differs, and the entries that set the ledger right. Nothing is edited.

Amounts are pico-USD, or tokens where an export has no costs. Days are UTC, counted since 1970.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from gateway.core.day import SECONDS, date_of
from gateway.core.record import Entry

CORRECTION = "(correction)"
"""Who a correcting entry is charged to, where nobody can be named."""

ALL_MODELS = "(all models)"
NO_MODEL = "(no model)"

Verdict = Literal["match", "ours higher", "theirs higher", "only ours", "only theirs"]
Measure = Literal["pico_usd", "tokens"]

_DATED = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2})\Z", re.ASCII)


class Theirs(msgspec.Struct, frozen=True):
    """A line of an invoice: an amount of what the invoice measures. `model` is the provider's word for it, empty: it
    does not say."""

    day: int
    model: str
    amount: int


class Invoice(msgspec.Struct, frozen=True):
    """What a provider says of the days from `first` to `last`, both counted."""

    provider: str
    measure: Measure
    lines: tuple[Theirs, ...]
    first: int
    last: int


class Ours(msgspec.Struct, frozen=True):
    """What the ledger holds of a model (its wire name) and day. `estimated_pico_usd` is what nobody reported,
    `uncertain_pico_usd` the part of it that is an upper bound, `corrected_pico_usd` what corrections came to.
    `backend` and `zone` are empty where there are several."""

    day: int
    model: str
    tokens: int
    cost_pico_usd: int
    estimated_pico_usd: int
    uncertain_pico_usd: int
    corrected_pico_usd: int
    backend: str = ""
    zone: str = ""


class Compared(msgspec.Struct, frozen=True):
    """A model and day in both books. `reported`, `estimated`, `uncertain` and `corrected` are the parts of `ours`."""

    day: int
    model: str
    ours: int
    reported: int
    estimated: int
    uncertain: int
    corrected: int
    theirs: int
    verdict: Verdict
    backend: str = ""
    zone: str = ""

    @property
    def difference(self) -> int:
        """Theirs less ours: what the ledger lacks."""
        return self.theirs - self.ours


def same_model(name: str) -> str:
    """What all ways to write a model's name have in common: letter case, dots and spaces do not count, nor does the
    date of a snapshot, since providers bill an alias under the snapshot behind it."""
    plain = _DATED.sub("", name.strip().lower())
    return re.sub(r"[\s._]+", "-", plain).removesuffix("-latest")


def compare(invoice: Invoice, ours: Iterable[Ours], tolerance: Fraction) -> tuple[Compared, ...]:
    """Both books side by side, by day and model. They match where they differ by no more than a part of the larger.

    An invoice that names no model at all is compared by day alone.
    """
    whole_days = not any(line.model for line in invoice.lines)
    left: dict[tuple[int, str], list[Ours]] = {}
    right: dict[tuple[int, str], list[Theirs]] = {}
    for mine in ours:
        if invoice.first <= mine.day <= invoice.last:
            left.setdefault((mine.day, "" if whole_days else same_model(mine.model)), []).append(mine)
    for line in invoice.lines:
        right.setdefault((line.day, "" if whole_days else same_model(line.model or NO_MODEL)), []).append(line)
    return tuple(
        _compared(key[0], left.get(key, ()), right.get(key, ()), invoice.measure, tolerance, whole_days=whole_days)
        for key in sorted(left.keys() | right.keys())
    )


def total(compared: Sequence[Compared], tolerance: Fraction) -> Compared:
    """All days and models together."""
    figures = ("ours", "reported", "estimated", "uncertain", "corrected", "theirs")
    sums = {name: sum(getattr(each, name) for each in compared) for name in figures}
    return Compared(0, "", **sums, verdict=_verdict(sums["ours"], sums["theirs"], tolerance))


def corrections(
    compared: Iterable[Compared], provider: str, source: str, digest: str, before: int
) -> tuple[Entry, ...]:
    """The entries after which the ledger's sums are the invoice's. Days from `before` on are left alone: they are not
    over, and neither book is complete.

    The digest of the file and the sums that it corrects are in their ids: asked twice at once, the same is booked once,
    and once our sums have changed, the same file corrects them anew.
    """
    return tuple(
        _correction(each, provider, source, digest) for each in compared if each.difference and each.day < before
    )


def _compared(
    day: int,
    mine: Sequence[Ours],
    billed: Sequence[Theirs],
    measure: Measure,
    tolerance: Fraction,
    *,
    whole_days: bool,
) -> Compared:
    theirs = sum(line.amount for line in billed)
    uncertain = estimated = corrected = 0
    if measure == "tokens":
        reported = ours = sum(each.tokens for each in mine)
    else:
        ours = sum(each.cost_pico_usd for each in mine)
        uncertain = sum(each.uncertain_pico_usd for each in mine)
        estimated = sum(each.estimated_pico_usd for each in mine) - uncertain
        corrected = sum(each.corrected_pico_usd for each in mine)
        reported = ours - estimated - uncertain - corrected
    if ours and not billed:
        verdict: Verdict = "only ours"
    elif theirs and not mine:
        verdict = "only theirs"
    else:
        verdict = _verdict(ours, theirs, tolerance)
    names = [each.model for each in sorted(mine, key=lambda each: (-each.cost_pico_usd, each.model))]
    names += [line.model or NO_MODEL for line in billed]
    return Compared(
        day,
        ALL_MODELS if whole_days else names[0],
        ours,
        reported,
        estimated,
        uncertain,
        corrected,
        theirs,
        verdict,
        _only(each.backend for each in mine),
        _only(each.zone for each in mine),
    )


def _only(values: Iterable[str]) -> str:
    """The value, if there is but one. Corrections that could name none do not count."""
    found = set(values) - {CORRECTION}
    return found.pop() if len(found) == 1 else ""


def _verdict(ours: int, theirs: int, tolerance: Fraction) -> Verdict:
    if abs(theirs - ours) <= tolerance * max(abs(ours), abs(theirs)):
        return "match"
    return "ours higher" if ours > theirs else "theirs higher"


def _correction(each: Compared, provider: str, source: str, digest: str) -> Entry:
    date = date_of(each.day)
    return Entry(
        request_id=f"cor-{provider}-{date}-{same_model(each.model)}-{digest}-{each.ours}{each.corrected:+d}",
        hop=0,
        state="corrected",
        time=each.day * SECONDS + SECONDS / 2,
        key=CORRECTION,
        team=CORRECTION,
        app=CORRECTION,
        project=CORRECTION,
        purpose=CORRECTION,
        requested=CORRECTION,
        backend=each.backend or CORRECTION,
        model=each.model,
        provider=provider,
        zone=each.zone or CORRECTION,
        sensitivity=CORRECTION,
        decision_id="",
        policy_digest="",
        price_version=f"invoice:{source}",
        input_uncached=0,
        cache_read=0,
        cache_write=0,
        output=0,
        reasoning=0,
        usage_source="reported",
        cost_pico_usd=each.difference,
        outcome="corrected",
        failure="",
        status=0,
        duration_ms=0,
    )
