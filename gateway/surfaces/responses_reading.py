"""Reads parts of a Responses request into typed values. Its errors name the client's own field, never a value."""

import re
from typing import TypeVar

import msgspec
from msgspec import Raw

from gateway.core.errors import Refusal, Refused

ABSENT = Raw(b"")
"""A member that is not there."""

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<name>\w+)`")

T = TypeVar("T")


def read(decoder: msgspec.json.Decoder[T], raw: bytes | Raw, where: str = "") -> T:
    """The value in some JSON that stands at a path of the body (empty: it is the body). Raises Refused (400)."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error), where) from None
    except msgspec.DecodeError as error:
        raise Refused(Refusal.INVALID_JSON, f"the request body is not valid JSON: {error}") from None
    except UnicodeDecodeError:
        raise Refused(Refusal.INVALID_JSON, "the request body is not valid UTF-8") from None
    except RecursionError:
        raise Refused(Refusal.INVALID_JSON, "the request body is nested too deeply") from None


def missing(path: str) -> Refused:
    """The refusal for a field that has to be there."""
    return Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{path}`", param=path)


def present(raw: Raw | None) -> bool:
    """Whether a member says something: null means unset."""
    return raw is not None and bytes(raw) not in (b"", b"null")


def _wrong_type(problem: str, where: str) -> Refused:
    match = _AT.match(problem)
    what, inside = (match["what"], match["path"] or "") if match else (problem, "")
    path = f"{where}{inside}" if inside.startswith("[") else f"{where}.{inside}".strip(".")
    if absent := _MISSING.search(what):
        return missing(f"{path}.{absent['name']}".lstrip("."))
    what = f"{what[:1].lower()}{what[1:]}"
    if not path:
        return Refused(Refusal.INVALID_TYPE, f"the request body is no Responses request: {what}")
    return Refused(Refusal.INVALID_TYPE, f"invalid `{path}`: {what}", param=path)
