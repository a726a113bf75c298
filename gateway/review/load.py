"""What a parsed tree must show before it is in force: its proofs hold and its tests pass."""

from collections.abc import Iterable, Iterator

import msgspec

from gateway.policy.document import Problem
from gateway.policy.model import Bundle
from gateway.policy.prove import Proof, prove
from gateway.policy.reach import reach
from gateway.review import cases, proofs, specimens
from gateway.review.lock import NAME, Lock, why_not

STEPS = 20_000
"""Search steps that all proofs of a tree may take together: they stand for 5 seconds, since this room reads no clock.
A step takes 0.3 ms at 500 rules and 100 backends, a tenth of that at 20 rules; most trees take a few hundred."""


REACH_STEPS = 5_000
"""Search steps for finding out who may be reached at all: it serves a display, so it may take less."""


def reached(bundle: Bundle) -> Bundle:
    """The bundle with what can be said of whom requests of each label may reach."""
    return msgspec.structs.replace(bundle, reach=reach(bundle, REACH_STEPS))


def check(bundle: Bundle, lock: Lock | None = None) -> tuple[Problem, ...]:
    """What invariants, tests and examples say of their tree. Errors keep it from loading; the rest is worth knowing.

    An invariant that is not decided within `STEPS` is an error, unless `lock` is this tree's and says that it holds.
    The server at start, a reload and the command line ask this one function.
    """
    shown = (*cases.problems(bundle), *specimens.problems(bundle))
    return tuple(sorted((*_proved(bundle, prove(bundle, STEPS), lock), *shown)))


def _proved(bundle: Bundle, found: Iterable[Proof], lock: Lock | None) -> Iterator[Problem]:
    reason = "" if lock is None else why_not(lock, bundle)
    for proof in found:
        for problem in proofs.problems([proof]):
            if proof.holds is not None or lock is None:
                yield problem
            elif reason:
                yield msgspec.structs.replace(problem, message=f"{problem.message}; {reason}")
            elif proof.invariant.id in lock.verdicts:
                said = f"{problem.message}; {NAME} says that it holds"
                yield msgspec.structs.replace(problem, message=said, severity="info")
            else:
                yield problem
