"""What Gemini answers, as chat completions: whole, and in a stream.

A stream has no [DONE]: it ends by its last event, and each answer in it by a `finishReason`. Usage is cumulative and
rides on every event. Function calls come whole.
Facts: the reference of GenerateContentResponse and Candidate (v1beta), November 2026.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.core.usage import Usage, less, surest
from gateway.providers.completion import Chunks, completion, error_event
from gateway.providers.failures import unreadable
from gateway.providers.gemini_errors import blocked, broken_end, failure_of
from gateway.providers.reader import UNREADABLE, Answer, Reader
from gateway.providers.usage import Count

FINISHES: Mapping[str, str] = {
    "STOP": "stop",  # with function calls, too: then it is `tool_calls`
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
"""How an answer ended, in OpenAI's words. Any other reason is a failure: see `gemini_errors.broken_end`."""

_NOT_GEMINIS = unreadable("the backend answered with something that Gemini does not say")
_NONE = Raw(b"{}")
_ABSENT = Raw(b"null")


class _Call(msgspec.Struct):
    name: str = ""
    args: Raw = _NONE
    id: str | None = None


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str = ""
    data: str = ""


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None
    inline_data: _Blob | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Cited(msgspec.Struct, rename="camel"):
    uri: str | None = None
    title: str | None = None
    start_index: int = 0
    end_index: int = 0


class _Citations(msgspec.Struct, rename="camel"):
    citation_sources: list[_Cited] | None = None
    citations: list[_Cited] | None = None  # at Vertex


class _Token(msgspec.Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Tops(msgspec.Struct):
    candidates: list[_Token] = []


class _Logprobs(msgspec.Struct, rename="camel"):
    chosen_candidates: list[_Token] = []
    top_candidates: list[_Tops] = []


class _Candidate(msgspec.Struct, rename="camel"):
    index: int = 0
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    citation_metadata: _Citations | None = None
    logprobs_result: _Logprobs | None = None


class _Modality(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: Count = 0


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: Count = 0
    cached_content_token_count: Count = 0
    candidates_token_count: Count = 0
    thoughts_token_count: Count = 0
    tool_use_prompt_token_count: Count = 0
    total_token_count: Count = 0
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Tier(msgspec.Struct, rename="camel"):
    service_tier: str | None = None


class _Body(msgspec.Struct, rename="camel"):
    """An event of a stream or a whole answer, as far as we look."""

    candidates: list[_Candidate] | None = None
    usage_metadata: Raw = _ABSENT
    prompt_feedback: _Feedback | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = _ABSENT


_BODY = msgspec.json.Decoder(_Body)
_USAGE = msgspec.json.Decoder(_Usage)
_TIER = msgspec.json.Decoder(_Tier)


def usage_of(raw: Raw) -> Usage | None:
    """Disjoint buckets from Gemini's: cached tokens and sound are inside the prompt, thoughts are beside the rest.

    Tokens that only the total counts are reasoning: early events of a stream do not say what they are. Where parts are
    more than the whole, they count beside it, as an estimate. None when it is missing.
    """
    if raw in (_ABSENT, _NONE):
        return None
    try:
        wire = _USAGE.decode(raw)
    except UNREADABLE:
        return None
    cached = wire.cached_content_token_count
    heard = max(0, _sound(wire.prompt_tokens_details) - _sound(wire.cache_tokens_details))
    spoken = _sound(wire.candidates_tokens_details)
    read = wire.prompt_token_count + wire.tool_use_prompt_token_count
    written = wire.candidates_token_count + wire.thoughts_token_count
    fresh, of_read = less(read, cached, heard)
    output, of_written = less(wire.candidates_token_count, spoken)
    return Usage(
        input_uncached=fresh,
        cache_read=cached,
        audio_input=heard,
        output=output,
        reasoning=wire.thoughts_token_count + max(0, wire.total_token_count - read - written),
        audio_output=spoken,
        source=surest(of_read, of_written),
    )


def _sound(details: list[_Modality] | None) -> int:
    return sum(each.token_count for each in details or () if each.modality == "AUDIO")


def _service(raw: Raw) -> str | None:
    """The service tier that the usage names."""
    try:
        return _TIER.decode(raw).service_tier
    except UNREADABLE:
        return None


class _Choice:
    """What is known of one answer so far: its calls are numbered, and its text is counted in bytes and characters."""

    def __init__(self, id: str, index: int) -> None:
        self._id, self.index = id, index
        self.calls = 0
        self.text = bytearray()
        self.reason: str | None = None
        self.cited: list[_Cited] = []

    def take(self, candidate: _Candidate) -> Iterable[tuple[dict[str, Any], int]]:
        """The deltas of a message in a candidate, each with its size in bytes of text."""
        for part in (candidate.content and candidate.content.parts) or ():
            signed = _extra(part.thought_signature)
            if (call := part.function_call) is not None:
                arguments = msgspec.json.format(bytes(call.args), indent=-1).decode()
                arguments = "{}" if arguments == "null" else arguments
                said = {
                    "index": self.calls,
                    "id": call.id or f"call_{self._id}_{self.index}_{self.calls}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": arguments},
                    **signed,
                }
                self.calls += 1
                yield {"tool_calls": [said]}, len(call.name) + len(arguments.encode())
            elif part.inline_data is not None:
                url = f"data:{part.inline_data.mime_type};base64,{part.inline_data.data}"
                yield {"images": [{"type": "image_url", "image_url": {"url": url}}], **signed}, len(url)
            elif part.text or signed:
                text = part.text or ""
                written = text.encode()
                if not part.thought:
                    self.text += written
                named = {"reasoning_content" if part.thought else "content": text} if text else {}
                yield {**named, **signed}, len(written)
        if candidate.finish_reason:
            self.reason = candidate.finish_reason
        if cited := candidate.citation_metadata:
            self.cited = cited.citation_sources or cited.citations or []

    @property
    def finish(self) -> str | None:
        """How it ended, in OpenAI's words. None: it has not, or it failed."""
        finish = FINISHES.get(self.reason or "")
        return "tool_calls" if finish == "stop" and self.calls else finish

    def annotations(self) -> dict[str, object]:
        """The sources that it quotes. Gemini counts places in bytes, OpenAI in characters."""
        cited = [
            {
                "type": "url_citation",
                "url_citation": {
                    "start_index": self._character(each.start_index),
                    "end_index": self._character(each.end_index),
                    "url": each.uri,
                    "title": each.title or "",
                },
            }
            for each in self.cited
            if each.uri
        ]
        return {"annotations": cited} if cited else {}

    def _character(self, place: int) -> int:
        return len(self.text[: max(0, place)].decode(errors="ignore"))


def _extra(signature: str | None) -> dict[str, object]:
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}


def _logprobs(result: _Logprobs | None) -> dict[str, object] | None:
    if result is None or not result.chosen_candidates:
        return None
    tops = [top.candidates for top in result.top_candidates]
    tops += [[]] * (len(result.chosen_candidates) - len(tops))
    content = [
        {**_token(chosen), "top_logprobs": [_token(each) for each in top]}
        for chosen, top in zip(result.chosen_candidates, tops, strict=False)
    ]
    return {"content": content, "refusal": None}


def _token(token: _Token) -> dict[str, object]:
    return {"token": token.token, "logprob": token.log_probability, "bytes": list(token.token.encode())}


def _blocked(read: _Body) -> Failed | None:
    feedback = read.prompt_feedback
    if read.candidates or feedback is None or not feedback.block_reason:
        return None
    return blocked(feedback.block_reason)


def _named(read: _Body, chat: ChatRequest) -> tuple[str, str]:
    """The id and the model of an answer."""
    return read.response_id or f"gemini-{chat.arrived}", read.model_version or chat.view.model


def answer_of(body: bytes, chat: ChatRequest) -> Answer:
    """A buffered answer with status 200, as a chat completion, or how it failed."""
    try:
        read = _BODY.decode(body)
    except UNREADABLE:
        return Answer(b"", None, 0, _NOT_GEMINIS)
    usage, service = usage_of(read.usage_metadata), _service(read.usage_metadata)
    if read.error != _ABSENT:
        return Answer(b"", usage, 0, failure_of(200, {}, body), service)
    if (failed := _blocked(read)) is not None:
        return Answer(b"", usage, 0, failed, service)
    if not read.candidates:
        return Answer(b"", usage, 0, unreadable("the backend answered without candidates"), service)
    id, model = _named(read, chat)
    written, choices, logprobs = 0, list[tuple[dict[str, Any], str]](), dict[int, object]()
    for position, candidate in enumerate(sorted(read.candidates, key=lambda each: each.index)):
        choice, message = _Choice(id, position), dict[str, Any]()
        try:
            for delta, size in choice.take(candidate):
                written += size
                _merge(message, delta)
        except UNREADABLE:
            return Answer(b"", usage, written, _NOT_GEMINIS, service)
        if choice.finish is None:
            return Answer(b"", usage, written, _unfinished(choice.reason, candidate.finish_message), service)
        choices.append(({**message, **choice.annotations()}, choice.finish))
        if (told := _logprobs(candidate.logprobs_result)) is not None:
            logprobs[position] = told
    whole = completion(chat, id, model, choices, usage, logprobs=logprobs)
    return Answer(whole, usage, written, None, service, read.model_version)


def _unfinished(reason: str | None, message: str | None) -> Failed:
    if reason is None:
        return unreadable("the backend answered without a reason for the end")
    return broken_end(reason, message)


def _merge(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            calls = [{key: each for key, each in call.items() if key != "index"} for call in value]
            message[name] = [*message.get(name, ()), *calls]
        elif name == "extra_content":
            message[name] = value
        else:
            message[name] = message[name] + value if name in message else value


class Stream(Reader):
    """Follows one streamed answer. The ends of the choices are written when the stream has ended, as only then it is
    sure that no more calls follow."""

    def __init__(self, chat: ChatRequest) -> None:
        super().__init__()
        self._chat = chat
        self._id, self._chunks = "", Chunks(chat, "", "")  # until the first event names the answer
        self._choices: dict[int, _Choice] = {}

    def _event(self, event: bytes, data: bytes) -> bytes:
        if not data or data.isspace():
            return b""  # a comment, or a bare field
        try:
            read = _BODY.decode(data)
        except UNREADABLE:
            return self.broke_off(unreadable("the backend sent an event that Gemini does not say"))
        if not self.started:
            self._id, model = _named(read, self._chat)
            self._chunks = Chunks(self._chat, self._id, model)
            self.model = read.model_version
        self.started = True
        self.service = _service(read.usage_metadata) or self.service
        out, failed = list[bytes](), _blocked(read)
        try:
            for candidate in read.candidates or ():
                out += self._taken(candidate)
                choice = self._choices[candidate.index]
                if choice.reason is not None and choice.finish is None:
                    failed = _unfinished(choice.reason, candidate.finish_message)
        except UNREADABLE:
            failed = _NOT_GEMINIS
        self.used(usage_of(read.usage_metadata))  # of all that came so far, this event's text included
        if read.error != _ABSENT:
            failed = failure_of(200, {}, data)
        if failed is not None:
            out.append(self.broke_off(failed))
        return b"".join(out)

    def _taken(self, candidate: _Candidate) -> Iterable[bytes]:
        """The chunks that a candidate becomes."""
        choice = self._choices.setdefault(candidate.index, _Choice(self._id, candidate.index))
        logprobs = _logprobs(candidate.logprobs_result)
        for delta, size in choice.take(candidate):
            self.wrote(size)
            yield self._chunks.delta(delta, candidate.index, logprobs)
            logprobs = None
        if logprobs is not None:
            yield self._chunks.delta({}, candidate.index, logprobs)

    def _complete(self) -> bool:
        return bool(self._choices) and all(choice.finish for choice in self._choices.values())

    def _end(self) -> bytes:
        out = []
        for index, choice in sorted(self._choices.items()):
            if noted := choice.annotations():
                out.append(self._chunks.delta(noted, index))
            out.append(self._chunks.finish(str(choice.finish), index))  # it has one: see `_complete`
        return b"".join(out) + self._chunks.end(self.usage)

    def _error(self, failed: Failed) -> bytes:
        return error_event(failed)
