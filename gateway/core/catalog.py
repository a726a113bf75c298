"""Backends: what can be called, how, and what is known about it (the model passport)."""

from collections.abc import Iterable

import msgspec

from gateway.core.price import Machine, Price

AUTO = "auto"
"""The model name that stands for every backend that may serve the request."""

OPERATIONS = (
    "chat",
    "completions",
    "embeddings",
    "responses",
    "messages",
    "moderations",
    "images",
    "rerank",
)
"""Capabilities that are forms of requests: a request has one of them."""

HOSTED_TOOLS = "hosted_tools"
"""The capability to run tools at the provider: a search, a sandbox, an MCP server. They go out from there with what the
model gives them, and what they cost is on no price list of ours: so whoever runs the gateway says that it is wanted."""

URLS = "urls"
"""The capability to fetch what a request only names by its address. A provider fetches from its own network, so each
of its backends has it. A server of ours would fetch from within ours, whatever a caller names: so whoever runs it says
that it may."""

CAPABILITIES = (
    *OPERATIONS,
    "tools",
    "vision",
    "audio",
    "json_schema",
    "logprobs",
    "reasoning",
    HOSTED_TOOLS,
    URLS,
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
    "eligible_persons",
)
"""Facts that a policy may ask about a backend. One that is missing is unknown, never assumed."""

OURS = "self_hosted"
"""The deployment of what we run ourselves."""
OURSELVES = "ourselves"
"""Who operates it then."""

ASSUMED_CONTEXT = 131_072
"""Tokens that a backend of undeclared context is taken to write at most, when a bound is needed."""


def granted(capabilities: Iterable[str], deployment: str | None) -> frozenset[str]:
    """The capabilities of a backend whose row lists these. Where nobody says who runs it, it counts as ours."""
    return frozenset(capabilities) | (frozenset() if deployment in (None, OURS) else {URLS})


def needed(said: Iterable[str]) -> frozenset[str]:
    """The capabilities that a request needs which is said to need these: where none is an operation, `chat`, too."""
    needs = frozenset(said)
    return needs if needs.intersection(OPERATIONS) else needs | {"chat"}


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds. `first_byte`: until a stream's first event; `idle`: between two blocks; `total`: all of it."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float = 600.0


class Endpoint(msgspec.Struct, frozen=True):
    """Where a call goes: `path` is below the backend's base URL. The key goes in `key_header`: as a bearer token in
    `Authorization`, as it is in any other. `headers` are sent with every call."""

    path: str
    key_header: str = "Authorization"
    headers: tuple[tuple[str, str], ...] = ()


class Backend(msgspec.Struct, frozen=True):
    """One endpoint that serves one model.

    `key_ref` is where its API key is found (`env:NAME`, `file:PATH`), never the key itself; None: it wants none.
    `context` and `max_output` are tokens, None: undeclared. `price` None: unpriced, so it is refused. `substitute` is
    the backend that is asked instead while this one is suspended or retired; `review_by` is a date (YYYY-MM-DD).
    `max_concurrent` is how many calls it may have under way; None: any number, or of a server of our own as many as it
    keeps up with. `machine` is what it runs on, where that is ours and priced by the hour. `reports_as` are further
    names that its answers may say they are by.
    """

    id: str
    provider: str
    base_url: str
    model: str
    passport: dict[str, str | frozenset[str]]
    aliases: tuple[str, ...] = ()
    key_ref: str | None = None
    timeouts: Timeouts = Timeouts()
    capabilities: frozenset[str] = frozenset({"chat"})
    context: int | None = None
    max_output: int | None = None
    price: Price | None = None
    substitute: str | None = None
    review_by: str | None = None
    max_concurrent: int | None = None
    machine: Machine | None = None
    reports_as: tuple[str, ...] = ()

    def allowed(self, *, streamed: bool) -> float:
        """The seconds that its answer may take to begin: a buffered one begins when it is complete."""
        return self.timeouts.first_byte if streamed else self.timeouts.total

    def fact(self, name: str) -> str | frozenset[str] | None:
        """A passport fact, or None when nobody declared it."""
        return self.passport.get(name)

    def word(self, name: str) -> str:
        """A passport fact for display and metrics: `unknown` when nobody declared it."""
        value = self.passport.get(name)
        return value if isinstance(value, str) else "unknown"

    @property
    def zone(self) -> str:
        """The zone for display and metrics."""
        return self.word("zone")

    @property
    def operator(self) -> str:
        """Who runs it: `ourselves`, or the provider."""
        return OURSELVES if self.passport.get("deployment") == OURS else self.provider


OUT_OF_USE = ("suspended", "retired")
"""Statuses in which a backend's declared substitute answers to its name."""


def names(backends: tuple[Backend, ...]) -> dict[str, tuple[Backend, ...]]:
    """Every model name that a client may send, with the backends behind it; `auto` stands for all.

    Where one is out of use its substitute stands behind the same names; whether either may serve is the policy's.
    """
    by_id = {backend.id: backend for backend in backends}
    table: dict[str, dict[str, Backend]] = {AUTO: by_id}
    for backend in backends:
        behind, at = {backend.id: backend}, backend
        while at.word("status") in OUT_OF_USE and at.substitute in by_id and at.substitute not in behind:
            at = by_id[at.substitute]
            behind[at.id] = at
        for name in (backend.id, *backend.aliases):
            table[name] = table.get(name, {}) | behind
    return {name: tuple(behind.values()) for name, behind in table.items()}
