"""A policy tree while it is read: its documents, their kinds, and every problem found so far."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gateway.policy import files
from gateway.policy.document import Document, Mark, Path, Problem, suggestion

_Model = TypeVar("_Model", bound=BaseModel)

KINDS: Mapping[str, type[BaseModel]] = {
    "vocabulary": files.VocabularyFile,
    "prices": files.PricesFile,
    "projects": files.ProjectsFile,
    "invariants": files.InvariantsFile,
    "catalog": files.CatalogFile,
    "policies": files.PolicyFile,
    "tests": files.TestsFile,
    "exceptions": files.ExceptionsFile,
}
"""Every kind of file, with its shape: the first four are single files, the others folders."""

_SINGLE = ("vocabulary", "prices", "projects", "invariants")


def kind_of(name: str) -> str | None:
    """Which kind of file a path in a tree is; None: no known kind."""
    *folders, file = name.split("/")
    if not folders:
        kind = file.removesuffix(".yaml")
        return kind if kind in _SINGLE and file.endswith(".yaml") else None
    layer = len(folders) == 3 and folders[:2] == ["policies", "projects"]
    known = folders[0] in KINDS and folders[0] not in _SINGLE and (len(folders) == 1 or layer)
    return folders[0] if known and file.endswith(".yaml") else None


def project_of(name: str) -> str:
    """The project whose layer a policy file is in; empty: the organisation's."""
    parts = name.split("/")
    return parts[2] if parts[:2] == ["policies", "projects"] and len(parts) == 4 else ""


class Tree:
    """The documents of a tree and what is wrong with them. `shaky` are the kinds with a bad file: what is looked up in
    them is not reported, since it would be a second problem with the same cause."""

    def __init__(self, tree: Mapping[str, bytes], extra_catalog: Mapping[str, bytes], shown: Mapping[str, str]) -> None:
        self.kinds = {name: kind_of(name) for name in tree} | dict.fromkeys(extra_catalog, "catalog")
        self.bytes = {**tree, **extra_catalog}
        self.problems: list[Problem] = []
        self.shaky: set[str] = set()
        self.documents = {name: Document(shown.get(name, name), raw) for name, raw in sorted(self.bytes.items())}
        for name, document in self.documents.items():
            self.problems += document.problems
            if document.problems and (kind := self.kinds[name]):
                self.shaky.add(kind)
            if self.kinds[name] is None:
                known = [f"{kind}.yaml" if kind in _SINGLE else f"{kind}/*.yaml" for kind in KINDS]
                known.append("policies/projects/NAME/*.yaml")
                self.problem(Mark(document.file), "P004", f"no known policy file; known: {', '.join(known)}")

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
                self.problems += [_of_pydantic(document, model, detail) for detail in error.errors()]
        return found


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
        "require": files.Requirement,
        "limit": files.Ceiling,
        "prefer": files.Preference,
        "projects": files.ProjectEntry,
        "invariants": files.InvariantEntry,
        "tests": files.TestEntry,
        "expect": files.ExpectEntry,
        "exceptions": files.ExceptionEntry,
    }
    for part in reversed(path[:-1]):
        if part in inner:
            return list(inner[str(part)].model_fields)
    return list(model.model_fields)
