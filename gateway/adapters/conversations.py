"""Labels of conversations, in memory. No text is kept: each prefix is a keyed digest, and the key is this process's."""

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from gateway.core.labels import join

MOST = 100_000
"""Prefixes that are remembered; beyond it the one that was longest out of use is forgotten."""

_DIGEST_BYTES = 16
_KEY_BYTES = 32


class Conversations:
    """The `Conversations` port. Whoever in a team continues a conversation inherits its label.

    Not beyond the team: else anybody who marks a common opening raises it for everybody.
    """

    def __init__(self, most: int = MOST) -> None:
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._most = most
        self._labels: OrderedDict[bytes, str] = OrderedDict()

    @property
    def empty(self) -> bool:
        """Nothing is remembered, so nobody need look."""
        return not self._labels

    def prefixes(self, team: str, turns: Iterable[bytes]) -> list[bytes]:
        """A digest for each prefix of a conversation, shortest first: each covers the one before it and one turn."""
        found = []
        prefix = team.encode()
        for turn in turns:
            digest = blake2b(prefix, key=self._key, digest_size=_DIGEST_BYTES)
            digest.update(turn)
            found.append(prefix := digest.digest())
        return found

    def label_of(self, prefixes: Sequence[bytes]) -> str | None:
        """The highest label that any of the prefixes had, None: none had one."""
        labels = self._labels
        known = [prefix for prefix in prefixes if prefix in labels]
        for prefix in known:
            labels.move_to_end(prefix)
        return join(*(labels[prefix] for prefix in known)) if known else None

    def remember(self, prefixes: Sequence[bytes], label: str) -> None:
        """Keeps the label of the whole conversation, which is its longest prefix. It never lowers one."""
        if not prefixes:
            return
        labels, whole = self._labels, prefixes[-1]
        labels[whole] = join(label, labels.get(whole, label))
        labels.move_to_end(whole)
        if len(labels) > self._most:
            labels.popitem(last=False)
