"""The conversation of an Anthropic Messages request, said as chat messages.

What differs: tool results are messages of their own in chat, and hold text only; what is attached to one follows in the
user's message. A system message in the middle becomes text of the user's message between `<system-reminder>` tags: many
chat templates refuse one anywhere but first, moving it there would spoil the prefix cache, and less authority is the
safe side.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Raw

from gateway.core.pieces import Kept, Piece
from gateway.surfaces.messages_blocks import (
    MEMBERS,
    NOTHING,
    REDACTED,
    RESULT,
    TEXT,
    THINKING,
    USE,
    Block,
    Message,
    Place,
    Reasons,
    as_json,
    check_known,
    kept,
    needed,
    parts_of,
    places_of,
    text_part,
    within,
    wrong,
)
from gateway.surfaces.text import BREAK, Text

BILLING = "x-anthropic-billing-header:"
"""Begins the line that Claude Code puts before its system prompt. It is for Anthropic's books, not for a model, and
differs in each request, so no prefix cache would ever hold: chat backends do not get it."""

_ABSENT = Raw(b"")


class Turn(msgspec.Struct):
    """One message."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block] = ""
    clear_at: Literal["next_user_message", "never"] | None = None
    output_config: Raw = _ABSENT


class _Members(msgspec.Struct):
    """The same with all members of its blocks."""

    content: str | list[dict[str, Raw]] = ""


_TURNS = msgspec.json.Decoder(list[_Members])
_Part = tuple[Message, Kept]


class _Said:
    """The chat messages so far, and the blocks that they were."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.pieces: list[Piece] = []

    def add(self, message: Message, text: Text | None = None, mark: Kept = "") -> None:
        """One more message. `text` is its content; the mark is for all of it."""
        at = len(self.messages)
        self.messages.append(message)
        if text is not None:
            self.pieces += text.at("messages", at, "content")
        if mark:
            self.mark(mark)

    def mark(self, mark: Kept, *inside: str | int) -> None:
        """A mark at the end of the last message, or of something in it."""
        if mark:
            self.pieces.append(Piece(("messages", len(self.messages) - 1, *inside), kept=mark))


def conversation(
    system: str | list[Block] | None, turns: Sequence[Turn], fields: Mapping[str, Raw], only: Reasons
) -> tuple[list[Message], list[Piece]]:
    """The chat messages, and where the blocks stand in them. `fields` are the request's members as they came. Raises
    Refused (400) for blocks that lack what their kind must have."""
    lead = Text()
    if system is not None:
        _instruct(lead, places_of("system", system, fields["system"]), only)
    groups = _grouped(turns, _TURNS.decode(fields["messages"]), lead, only)
    if groups and groups[-1][0] == "assistant":
        only.add("ends with the beginning of an answer that is to be continued")
    said = _Said()
    if lead:
        said.add({"role": "system", "content": lead.said}, lead)
    for role, places in groups:
        if role == "user":
            _user(said, places, only)
        else:
            _assistant(said, places, only)
    return said.messages or [{"role": "user", "content": ""}], said.pieces


def _grouped(
    turns: Sequence[Turn], raw: Sequence[_Members], lead: Text, only: Reasons
) -> list[tuple[str, list[Place]]]:
    """Blocks by speaker; what the same one says in a row is one turn, as Anthropic reads it."""
    last_user = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    groups: list[tuple[str, list[Place]]] = []
    for index, turn in enumerate(turns):
        role = turn.role
        places = places_of(f"messages[{index}].content", turn.content, raw[index].content)
        if role == "system":
            if turn.output_config:
                only.add("sets `output_config` in a system message")
            if turn.clear_at == "next_user_message" and index < last_user:
                continue  # it was for a turn that is over
            if not groups:
                _instruct(lead, places, only)
                continue
            role = "user"
            places = [_reminder(text, place) for place, text in _texts(places, only)]
        if groups and groups[-1][0] == role:
            groups[-1][1].extend(places)
        else:
            groups.append((role, places))
    return groups


def _reminder(text: str, place: Place) -> Place:
    said = f"<system-reminder>\n{text}\n</system-reminder>"
    marks = {name: raw for name, raw in place.members.items() if name == "cache_control"}
    return Place(Block("text", text=said), marks, "")


def _instruct(lead: Text, places: Iterable[Place], only: Reasons) -> None:
    for place, text in _texts(places, only):
        lead.add(text, kept(place.members))


def _texts(places: Iterable[Place], only: Reasons) -> Iterator[tuple[Place, str]]:
    """The texts of a system prompt."""
    for place in places:
        if place.block.type == "text":
            check_known(place, TEXT, only)
            text = needed(place, "text")
        else:
            only.add(f"has a block of type `{place.block.type}` in a system prompt")
            text = as_json(place.members)
        if text and not (text.startswith(BILLING) and "\n" not in text.strip()):
            yield place, text


def _user(said: _Said, places: Sequence[Place], only: Reasons) -> None:
    """What a user says in one turn: results of tools first, then all else."""
    attached: list[_Part] = []
    rest: list[_Part] = []
    results = False
    for place in places:
        if place.block.type == "tool_result":
            results = True
            _result(said, place, attached, only)
        else:
            rest += _parts(place, only)
    if (parts := attached + rest) or not results:
        _say(said, parts)


def _parts(place: Place, only: Reasons) -> list[_Part]:
    """The parts of a block, the last one with its mark."""
    parts, mark = parts_of(place, only), kept(place.members)
    last = len(parts) - 1
    return [(part, mark if at == last else "") for at, part in enumerate(parts)]


def _say(said: _Said, parts: Sequence[_Part]) -> None:
    """A message of these parts. Text alone is one string, which every server takes."""
    if all(part["type"] == "text" for part, _ in parts):
        text = Text()
        for part, mark in parts:
            text.add(str(part["text"]), mark)
        said.add({"role": "user", "content": text.said}, text)
        return
    said.add({"role": "user", "content": [part for part, _ in parts]})
    for at, (_, mark) in enumerate(parts):
        said.mark(mark, "content", at)


def _result(said: _Said, place: Place, attached: list[_Part], only: Reasons) -> None:
    """The message of a tool. What is no text in it goes to `attached`."""
    check_known(place, RESULT, only)
    call, content, answered = needed(place, "tool_use_id"), place.block.content, Text()
    texts: list[tuple[str, Kept]]
    if isinstance(content, str):
        texts = [(content, "")]
    else:
        inside = within(place.path + ".content", content, place.members.get("content"))
        parts = [part for each in inside for part in _parts(each, only)]
        texts = [(str(part["text"]), mark) for part, mark in parts if part["type"] == "text"]
        if others := [(part, mark) for part, mark in parts if part["type"] != "text"]:
            attached += [(text_part(f"Attached to the result of tool call {call}:"), ""), *others]
            texts = texts or [("The result is attached to the message that follows.", "")]
    texts = [each for each in texts if each[0]]
    if place.block.is_error:  # chat has no other word for it
        (first, mark), *more = texts or [("", "")]
        texts = [(f"Error: {first}" if first else "Error", mark), *more]
    for text, mark in texts:
        answered.add(text, mark)
    said.add({"role": "tool", "tool_call_id": call, "content": answered.said}, answered, kept(place.members))


def _assistant(said: _Said, places: Sequence[Place], only: Reasons) -> None:
    """What the model said. Thinking that nobody signed goes on as `reasoning_content` alone."""
    content, before = Text(), ""
    thoughts: list[str] = []
    signed: list[Message] = []
    calls: list[tuple[Message, Kept]] = []
    for place in places:
        block, kind = place.block, place.block.type
        if kind == "text":
            check_known(place, TEXT, only)
            content.add(needed(place, "text"), kept(place.members), "" if before == "text" else BREAK)
        elif kind == "thinking":
            check_known(place, THINKING, only)
            thought = needed(place, "thinking")
            thoughts += [thought] if thought else []
            if block.signature:
                signed.append({"type": "thinking", "thinking": thought, "signature": block.signature})
        elif kind == "redacted_thinking":
            check_known(place, REDACTED, only)
            signed.append({"type": "redacted_thinking", "data": needed(place, "data")})
        elif kind == "tool_use":
            check_known(place, USE, only)
            calls.append((_call(place, only), kept(place.members)))
        else:
            only.add(f"has a block of type `{kind}` in an answer")
            content.add(as_json(place.members))
        before = kind
    message: Message = {"role": "assistant", "content": content.said or (None if calls else "")}
    if thoughts:
        message["reasoning_content"] = BREAK.join(thoughts)
    if signed:
        message["thinking_blocks"] = signed
    if calls:
        message["tool_calls"] = [call for call, _ in calls]
    said.add(message, content if content.said else None)
    for at, (_, mark) in enumerate(calls):
        said.mark(mark, "tool_calls", at)


def _call(place: Place, only: Reasons) -> Message:
    """A tool call. Its arguments are the bytes of the input as it came."""
    arguments, caller = bytes(place.block.input) or b"{}", bytes(place.block.caller)
    if arguments[:1] != b"{":
        raise wrong(f"{place.path}.input", "expected an object")
    if caller not in NOTHING and (caller[:1] != b"{" or MEMBERS.decode(caller).get("type") != Raw(b'"direct"')):
        only.add("has a tool call that was not made by the model itself")
    function = {"name": needed(place, "name"), "arguments": arguments.decode()}
    return {"id": needed(place, "id"), "type": "function", "function": function}
