"""What a stream can still come to once it is known what was read."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from support.prices import price

from gateway.core.catalog import HOSTED_TOOLS
from gateway.core.chat import Native, parse
from gateway.core.early import at_most, is_read, reads_once
from gateway.core.price import Schedule, Tier, charge, per_million
from gateway.core.usage import Usage
from gateway.surfaces import SURFACES

TEXT = "word " * 200  # 1,000 bytes: 125 tokens at least
CLAUDE = per_million(
    "v", input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3"), cache_write=Decimal("3.75"),
    cache_write_long=Decimal(6), reasoning=Decimal(20), audio_output=Decimal(90),
)  # fmt: skip


def chat(**fields):
    return parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": TEXT}], **fields}).encode())


def message(**fields):
    said = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": TEXT}], **fields}
    return SURFACES["messages"].parse(json.dumps(said).encode(), 0)


TOOL = {"name": "get", "description": "gets", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("request_", "once"),
    [
        (chat(), True),
        (chat(tools=[{"type": "function", "function": {"name": "f"}}]), True),
        (chat(tools=[{"type": "web_search"}]), False),
        (chat(web_search_options={}), False),
        (chat(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}), True),
        (chat(context_management=None), True),
        (chat(context_management={}), True),
        (chat(context_management={"edits": [{"type": "compact_20260112"}]}), False),
        (chat(context_management={"edits": [{"type": "clear_thinking_20251015"}, {"type": "other"}]}), False),
        (chat(context_management=[]), False),
        (message(), True),
        (message(tools=[TOOL], thinking={"type": "adaptive"}), True),
        (message(context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}), True),
        (message(context_management={"edits": [{"type": "compact_20260112"}]}), False),
        (message(tools=[{"type": "web_search_20250305", "name": "web_search"}]), False),
        (message(mcp_servers=[{"type": "url", "url": "https://x.test", "name": "x"}]), False),
        (message(a_field_that_nobody_knows=1), False),
    ],
)
def test_a_model_reads_once_unless_something_may_be_read_later(request_, once):
    assert reads_once(request_) is once


@pytest.mark.parametrize("raw", [b"{", b'{"edits": [{"type": 1}]}', b'{"edits": [{"type": "\xff"}]}'])
def test_what_nobody_can_read_may_do_anything(raw):
    one = chat()
    assert not reads_once(msgspec.structs.replace(one, fields={**one.fields, "context_management": Raw(raw)}))
    native = Native("messages", {"context_management": Raw(raw)})
    assert not reads_once(msgspec.structs.replace(one, native=native))


def test_tools_of_the_provider_count_wherever_they_are_noted():
    one = chat()
    assert not reads_once(msgspec.structs.replace(one, needs=one.needs | {HOSTED_TOOLS}))
    assert not reads_once(msgspec.structs.replace(one, prompts=2))  # servers tell each prompt by itself
    assert not reads_once(msgspec.structs.replace(one, native=Native("responses", {}, hosted=True)))


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (Usage(125), True),
        (Usage(5, cache_read=100, cache_write=20), True),
        (Usage(124), False),
        (Usage(0, output=1), False),
        (Usage(125, source="estimated"), False),
    ],
)
def test_a_report_with_less_than_the_text_can_have_is_none(told, read):
    assert is_read(told, chat()) is read
    assert not is_read(told, chat(web_search_options={}))


def test_of_no_text_something_is_read_all_the_same():
    empty = parse(b'{"model": "m", "messages": [{"role": "user", "content": ""}]}')
    assert (is_read(Usage(), empty), is_read(Usage(1), empty)) == (False, True)


def test_what_was_read_costs_what_it_does_and_what_may_be_written_the_most_that_it_can():
    told = Usage(1000, cache_read=100_000, cache_write=200, cache_write_long=10, output=3)
    read = 1000 * 3_000_000 + 100_000 * 300_000 + 200 * 3_750_000 + 10 * 6_000_000
    assert at_most(told, 500, CLAUDE, "", None, audio=False) == read + 500 * 20_000_000
    assert at_most(told, 500, CLAUDE, "", None, audio=True) == read + 500 * 90_000_000


SERVICES = price(
    10,
    20,
    tiers=(Tier(1000, price(30, 40).rates),),
    services={"flex": Schedule(price(5, 6).rates), "priority": Schedule(price(50, 60).rates)},
)


@pytest.mark.parametrize(
    ("asked", "served", "rates"),
    [
        ("", None, (10, 20)),
        ("flex", None, (10, 20)),  # the usual one may be served
        ("priority", None, (50, 60)),
        ("priority", "default", (50, 60)),
        ("", "flex", (10, 20)),
        ("", "priority", (50, 60)),
        ("auto", None, (50, 60)),
        ("", "gold", (50, 60)),
    ],
)
def test_a_tier_that_may_be_served_may_be_charged(asked, served, rates):
    assert at_most(Usage(100), 7, SERVICES, asked, served, audio=False) == 100 * rates[0] + 7 * rates[1]


def test_a_long_prompt_has_the_rates_of_its_length():
    assert at_most(Usage(1000), 1, SERVICES, "", None, audio=False) == 1000 * 10 + 20
    assert at_most(Usage(1001), 1, SERVICES, "", None, audio=False) == 1001 * 30 + 40


@given(
    st.lists(st.integers(0, 2000), min_size=5, max_size=5),
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)),
    st.integers(0, 100),
    st.sampled_from(["", "default", "flex", "priority", "gold"]),
)
@settings(max_examples=100, deadline=None)
def test_no_end_of_the_answer_costs_more(read, wrote, more, served):
    told = Usage(*read)
    ended = Usage(*read, *wrote)
    most = at_most(told, ended.written + more, SERVICES, "", served or None, audio=True)
    assert charge(ended, SERVICES, {"default": "", "gold": "other"}.get(served, served)) <= most
