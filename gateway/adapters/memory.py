"""What texts were found to hold, in memory, so that a conversation that comes again is not examined again.

No text is kept: each is a keyed digest, and the key is this process's. Of findings there are kinds and offsets.
"""

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from gateway.core.findings import Leaf, Seen

MOST_BYTES = 16_000_000
"""What is remembered in all; beyond it the text that was longest out of use is forgotten."""

LEAST_CHARS = 8
"""Shorter texts are examined faster than looked up."""

_DIGEST_BYTES = 16
_KEY_BYTES = 32
_ENTRY_BYTES, _FINDING_BYTES = 300, 200


class Memory:
    """Remembers for each team by itself: else how long a request takes would tell one what another has sent."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._most_bytes = most_bytes
        self._seen: OrderedDict[bytes, Seen] = OrderedDict()
        self.size_bytes = 0

    def names(self, team: str, terms: str, leaves: Iterable[Leaf]) -> list[bytes | None]:
        """A name for each text of a body, None: it is too short for one. `terms` is the digest of what is looked for,
        and of what it means."""
        whose = blake2b(key=self._key, digest_size=_DIGEST_BYTES)
        for part in (team, terms):
            _add(whose, part)
        return [self._name(whose, leaf) if len(leaf.text) >= LEAST_CHARS else None for leaf in leaves]

    def _name(self, whose: blake2b, leaf: Leaf) -> bytes:
        name = whose.copy()
        _add(name, leaf.key)
        name.update(leaf.text.encode())
        return name.digest()

    def known(self, names: Sequence[bytes | None]) -> dict[int, Seen]:
        """What is remembered of these texts, by their numbers."""
        seen, found = self._seen, {}
        for number, name in enumerate(names):
            if name is not None and (known := seen.get(name)) is not None:
                seen.move_to_end(name)
                found[number] = known
        return found

    def learn(self, names: Sequence[bytes | None], fresh: Mapping[int, Seen]) -> None:
        """Remembers what texts hold, by their numbers."""
        for number, seen in fresh.items():
            name = names[number]
            if name is None or name in self._seen:
                continue
            self._seen[name] = seen
            self.size_bytes += _size_bytes(seen)
        while self.size_bytes > self._most_bytes:
            _, oldest = self._seen.popitem(last=False)
            self.size_bytes -= _size_bytes(oldest)


def _add(digest: blake2b, part: str) -> None:
    """A part behind its length, so that no two lists of parts are the same bytes."""
    raw = part.encode("utf-8", "surrogatepass")
    digest.update(b"%d:%b" % (len(raw), raw))


def _size_bytes(seen: Seen) -> int:
    return _ENTRY_BYTES + _FINDING_BYTES * len(seen.findings)
