"""What a parsed tree must show before it is in force: its proofs hold and its tests pass."""

from gateway.policy.document import Problem
from gateway.policy.model import Bundle
from gateway.policy.prove import prove
from gateway.review import cases, proofs

STEPS = 20_000
"""Search steps that all proofs of a tree may take together: they stand for 5 seconds, since this room reads no clock.
A step takes 0.3 ms at 500 rules and 100 backends, a tenth of that at 20 rules; most trees take a few hundred."""


def check(bundle: Bundle) -> tuple[Problem, ...]:
    """What the invariants and tests of a tree say of it. Errors keep it from loading; the rest is worth knowing.

    The server at start, a reload and the command line ask this one function.
    """
    return tuple(sorted((*proofs.problems(prove(bundle, STEPS)), *cases.problems(bundle))))
