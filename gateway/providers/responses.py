"""The Responses dialect: the request of a client of OpenAI's Responses API, sent on to a backend that speaks it, too.

Requests and answers pass through as bytes, save that nothing is stored. Events that come before anything is generated
are held until something is, or the stream ends: OpenAI reports that it has no room only after them, and until then
another backend can be asked.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, UnsetType

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.providers.failures import unreadable
from gateway.providers.passing import Passing
from gateway.providers.reader import UNREADABLE, Answer, Reader
from gateway.providers.response_wire import (
    BEGINNING,
    EVENT,
    FAILED,
    LAST,
    NOT_ANSWERED,
    OUTCOME,
    SEALED,
    UNFINISHED,
    Event,
    Outcome,
    failed_in,
    present,
    service_in,
    usage_in,
    word,
    written_in,
)

_LIMIT = msgspec.json.Decoder(int | None)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NOT_STORED = Raw(b"false")
_NO_OUTCOME = Outcome()


class _Reasoning(msgspec.Struct):
    """An item of the input, as far as one of reasoning asks."""

    type: str | None = None
    encrypted_content: str | None = None
    content: object = None


_REASONING = msgspec.json.Decoder(_Reasoning)
_ITEMS = msgspec.json.Decoder(list[Raw])


class Responses(Passing, frozen=True, kw_only=True):
    """The dialect of backends that take such requests as they are.

    `seals`: reasoning is told in sealed form only, so what other models told in the open is not taken.
    """

    seals: bool = False
    takes: str = "responses"
    limit_field: str = "max_completion_tokens"  # of the canonical form, where limits are lowered
    target: Endpoint = Endpoint("/responses")

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The client's body with the backend's model name, and a lower limit where the canonical form has one. Nothing
        is stored at the backend, which many do unasked: there it would belong to every caller."""
        fields: dict[str, Raw] = chat.native.fields if chat.native is not None else {}
        changed = {"model": Raw(msgspec.json.encode(backend.model)), "store": _NOT_STORED}
        changed |= _without_foreign(fields, open_too=self.seals)
        view = chat.view
        most = view.max_completion_tokens if view.max_completion_tokens is not None else view.max_tokens
        if most is not None and not 0 <= _limit(fields.get("max_output_tokens")) <= most:
            changed["max_output_tokens"] = Raw(b"%d" % most)
        return msgspec.json.encode({**fields, **changed})

    def reader(self, chat: ChatRequest) -> "Stream":
        """The reader of a streamed answer."""
        return Stream()

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says. One that is not whole is an answer, one that failed is none."""
        try:
            read = OUTCOME.decode(body)
        except UNREADABLE:
            return Answer(b"", None, 0, unreadable("the backend answered with something that is no response"))
        used = usage_in(read.usage)
        if present(read.error) or read.status in NOT_ANSWERED:
            return Answer(b"", used, 0, failed_in(body))  # what is reported is billed, whatever else
        if read.output is None or read.status in UNFINISHED:
            return Answer(b"", used, 0, unreadable("the backend answered with a response that is not finished"))
        return Answer(body, used, written_in(read.output), None, service_in(read), word(read.model))


def _without_foreign(fields: Mapping[str, Raw], *, open_too: bool) -> dict[str, Raw]:
    """The input without what other models thought in earlier turns: what we sealed, and what is in the open."""
    given = bytes(fields.get("input", b""))
    if b'"reasoning"' not in given or given[:1] != b"[":
        return {}
    try:
        items = _ITEMS.decode(given)
        kept = [item for item in items if not _is_foreign(_REASONING.decode(item), open_too)]
    except UNREADABLE:
        return {}  # the backend says what is wrong with it
    return {"input": Raw(msgspec.json.encode(kept))} if len(kept) < len(items) else {}


def _is_foreign(item: "_Reasoning", open_too: bool) -> bool:
    if item.type != "reasoning":
        return False
    sealed = item.encrypted_content
    return sealed.startswith(SEALED) if sealed else open_too and bool(item.content)


class Stream(Reader):
    """Follows one streamed answer: every event as it came, save those that report a failure."""

    def __init__(self) -> None:
        super().__init__()
        self._held = b""  # what came before anything was generated
        self._number = 0  # of the next event
        self._came = 0  # bytes of generated text of the item that is under way

    def _event(self, event: bytes, data: bytes) -> bytes:
        if not data or data.isspace():
            return self._shown(event)  # a comment, or a bare field
        if data.startswith(b"[DONE]"):  # the end that some servers add, before the one that there must be
            return self.broke_off(unreadable("the backend ended the stream before the answer was complete"))
        try:
            read = EVENT.decode(data)
        except UNREADABLE:
            return self.broke_off(unreadable("the backend sent an event that is none of a response"))
        self._number = (read.sequence_number if isinstance(read.sequence_number, int) else self._number) + 1
        if read.type in LAST:
            return self._last(event, data, read)
        if read.type == "error" or present(read.error):
            return self.broke_off(failed_in(data))
        if read.type not in BEGINNING:
            self.started = True
            self._count(read)
        return self._shown(event)

    def _count(self, read: Event) -> None:
        """Counts the text of a piece, and of an item that came whole."""
        if read.type.endswith(".delta") and not isinstance(read.delta, UnsetType):
            size = len(bytes(read.delta)) - 2
            self._came += size
            self.wrote(size)
        elif read.type == "response.output_item.done" and not isinstance(read.item, UnsetType):
            if not self._came:
                self.wrote(written_in([read.item]))
            self._came = 0

    def _shown(self, event: bytes) -> bytes:
        self._held += event
        return self._freed() if self.started else b""

    def _freed(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _last(self, event: bytes, data: bytes, read: Event) -> bytes:
        """The event that ends the stream: with it come usage and, where it failed, the reason."""
        try:
            outcome = _NO_OUTCOME if isinstance(read.response, UnsetType) else OUTCOME.decode(read.response)
        except UNREADABLE:
            return self.broke_off(unreadable("the backend ended with a response that nobody can read"))
        self.started = self.done = True
        self.service, self.model = service_in(outcome), word(outcome.model)
        if not self.written_bytes:
            self.wrote(written_in(outcome.output))
        self.used(usage_in(outcome.usage))
        if read.type in FAILED or present(outcome.error) or outcome.status in NOT_ANSWERED:
            self.failed = failed_in(data if isinstance(read.response, UnsetType) else read.response)
            try:
                event = _told(data, self.failed)
            except UNREADABLE:
                event = self.broke_off(self.failed)
        return self._freed() + event

    def _complete(self) -> bool:
        return False  # what is complete has ended by itself

    def _error(self, failed: Failed) -> bytes:
        error = {name: failed.error.get(name) for name in ("code", "message", "param")}
        body = {"type": "error", **error, "sequence_number": self._number}
        return b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"


def _limit(raw: Raw | None) -> int:
    """The client's own limit, -1: none."""
    try:
        limit = None if raw is None else _LIMIT.decode(raw)
    except UNREADABLE:
        return -1
    return -1 if limit is None else limit


def _told(data: bytes, failed: Failed) -> bytes:
    """The event that says that a response failed, with no more about it than the client may know."""
    came = _MEMBERS.decode(data)
    response = _MEMBERS.decode(came["response"]) if "response" in came else {}
    error = {"code": failed.error["code"] or "server_error", "message": failed.error["message"]}
    whole: dict[str, object] = {**response, "status": "failed", "error": error}
    members: dict[str, object] = {**came, "type": "response.failed", "response": whole}
    members.pop("error", None)  # Perplexity has it here
    return b"event: response.failed\ndata: " + msgspec.json.encode(members) + b"\n\n"
