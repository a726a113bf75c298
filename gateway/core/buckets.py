"""Buckets of keys: each key is in one of a hundred, for ever. Rules are put in force for some buckets first."""

import hashlib
from collections.abc import Container
from functools import lru_cache
from itertools import count

BUCKETS = tuple(map(str, range(100)))
"""All of them, in order. Words, as every fact is."""

_SALT = b"gateway key bucket 19\0"
"""Never changes: a key stays where it is. With this one `any`, the key of a test that says nothing, is in bucket 0 and
so in every canary: a rule that goes from a canary to everybody needs no other tests."""


@lru_cache(maxsize=65_536)
def bucket_of(key: str) -> str:
    """The bucket that a key is in, by its id."""
    digest = hashlib.sha256(_SALT + key.encode("utf-8", "surrogatepass")).digest()
    return BUCKETS[int.from_bytes(digest[:8], "big") % len(BUCKETS)]


def key_in(bucket: str, taken: Container[str | None] = ()) -> str:
    """The id of a key in a bucket that is not among those taken: the same one every time."""
    names = (f"any-{number}" for number in count(1))
    return next(name for name in names if bucket_of(name) == bucket and name not in taken)


@lru_cache(maxsize=1024)
def stands_for_bucket(key: str | None) -> bool:
    """Whether a key is nothing but an example of its bucket, so that the bucket is what is to be said of it."""
    return key is not None and key.startswith("any-") and key == key_in(bucket_of(key))
