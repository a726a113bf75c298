"""Decisions, kept so that they can be decided again under another policy: facts and figures, never text.

They are appended to a file a day, as lines of JSON, one write for a batch: on this side of a thread a line costs a few
microseconds, where a row of a database cost that and a fight for the interpreter's lock. Most requests ask what many
asked before, so all that decisions share is a line of its own, written once a file and referred to by its number. What
is under way when a process dies stands in the ledger's journal (`decided`), and is kept at the next start. Each batch
is sealed with all before it, so that what is changed later shows: `gateway audit verify`.
"""

import contextlib
import heapq
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from gateway.adapters.day_files import DayFiles, check, day_of, files, sealed_lines
from gateway.core.chain import Walk
from gateway.core.chat import Demand
from gateway.core.decided import Decided
from gateway.core.decision import Decision, Facts, Redaction
from gateway.core.findings import Classified
from gateway.core.record import Call, End, Record
from gateway.core.stored import Denied, Stored
from gateway.core.usage import BUCKETS, Source, Usage

KEPT_DAYS = 90
_DAY_SECONDS = 86_400
_IDLE_SECONDS = 3600.0
_REMEMBERED = 10_000
_LONGEST_SECONDS = 3600.0
"""Requests are written as they end, and read in the order in which they came: none is under way for longer."""


class _Common(msgspec.Struct, frozen=True):
    """What many decisions have in common: a line that is an object."""

    policy_digest: str
    requested: str
    facts: Facts
    needs: frozenset[str]
    plan: tuple[str, ...]
    denied: tuple[Denied, ...]
    redactions: tuple[Redaction, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    kinds: tuple[str, ...] = ()


class _Shared(_Common, frozen=True, kw_only=True):
    """The same in a file, where `number` is its name."""

    number: int


class _Own(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a decision before its request has ended, beside what it shares with others."""

    decision_id: str
    request_id: str
    time: float
    input_bytes: int
    messages: int
    output_limit: int | None
    choices: int
    backend: str


class _Line(msgspec.Struct, frozen=True, array_like=True):
    """One decision: a line that is an array. A new field goes to the end, with a default."""

    decision_id: str
    request_id: str
    time: float
    shared: int
    input_bytes: int
    messages: int
    output_limit: int | None
    choices: int
    backend: str | None
    input_uncached: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    usage_source: Source
    cost_pico_usd: int
    outcome: End
    status: int
    cache_write_long: int = 0
    audio_input: int = 0
    audio_output: int = 0
    misnamed: str = ""
    """The name of another model that the answer said it is by."""


_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_DECODE_SHARED = msgspec.json.Decoder(_Shared).decode
_DECODE_LINE = msgspec.json.Decoder(_Line).decode
_DECODE_OWN = msgspec.json.Decoder(_Own).decode


NAME = "decisions"
"""Of the folder."""


def _folder(directory: Path) -> Path:
    return directory / NAME


def _nothing(*_: str) -> None:
    """Who is told where nobody asked."""


class Decisions:
    """A projection of records into a state directory. One process at a time may hold it.

    `on_loss` is told how many records could not be kept, and why; `on_begin` of each file before it is begun, and what
    it is begun behind; `on_forgotten` of each before it is deleted because of its age. Where one of those two raises
    OSError that is not done.
    """

    def __init__(
        self,
        directory: Path,
        on_loss: Callable[[int, str], None],
        on_begin: Callable[[str, str], None] = _nothing,
        on_forgotten: Callable[[str], None] = _nothing,
    ) -> None:
        self._folder = _folder(directory)
        self._files = DayFiles(self._folder, on_begin)
        self._on_loss = on_loss
        self._on_forgotten = on_forgotten
        self._last = 0
        self._common: dict[object, bytes] = {}  # what decisions share, by its parts
        self._numbers: dict[bytes, int] = {}  # what the file has of it
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._forget, name="decisions", daemon=True)
        self._thread.start()

    def decided(
        self, call: Call, decision: Decision, demand: Demand, classified: Classified | None, backend: str
    ) -> Decided:
        """A decision by which a call is about to be sent to a backend, to be noted elsewhere before it is."""
        own = _Own(
            decision.id,
            call.id,
            call.time,
            demand.input_bytes,
            demand.messages,
            demand.output_limit,
            demand.choices,
            backend,
        )
        return Decided(self._shared(decision, demand, classified), _ENCODE(own), decision)

    def take(self, records: Sequence[Record]) -> None:
        """Keeps the records of requests that have ended, those that reached a decision."""

        def put(lines: list[bytes]) -> None:
            for record in records:
                if record.decision is not None and record.demand is not None:
                    self._put(record, record.decision, record.demand, lines)

        self._append(len(records), put)

    def recover(self, found: Sequence[Decided]) -> int:
        """Keeps decisions that a former process noted before it died, as far as it did not keep them itself. Returns
        how many."""
        left: dict[str, tuple[_Own, bytes]] = {}
        for each in found:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # of another version
                own = _DECODE_OWN(each.own)
                left[own.decision_id] = own, each.shared  # of several calls of a request the last
        if left:
            for path in files(self._folder, day_of(min(own.time for own, _ in left.values()))):
                for line in sealed_lines(path):
                    if line.startswith(b'["'):
                        left.pop(line[2 : line.index(b'"', 2)].decode(), None)

        def put(lines: list[bytes]) -> None:
            for own, shared in left.values():
                lines.append(_ENCODE(_crashed(own, self._number(shared, lines))))

        if left:
            self._append(len(left), put)
        return len(left)

    def close(self) -> None:
        """Stops. Everything that was taken is written."""
        self._closing.set()
        self._thread.join(timeout=30)
        self._files.close()

    def _put(self, record: Record, decision: Decision, demand: Demand, lines: list[bytes]) -> None:
        usage = record.usage
        line = _Line(
            decision.id,
            record.call.id,
            record.call.time,
            self._number(self._shared_of(record, decision, demand), lines),
            demand.input_bytes,
            demand.messages,
            demand.output_limit,
            demand.choices,
            record.tried[-1].backend if record.tried else None,
            usage.input_uncached,
            usage.cache_read,
            usage.cache_write,
            usage.output,
            usage.reasoning,
            usage.source,
            record.cost_pico_usd,
            record.end,
            record.status,
            usage.cache_write_long,
            usage.audio_input,
            usage.audio_output,
            record.tried[-1].misnamed if record.tried else "",
        )
        lines.append(_ENCODE(line))

    def _append(self, records: int, put: Callable[[list[bytes]], None]) -> None:
        """Appends the lines that something puts."""
        try:
            if self._files.begin():
                self._numbers.clear()
            lines: list[bytes] = []
            put(lines)
            if lines:
                self._files.append(b"\n".join(lines) + b"\n")
        except OSError as error:
            self._numbers.clear()  # what was shared may be lost, too
            self._on_loss(records, str(error))

    def _number(self, shared: bytes, lines: list[bytes]) -> int:
        """The number of what decisions share, which goes before them if it is new to the file."""
        number = self._numbers.get(shared)
        if number is None:
            if len(self._numbers) >= _REMEMBERED:
                self._numbers.clear()
            number = self._numbers[shared] = self._last = self._last + 1
            lines.append(b'{"number":%d,%b' % (number, shared[1:]))
        return number

    def _shared_of(self, record: Record, decision: Decision, demand: Demand) -> bytes:
        noted = record.decided
        if noted is not None and noted.decision is decision:
            return noted.shared
        return self._shared(decision, demand, record.classified)

    def _shared(self, decision: Decision, demand: Demand, classified: Classified | None) -> bytes:
        """What this decision shares with others."""
        plan = tuple([candidate.backend.id for candidate in decision.candidates])
        provenance = classified.provenance if classified else ()
        kinds = tuple([kind for kind, _ in classified.kinds]) if classified and classified.kinds else ()
        label = (decision.redactions, provenance, kinds)
        key = (decision.policy_digest, decision.requested, decision.facts, demand.needs, decision.excluded, plan, label)
        shared = self._common.get(key)
        if shared is None:
            # reasons in words differ more than what is kept of them
            denied = tuple([Denied(each.backend, each.by, each.rules) for each in decision.excluded])
            kept = (*key[:4], denied, plan, label)
            shared = self._common.get(kept)
            if len(self._common) >= _REMEMBERED:
                self._common.clear()
            if shared is None:
                shared = _ENCODE(_Common(*key[:4], plan, denied, *label))
            self._common[key] = self._common[kept] = shared
        return shared

    def _forget(self) -> None:
        """The thread: deletes what is too old, when it starts and every hour; a large file takes a while."""
        while True:
            oldest = day_of(time.time() - KEPT_DAYS * _DAY_SECONDS)
            for path in files(self._folder):
                if path.name < oldest:
                    with contextlib.suppress(OSError):  # in an hour, then
                        self._on_forgotten(path.name)  # first: one that is gone unsaid looks like somebody's act
                        path.unlink()
            if self._closing.wait(_IDLE_SECONDS):
                return


def read(directory: Path, since: float) -> Iterator[Stored]:
    """The decisions of a state directory since a time (Unix seconds), oldest first. From any process."""
    found = files(_folder(directory), day_of(since))
    yield from _in_order(stored for stored in _read(found) if stored.time >= since)


def find(directory: Path, decision_id: str) -> Stored | None:
    """One decision, None if it is not kept. From any process."""
    quoted = msgspec.json.encode(decision_id)
    found = _read(reversed(files(_folder(directory))), lambda line: quoted in line)
    return next((stored for stored in found if stored.decision_id == decision_id), None)


def kept(directory: Path) -> list[Path]:
    """The files that there are now, oldest first."""
    return files(_folder(directory))


def follow(
    directory: Path,
    walk: Walk,
    begun: Mapping[str, str],
    forgotten: Collection[str] = (),
    there_before: Iterable[Path] | None = None,
) -> None:
    """Has a walk look whether what is kept is what was written. `begun` are the files that the trail of acts knows,
    `forgotten` those of them that went for their age, `there_before` what was `kept` before that trail was read."""
    check(_folder(directory), walk, begun, NAME, forgotten, there_before)


def _in_order(found: Iterable[Stored]) -> Iterator[Stored]:
    """By the time they came, from an order by the time they ended."""
    waiting: list[tuple[float, str, Stored]] = []
    newest = 0.0
    for stored in found:
        newest = max(newest, stored.time)
        heapq.heappush(waiting, (stored.time, stored.decision_id, stored))
        while waiting[0][0] < newest - _LONGEST_SECONDS:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _read(paths: Iterable[Path], wanted: Callable[[bytes], bool] = lambda _: True) -> Iterator[Stored]:
    """The decisions in files, as they ended, as far as they were sealed: a line that nobody can read, or that no link
    answers for, was being written when a process died, or was put there."""
    for path in paths:
        shared: dict[int, _Shared] = {}
        for line in sealed_lines(path):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                if line.startswith(b"{"):
                    common = _DECODE_SHARED(line)
                    shared[common.number] = common
                elif line.startswith(b"[") and wanted(line):
                    row = _DECODE_LINE(line)
                    if row.shared in shared:
                        yield _stored(row, shared[row.shared])


def _crashed(own: _Own, shared: int) -> _Line:
    return _Line(
        own.decision_id,
        own.request_id,
        own.time,
        shared,
        own.input_bytes,
        own.messages,
        own.output_limit,
        own.choices,
        own.backend,
        *(0, 0, 0, 0, 0),
        "estimated",
        0,  # the ledger has it, at its upper bound
        End.CRASHED,
        0,
    )


def _stored(row: _Line, shared: _Shared) -> Stored:
    return Stored(
        decision_id=row.decision_id,
        request_id=row.request_id,
        time=row.time,
        policy_digest=shared.policy_digest,
        requested=shared.requested,
        facts=shared.facts,
        demand=Demand(shared.needs, row.input_bytes, row.messages, row.output_limit, row.choices),
        plan=shared.plan,
        denied=shared.denied,
        backend=row.backend,
        usage=Usage(**{name: getattr(row, name) for name in BUCKETS}, source=row.usage_source),
        cost_pico_usd=row.cost_pico_usd,
        end=row.outcome,
        status=row.status,
        redactions=shared.redactions,
        provenance=shared.provenance,
        kinds=shared.kinds,
    )
