"""The right to send one call to one backend. Without one, no connection carries content."""

from gateway.core.catalog import Backend
from gateway.core.decision import Candidate, Decision, Obligation, Ruling
from gateway.core.fallback import Attempt

_MINT = object()


class Permit:
    """For exactly this request, hop and candidate, under exactly this policy, and for one call. Made by `mint` only.

    Breaking one of its rules is a bug of ours, so it raises RuntimeError, which nothing catches on the way.
    """

    __slots__ = ("_spent", "candidate", "hop", "policy_digest", "request_id", "sent")

    def __init__(self, mint: object, request_id: str, policy_digest: str, hop: int, candidate: Candidate) -> None:
        if mint is not _MINT:
            raise RuntimeError("a permit is minted from a decision, never made")
        self.request_id = request_id
        self.policy_digest = policy_digest
        self.hop = hop
        self.candidate = candidate
        self._spent = False
        self.sent = False  # some of the call may have reached the backend

    @property
    def backend(self) -> Backend:
        """Whom the call may be sent to."""
        return self.candidate.backend

    def spend(self) -> Backend:
        """The backend to call, once. Raises RuntimeError when it is spent already."""
        if self._spent:
            raise RuntimeError(f"the permit of {self.request_id} for call {self.hop} is spent")
        self._spent = True
        return self.candidate.backend


def mint(request_id: str, decision: Decision, attempt: Attempt, pinned: Ruling, newest: Ruling) -> Permit:
    """The permit for an attempt that is the decision's own and that both rulings permit as it is going to be sent.

    Raises RuntimeError for any other: whoever asks for one must know already that it is permitted.
    """
    candidate = attempt.candidate
    if decision.candidates[attempt.hop - 1 : attempt.hop] != (candidate,):
        raise RuntimeError(f"`{candidate.backend.id}` is not what was decided for call {attempt.hop} of {request_id}")
    for ruling in (pinned,) if newest is pinned else (pinned, newest):
        verdict = ruling.verdicts.get(candidate.backend.id)
        if verdict is None or not verdict.permitted:
            raise RuntimeError(f"`{candidate.backend.id}` is not permitted for {request_id}")
        if verdict.do is not candidate.do and not covers(candidate.do, verdict.do):
            raise RuntimeError(f"`{candidate.backend.id}` is permitted for {request_id} only with more done before")
    return Permit(_MINT, request_id, decision.policy_digest, attempt.hop, candidate)


def covers(do: tuple[Obligation, ...], due: tuple[Obligation, ...]) -> bool:
    """Whether all that is due is done."""
    return all(_covers(do, each) for each in due)


def _covers(do: tuple[Obligation, ...], due: Obligation) -> bool:
    return any(done.name == due.name and done.amount <= due.amount and {*done.tags} >= {*due.tags} for done in do)
