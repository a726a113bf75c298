"""Usage as OpenAI spells it, and as others do."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from support.upstream import USAGE

from gateway.core.usage import Usage
from gateway.providers.usage import usage_object, usage_of


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (USAGE, Usage(input_uncached=10, output=5)),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(input_uncached=6, cache_read=4, output=5)),
        (
            {**USAGE, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}},
            Usage(input_uncached=4, cache_read=4, cache_write=2, output=5),
        ),
        (
            {**USAGE, "completion_tokens_details": {"reasoning_tokens": 3}},
            Usage(input_uncached=10, output=2, reasoning=3),
        ),
        (
            {**USAGE, "total_tokens": 22, "completion_tokens_details": {"reasoning_tokens": 7}},
            Usage(input_uncached=10, output=5, reasoning=7),
        ),
        ({**USAGE, "total_tokens": 19}, Usage(input_uncached=10, output=5, reasoning=4)),
        (
            {**USAGE, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2},
            Usage(input_uncached=2, cache_read=8, output=5),
        ),
        ({**USAGE, "cached_tokens": 3}, Usage(input_uncached=7, cache_read=3, output=5)),
        (
            {**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None},
            Usage(input_uncached=10, output=5),
        ),
        (
            {
                **USAGE,
                "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 3},
            },
            Usage(input_uncached=3, cache_read=1, audio_input=6, output=1, reasoning=1, audio_output=3),
        ),
        (
            {**USAGE, "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 6}},
            Usage(cache_read=8, audio_input=2, output=5),
        ),
        ({**USAGE, "completion_tokens_details": {"audio_tokens": 5}}, Usage(input_uncached=10, audio_output=5)),
        (
            {
                **USAGE,
                "prompt_tokens_details": {
                    "cached_tokens": 1,
                    "cache_creation_input_tokens": 5,
                    "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
                    "cache_type": "ephemeral",
                },
            },
            Usage(input_uncached=4, cache_read=1, cache_write=2, cache_write_long=3, output=5),
        ),
        (
            {**USAGE, "prompt_tokens_details": {"cache_creation": {"ephemeral_5m_input_tokens": 4}}},
            Usage(input_uncached=6, cache_write=4, output=5),
        ),
        (
            {**USAGE, "prompt_tokens_details": {"cache_creation_input_tokens": 4}},
            Usage(input_uncached=6, cache_write=4, output=5),
        ),
        ({"prompt_tokens": 10}, None),
        ({**USAGE, "prompt_tokens": -1}, None),
        ({**USAGE, "prompt_tokens": 10**30}, None),
        ({**USAGE, "prompt_tokens": "10"}, None),
        ([], None),
    ],
)
def test_usage_of(wire, usage):
    assert usage_of(Raw(json.dumps(wire).encode())) == usage


TORN = "estimated"


@pytest.mark.parametrize(
    ("read", "wrote", "total", "usage"),
    [
        ({"cached_tokens": 11}, {}, 15, Usage(10, cache_read=11, output=5, source=TORN)),
        ({"cached_tokens": 6, "cache_write_tokens": 5}, {}, 15, Usage(10, 6, 5, output=5, source=TORN)),
        (
            {"cached_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 4}},
            {},
            None,
            Usage(10, 9, 0, 4, output=5, source=TORN),
        ),
        ({"audio_tokens": 11}, {}, 15, Usage(10, audio_input=11, output=5, source=TORN)),
        ({"cached_tokens": 11, "audio_tokens": 11}, {}, 15, Usage(10, 11, audio_input=11, output=5, source=TORN)),
        ({}, {"reasoning_tokens": 6}, 15, Usage(10, output=5, reasoning=6, source=TORN)),
        ({}, {"reasoning_tokens": 6}, None, Usage(10, output=5, reasoning=6, source=TORN)),
        ({}, {"reasoning_tokens": 6}, 18, Usage(10, output=5, reasoning=6, source=TORN)),
        ({}, {"reasoning_tokens": 6}, 21, Usage(10, output=5, reasoning=6)),
        ({}, {"audio_tokens": 6}, 15, Usage(10, output=5, audio_output=6, source=TORN)),
        ({}, {"audio_tokens": 3, "reasoning_tokens": 3}, 15, Usage(10, 0, 0, 0, 0, 5, 3, 3, TORN)),
    ],
)
def test_parts_of_more_than_the_whole_count_beside_it_and_are_no_report(read, wrote, total, usage):
    wire = {**USAGE, "total_tokens": total, "prompt_tokens_details": read, "completion_tokens_details": wrote}
    assert usage_of(Raw(json.dumps(wire).encode())) == usage


COUNTS = st.none() | st.integers(0, 40)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=2), st.lists(COUNTS, min_size=6, max_size=6))
def test_no_figure_that_was_reported_is_left_out(whole, parts):
    prompt, completion = whole
    cached, written, heard, reasoning, spoken, total = parts
    wire = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": heard},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": spoken},
    }
    usage = usage_of(Raw(json.dumps(wire).encode()))
    assert usage.read >= max(prompt, (cached or 0) + (written or 0))
    assert usage.written >= max(completion, reasoning or 0, spoken or 0)
    assert usage.total >= (total or 0)
    if usage.source == "reported":
        assert usage.read == prompt
        assert usage.total == max(prompt + completion, total or 0)


def test_absent_usage_is_none():
    assert usage_of(Raw(b"null")) is None


@given(st.lists(st.integers(0, 10**6), min_size=7, max_size=7))
def test_what_is_written_reads_the_same_again(counts):
    read, cached, write, heard, output, reasoning, spoken = counts
    usage = Usage(read, cached, write, 0, heard, output, reasoning, spoken)
    assert usage_of(Raw(json.dumps(usage_object(usage)).encode())) == usage
