"""Single upstream calls for tests, opened or not."""

import json

import msgspec

from gateway.asked import Form
from gateway.core.chat import parse
from gateway.core.decision import Decision
from gateway.core.errors import Failed, FailureKind
from gateway.core.price import Schedule, Tier
from gateway.core.room import Room
from gateway.hop import Hop
from gateway.ports import UpstreamError
from gateway.providers import DIALECTS
from gateway.providers.failures import error_object
from gateway.surfaces import CHAT
from support.doubles import (
    FACTS,
    PRICE,
    SCANNING,
    Calls,
    Snapshot,
    backend,
    permit_for,
)
from support.prices import price

DIALECT = DIALECTS["openai-compatible"]["chat"]
DECISION = Decision("dec-1", "d", "auto", FACTS, (), ())
LOST = UpstreamError(Failed(FailureKind.BROKEN, 502, error_object("m", "server_error", "upstream_broken")))


def chat(**fields):
    return parse(json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi!"}], **fields}).encode())


def hop(request=None, of=None, task=None):
    return Hop(
        permit_for(of or backend("a")),
        Form(request or chat(), FACTS, {}),
        NOTHING,
        CHAT,
        DIALECT,
        ROOM.share("t"),
        task,
    )


ROOM = Room(10_000_000)
NOTHING = SCANNING.scan(Snapshot([]), "t", chat(), b"{}")


async def opened(answer, streamed=False):
    one = hop(chat(stream=streamed))
    failed = await one.open(Calls({"a": answer}), {})
    return one, failed


PROMPT = 1 + 8  # tokens, counted high
THINKS = msgspec.structs.replace(PRICE, rates=msgspec.structs.replace(PRICE.rates, reasoning=3_000_000))
TIMES = {"flex": Schedule(price(500_000, 500_000).rates), "priority": Schedule(price(2_000_000, 2_000_000).rates)}
TIERED = price(1_000_000, 1_000_000, services=TIMES)
"""Flex is half of the usual price, priority is twice."""
SPEAKS = msgspec.structs.replace(PRICE, rates=msgspec.structs.replace(PRICE.rates, audio_output=9_000_000))
STEP = price(1_000_000, 1_000_000, tiers=(Tier(PROMPT - 1, price(1_000_000, 4_000_000).rates),))
