"""Suspension by order: a backend that is off at once, whatever the tree says of it."""

import hashlib
from collections.abc import Iterable

import msgspec

from gateway.policy.document import Mark
from gateway.policy.model import Atom, Bundle, Rule

STATUS = "suspended"
RULE = "(suspended)"
"""The id of the rule that a suspension adds. No file can give it to a rule, so no exception can name it."""

_HERE = Mark("the state directory")


def suspended(bundle: Bundle, ids: Iterable[str]) -> Bundle:
    """The bundle while these backends are suspended; ids that it does not have change nothing.

    Their passports say so, hence the tree's own rules apply, substitutes included. A further rule forbids them, so that
    a suspension also holds where no rule asks for the status, and loosens nothing where one permits it.
    """
    off = frozenset(ids) & {backend.id for backend in bundle.backends}
    if not off:
        return bundle
    named = ", ".join(sorted(off))
    rule = Rule(
        id=RULE,
        effect="forbid",
        when=(),
        to=(Atom("backend", "backend", "in", off, f"backend is {named}", _HERE),),
        why="Suspended by order of the gateway's operator.",
        policy="",
        owner="",
        mark=_HERE,
    )
    return msgspec.structs.replace(
        bundle,
        digest=f"{bundle.digest}+{hashlib.sha256(named.encode()).hexdigest()[:6]}",
        backends=tuple(
            msgspec.structs.replace(backend, passport=backend.passport | {"status": STATUS})
            if backend.id in off
            else backend
            for backend in bundle.backends
        ),
        rules=(*bundle.rules, rule),
        reach={(label, id): reached and id not in off for (label, id), reached in bundle.reach.items()},
    )
