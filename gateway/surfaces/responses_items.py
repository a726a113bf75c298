"""The input items of a Responses request, as messages of a chat.

A turn of the model comes as several items (reasoning, messages, calls); chat has one assistant message for it, which
keeps each call before its result, as backends demand. Instructions that lead the input are one system message, since
many models take only one. Left out is what only tells how an earlier answer came about: ids, `status`, `phase`,
annotations and logprobs of items, hints for caches, and reasoning that no answer follows.
"""

import binascii
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from gateway.core.errors import Refusal, Refused
from gateway.core.pieces import Piece
from gateway.providers.response_wire import SEALED
from gateway.surfaces.provider_side import kept
from gateway.surfaces.responses_reading import ABSENT, missing, present, read
from gateway.surfaces.responses_tools import arguments_of, function_name
from gateway.surfaces.text import BREAK, Text


class Part(msgspec.Struct):
    """One content part, of any type."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Raw = ABSENT


class _Head(msgspec.Struct):
    type: str | None = None
    role: str | None = None


class _Said(msgspec.Struct):
    role: str
    content: str | list[Part]


class _Call(msgspec.Struct):
    call_id: str
    name: str
    arguments: str = ""
    input: str = ""
    namespace: str | None = None


class _Result(msgspec.Struct):
    call_id: str
    output: str | list[Part]


class _Thought(msgspec.Struct):
    summary: list[Part] | None = None
    content: list[Part] | None = None
    encrypted_content: str | None = None


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a backend wants back with the next turn and Responses has no place for: signed thinking, and `extra_content`
    of tool calls by their id."""

    thinking: list[Raw] = []
    extra: dict[str, Raw] = {}


class Messages(msgspec.Struct, frozen=True):
    """A chat. `only` says why chat cannot say all of it, `pieces` where texts were parts of their own."""

    messages: list[Mapping[str, object]]
    only: str = ""
    pieces: tuple[Piece, ...] = ()


class Listed(msgspec.Struct, frozen=True):
    """Lists of tools among the items, each with its path: those that are `offered`, and those that a search `found`."""

    offered: tuple[tuple[str, Raw], ...] = ()
    found: tuple[tuple[str, Raw], ...] = ()


class _Tools(msgspec.Struct):
    type: str | None = None
    tools: Raw = ABSENT


_INPUT = msgspec.json.Decoder(str | list[Raw])
_HEAD = msgspec.json.Decoder(_Head)
_SAID = msgspec.json.Decoder(_Said)
_CALL = msgspec.json.Decoder(_Call)
_RESULT = msgspec.json.Decoder(_Result)
_THOUGHT = msgspec.json.Decoder(_Thought)
_TOOLS = msgspec.json.Decoder(str | list[_Tools])
_CARRIED = msgspec.json.Decoder(Carried)
_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_INSTRUCTING = ("system", "developer")
_ROLES = (*_INSTRUCTING, "user", "assistant")


def seal(carried: Carried) -> str:
    """What is carried, as the `encrypted_content` of a reasoning item: clients send that back as it is."""
    return SEALED + binascii.b2a_base64(msgspec.json.encode(carried), newline=False).decode()


def unseal(text: str | None) -> Carried:
    """What a reasoning item carries. Content of another maker, which only that one can read, is nothing."""
    if text is None or not text.startswith(SEALED):
        return Carried()
    try:
        return _CARRIED.decode(binascii.a2b_base64(text.removeprefix(SEALED)))
    except (ValueError, RecursionError):
        return Carried()


class _Turn:
    """The assistant message that the current items make up."""

    def __init__(self) -> None:
        self.thoughts: list[str] = []
        self.text = Text()
        self.refusals: list[str] = []
        self.calls: list[dict[str, object]] = []
        self.thinking: list[Raw] = []
        self.extra: dict[str, Raw] = {}

    def message(self) -> Mapping[str, object] | None:
        """None: nothing was said or called."""
        if not (self.text or self.refusals or self.calls):
            return None
        said: dict[str, object] = {"role": "assistant", "content": self.text.said if self.text else None}
        if self.refusals:
            said["refusal"] = "\n\n".join(self.refusals)
        if self.thoughts:
            said["reasoning_content"] = "\n\n".join(self.thoughts)
        if self.thinking:
            said["thinking_blocks"] = self.thinking
        if self.calls:
            said["tool_calls"] = [
                {**call, "extra_content": self.extra[str(call["id"])]} if call["id"] in self.extra else call
                for call in self.calls
            ]
        return said


class _Chat:
    """The messages as they grow."""

    def __init__(self, instructions: str | None) -> None:
        self.messages: list[Mapping[str, object]] = []
        self.pieces: list[Piece] = []
        self.only = ""
        self._leading = Text(instructions) if instructions else Text()
        self._began = False
        self._turn: _Turn | None = None
        self._attached: list[object] = []  # what results of tools hold besides text

    def instruct(self, role: str, texts: Sequence[str]) -> None:
        if not self._began:
            for each in texts:
                self._leading.add(each)
            return
        self.pause()
        self._put({"role": role}, Text(*texts))

    def say(self, message: Mapping[str, object]) -> None:
        self.pause()
        self.messages.append(message)

    def _put(self, message: Mapping[str, object], text: Text) -> None:
        """One more message, whose content is this text."""
        self.pieces += text.at("messages", len(self.messages), "content")
        self.messages.append({**message, "content": text.said})

    def turn(self) -> _Turn:
        if self._turn is None:
            self.pause()
            self._turn = _Turn()
        return self._turn

    def result(self, call_id: str, texts: Sequence[str], attached: Sequence[object]) -> None:
        self._close()
        self._begin()
        if attached:
            texts = texts if any(texts) else ["The result is in the next message of the user."]
            self._attached += [{"type": "text", "text": f"From the result of the tool call {call_id}:"}, *attached]
        self._put({"role": "tool", "tool_call_id": call_id}, Text(*texts))

    def pause(self) -> None:
        """Ends what belongs together, so that another message may follow."""
        self._close()
        self._begin()
        if self._attached:
            self.messages.append({"role": "user", "content": self._attached})
            self._attached = []

    def _begin(self) -> None:
        if not self._began:
            self._began = True
            if self._leading:
                self._put({"role": "system"}, self._leading)

    def _close(self) -> None:
        if self._turn is not None and (message := self._turn.message()) is not None:
            self.pieces += self._turn.text.at("messages", len(self.messages), "content")
            self.messages.append(message)
        self._turn = None

    def cannot(self, why: str) -> None:
        self.only = self.only or why


def messages_of(raw: Raw, instructions: str | None) -> Messages:
    """The chat that an input and the instructions make. Raises Refused (400)."""
    given = read(_INPUT, raw, "input")
    chat = _Chat(instructions)
    if isinstance(given, str):
        chat.say({"role": "user", "content": given})
    else:
        for index, item in enumerate(given):
            _take(chat, item, f"input[{index}]")
        chat.pause()
    return Messages(chat.messages, chat.only, tuple(chat.pieces))


def tools_in(raw: Raw) -> Listed:
    """The lists of tools among the items of an input. Raises Refused (400)."""
    items = read(_TOOLS, raw, "input")
    if isinstance(items, str):
        return Listed()
    lists: dict[str, list[tuple[str, Raw]]] = {"additional_tools": [], "tool_search_output": []}
    for index, item in enumerate(items):
        if item.type in lists:
            path = f"input[{index}].tools"
            if not present(item.tools):
                raise missing(path)
            lists[item.type].append((path, item.tools))
    return Listed(tuple(lists["additional_tools"]), tuple(lists["tool_search_output"]))


def sendable(raw: Raw) -> Raw:
    """An input without reasoning of which there is only an id. Nothing is lost by that: the thoughts themselves were
    never there, and a provider would look the id up in an account that other callers share."""
    given = read(_INPUT, raw, "input")
    if isinstance(given, str):
        return raw
    said = [item for index, item in enumerate(given) if not _hollow(item, f"input[{index}]")]
    return raw if len(said) == len(given) else Raw(msgspec.json.encode(said))


def _hollow(raw: Raw, path: str) -> bool:
    if read(_HEAD, raw, path).type != "reasoning":
        return False
    thought = read(_THOUGHT, raw, path)
    texts = [part.text for part in (*(thought.content or ()), *(thought.summary or ()))]
    return not thought.encrypted_content and not any(texts)


def _take(chat: _Chat, raw: Raw, path: str) -> None:
    head = read(_HEAD, raw, path)
    match head.type or ("message" if head.role is not None else None):
        case "message":
            _message(chat, read(_SAID, raw, path), path)
        case "reasoning":
            thought, turn = read(_THOUGHT, raw, path), chat.turn()
            turn.thoughts += [part.text for part in thought.content or thought.summary or () if part.text]
            carried = unseal(thought.encrypted_content)
            turn.thinking += carried.thinking
            turn.extra |= carried.extra
        case "function_call" | "custom_tool_call" as kind:
            call = read(_CALL, raw, path)
            arguments = call.arguments if kind == "function_call" else arguments_of(call.input)
            function = {"name": function_name(call.name, call.namespace), "arguments": arguments}
            chat.turn().calls.append({"id": call.call_id, "type": "function", "function": function})
        case "function_call_output" | "custom_tool_call_output":
            result = read(_RESULT, raw, path)
            parts = _parts(chat, result.output, f"{path}.output")
            texts = [str(part["text"]) for part in parts if part["type"] == "text"]
            chat.result(result.call_id, texts, [part for part in parts if part["type"] != "text"])
        case "additional_tools":
            pass  # see `tools_in`
        case "item_reference":
            raise Refused(
                Refusal.UNSUPPORTED,
                f"`{path}` refers to a stored item, and the gateway stores none: send the item itself",
                param=path,
            )
        case None:
            raise missing(f"{path}.type")
        case other:
            chat.cannot(f"has an input item of type `{other}`")


def _message(chat: _Chat, said: _Said, path: str) -> None:
    if said.role not in _ROLES:
        raise Refused(
            Refusal.INVALID_TYPE,
            f"invalid `{path}.role`: `user`, `assistant`, `system` and `developer` are known",
            param=f"{path}.role",
        )
    content = said.content
    if said.role == "assistant":
        _refuse_kept(content, f"{path}.content")
        parts = [Part("output_text", content)] if isinstance(content, str) else content
        turn = chat.turn()
        first = True
        for text in [part.text for part in parts if part.type in _TEXTS and part.text]:
            turn.text.add(text, between=BREAK if first else "")
            first = False
        if refusal := "".join([part.refusal or "" for part in parts if part.type == "refusal"]):
            turn.refusals.append(refusal)
        for part in parts:
            if part.type not in _TEXTS and part.type != "refusal":
                chat.cannot(f"has a content part of type `{part.type}` from the model")
        return
    parts_said = _parts(chat, content, f"{path}.content")
    texts = [str(part["text"]) for part in parts_said if part["type"] == "text"]
    if said.role in _INSTRUCTING and len(texts) == len(parts_said):
        chat.instruct(said.role, texts)
    else:
        chat.say({"role": said.role, "content": texts[0] if len(parts_said) == len(texts) == 1 else parts_said})


def _refuse_kept(parts: str | Sequence[Part], where: str) -> None:
    for index, part in enumerate(() if isinstance(parts, str) else parts):
        if part.file_id:
            raise kept(f"{where}[{index}].file_id")


def _parts(chat: _Chat, parts: str | Sequence[Part], where: str) -> list[dict[str, object]]:
    """Parts as chat has them, without those that it cannot have."""
    if isinstance(parts, str):
        return [{"type": "text", "text": parts}]
    _refuse_kept(parts, where)
    said: list[dict[str, object]] = []
    for index, part in enumerate(parts):
        path = f"{where}[{index}]"
        if part.type in _TEXTS:
            if part.text is None:
                raise missing(f"{path}.text")
            said.append({"type": "text", "text": part.text})
        elif part.type == "input_image" and part.image_url is not None:
            image = {"url": part.image_url, **({"detail": part.detail} if part.detail else {})}
            said.append({"type": "image_url", "image_url": image})
        elif part.type == "input_file" and part.file_data is not None:
            told = {"filename": part.filename, "file_data": part.file_data}
            said.append({"type": "file", "file": {name: value for name, value in told.items() if value is not None}})
        elif part.type == "input_audio" and present(part.input_audio):
            said.append({"type": "input_audio", "input_audio": part.input_audio})
        elif part.type == "input_file" and part.file_url is not None:
            chat.cannot("refers to a file by its address")
        elif part.type in ("input_image", "input_file", "input_audio"):
            raise missing(f"{path}.{_WANTED[part.type]}")
        else:
            chat.cannot(f"has a content part of type `{part.type}`")
    return said


_WANTED = {"input_image": "image_url", "input_file": "file_data", "input_audio": "input_audio"}
