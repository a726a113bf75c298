"""The hot path: one request, top to bottom. One coroutine owns it, and its `finally` keeps the one record."""

import time
from asyncio import CancelledError
from collections.abc import Mapping

import msgspec

from gateway.core import tokens
from gateway.core.catalog import ASSUMED_CONTEXT, Backend
from gateway.core.chat import ChatRequest, parse
from gateway.core.decision import Decision, Facts, Project, Verdict
from gateway.core.errors import Failed, FailureKind, Refusal, Refused
from gateway.core.fallback import Attempt, next_step
from gateway.core.price import charge, usd
from gateway.core.record import Call, End, Record, State, Tried, entries, entry_of
from gateway.core.usage import NOTHING, Usage
from gateway.ports import (
    Answer,
    Dialect,
    Headers,
    Ledger,
    Opened,
    Policies,
    Policy,
    Reply,
    Sink,
    StreamReader,
    UpstreamError,
    Upstreams,
)
from gateway.routing.plan import plan, refusal, without
from gateway.sensitivity.classify import classify, facts_of

MAX_ERROR_BYTES = 1_000_000
MAX_ANSWER_BYTES = 256_000_000
_MONOTONIC = time.perf_counter


class _Hop:
    """One upstream call under way: what was asked, and what has come of it."""

    __slots__ = ("answer", "attempt", "body", "chat", "dialect", "held", "most", "opened", "reader")

    def __init__(self, attempt: Attempt, chat: ChatRequest, dialect: Dialect) -> None:
        self.attempt = attempt
        self.chat = chat
        self.dialect = dialect
        self.most = self._upper_bound()  # the most that this call can cost, in pico-USD
        self.opened: Opened | None = None
        self.reader: StreamReader | None = None  # a stream, from its first event on
        self.held = b""  # what came before it was known to be an answer
        self.answer: Answer | None = None  # a buffered answer
        self.body = b""

    @property
    def reported(self) -> Usage | None:
        source = self.reader or self.answer
        return source.usage if source else None

    def estimated(self) -> Usage:
        """What was used as far as we saw, counted high."""
        prompt = tokens.prompt_at_most(self.chat.text_bytes, len(self.chat.view.messages))
        if self.reader is not None:
            written = tokens.written_at_most(self.reader.written_bytes, self.reader.written_events)
        else:
            written = tokens.written_at_most(self.answer.written_bytes if self.answer else 0, 0)
        return Usage(input_uncached=prompt, output=written, source="estimated")

    def _upper_bound(self) -> int:
        backend, chat = self.attempt.candidate.backend, self.chat
        price = backend.price
        if price is None:
            return 0
        most = backend.max_output or backend.context or ASSUMED_CONTEXT
        limit = chat.output_limit
        written = (most if limit is None else min(limit, most)) * (chat.view.n or 1)
        prompt = tokens.prompt_at_most(chat.text_bytes, len(chat.view.messages))
        return prompt * price.dearest_input + written * price.dearest_output

    def tried(self, state: State, usage: Usage, cost_pico_usd: int, failure: FailureKind | None = None) -> Tried:
        backend = self.attempt.candidate.backend
        return Tried(
            self.attempt.hop,
            backend.id,
            backend.provider,
            backend.model,
            backend.zone,
            state,
            usage,
            cost_pico_usd,
            backend.price.version if backend.price else "",
            failure,
        )

    def failed(self, failure: FailureKind) -> Tried:
        """Not billed, or nobody knows: then the upper bound stands until somebody does."""
        if self.reported is not None:
            return self._owed(self.reported, failure)
        if failure.may_be_billed:
            return self.tried("uncertain", NOTHING, self.most, failure)
        return self.tried("released", NOTHING, 0, failure)

    def ended(self) -> Tried:
        """Answered, or broken off by anyone: what went by is owed. Of an answer that never came nobody knows."""
        if self.reader is None and self.answer is None:
            return self.tried("uncertain", NOTHING, self.most)
        broken = self.reader.failed if self.reader is not None else None
        return self._owed(self.reported or self.estimated(), broken.kind if broken is not None else None)

    def _owed(self, usage: Usage, failure: FailureKind | None) -> Tried:
        price = self.attempt.candidate.backend.price
        return self.tried("settled", usage, charge(usage, price) if price else 0, failure)


class _Stream:
    """An answer on its way from the upstream's socket to the client's. Its last block is kept until the charge is."""

    __slots__ = ("_reader", "_reply", "first_token", "last")

    def __init__(self, reader: StreamReader, reply: Reply, begun: bytes) -> None:
        self._reader = reader
        self._reply = reply
        self.first_token: float | None = None
        self.last = b""
        self._pass(begun)

    def take(self, block: bytes) -> bool:
        """Sends on what the client is to see of a block. Returns whether the next one is wanted now."""
        return self._pass(self._reader.feed(block))

    def _pass(self, block: bytes) -> bool:
        if self.first_token is None and self._reader.content_seen:
            self.first_token = _MONOTONIC()
        if self._reader.done:
            self.last = block
            return False
        return self._reply.write(block)


class Relay:
    """Serves chat completions. Holds no state of its own between requests."""

    def __init__(
        self,
        policies: Policies,
        upstreams: Upstreams,
        dialects: Mapping[str, Dialect],
        ledger: Ledger,
        sink: Sink,
    ) -> None:
        self._policies = policies
        self._upstreams = upstreams
        self._dialects = dialects
        self._ledger = ledger
        self._sink = sink

    async def chat(self, call: Call, body: bytes, reply: Reply) -> None:
        """Answers one request. Raises Refused when nothing was sent to the client; the edge words it."""
        end, status, code = End.FAULT, 500, None  # a bug of ours, until a line below says otherwise
        chat: ChatRequest | None = None
        decision: Decision | None = None
        hop: _Hop | None = None
        done: list[Tried] = []
        failures: tuple[Failed, ...] = ()
        sensitivity, purpose, project = call.caller.floor, "unknown", "unknown"
        first_byte: float | None = None
        stream: _Stream | None = None
        waited = 0.0  # for upstreams: not our share
        try:
            chat = parse(body)
            policy = self._policies.current
            purpose = _granted("purpose", call.purpose_hint, call.caller.purposes)
            project = _granted("project", call.project_hint, call.caller.projects)
            declared = policy.projects.get(project) or Project(project)
            classified = classify(call.caller.floor, call.sensitivity_hint, declared.floor)
            sensitivity = classified.sensitivity
            facts = facts_of(call.caller, classified, purpose, declared)
            decision = _decide(policy, facts, chat, call, self._policies.moment())
            if not decision.candidates:
                raise refusal(decision)

            while isinstance(step := next_step(decision, failures), Attempt):
                backend = step.candidate.backend
                if (newest := self._policies.current) is not policy and (
                    now_denied := _denial(newest, facts, backend, self._policies.moment())
                ):
                    decision = without(decision, backend, now_denied)
                    continue
                asked = _Hop(step, chat, self._dialects[backend.provider])
                self._intend(call, decision, asked, sensitivity, purpose, project)
                hop = asked
                sent_at = _MONOTONIC()
                try:
                    failed = await self._open(hop)
                finally:
                    waited += _MONOTONIC() - sent_at
                if failed is None:
                    break
                done.append(hop.failed(failed.kind))
                failures += (failed,)
                hop = None

            if hop is None:
                if not failures:  # all that were left were revoked under way
                    raise refusal(decision)
                end, (status, code) = End.FAILED, await _give_up(reply, call, decision, failures)
                return

            headers = _headers(call, decision, sensitivity, hop)
            if hop.reader is None:  # a buffered answer
                done.append(settled := hop.ended())
                headers.append((b"x-gateway-cost-usd", usd(settled.cost_pico_usd).encode()))
                headers.append((b"content-length", b"%d" % len(hop.body)))
                await self._seal()
                first_byte = _MONOTONIC()
                await reply.start(200, headers)
                await reply.end(hop.body)
                end, status = End.COMPLETE, 200
                return

            opened, reader = hop.opened, hop.reader
            assert opened is not None
            first_byte, status = _MONOTONIC(), 200
            await reply.start(200, headers)  # the point of no return: from here on no fallback
            stream = _Stream(reader, reply, hop.held)
            try:
                while not reader.done:
                    await reply.room()
                    if await opened.pass_on(stream.take):
                        stream.last = reader.close()
            except UpstreamError as error:
                stream.last = reader.broke_off(error.failed)
            await self._seal()
            await reply.end(stream.last)
            if reader.failed is None:
                end = End.COMPLETE
                await opened.drain()
            else:
                end, code = End.TRUNCATED, reader.failed.kind.code
        except Refused as refused:
            end, status, code = End.REFUSED, refused.refusal.status, refused.refusal.code
            raise
        except CancelledError:  # the edge cancels us when the client hangs up, the server when it stops
            if end is not End.COMPLETE:
                end = End.CLIENT_GONE if reply.gone else End.STOPPED
                status = status if reply.started else 499 if reply.gone else Refusal.STOPPING.status
            raise
        finally:  # total: awaits nothing, raises nothing
            now = _MONOTONIC()
            first_token = stream.first_token if stream is not None else first_byte
            if hop is not None:
                if hop.opened is not None:
                    hop.opened.close()
                if not done or done[-1].hop != hop.attempt.hop:
                    done.append(hop.ended())
            record = Record(
                call=call,
                decision=decision,
                tried=tuple(done),
                end=end,
                status=status,
                code=code,
                streamed=chat is not None and chat.streamed,
                duration=now - call.arrived,
                overhead=(first_byte or now) - call.arrived - waited,
                first_token=None if first_token is None else first_token - call.arrived,
                sensitivity=sensitivity,
                purpose=purpose,
                project=project,
                demand=None if chat is None else chat.demand,
            )
            if done:
                self._ledger.settle(entries(record))
            self._sink.put(record)

    def _intend(self, call: Call, decision: Decision, hop: _Hop, sensitivity: str, purpose: str, project: str) -> None:
        """Notes in the ledger that a call is about to be sent, at its upper bound. What cannot be noted is not sent."""
        intent = entry_of(
            call,
            decision,
            hop.tried("open", NOTHING, hop.most),
            project=project,
            purpose=purpose,
            sensitivity=sensitivity,
        )
        try:
            self._ledger.open(intent)
        except OSError:
            raise Refused(
                Refusal.LEDGER_DOWN, "the spend ledger cannot be written, so nothing is sent", retry_after=30
            ) from None

    async def _seal(self) -> None:
        if (sealed := self._ledger.sealed()) is not None:
            await sealed

    async def _open(self, hop: _Hop) -> Failed | None:
        """Sends the call and waits until it is known to be an answer, or how it failed: then nothing was relayed."""
        chat, dialect, backend = hop.chat, hop.dialect, hop.attempt.candidate.backend
        try:
            body = dialect.encode(chat, backend)
            opened = hop.opened = await self._upstreams.open(backend, dialect.path, body, streamed=chat.streamed)
            if opened.status != 200:
                answer = await opened.read_all(MAX_ERROR_BYTES)
                failed: Failed | None = dialect.failure(opened.status, opened.headers, answer)
            elif chat.streamed and opened.headers.get("content-type", "").startswith("text/event-stream"):
                reader = dialect.reader(chat)
                while not reader.started:
                    block = await opened.read(first=True)
                    hop.held += reader.feed(block) if block else reader.close()
                    if len(hop.held) > MAX_ERROR_BYTES:
                        hop.held = reader.broke_off(_NO_EVENT)
                hop.reader, failed = reader, reader.failed
            else:
                hop.body = await opened.read_all(MAX_ANSWER_BYTES)
                hop.answer = dialect.answer(hop.body)
                failed = hop.answer.failed
                if failed is None and chat.streamed:
                    failed = _NOT_STREAMED
        except UpstreamError as error:
            failed = error.failed
        if failed is not None and hop.opened is not None:
            hop.opened.close()
        return failed


def _decide(policy: Policy, facts: Facts, chat: ChatRequest, call: Call, moment: float) -> Decision:
    """The ordered plan for a request. Raises Refused (404) for a name that nobody knows."""
    requested = chat.view.model
    backends = policy.names.get(requested)
    if backends is None:
        raise Refused(
            Refusal.MODEL_NOT_FOUND,
            "the requested model does not exist; GET /v1/models lists the names that this key may use",
            param="model",
        )
    return plan(
        id="dec-" + call.id.removeprefix("req-"),
        digest=policy.digest,
        requested=requested,
        backends=backends,
        ruling=policy.ask(facts, moment),
        chat=chat,
        not_offered=policy.not_offered,
    )


def _denial(policy: Policy, facts: Facts, backend: Backend, moment: float) -> Verdict | None:
    """A newer snapshot's verdict, if it denies: a revocation takes effect under way, a loosening does not."""
    verdict = policy.ask(facts, moment).verdicts.get(backend.id, Verdict((), ()))
    return None if verdict.permitted else verdict


def _granted(what: str, hint: str | None, granted: tuple[str, ...]) -> str:
    """The key's default, or what the header chose among what the key may be used for."""
    if hint is None:
        return granted[0]
    if hint not in granted:
        raise Refused(
            Refusal.NOT_GRANTED,
            f"this key is not granted that {what}; granted: {', '.join(granted)}",
            param=f"x-gateway-{what}",
        )
    return hint


def _headers(call: Call, decision: Decision, sensitivity: str, hop: _Hop) -> Headers:
    backend, opened = hop.attempt.candidate.backend, hop.opened
    upstream = opened.headers if opened is not None else {}
    headers = [
        (b"content-type", upstream.get("content-type", "application/json").encode()),
        (b"x-request-id", call.id.encode()),
        (b"x-gateway-decision", decision.id.encode()),
        (b"x-gateway-backend", backend.id.encode()),
        (b"x-gateway-model", backend.model.encode("ascii", "replace")),
        (b"x-gateway-sensitivity", sensitivity.encode()),
        (b"x-gateway-attempts", b"%d" % hop.attempt.hop),
    ]
    if hop.reader is not None:
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    if upstream_id := upstream.get("x-request-id"):
        headers.append((b"x-upstream-request-id", upstream_id.encode("latin-1", "replace")))
    return headers


async def _give_up(reply: Reply, call: Call, decision: Decision, failures: tuple[Failed, ...]) -> tuple[int, str]:
    """Tells the client how it failed: a single failure as it came, several as what they have in common."""
    last = failures[-1]
    status, error, retry_after, code = last.status, last.error, last.retry_after, last.kind.code
    if len(failures) > 1 and last.kind.may_fall_back and last.kind is not FailureKind.CONTEXT_TOO_LONG:
        kinds = {failed.kind for failed in failures}
        if kinds != {FailureKind.THROTTLED}:
            named = ", ".join(
                f"{candidate.backend.id}: {failed.kind.code}"
                for candidate, failed in zip(decision.candidates, failures, strict=False)
            )
            status, retry_after, code = 503, retry_after or "5", Refusal.NO_BACKEND.code
            error = {
                "message": f"no permitted backend is available ({named})",
                "type": Refusal.NO_BACKEND.type,
                "param": None,
                "code": Refusal.NO_BACKEND.code,
            }
    body = msgspec.json.encode({"error": error})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", call.id.encode()),
        (b"x-gateway-decision", decision.id.encode()),
        (b"x-gateway-attempts", b"%d" % len(failures)),
    ]
    if retry_after is not None:
        headers.append((b"retry-after", retry_after.encode("latin-1", "replace")))
    await reply.start(status, headers)
    await reply.end(body)
    return status, code  # our own word: the upstream's may quote anything


def _broken(message: str) -> Failed:
    error: dict[str, object] = {"message": message, "type": "server_error", "param": None, "code": "upstream_broken"}
    return Failed(FailureKind.BROKEN, FailureKind.BROKEN.status, error)


_NOT_STREAMED = _broken("the backend did not stream although it was asked to")
_NO_EVENT = _broken("the backend sent a megabyte of comments and no event")
