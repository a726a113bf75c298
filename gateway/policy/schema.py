"""JSON Schemas of the files of a policy tree, with the words, backends and rules that the tree has now.

They are for editors: completion, hover, and a hint while one types. What a tree means, and whether it loads, is for
`policy.parse` to say. Shapes come from `policy.files`, words from the bundle, meanings from the tables beside them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from gateway.core.catalog import AUTO, CAPABILITIES, PASSPORT
from gateway.core.errors import FailureKind, Refusal
from gateway.core.labels import LEVELS
from gateway.policy import files
from gateway.policy.claims import FAULTS
from gateway.policy.conditions import WORDS_WITH_MEANING
from gateway.policy.condition_schema import conditions, facts, several, words
from gateway.policy.fields import meaning, models
from gateway.policy.model import Bundle
from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.rules import PRINCIPALS
from gateway.policy.tree import KINDS
from gateway.policy.vocabulary import BACKEND, SECTIONS

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NUMBERS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum"}
_REQUEST, _ALONE, _BACKEND, _FACTS = ({"$ref": f"#/$defs/{name}"} for name in ("Request", "Alone", "Backend", "Facts"))


def schema(bundle: Bundle, providers: Iterable[str], kind: str) -> Schema:
    """The schema of one kind of file (a key of `policy.tree.KINDS`). `providers` are those that a catalog may name."""
    return {"$schema": DRAFT, **_Tree(bundle, providers).document(kind)}


def whole(bundle: Bundle, providers: Iterable[str]) -> Schema:
    """One document with the schemas of all kinds: it accepts every file of the tree."""
    tree = _Tree(bundle, providers)
    return {
        "$schema": DRAFT,
        "anyOf": [{"$ref": f"{kind}.json"} for kind in KINDS],
        "$defs": {kind: {"$id": f"{kind}.json", **tree.document(kind)} for kind in KINDS},
    }


class _Tree:
    def __init__(self, bundle: Bundle, providers: Iterable[str]) -> None:
        self.bundle = bundle
        self.providers = sorted(providers)
        self.backends = sorted(backend.id for backend in bundle.backends)
        self.shared = {section: words(bundle.vocabulary.sections[section]) for section in SECTIONS}
        open_words = {"backend": self.backends, "provider": self.providers, "project": sorted(bundle.projects)}
        self.shared |= {
            "Request": conditions(bundle.vocabulary, "request", open_words),
            "Alone": conditions(bundle.vocabulary, "request", open_words, alone=True),
            "Backend": conditions(bundle.vocabulary, "backend", open_words),
            "Facts": facts(bundle.vocabulary, open_words),
        }
        self.special = self._special()

    def document(self, kind: str) -> Schema:
        model = KINDS[kind]
        by_name = {each.__name__: each for each in models()}
        made = model.model_json_schema()
        known = self.shared | {name: self._object(by_name[name], each) for name, each in made.get("$defs", {}).items()}
        top = self._object(model, made)
        found: dict[str, Schema] = {}
        waiting = list(_references(top))
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = known[name]
                waiting += _references(known[name])
        return {**top, "$defs": {name: found[name] for name in sorted(found)}}

    def _object(self, model: type[BaseModel], made: Schema) -> Schema:
        properties = {}
        for field, plain in made["properties"].items():
            special = next((self.special[each, field] for each in model.__mro__ if (each, field) in self.special), None)
            properties[field] = {
                "description": meaning(model, field),
                **(_plain(plain) if special is None else special),
            }
        return {
            "description": made["description"],
            "type": "object",
            "properties": properties,
            "required": made.get("required", []),
            "additionalProperties": False,
            **_TOGETHER.get(model, {}),
        }

    def _special(self) -> dict[tuple[type, str], Schema]:
        """The fields whose shape is not all there is to say: what stands there are words of this tree."""
        backend, backends = {"enum": self.backends}, {"type": "array", "items": {"enum": self.backends}}
        rules = {"enum": sorted(rule.id for rule in self.bundle.rules)}
        breakable = {"enum": sorted(rule.id for rule in self.bundle.rules if rule.breakable)}
        groups = sorted({alias for each in self.bundle.backends for alias in each.aliases} | set(self.backends))
        names = {"type": "string", "anyOf": [{"enum": [AUTO, *groups]}, {"type": "string"}]}
        reasons = sorted({each.code for each in (*FailureKind, *Refusal)})
        capability = {"enum": list(CAPABILITIES)}
        word = "^" + "|".join(sorted(FAULTS)) + "$"
        fields: dict[tuple[type, str], Schema] = {
            (files.VocabularyFile, section): {
                "type": "object",
                "propertyNames": {"pattern": files.WORD, "not": {"enum": sorted(WORDS_WITH_MEANING)}},
                "additionalProperties": {"type": "string"},
            }
            for section in SECTIONS
        }
        del word
        fields[files.VocabularyFile, "levels"] = {
            "type": "object",
            "properties": {level: {"type": "string"} for level in LEVELS},
            "required": list(LEVELS),
            "additionalProperties": False,
        }
        for fact in PASSPORT:
            section = {"$ref": f"#/$defs/{BACKEND[fact].section}"}
            several_words = {"type": "array", "items": section}
            fields[files.BackendEntry, fact] = several_words if BACKEND[fact].kind == "set" else section
        status = self.shared["statuses"]["enum"]
        fields |= {
            (files.BackendEntry, "status"): {
                "anyOf": [
                    {"$ref": "#/$defs/statuses"},
                    {
                        "type": "object",
                        "properties": {each: {"type": "string", "pattern": files.DAY} for each in status},
                        "additionalProperties": False,
                    },
                ]
            },
            (files.BackendEntry, "provider"): {"enum": self.providers},
            (files.BackendEntry, "capabilities"): {"type": "array", "items": capability},
            (files.BackendEntry, "substitute"): backend,
            (files.ProjectEntry, "jurisdiction"): {"$ref": "#/$defs/jurisdictions"},
            (files.Scope, "when"): _REQUEST,
            (files.Scope, "to"): _BACKEND,
            (files.Requirement, "do"): {"type": "array", "items": _OBLIGATION, "minItems": 1},
            (files.Preference, "when"): _ALONE,
            (files.Ceiling, "then"): _then(groups),
            (files.InvariantEntry, "backend"): _BACKEND,
            (files.NeverEntry, "request"): _REQUEST,
            (files.NeverEntry, "backend"): _BACKEND,
            (files.AlwaysEntry, "request"): _REQUEST,
            (files.AfterEntry, "left"): _BACKEND,
            (files.AfterEntry, "enter"): _BACKEND,
            (files.TestEntry, "request"): {
                **_FACTS,
                "properties": {"model": names, "needs": several(capability, least=0)},
            },
            (files.TestEntry, "faults"): {
                "type": "object",
                "propertyNames": backend,
                "additionalProperties": {
                    "enum": [*sorted(FAULTS), *sorted(int(fault) for fault in FAULTS if fault.isdecimal())]
                },
            },
            (files.ExpectEntry, "permit"): backends,
            (files.ExpectEntry, "deny"): {
                "anyOf": [
                    backends,
                    {
                        "type": "object",
                        "propertyNames": backend,
                        "additionalProperties": {"anyOf": [rules, {"type": "array", "items": rules}, {"type": "null"}]},
                    },
                ]
            },
            (files.ExpectEntry, "permit_only"): _BACKEND,
            (files.ExpectEntry, "first"): backend,
            (files.ExpectEntry, "reason"): {"type": "string", "anyOf": [{"enum": reasons}, {"type": "string"}]},
            (files.ExceptionEntry, "rules"): {"type": "array", "items": breakable, "minItems": 1},
            (files.ExceptionEntry, "principal"): {
                **_ALONE,
                "anyOf": [{"required": [name]} for name in PRINCIPALS],
            },
            (files.ExceptionEntry, "backends"): {**backends, "minItems": 1},
        }
        return fields
