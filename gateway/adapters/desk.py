"""The work on the words of requests and answers, which is not for the event loop where they are large: reading,
scanning, taking out, saying them as a backend or a client takes them. On the loop the same functions are used where
they are small.

The process's side. It keeps the bodies that it was last asked about, and what came of them, until nobody has asked
anything for some seconds. It can do without: who asks about a body that is not here sends it again.
"""

import ctypes
import gc
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from msgspec import Raw

from gateway.adapters.heard import ToAnswer, heard
from gateway.adapters.outlines import Outlined, outlined
from gateway.adapters.worker import answer
from gateway.core.addresses import in_turns, names_addresses
from gateway.core.catalog import URLS, Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.decision import Obligation
from gateway.core.discharge import discharged
from gateway.core.errors import Failed, FailureKind, Refusal, Refused
from gateway.core.findings import Found, Place, Redacted, Scan, Seen
from gateway.core.kinds import Kind
from gateway.core.members import MOST_TEXTS, many, repeats
from gateway.core.pieces import Piece
from gateway.core.terms import ScannerTerms
from gateway.core.turns import turns
from gateway.providers import DIALECTS
from gateway.routing.spoken import lacking, spoken
from gateway.sensitivity.answer import ERROR, check
from gateway.sensitivity.blocks import redact_native
from gateway.sensitivity.classify import found_in
from gateway.sensitivity.own import kinds_of, scanner_of
from gateway.sensitivity.redact import NotRedactable, redact
from gateway.sensitivity.restore import restored_answer
from gateway.sensitivity.scan import Again, Scanner
from gateway.sensitivity.walk import TooMany, Walked, walk
from gateway.surfaces import SURFACES

KEPT_BODIES, KEPT_BYTES = 4, 64_000_000
MOST_VALUES = 1_000_000
"""So many values of a body are looked at for addresses, in about a second."""
REST_SECONDS = 5.0
"""What is kept is forgotten when no question has come for so long."""


class Look:
    """How one policy wants requests scanned. Takes seconds to make where its dictionaries are large."""

    __slots__ = ("kinds", "scanner", "terms")

    def __init__(self, terms: ScannerTerms) -> None:
        self.terms = terms
        self.scanner: Scanner = scanner_of(terms)
        self.kinds: Mapping[str, Kind] = kinds_of(terms)

    def tagged(self, tags: frozenset[str]) -> frozenset[str]:
        """The kinds that have any of these tags."""
        return frozenset(name for name, kind in self.kinds.items() if kind.tag in tags)


def walked_of(body: bytes) -> Walked:
    """The texts of a body. Raises Refused when it cannot be read, or could be read in two ways."""
    try:
        walked = walk(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(Refusal.INVALID_JSON, f"the request body is not valid JSON: {error}") from None
    except RecursionError:
        raise Refused(Refusal.INVALID_JSON, "the request body is nested too deeply") from None
    except TooMany:
        raise _too_many() from None
    if repeats(body, walked.members):
        raise Refused(
            Refusal.INVALID_JSON, "an object in the request body has the same name twice; send each name once"
        )
    return walked


def _too_many() -> Refused:
    return Refused(
        Refusal.TOO_LARGE,
        f"the request body has more than {MOST_TEXTS:,} texts and names of members; send it in parts",
    )


def redacted_of(look: Look, chat: ChatRequest, scan: Scan, tags: frozenset[str], again: Again) -> Redacted | None:
    """A request without findings of these tags, scanned again; None: that cannot be done. `scan` is of the body as it
    came, with its texts."""
    if not scan.complete:
        return None
    try:
        if chat.native is not None:  # what is sent then is not what came
            taken, left = redact_native(chat, scan, look.tagged(tags), again)
        else:
            taken = redact(chat, scan, look.tagged(tags), again)
            left = again.scan(msgspec.json.decode(taken.chat.with_fields({})))
    except NotRedactable:
        return None
    return Redacted(taken.chat, taken.taken, found_in(left, look.kinds))


BLOCKED = Failed(FailureKind.BLOCKED, FailureKind.BLOCKED.status, dict(ERROR))
"""An answer that would show what policy does not let out."""


def shown(look: Look | None, body: bytes, watched: frozenset[str], taken: Mapping[str, str]) -> bytes | Failed:
    """A buffered answer, watched, and with what was taken put back. A look is needed where something is watched for."""
    if watched and (look is None or check(body, look.scanner, look.tagged(watched))):
        return BLOCKED
    return restored_answer(body, taken) if taken else body


class ToOutline(msgspec.Struct, frozen=True):
    """Read it, and say what there is to know of it beside the words."""


class ToExamine(msgspec.Struct, frozen=True):
    """Scan it. `seen` is what some of its texts, by number, are known to hold."""

    seen: dict[int, Seen]


class ToRedact(msgspec.Struct, frozen=True):
    """Take out the findings of these tags. `whole`: all that has changed is wanted, not an outline."""

    tags: tuple[str, ...]
    seen: dict[int, Seen]
    whole: bool


class ToJudge(msgspec.Struct, frozen=True):
    """Say why each of these backends cannot do what is asked, under these obligations; empty: it can."""

    asked: tuple[tuple[Backend, tuple[Obligation, ...]], ...]


class ToEncode(msgspec.Struct, frozen=True):
    """Say it as a backend takes it, without the findings of these tags and with the obligations done."""

    redacted: tuple[str, ...]
    do: tuple[Obligation, ...]
    backend: Backend


Ask = ToOutline | ToExamine | ToRedact | ToJudge | ToEncode | ToAnswer


class Question(msgspec.Struct, frozen=True):
    """What is asked, and about which body: `number` names it, 0: it comes along and need not be kept. `surface` and
    `arrived` are what it is read with. `digest` names the terms by which it is scanned, if it is; `terms` are
    those, None: they were told before."""

    number: int
    surface: str
    arrived: int
    digest: str
    terms: ScannerTerms | None
    ask: Ask


class Told(msgspec.Struct, frozen=True):
    """How it went. `refused` names a refusal, `error` says what went wrong, without any text. `unknown`: the body is
    not here, or the terms are not. What was asked for follows only where all of it is empty."""

    refused: str = ""
    message: str = ""
    param: str | None = None
    error: str = ""
    unknown: bool = False


class Examined(msgspec.Struct, frozen=True):
    """What was found, and what each text that was not seen before holds by itself: of a body that is not kept, since
    else it is known here."""

    places: tuple[Place, ...]
    opaque: bool
    complete: bool
    fresh: dict[int, Seen]


class TakenOut(msgspec.Struct, frozen=True):
    """A request with findings taken out: an outline, or the fields that have changed and where blocks are in them."""

    taken: dict[str, str]
    found: Found
    outlined: Outlined | None = None
    changed: dict[str, Raw] = {}
    pieces: tuple[Piece, ...] = ()


class Spoken(msgspec.Struct, frozen=True):
    """What goes beside the body that a backend takes."""

    endpoint: Endpoint
    drops: tuple[str, ...]


class _Body:
    """A body, and what was made of it so far."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.chat: ChatRequest | None = None
        self.look: Look | None = None  # which one the rest is by
        self.scan: Scan | None = None
        self.again: Again | None = None
        self.forms: dict[tuple[str, ...], Redacted | None] = {}


class _Untold(Exception):
    """The terms that a question goes by were not told here, or others were since."""


class Desk:
    """Answers questions by what it was told before. Where that is not what a question goes by, it says so."""

    def __init__(self) -> None:
        self._look: Look | None = None
        self._bodies: OrderedDict[int, _Body] = OrderedDict()

    def find(self, pieces: list[bytes]) -> list[bytes]:
        """The answer to a question: how it went, and what was asked for."""
        try:
            question = pickle.loads(pieces[0])  # noqa: S301  our own server wrote it, into our own pipe
            if question.terms is not None:
                self._look = None  # if they cannot be used, nothing is scanned by others
                self._look = Look(question.terms)
            body = self._body(question.number, pieces[1:])
            if body is None:
                return [_UNKNOWN]
            return [_WELL, *_DOES[type(question.ask)](self, question, body)]
        except _Untold:
            return [_UNKNOWN]
        except Refused as refused:
            told = Told(refused=refused.refusal.name, message=refused.message, param=refused.param)
            return [msgspec.json.encode(told)]
        except Exception as error:  # noqa: BLE001  the server is told, and treats the request as unknown
            return [msgspec.json.encode(Told(error=type(error).__name__))]

    def rest(self) -> None:
        """Forgets all bodies, and gives their memory back."""
        if self._bodies:
            self._bodies.clear()
            gc.collect()
            _give_back()

    def _body(self, number: int, sent: list[bytes]) -> _Body | None:
        if not number:
            return _Body(sent[0])
        if sent:
            self._bodies[number] = _Body(sent[0])
        if number not in self._bodies:
            return None
        self._bodies.move_to_end(number)
        while len(self._bodies) > 1 and (
            len(self._bodies) > KEPT_BODIES or sum(len(body.raw) for body in self._bodies.values()) > KEPT_BYTES
        ):
            self._bodies.popitem(last=False)
        return self._bodies[number]

    def _chat(self, question: Question, body: _Body) -> ChatRequest:
        if body.chat is None:
            if many(body.raw):
                raise _too_many()
            body.chat = SURFACES[question.surface].parse(body.raw, question.arrived)
        return body.chat

    def _outline(self, question: Question, body: _Body) -> list[bytes]:
        chat = self._chat(question, body)
        said = tuple(turns(chat))
        if names_addresses(body.raw, chat=in_turns(chat.needs), most=MOST_VALUES):
            chat = msgspec.structs.replace(chat, needs=chat.needs | {URLS})
        return [msgspec.json.encode(outlined(chat, question.number, (), said))]

    def _told(self, question: Question) -> Look:
        look = self._look
        if look is None or look.terms.digest != question.digest:
            raise _Untold
        return look

    def _scanned(
        self, question: Question, body: _Body, seen: Mapping[int, Seen]
    ) -> tuple[Look, Scan, Again, dict[int, Seen]]:
        look = self._told(question)
        if body.scan is not None and body.again is not None and body.look is look:
            return look, body.scan, body.again, {}
        walked = walked_of(body.raw)
        body.look, body.forms = look, {}
        if look.scanner.concerns(walked):
            body.scan, fresh = look.scanner.examined(walked, seen)
        else:
            body.scan, fresh = Scan(walked.leaves, (), bool(walked.opaque)), {}
        leaves = walked.leaves
        body.again = Again(
            look.scanner, {(leaves[at].text, leaves[at].key): each for at, each in {**seen, **fresh}.items()}
        )
        return look, body.scan, body.again, fresh

    def _examine(self, question: Question, body: _Body) -> list[bytes]:
        ask = question.ask
        assert isinstance(ask, ToExamine)
        _, scan, _, fresh = self._scanned(question, body, ask.seen)
        told = {} if question.number else fresh  # of very many texts it would be long to read
        return [msgspec.json.encode(Examined(scan.places, scan.opaque, scan.complete, told))]

    def _form(
        self, question: Question, body: _Body, tags: tuple[str, ...], seen: Mapping[int, Seen]
    ) -> Redacted | None:
        look, scan, again, _ = self._scanned(question, body, seen)
        if tags not in body.forms:
            body.forms[tags] = redacted_of(look, self._chat(question, body), scan, frozenset(tags), again)
        return body.forms[tags]

    def _redact(self, question: Question, body: _Body) -> list[bytes]:
        ask = question.ask
        assert isinstance(ask, ToRedact)
        form, came = self._form(question, body, ask.tags, ask.seen), self._chat(question, body)
        if form is None:
            return [msgspec.json.encode(None)]
        taken = dict(form.taken)
        if ask.whole:
            changed = {name: raw for name, raw in form.chat.fields.items() if raw != came.fields.get(name)}
            pieces = form.chat.native.pieces if form.chat.native is not None else ()
            return [msgspec.json.encode(TakenOut(taken, form.found, changed=changed, pieces=pieces))]
        return [msgspec.json.encode(TakenOut(taken, form.found, outlined(form.chat, question.number, ask.tags)))]

    def _judge(self, question: Question, body: _Body) -> list[bytes]:
        ask, chat = question.ask, self._chat(question, body)
        assert isinstance(ask, ToJudge)
        return [msgspec.json.encode([lacking(chat, do, backend, DIALECTS) for backend, do in ask.asked])]

    def _encode(self, question: Question, body: _Body) -> list[bytes]:
        ask, chat = question.ask, self._chat(question, body)
        assert isinstance(ask, ToEncode)
        backend = ask.backend
        if ask.redacted:
            form = self._form(question, body, ask.redacted, {})
            if form is None:
                raise RuntimeError("what was redacted before cannot be now")
            chat = form.chat
        dialect = spoken(chat, ask.do, backend, DIALECTS)
        if dialect is None:
            raise RuntimeError("planned for what it does not serve")
        chat = discharged(chat, ask.do, dialect.limit_field)
        beside = Spoken(dialect.endpoint(chat, backend), dialect.drops(chat, backend))
        return [msgspec.json.encode(beside), dialect.encode(chat, backend)]

    def _answer(self, question: Question, body: _Body) -> list[bytes]:
        ask = question.ask
        assert isinstance(ask, ToAnswer)
        return heard(ask, body.raw, partial(shown, self._told(question) if ask.watched else None))


_WELL, _UNKNOWN = msgspec.json.encode(Told()), msgspec.json.encode(Told(unknown=True))
_DOES: Mapping[type, Callable[[Desk, Question, _Body], list[bytes]]] = {
    ToOutline: Desk._outline,  # noqa: SLF001  the table of its own methods
    ToExamine: Desk._examine,  # noqa: SLF001
    ToRedact: Desk._redact,  # noqa: SLF001
    ToJudge: Desk._judge,  # noqa: SLF001
    ToEncode: Desk._encode,  # noqa: SLF001
    ToAnswer: Desk._answer,  # noqa: SLF001
}


def _give_back() -> None:
    """Has the C library return what it holds in reserve, where it is one that can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def main() -> None:
    """The process's side."""
    desk = Desk()
    answer(desk.find, rest=desk.rest, rest_after_seconds=REST_SECONDS)
