"""A policy tree: bytes in, a bundle or every problem out. It loads as a whole or not at all."""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from gateway.core.catalog import AUTO, CAPABILITIES, PASSPORT, Backend, Timeouts
from gateway.core.labels import LEVELS
from gateway.core.price import Price, per_gpu_hour, per_million
from gateway.policy import files
from gateway.policy.conditions import Conditions
from gateway.policy.document import Document, Mark, Path, Problem, suggestion
from gateway.policy.model import Bundle, Effect, Rule
from gateway.policy.vocabulary import BACKEND, SECTIONS, Vocabulary

EFFECTS: tuple[Effect, ...] = ("permit", "forbid", "prefer")

_Model = TypeVar("_Model", bound=BaseModel)


class Parsed(msgspec.Struct, frozen=True):
    """What came of a tree: a bundle only when there are no problems. `sources` are the texts, by file."""

    bundle: Bundle | None
    problems: tuple[Problem, ...]
    sources: dict[str, str]


def digest_of(tree: Mapping[str, bytes]) -> str:
    """The digest that names exactly these files and bytes."""
    total = hashlib.sha256()
    for name in sorted(tree):
        total.update(f"{name}\0{len(tree[name])}\0".encode())
        total.update(tree[name])
    return total.hexdigest()[:16]


def parse(
    tree: Mapping[str, bytes],
    providers: Mapping[str, str | None],
    extra_catalog: Mapping[str, bytes] | None = None,
    shown: Mapping[str, str] | None = None,
) -> Parsed:
    """The bundle in a tree of files.

    `tree` maps paths below its root (with `/`) to bytes, `extra_catalog` further catalog files that lie elsewhere;
    `providers` maps each known provider to its default base URL, None if it has none; `shown` says what a problem
    calls a file, where that is not its path.
    """
    return _Tree(tree, providers, extra_catalog or {}, shown or {}).parse()


def kind_of(name: str) -> str | None:
    """Which kind of file a path in a tree is: vocabulary, prices, catalog, policies; None: no known kind."""
    if name in ("vocabulary.yaml", "prices.yaml"):
        return name.removesuffix(".yaml")
    folder, _, file = name.partition("/")
    return folder if folder in ("catalog", "policies") and file.endswith(".yaml") and "/" not in file else None


class _Tree:
    def __init__(
        self,
        tree: Mapping[str, bytes],
        providers: Mapping[str, str | None],
        extra_catalog: Mapping[str, bytes],
        shown: Mapping[str, str],
    ) -> None:
        self.kinds = {name: kind_of(name) for name in tree} | dict.fromkeys(extra_catalog, "catalog")
        self.tree = {**tree, **extra_catalog}
        self.providers = providers
        self.problems: list[Problem] = []
        self.shaky: set[str] = set()  # kinds with a bad file: a look-up in them would be a second problem
        self.documents = {name: Document(shown.get(name, name), raw) for name, raw in sorted(self.tree.items())}

    def problem(self, mark: Mark, code: str, message: str) -> None:
        self.problems.append(Problem(mark, code, message))

    def parse(self) -> Parsed:
        for name, document in self.documents.items():
            self.problems += document.problems
            if document.problems and (kind := self.kinds[name]):
                self.shaky.add(kind)
            if self.kinds[name] is None:
                self.problem(
                    Mark(document.file),
                    "P004",
                    "no known policy file; known: vocabulary.yaml, prices.yaml, catalog/*.yaml, policies/*.yaml",
                )
        vocabulary = self._vocabulary()
        prices = self._prices()
        backends = self._backends(vocabulary, prices)
        rules = self._rules(vocabulary, backends)
        sources = {document.file: document.text for document in self.documents.values()}
        bundle = Bundle(digest_of(self.tree), vocabulary, tuple(backends.values()), tuple(rules))
        return Parsed(None if self.problems else bundle, tuple(sorted(set(self.problems))), sources)

    def _of_kind(self, kind: str, model: type[_Model]) -> list[tuple[Document, _Model]]:
        """The readable files of a kind, as models. What does not fit the model becomes problems."""
        found = []
        for name, document in self.documents.items():
            if self.kinds[name] != kind or document.problems:
                continue
            try:
                found.append((document, model.model_validate(document.data)))
            except ValidationError as error:
                self.shaky.add(kind)
                self.problems += [_of_pydantic(document, model, detail) for detail in error.errors()]
        return found

    def _vocabulary(self) -> Vocabulary:
        found = self._of_kind("vocabulary", files.VocabularyFile)
        names = [name for name, kind in self.kinds.items() if kind == "vocabulary"]
        if len(names) != 1:
            said = f"found {len(names)}: {', '.join(names)}" if names else "found none"
            self.problem(Mark("vocabulary.yaml"), "P005", f"a tree has exactly one vocabulary.yaml; {said}")
        if not found:
            return Vocabulary({})
        document, file = found[0]
        if tuple(file.levels) != LEVELS:
            self.problem(document.value(("levels",)), "P106", f"levels are, in this order: {', '.join(LEVELS)}")
        return Vocabulary({section: dict(getattr(file, section)) for section in SECTIONS})

    def _prices(self) -> dict[str, Price]:
        book: dict[str, Price] = {}
        for document, file in self._of_kind("prices", files.PricesFile):
            for model, entry in file.models.items():
                if model in book:
                    self.problem(document.key(("models", model)), "P105", f"model `{model}` is priced twice")
                book[model] = _token_price(entry, f"{file.version}:{model}")
        return book

    def _backends(self, vocabulary: Vocabulary, prices: dict[str, Price]) -> dict[str, Backend]:
        backends: dict[str, Backend] = {}
        marks: dict[str, Mark] = {}
        aliases: dict[str, Mark] = {}
        for document, file in self._of_kind("catalog", files.CatalogFile):
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
                backends[id] = self._backend(document, path, id, entry, vocabulary, prices)
        for name, mark in {**marks, **aliases}.items():
            if name == AUTO:
                self.problem(mark, "P105", f"`{AUTO}` stands for every backend and cannot be a name")
        for alias, mark in aliases.items():
            if alias in backends:
                self.problem(mark, "P105", f"alias `{alias}` is also a backend, at {marks[alias]}")
        return backends

    def _backend(
        self,
        document: Document,
        path: Path,
        id: str,
        entry: files.BackendEntry,
        vocabulary: Vocabulary,
        prices: dict[str, Price],
    ) -> Backend:
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
        passport: dict[str, str] = {}
        for fact in PASSPORT:
            word = getattr(entry, fact)
            if word is None:
                continue
            section = BACKEND[fact].section
            if word not in vocabulary.words(section) and vocabulary.sections:
                hint = suggestion(word, vocabulary.words(section))
                self.problem(document.value((*path, fact)), "P103", f"unknown value `{word}` for backend.{fact}{hint}")
            passport[fact] = word
        return Backend(
            id=id,
            provider=entry.provider,
            base_url=(base_url or "").rstrip("/"),
            model=entry.model or id,
            passport=passport,
            aliases=tuple(entry.aliases),
            key_ref=entry.api_key,
            timeouts=Timeouts(**entry.timeout.model_dump()),
            capabilities=frozenset(entry.capabilities),
            context=entry.context,
            max_output=entry.max_output,
            price=self._price(document, path, id, entry, prices),
        )

    def _price(
        self, document: Document, path: Path, id: str, entry: files.BackendEntry, prices: dict[str, Price]
    ) -> Price | None:
        mark, version = document.value((*path, "price")), f"catalog:{id}"
        match entry.price:
            case None:
                return None
            case "book":
                model = entry.model or id
                if model not in prices and "prices" not in self.shaky:
                    self.problem(mark, "P108", f"the price book has no model `{model}`{suggestion(model, prices)}")
                return prices.get(model)
            case files.MachinePrice() as machine:
                return per_gpu_hour(
                    version,
                    usd_per_hour=machine.gpu_hour,
                    tokens_per_second=machine.tokens_per_second,
                )
            case files.TokenPrice() as tokens:
                return _token_price(tokens, version)
        raise AssertionError(entry.price)

    def _rules(self, vocabulary: Vocabulary, backends: dict[str, Backend]) -> list[Rule]:
        rules: dict[str, Rule] = {}
        known = None if "catalog" in self.shaky else frozenset(backends)
        conditions = Conditions(vocabulary, known, frozenset(self.providers), self.problems)
        for document, file in self._of_kind("policies", files.PolicyFile):
            for position, entry in enumerate(file.rules):
                path: Path = ("rules", position)
                mark = document.value((*path, "id"))
                if entry.id in rules:
                    self.problem(mark, "P210", f"rule id `{entry.id}` is used twice, first at {rules[entry.id].mark}")
                    continue
                effects = [effect for effect in EFFECTS if effect in entry.model_fields_set]
                if len(effects) != 1:
                    said = " and ".join(f"`{effect}`" for effect in effects) or "none"
                    self.problem(
                        mark, "P106", f"rule `{entry.id}` has exactly one of {', '.join(EFFECTS)}; it has {said}"
                    )
                    continue
                effect = effects[0]
                scope = getattr(entry, effect)
                if scope is None:
                    self.problem(
                        document.key((*path, effect)), "P102", f"`{effect}` is empty; write `{effect}: {{}}` for all"
                    )
                    continue
                rules[entry.id] = Rule(
                    id=entry.id,
                    effect=effect,
                    when=conditions.atoms(document, (*path, effect, "when"), scope.when, "request"),
                    to=conditions.atoms(document, (*path, effect, "to"), getattr(scope, "to", {}), "backend"),
                    why=entry.why or "",
                    policy=file.policy,
                    owner=file.owner,
                    mark=mark,
                    order=tuple(getattr(scope, "order", ())),
                )
        return list(rules.values())


def _token_price(entry: files.TokenPrice, version: str) -> Price:
    return per_million(
        version,
        input=entry.input,
        output=entry.output,
        cache_read=entry.cache_read,
        cache_write=entry.cache_write,
        reasoning=entry.reasoning,
    )


def _of_pydantic(document: Document, model: type[BaseModel], detail: Mapping[str, object]) -> Problem:
    """A pydantic error as a problem of ours: at its line, in our words."""
    location = detail["loc"]
    path: Path = tuple(part for part in location if isinstance(part, str | int)) if isinstance(location, tuple) else ()
    word = str(path[-1]) if path else document.file
    match detail["type"]:
        case "extra_forbidden":
            return Problem(
                document.key(path), "P101", f"unknown field `{word}`{suggestion(word, _fields(model, path))}"
            )
        case "missing":
            return Problem(document.value(path[:-1]), "P102", f"missing field `{word}`")
        case "literal_error":
            context = detail.get("ctx")
            expected = context.get("expected", "") if isinstance(context, dict) else ""
            return Problem(document.value(path), "P103", f"unknown value `{detail['input']}`; known: {expected}")
        case "string_pattern_mismatch":
            return Problem(document.value(path), "P102", f"`{detail['input']}` is not a valid {word}")
    if detail["type"] in ("model_type", "dict_type"):
        return Problem(document.value(path), "P102", f"`{word}` wants fields, each with a value")
    message = str(detail["msg"]).removeprefix("Value error, ")
    return Problem(document.value(path), "P102", f"`{word}`: {message[:1].lower()}{message[1:]}")


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """The fields that could stand where an unknown one stood."""
    inner: dict[str, type[BaseModel]] = {
        "backends": files.BackendEntry,
        "timeout": files.TimeoutsEntry,
        "price": files.TokenPrice,
        "models": files.BookPrice,
        "rules": files.RuleEntry,
        "permit": files.Scope,
        "forbid": files.Scope,
        "prefer": files.Preference,
    }
    for part in reversed(path[:-1]):
        if part in inner:
            return list(inner[str(part)].model_fields)
    return list(model.model_fields)
