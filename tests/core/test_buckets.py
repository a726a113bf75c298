"""A key is in one bucket, for ever, and the buckets are about as full as each other."""

from collections import Counter

import pytest

from gateway.core.buckets import BUCKETS, bucket_of, key_in, stands_for_bucket


@pytest.mark.parametrize(
    ("key", "bucket"),
    [("any", "0"), ("key_3f9a0c11d2e4", "66"), ("key_000000000000", "28"), ("", "80"), ("ключ", "78")],
)
def test_a_key_never_moves(key, bucket):
    """Were one of these to change, every canary that runs would hit other keys."""
    assert bucket_of(key) == bucket


def test_the_buckets_are_about_as_full_as_each_other():
    keys = 50_000
    found = Counter(bucket_of(f"key_{number:012x}") for number in range(keys))
    assert set(found) == set(BUCKETS)
    fair = keys / len(BUCKETS)
    assert 0.8 * fair < min(found.values()) <= max(found.values()) < 1.2 * fair


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_bucket_has_an_example(bucket):
    key = key_in(bucket)
    another = key_in(bucket, {key})
    assert (bucket_of(key), bucket_of(another), key != another) == (bucket, bucket, True)
    assert (stands_for_bucket(key), stands_for_bucket(another)) == (True, False)


@pytest.mark.parametrize("key", [None, "any", "key_3f9a0c11d2e4", "any-thing"])
def test_a_key_that_somebody_has_stands_for_itself(key):
    assert not stands_for_bucket(key)
