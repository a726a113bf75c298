"""What is spoken on both sides, as Protocols without I/O: bytes in, bytes out. Dialects and surfaces fill them."""

from collections.abc import Mapping
from typing import Protocol

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.core.usage import Usage


class StreamReader(Protocol):
    """Follows one streamed answer. Gives back what the client is to see, and learns what was used."""

    @property
    def started(self) -> bool:
        """The first event is in."""

    @property
    def done(self) -> bool:
        """Nothing more may follow: it is complete, or it failed."""

    @property
    def failed(self) -> Failed | None:
        """The upstream reported an error, or sent what nobody can read."""

    @property
    def unfinished(self) -> bool:
        """The upstream said that it was done, and not why the answer ended: it may be cut off."""

    @property
    def usage(self) -> Usage | None:
        """As reported."""

    @property
    def usage_is_last(self) -> bool:
        """Nothing was written since the usage was reported."""

    @property
    def service(self) -> str | None:
        """The service tier that it is served at, as the upstream calls it; None: it does not say."""

    @property
    def model(self) -> str | None:
        """The model that it is by, as the upstream calls it; None: it has not said."""

    @property
    def content_seen(self) -> bool:
        """Some generated content went by."""

    @property
    def written_bytes(self) -> int:
        """Bytes of generated text so far."""

    @property
    def written_events(self) -> int:
        """Events with generated text so far."""

    def feed(self, block: bytes) -> bytes:
        """What the client is to see of a block."""

    def close(self) -> bytes:
        """What the client is still to see, now that the upstream has ended. Then it is done."""

    def broke_off(self, failed: Failed) -> bytes:
        """What the client is still to see, now that the connection is lost. Then it is done, and failed."""


class Answer(Protocol):
    """One buffered answer. `body` is what it says in the form that the dialect takes."""

    @property
    def body(self) -> bytes:
        """Empty where it failed."""

    @property
    def usage(self) -> Usage | None:
        """As reported."""

    @property
    def service(self) -> str | None:
        """The service tier that it was served at, as the upstream calls it; None: it does not say."""

    @property
    def model(self) -> str | None:
        """The model that it is by, as the upstream calls it; None: it does not say."""

    @property
    def written_bytes(self) -> int:
        """Bytes of generated text."""

    @property
    def failed(self) -> Failed | None:
        """How it is no answer at all."""

    @property
    def unfinished(self) -> bool:
        """Nothing says why it ended: it may be cut off."""


class Dialect(Protocol):
    """What a backend speaks: bytes in, bytes out, no I/O. Requests are taken, and answers given, in one form."""

    @property
    def takes(self) -> str:
        """The form: `chat`, another operation, or the surface whose requests pass through as they came."""

    @property
    def limit_field(self) -> str:
        """The top-level field of a request that limits the tokens of an answer."""

    @property
    def passes(self) -> tuple[str, ...]:
        """Headers of the client that go on to the backend."""

    def endpoint(self, chat: ChatRequest, backend: Backend) -> Endpoint:
        """Where the call goes."""

    def lacks(self, chat: ChatRequest, backend: Backend) -> str:
        """Why the backend cannot do what is asked, in words that go on after its name; empty: it can."""

    def drops(self, chat: ChatRequest, backend: Backend) -> tuple[str, ...]:
        """Parameters that are not sent, since the model has but one value for them. The client is told."""

    def beside(self, chat: ChatRequest, longest: int) -> int:
        """Tokens that a choice may have beside its limit, where that does not hold for what is thought. `longest` is
        what the model can think at all."""

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The body to send upstream."""

    def reader(self, chat: ChatRequest) -> StreamReader:
        """The reader of a streamed answer."""

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says."""

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
        """What an answer with another status says."""


class Surface(Protocol):
    """What a client speaks: its requests become canonical, and canonical answers what it reads."""

    @property
    def name(self) -> str:
        """As a dialect that takes such requests names it."""

    @property
    def id_headers(self) -> tuple[bytes, ...]:
        """The headers by which it is told the request id."""

    def parse(self, body: bytes, arrived: int) -> ChatRequest:
        """The request in a body that arrived at a time (Unix seconds). Raises Refused (400)."""

    def follow(self, reader: StreamReader, chat: ChatRequest) -> StreamReader:
        """The reader of a canonical stream, with what it gives back said as the client reads it."""

    def answer(self, body: bytes, chat: ChatRequest) -> bytes:
        """A canonical buffered answer, said as the client reads it. Raises UpstreamError for what is no answer."""

    def drops(self, chat: ChatRequest) -> tuple[str, ...]:
        """What is left out of the request when it is said canonically. The client is told."""

    def unasked(self, chat: ChatRequest) -> bytes | None:
        """An answer that needs no backend, where the one that may be asked has none of this kind. None: there is no
        such answer."""

    def error(self, status: int, error: Mapping[str, object], request_id: str) -> bytes:
        """The body of an error answer. `error` is the object of the OpenAI envelope."""
