"""The reference of the policy language, as markdown out of the tables that the code itself reads."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from gateway.core.catalog import CAPABILITIES, URLS
from gateway.core.kinds import KINDS
from gateway.policy import files, price_files, sensitivity_files
from gateway.policy.claims import CLAIMS, FAULTS
from gateway.policy.codes import CODES
from gateway.policy.meanings import meaning
from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.rules import EFFECTS
from gateway.policy.vocabulary import BACKEND, ORDERED, REQUEST, Attribute, Vocabulary

BEGIN = "<!-- the reference: `gateway policy schema --write` makes what follows; do not edit it -->"
END = "<!-- end of the reference -->"

_Row = tuple[str, ...]
_FIELDS = ("field", "meaning")
_MEANT = "What the scanner finds by itself, the level that it raises a request to, and its tag"


def inserted(text: str, vocabulary: Vocabulary, providers: Iterable[str]) -> str:
    """A text with the reference between its markers made anew; a text without markers stays as it is."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference(vocabulary, providers)}\n{END}{after}" if begin and end else text


def reference(vocabulary: Vocabulary, providers: Iterable[str]) -> str:
    """The reference, with the words that a tree's vocabulary has now, and the providers that a catalog may name."""
    closed = {"backend": "an id of the catalog", "provider": _words(sorted(providers))}
    attributes = ("attribute", "values", "meaning")
    passport = (row for row in _fields(files.BackendEntry) if row[0].strip("`") not in BACKEND)
    capable = (
        f"Beside its attributes a row of the catalog has these. Capabilities: {_words(CAPABILITIES)}."
        f" `{URLS}`: it may fetch what a request only names by its address; a server of ours may only if its row says"
        " so, a vendor's always."
    )
    faults = f"Beside attributes a request has `model` and `needs`. Faults: {_words(sorted(FAULTS))}."
    of_kind = f"{_MEANT}. In sensitivity.yaml each may have another `level` or `tag`, or be `off`."
    above = meaning(price_files.TierPrice, "above")
    of_price = f"Each of `tiers`, and a service tier, has figures as the row does. `above` of a tier: {above}."
    of_claim = f"An id, and one of {_words(CLAIMS)}."
    return "\n".join(
        (
            _section("Attributes of requests", "", attributes, _attributes(REQUEST.values(), vocabulary, closed)),
            _section("Attributes of backends", "", attributes, _attributes(BACKEND.values(), vocabulary, closed)),
            _section("Files of rules", "", _FIELDS, _fields(files.PolicyFile, promote=files.PromoteEntry)),
            _section("Rules", f"An id, and one of {_words(EFFECTS)}.", _FIELDS, _fields(files.RuleEntry)),
            _section("Obligations", "What a `require` may `do`.", ("obligation", "meaning"), _obligations()),
            _section("Limits", "", _FIELDS, _fields(files.Ceiling)),
            _section("Invariants", of_claim, _FIELDS, _fields(files.InvariantEntry, chain=files.ChainEntry)),
            _section("Tests", faults, _FIELDS, _fields(files.TestEntry, expect=files.ExpectEntry)),
            _section("Exceptions", "", _FIELDS, _fields(files.ExceptionEntry)),
            _section("Projects", "", _FIELDS, _fields(files.ProjectEntry)),
            _section("Kinds of findings", of_kind, ("kind", "level", "tag"), _kinds()),
            _section("Detectors", "", _FIELDS, _fields(sensitivity_files.DetectorEntry)),
            _section("Dictionaries", "", _FIELDS, _fields(sensitivity_files.DictionaryEntry)),
            _section("Backends", capable, _FIELDS, passport),
            _section("Prices", of_price, _FIELDS, _fields(price_files.BookPrice)),
            _section("Prices of our own machines", "", _FIELDS, _fields(price_files.MachinePrice)),
            _section("Problems", "", ("code", "meaning", "what to do"), _codes()),
        )
    )


def _section(title: str, said: str, head: _Row, rows: Iterable[_Row]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    table = "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
    return f"### {title}\n\n{said}\n\n{table}" if said else f"### {title}\n\n{table}"


def _attributes(rows: Iterable[Attribute], vocabulary: Vocabulary, closed: dict[str, str]) -> Iterator[_Row]:
    for row in rows:
        values = closed.get(row.name) or _values(row, vocabulary)
        yield f"`{row.name}`", values, f"{row.meaning}; changes from call to call" if row.hop else row.meaning


def _values(attribute: Attribute, vocabulary: Vocabulary) -> str:
    values = vocabulary.values(attribute)
    if values is None:
        return "any name"
    if attribute.kind == "number":
        return f"`{values[0]}` < ... < `{values[-1]}`"
    if attribute.kind in ORDERED:
        return " < ".join(f"`{value}`" for value in values)
    return f"any of {_words(values)}" if attribute.kind == "set" else _words(values)


def _fields(model: type[BaseModel], **inner: type[BaseModel]) -> Iterator[_Row]:
    """The fields of a model; after one of `inner`, the fields in it."""
    for name, info in model.model_fields.items():
        field = info.alias or name
        yield f"`{field}`", meaning(model, field)
        if field in inner:
            yield from ((f"`{field}.{each}`", meaning(inner[field], each)) for each in inner[field].model_fields)


_TAKEN = {"": "", "figure": ": 1000", "tags": ": [secret]"}


def _kinds() -> Iterator[_Row]:
    for kind in KINDS.values():
        yield f"`{kind.name}`", f"`{kind.level}`" if kind.level else "", f"`{kind.tag}`" if kind.tag else ""


def _obligations() -> Iterator[_Row]:
    for row in OBLIGATIONS.values():
        yield f"`{row.name}{_TAKEN[row.takes]}`", row.meaning


def _codes() -> Iterator[_Row]:
    for id, code in CODES.items():
        yield id, code.meaning, code.remedy


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
