"""policy.lock: what CI has proved of a tree, for a gateway that may not take as long over it.

It is data like any other in the tree, so it never outweighs a proof: it is asked only where one came to no end.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from gateway import __version__
from gateway.core.catalog import PASSPORT, Backend
from gateway.policy.document import Document, Mark, Problem
from gateway.policy.model import Bundle

NAME = "policy.lock"
"""What it is called, beside the files of a tree. It is none of them, so their digest does not change with it."""

_HEAD = """\
# Written by `gateway policy prove --lock`; do not edit. It counts for the tree with this digest, and for no other.
"""

_Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
_Version = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z.+-]{1,40}\Z")]


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verdicts on a tree's invariants, by their ids: all of them hold, or there is no lock.

    `digest` is the tree's, `gateway` the version that proved them. `facts` is the digest of what its backends were:
    a status may begin with a day, in the same bytes.
    """

    digest: _Digest
    facts: _Digest
    gateway: _Version
    verdicts: dict[str, Literal["holds"]]


def lock_of(bundle: Bundle, held: Iterable[str]) -> Lock:
    """The lock for a tree, of whose invariants these were proved to hold."""
    return Lock(bundle.digest, _facts(bundle.backends), __version__, dict.fromkeys(held, "holds"))


def why_not(lock: Lock, bundle: Bundle) -> str:
    """Why the verdicts of a lock say nothing of a tree; empty: they do."""
    if lock.digest != bundle.digest:
        return f"{NAME} is for digest {lock.digest}, this is {bundle.digest} (with the extra catalog, if any)"
    if lock.facts != _facts(bundle.backends):
        return f"a status has begun since {NAME} was written"
    if lock.gateway != __version__:
        return f"{NAME} was written by gateway {lock.gateway}, this is {__version__}"
    return ""


def parse(file: str, raw: bytes) -> tuple[Lock | None, tuple[Problem, ...]]:
    """The lock in a file; or None, and what is odd about it."""
    document = Document(file, raw)
    if document.problems:
        first = min(document.problems)
        return None, (odd(first.mark, first.message),)
    try:
        return msgspec.convert(document.data, Lock), ()
    except msgspec.ValidationError as error:
        return None, (odd(Mark(file), str(error)),)


def odd(mark: Mark, why: str) -> Problem:
    """The warning that a lock is as if it were not there."""
    return Problem(mark, "P305", f"{NAME} does not count: {why}", "warning")


def text(lock: Lock) -> str:
    """The lock as a file: YAML, in one form only."""
    lines = [f"{name}: {json.dumps(getattr(lock, name))}" for name in ("digest", "facts", "gateway")]
    verdicts = [f"  {json.dumps(id)}: {verdict}" for id, verdict in sorted(lock.verdicts.items())]
    return "\n".join([_HEAD.rstrip(), *lines, "verdicts:" if verdicts else "verdicts: {}", *verdicts, ""])


def _facts(backends: Iterable[Backend]) -> str:
    """The digest of what is known of backends."""
    total = hashlib.sha256()
    for backend in sorted(backends, key=lambda each: each.id):
        facts = [(name, backend.fact(name)) for name in PASSPORT]
        written = [(name, sorted(value) if isinstance(value, frozenset) else value) for name, value in facts]
        total.update(msgspec.json.encode((backend.id, written)) + b"\n")
    return total.hexdigest()[:16]
