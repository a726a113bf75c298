"""A gateway before upstreams that fail, and what must be true of it whatever happened: `House.agree`."""

import asyncio
import json
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import aiohttp
import psutil

from support import crossing
from support.faults import FAULTS, KIND_OF, OWN_MODEL, PRICE, PROMPT_PICO, WORD_PICO, FaultUpstream, Plan, plan_of
from support.reference import verdict
from support.server import ROOT, Server, backend
from support.upstream import Seen

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
TIMEOUT = {"connect": "5s", "first_byte": "1500ms", "idle": "1500ms", "total": "4s"}
FIRST_BYTE, IDLE, TOTAL = 1.5, 1.5, 4.0
PICO_PER_USD = 10**12
CANARY = "sk-canary-7f3e-upstream-key"
"""The key of every upstream: nobody but an upstream may ever see it."""

RECOVERY_SECONDS = 10.0
"""How long after its faults a gateway may take to be as it was."""
SLOWER, MORE_DESCRIPTORS, MORE_TASKS, MORE_BYTES = 3.0, 8, 2, 60_000_000
"""How many times as slow it may be then, and what it may have more of: what is opened now and then, and what is kept of
memory that was used once."""
TASKS = "tasks"
_COUNTING = """
import asyncio, os, signal

def _count(*_):
    with open(os.environ["FAULTS_TASKS"], "w") as file:
        file.write(f"{len(asyncio.all_tasks())}\\n")

signal.signal(signal.SIGUSR1, _count)
"""
"""Python runs this as it starts: it tells how many tasks there are, when it gets a signal."""

LABELS = ("public", "internal", "confidential")
RULES = [
    {"id": "own", "permit": {"to": {"deployment": "self_hosted"}}},
    {"id": "outside", "permit": {"when": {"sensitivity": "<= internal"}, "to": {"deployment": "vendor_api"}}},
    {"id": "late", "forbid": {"when": {"attempt": ">= 3"}, "to": {"zone": "us-vendors"}}},
    {"id": "once", "forbid": {"when": {"visited_regions": {"any": ["us"]}}, "to": {"region": "eu"}}},
]
CHAIN = {
    "c0": {"region": "eu", "deployment": "self_hosted", "zone": "inhouse"},
    "c1": {"region": "eu", "deployment": "vendor_api", "zone": "eu-vendors"},
    "c2": {"region": "us", "deployment": "vendor_api", "zone": "us-vendors"},
    "c3": {"region": "us", "deployment": "self_hosted", "zone": "inhouse"},
    "c4": {"region": "eu", "deployment": "self_hosted", "zone": "inhouse"},
}
"""Five backends behind the name `chain`, asked in this order."""

SINGLES = [f"b{number:02}" for number in range(16)]
"""Backends that stand for themselves: enough of them that each may be left alone for a while."""


def row(base_url: str, **more: object) -> dict:
    """A backend of the catalog."""
    usual = {"price": PRICE, "timeout": TIMEOUT, "api_key": "env:FAULTS_UPSTREAM_KEY", "max_output": 1000}
    return backend(base_url, **{**usual, "context": 100_000, **more})


@dataclass
class Told:
    """What a client asked and got. Moments are monotonic seconds."""

    plan: Plan
    model: str
    label: str
    asked: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: float = 0.0
    complete: bool = False  # the answer ended as HTTP says
    left: bool = False  # the client hung up

    @property
    def receipt(self) -> int | None:
        """What the client reckons, in pico-USD; None: it was told no usage."""
        if self.status != 200 or not self.complete:
            return None
        if not self.plan.streamed:
            told = self.headers.get("x-gateway-cost-usd")
            return None if told is None else int(Decimal(told) * PICO_PER_USD)
        if self.plan.surface != "chat":
            if not self.finished:
                return None
            prompt, _, written = crossing.read(self.plan.surface, self, streamed=True).usage
            return prompt * PROMPT_PICO + written * WORD_PICO
        for line in reversed(self.body.splitlines()):
            if line.startswith(b"data: {") and (usage := json.loads(line[6:]).get("usage")):
                if not isinstance(usage.get("completion_tokens"), int):
                    return None
                return usage["prompt_tokens"] * PROMPT_PICO + usage["completion_tokens"] * WORD_PICO
        return None

    @property
    def finished(self) -> bool:
        """Whether a client would take the answer for a whole one."""
        if not self.plan.streamed:
            return self.status == 200 and self.complete
        if self.plan.surface != "chat":
            return self.status == 200 and crossing.looks_finished(self.plan.surface, self.body)
        return any(line.startswith(b"data: [DONE]") for line in self.body.splitlines())

    @property
    def code(self) -> str | None:
        """The code of the error, of an answer or of the last event of a stream."""
        try:
            if self.status != 200:
                return json.loads(self.body)["error"]["code"]
            if self.plan.surface != "chat":
                return crossing.failure_of(self.plan.surface, self.body)["code"]
            last = [line for line in self.body.splitlines() if line.startswith(b"data: {")][-1]
            return json.loads(last[6:])["error"]["code"]
        except (ValueError, KeyError, IndexError, TypeError):
            return None


SURFACES = ("chat", "messages", "responses")


def code_in_stream(surface: str, code: str) -> str:
    """How a stream of a surface names an error: a failed response has one of the codes that its SDKs know."""
    return "server_error" if surface == "responses" else code


MOST_OUTPUT = {"messages": "max_tokens", "responses": "max_output_tokens"}


def _body(plan: Plan, model: str) -> dict:
    if plan.surface != "chat":
        more = {MOST_OUTPUT[plan.surface]: 1000, "stream": plan.streamed}
        return crossing.body_of(plan.surface, model, plan.message, **more)
    messages = [{"role": "user", "content": plan.message}]
    body = {"model": model, "messages": messages, "max_tokens": 1000, "stream": plan.streamed}
    return body | ({"stream_options": {"include_usage": True}} if plan.streamed else {})


class Measured(NamedTuple):
    """How a gateway is that has nothing to do: how many times as long a request takes as one without it, descriptors
    beside those of connections, tasks, and resident bytes."""

    slowness: float
    descriptors: int
    tasks: int
    memory: int

    def worse_than(self, before: "Measured") -> str:
        """What has grown by more than chance does; empty: nothing has."""
        grown = {
            "slowness": self.slowness > SLOWER * before.slowness,
            "descriptors": self.descriptors > before.descriptors + MORE_DESCRIPTORS,
            "tasks": self.tasks > before.tasks + MORE_TASKS,
            "memory": self.memory > before.memory + MORE_BYTES,
        }
        return ", ".join(name for name, is_so in grown.items() if is_so)


class House:
    """The gateway, its upstream, and a client of it."""

    def __init__(self, server: Server, upstream: FaultUpstream, rows: dict, tree: Path) -> None:
        self.server = server
        self.upstream = upstream
        self.rows = rows
        self.rules = RULES
        self.tree = tree
        self.told: list[Told] = []
        self.key = ""
        self.process: psutil.Process | None = None
        self.session: aiohttp.ClientSession | None = None
        self._numbers = 0
        self._kept: set[tuple[str, int]] = set()  # ledger rows that were looked at
        self._read = 0  # how much of the log was
        self._canaries = 0
        self._ids: dict[str, int] = {}

    def plan(self, **fields: object) -> Plan:
        """A plan with a number of its own."""
        self._numbers += 1
        return Plan(self._numbers, **fields)

    async def send(
        self, plan: Plan, model: str, *, label: str = "public", leave_after: float | None = None, **more: object
    ) -> Told:
        """Sends a request and reads what comes. `leave_after`: hangs up after so many seconds."""
        told = Told(plan, model, label, time.monotonic())
        self.told.append(told)
        try:
            async with asyncio.timeout(leave_after if leave_after is not None else 30):
                await self._send(told, more)
        except TimeoutError:
            assert leave_after is not None, f"no end within 30 s: {plan}"
            told.left = True
        told.ended = time.monotonic()
        return told

    def _headers(self, plan: Plan, label: str) -> dict[str, str]:
        headers = {"authorization": f"Bearer {self.key}", "x-request-id": str(plan.number)}
        return headers if label == "public" else {**headers, "x-gateway-sensitivity": label}

    def expects(self, plan: Plan, model: str) -> None:
        """A request that the test sends itself, and whose answer nobody looks at here."""
        self.told.append(Told(plan, model, "public", time.monotonic()))

    def request_bytes(self, plan: Plan, model: str, label: str = "public") -> bytes:
        """A request as it goes over the wire."""
        body = json.dumps(_body(plan, model)).encode()
        headers = self._headers(plan, label) | {"host": "127.0.0.1", "content-length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /v1/chat/completions HTTP/1.1\r\n{lines}\r\n".encode() + body

    async def _send(self, told: Told, more: dict) -> None:
        body, headers = _body(told.plan, told.model) | more, self._headers(told.plan, told.label)
        assert self.session is not None
        try:
            url = self.server.base + crossing.PATHS[told.plan.surface]
            async with self.session.post(url, json=body, headers=headers) as got:
                told.status = got.status
                told.headers = {name.lower(): value for name, value in got.headers.items()}
                async for block in got.content.iter_any():
                    told.body += block
                told.complete = True
        except aiohttp.ClientError:
            pass  # the answer broke off: `complete` says so

    async def spread(
        self, plans: Sequence[Plan], backends: Sequence[str] = SINGLES, *, good_between: int = 2, **how: object
    ) -> list[Told]:
        """Sends each plan to one of the backends, and good ones in between, so that nobody has reason to give a backend
        up. The fault of a plan under the name `here` is that of its backend."""
        waiting = iter(plans)
        out: list[Told] = []

        async def work(name: str) -> None:
            for plan in waiting:
                for _ in range(good_between):
                    well = await self.send(self.plan(streamed=False, words=1), name)
                    assert well.status == 200, (well.status, well.body)
                placed = Plan(**{**vars(plan), "faults": {name: plan.faults["here"]}})
                out.append(await self.send(placed, name, **how))

        await asyncio.gather(*map(work, backends))
        return out

    async def govern(self, rules: list[dict]) -> None:
        """Puts other rules in force."""
        before = await self._digest()
        _write_rules(self.tree, rules)
        deadline = time.monotonic() + 20
        while await self._digest() == before:
            assert time.monotonic() < deadline, "the new rules did not come into force"
            await asyncio.sleep(0.02)
        self.rules = rules

    async def _digest(self) -> str:
        assert self.session is not None
        async with self.session.get(f"{self.server.base}/readyz") as got:
            return (await got.json())["policy"]["digest"]

    async def well(self, names: Sequence[str] = SINGLES, seconds: float = 10.0) -> None:
        """Every backend answers again, soon after its faults have ended."""
        deadline = time.monotonic() + seconds
        for name in names:
            while (told := await self.send(self.plan(streamed=False, words=1), name)).status != 200:
                assert time.monotonic() < deadline, (name, told.status, told.body)
                await asyncio.sleep(0.2)

    async def sent(self, count: int, seconds: float = 20.0) -> None:
        """Waits until so many calls have reached the upstream."""
        async with asyncio.timeout(seconds):
            while len(self.upstream.seen) < count:  # noqa: ASYNC110  the upstream is in another thread
                await asyncio.sleep(0.02)

    async def still(self, seconds: float = 10.0) -> None:
        """Waits until nothing is under way."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            playing = [seen for seen in self.upstream.seen if seen.ended is None]
            if not playing and await self._inflight() == 0:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{len(playing)} calls did not end")

    async def _inflight(self) -> float:
        metrics = await asyncio.to_thread(self.server.metrics)
        return sum(value for name, value in metrics.items() if name.startswith("gateway_inflight"))

    async def begin(self) -> None:
        """Whatever was before is nobody's affair any more."""
        await self.still()
        self.told.clear()
        self.upstream.seen.clear()
        await self._read_log()
        self._kept |= {(each["request_id"], each["hop"]) for each in await asyncio.to_thread(self.server.ledger)}

    async def agree(self) -> dict[tuple[int, str], dict]:
        """What must be true of all that was sent since the last time, whatever went wrong. Returns the ledger rows, by
        the number of the plan and the backend."""
        await self.still()
        ids = await self._read_log()
        rows = await self._new_rows()
        told = {each.plan.number: each for each in self.told}
        sent: dict[tuple[int, str], Seen] = {}
        for seen in self.upstream.seen:
            key = plan_of(seen).number, seen.name
            assert key not in sent, f"asked twice: {key}"
            sent[key] = seen
        booked: dict[tuple[int, str], dict] = {}
        for each in rows:
            key = ids[each["request_id"]], each["backend"]
            assert key not in booked, f"booked twice: {key}"
            booked[key] = each
        _check_books(told, sent, booked)
        self._check_egress(told, sent, booked)
        for key, seen in sent.items():
            assert seen.ended is not None
            total = float(self.rows[seen.name]["timeout"]["total"].removesuffix("s"))
            assert seen.ended - seen.at < 1.1 * total + 1.5, f"beyond its deadline: {key}"
        metrics = await asyncio.to_thread(self.server.metrics)
        await self._check_budgets(metrics)
        self._check_canaries(metrics)
        self.told.clear()
        self.upstream.seen.clear()
        return booked

    async def _new_rows(self) -> list[dict]:
        """The ledger rows since the last time, once there are as many as there were calls; they come in batches."""
        deadline = time.monotonic() + 10
        while True:
            rows = await asyncio.to_thread(self.server.ledger)
            rows = [each for each in rows if (each["request_id"], each["hop"]) not in self._kept]
            if len(rows) >= len(self.upstream.seen) or time.monotonic() > deadline:
                self._kept |= {(each["request_id"], each["hop"]) for each in rows}
                return rows

    async def _read_log(self) -> dict[str, int]:
        """The number of each request by its id, once all of them are in the log."""
        wanted = {each.plan.number for each in self.told if not each.left}
        deadline = time.monotonic() + 10
        while True:
            with self.server.log.open("rb") as log:
                log.seek(self._read)
                data = log.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.splitlines():
                if line.startswith(b"{") and (said := json.loads(line)).get("event") == "request":
                    self._ids[said["request_id"]] = int(said["client_request_id"] or 0)
            if wanted <= set(self._ids.values()):
                return self._ids
            assert time.monotonic() < deadline, f"not in the log: {sorted(wanted - set(self._ids.values()))[:9]}"
            await asyncio.sleep(0.05)

    def _check_egress(self, told: dict[int, Told], sent: dict, booked: dict) -> None:
        """Each call that left was permitted, says the reference."""
        earlier: dict[int, list[str]] = defaultdict(list)
        hops = defaultdict(list)
        for (number, name), each in booked.items():
            hops[number].append((each["hop"], name))
        for number, each in hops.items():
            earlier[number] = [name for _, name in sorted(each)]
        for number, name in sent:
            before = earlier[number][: earlier[number].index(name)]
            request = self.request(told[number], before)
            permits, forbids = verdict(self.rules, request, self.passport(name))
            assert permits, f"{name} was not permitted for {request}"
            assert not forbids, f"{name} was forbidden by {forbids} for {request}"

    def request(self, told: Told, before: Sequence[str]) -> dict:
        """The attributes of a request at a hop, after calls to these backends."""
        faults = told.plan.faults
        regions = [self.rows[each].get("region") for each in before]
        return {
            "sensitivity": told.label,
            "team": "t",
            "attempt": str(len(before) + 1),
            "last_error": KIND_OF.get(faults.get(before[-1], "none")) if before else "none",
            "visited_regions": None if None in regions else frozenset(regions),
        }

    def passport(self, name: str) -> dict:
        """A backend as the reference reads it."""
        wanted = ("deployment", "zone", "region", "retention")
        return {"backend": name} | {each: self.rows[name].get(each) for each in wanted}

    async def _check_budgets(self, metrics: dict[str, float]) -> None:
        labels = 'account="(all)",budget="budget:organisation:(all):day",per="organisation",window="day"'
        rows = await asyncio.to_thread(self.server.ledger)
        settled = metrics[f"gateway_budget_settled_usd{{{labels}}}"]
        assert round(settled * PICO_PER_USD) == sum(each["cost_pico_usd"] for each in rows)
        assert sum(value for name, value in metrics.items() if name.startswith("gateway_budget_reserved_usd")) == 0
        assert metrics["gateway_budget_overshoot_usd_total"] == 0

    def _check_canaries(self, metrics: dict[str, float]) -> None:
        with self.server.log.open("rb") as log:
            log.seek(self._canaries)
            data = log.read()
        self._canaries += len(data)
        assert CANARY.encode() not in data, "the key of an upstream is in the log"
        assert not [name for name in metrics if CANARY in name]
        for each in self.told:
            assert CANARY.encode() not in each.body, f"told to a client: {each.body[:300]!r}"
            assert CANARY not in str(each.headers), f"told to a client: {each.headers}"

    async def measured(self) -> "Measured":
        """How the gateway is now, while nothing is under way."""
        self.told.clear()
        slowness = await self._slowness()
        descriptors, memory = self.footprint()
        mine, theirs = self._connections()
        return Measured(slowness, descriptors - mine - theirs, await self._tasks(), memory)

    def _connections(self) -> tuple[int, int]:
        """Connections of the gateway to backends, and of clients to the gateway."""
        assert self.process is not None
        ports = [each.laddr.port for each in self.process.net_connections("tcp") if each.status != psutil.CONN_LISTEN]
        theirs = [port for port in ports if port in (self.server.port, self.server.admin_port)]
        return len(ports) - len(theirs), len(theirs)

    async def lets_go(self) -> None:
        """Waits until no connection to a backend is kept but to those that keep theirs for a minute."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (mine := self._connections()[0]) > MORE_DESCRIPTORS:
            assert time.monotonic() < deadline, f"{mine} connections to backends, and nobody asks any"
            await asyncio.sleep(0.2)

    async def _slowness(self) -> float:
        """How many times as long a request takes as one without a gateway, by turns, so that a busy machine is as busy
        for both."""
        assert self.session is not None
        direct, through = [], []
        for _ in range(20):
            body = {"model": OWN_MODEL, "messages": [{"role": "user", "content": self.plan(streamed=False).message}]}
            began = time.perf_counter()
            async with self.session.post(f"{self.upstream.url(SINGLES[0])}/chat/completions", json=body) as got:
                await got.read()
            direct.append(time.perf_counter() - began)
            told = await self.send(self.plan(streamed=False, words=1), SINGLES[0])
            assert told.status == 200, (told.status, told.body)
            through.append(told.ended - told.asked)
        return quantiles(through, n=4)[2] / quantiles(direct, n=4)[2]

    async def _tasks(self) -> int:
        """Tasks of the gateway's loop."""
        path = self.server.directory / TASKS
        path.unlink(missing_ok=True)
        self.server.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(10):
            while not (path.exists() and path.read_text().endswith("\n")):  # noqa: ASYNC110  another process writes it
                await asyncio.sleep(0.01)
        return int(path.read_text())

    async def recovers(self, before: "Measured") -> None:
        """Waits until the gateway is as it was, after its faults have ended."""
        await self.still()
        deadline = time.monotonic() + RECOVERY_SECONDS
        while why := (now := await self.measured()).worse_than(before):
            assert time.monotonic() < deadline, f"{why}: {before} before, {now} after"
            await asyncio.sleep(0.3)

    def footprint(self) -> tuple[int, int]:
        """Descriptors and resident bytes of the gateway."""
        assert self.process is not None
        return self.process.num_fds(), self.process.memory_info().rss


def _check_books(told: dict[int, Told], sent: dict[tuple[int, str], Seen], booked: dict[tuple[int, str], dict]) -> None:
    """Three books agree: every call that the upstream saw has its entry, never below the bill; where usage was
    reported, client, ledger and upstream say the same to the pico-USD."""
    missing = sent.keys() - booked.keys()
    assert not missing, f"not booked: {sorted(missing)[:5]}"
    for (number, name), entry in booked.items():
        assert entry["state"] in ("settled", "released", "uncertain"), entry
        seen = sent.get((number, name))
        if seen is None:
            never = entry["state"] == "released" and entry["cost_pico_usd"] == 0
            assert never or told[number].left or entry["failure"] in ("broken", "timed_out"), entry
            continue
        assert entry["cost_pico_usd"] >= seen.bill, f"{told[number]}: {entry}"
        reported = entry["usage_source"] == "reported" and entry["failure"] == "" and entry["state"] == "settled"
        if reported and told[number].plan.faults.get(name, "none") in EXACT:
            assert entry["cost_pico_usd"] == seen.bill, f"{told[number]}: {entry}"
    for number, each in told.items():
        name = each.headers.get("x-gateway-backend", "")
        if each.plan.faults.get(name, "none") in EXACT and (receipt := each.receipt) is not None:
            assert receipt == booked[number, name]["cost_pico_usd"] == sent[number, name].bill, each


EXACT = ("none", "delay", "slow", "another model", "a byte a packet")
"""What an upstream does and still reports what was used."""
assert set(EXACT) < FAULTS.keys()


def _write_rules(tree: Path, rules: list[dict]) -> None:
    policy = {"policy": "base", "owner": "me", "mode": "enforce", "rules": rules}
    other = tree / "being-written"
    other.write_text(json.dumps(policy))
    other.replace(tree / "policies" / "base.yaml")


def counting_tasks(directory: Path) -> dict[str, str]:
    """The settings of a gateway in a directory that tells how many tasks it has."""
    (directory / "site").mkdir()
    (directory / "site" / "sitecustomize.py").write_text(_COUNTING)
    path = os.pathsep.join(filter(None, (str(directory / "site"), os.environ.get("PYTHONPATH", ""))))
    return {"PYTHONPATH": path, "FAULTS_TASKS": str(directory / TASKS)}


@asynccontextmanager
async def house(
    directory: Path, rows: dict[str, dict], upstream: FaultUpstream, **settings: str
) -> AsyncIterator[House]:
    """A house whose gateway runs until the end. `rows` are backends beside the usual ones."""
    tree = directory / "tree"
    (tree / "policies").mkdir(parents=True)
    (tree / "vocabulary.yaml").write_text((ROOT / "routing_policies" / "vocabulary.yaml").read_text())
    _write_rules(tree, RULES)
    catalog = {name: row(upstream.url(name), region="eu") for name in SINGLES}
    catalog |= {name: row(upstream.url(name), aliases=["chain"], **more) for name, more in CHAIN.items()} | rows
    server = Server(directory, tree, catalog, FAULTS_UPSTREAM_KEY=CANARY, **settings).start()
    built = House(server, upstream, catalog, tree)
    try:
        assert server.cli("budgets", "set", "--organisation", "--usd", "1000", "--per", "day").returncode == 0
        built.key = server.key(sensitivity="public")
        built.process = psutil.Process(server.process.pid)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            built.session = session
            await asyncio.sleep(1.2)  # a running server follows within a second
            yield built
    finally:
        server.stop()


def dice(seed: int) -> random.Random:
    """Random numbers that are the same in every run."""
    return random.Random(seed)
