"""The scanner at work: small requests are looked at on the event loop, large ones in a process of their own."""

import pickle
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from gateway.adapters.worker import Worker, WorkerLost, answer
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed, FailureKind, Refusal, Refused
from gateway.core.findings import Found, Place, Redacted, Scan
from gateway.core.kinds import Kind
from gateway.core.members import repeats
from gateway.core.terms import ScannerTerms
from gateway.ports import Policy, StreamReader
from gateway.sensitivity.answer import ERROR, Guard, check
from gateway.sensitivity.classify import found_in
from gateway.sensitivity.own import kinds_of, scanner_of
from gateway.sensitivity.redact import NotRedactable, redact
from gateway.sensitivity.restore import Restorer, restored_answer
from gateway.sensitivity.scan import Scanner
from gateway.sensitivity.walk import Walked, walk
from gateway.surfaces.following import Following

GLANCED_BYTES = 1_000_000
"""Up to this size a body is parsed, and glanced at by all triggers at once, on the event loop: about 5 ms."""
EXAMINED_BYTES = 16_000
"""Up to this size it is also examined there, if there is anything to examine: 15 ms if it is full of findings."""
REDACTED_BYTES = 1_000_000
"""A larger body is not redacted, so it is denied where a policy wants that."""
MOST_SECONDS = 20.0
_REMEMBERED = 4
_CODE = "from gateway.adapters.scanning import main; main()"


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


class Scanning:
    """The `Scanning` port. `failed` is told, without any text, when the scanner could not do its work."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._looks: OrderedDict[str, Look] = OrderedDict()
        self._worker = Worker(_CODE, MOST_SECONDS)
        self._told: tuple[int, str] = (0, "")  # which process knows which terms

    def prepare(self, terms: ScannerTerms) -> Callable[[], None]:
        """Makes ready for a policy, beside the event loop; what it returns puts that in force."""
        look = self._looks.get(terms.digest) or Look(terms)
        return lambda: self._keep(look)

    def scan(self, policy: Policy, body: bytes) -> "_Scanned | Awaitable[_Scanned]":
        """What is in a body. Where the scanner fails, nothing is known."""
        look = self._look(policy)
        if len(body) > GLANCED_BYTES:
            return self._elsewhere(look, body)
        walked = _walked(body)
        try:
            if not look.scanner.concerns(walked):
                return _Scanned(look, body, Scan((), (), bool(walked.opaque)))
            if len(body) <= EXAMINED_BYTES:
                return _Scanned(look, body, look.scanner.examine(walked))
        except Exception as error:  # noqa: BLE001  whatever it is, the request is refused or kept inside, not let out
            self._failed(type(error).__name__)
            return _Scanned(look, body, _UNKNOWN)
        return self._elsewhere(look, body)

    async def close(self) -> None:
        """Ends the process for large requests, if there is one."""
        await self._worker.close()

    def _look(self, policy: Policy) -> Look:
        look = self._looks.get(policy.sensitivity.digest)
        if look is None:
            self._keep(look := Look(policy.sensitivity))
        return look

    def _keep(self, look: Look) -> None:
        self._looks[look.terms.digest] = look
        if len(self._looks) > _REMEMBERED:
            self._looks.popitem(last=False)

    async def _elsewhere(self, look: Look, body: bytes) -> "_Scanned":
        def question() -> bytes:
            told = self._worker.started, look.terms.digest
            known, self._told = self._told == told, told
            return pickle.dumps((None if known else look.terms, body))

        try:
            answer = _ANSWER.decode(await self._worker.ask(question))
        except WorkerLost as error:
            self._failed(str(error))
            return _Scanned(look, body, _UNKNOWN)
        if answer.refused:
            raise Refused(Refusal[answer.refused], answer.error)
        if answer.error:
            self._failed(answer.error)
            return _Scanned(look, body, _UNKNOWN)
        return _Scanned(look, body, Scan((), answer.places, answer.opaque, answer.complete))


class _Scanned:
    """The `Scanned` port: one request's scan, and the look that it came of."""

    __slots__ = ("_body", "_look", "_scan", "found")

    def __init__(self, look: Look, body: bytes, scan: Scan) -> None:
        self._look = look
        self._body = body
        self._scan = scan
        self.found: Found = found_in(scan, look.kinds)

    def redacted(self, chat: ChatRequest, tags: frozenset[str]) -> Redacted | None:
        """The request without findings of these tags, scanned again."""
        if len(self._body) > REDACTED_BYTES or not self._scan.complete:
            return None
        scanner, scan = self._look.scanner, self._scan
        if chat.native is not None:  # what is sent then is not what came
            scan = scanner.scan(msgspec.json.decode(chat.with_fields({})))
        if not scan.leaves:  # it was scanned elsewhere
            scan = msgspec.structs.replace(scan, leaves=walk(msgspec.json.decode(self._body)).leaves)
        try:
            taken = redact(chat, scan, self._look.tagged(tags), scanner)
        except NotRedactable:
            return None
        left = scanner.scan(msgspec.json.decode(taken.chat.with_fields({})))
        return Redacted(taken.chat, taken.taken, found_in(left, self._look.kinds))

    def follow(self, reader: StreamReader, watched: frozenset[str], taken: Mapping[str, str]) -> StreamReader:
        """The reader, watched, and with what was taken put back."""
        return _Followed(reader, self._look, watched, taken)

    def read(self, answer: bytes, watched: frozenset[str], taken: Mapping[str, str]) -> bytes | Failed:
        """A buffered answer, watched, and with what was taken put back."""
        if watched and check(answer, self._look.scanner, self._look.tagged(watched)):
            return _BLOCKED
        return restored_answer(answer, taken) if taken else answer


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
                self.done, self.failed = True, _BLOCKED
        if (restorer := self._restorer) is not None:
            events = restorer.feed(events)
            if self.done:
                events += restorer.close()
        return events


_UNKNOWN = Scan((), (), opaque=False, complete=False)
_BLOCKED = Failed(FailureKind.BLOCKED, FailureKind.BLOCKED.status, dict(ERROR))


class _Answer(msgspec.Struct, frozen=True):
    """What the process for large requests says of one. `refused` names a refusal, `error` what went wrong."""

    places: tuple[Place, ...] = ()
    opaque: bool = False
    complete: bool = True
    refused: str = ""
    error: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)


def _walked(body: bytes) -> Walked:
    """The texts of a body. Raises Refused when it cannot be read, or could be read in two ways."""
    try:
        walked = walk(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(Refusal.INVALID_JSON, f"the request body is not valid JSON: {error}") from None
    except RecursionError:
        raise Refused(Refusal.INVALID_JSON, "the request body is nested too deeply") from None
    if repeats(body, walked.members):
        raise Refused(
            Refusal.INVALID_JSON, "an object in the request body has the same name twice; send each name once"
        )
    return walked


def main() -> None:
    """The side of the process for large requests."""
    looks: list[Look] = []

    def find(question: bytes) -> bytes:
        terms, body = pickle.loads(question)  # noqa: S301  our own server wrote it, into our own pipe
        try:
            if terms is not None:
                looks[:] = [Look(terms)]
            scan = looks[0].scanner.examine(_walked(body))
            return msgspec.json.encode(_Answer(scan.places, scan.opaque, scan.complete))
        except Refused as refused:
            return msgspec.json.encode(_Answer(refused=refused.refusal.name, error=refused.message))
        except Exception as error:  # noqa: BLE001  the server is told, and treats the request as unknown
            return msgspec.json.encode(_Answer(error=type(error).__name__))

    answer(find)
