"""Three books agree: what clients saw, what the ledger has, and what the upstream charges, whatever happens under way."""

import asyncio
import json
import os
import random
from collections import Counter, defaultdict
from decimal import Decimal

import aiohttp
import pytest
from support.billing import PRICES, BillingUpstream, Plan
from support.server import backend, serving

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
REQUESTS = 20_000 if FULL else 4_000
CLIENTS = 32
MAX_TOKENS = 300

REPORTED = ("plain", "tools", "fallback", "throttled")
ELSE = ("silent", "garbage", "reset", "error", "reset-before", "hangup")
BUFFERED_TOO = (*REPORTED, "silent", "garbage", "reset-before", "hangup")
WEIGHTS = {"plain": 8, "hangup": 3}
PICO_PER_USD = 10**12


def plans(seed: int) -> list[Plan]:
    dice = random.Random(seed)
    kinds = [kind for kind in (*REPORTED, *ELSE) for _ in range(WEIGHTS.get(kind, 1))]
    made = []
    for number in range(REQUESTS):
        kind = dice.choice(kinds)
        padding = "lorem ipsum " * dice.randint(0, 60)
        output = dice.randint(1, 40)
        plan = Plan(
            number=number,
            kind=kind,
            streamed=kind not in BUFFERED_TOO or dice.random() < 0.6,
            prompt=0,
            cached=0,
            output=output,
            reasoning=dice.choice((0, 0, 5, 20)),
            after=dice.randint(1, output),
            padding=padding,
        )
        prompt = len(plan.message()) // 4  # as a tokenizer would count it
        cached = dice.randint(0, prompt) if kind in REPORTED else 0
        made.append(Plan(**{**_fields(plan), "prompt": prompt, "cached": cached}))
    return made


def _fields(plan: Plan) -> dict:
    return json.loads(plan.message())


class Client:
    """Sends plans, and keeps what each answer said: its request ids, and what it cost by the client's own reckoning. As
    SDKs do, it asks again after a 429 and a 5xx: with so many faults a backend is left alone now and then."""

    def __init__(self, session: aiohttp.ClientSession, base: str, keys: dict[str, str]) -> None:
        self.session, self.base, self.keys = session, base, keys
        self.ids: dict[int, list[str]] = defaultdict(list)
        self.receipts: dict[int, int] = {}
        self.statuses: Counter[tuple[str, int]] = Counter()

    async def send(self, plan: Plan) -> None:
        body = {
            "model": "pair",
            "messages": [{"role": "user", "content": plan.message()}],
            "max_tokens": MAX_TOKENS,
            "stream": plan.streamed,
        }
        if plan.streamed and plan.kind in REPORTED:
            body["stream_options"] = {"include_usage": True}
        headers = {"authorization": f"Bearer {self.keys[plan.kind]}"}
        async with asyncio.timeout(100):
            request = self.session.post(f"{self.base}/v1/chat/completions", json=body, headers=headers)
            if plan.kind == "hangup" and not plan.streamed:
                task = asyncio.create_task(self._take(plan, request))
                await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            else:
                while await self._take(plan, request) in (429, 500, 502, 503) and plan.kind in REPORTED:
                    await asyncio.sleep(0.5)
                    request = self.session.post(f"{self.base}/v1/chat/completions", json=body, headers=headers)

    async def _take(self, plan: Plan, request) -> int:
        async with request as response:
            self.statuses[plan.kind, response.status] += 1
            self.ids[plan.number].append(response.headers["x-request-id"])
            if plan.kind == "hangup" and plan.streamed:
                for _ in range(plan.after):
                    await response.content.readline()
                response.close()
                return response.status
            try:
                told = await response.read()
            except aiohttp.ClientPayloadError:
                return response.status
            if response.status != 200:
                return response.status
            if plan.kind in REPORTED and plan.streamed:
                chunks = [json.loads(line[6:]) for line in told.splitlines() if line.startswith(b"data: {")]
                usage = next(each["usage"] for each in chunks if each.get("usage"))
                cached = usage["prompt_tokens_details"]["cached_tokens"]
                reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
                self.receipts[plan.number] = (
                    (usage["prompt_tokens"] - cached) * 1_000_000
                    + cached * 100_000
                    + (usage["completion_tokens"] - reasoning) * 4_000_000
                    + reasoning * 6_000_000
                )
            elif "x-gateway-cost-usd" in response.headers:
                self.receipts[plan.number] = int(Decimal(response.headers["x-gateway-cost-usd"]) * PICO_PER_USD)
            return response.status


@pytest.mark.assures("fault 7", "fault 8", "fault 9")
async def test_three_books_agree(tmp_path):
    upstream = BillingUpstream()
    port = await upstream.start()
    timeout = {"connect": "2s", "first_byte": "10s", "idle": "10s", "total": "20s"}
    rows = {
        name: backend(
            f"http://127.0.0.1:{port}/{name}/v1",
            price=PRICES,
            timeout=timeout,
            aliases=["pair"],
            capabilities=["chat", "reasoning"],
        )
        for name in ("first", "second")
    }
    with serving(tmp_path, rows, GATEWAY_DURABILITY="process") as server:
        server.cli("budgets", "set", "--organisation", "--usd", "1000", "--per", "day")
        server.cli("budgets", "set", "--team", "*", "--usd", "1000", "--per", "month")
        keys = {kind: server.key(team=kind, sensitivity="public") for kind in (*REPORTED, *ELSE)}
        await asyncio.sleep(1.2)  # a running server follows within a second
        todo = plans(7)
        by_number = {plan.number: plan for plan in todo}
        waiting = iter(todo)
        connector = aiohttp.TCPConnector(limit=CLIENTS)
        async with aiohttp.ClientSession(connector=connector) as session:
            client = Client(session, server.base, keys)

            async def work() -> None:
                for plan in waiting:
                    await client.send(plan)

            await asyncio.gather(*(work() for _ in range(CLIENTS)))
            await asyncio.sleep(1)
        ledger = await asyncio.to_thread(server.ledger)
        metrics = await asyncio.to_thread(server.metrics)
    upstream.stop()

    # one entry for each call, and each call has ended; a client may leave before its call arrives
    calls = Counter(row["team"] for row in ledger)
    assert calls.pop("hangup") >= upstream.calls.pop("hangup")
    assert calls == upstream.calls
    assert {row["state"] for row in ledger} == {"settled", "released", "uncertain"}
    cost = defaultdict(int)
    for row in ledger:
        cost[row["request_id"]] += row["cost_pico_usd"]

    # where usage was reported all three are the same, to the pico-USD
    for number, plan in by_number.items():
        if plan.kind in REPORTED:
            assert client.receipts[number] == sum(cost[id] for id in client.ids[number]) == upstream.bill[number], plan
    # elsewhere the ledger is never below the bill, call by call where the client knows which, and in all
    for number, ids in client.ids.items():
        assert sum(cost[id] for id in ids) >= upstream.bill.get(number, 0), by_number[number]
    by_kind, billed = Counter[str](), Counter[str]()
    for row in ledger:
        by_kind[row["team"]] += row["cost_pico_usd"]
    for number, amount in upstream.bill.items():
        billed[by_number[number].kind] += amount
    assert all(by_kind[kind] == billed[kind] for kind in REPORTED)
    assert all(by_kind[kind] >= billed[kind] for kind in ELSE)

    # the budgets counted the same, hold nothing any more, and were not passed
    total = sum(cost.values())
    settled = metrics[
        'gateway_budget_settled_usd{account="(all)",budget="budget:organisation:(all):day",per="organisation",window="day"}'
    ]
    assert round(settled * PICO_PER_USD) == total
    assert sum(value for name, value in metrics.items() if name.startswith("gateway_budget_reserved_usd")) == 0
    assert metrics["gateway_budget_overshoot_usd_total"] == 0
