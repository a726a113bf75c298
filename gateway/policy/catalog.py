"""The catalog: backends as values, every fact of them checked against the vocabulary."""

from collections.abc import Mapping

from gateway.core.catalog import AUTO, CAPABILITIES, PASSPORT, Backend, Timeouts, granted
from gateway.core.price import Price
from gateway.policy import files
from gateway.policy.document import Document, Mark, Path, suggestion
from gateway.policy.price_files import MachinePrice, TokenPrice
from gateway.policy.prices import machine, token_price
from gateway.policy.tree import Tree
from gateway.policy.vocabulary import BACKEND, Vocabulary


def backends(
    tree: Tree,
    vocabulary: Vocabulary,
    book: Mapping[str, Price | None],
    providers: Mapping[str, str | None],
    today: str,
    unpriced: Price | None = None,
) -> tuple[dict[str, Backend], dict[str, Mark], str]:
    """The backends as they are on a day (YYYY-MM-DD), and where each is declared, by id; and the day since which they
    are so, empty: no status of theirs has a date that has come. `book` is as `prices.prices` reads it,
    `unpriced` what a backend without a price costs, None: it has none."""
    return _Catalog(tree, vocabulary, book, providers, today, unpriced).read()


class _Catalog:
    def __init__(
        self,
        tree: Tree,
        vocabulary: Vocabulary,
        book: Mapping[str, Price | None],
        providers: Mapping[str, str | None],
        today: str,
        unpriced: Price | None,
    ) -> None:
        self.tree = tree
        self.vocabulary = vocabulary
        self.book = book
        self.providers = providers
        self.today = today
        self.unpriced = unpriced
        self.problem = tree.problem
        self.since = ""

    def read(self) -> tuple[dict[str, Backend], dict[str, Mark], str]:
        backends: dict[str, Backend] = {}
        marks: dict[str, Mark] = {}
        aliases: dict[str, Mark] = {}
        substitutes: dict[str, Mark] = {}
        for _, document, file in self.tree.of_kind("catalog", files.CatalogFile):
            for id, entry in file.backends.items():
                path: Path = ("backends", id)
                if id in backends:
                    self.problem(document.key(path), "P105", f"backend `{id}` is declared twice, first at {marks[id]}")
                    continue
                marks[id] = document.key(path)
                for position, alias in enumerate(entry.aliases):
                    at = document.value((*path, "aliases", position))
                    aliases.setdefault(alias, at)
                    if alias in entry.aliases[:position]:
                        self.problem(at, "P105", f"alias `{alias}` is given twice")
                if entry.substitute is not None:
                    substitutes[id] = document.value((*path, "substitute"))
                backends[id] = self._backend(document, path, id, entry)
        for name, mark in {**marks, **aliases}.items():
            if name == AUTO:
                self.problem(mark, "P105", f"`{AUTO}` stands for every backend and cannot be a name")
        for alias, mark in aliases.items():
            if alias in backends:
                self.problem(mark, "P105", f"alias `{alias}` is also a backend, at {marks[alias]}")
        for id, mark in substitutes.items():
            substitute = backends[id].substitute or ""
            if "catalog" not in self.tree.shaky and (substitute not in backends or substitute == id):
                self.problem(mark, "P103", f"a substitute is another backend{suggestion(substitute, backends)}")
        return backends, marks, self.since

    def _backend(self, document: Document, path: Path, id: str, entry: files.BackendEntry) -> Backend:
        if entry.provider not in self.providers:
            hint = suggestion(entry.provider, self.providers)
            self.problem(document.value((*path, "provider")), "P103", f"unknown provider `{entry.provider}`{hint}")
        base_url = entry.base_url or self.providers.get(entry.provider)
        if base_url is None and entry.provider in self.providers:
            self.problem(
                document.key(path), "P107", f"backend `{id}` needs a `base_url`: `{entry.provider}` has no default"
            )
        for position, capability in enumerate(entry.capabilities):
            if capability not in CAPABILITIES:
                self.problem(
                    document.value((*path, "capabilities", position)),
                    "P103",
                    f"unknown capability `{capability}`{suggestion(capability, CAPABILITIES)}",
                )
        for position, name in enumerate(entry.reports_as):
            if name == (entry.model or id) or name in entry.reports_as[:position]:
                at = document.value((*path, "reports_as", position))
                self.problem(at, "P105", f"`{name}` is given twice: `reports_as` lists names beside the `model`")
        return Backend(
            id=id,
            provider=entry.provider,
            base_url=(base_url or "").rstrip("/"),
            model=entry.model or id,
            passport=self._passport(document, path, entry),
            aliases=tuple(entry.aliases),
            key_ref=entry.api_key,
            timeouts=Timeouts(**entry.timeout.model_dump()),
            capabilities=granted(entry.capabilities, entry.deployment),
            context=entry.context,
            max_output=entry.max_output,
            price=self._price(document, path, id, entry),
            substitute=entry.substitute,
            review_by=entry.review_by,
            max_concurrent=entry.max_concurrent,
            machine=machine(entry.price) if isinstance(entry.price, MachinePrice) else None,
            reports_as=tuple(entry.reports_as),
        )

    def _passport(self, document: Document, path: Path, entry: files.BackendEntry) -> dict[str, str | frozenset[str]]:
        passport: dict[str, str | frozenset[str]] = {}
        for fact in PASSPORT:
            written = getattr(entry, fact)
            if written is None:
                continue
            known = self.vocabulary.words(BACKEND[fact].section)
            words = list(written) if isinstance(written, dict | list) else [written]
            for position, word in enumerate(words):
                if word not in known and self.vocabulary.sections:
                    at = document.value((*path, fact, position) if isinstance(written, list) else (*path, fact))
                    if isinstance(written, dict):
                        at = document.key((*path, fact, word))
                    hint = suggestion(word, known)
                    self.problem(at, "P103", f"unknown value `{word}` for backend.{fact}{hint}")
            if isinstance(written, dict):  # a status for each date that it begins on
                if len(set(written.values())) < len(written):
                    self.problem(document.value((*path, fact)), "P102", "two statuses begin on the same day")
                begun = sorted((day, word) for word, day in written.items() if day <= self.today)
                if begun:
                    passport[fact] = begun[-1][1]
                    self.since = max(self.since, begun[-1][0])
            else:
                passport[fact] = frozenset(written) if isinstance(written, list) else written
        return passport

    def _price(self, document: Document, path: Path, id: str, entry: files.BackendEntry) -> Price | None:
        mark, version = document.value((*path, "price")), f"catalog:{id}"
        match entry.price:
            case None:
                return self.unpriced
            case "book":
                model = entry.model or id
                if model not in self.book and "prices" not in self.tree.shaky:
                    self.problem(mark, "P108", f"the price book has no model `{model}`{suggestion(model, self.book)}")
                return self.book.get(model) or self.unpriced
            case MachinePrice() as written:
                return machine(written).priced(version)
            case TokenPrice() as tokens:
                return token_price(self.tree, document, (*path, "price"), tokens, version)
        raise AssertionError(entry.price)
