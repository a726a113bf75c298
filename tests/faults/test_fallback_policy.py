"""Fault 25: any fault at any hop of a chain of five, any label, any policy: nothing is sent that policy does not permit.

What left is held against the reference evaluator, which knows nothing of the gateway: in process for many thousands of
requests, with real connections for hundreds.
"""

import json
from pathlib import Path

import msgspec
import pytest
from support.doubles import (
    SCANNING,
    Books,
    Calls,
    Snapshots,
    Told,
    answering,
    call,
    failing,
    streaming,
)
from support.fault_house import CHAIN, FULL, LABELS, dice
from support.faults import KIND_OF
from support.policy_trees import bundle
from support.random_policies import ROWS, Random, as_backend, as_request, words_of
from support.reference import verdict
from support.upstream import delta

from gateway.adapters.books import Books as Ledgers
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.conversations import Conversations
from gateway.adapters.lanes import Lanes
from gateway.core.decision import Facts
from gateway.core.errors import Failed, FailureKind, Refused
from gateway.core.kinds import KINDS
from gateway.core.labels import LEVELS, join
from gateway.core.room import Room
from gateway.policy.decide import Eligibility
from gateway.policy.vocabulary import REQUEST
from gateway.ports import UpstreamError
from gateway.providers import DIALECTS
from gateway.relay import Relay
from gateway.surfaces import CHAT

RUNS = 50_000 if FULL else 1_000
EACH = 20
"""Requests under one policy."""
FOUND = (1149,)
"""What found something once: a newer policy that forbids the request as the pinned one has it redacted."""

SECRET = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
KIND = KINDS["secret"]
PRICE = {"input": 1, "output": 1}
CATALOG = {id: {**row, "price": PRICE, "max_output": 100} for id, row in ROWS.items()}


def lost(kind: FailureKind) -> UpstreamError:
    return UpstreamError(Failed(kind, kind.status, {"message": "m", "type": "t", "param": None, "code": kind.code}))


FAULTS = {
    "server_error": lambda: failing(500),
    "overloaded": lambda: failing(529),
    "throttled": lambda: failing(429),
    "unauthorized": lambda: failing(401),
    "broken": lambda: answering(b"<html>"),
    "unreachable": lambda: lost(FailureKind.UNREACHABLE),
    "timed_out": lambda: lost(FailureKind.TIMED_OUT),
    "broken ": lambda: streaming(delta("hi"), lost(FailureKind.BROKEN)),  # the client has begun to read
}


class House:
    """A relay with stand-ins around it, and a log of what left it."""

    def __init__(self, random, source: Random) -> None:
        self.random = random
        self.source = source
        self.rules = {}
        self.policies = Snapshots(self.another())
        self.upstreams = Calls(before=self.before)
        self.books = Books()
        self.relay = Relay(
            self.policies,
            self.upstreams,
            DIALECTS,
            self.books,
            self.books,
            Conversations(),
            LocalBudgets(Ledgers(Path("/nonexistent"))),
            SCANNING,
            Lanes(lambda *_: None),
            Room(10_000_000),
            lambda *_: None,
        )

    def another(self) -> Eligibility:
        rules = self.source.rules()
        made = Eligibility(bundle(*rules, files={"catalog/a.yaml": {"backends": CATALOG}}))
        self.rules[made] = rules
        return made

    def before(self, id: str) -> None:
        """Called as a request leaves: who asks knows what was in force then."""
        self.left.append((id, self.upstreams.sent[-1][1], self.policies.current))
        if self.random.random() < 0.05:
            self.policies.current = self.another()
        answer = self.upstreams.answers.get(id)
        if isinstance(answer, Exception):
            raise answer

    async def ask(self, number: int) -> int:
        """Sends one request, and holds each call that left against the reference. Returns how many left."""
        random, self.left = self.random, []
        pinned = self.policies.current
        caller = {
            "key": f"k{random.randrange(9)}",
            "team": random.choice(["a", "b", "c"]),
            "app": random.choice(["a", "b"]),
            "purposes": (random.choice(words_of(REQUEST["purpose"])),),
            "projects": (random.choice(["a", "b", "default"]),),
            "person": random.choice([None, *words_of(REQUEST["principal.person"])]),
        }
        floor = random.choice(LEVELS)
        hint = random.choice([None, None, *LEVELS])
        secret = random.random() < 0.3
        faults = {id: random.choice([*FAULTS, "", ""]) for id in ROWS}
        self.upstreams.answers = {id: FAULTS[fault]() for id, fault in faults.items() if fault}
        of = call(number, floor=floor, sensitivity_hint=hint)
        of = msgspec.structs.replace(of, caller=msgspec.structs.replace(of.caller, **caller))
        text = f"request {number}" + (f" with {SECRET}" if secret else "")
        body = {
            "model": "auto",
            "messages": [{"role": "user", "content": text}],
            "stream": any(fault == "broken " for fault in faults.values()) or random.random() < 0.5,
        }
        try:
            await self.relay.serve(CHAT, of, json.dumps(body).encode(), Told())
        except Refused:
            pass
        declared = join(floor, hint) if hint else floor
        before: list[str] = []
        for id, sent, newest in self.left:
            bare = SECRET in json.dumps(sent)
            label = join(declared, KIND.level) if secret and bare else declared
            facts = Facts(
                sensitivity=label,
                tags=frozenset({KIND.tag} if bare else ()),
                purpose=caller["purposes"][0],
                project=caller["projects"][0],
                team=caller["team"],
                app=caller["app"],
                key=caller["key"],
                source_sensitivity=join(declared, KIND.level) if secret else declared,
                person=caller["person"],
                redaction="done" if secret and not bare else "none",
                attempt=str(len(before) + 1),
                last_error=faults[before[-1]].strip() if before else "none",
                visited_regions=visited(before, "region"),
                visited_operators=visited(before, "operator_origin"),
            )
            for policy in {pinned, newest}:
                permits, forbids = verdict(self.rules[policy], as_request(facts), as_backend(id))
                assert permits, (self.rules[policy], facts, id)
                assert not forbids, (self.rules[policy], facts, id, forbids)
            before.append(id)
        assert len(set(before)) == len(before)
        return len(before)


def visited(before: list[str], what: str) -> frozenset[str] | None:
    places = [ROWS[id].get(what) for id in before]
    return None if None in places else frozenset(places)


@pytest.mark.assures("fault 25")
async def test_nothing_leaves_that_the_reference_does_not_permit(showed):
    calls, requests = [0] * 6, 0
    for seed in (*range(RUNS // EACH), *FOUND):
        house = House(dice(seed), Random(seed))
        for number in range(EACH):
            calls[await house.ask(number)] += 1
            requests += 1
        assert all(entry.state != "open" for entry in house.books.rows)
        assert len(house.books.rows) == len(house.books.intents)
    assert all(count >= RUNS // 250 for count in calls[:4])  # chains of several hops did come up
    left = sum(hops * count for hops, count in enumerate(calls))
    showed(f"{requests} requests, {left} calls in process", "0 that the reference does not permit")


# With real connections.

WIRE_POLICIES = 20 if FULL else 3
WIRE_REQUESTS = 200 if FULL else 60
OVER_THE_WIRE = [name for name in KIND_OF if name != "no head"]


def wire_rules(random) -> list[dict]:
    """Rules over what differs from hop to hop and from backend to backend."""
    when = [
        {"sensitivity": f"{random.choice(['>=', '<='])} {random.choice(LABELS)}"},
        {"attempt": f">= {random.randint(2, 4)}"},
        {"visited_regions": {"any": [random.choice(["eu", "us"])]}},
        {"last_error": random.choice(["overloaded", "throttled", "server_error", "broken"])},
        {},
    ]
    to = [
        {"deployment": random.choice(["self_hosted", "vendor_api"])},
        {"zone": random.choice(["inhouse", "eu-vendors", "us-vendors"])},
        {"region": random.choice(["eu", "us"])},
        {"backend": random.choice(sorted(CHAIN))},
        {},
    ]
    rules = [{"id": "base", "permit": {"when": {}, "to": {"deployment": "self_hosted"}}}]
    for number in range(4):
        effect = random.choice(["permit", "forbid"])
        scope = {"when": random.choice(when), "to": random.choice(to)}
        if effect == "forbid" and not scope["when"]:
            scope["to"] = {"backend": random.choice(sorted(CHAIN))}
        rules.append({"id": f"r{number}", effect: scope})
    return rules


@pytest.mark.assures("fault 25")
@pytest.mark.asyncio(loop_scope="session")
async def test_nothing_leaves_over_the_wire_that_the_reference_does_not_permit(gateway, showed):
    random = dice(25)
    usual, left = gateway.rules, 0
    for _ in range(WIRE_POLICIES):
        await gateway.govern(wire_rules(random))
        for _ in range(WIRE_REQUESTS):
            faults = {name: random.choice([*OVER_THE_WIRE, "none", "none"]) for name in CHAIN}
            plan = gateway.plan(streamed=random.random() < 0.5, faults=faults, words=2)
            await gateway.send(plan, "chain", label=random.choice(LABELS))
        left += len(gateway.upstream.seen)
        await gateway.agree()  # the reference is asked about each call that left
    await gateway.govern(usual)
    assert left > WIRE_POLICIES * WIRE_REQUESTS // 4
    showed(
        f"{WIRE_POLICIES * WIRE_REQUESTS} requests, {left} calls over the wire", "0 that the reference does not permit"
    )
