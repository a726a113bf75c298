"""Whether an answer is by the model that was asked, going by the name that it says."""

import re
from functools import lru_cache

_VERSION = re.compile(r"(?:[-@:_](?:\d{2,8}|v\d{1,3}|latest|preview|exp|beta))*\Z")
"""What a provider adds to a name for a state of it: a date, a number, `latest`."""


@lru_cache(maxsize=1024)  # few names come again and again
def is_other(asked: str, reported: str | None) -> bool:
    """Whether the reported name is of another model. None: it says none. Folders before a name do not count, nor do
    dates and numbers after it, whichever of the two has them."""
    if not reported or reported == asked:
        return False
    one, other = _base(asked), _base(reported)
    return not (_extends(one, other) or _extends(other, one))


def _extends(name: str, longer: str) -> bool:
    return longer.startswith(name) and _VERSION.match(longer[len(name) :]) is not None


def _base(name: str) -> str:
    """A name as it is compared."""
    base = name.rsplit("/", 1)[-1].lower()
    return re.sub(r"-(?:latest|preview)\Z", "", base)
