"""Labels of conversations, in memory. No text is kept: each prefix is a keyed digest.

Replicas that have the same key name a conversation alike, and tell each other what they remember (`broadcast`).
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b

from gateway.core.labels import LEVELS, RANK, join

MOST = 100_000
"""Prefixes that are remembered; beyond it the one that was longest out of use is forgotten."""

_DIGEST_BYTES = 16
_KEY_BYTES = 32


class Conversations:
    """The `Conversations` port. Whoever in a team continues a conversation inherits its label.

    Not beyond the team: else anybody who marks a common opening raises it for everybody.
    """

    topic, kept = "labels", MOST

    def __init__(self, most: int = MOST) -> None:
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._most = most
        self.tell: Callable[[bytes], None] = lambda _: None
        self._labels: OrderedDict[bytes, str] = OrderedDict()

    def share(self, key: bytes) -> None:
        """Names conversations as other replicas do that have the same key (at most 64 bytes). What is known by other
        names is forgotten, so this is said before anybody asks."""
        self._key = key
        self._labels.clear()

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
        if prefixes and self._keep(whole := prefixes[-1], label):
            self.tell(bytes([RANK[self._labels[whole]]]) + whole)

    def heard(self, by: bytes, news: bytes, age: float) -> bool:  # noqa: ARG002  whoever said it, and whenever
        """Another replica remembers a label. False: nobody can read that."""
        if len(news) != 1 + _DIGEST_BYTES or news[0] >= len(LEVELS):
            return False
        self._keep(news[1:], LEVELS[news[0]])
        return True

    def everything(self) -> Iterator[bytes]:
        """All that is remembered, as `heard` takes it, the longest unused first."""
        labels = self._labels
        return (bytes([RANK[labels[prefix]]]) + prefix for prefix in list(labels) if prefix in labels)

    def _keep(self, whole: bytes, label: str) -> bool:
        """Keeps a label. False: that, or a higher one, was known."""
        labels = self._labels
        before = labels.get(whole)
        labels[whole] = after = label if before is None else join(label, before)
        labels.move_to_end(whole)
        if len(labels) > self._most:
            labels.popitem(last=False)
        return after != before
