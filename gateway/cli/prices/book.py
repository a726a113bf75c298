"""The price book as the commands about it see it, and the data that it is compared with."""

import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters import policy_files
from gateway.adapters.price_data import PriceData, Unavailable, open_data
from gateway.cli.common import cannot_run, settings_of
from gateway.core.price import Price
from gateway.policy import files
from gateway.policy.document import render
from gateway.policy.price_files import BookPrice
from gateway.policy.prices import prices
from gateway.policy.tree import Tree

FILE = "prices.yaml"

Data = Annotated[Path | None, typer.Option(help="A data.json of genai-prices. [default: what the package brings]")]
Fetch = Annotated[bool, typer.Option("--fetch", help="Take the newest data of genai-prices from the network.")]


class Book:
    """The price book and the catalog of a tree, as they are today."""

    def __init__(self, policies: Path | None) -> None:
        settings = settings_of(policies=policies)
        self.directory, self.extra_catalog = settings.policies, settings.extra_catalog
        self.today = time.strftime("%Y-%m-%d", time.gmtime())
        try:
            self.files = policy_files.read_tree(self.directory)
            shown = {name: str(self.directory / name) for name in self.files}
            parsed = policy_files.parse_tree(self.files, shown, settings.extra_catalog)
            extra = policy_files.read_extra(settings.extra_catalog)
        except policy_files.Unreadable as error:
            cannot_run(str(error))
        if parsed.bundle is None:
            cannot_run(render(parsed.problems, parsed.sources))
        self.backends = parsed.bundle.backends
        tree = Tree(self.files, extra, {})
        self.entries = {
            id: entry
            for _, _, file in tree.of_kind("catalog", files.CatalogFile)
            for id, entry in file.backends.items()
        }
        self.version, self.rows = "", dict[str, list[BookPrice]]()
        for _, _, book in tree.of_kind("prices", files.PricesFile):
            self.version = book.version
            self.rows = {model: each if isinstance(each, list) else [each] for model, each in book.models.items()}
        self.text = self.files.get(FILE, b"").decode()

    def priced(self, text: str, day: str) -> dict[str, Price | None]:
        """The book in a text, on a day."""
        return prices(Tree({FILE: text.encode()}, {}, {}), day)[0]

    def urls(self, model: str) -> list[str]:
        """Where the model is called that has this price."""
        of_book = (backend for backend in self.backends if self.entries[backend.id].price == "book")
        return sorted({backend.base_url for backend in of_book if backend.model == model})


def data_of(file: Path | None, *, fetch: bool) -> PriceData:
    """What genai-prices knows, or exit code 2."""
    if file is not None and fetch:
        cannot_run("--data and --fetch exclude each other")
    try:
        return open_data(file, fetch=fetch)
    except Unavailable as error:
        cannot_run(str(error))
