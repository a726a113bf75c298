"""JSON Schemas of the files of a policy tree, with the words, backends and rules that the tree has now.

They are for editors: completion, hover, and a hint while one types; `policy.parse` has the last word. Shapes come from
`policy.files`, meanings from `policy.meanings`, words from the tree itself.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from pydantic import BaseModel

from gateway.policy.meanings import meaning, models
from gateway.policy.model import Bundle
from gateway.policy.schema_fields import TOGETHER, definitions, fields
from gateway.policy.tree import KINDS

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum"}
_KEPT = frozenset({"$ref", "type", "const", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems"})
_KEPT |= {"minimum", "maximum", "exclusiveMinimum", "minProperties"}


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


def text(schema: Schema) -> str:
    """A schema as the text of a file, with a line for each definition: so that a change reads well in a diff."""
    definitions = ",\n".join(f"    {_json(name)}: {_json(each)}" for name, each in schema["$defs"].items())
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in schema.items() if key != "$defs"]
    return ",\n".join(("{\n" + lines[0], *lines[1:], '  "$defs": {\n' + definitions + "\n  }")) + "\n}\n"


class _Tree:
    def __init__(self, bundle: Bundle, providers: Iterable[str]) -> None:
        known = sorted(providers)
        self._shared = definitions(bundle, known)
        self._fields = fields(bundle, known)
        self._models = {model.__name__: model for model in models()}

    def document(self, kind: str) -> Schema:
        """The schema of a kind of file, with what it refers to."""
        made = KINDS[kind].model_json_schema()
        top = self._object(KINDS[kind], made)
        inner = {name: self._object(self._models[name], each) for name, each in made.get("$defs", {}).items()}
        known, used = self._shared | inner, set[str]()
        waiting = set(_references(top))
        while waiting - used:
            name = (waiting - used).pop()
            used.add(name)
            waiting.update(_references(known[name]))
        return {**top, "$defs": {name: known[name] for name in sorted(used)}}

    def _object(self, model: type[BaseModel], made: Schema) -> Schema:
        """The schema of a model: what pydantic says of its shape, and what only this tree can say."""
        properties = {}
        for field, shape in made["properties"].items():
            owner = next((each for each in model.__mro__ if (each, field) in self._fields), None)
            said = _plain(shape) if owner is None else self._fields[owner, field]
            properties[field] = {"description": meaning(model, field), **said}
        return {
            "description": made["description"],
            "type": "object",
            "properties": properties,
            **({"required": made["required"]} if "required" in made else {}),
            "additionalProperties": False,
            **TOGETHER.get(model, {}),
        }


def _plain(shape: Schema) -> Schema:
    """A shape as pydantic says it, without what editors have no use for. To say nothing one leaves a field out, so
    null is no value here."""
    if "anyOf" in shape:
        forms = [_plain(each) for each in shape["anyOf"] if each != {"type": "null"}]
        found: Schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
    else:
        found = {key: value for key, value in shape.items() if key in _KEPT}
    if shape.get("type") == "number":
        found |= {_NUMBER[key]: float(bound) for key, bound in shape.items() if key in _NUMBER}
    if "items" in shape:
        found["items"] = _plain(shape["items"])
    if "patternProperties" in shape:
        ((pattern, values),) = shape["patternProperties"].items()
        found |= {"propertyNames": {"pattern": pattern}, "additionalProperties": _plain(values)}
    if isinstance(shape.get("default"), str | bool):
        found["default"] = shape["default"]
    return found


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _references(part: object) -> Iterator[str]:
    """The definitions that a part refers to."""
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            yield reference.removeprefix("#/$defs/")
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _references(each)
