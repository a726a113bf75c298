"""Tests of a policy tree: each case is decided by the same functions as a request, and compared with what it expects.

No backend is called: a case says which ones would fail, and how, and what was spent before. The keys and the ledger of
this machine play no part.
"""

from collections.abc import Iterable

import msgspec

from gateway.core.bound import bound
from gateway.core.catalog import Backend
from gateway.core.chat import Demand
from gateway.core.decision import Decision, Facts
from gateway.core.discharge import demanded
from gateway.core.errors import Failed, FailureKind, Refusal
from gateway.core.fallback import Attempt, after, given_up, next_step
from gateway.policy.decide import Eligibility
from gateway.policy.document import Problem
from gateway.policy.model import Bundle, Case, of_backend
from gateway.review.spending import Purse, spender_of
from gateway.routing.plan import exhausted, plan, planned_again, refusal

_BY_STATUS = {
    401: FailureKind.UNAUTHORIZED,
    402: FailureKind.NO_CREDIT,
    403: FailureKind.UNAUTHORIZED,
    408: FailureKind.TIMED_OUT,
    413: FailureKind.TOO_LARGE,
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
    that the policy was asked about, hop by hop. `watched` are the rules on trial that would have fired, at some backend
    behind the model's name, and `firing` those in force that did.
    """

    order: tuple[str, ...]
    denied: dict[str, tuple[str, ...]]
    out: dict[str, str]
    http: int
    reason: str
    hops: int
    sent_outside: int
    asked: tuple[Facts, ...]
    called: tuple[str, ...] = ()
    watched: frozenset[str] = frozenset()
    firing: frozenset[str] = frozenset()

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
    return tuple(problem(case, said) for case in bundle.cases for said in run(bundle, case, policy))


def problem(case: Case, difference: str) -> Problem:
    """One thing that does not come out as a case expects."""
    return Problem(case.mark, "P401", f"test `{case.name}`: {difference}")


def run(bundle: Bundle, case: Case, policy: Eligibility | None = None) -> tuple[str, ...]:
    """What does not come out as expected, a line each; empty: passed.

    `policy` is the bundle ready to be asked: whoever runs many cases makes it once.
    """
    return differences(bundle, case, outcome(bundle, case, policy))


def outcome(bundle: Bundle, case: Case, policy: Eligibility | None = None) -> Outcome:
    """What comes of a case: who may be asked, and what the client sees once backends fail as the case says."""
    policy = policy or Eligibility(bundle)
    verdicts = policy.ask(case.facts, case.at or 0.0).verdicts
    denied = {id: verdict.forbids for id, verdict in verdicts.items() if not verdict.permitted}
    if case.model not in policy.names:
        return Outcome(
            (), denied, {}, Refusal.MODEL_NOT_FOUND.status, Refusal.MODEL_NOT_FOUND.code, 0, 0, (case.facts,)
        )
    decision = _decide(policy, case, case.facts)
    sent = _send(policy, case, decision)
    behind = [verdicts[backend.id] for backend in policy.names[case.model]]
    return Outcome(
        order=tuple(candidate.backend.id for candidate in decision.candidates),
        denied=denied,
        out={each.backend: each.reason for each in decision.excluded if each.backend not in denied},
        http=sent.http,
        reason=sent.reason,
        hops=len(sent.called),
        sent_outside=sum(backend.fact("deployment") != "self_hosted" for backend in sent.called),
        asked=sent.asked,
        called=tuple(backend.id for backend in sent.called),
        watched=sent.watched.union(*(verdict.watched for verdict in behind)),
        firing=sent.firing.union(*(verdict.permits + verdict.forbids for verdict in behind)),
    )


def _demand(case: Case) -> Demand:
    return Demand(case.needs, input_bytes=0, messages=1, output_limit=None, choices=1)


def _decide(policy: Eligibility, case: Case, facts: Facts, name: str | None = None) -> Decision:
    requested = name or case.model
    return plan(
        id="dec-test",
        digest=policy.digest,
        requested=requested,
        backends=policy.names[requested],
        ruling=policy.ask(facts, case.at or 0.0),
        demand=_demand(case),
        not_offered={},
    )


class _Sent(msgspec.Struct, frozen=True):
    """What the client sees, the backends that were called, the facts of each hop, and limits that had no room: those on
    trial (`watched`) and those in force (`firing`)."""

    http: int
    reason: str
    called: tuple[Backend, ...]
    asked: tuple[Facts, ...]
    watched: frozenset[str]
    firing: frozenset[str]


def _send(policy: Eligibility, case: Case, decision: Decision) -> _Sent:
    """Goes along the plan as `relay` does. After a failure the request is planned again, since what happened is a fact
    that rules may ask; beyond a limit the alias that it downgrades to takes the place of the name."""
    called: tuple[Backend, ...] = ()
    failures: tuple[Failed, ...] = ()
    asked: tuple[Facts, ...] = (case.facts,)
    purse, moment = Purse(policy.limits, case.spent), case.at or 0.0
    name, exempt = case.model, None
    watched, firing = set[str](), set[str]()

    def sent(http: int, reason: str) -> _Sent:
        return _Sent(http, reason, called, asked, frozenset(watched), frozenset(firing))

    while isinstance(step := next_step(decision, failures), Attempt):
        backend = step.candidate.backend
        demand = demanded(_demand(case), step.candidate.do)
        room = purse.room(spender_of(asked[-1], backend), bound(backend, demand).least, moment, exempt)
        watched.update(room.watched)
        if (full := room.full) is not None:
            firing.add(full.limit.rule)
            if exempt is None and (alias := full.limit.terms.downgrade):
                name, exempt = alias, full.limit.id
                decision = planned_again(decision, len(failures), _decide(policy, case, asked[-1], name))
                if any(candidate.backend.id == backend.id for candidate in decision.candidates):
                    continue
            decision = exhausted(decision, backend, full, moment)
            continue
        called += (backend,)
        if backend.id not in case.faults:
            return sent(200, "")
        failures += (_failed(case.faults[backend.id]),)
        asked += (after(asked[-1], backend, failures[-1]),)
        decision = planned_again(decision, len(failures), _decide(policy, case, asked[-1], name))
    told = refusal(decision).refusal if not failures else given_up(decision, failures)
    return sent(told.status, told.code)


def _failed(fault: str) -> Failed:
    """A failure as a case writes it: a status, the code of a kind, or `timeout`."""
    if fault in _BY_CODE:
        return Failed(_BY_CODE[fault], _BY_CODE[fault].status, {})
    status = int(fault)
    kind = _BY_STATUS.get(status) or (FailureKind.SERVER_ERROR if status >= 500 else FailureKind.REJECTED)
    return Failed(kind, kind.status if kind in _OUR_AFFAIR else status, {})


def differences(bundle: Bundle, case: Case, came: Outcome) -> tuple[str, ...]:
    """What an outcome has other than its case expects, a line each."""
    expect = case.expect
    found = []
    if expect.permit is not None:
        if more := sorted(came.permitted - expect.permit):
            found.append(f"{_named(more)} may be asked, which is not expected")
        found += [f"`{id}` may not be asked: {_why(came, id)}" for id in sorted(expect.permit - came.permitted)]
    for id, rules in (expect.deny or {}).items():
        if id not in came.denied:
            out = f" (it {came.out[id]})" if id in came.out else ""
            found.append(f"`{id}` is permitted by the policy; expected: denied{out}")
        elif missing := sorted(rules - set(came.denied[id])):
            found.append(f"`{id}` is denied, but not by {_named(missing)}: {_why(came, id)}")
    for atom in expect.permit_only:
        others = [b.id for b in bundle.backends if b.id in came.permitted and of_backend(atom, b) is not True]
        if others:
            found.append(f"{_named(others)} may be asked; expected only: {atom.text}")
    if expect.first is not None and came.called[:1] != (expect.first,):
        found.append(f"`{expect.first}` is not the first: {', '.join(came.order) or 'nobody may be asked'}")
    if expect.watch is not None:
        if more := sorted(came.watched - expect.watch):
            found.append(f"on trial {_named(more)} would fire, which is not expected")
        if missing := sorted(expect.watch - came.watched - came.firing):
            found.append(f"{_named(missing)} would not fire")
    for name in ("decision", "http", "reason", "hops", "sent_outside"):
        expected, here = getattr(expect, name), getattr(came, name)
        if expected is not None and here != expected:
            found.append(f"{name} is {'none' if here == '' else here}; expected: {expected}")
    return tuple(found)


def _named(ids: Iterable[str]) -> str:
    return ", ".join(f"`{id}`" for id in ids)


def _why(came: Outcome, id: str) -> str:
    if id in came.denied:
        rules = came.denied[id]
        return f"forbidden by {_named(rules)}" if rules else "no rule permits it"
    return came.out.get(id, "the model's name does not stand for it")
