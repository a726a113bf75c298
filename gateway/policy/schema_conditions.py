"""Conditions, and the facts of a test, as JSON Schema: what `policy.conditions` and `policy.claims` read.

Each attribute carries its meaning, and each word the line that the vocabulary has for it, so that editors show them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.labels import LEVELS
from gateway.policy.conditions import ANY, DECLARED, WORDS_WITH_MEANING
from gateway.policy.vocabulary import BACKEND, REQUEST, SECTIONS, Attribute, Side, Vocabulary

Schema = dict[str, Any]

UNKNOWN = "unknown"
_TABLES: Mapping[Side, Mapping[str, Attribute]] = {"request": REQUEST, "backend": BACKEND}
_NO_NAME = f"(?!({'|'.join(sorted(WORDS_WITH_MEANING))})$)"
_NO_OPERATOR = r"(?!backend\.)(?!(>=|<=|>|<)\s*\S+$)"


def reference(name: str) -> Schema:
    """A reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def several(one: Schema, least: int = 1) -> Schema:
    """Something, or a list of at least so many."""
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": least}]}


def definitions(vocabulary: Vocabulary, known: Mapping[str, Sequence[str]]) -> dict[str, Schema]:
    """What conditions consist of, by name.

    The sections of the vocabulary; `request.NAME` and `backend.NAME`, what may be compared with an attribute;
    `request-conditions`, `backend-conditions`, `request-conditions-alone` (there is no backend to compare with), and
    `facts`. `known` are the words of attributes that have no section: backends, providers, projects.
    """
    found: dict[str, Schema] = {
        section: {
            "enum": list(vocabulary.sections[section]),
            "enumDescriptions": list(vocabulary.sections[section].values()),
        }
        for section in SECTIONS
    }
    for side, table in _TABLES.items():
        found |= {f"{side}.{name}": _choice(row, known.get(name, ())) for name, row in table.items()}
        found[f"{side}-conditions"] = _object({name: _condition(row) for name, row in table.items()})
    found["request-conditions-alone"] = _object({name: _condition(row, alone=True) for name, row in REQUEST.items()})
    found["facts"] = _object({name: _fact(row, known.get(name, ())) for name, row in REQUEST.items()})
    return found


def _condition(attribute: Attribute, *, alone: bool = False) -> Schema:
    """What may stand after the name of an attribute."""
    always = [ANY, DECLARED] if attribute.side == "backend" else [ANY]
    choice = reference(f"{attribute.side}.{attribute.name}")
    if attribute.kind == "set":
        forms = [_one_of("any", "all", "none", choice=choice)]
    else:
        if not alone and (sets := _comparable(attribute)):
            choice = {"anyOf": [choice, {"enum": sets}]}
        forms = [choice, _one_of("in", "not", "not_in", choice=choice)]
    return {"description": attribute.meaning, "anyOf": [{"enum": always}, *forms]}


def _choice(attribute: Attribute, known: Sequence[str]) -> Schema:
    """A value, a list of values, or an operator and a value."""
    listed = {"type": "array", "items": _word(attribute, known), "minItems": 1}
    if attribute.kind == "name":
        return {"anyOf": [*_names(known, f"^{_NO_NAME}{_NO_OPERATOR}"), listed]}
    if attribute.kind == "number":
        return {"anyOf": [_word(attribute, known), listed, _range_of_numbers(attribute.values)]}
    ordered = LEVELS if attribute.kind == "level" else attribute.values if attribute.kind == "count" else ()
    return {"anyOf": [_word(attribute, known), listed, *_ranges(ordered)]}


def _word(attribute: Attribute, known: Sequence[str]) -> Schema:
    """A value by itself."""
    if attribute.section:
        return reference(attribute.section)
    if attribute.kind == "count":
        return {"enum": [*map(int, attribute.values), *attribute.values]}
    if attribute.kind == "number":
        return _number(attribute.values)
    if attribute.kind == "name":
        return {"anyOf": _names(known, f"^{_NO_NAME}")}
    return {"enum": list(attribute.values or known)}


def _names(known: Sequence[str], pattern: str = "") -> list[Schema]:
    """Any name; those that the tree has are offered."""
    free = {"type": "string", "pattern": pattern} if pattern else {"type": "string"}
    return [{"enum": list(known)}, free] if known else [free]


def _fact(attribute: Attribute, known: Sequence[str]) -> Schema:
    word = {"anyOf": _names(known)} if attribute.kind == "name" else _word(attribute, known)
    forms = several(word, least=0)["anyOf"] if attribute.kind == "set" else [word]
    return {"description": attribute.meaning, "anyOf": [{"enum": [UNKNOWN]}, *forms]}


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _one_of(*forms: str, choice: Schema) -> Schema:
    return {**_object(dict.fromkeys(forms, choice)), "minProperties": 1, "maxProperties": 1}


def _ranges(ordered: Sequence[str]) -> list[Schema]:
    """Comparisons that something fulfils: as they are usually written, for completion, and with any space."""
    if not ordered:
        return []
    fulfilled = {">=": ordered, "<=": ordered, ">": ordered[:-1], "<": ordered[1:]}
    usual = [f"{operator} {word}" for operator, words in fulfilled.items() for word in words]
    pattern = "|".join(rf"{operator}\s*({'|'.join(words)})" for operator, words in fulfilled.items())
    return [{"enum": usual}, {"type": "string", "pattern": f"^({pattern})$"}]


def _number(values: Sequence[str]) -> Schema:
    """A number, with or without quotes."""
    whole = {"type": "integer", "minimum": int(values[0]), "maximum": int(values[-1])}
    return {"anyOf": [whole, {"enum": list(values)}]}


def _range_of_numbers(values: Sequence[str]) -> Schema:
    """Comparisons with numbers that some number fulfils: too many to list."""
    each = f"({'|'.join(values)})"
    pattern = rf"^((>=|<=)\s*{each}|>\s*(?!{values[-1]}$){each}|<\s*(?!{values[0]}$){each})$"
    return {"type": "string", "pattern": pattern}


def _comparable(attribute: Attribute) -> list[str]:
    """The sets of a backend that a word of the request can be compared with."""
    if attribute.side != "request" or not attribute.section:
        return []
    return [f"backend.{row.name}" for row in BACKEND.values() if row.kind == "set" and row.section == attribute.section]
