"""Reading streamed chat completions as OpenAI and most other servers write them, event by event.

Each event is relayed as it came; the reader looks for usage, errors and the end. What servers disagree on is mended
here and in `mending`: usage that rides on another chunk, a missing [DONE], an error inside a stream, a finish reason in
other words, given twice or other than what was said, a first delta without its role, an event in several lines.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.errors import Failed, FailureKind
from gateway.providers import finish, mending
from gateway.providers.completion import DONE, error_event
from gateway.providers.failures import classify, unreadable, wrong_end
from gateway.providers.reader import NO_TEXT, Reader, is_text
from gateway.providers.usage import totalled, usage_of

NO_CODES: Mapping[str, FailureKind] = {}
NONSENSE = "the backend sent a choice that is none of a chat completion"
_EMPTY = (b"null", b'""', b"[]", b"{}")


class Generated(msgspec.Struct):
    """What a model wrote: a delta of a stream, or a whole message. Each value as it came."""

    role: object = None
    content: Raw | UnsetType = UNSET
    reasoning_content: Raw | UnsetType = UNSET
    reasoning: Raw | UnsetType = UNSET
    refusal: Raw | UnsetType = UNSET
    tool_calls: Raw | UnsetType = UNSET
    function_call: Raw | UnsetType = UNSET
    audio: Raw | UnsetType = UNSET


class Choice(msgspec.Struct):
    """One choice of a chunk or of a whole answer."""

    index: int = 0
    delta: Generated | None = None
    text: Raw | UnsetType = UNSET  # legacy completions
    message: Generated | None = None
    finish_reason: str | None = None
    usage: Raw | UnsetType = UNSET  # Moonshot


class Body(msgspec.Struct):
    """A chunk of a stream or a whole answer, as far as we look."""

    choices: list[Choice] | UnsetType | None = UNSET
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    service_tier: object = None  # whatever it is: one that is no word says nothing
    model: object = None
    x_groq: Raw | UnsetType = UNSET  # has usage
    timings: Raw | UnsetType = UNSET  # llama.cpp: has what came out of its cache
    base_resp: Raw | UnsetType = UNSET  # MiniMax: has its error code


class _Beside(msgspec.Struct):
    """What stands in objects beside the usual ones."""

    usage: Raw | UnsetType = UNSET
    cache_n: int = 0
    status_code: int = 0


BODY = msgspec.json.Decoder(Body)
_BESIDE = msgspec.json.Decoder(_Beside)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class Stream(Reader):
    """Follows one streamed answer and gives back, event by event, what the client is to see."""

    def __init__(
        self,
        wants_usage: bool,
        continuous: bool,
        *,
        tags: bool = False,
        codes: Mapping[str, FailureKind] = NO_CODES,
        named: bool = False,
    ) -> None:
        super().__init__()
        self._wants_usage = wants_usage
        self._continuous = continuous  # the client asked for usage on every chunk
        self._named = named  # the client named the tool to call: then such an answer ends with `stop` at OpenAI, too
        self._codes = codes  # error codes that mean something of their own
        self._tags = tags  # thoughts come between tags in the content
        self._usage_sent = False
        self._pending_usage: bytes | None = None  # a usage chunk of our making, when the server has none of its own
        self._unfinished: set[int] = set()  # choices that have begun
        self._finished: set[int] = set()  # choices that have their finish reason
        self._blank: set[int] = set()  # choices whose finish reason came empty
        self._spoke: set[int] = set()  # choices whose first delta was seen
        self._choices: dict[int, mending.Choice] = {}
        self._last = b""  # the data of the last chunk that was looked at closely

    def feed(self, block: bytes) -> bytes:
        """What the client is to see of a block: usually the block itself."""
        if self.done:
            return b""
        if (
            block.startswith(b"data: ")
            and block.endswith(b"\n\n")
            and block.find(b"\n") == len(block) - 2
            and b"\r" not in block
            and not self._splitter.holds
        ):  # nearly every block of a real stream is one event
            return self._event(block, block[6:-2]) if is_text(block) else self.broke_off(NO_TEXT)
        return super().feed(block)

    def _event(self, event: bytes, data: bytes) -> bytes:
        if not data or data.isspace():
            return event  # a comment, or a bare field
        if data.startswith(b"[DONE]"):
            return self._over(event)
        try:
            read = BODY.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.broke_off(unreadable("the backend sent an event that is no chunk of a chat completion"))
        self.started = True
        if b"\n" in data:  # several lines, of which simple clients read each as an event
            data = data.replace(b"\n", b" ")
            event = b"data: %b\n\n" % data
        if read.error is not UNSET and present(read.error):
            return self._failed(read, classify(200, data, None, self._codes))
        if read.service_tier is not None:
            self.service = word(read.service_tier)
        if self.model is None:
            self.model = word(read.model)
        choices = read.choices or ()
        if not choices and (failed := failed_beside(read, data)) is not None:
            return self._failed(read, failed)
        changes: dict[int, tuple[mending.Change, bytes | None]] | None = None
        for at, choice in enumerate(choices):
            why, ends = choice.finish_reason, None
            if why is None:
                if choice.index not in self._finished:
                    self._unfinished.add(choice.index)
            elif (
                why in finish.OURS and choice.index not in self._finished and (why != "stop" or not self._calls(choice))
            ):
                self._unfinished.discard(choice.index)
                self._finished.add(choice.index)
            elif wrong := finish.failure(why):
                return self._failed(read, wrong_end(wrong))
            else:
                ends = self._ends(choice, why)
            size, odd = measured(choice.delta)
            if begins := choice.delta is not None and choice.index not in self._spoke:
                self._spoke.add(choice.index)
                odd = odd or not choice.delta.role
            if choice.text is not UNSET:
                size += length_of(choice.text)
            if size:
                self.content_seen = True
                self.written_bytes += size
                self.written_events += 1
            if odd or self._tags or ends is not None:
                self._last = data
                if is_nonsense(choice.delta):
                    return self.broke_off(unreadable(NONSENSE))
                if (said := self._said(choice, begins=begins)) or ends is not None:
                    changes = {**(changes or {}), at: (said, ends)}
        if changes is not None:
            data = mending.rewritten(data, changes, "delta")
            event = b"data: %b\n\n" % data
        if read.usage is not UNSET and present(read.usage):
            return self._with_usage(event, data, read.usage, bool(choices), cached_beside(read))
        if read.x_groq is not UNSET or (choices and choices[-1].usage is not UNSET):
            self._noted(data, read)
        return event

    def _failed(self, read: Body, failed: Failed) -> bytes:
        self.used(usage_of(read.usage))  # what is reported is billed, whatever else
        return self.broke_off(failed)

    def _ends(self, choice: Choice, why: str) -> bytes:
        """The finish reason in the client's words, and once. Agents go by it, so an answer that calls tools says so."""
        index, reason = choice.index, finish.reason(why)
        if why == "":
            self._blank.add(index)
            self._unfinished.add(index)
        if why == "" or index in self._finished:
            return b"null"
        self._unfinished.discard(index)
        self._finished.add(index)
        return b'"tool_calls"' if reason == "stop" and self._calls(choice) else b'"%b"' % reason.encode()

    def _calls(self, choice: Choice) -> bool:
        """Whether a choice that ends with `stop` calls tools by the model's own will."""
        here = choice.delta is not None and present(choice.delta.tool_calls)
        known = self._choices.get(choice.index)
        return not self._named and (here or (known is not None and known.has_calls))

    def _said(self, choice: Choice, *, begins: bool) -> mending.Change:
        """What to change in a delta. `begins`: it is the first of its choice."""
        state = self._choices.get(choice.index)
        if state is None:
            state = self._choices[choice.index] = mending.Choice(tags=self._tags)
        delta = choice.delta or Generated()
        content, calls = mending.raw_or_none(delta.content), mending.raw_or_none(delta.tool_calls)
        change: dict[str, bytes | None] = {}
        if begins and not delta.role:
            change["role"] = b'"assistant"'
        if content is not None and content[:1] == b"[":
            change.update(mending.listed(content))
        elif self._tags:
            change.update(state.parted(content, ends=bool(choice.finish_reason)))
        if calls is not None and calls not in _EMPTY and (mended := state.calls(calls)) is not None:
            change["tool_calls"] = mended
        return change

    def _with_usage(self, event: bytes, data: bytes, usage: Raw | UnsetType, rides: bool, cached: int) -> bytes:
        """A chunk that carries usage: kept, dropped, or parted from the chunk that it rides on."""
        self.used(usage_of(usage, cached))
        if (total := totalled(usage)) is not None:
            event = _chunk({**_MEMBERS.decode(data), "usage": total})
            data = event[6:-2]
        if self._continuous:
            self._usage_sent = True
            return event
        if not rides:  # the usage chunk proper
            if not self._wants_usage or self._usage_sent:
                return b""
            self._usage_sent = True
            return event
        members: dict[str, Raw | bytes] = dict(_MEMBERS.decode(data))
        self._pending_usage = _usage_chunk(members, bytes(members.pop("usage")))
        return _chunk(members)

    def _noted(self, data: bytes, read: Body) -> None:
        """Usage that stands elsewhere: it counts, and the client may have it at the end if it asked."""
        usage = read.choices[-1].usage if read.choices else UNSET
        if read.x_groq is not UNSET:
            usage = beside(read.x_groq).usage
        if present(usage):
            self.used(usage_of(usage))
            told = totalled(usage) or mending.raw_or_none(usage) or b"null"
            self._pending_usage = _usage_chunk(_MEMBERS.decode(data), told)

    def _over(self, done: bytes) -> bytes:
        """The end by the server's own word. Some say it, too, where they broke off: then no choice has its end."""
        self.started = self.done = True
        if not self._finished and not self._unfinished:
            return self.broke_off(unreadable("the backend ended the stream without an answer"))
        self.unfinished = bool(self._unfinished - self._blank)
        return self._ending() + done

    def _complete(self) -> bool:
        return bool(self._finished) and not self._unfinished

    def _end(self) -> bytes:
        return self._ending() + DONE

    def _ending(self) -> bytes:
        """What goes before [DONE]: what was held back, ends that came without a word, usage that came early."""
        return b"".join(self._loose_ends()) + (
            self._pending_usage
            if self._wants_usage and not self._usage_sent and self._pending_usage is not None
            else b""
        )

    def _loose_ends(self) -> Iterable[bytes]:
        for index, choice in sorted(self._choices.items()):
            said = choice.parted(None, ends=True)
            blank = index in self._blank and index not in self._finished
            if said or blank:
                delta = {name: Raw(value) for name, value in said.items() if value is not None}
                why = ("tool_calls" if choice.has_calls else "stop") if blank else None
                ending = msgspec.json.encode([{"index": index, "delta": delta, "finish_reason": why}])
                yield _chunk({**_head(_MEMBERS.decode(self._last)), "choices": ending})

    def _error(self, failed: Failed) -> bytes:
        return error_event(failed)


def failed_beside(read: Body, data: bytes) -> Failed | None:
    """A failure that comes as a success and without an `error`, as some servers have it."""
    if read.base_resp is not UNSET and beside(read.base_resp).status_code:
        return classify(200, data)
    if read.choices is UNSET and not present(read.usage):
        members = _MEMBERS.decode(data)
        if (
            "Response" in members
            or bytes(members.get("object", b"")) == b'"error"'
            or {"code", "message"} <= members.keys()
        ):
            return classify(200, data)
    return None


def cached_beside(read: Body) -> int:
    """Tokens out of a cache, where they are told elsewhere than in the usage."""
    return 0 if read.timings is UNSET else beside(read.timings).cache_n


def beside(raw: Raw | UnsetType) -> _Beside:
    """An object beside the usual ones; of another form it says nothing."""
    try:
        return _Beside() if isinstance(raw, UnsetType) or bytes(raw) == b"null" else _BESIDE.decode(raw)
    except msgspec.DecodeError:
        return _Beside()


def present(raw: Raw | UnsetType) -> bool:
    """Whether a value says something."""
    return not isinstance(raw, UnsetType) and bytes(raw) not in _EMPTY


def word(value: object) -> str | None:
    """A value that is a word."""
    return value if isinstance(value, str) else None


def measured(generated: Generated | None) -> tuple[int, bool]:
    """Bytes of generated text in a delta or a message, as JSON writes it, and whether it needs a closer look."""
    if generated is None:
        return 0, False
    size, odd, content = 0, False, generated.content
    if content is not UNSET and (text := bytes(content)) not in _EMPTY:
        size, odd = len(text) - 2, text[:1] != b'"'
    if (calls := generated.tool_calls) is not UNSET and (more := length_of(calls)):
        size, odd = size + more, True
    for raw in (
        generated.reasoning_content,
        generated.reasoning,
        generated.refusal,
        generated.function_call,
        generated.audio,
    ):
        if raw is not UNSET:
            size += length_of(raw)
    return size, odd


def is_nonsense(generated: Generated | None) -> bool:
    """Whether content is no text and no list of parts, or calls are no list: no client reads that."""
    if generated is None:
        return False
    content, calls = mending.raw_or_none(generated.content), mending.raw_or_none(generated.tool_calls)
    return (content or b"null")[:1] not in (b'"', b"[", b"n") or (calls or b"null")[:1] not in (b"[", b"n")


def length_of(raw: Raw | UnsetType) -> int:
    """Bytes of text in a value, as JSON writes it."""
    return len(bytes(raw)) - 2 if not isinstance(raw, UnsetType) and bytes(raw) not in _EMPTY else 0


def _usage_chunk(members: Mapping[str, Raw | bytes], usage: bytes) -> bytes:
    return _chunk({**_head(members), "choices": b"[]", "usage": usage})


def _head(members: Mapping[str, Raw | bytes]) -> dict[str, Raw | bytes]:
    return {k: v for k, v in members.items() if k in ("id", "object", "created", "model", "system_fingerprint")}


def _chunk(members: Mapping[str, Raw | bytes]) -> bytes:
    inside = b",".join(msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items())
    return b"data: {" + inside + b"}\n\n"
