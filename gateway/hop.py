"""One upstream call under way."""

import time
from asyncio import CancelledError, Task
from collections.abc import Awaitable, Mapping

import msgspec

from gateway.asked import Form, watched_tags
from gateway.core import tokens
from gateway.core.bound import NOTHING as FREE
from gateway.core.bound import Bound, bound, longest
from gateway.core.budget import Ask, Reserved
from gateway.core.catalog import OURSELVES, Endpoint
from gateway.core.decision import Decision, Obligation, Verdict
from gateway.core.discharge import discharged
from gateway.core.errors import FINAL, Failed, FailureKind, Refusal, Refused
from gateway.core.findings import UNKNOWN
from gateway.core.lane import Passage
from gateway.core.outline import Outline
from gateway.core.permit import Permit, covers
from gateway.core.rate import pace_headers
from gateway.core.record import Call
from gateway.core.reported import other_name
from gateway.core.room import RETRY_SECONDS, Share
from gateway.core.trace import HEADER, Trace
from gateway.ports import Headers, Opened, Reply, Scanned, Sent, UpstreamError, Upstreams
from gateway.stream import Stream
from gateway.wire import Answer, Dialect, StreamReader, Surface

MAX_ERROR_BYTES = 1_000_000
MAX_ANSWER_BYTES = 256_000_000
_MONOTONIC = time.perf_counter
_NO_HEADERS: Headers = []
_NOTHING: frozenset[str] = frozenset()


class Hop:
    """One upstream call: what is asked, and what has come of it.

    The permit says whom, and what must be done to the request first: that is done here, and nowhere else. `form` is the
    request in the form that it was permitted in. `share` is for a whole answer. `task` is the one that serves the
    request.
    """

    __slots__ = (
        "_broken_off",
        "_dropped",
        "_passage",
        "_scanned",
        "_share",
        "_surface",
        "_taken",
        "_task",
        "_trace",
        "_watched",
        "answer",
        "backend",
        "body",
        "bound",
        "chat",
        "cut",
        "dialect",
        "facts",
        "held",
        "lost",
        "opened",
        "permit",
        "reader",
        "room",
        "sent_at",
        "shortened",
    )

    def __init__(
        self,
        permit: Permit,
        form: Form,
        scanned: Scanned,
        surface: Surface,
        dialect: Dialect,
        share: Share,
        task: "Task[object] | None",
        passage: Passage | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.permit = permit
        self.backend = permit.backend
        do = permit.candidate.do
        self.chat = discharged(form.chat, do, dialect.limit_field) if do else form.chat
        self.dialect = dialect
        self._share = share
        self._surface = surface if dialect.takes != surface.name else None
        self.facts = form.facts
        self._scanned = scanned
        self._taken = form.taken
        self._watched = watched_tags(do) if do else _NOTHING
        self._task = task
        self.bound = self._bound() if self._generates else FREE
        self.room: Reserved | None = None  # what was reserved for it
        self.shortened: int | None = None  # tokens that a choice may have, where a budget leaves no more
        self.sent_at = 0.0  # monotonic seconds
        self._dropped: tuple[str, ...] = ()  # of a large request: what was left out when it was put into words
        self.opened: Opened | None = None
        self.reader: StreamReader | None = None  # a stream, from its first event on
        self.held = b""  # what came before it was known to be an answer
        self.answer: Answer | None = None  # a buffered answer
        self.body = b""
        self.cut: Verdict | None = None  # what policy broke it off by
        self._broken_off: Failed | None = None  # by us
        self._passage = passage
        self._trace = trace
        self.lost: Failed | None = None  # how it failed before it was known to be an answer

    def _bound(self) -> Bound:
        backend, chat = self.backend, self.chat
        thinks = "reasoning" in backend.capabilities
        most = backend.context or longest(backend)  # `max_output` may say how long an answer is without its thoughts
        return bound(backend, chat.demand, self.dialect.beside(chat, most) if thinks else 0)

    @property
    def _generates(self) -> bool:
        """Whether anything is generated, or read for money: to count tokens is free."""
        return self.dialect.takes != "count_tokens"

    @property
    def most(self) -> int:
        """The most that this call can cost, in pico-USD."""
        return self.bound.most if self.room is None else self.room.pico_usd

    def ask(self, call: Call, project: str, exempt: str | None) -> Ask:
        """What is asked of budgets before it is sent. A request counts once against rates, and is not held up half-way.
        `exempt` is the limit that it was downgraded by."""
        hop, backend = self.permit.hop, self.backend
        return Ask(
            f"{call.id}:{hop}",
            call.caller.spender(project, backend.provider, backend.zone),
            self.bound.most,
            self.bound.least,
            requests=1 if hop == 1 else 0,
            tokens=tokens.prompt_expected(self.chat.text_bytes, len(self.chat.view.messages)),
            exempt=exempt,
        )

    def reserved(self, room: Reserved) -> None:
        """Takes what was granted. Where that is less than the call can cost, its answer is cut to it."""
        if room.pico_usd < self.bound.most:
            self.shortened = self.bound.written_for(room.pico_usd)
            limit = Obligation("max_output_tokens", self.shortened)
            self.chat = discharged(self.chat, (limit,), self.dialect.limit_field)
        self.room = room

    async def open(self, upstreams: Upstreams, passed: Mapping[str, str]) -> Failed | None:
        """Sends the call and waits until it is known to be an answer, or how it failed: then nothing was relayed.

        `passed` are headers of the client, of which those go on that the dialect names.
        """
        chat, dialect = self.chat, self.dialect
        try:
            body, endpoint = await self._encoded()
            self.sent_at, headers = _MONOTONIC(), _NO_HEADERS
            if self._passage is not None:
                self._passage.sent(self.sent_at)
            if passed:
                endpoint, headers = _with(endpoint, {name: passed[name] for name in dialect.passes if name in passed})
            if self._trace is not None and self.backend.operator == OURSELVES:  # a vendor gets nothing of a client's
                headers = [*headers, (HEADER.encode(), self._trace.passed_on(self.permit.hop))]
            opened = self.opened = await upstreams.open(
                self.permit, endpoint, body, streamed=chat.streamed, headers=headers
            )
            if opened.status != 200:
                answer = await opened.read_all(MAX_ERROR_BYTES, None)
                failed: Failed | None = dialect.failure(opened.status, opened.headers, answer)
            elif chat.streamed and opened.headers.get("content-type", "").startswith("text/event-stream"):
                reader = self._followed(dialect.reader(chat))
                while not reader.started:
                    block = await opened.read(first=True)
                    self.held += reader.feed(block) if block else reader.close()
                    if len(self.held) > MAX_ERROR_BYTES:
                        self.held = reader.broke_off(_NO_EVENT)
                self.reader, failed = reader, reader.failed
            else:
                raw = await opened.read_all(MAX_ANSWER_BYTES, self._hold)
                read = self._scanned.read(raw, self._sent)
                answered = self.answer = await read if isinstance(read, Awaitable) else read
                self.body, failed = answered.body, answered.failed
        except UpstreamError as error:
            failed = error.failed
        except CancelledError:
            failed = self.was_cut()
            if failed is None:
                raise
        if failed is not None:
            self.lost = failed
            self.close()
        elif self._passage is not None:
            self._passage.answered(self.backend.allowed(streamed=chat.streamed), _MONOTONIC())
        return failed

    @property
    def _sent(self) -> Sent:
        do = self.permit.candidate.do
        return Sent(self.chat, self.backend, do, self.dialect, self._surface, self._watched, self._taken)

    async def _encoded(self) -> tuple[bytes, Endpoint]:
        """What is sent, and where. A large request is put into words elsewhere. Raises Refused."""
        chat, backend = self.chat, self.backend
        if not isinstance(chat, Outline):
            return self.dialect.encode(chat, backend), self.dialect.endpoint(chat, backend)
        do = self.permit.candidate.do
        if self.shortened is not None:
            do += (Obligation("max_output_tokens", self.shortened),)
        encoded = await self._scanned.encoded(chat, do, backend)
        self._dropped = encoded.drops
        return encoded.body, encoded.endpoint

    def _followed(self, reader: StreamReader) -> StreamReader:
        if self._watched or self._taken:
            reader = self._scanned.follow(reader, self._watched, self._taken)
        return reader if self._surface is None else self._surface.follow(reader, self.chat)

    async def relay(self, reply: Reply, stream: Stream) -> None:
        """Passes the stream on until it is done, which it is also when it breaks off or is cut."""
        opened, reader = self.opened, stream.reader
        assert opened is not None
        try:
            while not reader.done:
                await reply.room()
                if await opened.pass_on(stream.take):
                    stream.last = reader.close()
        except UpstreamError as error:
            stream.last = reader.broke_off(error.failed)
        except CancelledError:
            if (why := self.was_cut()) is None:
                raise
            if not reader.done:
                opened.close()
                stream.last = reader.broke_off(why)

    def leave(self) -> None:
        """Makes room at the backend. May be told twice."""
        if self._passage is not None:
            self._passage.end(self.reader.failed if self.reader is not None else self.lost, _MONOTONIC())

    async def drain(self) -> None:
        """Takes the end that follows a complete answer, if it comes at once."""
        if self.opened is not None:
            await self.opened.drain()

    def may_go(self, verdict: Verdict) -> bool:
        """Whether a verdict permits it as it is going to be sent."""
        return verdict.permitted and covers(self.permit.candidate.do, verdict.do)

    def revoke(self, verdict: Verdict | None) -> None:
        """Breaks the call off, from outside of the task that serves it: by policy, or (None) since the process ends."""
        self.cut, self._broken_off = verdict, _STOPPED if verdict is None else _REVOKED
        if self._task is not None:
            self._task.cancel()

    def was_cut(self) -> Failed | None:
        """Why, if the interruption was ours alone: then it is taken back. Asked once, by the task itself."""
        ours = self._broken_off is not None and self._task is not None and self._task.uncancel() == 0
        return self._broken_off if ours else None

    def _hold(self, size: int) -> None:
        """A whole answer has so many bytes by now. Raises Refused where there is no room for it: nobody else is asked
        after that, nor shall the client ask again at once, since what it took so far may have to be paid."""
        if not self._share.hold(size):
            raise Refused(
                Refusal.SHEDDING,
                "too many large answers are under way, so this one was given up, and what it cost is booked; stream it,"
                " or ask again later",
                retry_after=RETRY_SECONDS,
                headers=FINAL,
            )

    def close(self) -> None:
        """Ends the call, and what it holds. May be told twice."""
        self._share.end()
        if self.opened is not None:
            self.opened.close()

    def headers(self, decision: Decision, warnings: list[str]) -> Headers:
        """The head of the client's answer. `warnings` are rules in trial that would deny it."""
        backend, opened = self.backend, self.opened
        upstream = opened.headers if opened is not None else {}
        headers = [
            (b"content-type", upstream.get("content-type", "application/json").encode("ascii", "replace")),
            (b"x-gateway-decision", decision.id.encode()),
            (b"x-gateway-backend", backend.id.encode()),
            (b"x-gateway-model", backend.model.encode("ascii", "replace")),
            (b"x-gateway-sensitivity", self.sensitivity.encode()),
            (b"x-gateway-attempts", b"%d" % self.permit.hop),
        ]
        if self.shortened is not None:
            headers.append((b"x-gateway-output-limit", b"%d" % self.shortened))
        if self.room is not None and self.room.pace is not None:
            headers += pace_headers(self.room.pace)
        if warnings:
            headers.append((b"x-gateway-policy-warning", ", ".join(warnings).encode("ascii", "replace")))
        if self.reader is not None:
            headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        chat = self.chat
        dropped = self._dropped if isinstance(chat, Outline) else self.dialect.drops(chat, backend)
        if self._surface is not None:
            dropped += self._surface.drops(self.chat)
        if dropped:
            headers.append((b"x-gateway-dropped", ", ".join(dropped).encode("ascii", "replace")))
        if upstream_id := upstream.get("x-request-id") or upstream.get("request-id"):
            headers.append((b"x-upstream-request-id", upstream_id.encode("latin-1", "replace")))
        return headers

    @property
    def unasked(self) -> bytes | None:
        """An answer that we give ourselves, since the backend has none of this kind; None: it is to be asked."""
        return None if self._surface is None else self._surface.unasked(self.chat)

    @property
    def misnamed(self) -> str:
        """The name of another model that the answer says it is by; empty: it does not, or not yet."""
        source = self.reader or self.answer
        return "" if source is None else other_name(self.backend, source.model)

    @property
    def unfinished(self) -> bool:
        """The backend's answer ended, and nobody said why: it may be cut off, so it does not count as whole."""
        source = self.reader or self.answer
        return source is not None and source.unfinished

    @property
    def sensitivity(self) -> str:
        """The label as it was sent, in words."""
        return self.facts.sensitivity or UNKNOWN


def _with(endpoint: Endpoint, passed: Mapping[str, str]) -> tuple[Endpoint, Headers]:
    """The headers of a client that go on, each as one list with what the endpoint itself says under the same name."""
    own = dict(endpoint.headers)
    headers = [
        (name.encode(), ",".join(filter(None, (own.pop(name, ""), value))).encode()) for name, value in passed.items()
    ]
    return msgspec.structs.replace(endpoint, headers=tuple(own.items())), headers


def _failure(kind: FailureKind, message: str, type: str, code: str) -> Failed:
    return Failed(kind, kind.status, {"message": message, "type": type, "param": None, "code": code})


_NO_EVENT = _failure(
    FailureKind.BROKEN, "the backend sent a megabyte of comments and no event", "server_error", "upstream_broken"
)
_REVOKED = _failure(
    FailureKind.REVOKED,
    "policy has come to deny this while it was answered",
    "permission_error",
    FailureKind.REVOKED.code,
)
_STOPPED = msgspec.structs.replace(
    _failure(
        FailureKind.STOPPED,
        "the gateway is stopping, so this answer ends here; try again",
        "server_error",
        FailureKind.STOPPED.code,
    ),
    retry_after="5",
)
