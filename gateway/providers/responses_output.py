"""What a model wrote on the Responses API, as a chat completion says it, and whole answers.

What a hosted tool did (searches, code that was run) has no place in a chat completion: what came of it is in the text
and its citations. Messages of one answer become one, parted by a blank line, and so do pieces of reasoning.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, UnsetType

from gateway.core.chat import ChatRequest
from gateway.providers.completion import completion
from gateway.providers.failures import unreadable
from gateway.providers.reader import UNREADABLE, Answer
from gateway.providers.response_wire import (
    NOT_ANSWERED,
    OUTCOME,
    UNFINISHED,
    Item,
    Outcome,
    failed_in,
    items_in,
    present,
    service_in,
    usage_in,
    word,
)

APART = "\n\n"
"""What parts two messages, or two pieces of reasoning."""

CALLS = ("function_call", "custom_tool_call")
"""Types of items that are tool calls."""


class Likely(msgspec.Struct):
    """A token, and the logarithm of its probability."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class Token(Likely):
    """A token of the answer, with what might have stood there."""

    top_logprobs: list[Likely] = []


class _Citation(msgspec.Struct):
    url: str | None = None
    title: object = None
    start_index: int | None = None
    end_index: int | None = None


_TOKENS = msgspec.json.Decoder(list[Token])
_CITATION = msgspec.json.Decoder(_Citation)


def answered(body: bytes, chat: ChatRequest, kept_as: str) -> Answer:
    """What a buffered answer with status 200 says. One that is not whole is an answer, one that failed is none.

    `kept_as` names the form of reasoning that only the backend can read, empty: it is left out.
    """
    try:
        read = OUTCOME.decode(body)
        used = usage_in(read.usage)
        if present(read.error) or read.status in NOT_ANSWERED:
            return Answer(b"", used, 0, failed_in(body))  # what is reported is billed, whatever else
        if read.output is None or read.status in UNFINISHED:
            return Answer(b"", used, 0, unreadable("the backend answered with a response that is not finished"))
        items = items_in(read)
        message, tokens = _message(items, kept_as)
    except UNREADABLE:
        return Answer(b"", None, 0, unreadable("the backend answered with something that is no response"))
    service = service_in(read)
    whole = completion(
        chat,
        word(read.id) or "",
        word(read.model) or chat.view.model,
        [(message, ended_by(read, calls="tool_calls" in message))],
        used,
        None if service is None else {"service_tier": service},
        {0: logprobs_of(tokens)} if chat.view.logprobs else None,
    )
    return Answer(whole, used, sum(item.size for item in items), None, service, word(read.model))


def _message(items: Iterable[Item], kept_as: str) -> tuple[dict[str, object], list[Token]]:
    """All items as one message, and how likely its tokens were."""
    content = refusal = ""
    thoughts: list[str] = []
    calls: list[object] = []
    kept: list[object] = []
    citations: list[object] = []
    tokens: list[Token] = []
    for item in items:
        if item.type in CALLS:
            calls.append(call_of(item, item.written))
        elif item.type == "reasoning":
            thoughts += thoughts_of(item)
            kept += kept_of(item, kept_as, len(kept))
        else:
            parts = item.content or ()
            content += APART if content and any(part.text for part in parts) else ""
            for part in parts:
                citations += cited(part.annotations or (), len(content))
                tokens += tokens_in(part.logprobs)
                content += part.text or ""
                refusal += part.refusal or ""
    told = {
        "reasoning_content": APART.join(thoughts),
        "reasoning_details": kept,
        "tool_calls": calls,
        "annotations": citations,
    }
    message: dict[str, object] = {"content": content or None, "refusal": refusal or None}
    return message | {name: value for name, value in told.items() if value}, tokens


def thoughts_of(item: Item) -> list[str]:
    """The pieces of reasoning that anyone can read."""
    return [part.text for part in (*(item.summary or ()), *(item.content or ())) if part.text]


def kept_of(item: Item, kept_as: str, index: int) -> list[object]:
    """Reasoning that only the backend can read, in the form in which chat clients bring it back (OpenRouter's)."""
    if not kept_as or not item.encrypted_content:
        return []
    told = {"type": "reasoning.encrypted", "data": item.encrypted_content, "id": item.id}
    return [{**told, "format": kept_as, "index": index}]


def call_of(item: Item, written: str) -> dict[str, object]:
    """A tool call, by the id that its result is to name."""
    custom = item.type == "custom_tool_call"
    said = {"name": item.name or "", "input" if custom else "arguments": written}
    kind = "custom" if custom else "function"
    return {"id": item.call_id or item.id or "", "type": kind, kind: said}


def cited(annotations: Iterable[Raw], begins: int) -> list[object]:
    """Citations of pages, in a text that begins so many characters into the whole. Others name files of the backend
    that a chat client cannot fetch."""
    found: list[object] = []
    for raw in annotations:
        read = _CITATION.decode(raw)
        if read.url is not None:
            at = {"start_index": read.start_index, "end_index": read.end_index}
            where = {name: figure + begins for name, figure in at.items() if figure is not None}
            page = {**where, "title": word(read.title) or "", "url": read.url}
            found.append({"type": "url_citation", "url_citation": page})
    return found


def tokens_in(raw: Raw | UnsetType) -> list[Token]:
    """How likely the tokens of a text were."""
    return [] if isinstance(raw, UnsetType) or not present(raw) else _TOKENS.decode(raw)


def logprobs_of(tokens: list[Token]) -> dict[str, object] | None:
    """The same, as a choice has it."""
    return {"content": tokens, "refusal": None} if tokens else None


def ended_by(read: Outcome, *, calls: bool, type: str = "") -> str:
    """Why the answer ended, in OpenAI's words. `calls`: there are some; `type` is the event that ended it."""
    if read.status == "incomplete" or (read.status is None and type == "response.incomplete"):
        why = read.incomplete_details.reason if read.incomplete_details is not None else None
        return "content_filter" if why == "content_filter" else "length"
    return "tool_calls" if calls else "stop"
