"""Backends: what can be called, how, and what is known about it (the model passport)."""

import msgspec

from gateway.core.price import Price

AUTO = "auto"
"""The model name that stands for every backend that may serve the request."""

CAPABILITIES = (
    "chat",
    "completions",
    "embeddings",
    "responses",
    "moderations",
    "tools",
    "vision",
    "audio",
    "json_schema",
    "logprobs",
    "reasoning",
)

PASSPORT = (
    "deployment",
    "zone",
    "region",
    "weights_origin",
    "operator_origin",
    "licence",
    "status",
    "retention",
    "trains_on_data",
    "audience",
)
"""Facts that a policy may ask about a backend. One that is missing is unknown, never assumed."""

ASSUMED_CONTEXT = 131_072
"""Tokens that a backend of undeclared context is taken to write at most, when a bound is needed."""


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds. `first_byte`: until a stream's first event; `idle`: between two blocks; `total`: all of it."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float = 600.0


class Backend(msgspec.Struct, frozen=True):
    """One endpoint that serves one model.

    `key_ref` is where its API key is found (`env:NAME`, `file:PATH`), never the key itself; None: it wants none.
    `context` and `max_output` are tokens, None: undeclared. `price` None: unpriced, so it is refused.
    """

    id: str
    provider: str
    base_url: str
    model: str
    passport: dict[str, str]
    aliases: tuple[str, ...] = ()
    key_ref: str | None = None
    timeouts: Timeouts = Timeouts()
    capabilities: frozenset[str] = frozenset({"chat"})
    context: int | None = None
    max_output: int | None = None
    price: Price | None = None

    def fact(self, name: str) -> str | None:
        """A passport fact, or None when nobody declared it."""
        return self.passport.get(name)

    @property
    def zone(self) -> str:
        """The zone for display and metrics."""
        return self.passport.get("zone", "unknown")


def names(backends: tuple[Backend, ...]) -> dict[str, tuple[Backend, ...]]:
    """Every model name that a client may send, with the backends behind it; `auto` stands for all."""
    table: dict[str, tuple[Backend, ...]] = {AUTO: backends}
    for backend in backends:
        table[backend.id] = (backend,)
    for backend in backends:
        for alias in backend.aliases:
            table[alias] = (*table.get(alias, ()), backend)
    return table
