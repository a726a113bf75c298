"""What a call came to."""

import json
from decimal import Decimal

import msgspec
import pytest
from support.doubles import (
    FACTS,
    PRICE,
    Answering,
    Calls,
    Told,
    answering,
    backend,
    permit_for,
    streaming,
)
from support.hops import DECISION, DIALECT, LOST, NOTHING, PROMPT, ROOM, TIERED, chat, hop, opened
from support.upstream import DONE, OK, USAGE, USAGE_EVENT, delta

from gateway import owed
from gateway.asked import Form
from gateway.core.decision import Candidate, Ruling, Verdict
from gateway.core.errors import FailureKind
from gateway.core.fallback import Attempt
from gateway.core.permit import mint
from gateway.core.price import UNPRICED, per_million
from gateway.core.usage import Usage
from gateway.hop import Hop
from gateway.providers import DIALECTS
from gateway.stream import Stream
from gateway.surfaces import CHAT, SURFACES

IMAGE = {"created": 1, "data": [{"b64_json": "aaaa"}]}
EARLY = b'data: {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 0}}\n\n'
ZERO = b'data: {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}\n\n'


async def test_a_buffered_answer_is_owed_as_reported():
    one, failed = await opened(answering())
    assert (failed, one.body) == (None, json.dumps(OK).encode())
    assert owed.reported(one) == Usage(10, output=5)
    assert (owed.ended(one).state, owed.ended(one).cost_pico_usd) == ("settled", 15_000_000)


def nothing():
    """Is told that usage is there early."""


@pytest.mark.parametrize(
    ("asked", "served", "service", "times"),
    [
        (None, None, "", 1),
        (None, "default", "", 1),
        (None, "flex", "flex", 0.5),
        ("flex", None, "flex", 0.5),
        ("flex", "default", "", 1),
        ("auto", "priority", "priority", 2),
        ("auto", None, "other", 2),
        ("gold", None, "other", 2),
        ("flex", "gold", "other", 2),
        ("flex", 7, "flex", 0.5),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_the_tier_that_the_answer_names_is_owed(asked, served, service, times, streamed):
    told = {} if served is None else {"service_tier": served}
    answer = (
        streaming(delta("hello", "stop", **told), USAGE_EVENT, DONE)
        if streamed
        else answering(json.dumps({**OK, **told}).encode())
    )
    one = hop(chat(stream=streamed, service_tier=asked), backend("a", price=TIERED))
    assert await one.open(Calls({"a": answer}), {}) is None
    if streamed:
        await one.relay(Told(), Stream(one.reader, Told(), one.held, nothing))
    assert (owed.ended(one).service, owed.ended(one).cost_pico_usd) == (service, 15_000_000 * times)


async def test_a_tier_that_nobody_priced_costs_as_usual_and_is_told():
    one = hop(chat(service_tier="flex"), backend("a"))
    await one.open(Calls({"a": answering(json.dumps({**OK, "service_tier": "scale"}).encode())}), {})
    assert (owed.ended(one).service, owed.ended(one).cost_pico_usd) == ("other", 15_000_000)


async def test_what_has_no_price_of_its_own_stays_uncertain():
    one = hop(of=backend("a", price=msgspec.structs.replace(PRICE, version=UNPRICED)))
    await one.open(Calls({"a": answering()}), {})
    assert (owed.ended(one).state, owed.ended(one).cost_pico_usd) == ("uncertain", 15_000_000)


async def test_an_answer_without_usage_is_owed_as_counted():
    one, _ = await opened(answering(json.dumps({**OK, "usage": None}).encode()))
    assert owed.ended(one).usage == Usage(PROMPT, output=2, source="estimated")


@pytest.mark.parametrize(
    ("usage", "state", "cost"),
    [
        ({}, "uncertain", None),
        ({"usage": None}, "uncertain", None),
        ({"usage": {"total_tokens": 7}}, "uncertain", None),
        ({"usage": {"input_tokens": 7, "output_tokens": 0}}, "uncertain", None),
        ({"usage": {"input_tokens": 7, "output_tokens": 90, "total_tokens": 97}}, "settled", 97_000_000),
    ],
)
async def test_images_that_nobody_counted_are_owed_at_their_bound(usage, state, cost):
    draws = backend("a", capabilities=frozenset({"images"}))
    surface = SURFACES["images"]
    request = surface.parse(b'{"model":"a","prompt":"a cat"}', 0)
    one = Hop(
        permit_for(draws),
        Form(request, FACTS, {}),
        NOTHING,
        surface,
        DIALECTS["openai-compatible"]["images"],
        ROOM.share("t"),
        None,
    )
    assert await one.open(Calls({"a": answering(json.dumps({**IMAGE, **usage}).encode())}), {}) is None
    tried = owed.ended(one)
    assert (tried.state, tried.cost_pico_usd) == (state, one.most if cost is None else cost)
    assert one.most > 1_000_000_000 > 97_000_000
    assert tried.usage.total > 0


@pytest.mark.parametrize(
    ("answer", "streamed", "kind", "state"),
    [
        (answering(b"{}", status=503), False, FailureKind.OVERLOADED, "released"),
        (answering(b"no json"), False, FailureKind.BROKEN, "uncertain"),
        (answering(LOST), False, FailureKind.BROKEN, "uncertain"),
        (answering(), True, FailureKind.BROKEN, "settled"),
        (streaming(LOST), True, FailureKind.BROKEN, "uncertain"),
        (streaming(b": comment\n\n"), True, FailureKind.BROKEN, "uncertain"),
        (streaming(b": comment\n\n" * 100_000), True, FailureKind.BROKEN, "uncertain"),
    ],
    ids=["status", "nonsense", "lost", "not streamed", "lost stream", "no event", "endless comments"],
)
async def test_what_is_no_answer_is_a_failure_and_closed(answer, streamed, kind, state):
    answer = Answering(answer.status, answer.headers, answer.steps)
    one, failed = await opened(answer, streamed)
    assert failed.kind is kind
    assert answer.closed
    assert (owed.failed(one, kind).state, owed.failed(one, kind).failure) == (state, kind)
    assert (owed.failed(one, kind).cost_pico_usd == one.most) == (state == "uncertain")


async def test_what_was_written_before_an_error_is_owed_even_if_both_come_at_once():
    error = b'data: {"error": {"message": "m", "type": "server_error", "code": null}}\n\n'
    one, failed = await opened(streaming(delta("hello") + error), streamed=True)
    assert failed.kind is FailureKind.SERVER_ERROR
    assert owed.failed(one, failed.kind).usage == Usage(PROMPT, output=2, source="estimated")


@pytest.mark.parametrize(("limit", "unseen"), [(2, 0), (1000, 1)])
async def test_reasoning_that_nobody_reported_is_bounded_by_time_and_by_the_limit(limit, unseen):
    thinking = backend("a", capabilities=frozenset({"chat", "reasoning"}))
    one = hop(chat(max_tokens=limit), thinking)
    await one.open(Calls({"a": answering(json.dumps({**OK, "usage": None}).encode())}), {})
    usage = owed.ended(one).usage
    assert (usage.output, usage.source) == (2, "estimated")
    assert unseen <= usage.reasoning <= max(0, limit - 2)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((EARLY, delta("hello " * 100, "stop"), DONE), (1000, 200, "estimated")),
        ((delta("hello " * 100, "stop"), ZERO, DONE), (PROMPT, 200, "estimated")),
        ((delta("hello", "stop"), USAGE_EVENT, DONE), (10, 5, "reported")),
        ((delta("hello " * 100), USAGE_EVENT, LOST), (10, 200, "estimated")),
    ],
    ids=["before the text", "nothing", "at the end", "and then lost"],
)
async def test_a_count_that_is_not_the_last_word_is_no_less_than_what_went_by(steps, expected):
    one, _ = await opened(streaming(*steps), streamed=True)
    told = Told()
    await one.relay(told, Stream(one.reader, told, one.held, nothing))
    usage = owed.ended(one).usage
    assert (usage.input_uncached, usage.output, usage.source) == expected


async def test_what_nobody_reported_is_charged_at_the_dearest_rates():
    price = per_million("v", input=Decimal(1), cache_write=Decimal(2), output=Decimal(4), reasoning=Decimal(6))
    one = hop(of=backend("a", price=price))
    await one.open(Calls({"a": answering(json.dumps({**OK, "usage": None}).encode())}), {})
    assert owed.ended(one).cost_pico_usd == (PROMPT * 2 + 2 * 6) * 1_000_000


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_usage_that_contradicts_itself_is_owed_at_its_dearest_reading(is_streamed):
    price = per_million("v", input=Decimal(1), cache_read=Decimal("0.1"), cache_write=Decimal(2), output=Decimal(4))
    torn = {**USAGE, "prompt_tokens_details": {"cached_tokens": 400}}
    one = hop(chat(stream=is_streamed), backend("a", price=price))
    steps = [delta("hello", "stop"), delta("", usage=torn), DONE]
    whole = answering(json.dumps({**OK, "usage": torn}).encode())
    await one.open(Calls({"a": streaming(*steps) if is_streamed else whole}), {})
    if is_streamed:
        await one.relay(Told(), Stream(one.reader, Told(), one.held, nothing))
    tried = owed.ended(one)
    assert (tried.usage, tried.state) == (Usage(10, cache_read=400, output=5, source="estimated"), "settled")
    assert tried.cost_pico_usd == (410 * 2 + 5 * 4) * 10**6


async def test_usage_beside_an_error_is_owed():
    body = json.dumps({"error": {"message": "m"}, "usage": USAGE}).encode()
    one, failed = await opened(answering(body))
    assert owed.failed(one, failed.kind).cost_pico_usd == 15_000_000


def test_a_call_that_was_never_sent_costs_nothing():
    assert (owed.ended(hop()).state, owed.ended(hop()).cost_pico_usd) == ("released", 0)


async def test_a_stream_that_is_lost_says_so_and_owes_what_went_by():
    one, _ = await opened(streaming(delta("hello"), LOST), streamed=True)
    told = Told()
    stream = Stream(one.reader, told, one.held, nothing)
    await one.relay(told, stream)
    assert b'"upstream_broken"' in stream.last
    assert (owed.ended(one).state, owed.ended(one).failure, owed.ended(one).usage.source) == (
        "settled",
        FailureKind.BROKEN,
        "estimated",
    )


async def test_a_stream_that_reported_is_owed_as_reported():
    one, _ = await opened(streaming(delta("hello", "stop"), USAGE_EVENT, DONE), streamed=True)
    stream = Stream(one.reader, Told(), one.held, nothing)
    await one.relay(Told(), stream)
    assert owed.ended(one).cost_pico_usd == 15_000_000


CACHED = {"prompt_tokens": 1000, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 900}}
CACHES = per_million("v", input=Decimal(4), cache_read=Decimal(1), output=Decimal(8), reasoning=Decimal(9))
LONG = "word " * 500  # counted high: 834 tokens and 8


def long(**fields):
    return chat(messages=[{"role": "user", "content": LONG}], stream=True, **fields)


async def streamed(*steps, request=None, of=None):
    one = hop(request or long(max_tokens=100), of or backend("a", price=CACHES))
    assert await one.open(Calls({"a": streaming(*steps)}), {}) is None
    return one


async def test_once_the_prompt_was_told_a_stream_can_only_cost_that_and_what_may_be_written():
    one = await streamed(delta("a", usage=CACHED))
    assert one.most == (842 * 4 + 100 * 9) * 10**6
    assert owed.at_most(one) == (100 * 4 + 900 * 1 + 100 * 9) * 10**6


@pytest.mark.parametrize(
    ("request_", "written"),
    [(long(), 1000), (long(max_tokens=100, n=3), 300), (long(max_completion_tokens=7), 7)],
)
async def test_what_may_be_written_is_the_limit_of_every_choice(request_, written):
    one = await streamed(delta("a", usage=CACHED), request=request_)
    assert owed.at_most(one) == (100 * 4 + 900 + written * 9) * 10**6


async def test_what_was_shortened_may_write_no_more_than_that_and_never_less_than_was_told():
    one = hop(long(max_tokens=100), backend("a", price=CACHES))
    one.shortened = 50
    await one.open(Calls({"a": streaming(delta("a", usage=CACHED))}), {})
    assert owed.at_most(one) == (100 * 4 + 900 + 50 * 9) * 10**6
    beyond = await streamed(delta("a", usage={**CACHED, "completion_tokens": 170}))
    assert owed.at_most(beyond) == (100 * 4 + 900 + 170 * 9) * 10**6


@pytest.mark.parametrize(
    ("steps", "of"),
    [
        ((delta("a"),), {}),
        ((delta("a", usage={"prompt_tokens": 0, "completion_tokens": 0}),), {}),
        ((delta("a", usage={"prompt_tokens": 300, "completion_tokens": 0}),), {}),
        ((delta("a", usage={**CACHED, "prompt_tokens": 800}),), {}),
        ((delta("a", usage=CACHED),), {"price": None}),
    ],
    ids=["no usage", "zeros", "less than the text can have", "a contradiction", "no price"],
)
async def test_what_says_nothing_of_the_prompt_leaves_the_bound(steps, of):
    assert owed.at_most(await streamed(*steps, of=backend("a", **{"price": CACHES, **of}))) is None


async def test_where_a_tool_of_the_provider_may_read_more_the_bound_stays():
    request = long(max_tokens=100, web_search_options={})
    assert owed.at_most(await streamed(delta("a", usage=CACHED), request=request)) is None


async def test_a_buffered_answer_has_no_early_word():
    one, _ = await opened(answering())
    assert owed.at_most(one) is None


@pytest.mark.parametrize("text", ["", "a", "word " * 40, "longer words everywhere " * 30])
@pytest.mark.parametrize("capabilities", [{"chat"}, {"chat", "reasoning"}])
async def test_a_stream_that_is_lost_owes_no_more_than_was_left_of_its_bound(text, capabilities):
    thinking = backend("a", price=CACHES, capabilities=frozenset(capabilities))
    one = await streamed(delta("a", usage=CACHED), delta(text), LOST, of=thinking)
    most = owed.at_most(one)
    await one.relay(Told(), Stream(one.reader, Told(), one.held, nothing))
    tried = owed.ended(one)
    assert (tried.usage.input_uncached, tried.usage.cache_read, tried.usage.source) == (100, 900, "estimated")
    assert (100 * 4 + 900 + 1 * 9) * 10**6 <= tried.cost_pico_usd <= most


async def test_a_lost_stream_is_owed_at_what_was_read_and_the_dearest_that_was_written():
    one = await streamed(delta("a", usage=CACHED), delta("hello " * 20), LOST)
    await one.relay(Told(), Stream(one.reader, Told(), one.held, nothing))
    assert owed.ended(one).usage == Usage(100, cache_read=900, output=41, source="estimated")
    assert owed.ended(one).cost_pico_usd == (100 * 4 + 900 + 41 * 9) * 10**6


async def test_what_went_by_is_counted_high_but_not_beyond_the_limit_that_was_sent():
    for limit, written in ((40, 40), (20, 30)):  # 240 bytes are 30 tokens at least: then the limit was ignored
        one, steps = hop(chat(stream=True, max_tokens=limit)), [delta("longer words everywhere " * 10), LOST]
        await one.open(Calls({"a": streaming(*steps)}), {})
        await one.relay(Told(), Stream(one.reader, Told(), one.held, nothing))
        assert owed.ended(one).usage.output == written
    ignores, steps = hop(chat(stream=True, max_tokens=20)), [delta("a ") for _ in range(30)]
    await ignores.open(Calls({"a": streaming(*steps, LOST)}), {})
    await ignores.relay(Told(), Stream(ignores.reader, Told(), ignores.held, nothing))
    assert owed.ended(ignores).usage.output == 30  # so many events: that limit was ignored


def test_what_is_recorded_names_the_rules_in_trial_and_the_broken_ones():
    candidate = Candidate(backend("a"), ("p",), 0, (), ("quiet",), ("stop",))
    ruling = Ruling(FACTS, {"a": Verdict(("p",), ())}, frozenset())
    decision = msgspec.structs.replace(DECISION, candidates=(candidate,))
    one = Hop(
        mint("req-1", decision, Attempt(1, candidate), ruling, ruling),
        Form(chat(), FACTS, {}),
        NOTHING,
        CHAT,
        DIALECT,
        ROOM.share("t"),
        None,
    )
    tried = owed.ended(one)
    assert (tried.watched, tried.broken, tried.zone, tried.price_version) == (("quiet",), ("stop",), "inhouse", "v")
    assert tried.sensitivity == FACTS.sensitivity
