"""Which replicas there are, and whether all have the same policy in force.

A replica says who it is with each sign of life that it gives for the budgets (`budgets_keeping`). Without a server that
all share there is this one.
"""

import secrets
import time
from collections.abc import Callable, Sequence

import msgspec

from gateway import __version__

LIFE_SECONDS = 10.0
"""How long after its last sign of life a replica counts as there."""
DIFFER_SECONDS = 5.0
"""How long replicas may differ before an operator is told: a new policy does not reach all at once."""
KEYS = "{gw}:replicas", "{gw}:replicas:said"
"""On the server: when each gave its last sign of life, and what it said."""
_MOST_BYTES = 256


class Said(msgspec.Struct, frozen=True):
    """What a replica says of itself: its version, and the digest of the policy in force."""

    version: str
    policy: str


class Replica(msgspec.Struct, frozen=True):
    """A replica as operators see it. `id` is by chance, and new with each start. `seen_seconds` is how long its last
    sign of life is ago. `version` and `policy` are None where it did not say."""

    id: str
    version: str | None
    policy: str | None
    seen_seconds: float
    here: bool


_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Said).decode


class Replicas:
    """`policy` gives the digest of the policy in force here. `tell` is told once that replicas differ in that, and once
    that they no longer do, by name."""

    def __init__(self, tell: Callable[..., None] = lambda *_, **__: None, policy: Callable[[], str] = str) -> None:
        self.name = secrets.token_hex(8)
        self._tell = tell
        self._policy = policy
        self._others: dict[str, tuple[float, Said | None]] = {}  # when each gave its last sign, and what it said
        self._differ_since: float | None = None
        self._told = False

    def said(self) -> str:
        """What this one says of itself."""
        return _ENCODE(Said(__version__, self._policy())).decode()

    def heard(self, now: float, told: Sequence[bytes]) -> None:
        """Takes who is there, at a moment of the server: the name of each, when it gave its last sign, and what it
        said. Nobody vouches for any of it."""
        here = time.monotonic()
        self._others = {}
        for name, at, said in zip(told[::3], told[1::3], told[2::3], strict=True):
            if (id := name[:_MOST_BYTES].decode(errors="replace")) != self.name:
                self._others[id] = here - max(0.0, now - float(at)), _read(said)
        self._compare(here)

    def shown(self) -> list[Replica]:
        """Those that are there, as far as is known, this one first."""
        now = time.monotonic()
        found = [Replica(self.name, __version__, self._policy(), 0.0, here=True)]
        for id, (at, said) in sorted(self._others.items()):
            version, policy = (said.version, said.policy) if said is not None else (None, None)
            if (ago := now - at) < LIFE_SECONDS:
                found.append(Replica(id, version, policy, round(ago, 1), here=False))
        return found

    def _compare(self, now: float) -> None:
        policies: dict[str, list[str]] = {}
        for each in self.shown():
            if each.policy is not None:
                policies.setdefault(each.policy, []).append(each.id)
        if len(policies) == 1:
            if self._told:
                self._tell("replicas_agree", policy=self._policy())
            self._differ_since, self._told = None, False
        elif self._differ_since is None:
            self._differ_since = now
        elif not self._told and now - self._differ_since > DIFFER_SECONDS:
            self._told = True
            self._tell("replicas_differ", policies=policies)


def _read(said: bytes) -> Said | None:
    if len(said) > _MOST_BYTES:
        return None
    try:
        return _DECODE(said)
    except msgspec.DecodeError:
        return None
