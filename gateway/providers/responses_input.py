"""Messages, tools and choices of a chat completion request, as the Responses API takes them.

| of a message | becomes |
| --- | --- |
| `system`, `developer`, `user` | a message of that role, where it stood: not every backend has `instructions` |
| `text`, `image_url`, `file` parts | `input_text`, `input_image`, `input_file`; other kinds as they came |
| assistant `content`, `refusal` | an assistant message with `output_text` and `refusal` |
| assistant `tool_calls` | `function_call` and `custom_tool_call` items, after the message |
| `tool` | the output of the call that it names |
| assistant `reasoning_details` | reasoning items, before the rest, if this backend wrote them: no other can read them |
| assistant `reasoning_content` | left out: a summary for people, that no model reads again |
| `name` | left out, and the client is told |
| `input_audio`, assistant `audio`, `function` and `function_call` | nothing: such a request is not sent |
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest
from gateway.core.errors import Refusal, Refused
from gateway.core.view import Part
from gateway.providers.reader import UNREADABLE
from gateway.providers.response_wire import present

_NONE = Raw(b"null")
_NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
_INPUT = ("system", "developer", "user")
_ROLES = (*_INPUT, "assistant", "tool")


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _Custom(msgspec.Struct):
    name: str
    input: str = ""


class _Call(msgspec.Struct):
    id: str
    function: _Function | None = None
    custom: _Custom | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, Raw]] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    reasoning_details: Raw = _NONE


class _Mark(msgspec.Struct):
    """What is seldom in a message, and cannot be said."""

    name: Raw = _NONE
    audio: Raw = _NONE
    function_call: Raw = _NONE


class _Detail(msgspec.Struct):
    type: object = None
    id: object = None
    data: object = None
    format: object = None


class _Image(msgspec.Struct):
    url: str
    detail: str = "auto"


class _Allowed(msgspec.Struct):
    tools: list[dict[str, Raw]]
    mode: str = "auto"


class _Tool(msgspec.Struct):
    type: object = "function"


class _Search(msgspec.Struct):
    search_context_size: Raw = _NONE
    user_location: dict[str, Raw] | None = None


_MESSAGES = msgspec.json.Decoder(list[_Message])
_MARKS = msgspec.json.Decoder(list[_Mark])
_DETAILS = msgspec.json.Decoder(list[_Detail])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_IMAGE = msgspec.json.Decoder(_Image | str)
_ALLOWED = msgspec.json.Decoder(_Allowed)
_TOOL = msgspec.json.Decoder(_Tool)
_SEARCH = msgspec.json.Decoder(_Search)

_KINDS = ("function", "custom")
"""Types of tools that the client runs."""

_STORED = frozenset({"vector_store_ids", "file_ids", "file_id", "container_id", "skill_id"})
"""Members of tools that run at the backend by which they name what was stored there before."""

Members = dict[str, object]


def unsaid(chat: ChatRequest) -> str:
    """Why messages cannot be said as input items, in words that go on after the backend's name; empty: they can."""
    for message in chat.view.messages:
        if message.role == "function":
            return "does not take messages of the role `function`; send results of tools with the role `tool`"
        if message.role not in _ROLES:
            return "does not take messages of a role that it does not know"
        if isinstance(message.content, list) and any(_heard(part) for part in message.content):
            return "does not take `input_audio`"
    if _attached_by_id(chat):
        return "does not take files by a `file_id`: they belong to the gateway's account; send the file itself"
    for mark in _marks(chat, b'"audio"', b'"function_call"'):
        if present(mark.audio):
            return "does not take the `audio` of an earlier answer"
        if present(mark.function_call):
            return "does not take `function_call` in messages; send `tool_calls`"
    return ""


def names_speakers(chat: ChatRequest) -> bool:
    """Whether messages say who wrote them."""
    return any(present(mark.name) for mark in _marks(chat, b'"name"'))


def _heard(part: Part) -> bool:
    return part.type == "input_audio" or bool(bytes(part.input_audio))


def _attached_by_id(chat: ChatRequest) -> bool:
    """Whether a part names a file that was stored before: every caller could name another's."""
    if all(isinstance(each.content, str) or _is_text(each.content) for each in chat.view.messages):
        return False
    try:
        contents = [each.content for each in _MESSAGES.decode(chat.fields["messages"])]
    except UNREADABLE:
        return False  # it is refused
    return any(_is_by_id(part) for content in contents if isinstance(content, list) for part in content)


def _is_by_id(part: Mapping[str, Raw]) -> bool:
    try:
        inside = _MEMBERS.decode(part["file"]) if "file" in part else part
    except UNREADABLE:
        inside = part
    return present(part.get("file_id", _NONE)) or present(inside.get("file_id", _NONE))


def _is_text(parts: list[Part] | None) -> bool:
    return all(part.type == "text" for part in parts or ())


def _marks(chat: ChatRequest, *said: bytes) -> list[_Mark]:
    """What is seldom in the messages. They are read again only where some of these words are in them."""
    raw = bytes(chat.fields["messages"])
    return _MARKS.decode(raw) if any(word in raw for word in said) else []


def input_items(chat: ChatRequest, kept_as: str) -> list[object]:
    """The messages as input items. `kept_as` names the form of reasoning that this backend can read again.

    Raises Refused (400) for messages that are not as OpenAI documents them.
    """
    try:
        messages = _MESSAGES.decode(chat.fields["messages"])
        items: list[object] = []
        custom: set[str] = set()  # calls whose results are named otherwise
        for index, message in enumerate(messages):
            if message.role == "tool":
                items.append(_result(message, index, custom))
            elif message.role == "assistant":
                items += _answer(message, kept_as)
                custom |= {call.id for call in message.tool_calls or () if call.custom is not None}
            else:
                items.append({"type": "message", "role": message.role, "content": _content(message.content, "input")})
    except UNREADABLE as error:
        what = str(error).replace("`$", "`messages", 1)
        raise Refused(
            Refusal.INVALID_TYPE, f"invalid `messages`: {what[:1].lower()}{what[1:]}", param="messages"
        ) from None
    return items


def _result(message: _Message, index: int, custom: set[str]) -> Members:
    if message.tool_call_id is None:
        name = f"messages[{index}].tool_call_id"
        raise Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{name}`", param=name)
    kind = "custom_tool_call_output" if message.tool_call_id in custom else "function_call_output"
    return {"type": kind, "call_id": message.tool_call_id, "output": _content(message.content, "input")}


def _answer(message: _Message, kept_as: str) -> list[object]:
    """What an assistant message holds: its reasoning, what it said, its calls."""
    items: list[object] = list(_reasoning(message.reasoning_details, kept_as))
    content = _content(message.content, "output")
    if message.refusal:
        said: list[object] = [{"type": "output_text", "text": content}] if isinstance(content, str) else content
        said = [*(said if content else ()), {"type": "refusal", "refusal": message.refusal}]
        items.append({"type": "message", "role": "assistant", "content": said})
    elif content:
        items.append({"type": "message", "role": "assistant", "content": content})
    for call in message.tool_calls or ():
        if call.custom is not None:
            item = {"type": "custom_tool_call", "name": call.custom.name, "input": call.custom.input}
        elif call.function is not None:
            item = {"type": "function_call", "name": call.function.name, "arguments": call.function.arguments}
        else:
            raise msgspec.ValidationError("a tool call has neither `function` nor `custom` - at `$[...].tool_calls`")
        items.append({**item, "call_id": call.id})
    return items


def _reasoning(raw: Raw, kept_as: str) -> list[Members]:
    """Reasoning that this backend wrote. What another one wrote it could not read."""
    if not kept_as or not present(raw):
        return []
    return [
        {"type": "reasoning", "id": each.id, "summary": [], "encrypted_content": each.data}
        for each in _DETAILS.decode(raw)
        if each.type == "reasoning.encrypted" and each.format == kept_as
    ]


def _content(content: str | list[dict[str, Raw]] | None, way: str) -> str | list[object]:
    """Text, or parts. One that is only text is written as text, which every backend takes."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = [_part(part, way) for part in content]
    if len(parts) == 1 and parts[0].keys() == {"type", "text"} and isinstance(parts[0]["text"], Raw):
        return msgspec.json.decode(parts[0]["text"], type=str)
    return list(parts)


def _part(part: Mapping[str, Raw], way: str) -> Members:
    """A content part; members that are not known go along. `way` is whether a model read or wrote it."""
    kind = msgspec.json.decode(part.get("type", b'"text"'), type=str)
    if kind == "text":
        return {**part, "type": f"{way}_text"}
    if kind == "image_url" and "image_url" in part:
        image = _IMAGE.decode(part["image_url"])
        image = _Image(image) if isinstance(image, str) else image
        rest = {name: value for name, value in part.items() if name != "image_url"}
        return {**rest, "type": "input_image", "image_url": image.url, "detail": image.detail}
    if kind == "file" and "file" in part:
        rest = {name: value for name, value in part.items() if name != "file"}
        return {**rest, **_MEMBERS.decode(part["file"]), "type": "input_file"}
    return dict(part)


def hosted(raw: Raw) -> bool:
    """Whether a tool is none that the client runs."""
    try:
        kind = _TOOL.decode(raw).type
    except UNREADABLE:
        return False  # it is refused
    return kind not in _KINDS


def names_stored(raw: Raw) -> bool:
    """Whether a tool names what was stored at the backend before: every caller could name another's."""
    try:
        return _stored_in(msgspec.json.decode(raw))
    except UNREADABLE:
        return False  # it is refused


def _stored_in(value: object) -> bool:
    if isinstance(value, list):
        return any(_stored_in(each) for each in value)
    if not isinstance(value, dict):
        return False
    named = any(
        (name in _STORED and each) or (name == "container" and isinstance(each, str)) for name, each in value.items()
    )
    return named or any(_stored_in(each) for each in value.values())


def tool(raw: Raw) -> Members:
    """A tool, flat. A kind that chat does not have goes on as it came: a backend's own, such as a search.

    Raises msgspec.DecodeError when it is none.
    """
    members = _MEMBERS.decode(raw)
    kind = members.get("type")
    name = "function" if kind is None else msgspec.json.decode(kind, type=str)
    if name not in _KINDS or name not in members:
        return dict(members)
    rest = {each: value for each, value in members.items() if each != name}
    said: Members = {**rest, "type": name, **_MEMBERS.decode(members[name])}
    if name == "custom":
        return said | ({"format": _grammar(said["format"])} if isinstance(said.get("format"), Raw) else {})
    # in chat what is not said is not strict, and a function has no parameters
    if said.get("strict", _NONE) == _NONE:
        said["strict"] = False
    if said.get("parameters", _NONE) == _NONE:
        said["parameters"] = _NO_PARAMETERS
    return said


def _grammar(raw: object) -> object:
    members = _MEMBERS.decode(raw) if isinstance(raw, Raw) and present(raw) else {}
    if "grammar" not in members:
        return raw
    return {
        **{name: value for name, value in members.items() if name != "grammar"},
        **_MEMBERS.decode(members["grammar"]),
    }


def tool_choice(raw: Raw) -> object:
    """Which tools may be called, flat. Raises msgspec.DecodeError for a choice that is none."""
    if bytes(raw)[:1] != b"{":
        return raw
    members = _MEMBERS.decode(raw)
    kind = msgspec.json.decode(members.get("type", b'""'), type=str)
    if kind == "allowed_tools" and kind in members:
        allowed = _ALLOWED.decode(members[kind])
        return {"type": kind, "mode": allowed.mode, "tools": [_chosen(each) for each in allowed.tools]}
    return _chosen(members)


def _chosen(members: Mapping[str, Raw]) -> Members:
    """A named tool, flat."""
    kind = msgspec.json.decode(members.get("type", b'""'), type=str)
    inner = _MEMBERS.decode(members[kind]) if kind in _KINDS and kind in members else {}
    return {**{name: value for name, value in members.items() if name != kind}, **inner, "type": kind}


def text_format(raw: Raw) -> object:
    """The shape of the answer, flat. Raises msgspec.DecodeError for one that is none."""
    members = _MEMBERS.decode(raw)
    if "json_schema" not in members:
        return members
    rest = {name: value for name, value in members.items() if name != "json_schema"}
    return {"type": "json_schema", **_MEMBERS.decode(members["json_schema"]), **rest}


def web_search(raw: Raw) -> Members:
    """`web_search_options` as the tool that it is here. Raises msgspec.DecodeError when it is none."""
    read = _SEARCH.decode(raw)
    said: Members = {"type": "web_search"}
    if present(read.search_context_size):
        said["search_context_size"] = read.search_context_size
    if read.user_location is not None:
        near = {name: value for name, value in read.user_location.items() if name != "approximate"}
        place = read.user_location.get("approximate", _NONE)
        said["user_location"] = {**near, **(_MEMBERS.decode(place) if present(place) else {})}
    return said
