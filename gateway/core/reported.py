"""Whether an answer is by the model that was asked, going by the name that it says."""

import re
from functools import lru_cache

from gateway.core.catalog import Backend

_VERSION = re.compile(r"(?:[-@:_](?:\d{2,8}|v\d{1,3}|latest|preview|exp|beta))*\Z")
"""What a provider adds to a name for a state of it: a date, a number, `latest`."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}\Z")
NO_NAME = "(no name)"
"""Stands for what is no name of a model: it is not repeated, since a backend may say anything there."""


def other_name(backend: Backend, reported: str | None) -> str:
    """The name of another model that an answer of a backend says it is by, as it may be recorded; empty: it is by the
    model that was asked, or says nothing.

    The names that its row lists (`reports_as`) are the model's own.
    """
    if not reported or reported == backend.model:
        return ""
    return _other_name(backend.model, backend.reports_as, reported) if _NAME.match(reported) else NO_NAME


@lru_cache(1024)
def _other_name(asked: str, also: tuple[str, ...], reported: str) -> str:
    return reported if all(is_other(each, reported) for each in (asked, *also)) else ""


def is_other(asked: str, reported: str) -> bool:
    """Whether the reported name is of another model. Folders before a name do not count, nor do dates and numbers after
    it, whichever of the two has them."""
    if reported == asked:
        return False
    one, other = _base(asked), _base(reported)
    return not (_extends(one, other) or _extends(other, one))


def _extends(name: str, longer: str) -> bool:
    return longer.startswith(name) and _VERSION.match(longer[len(name) :]) is not None


def _base(name: str) -> str:
    """A name as it is compared."""
    base = name.rsplit("/", 1)[-1].lower()
    return re.sub(r"-(?:latest|preview)\Z", "", base)
