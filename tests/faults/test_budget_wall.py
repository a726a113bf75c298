"""A budget is a wall: nothing passes it, whoever comes at once, and nobody is held up before it."""

import asyncio
import contextlib
import itertools
from collections import Counter

import aiohttp
import pytest
import pytest_asyncio
from support.billing import PRICES, BillingUpstream, Plan
from support.server import ROOT, Server, backend, serving
from support.stores import Place, url_of, valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

PICO_PER_USD = 10**12
TOGETHER = 200

DEAREST_IMAGE = 16_384
"""Tokens."""


def plan(
    number: int, *, output: int, padding: str = "", reasoning: int = 0, streamed: bool = False, images: int = 0
) -> Plan:
    made = Plan(number, "plain", streamed, 0, 0, output, reasoning, 1, padding)
    prompt = len(made.message()) // 4 + images * DEAREST_IMAGE
    return Plan(number, "plain", streamed, prompt, 0, output, reasoning, 1, padding)


class House:
    """A gateway before an upstream that bills, and a key of a team."""

    def __init__(self, server: Server, upstream: BillingUpstream, session: aiohttp.ClientSession, team: str) -> None:
        self.server, self.upstream, self.session, self.team = server, upstream, session, team
        self.key = server.key(sensitivity="public", team=team)

    async def send(self, of: Plan, **fields: object) -> tuple[int, dict]:
        content: object = of.message()
        if images := fields.pop("images", 0):
            picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
            content = [{"type": "text", "text": of.message()}, *[picture] * images]
        body = {"model": "m", "messages": [{"role": "user", "content": content}], "stream": of.streamed, **fields}
        headers = {"authorization": f"Bearer {self.key}"}
        async with self.session.post(f"{self.server.base}/v1/chat/completions", json=body, headers=headers) as response:
            if response.content_type == "application/json":
                return response.status, await response.json()
            return response.status, {"text": await response.text()}

    async def limit(self, *terms: str) -> None:
        told = await asyncio.to_thread(self.server.cli, "budgets", "set", "--team", self.team, *terms)
        assert told.returncode == 0, told.stderr
        await asyncio.sleep(1.2)  # a running server follows within a second

    async def booked(self) -> int:
        rows = await asyncio.to_thread(self.server.ledger)
        return sum(row["cost_pico_usd"] for row in rows if row["team"] == self.team)

    async def metrics(self) -> dict[str, float]:
        return await asyncio.to_thread(self.server.metrics)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory):
    upstream = BillingUpstream()
    port = await upstream.start()
    row = backend(
        f"http://127.0.0.1:{port}/m/v1",
        price=PRICES,
        capabilities=["chat", "reasoning", "vision", "urls"],
        max_output=32_000,
        context=200_000,
    )
    with serving(tmp_path_factory.mktemp("wall"), {"m": row}) as server:
        yield server, upstream
    upstream.stop()


TEAMS = itertools.count()


@pytest_asyncio.fixture(loop_scope="module")
async def house(running):
    server, upstream = running
    upstream.bill.clear()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=TOGETHER)) as session:
        yield House(server, upstream, session, f"team-{next(TEAMS)}")


@pytest.mark.assures("threat B1")
@pytest.mark.parametrize(
    "fields",
    [{}, {"max_tokens": 500}, {"n": 4, "max_tokens": 32_000, "reasoning_effort": "high"}, {"images": 5}],
    ids=["plain", "limited", "everything at most", "images"],
)
async def test_two_hundred_at_once_do_not_pass_a_budget(house, fields, showed):
    ceiling = 2 * PICO_PER_USD
    await house.limit("--usd", "2")
    answers = Counter[int]()
    for start in (0, TOGETHER):
        images = fields.get("images", 0)
        numbers = range(start, start + TOGETHER)
        asked = [plan(n, output=400, reasoning=80, streamed=n % 2 == 1, images=images) for n in numbers]
        for status, _ in await asyncio.gather(*(house.send(each, **fields) for each in asked)):
            answers[status] += 1
    assert set(answers) <= {200, 402}
    assert answers[200] > 0
    assert await house.booked() == sum(house.upstream.bill.values()) <= ceiling
    found = await house.metrics()
    assert found["gateway_budget_overshoot_usd_total"] == 0
    reserved = [value for name, value in found.items() if name.startswith("gateway_budget_reserved_usd")]
    assert sum(reserved) == 0
    if not fields:
        showed(f"{2 * TOGETHER} requests, {TOGETHER} at once at a budget's end", "0 overspent, 0 left reserved")


RULES = """
policy: base
owner: me
mode: enforce
rules:
  - {id: own, permit: {to: {deployment: self_hosted}}}
  - {id: of-a-team, limit: {usd: 0.1, per: team, window: month, then: deny}}
"""


@pytest.mark.assures("fault 26", "threat B1")
async def test_two_hundred_at_once_through_four_gateways_do_not_pass_the_budget_that_they_share(
    tmp_path, postgres_server
):
    upstream = BillingUpstream()
    row = backend(f"http://127.0.0.1:{await upstream.start()}/m/v1", price=PRICES, max_output=1_600)
    tree = tmp_path / "tree"
    (tree / "policies").mkdir(parents=True)
    (tree / "vocabulary.yaml").write_text((ROOT / "routing_policies" / "vocabulary.yaml").read_text())
    (tree / "policies" / "base.yaml").write_text(RULES)
    ledger = Place(tmp_path, await asyncio.to_thread(postgres_server.url))
    with contextlib.ExitStack() as running:
        url = url_of(running.enter_context(valkey()))
        shared = {"GATEWAY_VALKEY_URL": url, "GATEWAY_DATABASE_URL": ledger.url}
        servers = [
            running.enter_context(serving(tmp_path / str(number), {"m": row}, tree, **shared)) for number in range(4)
        ]
        connector = aiohttp.TCPConnector(limit=TOGETHER)
        async with aiohttp.ClientSession(connector=connector) as session:
            houses = [House(server, upstream, session, "t") for server in servers]
            answers = Counter[int]()
            for start in (0, TOGETHER):
                asked = [plan(n, output=1_500, streamed=n % 2 == 1) for n in range(start, start + TOGETHER)]
                told = await asyncio.gather(*(houses[each.number % 4].send(each) for each in asked))
                answers.update(status for status, _ in told)
    upstream.stop()
    assert set(answers) == {200, 402}
    booked = sum(cost for *_, cost in await asyncio.to_thread(ledger.rows))
    ceiling = PICO_PER_USD // 10
    assert 0.8 * ceiling < booked == sum(upstream.bill.values()) <= ceiling


async def test_at_the_end_of_a_budget_the_answer_says_what_there_was(house):
    await house.limit("--usd", "0.03")
    status, told = await house.send(plan(1, output=10))
    assert (status, sum(house.upstream.bill.values()) > 0) == (200, True)
    await house.limit("--usd", "0.001")
    status, told = await house.send(plan(2, output=10))
    assert (status, told["error"]["code"]) == (402, "budget_exceeded")
    [figures] = told["error"]["budgets"]
    assert {name: figures[name] for name in ("per", "account", "window", "limit_usd", "reserved_usd")} == {
        "per": "team",
        "account": house.team,
        "window": "month",
        "limit_usd": "0.001",
        "reserved_usd": "0",
    }
    assert float(figures["settled_usd"]) > 0
    assert figures["resets_at"].endswith("-01T00:00Z")


async def test_a_coding_agent_at_eighty_percent_of_its_budget_is_not_held_up(house):
    """Long prompts, small answers, four sub-agents at once, and no limit of output tokens that would say so."""
    await house.limit("--usd", "10")
    prompt = "def f(x): return x + 1\n" * 4_000  # some 90 kB, 23,000 tokens
    spent, number = 0, 0
    while spent < 8 * PICO_PER_USD:  # dear answers bring it there
        status, _ = await house.send(plan(number, output=30_000, reasoning=0, padding="x"))
        assert status == 200
        spent, number = sum(house.upstream.bill.values()), number + 1
    for _ in range(5):
        agents = [plan(number + n, output=200, padding=prompt) for n in range(4)]
        number += 4
        assert [status for status, _ in await asyncio.gather(*map(house.send, agents))] == [200] * 4
    assert sum(house.upstream.bill.values()) < 9 * PICO_PER_USD


async def test_a_pace_is_kept_and_told_as_openai_tells_it(house):
    await house.limit("--rpm", "5")
    answers = [await house.send(plan(n, output=1)) for n in range(7)]
    assert [status for status, _ in answers] == [200] * 5 + [429] * 2
    assert answers[-1][1]["error"]["code"] == "rate_limit_exceeded"
