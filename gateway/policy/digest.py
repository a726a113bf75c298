"""What names a tree: a digest over exactly its files and bytes."""

import hashlib
from collections.abc import Mapping

SHOWN = 16
"""Hexadecimal digits by which people and logs name a tree. A signature is over all of them."""


def whole_digest_of(tree: Mapping[str, bytes]) -> str:
    """The SHA-256 of these files and bytes, in hexadecimal."""
    total = hashlib.sha256()
    for name in sorted(tree):
        total.update(f"{name}\0{len(tree[name])}\0".encode("utf-8", "surrogateescape"))
        total.update(tree[name])
    return total.hexdigest()


def tree_of(named: str) -> str:
    """The digest of the tree that a decision was made under, whatever was suspended then and whichever day it was."""
    return named.partition("@")[0].partition("+")[0]


def digest_of(tree: Mapping[str, bytes]) -> str:
    """The digest that a bundle, decisions and metrics carry."""
    return whole_digest_of(tree)[:SHOWN]
