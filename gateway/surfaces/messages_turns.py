"""The conversation of an Anthropic Messages request, said as chat messages.

What differs: tool results are messages of their own in chat, and hold text only; what is attached to one follows in the
user's message. A system message in the middle becomes text of the user's message between `<system-reminder>` tags: many
chat templates refuse one anywhere but first, moving it there would spoil the prefix cache, and less authority is the
safe side.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Raw

from gateway.surfaces.messages_blocks import (
    BREAK,
    MEMBERS,
    NO_MEMBERS,
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
    inside_of,
    needed,
    parts_of,
    places_of,
    text_part,
    wrong,
)

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


def conversation(
    system: str | list[Block] | None, turns: Sequence[Turn], fields: Mapping[str, Raw], only: Reasons
) -> list[Message]:
    """The chat messages. `fields` are the request's members as they came. Raises Refused (400) for blocks that lack
    what their kind must have."""
    lead = [] if system is None else _texts(places_of("system", system, fields["system"]), only)
    groups = _grouped(turns, _TURNS.decode(fields["messages"]), lead, only)
    if groups and groups[-1][0] == "assistant":
        only.add("ends with the beginning of an answer that is to be continued")
    messages: list[Message] = []
    if lead:
        messages.append({"role": "system", "content": BREAK.join(lead)})
    for role, places in groups:
        messages += _user(places, only) if role == "user" else [_assistant(places, only)]
    return messages or [{"role": "user", "content": ""}]


def _grouped(
    turns: Sequence[Turn], raw: Sequence[_Members], lead: list[str], only: Reasons
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
            texts = _texts(places, only)
            if not groups:
                lead += texts
                continue
            role = "user"
            places = [_reminder(text) for text in texts]
        if groups and groups[-1][0] == role:
            groups[-1][1].extend(places)
        else:
            groups.append((role, places))
    return groups


def _reminder(text: str) -> Place:
    said = f"<system-reminder>\n{text}\n</system-reminder>"
    return Place(Block("text", text=said), NO_MEMBERS, "")


def _texts(places: Iterable[Place], only: Reasons) -> list[str]:
    """The texts of a system prompt."""
    texts = []
    for place in places:
        if place.block.type == "text":
            check_known(place, TEXT, only)
            texts.append(needed(place, "text"))
        else:
            only.add(f"has a block of type `{place.block.type}` in a system prompt")
            texts.append(as_json(place.members))
    return [text for text in texts if text and not (text.startswith(BILLING) and "\n" not in text.strip())]


def _user(places: Sequence[Place], only: Reasons) -> list[Message]:
    """What a user says in one turn: results of tools first, then all else."""
    results: list[Message] = []
    attached: list[Message] = []
    rest: list[Message] = []
    for place in places:
        if place.block.type == "tool_result":
            results.append(_result(place, attached, only))
        else:
            rest += parts_of(place, only)
    parts = attached + rest
    if parts or not results:
        results.append({"role": "user", "content": _simplest(parts)})
    return results


def _result(place: Place, attached: list[Message], only: Reasons) -> Message:
    """The message of a tool. What is no text in it goes to `attached`."""
    check_known(place, RESULT, only)
    call, content = needed(place, "tool_use_id"), place.block.content
    if isinstance(content, str):
        said = content
    else:
        parts = inside_of(place.path + ".content", content, place.members.get("content"), only)
        texts = [str(part["text"]) for part in parts if part["type"] == "text"]
        if others := [part for part in parts if part["type"] != "text"]:
            attached += [text_part(f"Attached to the result of tool call {call}:"), *others]
            texts = texts or ["The result is attached to the message that follows."]
        said = BREAK.join(text for text in texts if text)
    if place.block.is_error:
        said = f"Error: {said}" if said else "Error"  # chat has no other word for it
    return {"role": "tool", "tool_call_id": call, "content": said}


def _assistant(places: Sequence[Place], only: Reasons) -> Message:
    """What the model said. Thinking that nobody signed goes on as `reasoning_content` alone."""
    content, before = "", ""
    thoughts: list[str] = []
    signed: list[Message] = []
    calls: list[Message] = []
    for place in places:
        block, kind = place.block, place.block.type
        if kind == "text":
            check_known(place, TEXT, only)
            text = needed(place, "text")
            content += BREAK + text if content and before != "text" else text
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
            calls.append(_call(place, only))
        else:
            only.add(f"has a block of type `{kind}` in an answer")
            content += BREAK + as_json(place.members) if content else as_json(place.members)
        before = kind
    message: Message = {"role": "assistant", "content": content or (None if calls else "")}
    if thoughts:
        message["reasoning_content"] = BREAK.join(thoughts)
    if signed:
        message["thinking_blocks"] = signed
    if calls:
        message["tool_calls"] = calls
    return message


def _call(place: Place, only: Reasons) -> Message:
    """A tool call. Its arguments are the bytes of the input as it came."""
    arguments, caller = bytes(place.block.input) or b"{}", bytes(place.block.caller)
    if arguments[:1] != b"{":
        raise wrong(f"{place.path}.input", "expected an object")
    if caller not in NOTHING and (caller[:1] != b"{" or MEMBERS.decode(caller).get("type") != Raw(b'"direct"')):
        only.add("has a tool call that was not made by the model itself")
    function = {"name": needed(place, "name"), "arguments": arguments.decode()}
    return {"id": needed(place, "id"), "type": "function", "function": function}


def _simplest(parts: Sequence[Message]) -> str | Sequence[Message]:
    """Text alone is one string, which every server takes."""
    if all(part["type"] == "text" for part in parts):
        return BREAK.join([str(part["text"]) for part in parts])
    return parts
