"""What becomes of the messages of a request where a server does not take them as OpenAI does.

A message that needs no change keeps its bytes. Nothing here looks at messages unless a cheap look says that it must.
"""

import hashlib
import re
from collections.abc import Callable

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest

Members = dict[str, Raw]

_LIST = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(Members)
_CALLS = msgspec.json.Decoder(list[Members])
_WORD = msgspec.json.Decoder(str)
_EMPTY = (b"null", b'""', b"[]", b"{}")
_NINE = re.compile(r"[a-zA-Z0-9]{9}\Z")
_ANSWERED = ("refusal", "annotations", "audio", "function_call", "tool_calls", "reasoning", "reasoning_details")
"""Members that a client sends back with an answer, empty, as its library made them."""


class Rewrite(msgspec.Struct, frozen=True):
    """One change. `needed` says, from little, whether a request has a message to be changed; `change` makes it in the
    members of one message, the last one or another."""

    needed: Callable[[ChatRequest], bool]
    change: Callable[[Members, bool], None]


def rewritten(rewrites: tuple[Rewrite, ...], chat: ChatRequest) -> bytes:
    """The messages with all that is needed."""
    due = [each for each in rewrites if each.needed(chat)]
    raws = _LIST.decode(chat.fields["messages"])
    messages: list[bytes] = []
    for raw in raws:
        before = _MEMBERS.decode(raw)
        members = dict(before)
        for each in due:
            each.change(members, len(messages) == len(raws) - 1)
        messages.append(bytes(raw) if members == before else msgspec.json.encode(members))
    return b"[%b]" % b",".join(messages)


def _role(members: Members) -> str:
    return _WORD.decode(members["role"])


def _has_developer(chat: ChatRequest) -> bool:
    for message in chat.view.messages:  # noqa: SIM110 (asked for every request: a generator costs three times as much)
        if message.role == "developer":
            return True
    return False


def _as_system(members: Members, _: bool) -> None:
    if _role(members) == "developer":
        members["role"] = Raw(b'"system"')


DEVELOPER_AS_SYSTEM = Rewrite(_has_developer, _as_system)
"""The developer's words are the system's where nobody knows a developer."""


def _has_parts(chat: ChatRequest) -> bool:
    return any(isinstance(message.content, list) for message in chat.view.messages)


def _in_one(members: Members, _: bool) -> None:
    content = members.get("content")
    if content is None or bytes(content)[:1] != b"[":
        return
    parts = _CALLS.decode(content)
    if parts and all(part.keys() == {"type", "text"} and bytes(part["text"])[:1] == b'"' for part in parts):
        members["content"] = Raw(msgspec.json.encode("\n".join(_WORD.decode(part["text"]) for part in parts)))


PARTS_IN_ONE = Rewrite(_has_parts, _in_one)
"""Parts of nothing but text are one string where a model reads only strings."""


def _has_thoughts(chat: ChatRequest) -> bool:
    return any(bytes(message.reasoning_content) not in (b"", *_EMPTY) for message in chat.view.messages)


def _thoughts_in_tags(members: Members, _: bool) -> None:
    thoughts, content = members.get("reasoning_content"), members.get("content")
    if thoughts is None or bytes(thoughts)[:1] != b'"' or (content is not None and bytes(content)[:1] == b"["):
        return
    text = _WORD.decode(content) if content is not None and bytes(content) != b"null" else ""
    if not text.lstrip().startswith("<think>"):
        members["content"] = Raw(msgspec.json.encode(f"<think>\n{_WORD.decode(thoughts).strip()}\n</think>\n\n{text}"))
    del members["reasoning_content"]


THOUGHTS_IN_TAGS = Rewrite(_has_thoughts, _thoughts_in_tags)
"""What was parted in an answer goes back as the model wrote it."""


def _always(_: ChatRequest) -> bool:
    return True


def _for_mistral(members: Members, last: bool) -> None:
    for name in _ANSWERED:
        if name in members and bytes(members[name]) in _EMPTY:
            del members[name]
    if "tool_calls" in members:
        members["tool_calls"] = _with_short_ids(members["tool_calls"])
    if "tool_call_id" in members:
        members["tool_call_id"] = _nine(members["tool_call_id"])
    thoughts, content = members.pop("reasoning_content", None), members.get("content", Raw(b"null"))
    if thoughts is not None and bytes(thoughts) not in _EMPTY and bytes(content)[:1] != b"[":
        said = [] if bytes(content) in _EMPTY else [{"type": "text", "text": content}]
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": thoughts}]}
        members["content"] = Raw(msgspec.json.encode([thought, *said]))
    if last and _role(members) == "assistant" and "tool_calls" not in members:
        members.setdefault("prefix", Raw(b"true"))


def _with_short_ids(raw: Raw) -> Raw:
    """Tool calls with ids of nine; what is none stays, for Mistral to say what is wrong with it."""
    try:
        calls = _CALLS.decode(raw)
    except msgspec.DecodeError:
        return raw
    for call in calls:
        if "id" in call:
            call["id"] = _nine(call["id"])
    return Raw(msgspec.json.encode(calls))


def _nine(raw: Raw) -> Raw:
    """An id of nine letters or digits, the same for the same id. One that is in that form stays."""
    if bytes(raw)[:1] != b'"' or _NINE.match(word := _WORD.decode(raw)):
        return raw
    return Raw(b'"%b"' % hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()[:9].encode())


FOR_MISTRAL = Rewrite(_always, _for_mistral)
"""Mistral refuses members that it does not know and ids in another form, wants thoughts as parts of the content, and
an answer that it is to go on with marked."""
