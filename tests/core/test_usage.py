"""Usage is disjoint, whole and never negative."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.usage import BUCKETS, NOTHING, READ, Usage, less, shortened, surest


@given(st.tuples(*(st.integers(0, 10**12) for _ in BUCKETS)))
@settings(max_examples=100, deadline=None)
def test_the_total_is_the_sum_of_the_buckets(counts):
    assert sum(counts) == Usage(*counts).total


@pytest.mark.parametrize("bucket", BUCKETS)
def test_no_bucket_may_be_negative(bucket):
    assert Usage(**{bucket: 1}).total == 1
    with pytest.raises(ValueError, match="inconsistent usage"):
        Usage(**{"input_uncached": 5, "output": 5, bucket: -1})


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_decoded_usage_validates_itself_too(bucket):
    with pytest.raises(msgspec.ValidationError, match="inconsistent usage"):
        msgspec.json.decode(b'{"%b":-1}' % bucket.encode(), type=Usage)


def test_what_was_read_and_what_was_written_are_all():
    assert set(BUCKETS[:READ]) == {"input_uncached", "cache_read", "cache_write", "cache_write_long", "audio_input"}
    assert Usage(**{name: 1 for name in BUCKETS}).read == READ


def test_nothing_is_nothing():
    assert (Usage(), 0, "reported") == (NOTHING, NOTHING.total, NOTHING.source)


def test_every_count_is_a_bucket_of_the_total():
    assert (*BUCKETS, "source") == Usage.__struct_fields__


def test_usage_is_frozen():
    with pytest.raises(AttributeError):
        NOTHING.output = 1


@pytest.mark.parametrize(
    ("usage", "written", "expected"),
    [
        (Usage(9, output=5, reasoning=3), 8, Usage(9, output=5, reasoning=3)),
        (Usage(9, output=5, reasoning=3), 7, Usage(9, output=4, reasoning=3)),
        (Usage(9, output=5, reasoning=3), 2, Usage(9, output=0, reasoning=2)),
        (Usage(9, output=5, reasoning=3, audio_output=4), 0, Usage(9, audio_output=4)),
    ],
)
def test_what_was_counted_too_high_is_taken_off_what_was_written(usage, written, expected):
    assert shortened(usage, written) == expected


@pytest.mark.parametrize(
    ("whole", "parts", "left"),
    [
        (9, (), (9, "reported")),
        (9, (4, 5), (0, "reported")),
        (9, (4, 6), (9, "estimated")),
        (0, (1,), (0, "estimated")),
    ],
)
def test_parts_of_more_than_there_is_are_beside_it(whole, parts, left):
    assert less(whole, *parts) == left


def test_one_estimate_makes_an_estimate():
    assert surest() == surest("reported") == "reported"
    assert surest("reported", "estimated") == "estimated"
