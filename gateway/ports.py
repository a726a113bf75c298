"""What the hot path needs from the outside, as Protocols. Adapters fill them; tests put their own in."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from gateway.core.budget import Ask, Exceeded, Reserved, Standing, State
from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest, Demand
from gateway.core.decided import Decided
from gateway.core.decision import Decision, Facts, Obligation, Project, Ruling
from gateway.core.errors import Failed
from gateway.core.findings import Classified, Found, Redacted
from gateway.core.lane import Held, Passage
from gateway.core.outline import Encoded, Outline
from gateway.core.permit import Permit
from gateway.core.rate import Pace, Throttled
from gateway.core.record import Call, Entry, Record
from gateway.core.spender import Spender
from gateway.core.terms import ScannerTerms
from gateway.wire import Answer, Dialect, StreamReader, Surface

Headers = list[tuple[bytes, bytes]]
Asking = tuple[Backend, tuple[Obligation, ...]]
"""A backend, and the obligations under which it would be asked."""


class Sent(msgspec.Struct, frozen=True):
    """A request as a backend was sent it, which its answer is read by.

    `surface` is the client's, None: it reads what the dialect gives. An answer shows no finding of the `watched` tags;
    `taken` is what was taken out of the request, by placeholder.
    """

    chat: ChatRequest
    backend: Backend
    do: tuple[Obligation, ...]
    dialect: Dialect
    surface: Surface | None
    watched: frozenset[str]
    taken: Mapping[str, str]


class UpstreamError(Exception):
    """The call did not get an answer, or lost it half-way. `failed` says how."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.kind.code)
        self.failed = failed


class Opened(Protocol):
    """An upstream answer whose status and headers are in."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, found in any case."""

    async def read(self, *, first: bool = False) -> bytes:
        """The next block as it came, b"" at the end. Raises UpstreamError when it breaks off or is late.

        `first`: no event has come yet, so it is late when `first_byte` has passed since the call.
        """

    async def pass_on(self, take: Callable[[bytes], bool]) -> bool:
        """Hands each block to `take` as it comes, until that wants no more for now. Returns whether the answer ended.

        `take` must not wait. Raises UpstreamError as `read` does, and what `take` raises.
        """

    async def read_all(self, limit: int, grew: Callable[[int], None] | None) -> bytes:
        """All that is left. `grew` is told how many bytes it has by now, and may raise. Raises UpstreamError when it
        breaks off, is late, or exceeds the limit (bytes)."""

    async def drain(self) -> None:
        """Takes the end that follows a complete answer, if it comes at once, so that the connection can serve again."""

    def close(self) -> None:
        """Ends the call: a connection that still has bytes to come is dropped, so the upstream stops working."""


class Upstreams(Protocol):
    """The only way out of the gateway that carries content."""

    async def open(
        self, permit: Permit, endpoint: Endpoint, body: bytes, *, streamed: bool, headers: Headers = ...
    ) -> Opened:
        """Spends the permit: sends the body to its backend, with headers of this call besides those of the endpoint.
        Raises UpstreamError when no status comes back.

        A buffered answer begins when it is complete, so it may take `total`; a streamed one `first_byte`.
        """


class Reply(Protocol):
    """The client's side of one request."""

    started: bool
    gone: bool  # the client hung up; whoever serves it is then cancelled

    async def start(self, status: int, headers: Headers) -> None:
        """Sends status and headers: the point of no return."""

    def write(self, block: bytes) -> bool:
        """Sends a block of the body. False: the client is slow, so the next one should wait for `room`."""

    async def room(self) -> None:
        """Waits while the client is slow."""

    async def end(self, block: bytes = b"") -> None:
        """Sends the last block and completes the answer."""


class Ledger(Protocol):
    """Where money is kept."""

    def open(self, entry: Entry, decided: Decided) -> None:
        """Notes that a call is about to be sent, and by which decision. Raises OSError when that cannot be kept: then
        nothing may be sent."""

    def sealed(self) -> Awaitable[None] | None:
        """What to await before the last byte goes out, so that nothing a client saw complete can be missing."""

    def settle(self, entries: Sequence[Entry]) -> None:
        """Keeps how calls ended. Never raises and never waits."""


Outcome = Reserved | Exceeded | Throttled


class Budgets(Protocol):
    """Limits on spending and on pace. Moments are Unix seconds, by a clock that nobody sets back."""

    def reserve(self, ask: Ask, moment: float) -> Outcome | Awaitable[Outcome]:
        """Takes room for a call in every account it touches, or in none: then it says which limit or rate holds it up.

        Raises Refused when nobody can count and the limit says that nothing is sent then.
        """

    def settle(self, room: Reserved, pico_usd: int, tokens: int) -> None:
        """Gives the room back and books what the call came to, in the windows that it began in. Once for each
        reservation; never raises and never waits."""

    def shrink(self, room: Reserved, pico_usd: int) -> Reserved:
        """Gives back what a call under way has beyond an amount, which may still be asked for. Returns the room that is
        settled in the place of this one. Never raises and never waits; where nobody hears of it, all is given back when
        the call ends."""

    def state(self, spender: Spender, moment: float) -> State:
        """The worst state of all limits that a request of this caller counts in, whichever backend serves it. Never
        waits: it may be as old as the caller's last call."""

    def standings(self, spender: Spender, moment: float) -> Sequence[Standing] | Awaitable[Sequence[Standing]]:
        """How each account stands that a request of this caller counts in, whichever backend serves it."""

    def pace(self, spender: Spender, moment: float) -> Awaitable[Pace | None] | Pace | None:
        """What the rates leave to a caller, without figures where there are none. None: nobody can count it now."""


class Lanes(Protocol):
    """Which backends are asked now: not those that fail, and none more than it keeps up with. Moments are monotonic
    seconds."""

    def rank(self, backend: str, moment: float) -> int:
        """When a backend is asked among those that may be: those with room first (0)."""

    def enter(
        self, backend: Backend, hop: int, allowed: float, moment: float
    ) -> Passage | Held | Awaitable[Passage | Held]:
        """Lets a call through that may take so many seconds until it is answered, or says why not. At once, or when
        there is room. Calls beyond the first for a request (`hop`) are few while they fail."""


class Sink(Protocol):
    """One projection of the record."""

    def put(self, record: Record) -> None:
        """Takes the record of a request that has ended. Never raises and never waits."""

    def decided(
        self, call: Call, decision: Decision, demand: Demand, classified: Classified | None, backend: str
    ) -> Decided:
        """A decision as it is noted before a call is sent to a backend."""


class Policy(Protocol):
    """One immutable snapshot of the policy and its catalog."""

    @property
    def digest(self) -> str:
        """Names exactly this policy."""

    @property
    def names(self) -> Mapping[str, tuple[Backend, ...]]:
        """Every model name that a client may send, with the backends behind it."""

    @property
    def not_offered(self) -> Mapping[str, str]:
        """Backends that cannot be called here, with the reason."""

    @property
    def sensitivity(self) -> ScannerTerms:
        """What the scanner looks for, and what it means."""

    @property
    def projects(self) -> Mapping[str, Project]:
        """What is declared of projects, by name."""

    @property
    def asks_hops(self) -> bool:
        """Some rule asks about the hop, so each hop is a question of its own."""

    @property
    def asks_budget(self) -> bool:
        """Some rule asks how the budgets stand."""

    @property
    def warns(self) -> frozenset[str]:
        """The rules in trial whose callers are told: see `Verdict.watched`."""

    def ask(self, facts: Facts, moment: float) -> Ruling:
        """What the policy says of these facts, for every backend.

        `moment` (Unix seconds, from a clock that is never set back) says which break-glass exceptions are open.
        """

    def ever(self, facts: Facts, moment: float) -> frozenset[str]:
        """The backends that a request with these facts could be sent to first, if its label is as high or higher,
        whatever is found in it. It takes long, and may be asked from any thread."""


class Policies(Protocol):
    """Holds the snapshot in force. A reload swaps the one reference."""

    @property
    def current(self) -> Policy:
        """The snapshot in force."""

    def moment(self) -> float:
        """Now, in Unix seconds, by a clock that nobody sets back."""


class Scanned(Protocol):
    """What was found in one request, and what can be done about it."""

    @property
    def found(self) -> Found:
        """What the findings come to."""

    def redacted(self, chat: ChatRequest, tags: frozenset[str]) -> Redacted | Awaitable[Redacted | None] | None:
        """The request without findings of these tags, scanned again; None: that cannot be done. At once if it is
        small."""

    async def lacking(self, chat: Outline, asked: Sequence[Asking]) -> Sequence[str]:
        """Why each backend cannot do what a large request asks, under these obligations; empty: it can."""

    async def encoded(self, chat: Outline, do: tuple[Obligation, ...], backend: Backend) -> Encoded:
        """A large request as a backend takes it, with the obligations done. Raises Refused."""

    def follow(self, reader: StreamReader, watched: frozenset[str], taken: Mapping[str, str]) -> StreamReader:
        """The reader, with what it gives back changed: the answer is broken off before it shows a finding of the
        watched tags, and placeholders become what was taken again."""

    def read(self, raw: bytes, sent: Sent) -> Answer | Awaitable[Answer]:
        """A buffered answer as the client is to see it: the same, and said as it reads it. At once if it is small.
        Raises Refused where it is large and nobody could read it."""


class Scanning(Protocol):
    """Looks for what is sensitive, by local means only."""

    async def outlined(self, surface: str, body: bytes, arrived: int, team: str) -> Outline:
        """What there is to know of a large request, by its surface, beside its words. Raises Refused."""

    def scan(self, policy: Policy, team: str, chat: ChatRequest, body: bytes) -> Scanned | Awaitable[Scanned]:
        """What is in a request's body, as the policy wants it scanned. At once, or elsewhere if it is large.

        What a team's texts were found to hold may be remembered, for that team. Never raises: where it fails, nothing
        is known. Raises Refused for a body that could be read in two ways, and where too many wait.
        """


class Conversations(Protocol):
    """Remembers which conversations had a label above their sender's floor, by what was said in them."""

    @property
    def empty(self) -> bool:
        """Nothing is remembered."""

    def prefixes(self, team: str, turns: Iterable[bytes]) -> Sequence[bytes]:
        """A name for each prefix of a conversation, shortest first. It tells nothing of the text."""

    def label_of(self, prefixes: Sequence[bytes]) -> str | None:
        """The highest label that any of these prefixes had, None: none is remembered."""

    def remember(self, prefixes: Sequence[bytes], label: str) -> None:
        """Keeps a label for the whole of a conversation. Never lowers one."""
