"""The server's side of the process that works on the words of requests and answers: what it is asked and was told."""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from itertools import count

import msgspec

from gateway.adapters.desk import (
    KEPT_BODIES,
    Ask,
    Examined,
    Look,
    Question,
    Spoken,
    TakenOut,
    ToEncode,
    ToExamine,
    ToJudge,
    Told,
    ToOutline,
    ToRedact,
)
from gateway.adapters.heard import to_answer, whole_of
from gateway.adapters.outlines import Outlined, outline_of
from gateway.adapters.worker import Worker, WorkerBusy, WorkerLost
from gateway.core.chat import ChatRequest, said_anew
from gateway.core.errors import Refusal, Refused
from gateway.core.findings import Redacted, Seen
from gateway.core.outline import Encoded, Outline
from gateway.ports import Sent
from gateway.providers.reader import Answer

MOST_SECONDS = 20.0
"""After so long a question is given up, and the process with it."""

RETRY_SECONDS = 2
_CODE = "from gateway.adapters.desk import main; main()"
_TOLD = msgspec.json.Decoder(Told)
_OUTLINED = msgspec.json.Decoder(Outlined)
_EXAMINED = msgspec.json.Decoder(Examined)
_TAKEN_OUT = msgspec.json.Decoder(TakenOut | None)
_REASONS = msgspec.json.Decoder(tuple[str, ...])
_SPOKEN = msgspec.json.Decoder(Spoken)
_numbers = count(1)


class Failure(Exception):
    """The process could not do its work. Says why, without any text."""


class Read(msgspec.Struct, frozen=True):
    """A body, with what one needs to read it as its client meant it. `number` is under which the process keeps it, 0:
    it does not. `team` is its sender's, None: it is not known."""

    body: bytes
    surface: str
    arrived: int
    number: int = 0
    team: str | None = None


def read_of(chat: ChatRequest, body: bytes, team: str | None = None) -> Read:
    """A body by the request that was read from it."""
    surface = chat.native.surface if chat.native is not None else chat.operation
    return Read(body, surface, chat.arrived, chat.number if isinstance(chat, Outline) else 0, team)


class Elsewhere:
    """A process, which is started when it is first needed. No more than `most_waiting` requests wait for it (None: any
    number), and half as many of one team."""

    def __init__(self, most_waiting: int | None) -> None:
        self._worker = Worker(_CODE, MOST_SECONDS, most_waiting)
        self._knows: tuple[int, str] = (0, "")  # which process was told which terms last; it says if it has others
        self._has: tuple[int, OrderedDict[int, None]] = (0, OrderedDict())  # which one was sent which bodies

    async def close(self) -> None:
        """Ends the process, if there is one."""
        await self._worker.close()

    async def outlined(self, surface: str, arrived: int, body: bytes, team: str | None = None) -> Outline:
        """What there is to know of a large request beside its words. Raises Refused."""
        read = Read(body, surface, arrived, next(_numbers), team)
        return outline_of(_OUTLINED.decode((await self._ask(read, None, ToOutline()))[0]))

    async def examined(self, read: Read, look: Look, seen: dict[int, Seen]) -> Examined:
        """What a body holds. Raises Failure, and Refused for a body that could be read in two ways."""
        return _EXAMINED.decode((await self._ask(read, look, ToExamine(seen)))[0])

    async def redacted(
        self, read: Read, chat: ChatRequest, look: Look, tags: frozenset[str], seen: dict[int, Seen]
    ) -> Redacted | None:
        """The request without findings of these tags, None: that cannot be done. Raises Failure."""
        ask = ToRedact(tuple(sorted(tags)), seen, whole=not isinstance(chat, Outline))
        told = _TAKEN_OUT.decode((await self._ask(read, look, ask))[0])
        if told is None:
            return None
        if told.outlined is not None:
            return Redacted(outline_of(told.outlined), told.taken, told.found)
        changed = {name: bytes(raw) for name, raw in told.changed.items()}
        return Redacted(said_anew(chat, changed, told.pieces), told.taken, told.found)

    async def judged(self, read: Read, ask: ToJudge) -> tuple[str, ...]:
        """Why each backend cannot do what is asked. Raises Failure."""
        return _REASONS.decode((await self._ask(read, None, ask))[0])

    async def encoded(self, read: Read, look: Look, ask: ToEncode) -> Encoded:
        """The request as a backend takes it. Raises Refused for one that cannot be said to it, and Failure."""
        beside, body = await self._ask(read, look, ask)
        spoken = _SPOKEN.decode(beside)
        return Encoded(body, spoken.endpoint, spoken.drops)

    async def answered(self, raw: bytes, sent: Sent, look: Look, team: str | None = None) -> Answer:
        """What a backend answered, as the client reads it. Raises Failure."""
        surface = sent.surface.name if sent.surface is not None else ""
        read = Read(raw, surface, sent.chat.arrived, team=team)
        return whole_of(*await self._ask(read, look if sent.watched else None, to_answer(sent)))

    async def _ask(self, read: Read, look: Look | None, ask: Ask) -> list[bytes]:
        try:
            told, *rest = await self._worker.ask(self._question(read, look, ask, again=False), read.team)
            how = _TOLD.decode(told)
            if how.unknown:
                told, *rest = await self._worker.ask(self._question(read, look, ask, again=True), read.team)
                how = _TOLD.decode(told)
        except WorkerLost as lost:
            raise Failure(str(lost)) from None
        except WorkerBusy:
            raise Refused(
                Refusal.SHEDDING,
                "too many large requests are being read at this moment; try again",
                retry_after=RETRY_SECONDS,
            ) from None
        if how.refused:
            raise Refused(Refusal[how.refused], how.message, param=how.param)
        if how.error or how.unknown:
            raise Failure(how.error or "it forgot at once what it was told")
        return rest

    def _question(
        self,
        read: Read,
        look: Look | None,
        ask: Ask,
        *,
        again: bool,
    ) -> Callable[[], list[bytes]]:
        """The question, to be put to whichever process there is then: each is told the terms and sent the body once."""

        def question() -> list[bytes]:
            process = self._worker.started
            digest, terms = "", None
            if look is not None:
                digest = look.terms.digest
                if again or self._knows != (process, digest):
                    terms, self._knows = look.terms, (process, digest)
            head = pickle.dumps(Question(read.number, read.surface, read.arrived, digest, terms, ask))
            return [head, read.body] if self._sends(process, read.number, again=again) else [head]

        return question

    def _sends(self, process: int, number: int, *, again: bool) -> bool:
        if not number:
            return True
        if self._has[0] != process:
            self._has = process, OrderedDict()
        has = self._has[1]
        if number in has and not again:
            has.move_to_end(number)
            return False
        has[number] = None
        if len(has) > KEPT_BODIES:
            has.popitem(last=False)
        return True
