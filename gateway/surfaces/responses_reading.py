"""Reads parts of a Responses request into typed values. Its errors name the client's own field, never a value."""

from typing import TypeVar

import msgspec
from msgspec import Raw

from gateway.core.chat import wrong_type
from gateway.core.errors import Refusal, Refused

ABSENT = Raw(b"")
"""A member that is not there."""

T = TypeVar("T")


def read(decoder: msgspec.json.Decoder[T], raw: bytes | Raw, where: str = "") -> T:
    """The value in some JSON that stands at a path of the body (empty: it is the body). Raises Refused (400)."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(str(error), where) from None
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
