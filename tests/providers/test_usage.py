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
        ({**USAGE, "completion_tokens_details": {"audio_tokens": 9}}, Usage(input_uncached=10, audio_output=5)),
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
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 11}}, None),
        ([], None),
    ],
)
def test_usage_of(wire, usage):
    assert usage_of(Raw(json.dumps(wire).encode())) == usage


def test_absent_usage_is_none():
    assert usage_of(Raw(b"null")) is None


@given(st.lists(st.integers(0, 10**6), min_size=7, max_size=7))
def test_what_is_written_reads_the_same_again(counts):
    read, cached, write, heard, output, reasoning, spoken = counts
    usage = Usage(read, cached, write, 0, heard, output, reasoning, spoken)
    assert usage_of(Raw(json.dumps(usage_object(usage)).encode())) == usage
