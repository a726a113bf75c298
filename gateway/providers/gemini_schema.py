"""JSON Schemas as Gemini reads them. It knows most of JSON Schema; what it does not is said in other words.

Facts: the reference of `responseJsonSchema` and `parametersJsonSchema` (v1beta, November 2026): no `const`; beside
`$ref` only names that begin with a dollar sign.
"""

from typing import cast

import msgspec
from msgspec import Raw

_SUSPECT = (b'"const"', b'"$ref"')
_SUBSCHEMAS = ("properties", "$defs", "definitions", "patternProperties")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not")


def readable(schema: Raw) -> Raw:
    """A schema that means the same: its own bytes, unless something in it must be said otherwise. One that is nested
    too deeply to be read goes as it came: Gemini takes no more than a few levels and says so."""
    if not any(word in bytes(schema) for word in _SUSPECT):
        return schema
    try:
        return Raw(msgspec.json.encode(_mended(msgspec.json.decode(schema))))
    except RecursionError:
        return schema


def _mended(schema: object) -> object:
    if not isinstance(schema, dict):
        return schema  # `true`, or nothing that is a schema
    mended: dict[str, object] = {}
    for name, value in schema.items():
        if name in _SUBSCHEMAS and isinstance(value, dict):
            mended[name] = {key: _mended(each) for key, each in value.items()}
        elif name in _LISTS and isinstance(value, list):
            mended[name] = [_mended(each) for each in value]
        elif name in _SINGLE:
            mended[name] = [_mended(each) for each in value] if isinstance(value, list) else _mended(value)
        elif name == "const":
            mended["enum"] = [value]
        else:
            mended[name] = value
    if "$ref" in mended and any(not name.startswith("$") for name in mended):
        target = {"$ref": mended.pop("$ref")}
        others = cast("list[object]", mended.get("anyOf", []))
        if not others:
            return {**mended, "anyOf": [target]}
        return {**mended, "allOf": [target]}
    return mended
