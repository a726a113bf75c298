"""Commands in any order, beside a model of what they mean: after each of them every request is answered as it says.

The gateway is a whole one but for its sockets, in this process: what a server does four times a second is done here after
each command.
"""

import asyncio
import contextlib
import json
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from support.doubles import Told
from support.server import ROOT, backend
from support.upstream import OK, Upstream, answer
from typer.testing import CliRunner

from gateway.adapters.books import Books
from gateway.adapters.keys import Keys
from gateway.app import Gateway
from gateway.cli import app as commands
from gateway.core.bound import bound
from gateway.core.chat import parse
from gateway.core.errors import Refused
from gateway.core.record import Call
from gateway.http.callers import authenticate
from gateway.settings import Settings
from gateway.surfaces import CHAT

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
EXAMPLES, STEPS = (2000, 50) if FULL else (5, 12)
PRICE = {"input": 1, "output": 1}
COST = 15_000_000
"""Pico-USD of a call, as the upstream's usage has it."""
INVARIANTS = """\
invariants:
  - id: stays-home
    over: any_backend
    never: {request: {sensitivity: ">= public"}, backend: {deployment: {not: self_hosted}}}
"""
HEAD = """\
policy: base
owner: me
rules:
  - {id: own, permit: {to: {deployment: self_hosted}}}
  - {id: off, forbid: {to: {status: [suspended, retired]}}}
"""
GOOD = {
    "all": HEAD,
    "no red": HEAD + "  - {id: no-red, forbid: {when: {team: red}}}\n",
    "no b": HEAD + "  - {id: no-b, forbid: {to: {backend: b}}}\n",
    "none": HEAD + "  - {id: none, forbid: {}}\n",
}
BAD = {
    "no YAML": HEAD + "  - [\n",
    "no such word": HEAD + "  - {id: x, forbid: {when: {taem: red}}}\n",
    "a promise broken": HEAD + "  - {id: x, permit: {to: {deployment: vendor_api}}}\n",
    "nothing": "",
}


class Whole:
    """A gateway that runs, and its commands."""

    def __init__(self, directory: Path, upstream: Upstream) -> None:
        self.tree, extra = directory / "tree", directory / "extra"
        (self.tree / "policies").mkdir(parents=True)
        extra.mkdir()
        catalog = {name: backend(upstream.url(name), price=PRICE, max_output=1000) for name in "ab"}
        (extra / "test.yaml").write_text(json.dumps({"backends": catalog}))
        (self.tree / "vocabulary.yaml").write_text((ROOT / "routing_policies" / "vocabulary.yaml").read_text())
        (self.tree / "invariants.yaml").write_text(INVARIANTS)
        self.write(GOOD["all"])
        self.upstream, self.state, self._numbers = upstream, directory / "state", 0
        self.environment = {
            "GATEWAY_STATE_DIR": str(self.state),
            "GATEWAY_POLICIES": str(self.tree),
            "GATEWAY_EXTRA_CATALOG": str(extra),
        }
        self.gateway = Gateway(Settings(state_dir=self.state, policies=self.tree, extra_catalog=extra))
        self.loop = asyncio.new_event_loop()
        self._lifespan = self.gateway._lifespan(None)
        self.loop.run_until_complete(self._lifespan.__aenter__())
        policy = self.gateway.policies.current
        most = [bound(row, parse(json.dumps(self.body("a")).encode()).demand).most for row in policy.bundle.backends]
        self.most = max(most)

    def body(self, model: str) -> dict:
        return {"model": model, "messages": [{"role": "user", "content": "x" * 30}], "max_tokens": 10}

    def close(self) -> None:
        self.loop.run_until_complete(self._lifespan.__aexit__(None, None, None))
        self.loop.close()

    def command(self, *words: str, code: int = 0) -> str:
        """Runs a command, and has the gateway look at what it did."""
        done = CliRunner().invoke(commands, words, env=self.environment)
        assert done.exit_code == code, (words, done.output)
        self.follow()
        return done.stdout

    def follow(self) -> None:
        async def look() -> None:
            gateway = self.gateway
            await gateway.orders.follow()
            await gateway.spending.follow(gateway.policies.current, lambda: gateway.policies.current)
            gateway.agreed.put_in_force()

        self.loop.run_until_complete(look())

    def write(self, text: str) -> None:
        other = self.tree / "being-written"
        other.write_text(text)
        other.replace(self.tree / "policies" / "base.yaml")

    def reload(self, text: str) -> bool:
        """Whether a policy came into force."""
        self.write(text)
        self.loop.run_until_complete(self.gateway.policies.reload())
        self.follow()
        return not self.gateway.policies.state.stale

    def ask(self, key: str, model: str) -> int:
        """The status of one request."""

        async def ask() -> int:
            try:
                caller = authenticate(
                    {b"authorization": f"Bearer {key}".encode()}, self.gateway.agreed.find, "inference"
                )
                call = Call(f"req-{self._numbers}", caller, time.perf_counter(), time.time())
                told = Told()
                await self.gateway.relay.serve(CHAT, call, json.dumps(self.body(model)).encode(), told)
            except Refused as refused:
                return refused.refusal.status
            return told.status

        self._numbers += 1
        return self.loop.run_until_complete(ask())


@dataclass
class Key:
    """A key, as the model has it."""

    id: str
    team: str
    for_calls: bool
    models: tuple[str, ...]
    secrets: list[str] = field(default_factory=list)
    revoked: bool = False


class Model:
    """What commands mean."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.policy = "all"
        self.suspended: set[str] = set()
        self.limits: dict[str, int] = {}  # by team, or the id of a key: pico-USD
        self.spent: dict[str, int] = defaultdict(int)

    def status(self, key: Key, secret: str, model: str) -> int:
        if key.revoked or secret not in key.secrets:
            return 401
        if not key.for_calls:
            return 403
        if model not in "ab" or (key.models and model not in key.models):
            return 404
        denied = {"all": False, "no red": key.team == "red", "no b": model == "b", "none": True}[self.policy]
        if denied or model in self.suspended:
            return 403
        for whose in (key.id, key.team):
            if whose in self.limits and self.spent[whose] + self.most > self.limits[whose]:
                return 402
        return 200

    def pays(self, key: Key) -> None:
        for whose in (key.id, key.team):
            self.spent[whose] += COST


class Commands(RuleBasedStateMachine):
    """What is done, here and there alike. What was spent in earlier runs stays spent."""

    whole: Whole
    spent: dict[str, int]
    counts: dict[object, int]
    keys = Bundle("keys")

    @initialize(target=keys)
    def begin(self):
        """There is a key of each kind from the start: one that was rotated, one that ends with its budget."""
        assert self.whole.reload(GOOD["all"])
        self.model = Model(self.whole.most)
        self.model.spent = self.spent
        self.sent, self.pairs = len(self.whole.upstream.seen), []
        first = self.create("red", "inference", ())
        second = self.rotate(first, "")
        self.limit(second, team=False, calls=2)
        return multiple(first, second, self.create("blue", "metrics", ()), self.create("blue", "inference", ("a",)))

    def teardown(self):
        for whose in list(self.model.limits):
            self._remove(whose)
        for name in list(self.model.suspended):
            self.resume(name)

    @rule(
        target=keys,
        team=st.sampled_from(["red", "blue"]),
        scope=st.sampled_from(["inference", "inference", "inference", "metrics"]),
        models=st.sampled_from([(), (), ("a",)]),
    )
    def create(self, team, scope, models):
        if models:  # a command would look whether they are in the policies, which takes half a second
            with contextlib.closing(Keys(self.whole.state)) as keys:
                id, secret = keys.create(team=team, app="a", scopes=[scope], models=models)
            self.whole.follow()
        else:
            words = ("keys", "create", "--team", team, "--app", "a", "--scope", scope, "--format", "json")
            made = json.loads(self.whole.command(*words))
            id, secret = made["id"], made["key"]
        self.pairs.append((Key(id, team, scope == "inference", models, [secret]), secret))
        return self.pairs[-1]

    @rule(target=keys, of=keys, overlap=st.sampled_from(["", "1h"]))
    def rotate(self, of, overlap):
        key, _ = of
        words = ("keys", "rotate", key.id, "--overlap", overlap or "0", "--format", "json")
        said = self.whole.command(*words, code=1 if key.revoked else 0)
        if key.revoked:
            return of
        secret = json.loads(said)["key"]
        key.secrets = [*(key.secrets if overlap else []), secret]
        self.pairs.append((key, secret))
        return self.pairs[-1]

    @rule(of=keys)
    def revoke(self, of):
        key, _ = of
        self.whole.command("keys", "revoke", key.id, code=1 if key.revoked else 0)
        key.revoked = True

    @rule(of=keys, team=st.booleans(), calls=st.sampled_from([0, 1, 2, 100]))
    def limit(self, of, team, calls):
        """A budget for so many calls more."""
        whose = of[0].team if team else of[0].id
        pico = self.model.spent[whose] + calls * COST + self.model.most - COST
        usd = f"{pico // 10**12}.{pico % 10**12:012}"
        self.whole.command("budgets", "set", "--team" if team else "--key", whose, "--usd", usd)
        self.model.limits[whose] = pico

    @rule(of=keys, team=st.booleans())
    def remove(self, of, team):
        self._remove(of[0].team if team else of[0].id)

    def _remove(self, whose: str) -> None:
        there = self.model.limits.pop(whose, None) is not None
        option = "--team" if whose in ("red", "blue") else "--key"
        self.whole.command("budgets", "remove", option, whose, code=0 if there else 1)

    @rule(name=st.sampled_from("ab"))
    def suspend(self, name):
        self.whole.command("backends", "suspend", name, "--reason", "r")
        self.model.suspended.add(name)

    @rule(name=st.sampled_from("ab"))
    def resume(self, name):
        self.whole.command("backends", "resume", name, code=0 if name in self.model.suspended else 1)
        self.model.suspended.discard(name)

    @rule(name=st.sampled_from(sorted(GOOD)))
    def govern(self, name):
        assert self.whole.reload(GOOD[name])
        self.model.policy = name

    @rule(name=st.sampled_from(sorted(BAD)))
    def govern_badly(self, name):
        digest = self.whole.gateway.policies.current.digest
        assert not self.whole.reload(BAD[name])
        assert self.whole.gateway.policies.current.digest == digest

    def ask(self, key: Key, secret: str, model: str) -> None:
        expected = self.model.status(key, secret, model)
        self.counts[expected] += 1
        assert self.whole.ask(secret, model) == expected
        if expected == 200:
            self.model.pays(key)
            self.sent += 1

    @invariant()
    def requests_are_answered_as_the_model_says(self):
        for number, (key, secret) in enumerate(getattr(self, "pairs", [])[-6:]):
            self.ask(key, secret, "b" if number % 2 else "a")
            self.ask(key, secret, ("a", "b", "nobody")[self.sent % 3])
        assert len(self.whole.upstream.seen) == getattr(self, "sent", len(self.whole.upstream.seen))


@pytest.mark.timeout(7200)
@pytest.mark.assures("fault 23")
def test_whatever_is_ordered_requests_are_answered_as_a_model_of_it_says(tmp_path, showed):
    upstream = Upstream()
    upstream.scripts = {name: [answer(OK)] for name in "ab"}
    whole = Whole(tmp_path, upstream)

    class Here(Commands):
        pass

    Here.whole, Here.spent, Here.counts = whole, defaultdict(int), defaultdict(int)
    try:
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],  # a sequence that fails is told as it is: to find a shorter one takes long
                derandomize=not FULL,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        whole.close()
        upstream.stop()
    booked = Books(whole.state).ask("SELECT COUNT(*), COALESCE(SUM(cost_pico_usd), 0) FROM entries")
    assert booked == [(len(upstream.seen), len(upstream.seen) * COST)]
    assert {200, 401, 402, 403, 404} <= Here.counts.keys(), dict(Here.counts)
    showed(
        f"{EXAMPLES:,} sequences of {STEPS} commands",
        ", ".join(f"{count:,} {status}" for status, count in sorted(Here.counts.items())) + ", each as the model says",
    )
