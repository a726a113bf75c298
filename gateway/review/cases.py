"""Tests of a policy tree: each case is decided by the same functions as a request, and compared with what it expects.

No backend is called: a case says which ones would fail, and how. Keys and limits of this machine play no part.
"""

import msgspec

from gateway.core.catalog import Backend
from gateway.core.chat import ChatRequest, Message, View
from gateway.core.decision import Decision, Facts
from gateway.core.errors import Failed, FailureKind, Refusal
from gateway.core.fallback import Attempt, next_step
from gateway.policy.decide import Eligibility
from gateway.policy.document import Problem
from gateway.policy.model import Bundle, Case, every, of_backend
from gateway.routing.plan import plan, refusal, without

_BY_STATUS = {
    401: FailureKind.UNAUTHORIZED,
    402: FailureKind.NO_CREDIT,
    403: FailureKind.UNAUTHORIZED,
    408: FailureKind.TIMED_OUT,
    429: FailureKind.THROTTLED,
    503: FailureKind.OVERLOADED,
    504: FailureKind.TIMED_OUT,
    529: FailureKind.OVERLOADED,
}
_BY_CODE = {kind.code: kind for kind in FailureKind} | {"timeout": FailureKind.TIMED_OUT}
_OUR_AFFAIR = (FailureKind.UNAUTHORIZED, FailureKind.NO_CREDIT)


class Outcome(msgspec.Struct, frozen=True):
    """What comes of a case.

    `order` are the ids of the backends that may be asked, first to last. `denied` are those whom the policy denies,
    whatever model was named, with the forbids that fire (none: no rule permits it). `out` says why the others behind
    the model's name are not asked. `http` and `reason` are what the client sees; `reason` is empty when it is served.
    `hops` are the calls made, `sent_outside` those of them to backends that are not self-hosted. `asked` are the facts
    that the policy was asked about, hop by hop.
    """

    order: tuple[str, ...]
    denied: dict[str, tuple[str, ...]]
    out: dict[str, str]
    http: int
    reason: str
    hops: int
    sent_outside: int
    asked: tuple[Facts, ...]

    @property
    def permitted(self) -> frozenset[str]:
        """Everyone who may be asked."""
        return frozenset(self.order)

    @property
    def decision(self) -> str:
        """`permit` when somebody serves the request, else `deny`."""
        return "deny" if self.reason else "permit"


def problems(bundle: Bundle) -> tuple[Problem, ...]:
    """P401 for everything that does not come out as a case expects, at the case's place."""
    policy = Eligibility(bundle)
    return tuple(
        Problem(case.mark, "P401", f"test `{case.name}`: {difference}")
        for case in bundle.cases
        for difference in run(bundle, case, policy)
    )


def run(bundle: Bundle, case: Case, policy: Eligibility | None = None) -> tuple[str, ...]:
    """What does not come out as expected, a line each; empty: passed.

    `policy` is the bundle ready to be asked: whoever runs many cases makes it once.
    """
    return differences(bundle, case, outcome(bundle, case, policy))


def outcome(bundle: Bundle, case: Case, policy: Eligibility | None = None) -> Outcome:
    """What comes of a case: who may be asked, and what the client sees once backends fail as the case says."""
    policy = policy or Eligibility(bundle)
    moment = case.at or 0.0
    ruling = policy.ask(case.facts, moment)
    denied = {id: verdict.forbids for id, verdict in ruling.verdicts.items() if not verdict.permitted}
    if case.model not in policy.names:
        return Outcome(
            (), denied, {}, Refusal.MODEL_NOT_FOUND.status, Refusal.MODEL_NOT_FOUND.code, 0, 0, (case.facts,)
        )
    decision = plan(
        id="dec-test",
        digest=bundle.digest,
        requested=case.model,
        backends=policy.names[case.model],
        ruling=ruling,
        chat=_chat(case),
        not_offered={},
    )
    http, reason, called, asked = _sent(policy, case, decision)
    return Outcome(
        order=tuple(candidate.backend.id for candidate in decision.candidates),
        denied=denied,
        out={each.backend: each.reason for each in decision.excluded if each.by != "policy"},
        http=http,
        reason=reason,
        hops=len(called),
        sent_outside=sum(backend.fact("deployment") != "self_hosted" for backend in called),
        asked=asked,
    )


def _chat(case: Case) -> ChatRequest:
    return ChatRequest({}, View(case.model, [Message("user", "")]), case.needs, 0)


def _sent(policy: Eligibility, case: Case, decision: Decision) -> tuple[int, str, list[Backend], tuple[Facts, ...]]:
    """The status and reason that the client sees, the backends called on the way, and the facts of each hop. Every hop
    is decided again, since what happened before it is a fact that rules may ask."""
    called: list[Backend] = []
    failures: tuple[Failed, ...] = ()
    facts = case.facts
    asked = [facts]
    while isinstance(step := next_step(decision, failures), Attempt):
        backend = step.candidate.backend
        if facts is not asked[-1]:
            asked.append(facts)
        verdict = policy.ask(facts, case.at or 0.0).verdicts[backend.id]
        if not verdict.permitted:
            decision = without(decision, backend, verdict)
            continue
        called.append(backend)
        if backend.id not in case.faults:
            return 200, "", called, tuple(asked)
        failed = _failed(case.faults[backend.id])
        failures += (failed,)
        facts = _after(facts, backend, failed)
    if not failures:
        refused = refusal(decision).refusal
        return refused.status, refused.code, called, tuple(asked)
    return *_given_up(failures), called, tuple(asked)


def _failed(fault: str) -> Failed:
    """A failure as a case writes it: a status, the code of a kind, or `timeout`."""
    if fault in _BY_CODE:
        return Failed(_BY_CODE[fault], _BY_CODE[fault].status, {})
    status = int(fault)
    kind = _BY_STATUS.get(status) or (FailureKind.SERVER_ERROR if status >= 500 else FailureKind.REJECTED)
    return Failed(kind, kind.status if kind in _OUR_AFFAIR else status, {})


def _after(facts: Facts, backend: Backend, failed: Failed) -> Facts:
    """The facts of the next hop."""
    region, operator = backend.fact("region"), backend.fact("operator_origin")
    return msgspec.structs.replace(
        facts,
        attempt=None if facts.attempt is None else str(int(facts.attempt) + 1),
        last_error=failed.kind.code,
        visited_regions=_with(facts.visited_regions, region),
        visited_operators=_with(facts.visited_operators, operator),
    )


def _with(visited: frozenset[str] | None, place: str | frozenset[str] | None) -> frozenset[str] | None:
    """The places visited, and one more. Once it was to a place that nobody declared, nobody knows them."""
    return visited | {place} if visited is not None and isinstance(place, str) else None


def _given_up(failures: tuple[Failed, ...]) -> tuple[int, str]:
    """The status and code for the client: of a single failure as it came, of several what they have in common."""
    last = failures[-1]
    several = len(failures) > 1 and last.kind.may_fall_back and last.kind is not FailureKind.CONTEXT_TOO_LONG
    if several and {failed.kind for failed in failures} != {FailureKind.THROTTLED}:
        return Refusal.NO_BACKEND.status, Refusal.NO_BACKEND.code
    return last.status, last.kind.code


def differences(bundle: Bundle, case: Case, came: Outcome) -> tuple[str, ...]:
    """What an outcome has other than its case expects, a line each."""
    expect = case.expect
    found = []
    if expect.permit is not None and came.permitted != expect.permit:
        found += [f"`{id}` may be asked, which is not expected" for id in sorted(came.permitted - expect.permit)]
        found += [f"`{id}` may not be asked: {_why(came, id)}" for id in sorted(expect.permit - came.permitted)]
    for id, rules in (expect.deny or {}).items():
        if id not in came.denied:
            out = f" (it {came.out[id]})" if id in came.out else ""
            found.append(f"`{id}` is permitted by the policy; expected: denied{out}")
        elif missing := sorted(rules - set(came.denied[id])):
            named = ", ".join(f"`{rule}`" for rule in missing)
            found.append(f"`{id}` is denied, but not by {named}: {_why(came, id)}")
    for backend in bundle.backends:
        odd = [atom for atom in expect.permit_only if every([of_backend(atom, backend)]) is not True]
        if backend.id in came.permitted and odd:
            found.append(f"`{backend.id}` may be asked; expected only: {', '.join(atom.text for atom in odd)}")
    if expect.first is not None and came.order[:1] != (expect.first,):
        found.append(f"`{expect.first}` is not the first: {', '.join(came.order) or 'nobody may be asked'}")
    for name in ("decision", "http", "reason", "hops", "sent_outside"):
        expected, here = getattr(expect, name), getattr(came, name)
        if expected is not None and here != expected:
            found.append(f"{name} is {'none' if here == '' else here}; expected: {expected}")
    return tuple(found)


def _why(came: Outcome, id: str) -> str:
    if id in came.denied:
        rules = came.denied[id]
        return f"forbidden by {', '.join(f'`{rule}`' for rule in rules)}" if rules else "no rule permits it"
    return came.out.get(id, "the model's name does not stand for it")
