"""The hot path: one request, top to bottom. One coroutine owns it, and its `finally` keeps the one record."""

import asyncio
import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from gateway import owed
from gateway.answering import answer, give_up
from gateway.asked import Asked, fetched, granted, opaque_as
from gateway.core.budget import Exceeded
from gateway.core.catalog import Backend
from gateway.core.chat import ChatRequest, Demand
from gateway.core.decided import Decided
from gateway.core.decision import Candidate, Decision, Project, Ruling
from gateway.core.errors import FINAL, Failed, FailureKind, Refusal, Refused, unknown_model
from gateway.core.fallback import MAX_ATTEMPTS, Attempt, next_step
from gateway.core.findings import Classified, Found
from gateway.core.lane import Held, Passage
from gateway.core.outline import Outline, is_large
from gateway.core.permit import mint
from gateway.core.price import usd
from gateway.core.rate import Throttled
from gateway.core.record import BROKEN_BY_US, Call, End, Record, Tried, entries, entry_of
from gateway.core.room import Room
from gateway.core.turns import turns
from gateway.core.usage import UNTOLD
from gateway.hop import Hop
from gateway.ports import Budgets, Conversations, Lanes, Ledger, Policies, Policy, Reply, Scanning, Sink, Upstreams
from gateway.routing.plan import (
    DENIED,
    exhausted,
    held_up,
    narrowed,
    plan,
    planned_again,
    refusal,
    revocation,
    too_soon,
    without,
)
from gateway.routing.spoken import Dialects, spoken
from gateway.running import Running
from gateway.sensitivity.classify import classify, facts_of
from gateway.stream import Stream
from gateway.wire import Surface

_MONOTONIC = time.perf_counter
_NO_HEADERS: Mapping[str, str] = {}


class Relay:
    """Serves requests in any protocol. Between requests it holds nothing but which calls are running."""

    def __init__(
        self,
        policies: Policies,
        upstreams: Upstreams,
        dialects: Dialects,
        ledger: Ledger,
        sink: Sink,
        conversations: Conversations,
        budgets: Budgets,
        scanning: Scanning,
        lanes: Lanes,
        answers: Room,
        distrust: Callable[[Candidate, str], None],
    ) -> None:
        """`distrust` is told who answered as another model, and as which: perhaps several times of one call."""
        self._policies = policies
        self._upstreams = upstreams
        self._dialects = dialects
        self._ledger = ledger
        self._sink = sink
        self._conversations = conversations
        self._budgets = budgets
        self._scanning = scanning
        self._lanes = lanes
        self._answers = answers
        self._distrust = distrust
        self.running = Running(policies)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(
        self, surface: Surface, call: Call, body: bytes, reply: Reply, passed: Mapping[str, str] = _NO_HEADERS
    ) -> End:
        """Answers one request, of which the headers in `passed` may go on to a backend, and says how it ended. Raises
        Refused when nothing was sent to the client; the edge words it."""
        end, status, code = End.FAULT, 500, None  # a bug of ours, until a line below says otherwise
        chat: ChatRequest | None = None
        demand: Demand | None = None
        classified: Classified | None = None
        decision: Decision | None = None
        decided: Decided | None = None
        passage: Passage | None = None
        hop: Hop | None = None
        done: list[Tried] = []
        failures: tuple[Failed, ...] = ()
        sensitivity, purpose, project = call.caller.floor, "unknown", "unknown"
        first_byte: float | None = None
        stream: Stream | None = None
        waited = 0.0  # for upstreams: not our share
        exempt: str | None = None  # the limit that the request was downgraded by
        poor: list[Exceeded] = []  # what had no room
        suspects: list[Passage] = []  # calls that failed, perhaps by the request's own fault
        try:
            if is_large(body):
                chat = await self._scanning.outlined(surface.name, body, int(call.time), call.caller.team)
            else:
                chat = surface.parse(body, int(call.time))
            demand, name = chat.demand, call.caller.named(chat.view.model)
            policy = self._policies.current
            purpose = granted("purpose", call.purpose_hint, call.caller.purposes)
            project = granted("project", call.project_hint, call.caller.projects)
            declared = policy.projects.get(project) or Project(project)
            scanned = self._scanning.scan(policy, call.caller.team, chat, body)
            if isinstance(scanned, Awaitable):
                scanned = await scanned
            demand = fetched(chat, body)
            unread_as = opaque_as(call.caller, declared)
            classified = self._classify(call, declared, chat, scanned.found, unread_as)
            sensitivity = classified.shown
            facts = facts_of(call.caller, classified, purpose, declared)
            if policy.asks_budget:
                state = self._budgets.state(call.caller.spender(project), self._policies.moment())
                facts = msgspec.structs.replace(facts, budget=state)
            request = Asked(chat, facts, classified, scanned, unread_as)
            pinned = await request.ask(policy, self._policies.moment())
            decision = await self._decide(policy, pinned, name, demand, call, request)
            if not decision.candidates:
                raise refusal(decision)

            most = MAX_ATTEMPTS if chat.hints.allow_fallbacks else 1
            while isinstance(step := next_step(decision, failures, most), Attempt):
                if passage is not None:  # of one that was not sent after all
                    passage.end(None, _MONOTONIC())
                    passage = None
                entered_at, backend = _MONOTONIC(), step.candidate.backend
                entered = self._lanes.enter(backend, step.hop, backend.allowed(streamed=chat.streamed), entered_at)
                if queued := isinstance(entered, Awaitable):
                    entered = await entered
                    waited += _MONOTONIC() - entered_at
                if isinstance(entered, Held):
                    decision = held_up(decision, backend, entered)
                    continue
                passage, newest, latest = entered, pinned, self._policies.current
                if failures or queued or latest is not policy or isinstance(chat, Outline):  # it took its time
                    pinned, newest = await self._ask_again(policy, request, backend)
                    said = pinned.verdicts.get(backend.id, DENIED), newest.verdicts.get(backend.id, DENIED)
                    narrower = narrowed(decision, step, *said)
                    if narrower is not decision:
                        decision = narrower
                        continue
                form = await request.form_for(step.candidate)
                dialect = spoken(form.chat, step.candidate.do, backend, self._dialects) if form else None
                if form is None or dialect is None:  # more has become due than it can be sent with
                    decision = without(decision, backend, DENIED)
                    continue
                permit = mint(call.id, decision, step, pinned, newest)
                share = self._answers.share(call.caller.team)
                asked = Hop(permit, form, scanned, surface, dialect, share, self._task(), passage, call.trace)
                if (told := asked.unasked) is not None:
                    await answer(reply, asked.headers(decision, []), call, surface, told)
                    first_byte, end, status = _MONOTONIC(), End.COMPLETE, 200
                    return end
                if (exceeded := await self._reserve(asked, call, project, exempt)) is not None:
                    poor.append(exceeded)
                    if exempt is None and (alias := exceeded.limit.terms.downgrade):
                        name, exempt = alias, exceeded.limit.id
                        fresh = await self._decide(policy, pinned, name, demand, call, request)
                        decision = planned_again(decision, len(failures), fresh)
                        if any(each.backend is asked.backend for each in decision.candidates):
                            continue
                    decision = exhausted(decision, asked.backend, exceeded, self._policies.moment())
                    continue
                if self._policies.current is not latest:  # while room was asked for
                    self._give_back(asked, 0, 0)
                    continue
                decided = self._sink.decided(call, decision, demand, classified, backend.id)
                self._intend(call, decision, asked, purpose, project, decided)
                hop, sensitivity = asked, asked.sensitivity
                self.running.hops.add(hop)
                sent_at = _MONOTONIC()
                try:
                    failed = await hop.open(self._upstreams, passed)
                finally:
                    waited += _MONOTONIC() - sent_at
                if failed is None:
                    if other := hop.misnamed:  # of a stream, too, as soon as it says so
                        self._distrust(hop.permit.candidate, other)
                    for each in suspects:
                        each.blame(_MONOTONIC())
                    break
                if failed.kind is FailureKind.SERVER_ERROR:
                    suspects.append(passage)
                self.running.hops.discard(hop)
                self._settle(hop, owed.failed(hop, failed.kind), done)
                if hop.cut is not None and failed.kind is FailureKind.REVOKED:
                    raise revocation(decision, hop.cut)
                failures += (failed,)
                request.failed(hop.backend, failed)
                hop = None
                if policy.asks_hops:  # a rule may admit somebody only now
                    pinned = await request.ask(policy, self._policies.moment())
                    fresh = await self._decide(policy, pinned, name, demand, call, request)
                    decision = planned_again(decision, len(failures), fresh)

            if hop is None:
                if not failures:  # all that were left had no room or were revoked under way
                    raise refusal(decision, poor)
                end = BROKEN_BY_US.get(failures[-1].kind, End.FAILED)
                status, code = await give_up(reply, surface, call, decision, failures)
                return end

            watched = hop.permit.candidate.watched
            warnings = [rule for rule in watched if rule in policy.warns] if watched else []
            headers = hop.headers(decision, warnings)
            if hop.reader is None:  # a buffered answer
                self.running.hops.discard(hop)
                settled = self._settle(hop, owed.ended(hop), done)
                headers.append((b"x-gateway-cost-usd", usd(settled.cost_pico_usd).encode()))
                await self._seal(reply)
                first_byte = _MONOTONIC()
                await answer(reply, headers, call, surface, hop.body)
                end, status = End.TRUNCATED if hop.unfinished else End.COMPLETE, 200
                return end

            first_byte, status = _MONOTONIC(), 200
            headers += [(name, call.id.encode()) for name in surface.id_headers]
            await reply.start(200, headers)  # the point of no return: from here on no fallback
            stream = Stream(hop.reader, reply, hop.held, partial(self._shrink, hop))
            self.running.streams.add(stream)
            await hop.relay(reply, stream)
            self.running.hops.discard(hop)
            self._settle(hop, owed.ended(hop), done)  # what is over is paid now, however slowly the client takes it
            await self._seal(reply)
            await reply.end(stream.last)
            if (broken := hop.reader.failed) is None:
                end = End.TRUNCATED if hop.unfinished else End.COMPLETE
                await hop.drain()
            else:
                end = BROKEN_BY_US.get(broken.kind, End.TRUNCATED)
                code = broken.kind.code
        except Refused as refused:
            cut = hop is not None and hop.cut is not None
            end, status, code = End.REVOKED if cut else End.REFUSED, refused.refusal.status, refused.refusal.code
            raise
        except CancelledError:  # the edge cancels us when the client hangs up, the server when it stops
            if end in (End.COMPLETE, End.TRUNCATED):  # the client has it all: what was waited for is the backend's end
                return end
            end = End.CLIENT_GONE if reply.gone else End.STOPPED
            status = status if reply.started else 499 if reply.gone else Refusal.STOPPING.status
            raise
        finally:  # total: awaits nothing, raises nothing
            now = _MONOTONIC()
            first_token = stream.first_token if stream is not None else first_byte
            if stream is not None:
                self.running.streams.discard(stream)
            if hop is not None:
                self.running.hops.discard(hop)
                hop.close()
                if not done or done[-1].hop != hop.permit.hop:
                    self._settle(hop, owed.ended(hop), done)
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
                demand=demand,
                classified=classified,
                decided=decided,
            )
            if passage is not None:
                passage.end(None, now)
            if done:
                self._ledger.settle(entries(record))
            self._sink.put(record)
        return end

    async def _decide(
        self, policy: Policy, ruling: Ruling, requested: str, demand: Demand, call: Call, request: Asked
    ) -> Decision:
        """The ordered plan for a request. Raises Refused (404) for a name that nobody knows."""
        backends = policy.names.get(requested)
        if backends is None:
            raise unknown_model()
        backends = call.caller.reached(requested, backends, policy.names)
        return plan(
            id="dec-" + call.id.removeprefix("req-"),
            digest=policy.digest,
            requested=requested,
            backends=backends,
            ruling=ruling,
            demand=demand,
            not_offered=policy.not_offered,
            redactions=request.redactions,
            lacks=await request.lacks(backends, ruling, self._dialects),
            rank=lambda backend: self._lanes.rank(backend, _MONOTONIC()),
        )

    def _classify(self, call: Call, project: Project, chat: ChatRequest, found: Found, opaque_as: str) -> Classified:
        """The label, with what earlier turns had. While nothing is remembered or raised, no turn is looked at."""
        conversations, floor = self._conversations, call.caller.floor
        hint = call.sensitivity_hint
        if conversations.empty:
            classified = classify(floor, hint, project.floor, None, found, opaque_as)
            if classified.declared != floor:
                conversations.remember(conversations.prefixes(call.caller.team, turns(chat)), classified.declared)
            return classified
        prefixes = conversations.prefixes(call.caller.team, turns(chat))
        classified = classify(floor, hint, project.floor, conversations.label_of(prefixes), found, opaque_as)
        if classified.declared != floor:
            conversations.remember(prefixes, classified.declared)
        return classified

    async def _ask_again(self, policy: Policy, request: Asked, backend: Backend) -> tuple[Ruling, Ruling]:
        """What the pinned and the newest snapshot say of the hop to come, at this moment: both must permit it, so a
        revocation takes effect under way, a loosening does not."""
        moment, newest = self._policies.moment(), self._policies.current
        if newest is not policy:
            return await request.ask_both(policy, newest, backend, moment)
        pinned = await request.ask(policy, moment)
        return pinned, pinned

    def _task(self) -> "asyncio.Task[object] | None":
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return asyncio.current_task(self._loop)  # without a loop, 3.11 asks the kernel for our pid

    async def _reserve(self, hop: Hop, call: Call, project: str, exempt: str | None) -> Exceeded | None:
        """Takes room for what a call can cost, or says which limit has none. Raises Refused when it comes too soon."""
        answer = self._budgets.reserve(hop.ask(call, project, exempt), self._policies.moment())
        outcome = await answer if isinstance(answer, Awaitable) else answer
        if isinstance(outcome, Throttled):
            raise too_soon(outcome)
        if isinstance(outcome, Exceeded):
            needed, shortest = hop.bound.least, hop.bound.shortest
            return msgspec.structs.replace(outcome, needed_pico_usd=needed, shortest_pico_usd=shortest)
        hop.reserved(outcome)
        return None

    def _settle(self, hop: Hop, tried: Tried, done: list[Tried]) -> Tried:
        """Keeps what has become of a call, and gives back what was reserved for it."""
        done.append(tried)
        if tried.misnamed:
            self._distrust(hop.permit.candidate, tried.misnamed)
        hop.leave()
        self._give_back(hop, tried.cost_pico_usd, tried.usage.total)
        return tried

    def _give_back(self, hop: Hop, cost_pico_usd: int, tokens: int) -> None:
        if (room := hop.room) is not None:
            hop.room = None
            self._budgets.settle(room, cost_pico_usd, tokens)

    def _shrink(self, hop: Hop) -> None:
        """Gives back what a stream can no longer come to, where that is a quarter of its room or more."""
        room, most = hop.room, owed.at_most(hop)
        if room is not None and most is not None and most <= room.pico_usd * 3 // 4:
            hop.room = self._budgets.shrink(room, most)

    def _intend(self, call: Call, decision: Decision, hop: Hop, purpose: str, project: str, decided: Decided) -> None:
        """Notes in the ledger that a call is about to be sent, by which decision, and at its upper bound. What cannot
        be noted is not sent."""
        under_way = owed.tried(hop, "open", UNTOLD, hop.most)
        intent = entry_of(call, decision, under_way, project, purpose, hop.sensitivity)
        try:
            self._ledger.open(intent, decided)
        except OSError:
            self._give_back(hop, 0, 0)
            raise Refused(
                Refusal.LEDGER_DOWN, "the spend ledger cannot be written, so nothing is sent", retry_after=30
            ) from None

    async def _seal(self, reply: Reply) -> None:
        """Waits until what a call cost is as durable as it should be. Raises Refused; OSError once a stream began."""
        if (sealed := self._ledger.sealed()) is not None:
            try:
                await sealed
            except OSError:
                if reply.started:  # it is broken off, so that it does not look complete
                    raise
                raise Refused(
                    Refusal.LEDGER_DOWN,
                    "the spend ledger cannot be written; what this call cost is booked",
                    retry_after=30,
                    headers=FINAL,
                ) from None
