"""What `policy.files` leaves open about the fields of policy files, as JSON Schema: which words may stand there, and
which fields go together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from gateway.core.catalog import AUTO, CAPABILITIES, PASSPORT
from gateway.core.errors import FailureKind, Refusal
from gateway.core.kinds import KINDS, Kind
from gateway.core.labels import LEVELS
from gateway.policy import files, price_files, schema_conditions, sensitivity_files
from gateway.policy.claims import CLAIMS, FAULTS
from gateway.policy.conditions import WORDS_WITH_MEANING
from gateway.policy.model import Bundle
from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.rules import EFFECTS, PRINCIPALS
from gateway.policy.schema_conditions import reference, several
from gateway.policy.vocabulary import BACKEND, SECTIONS

Schema = dict[str, Any]

_DAY, _WORD = TypeAdapter(price_files.Day).json_schema(), TypeAdapter(files.Word).json_schema()


_REQUEST, _BACKEND = reference("request-conditions"), reference("backend-conditions")
_ALONE = reference("request-conditions-alone")


def definitions(bundle: Bundle, providers: Sequence[str]) -> dict[str, Schema]:
    """What many fields refer to: the sections of the vocabulary, conditions, and the facts of a test."""
    known = {
        "backend": sorted(backend.id for backend in bundle.backends),
        "provider": sorted(providers),
        "project": sorted(bundle.projects),
    }
    found = schema_conditions.definitions(bundle.vocabulary, known)
    model = _suggested([AUTO, *_names(bundle)])
    needs = several({"enum": list(CAPABILITIES)}, least=0)
    found["facts"]["properties"] |= {
        "model": {"description": "the name that the client sends; default: `auto`", **model},
        "needs": {
            "description": "capabilities that the request needs; `chat` too, unless another operation is named",
            **needs,
        },
    }
    return found


def fields(bundle: Bundle, providers: Sequence[str]) -> dict[tuple[type[BaseModel], str], Schema]:
    """The fields whose values are words of this tree, by model and name."""
    backend = {"enum": sorted(backend.id for backend in bundle.backends)}
    rule = {"enum": sorted(rule.id for rule in bundle.rules)}
    breakable = {"enum": sorted(rule.id for rule in bundle.rules if rule.breakable)}
    statuses = bundle.vocabulary.sections["statuses"]
    return {
        **{(files.VocabularyFile, section): _SECTION for section in SECTIONS},
        (files.VocabularyFile, "levels"): _LEVELS,
        **{(files.BackendEntry, fact): reference(BACKEND[fact].section) for fact in PASSPORT},
        (files.BackendEntry, "eligible_persons"): _list(reference("persons")),
        (files.BackendEntry, "status"): {"anyOf": [reference("statuses"), _object(dict.fromkeys(statuses, _DAY))]},
        (files.BackendEntry, "provider"): {"enum": sorted(providers)},
        (files.BackendEntry, "capabilities"): _list({"enum": list(CAPABILITIES)}),
        (files.BackendEntry, "substitute"): backend,
        (files.ProjectEntry, "jurisdiction"): reference("jurisdictions"),
        (sensitivity_files.SensitivityFile, "kinds"): _KINDS,
        **{(model, "tag"): _TAG for model in _TAGGED},
        (files.Scope, "when"): _REQUEST,
        (files.Scope, "to"): _BACKEND,
        (files.Requirement, "do"): _list({"anyOf": _OBLIGATIONS}, least=1),
        (files.Preference, "when"): _ALONE,
        (files.Ceiling, "then"): _then(_names(bundle)),
        (files.InvariantEntry, "backend"): _BACKEND,
        (files.NeverEntry, "request"): _REQUEST,
        (files.NeverEntry, "backend"): _BACKEND,
        (files.AlwaysEntry, "request"): _REQUEST,
        (files.AfterEntry, "left"): _BACKEND,
        (files.AfterEntry, "enter"): _BACKEND,
        (files.TestEntry, "request"): reference("facts"),
        (files.TestEntry, "spent"): _spent(bundle),
        (files.TestEntry, "faults"): _map(backend, {"enum": _FAULTS}),
        (files.ExpectEntry, "permit"): _list(backend),
        (files.ExpectEntry, "deny"): {
            "anyOf": [_list(backend), _map(backend, {"anyOf": [rule, _list(rule), {"type": "null"}]})]
        },
        (files.ExpectEntry, "permit_only"): _BACKEND,
        (files.ExpectEntry, "first"): backend,
        (files.ExpectEntry, "watch"): _list(rule),
        (files.ExpectEntry, "reason"): _suggested(sorted({each.code for each in (*FailureKind, *Refusal)})),
        (files.ExceptionEntry, "rules"): _list(breakable, least=1),
        (files.ExceptionEntry, "principal"): {**_ALONE, "anyOf": [{"required": [name]} for name in PRINCIPALS]},
        (files.ExceptionEntry, "backends"): _list(backend, least=1),
    }


def said_of(kind: Kind) -> str:
    """What a built-in kind of finding means where nobody says anything."""
    words = (f"level `{kind.level}`" if kind.level else "", f"tag `{kind.tag}`" if kind.tag else "")
    return f"default: {', '.join(filter(None, words))}"


def _names(bundle: Bundle) -> list[str]:
    """Backends and aliases."""
    return sorted({backend.id for backend in bundle.backends}.union(*(each.aliases for each in bundle.backends)))


def _list(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items} | ({"minItems": least} if least else {})


def _spent(bundle: Bundle) -> Schema:
    """Limits, by their rules or one by one, and USD: for whoever the request is, or for each account."""
    usd = {"type": "number", "minimum": 0}
    limits = [
        id
        for rule in bundle.rules
        for id in (rule.id, *(f"{rule.id}#{n + 1}" for n in range(len(rule.limits))))
        if rule.limits
    ]
    return _map({"enum": sorted(limits)}, {"anyOf": [usd, {"type": "object", "additionalProperties": usd}]})


def _map(names: Schema, values: Schema) -> Schema:
    return {"type": "object", "propertyNames": names, "additionalProperties": values}


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _suggested(known: Iterable[str]) -> Schema:
    """Any text; some is offered."""
    return {"anyOf": [{"enum": list(known)}, {"type": "string"}]}


def _then(names: list[str]) -> Schema:
    downgrade = _object({"downgrade": {"enum": names}}) | {"required": ["downgrade"]}
    both = {"type": "array", "prefixItems": [downgrade, {"const": "deny"}], "minItems": 2, "maxItems": 2}
    return {
        "anyOf": [{"const": "deny"}, {"type": "array", "items": {"const": "deny"}, "minItems": 1, "maxItems": 1}, both]
    }


_TAGGED = (sensitivity_files.KindEntry, sensitivity_files.DetectorEntry, sensitivity_files.DictionaryEntry)
_TAG = {"anyOf": [reference("tags"), {"const": sensitivity_files.NO_TAG}]}
_KIND = {"anyOf": [{"const": sensitivity_files.OFF}, reference("KindEntry")]}
_KINDS = _object({kind.name: {"description": said_of(kind), **_KIND} for kind in KINDS.values()})
_SECTION = _map({**_WORD, "not": {"enum": sorted(WORDS_WITH_MEANING)}}, {"type": "string"})
_LEVELS = _object({level: {"type": "string"} for level in LEVELS}) | {"required": [*LEVELS]}
_FAULTS = [*sorted(FAULTS), *sorted(int(fault) for fault in FAULTS if fault.isdecimal())]
_PLAIN = [row for row in OBLIGATIONS.values() if row.takes != "figure"]
_TAGS: Schema = {"$ref": "#/$defs/tags"}
_TAKEN: Mapping[str, Schema] = {
    "figure": {"type": "integer", "minimum": 1},
    "tags": {"anyOf": [_TAGS, {"type": "array", "items": _TAGS, "minItems": 1}]},
}
_OBLIGATIONS = [
    {"enum": [row.name for row in _PLAIN], "enumDescriptions": [row.meaning for row in _PLAIN]},
    *(
        _object({row.name: {"description": row.meaning, **_TAKEN[row.takes]}}) | {"required": [row.name]}
        for row in OBLIGATIONS.values()
        if row.takes
    ),
]
_NONE = {"maxProperties": 0}


def _without(*names: str) -> Schema:
    return {"properties": dict.fromkeys(names, False)}


TOGETHER: Mapping[type[BaseModel], Schema] = {
    files.PolicyFile: {
        "if": {"required": ["promote"]},
        "then": {"required": ["mode"], "properties": {"mode": {"not": {"const": "off"}}}},
    },
    files.RuleEntry: {
        "oneOf": [
            {"required": [effect]} | ({"not": {"required": ["permit"]}} if effect == "require" else {})
            for effect in EFFECTS
        ],
        "if": {"required": ["permit"]},
        "then": {"properties": {"require": {"properties": {"when": _NONE, "to": _NONE}}}},
        "dependentRequired": {"breakable": ["forbid"], "in_flight": ["forbid"], "on_model_mismatch": ["permit"]},
    },
    files.Ceiling: {
        "oneOf": [
            {"required": ["usd", "per"], **_without("share", "of", "by", "min_sample_usd")},
            {"required": ["share", "of", "by"], **_without("usd", "per")},
        ]
    },
    files.InvariantEntry: {
        "oneOf": [{"required": [claim]} for claim in CLAIMS],
        "if": {"properties": {"over": {"const": "any_backend"}}, "required": ["over"]},
        "then": {"anyOf": [{"required": ["never"]}, {"required": ["monotone"]}]},
        "dependentRequired": {"backend": ["always_some"]},
    },
    sensitivity_files.KindEntry: {"minProperties": 1},
    files.NeverEntry: {"minProperties": 1},
    files.ChainEntry: {"minProperties": 1},
    files.ExpectEntry: {"minProperties": 1},
}
"""Which fields of a model go together."""
