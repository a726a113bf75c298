"""The scanner at work: small requests are looked at on the event loop, large ones in a process of their own.

What a text was found to hold is remembered, so of a conversation that comes again only what is new is examined.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from gateway.adapters.desk import BLOCKED, Look, ToEncode, ToJudge, redacted_of, shown, walked_of
from gateway.adapters.elsewhere import RETRY_SECONDS, Elsewhere, Failure, Read, read_of
from gateway.adapters.memory import Memory
from gateway.answering import whole
from gateway.core.catalog import Backend
from gateway.core.chat import ChatRequest
from gateway.core.decision import Obligation
from gateway.core.errors import FINAL, Refusal, Refused
from gateway.core.findings import Found, Leaf, Redacted, Scan, Seen
from gateway.core.outline import Encoded, Outline, is_large
from gateway.core.terms import ScannerTerms
from gateway.ports import Policy, Sent
from gateway.sensitivity.answer import Guard
from gateway.sensitivity.classify import found_in
from gateway.sensitivity.restore import Restorer
from gateway.sensitivity.scan import Again
from gateway.sensitivity.walk import Walked
from gateway.surfaces.following import Following
from gateway.wire import Answer, StreamReader

EXAMINED_CHARS = 4_000
"""So much is examined on the event loop, of texts that are not remembered: 5 to 20 ms if it is full of findings."""
REDACTED_BYTES = 2_000
"""Up to this size findings are taken out there: it takes four scans."""
MOST_MIDDLING, MOST_LARGE = 64, 8
"""How many requests wait for each process; of one team half as many."""
_EACH_CHARS = 5
"""What a text costs that is a character long."""
_SEAM_CHARS = 100
"""What is examined of a text beside its neighbours, as a rule."""
_REMEMBERED = 4
_T = TypeVar("_T")


class Scanning:
    """The `Scanning` port. `failed` is told, without any text, when the scanner could not do its work.

    Large requests have a process of their own, so that middling ones do not wait for them, and so have large answers.
    """

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._looks: OrderedDict[str, Look] = OrderedDict()
        self._memory = Memory()
        self._middling, self._large = Elsewhere(MOST_MIDDLING), Elsewhere(MOST_LARGE)
        self._answers = Elsewhere(None)  # they are paid for, so none is turned away

    def prepare(self, terms: ScannerTerms) -> Callable[[], None]:
        """Makes ready for a policy, beside the event loop; what it returns puts that in force."""
        look = self._looks.get(terms.digest) or Look(terms)
        return lambda: self._keep(look)

    async def outlined(self, surface: str, body: bytes, arrived: int, team: str | None = None) -> Outline:
        """What there is to know of a large request beside its words. Raises Refused."""
        return await self._done(self._large.outlined(surface, arrived, body, team), "read a body")

    def scan(self, policy: Policy, team: str, chat: ChatRequest, body: bytes) -> "_Scanned | Awaitable[_Scanned]":
        """What is in a body. Where the scanner fails, nothing is known."""
        look = self._look(policy)
        if isinstance(chat, Outline):
            return self._examined(look, read_of(chat, body, team), self._large, None, {}, [])
        walked = walked_of(body)
        try:
            if not look.scanner.concerns(walked):
                return self._scanned(look, body, team, Scan(walked.leaves, (), bool(walked.opaque)), {})
            names = self._memory.names(team, look.terms.digest, walked.leaves)
            seen = self._memory.known(names)
            if _effort_chars(walked.leaves, seen) <= EXAMINED_CHARS:
                scan, fresh = look.scanner.examined(walked, seen)
                self._memory.learn(names, fresh)
                return self._scanned(look, body, team, scan, {**seen, **fresh})
        except Exception as error:  # noqa: BLE001  whatever it is, the request is refused or kept inside, not let out
            self._failed(type(error).__name__)
            return self._scanned(look, body, team, _UNKNOWN, {})
        return self._examined(look, read_of(chat, body, team), self._middling, walked, seen, names)

    async def close(self) -> None:
        """Ends the processes, as far as there are any."""
        await self._middling.close()
        await self._large.close()
        await self._answers.close()

    def _look(self, policy: Policy) -> Look:
        look = self._looks.get(policy.sensitivity.digest)
        if look is None:
            self._keep(look := Look(policy.sensitivity))
        return look

    def _keep(self, look: Look) -> None:
        self._looks[look.terms.digest] = look
        if len(self._looks) > _REMEMBERED:
            self._looks.popitem(last=False)

    async def _examined(
        self,
        look: Look,
        read: Read,
        elsewhere: Elsewhere,
        walked: Walked | None,
        seen: dict[int, Seen],
        names: Sequence[bytes | None],
    ) -> "_Scanned":
        try:
            told = await elsewhere.examined(read, look, seen)
        except Failure as failure:
            self._failed(str(failure))
            return self._scanned(look, read.body, read.team, _UNKNOWN, {})
        leaves: tuple[Leaf, ...] = ()
        if walked is not None:
            leaves = walked.leaves
            self._memory.learn(names, told.fresh)
        scan = Scan(leaves, told.places, told.opaque, told.complete)
        return self._scanned(look, read.body, read.team, scan, {**seen, **told.fresh})

    def _scanned(self, look: Look, body: bytes, team: str | None, scan: Scan, seen: Mapping[int, Seen]) -> "_Scanned":
        return _Scanned(self, look, body, team, scan, seen)

    async def redacted(
        self, look: Look, read: Read, chat: ChatRequest, tags: frozenset[str], seen: dict[int, Seen]
    ) -> Redacted | None:
        """The request without findings of these tags. None: that cannot be done, or the process failed."""
        try:
            return await self._process(read).redacted(read, chat, look, tags, seen)
        except Failure as failure:
            self._failed(str(failure))
            return None

    async def lacking(self, read: Read, asked: Sequence[tuple[Backend, tuple[Obligation, ...]]]) -> tuple[str, ...]:
        """Why each backend cannot do what is asked. Raises Refused."""
        judged = self._process(read).judged(read, ToJudge(tuple(asked)))
        return await self._done(judged, "find out who can do a request")

    async def encoded(
        self, look: Look, read: Read, redacted: tuple[str, ...], do: tuple[Obligation, ...], backend: Backend
    ) -> Encoded:
        """The request as a backend takes it. Raises Refused."""
        encoded = self._process(read).encoded(read, look, ToEncode(redacted, do, backend))
        return await self._done(encoded, "tell a backend a request")

    async def answered(self, look: Look, raw: bytes, sent: Sent, team: str | None) -> Answer:
        """What a backend answered, as the client reads it. Raises Refused."""
        return await self._done(self._answers.answered(raw, sent, look, team), "read an answer", FINAL)

    async def _done(self, work: Awaitable[_T], what: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> _T:
        """What nobody can do without. Raises Refused, with these headers, where its process failed: our fault."""
        try:
            return await work
        except Failure as failure:
            self._failed(str(failure))
            raise Refused(
                Refusal.INTERNAL,
                f"the gateway could not {what} of this size; try again",
                retry_after=RETRY_SECONDS,
                headers=headers,
            ) from None

    def _process(self, read: Read) -> Elsewhere:
        return self._large if read.number else self._middling


def _effort_chars(leaves: Sequence[Leaf], seen: Mapping[int, Seen]) -> int:
    """How many characters are to be examined, roughly: texts that nobody has seen, what is near seams, and what it
    costs to begin with a text."""
    return _EACH_CHARS * (len(leaves) - len(seen)) + sum(
        [min(len(leaf.text), _SEAM_CHARS) if number in seen else len(leaf.text) for number, leaf in enumerate(leaves)]
    )


class _Scanned:
    """The `Scanned` port: one request's scan, and the look that it came of."""

    __slots__ = ("_body", "_look", "_scan", "_scanning", "_seen", "_team", "found")

    def __init__(
        self, scanning: Scanning, look: Look, body: bytes, team: str | None, scan: Scan, seen: Mapping[int, Seen]
    ) -> None:
        self._scanning = scanning
        self._look = look
        self._body = body
        self._team = team
        self._scan = scan
        self._seen = seen
        self.found: Found = found_in(scan, look.kinds)

    def redacted(self, chat: ChatRequest, tags: frozenset[str]) -> Redacted | Awaitable[Redacted | None] | None:
        """The request without findings of these tags, scanned again. At once, or elsewhere if it is not small."""
        scan, seen = self._scan, self._seen
        if not scan.complete:
            return None
        if len(self._body) > REDACTED_BYTES or isinstance(chat, Outline):
            return self._scanning.redacted(self._look, read_of(chat, self._body, self._team), chat, tags, dict(seen))
        known = {(scan.leaves[at].text, scan.leaves[at].key): each for at, each in seen.items()}
        return redacted_of(self._look, chat, scan, tags, Again(self._look.scanner, known))

    async def lacking(self, chat: Outline, asked: Sequence[tuple[Backend, tuple[Obligation, ...]]]) -> tuple[str, ...]:
        """Why each backend cannot do what a large request asks, under these obligations; empty: it can. Raises
        Refused."""
        return await self._scanning.lacking(read_of(chat, self._body, self._team), asked)

    async def encoded(self, chat: Outline, do: tuple[Obligation, ...], backend: Backend) -> Encoded:
        """A large request as a backend takes it, with the obligations done. Raises Refused."""
        return await self._scanning.encoded(
            self._look, read_of(chat, self._body, self._team), chat.redacted, do, backend
        )

    def follow(self, reader: StreamReader, watched: frozenset[str], taken: Mapping[str, str]) -> StreamReader:
        """The reader, watched, and with what was taken put back."""
        return _Followed(reader, self._look, watched, taken)

    def read(self, raw: bytes, sent: Sent) -> Answer | Awaitable[Answer]:
        """A buffered answer, watched, with what was taken put back, and said as the client reads it. At once, or
        elsewhere if it is large. Raises Refused."""
        if is_large(raw):
            return self._scanning.answered(self._look, raw, sent, self._team)
        return whole(raw, sent, partial(shown, self._look))


class _Followed(Following):
    """A stream reader whose events pass by the guard, and then get back what was taken from the request."""

    def __init__(self, reader: StreamReader, look: Look, watched: frozenset[str], taken: Mapping[str, str]) -> None:
        super().__init__(reader)
        self._guard = Guard(look.scanner, look.tagged(watched)) if watched else None
        self._restorer = Restorer(taken) if taken else None

    def _pass(self, events: bytes) -> bytes:
        """What the client sees of events. Nothing is left behind once the reader is done."""
        if (guard := self._guard) is not None:
            events = guard.feed(events)
            if self.done and not guard.blocked:
                events += guard.close()
            if guard.blocked:
                self.done, self.failed = True, BLOCKED
        if (restorer := self._restorer) is not None:
            events = restorer.feed(events)
            if self.done:
                events += restorer.close()
        return events


_UNKNOWN = Scan((), (), opaque=False, complete=False)
