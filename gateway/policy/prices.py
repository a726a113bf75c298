"""The price book: from figures as they are written to prices, exact or refused."""

from collections.abc import Mapping, Sequence

from gateway.core.price import (
    AUTO,
    USUAL,
    Machine,
    Price,
    Rates,
    Schedule,
    Tier,
    rates_per_million,
    scaled,
    unpriced,
)
from gateway.policy import files
from gateway.policy.document import Document, Path
from gateway.policy.price_files import BookPrice, Figures, MachinePrice, ServicePrice, TokenPrice
from gateway.policy.tree import Tree


def prices(tree: Tree, today: str) -> tuple[dict[str, Price | None], str]:
    """The price book on a day (YYYY-MM-DD), by model; None: no price of it has begun. And the day since which it is so,
    empty: no price in it has a date that has come."""
    book: dict[str, Price | None] = {}
    since = ""
    for _, document, file in tree.of_kind("prices", files.PricesFile):
        for model, written in file.models.items():
            path: Path = ("models", model)
            rows = written if isinstance(written, list) else [written]
            if len({row.from_ for row in rows}) < len(rows):
                tree.problem(document.value(path), "P102", "two prices begin on the same day")
            # Each is read, so that a mistake in one that has not begun is not found out on the day that it begins.
            made = [
                token_price(
                    tree, document, (*path, n) if isinstance(written, list) else path, row, _version(file, model, row)
                )
                for n, row in enumerate(rows)
            ]
            position = in_force(rows, today)
            book[model] = None if position is None else made[position]
            since = max(since, "" if position is None else rows[position].from_ or "")
    return book, since


def fallback(tree: Tree, book: Mapping[str, Price | None]) -> Price | None:
    """What a backend without a price costs, None: nothing is sent to it."""
    allowed = any(file.unpriced == "allow" for _, _, file in tree.of_kind("prices", files.PricesFile))
    return unpriced(price for price in book.values() if price is not None) if allowed else None


def in_force(rows: Sequence[BookPrice], today: str) -> int | None:
    """Which row holds on a day (YYYY-MM-DD): the last one that has begun. None: none has."""
    begun = [(row.from_ or "", position) for position, row in enumerate(rows) if (row.from_ or "") <= today]
    return max(begun)[1] if begun else None


def token_price(tree: Tree, document: Document, path: Path, entry: TokenPrice, version: str) -> Price:
    """The price that stands at a path. What is wrong with it becomes problems of the tree."""
    usual = _schedule(tree, document, path, entry)
    services: dict[str, Schedule] = {}
    for name, written in entry.services.items():
        at: Path = (*path, "services", name)
        if name in USUAL or name == AUTO:
            tree.problem(document.key(at), "P106", f"`{name}` is no tier apart: what it costs are the figures beside")
        elif isinstance(written, ServicePrice):
            services[name] = _schedule(tree, document, at, written)
            if entry.tiers and not written.tiers:
                tree.problem(
                    document.key(at), "P106", f"`{name}` needs `tiers`, too: the usual price rises with the prompt"
                )
        else:
            try:
                services[name] = scaled(usual, written)
            except ValueError as error:
                tree.problem(document.value(at), "P102", str(error))
    return Price(rates=usual.rates, tiers=usual.tiers, version=version, services=services)


def _schedule(tree: Tree, document: Document, path: Path, entry: ServicePrice) -> Schedule:
    tiers = tuple(Tier(tier.above, _rates(tier)) for tier in entry.tiers)
    for position in range(1, len(tiers)):
        if tiers[position - 1].above >= tiers[position].above:
            tree.problem(
                document.value((*path, "tiers", position, "above")),
                "P102",
                "tiers stand in order, shortest prompts first",
            )
    return Schedule(_rates(entry), tiers)


def _rates(entry: Figures) -> Rates:
    return rates_per_million(
        input=entry.input,
        output=entry.output,
        cache_read=entry.cache_read,
        cache_write=entry.cache_write,
        cache_write_long=entry.cache_write_long,
        reasoning=entry.reasoning,
        audio_input=entry.audio_input,
        audio_output=entry.audio_output,
    )


def _version(file: files.PricesFile, model: str, row: BookPrice) -> str:
    return f"{file.version}:{model}" + (f"@{row.from_}" if row.from_ else "")


def machine(entry: MachinePrice) -> Machine:
    """What a catalog says of a machine of our own."""
    return Machine(entry.gpu_hour, entry.tokens_per_second, entry.utilisation)
