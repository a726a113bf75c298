"""A policy tree while it is read: its documents, their kinds, and every problem found so far."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.core.steering import plain
from gateway.policy import files, price_files, sensitivity_files
from gateway.policy.document import MAX_SHOWN, Document, Mark, Path, Problem, suggestion

_Model = TypeVar("_Model", bound=BaseModel)

KINDS: Mapping[str, type[BaseModel]] = {
    "vocabulary": files.VocabularyFile,
    "prices": files.PricesFile,
    "projects": files.ProjectsFile,
    "invariants": files.InvariantsFile,
    "sensitivity": sensitivity_files.SensitivityFile,
    "catalog": files.CatalogFile,
    "policies": files.PolicyFile,
    "tests": files.TestsFile,
    "exceptions": files.ExceptionsFile,
}
"""Every kind of file, with its shape: the first five are single files, the others folders."""

FORMS = {**files.FORMS, **price_files.FORMS, **sensitivity_files.FORMS}
"""What text that has to match a pattern should be, in words."""

_SINGLE = ("vocabulary", "prices", "projects", "invariants", "sensitivity")
_PART = re.compile(r"\w[\w .@+-]*\Z")
"""A folder or file as a tree may name it: not hidden, and no step up or aside."""


def kind_of(name: str) -> str | None:
    """Which kind of file a path in a tree is; None: no known kind."""
    *folders, file = name.split("/")
    if not all(map(_PART.match, (*folders, file))):
        return None
    if not folders:
        kind = file.removesuffix(".yaml")
        return kind if kind in _SINGLE and file.endswith(".yaml") else None
    layer = len(folders) == 3 and folders[:2] == ["policies", "projects"]
    known = folders[0] in KINDS and folders[0] not in _SINGLE and (len(folders) == 1 or layer)
    return folders[0] if known and file.endswith(".yaml") else None


def is_dictionary(name: str) -> bool:
    """Whether a path in a tree is that of a list of terms, which is no YAML."""
    folder, _, file = name.partition("/")
    return folder == "dictionaries" and file.endswith(".txt") and _PART.match(file) is not None


def project_of(name: str) -> str:
    """The project whose layer a policy file is in; empty: the organisation's."""
    parts = name.split("/")
    return parts[2] if parts[:2] == ["policies", "projects"] and len(parts) == 4 else ""


class Tree:
    """The documents of a tree and what is wrong with them. `shaky` are the kinds with a bad file: what is looked up in
    them is not reported, since it would be a second problem with the same cause."""

    def __init__(self, tree: Mapping[str, bytes], extra_catalog: Mapping[str, bytes], shown: Mapping[str, str]) -> None:
        self.kinds = {name: kind_of(name) for name in tree if not is_dictionary(name)}
        self.kinds |= dict.fromkeys(extra_catalog, "catalog")
        self.bytes = {**tree, **extra_catalog}
        self.problems: list[Problem] = []
        self.shaky: set[str] = set()
        self._shown = shown
        self.documents = {name: Document(self.shown(name), self.bytes[name]) for name in sorted(self.kinds)}
        for name, document in self.documents.items():
            self.problems += document.problems
            if document.problems and (kind := self.kinds[name]):
                self.shaky.add(kind)
            if self.kinds[name] is None:
                known = [f"{kind}.yaml" if kind in _SINGLE else f"{kind}/*.yaml" for kind in KINDS]
                known.append("policies/projects/NAME/*.yaml")
                self.problem(Mark(document.file), "P004", f"no known policy file; known: {', '.join(known)}")

    def shown(self, name: str) -> str:
        """What problems call a file."""
        return plain(self._shown.get(name, name))

    def problem(self, mark: Mark, code: str, message: str) -> None:
        """Notes a problem."""
        self.problems.append(Problem(mark, code, message))

    def of_kind(self, kind: str, model: type[_Model]) -> list[tuple[str, Document, _Model]]:
        """The readable files of a kind, as models. What does not fit the model becomes problems."""
        found = []
        for name, document in self.documents.items():
            if self.kinds[name] != kind or document.problems:
                continue
            try:
                found.append((name, document, model.model_validate(document.data)))
            except ValidationError as error:
                self.shaky.add(kind)
                self.problems += _of_pydantic(document, model, error)
        return found


_KEY = "[key]"
"""Where pydantic says that a key is wrong, not its value."""

_FIELDS = "fields, each with a value"
_WANTED = {
    "model_type": _FIELDS,
    "dict_type": _FIELDS,
    "list_type": "a list",
    "string_type": "a word",
    "int_type": "a whole number",
    "bool_type": "`true` or `false`",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "too_short": ("a list of at least", "min_length"),
    "too_long": ("a list of at most", "max_length"),
}


def _of_pydantic(document: Document, model: type[BaseModel], error: ValidationError) -> Iterator[Problem]:
    """What does not fit a model as problems of ours: at its line, in our words, one for each mistake.

    Where a value may have several forms pydantic has an error for each; the form that went deepest was meant.
    """
    forks: dict[Path, dict[str, dict[Path, list[ErrorDetails]]]] = {}
    for detail in error.errors(include_url=False)[:MAX_SHOWN]:
        path, fork, form = _place(document.data, detail)
        forks.setdefault(fork, {}).setdefault(form, {}).setdefault(path, []).append(detail)
    for forms in forks.values():
        deepest = max(len(path) for places in forms.values() for path in places)
        meant: dict[Path, list[ErrorDetails]] = {}
        for places in forms.values():
            if max(map(len, places)) == deepest:
                for path, details in places.items():
                    meant.setdefault(path, []).extend(details)
        for path, details in meant.items():
            yield _problem(document, model, path, details)


def _place(data: Any, detail: ErrorDetails) -> tuple[Path, Path, str]:
    """Where an error is in a document, and where it forks into forms, with the name that pydantic gives this one."""
    path: Path = ()
    fork, form = None, ""
    *loc, last = detail["loc"] or ("",)
    for part in loc if detail["type"] == "missing" else detail["loc"]:
        inside = isinstance(part, int) if isinstance(data, list) else isinstance(data, dict) and part in data
        if inside:
            data, path = data[part], (*path, part)
        elif fork is None and part != _KEY:
            fork, form = path, str(part)
    if detail["type"] == "missing" or last == _KEY:
        path = (*path, last)
    return path, path if fork is None else fork, form


def _expected(detail: ErrorDetails) -> str:
    """The words that could stand where none of them does."""
    return str(detail.get("ctx", {}).get("expected", "another form")).replace("'", "`")


def _problem(document: Document, model: type[BaseModel], path: Path, details: list[ErrorDetails]) -> Problem:
    """One problem out of everything that pydantic says about one place."""
    detail, context = details[0], details[0].get("ctx", {})
    mark, word = document.value(path), next((part for part in reversed(path) if isinstance(part, str)), document.file)
    if len(details) > 1 or detail["type"] in _WANTED:
        wanted = [_WANTED.get(each["type"]) or _expected(each) for each in details]
        return Problem(mark, "P102", f"`{word}` wants {', or '.join(dict.fromkeys(wanted))}")
    match detail["type"]:
        case "extra_forbidden":
            hint = suggestion(word, _fields(model, path))
            return Problem(document.key(path), "P101", f"unknown field `{word}`{hint}")
        case "missing":
            return Problem(document.value(path[:-1]), "P102", f"missing field `{word}`")
        case "literal_error":
            return Problem(mark, "P103", f"unknown value `{detail['input']}`; known: {_expected(detail)}")
        case "string_pattern_mismatch":
            pattern = str(context["pattern"])
            if path[-1] == _KEY:
                mark = document.key(path)
            said = f"`{word}`" if pattern in files.SECRET else f"`{detail['input']}`"
            return Problem(mark, "P102", f"{said} is not {FORMS.get(pattern, f'a valid {word}')}")
    if detail["type"] in _BOUNDS:
        bound, name = _BOUNDS[detail["type"]]
        figure = str(context[name]).removeprefix("Decimal('").removesuffix("')")  # as pydantic writes it
        return Problem(mark, "P102", f"`{word}` is {bound} {figure}")
    message = str(detail["msg"]).removeprefix("Value error, ")
    return Problem(mark, "P102", f"`{word}`: {message[:1].lower()}{message[1:]}")


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """The fields that could stand where an unknown one stood."""
    inner: dict[str, type[BaseModel]] = {
        "backends": files.BackendEntry,
        "timeout": files.TimeoutsEntry,
        "price": price_files.TokenPrice,
        "models": price_files.BookPrice,
        "tiers": price_files.TierPrice,
        "services": price_files.ServicePrice,
        "promote": files.PromoteEntry,
        "rules": files.RuleEntry,
        "permit": files.Scope,
        "forbid": files.Scope,
        "require": files.Requirement,
        "limit": files.Ceiling,
        "prefer": files.Preference,
        "projects": files.ProjectEntry,
        "kinds": sensitivity_files.KindEntry,
        "detectors": sensitivity_files.DetectorEntry,
        "dictionaries": sensitivity_files.DictionaryEntry,
        "invariants": files.InvariantEntry,
        "never": files.NeverEntry,
        "always_some": files.AlwaysEntry,
        "chain": files.ChainEntry,
        "never_after": files.AfterEntry,
        "no_new_access": files.NewAccessEntry,
        "tests": files.TestEntry,
        "expect": files.ExpectEntry,
        "exceptions": files.ExceptionEntry,
    }
    for part in reversed(path[:-1]):
        if part in inner:
            model = inner[str(part)]
            break
    return [field.alias or name for name, field in model.model_fields.items()]
