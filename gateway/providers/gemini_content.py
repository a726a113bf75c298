"""The messages of a chat, as Gemini's contents.

What a message has and Gemini cannot be told is said by `Lacking`, never left out; what is left out needs no telling:
`reasoning_content` and `thinking_blocks` of earlier answers (the thought signatures hold what the model wants to know
of them), `cache_control`, and two things that the client hears of: `name` and `detail`.
Facts: the reference of Content, Part, FunctionCall and FunctionResponse (v1beta), the pages on thought signatures and
on file input, November 2026.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from gateway.providers.gemini_models import Family

MIME_TYPES: Mapping[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "css": "text/css",
    "csv": "text/csv",
    "xml": "text/xml",
    "json": "application/json",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "aiff": "audio/aiff",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mov": "video/mov",
    "webm": "video/webm",
}
"""What a file is, by the end of its name."""

SOUNDS = ("wav", "mp3", "aiff", "aac", "ogg", "flac")
UNSIGNED = "skip_thought_signature_validator"
"""What Google says to put in place of a signature that there never was: another model made the call."""

_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w.+=-]+)*;base64,(.*)\Z", re.DOTALL)
_AUTHORITY = re.compile(r"https://([^/?#\\]+)", re.IGNORECASE)
_ALIKE = {"image/jpg": "image/jpeg", "audio/mpeg": "audio/mp3", "audio/x-wav": "audio/wav"}
"""Types by names that Gemini does not know, with those that it does."""


class Lacking(Exception):
    """What is asked cannot be said to Gemini. Its text goes on after the name of a backend."""


class _Url(msgspec.Struct):
    url: str
    detail: str | None = None


class _Sound(msgspec.Struct):
    data: str
    format: str


class _File(msgspec.Struct):
    file_id: str | None = None
    filename: str | None = None
    file_data: str | None = None


class _Part(msgspec.Struct):
    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    image_url: _Url | str | None = None
    input_audio: _Sound | None = None
    file: _File | None = None


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    function: _Function | None = None
    extra_content: object = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    function_call: object = None
    audio: object = None
    extra_content: object = None


_MESSAGES = msgspec.json.Decoder(list[_Message])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_Said = dict[str, object]


class Contents(msgspec.Struct, frozen=True):
    """A conversation: the parts of the system instruction, and the turns. `unsaid` is what the client is told of."""

    system: Sequence[_Said]
    turns: Sequence[_Said]
    unsaid: tuple[str, ...] = ()


def contents_of(messages: Raw, family: Family, *, vertex: bool) -> Contents:
    """The messages of a request for a family of models, at Vertex or at Google's own API. Raises Lacking."""
    try:
        read = _MESSAGES.decode(messages)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Lacking(f"cannot read the messages: {error}") from None
    writer = _Writer(family, vertex)
    for message in read:
        writer.add(message)
    return writer.contents()


class _Writer:
    """Writes turns. Answers of tools that follow each other share one turn, as Gemini wants parallel calls answered."""

    def __init__(self, family: Family, vertex: bool) -> None:
        self._family, self._vertex = family, vertex
        self._system: list[_Said] = []
        self._turns: list[_Said] = []
        self._answers: list[_Said] | None = None  # the parts of a turn of tools
        self._names: dict[str, str] = {}  # of the functions called, by the id of the call
        self._unsaid: set[str] = set()

    def add(self, message: _Message) -> None:
        if message.name and message.role != "tool":
            self._unsaid.add("name")
        if message.role == "tool":
            self._add_answer(message)
            return
        self._answers = None
        match message.role:
            case "system" | "developer":
                self._system += self._texts(message)
            case "user":
                self._turn("user", self._parts(message.content))
            case "assistant":
                self._add_assistant(message)
            case role:
                raise Lacking(f"does not take messages of the role `{role[:32]}`")

    def contents(self) -> Contents:
        if not self._turns:  # a question that is all instruction
            self._turn("user", self._system)
            self._system = []
        if not self._turns:
            raise Lacking("needs some text in the messages")
        if self._system and not self._family.system:
            raise Lacking("does not take system messages")
        if not self._family.continues and self._turns[-1]["role"] == "model":
            raise Lacking("does not go on with a message of the assistant; end with one of the user or of a tool")
        return Contents(self._system, self._turns, tuple(sorted(self._unsaid)))

    def _turn(self, role: str, parts: list[_Said]) -> None:
        if parts:
            self._turns.append({"role": role, "parts": parts})

    def _texts(self, message: _Message) -> list[_Said]:
        parts = self._parts(message.content)
        if any("text" not in part for part in parts):
            raise Lacking(f"takes nothing but text in messages of the role `{message.role}`")
        return parts

    def _parts(self, content: str | list[_Part] | None) -> list[_Said]:
        """Gemini takes no empty text, and nothing is lost with it."""
        if not content:
            return []
        if isinstance(content, str):
            return [{"text": content}]
        return [said for part in content if (said := self._part(part))]

    def _part(self, part: _Part) -> _Said:
        match part:
            case _Part(type="text" | "input_text" | "output_text"):
                return {"text": part.text} if part.text else {}
            case _Part(type="refusal"):
                return {"text": part.refusal} if part.refusal else {}
            case _Part(type="image_url", image_url=str(url)):
                return self._linked(url, "image")
            case _Part(type="image_url", image_url=_Url() as image):
                if image.detail not in (None, "auto"):
                    self._unsaid.add("detail")
                return self._linked(image.url, "image")
            case _Part(type="input_audio", input_audio=_Sound() as sound):
                if sound.format not in SOUNDS:
                    raise Lacking(f"does not take sound in the format `{sound.format[:16]}`")
                return _inline(MIME_TYPES[sound.format], sound.data)
            case _Part(type="file", file=_File() as file):
                return self._filed(file)
        raise Lacking(f"does not take content parts of the type `{part.type[:32]}`, or not in this form")

    def _linked(self, url: str, what: str) -> _Said:
        if match := _DATA.match(url):
            return _inline(_ALIKE.get(match[1].lower(), match[1]), match[2])
        if not self._family.fetches or not _public(url):
            raise Lacking(f"cannot fetch the {what} at its address; send it as a data URL in base64")
        kind = _kind_of(url.partition("?")[0].partition("#")[0])
        if kind is None and self._vertex:
            raise Lacking(f"cannot tell the type of the {what} by its address; send it as a data URL in base64")
        return {"fileData": {"mimeType": kind, "fileUri": url} if kind else {"fileUri": url}}

    def _filed(self, file: _File) -> _Said:
        if file.file_data is None:
            raise Lacking("has no files by id; send the file itself in `file_data`")
        if file.file_data[:5].lower() == "data:" or "://" in file.file_data[:16]:
            return self._linked(file.file_data, "file")
        if (kind := _kind_of(file.filename or "")) is None:
            raise Lacking("cannot tell the type of a file; send it as a data URL, or with a `filename` that tells it")
        return _inline(kind, file.file_data)

    def _add_assistant(self, message: _Message) -> None:
        if message.audio is not None or message.function_call is not None:
            name = "audio" if message.audio is not None else "function_call"
            raise Lacking(f"does not take `{name}` in messages of the assistant")
        parts = self._parts(message.content)
        if message.refusal:
            parts.append({"text": message.refusal})
        if any("text" not in part for part in parts):
            raise Lacking("takes nothing but text and tool calls in messages of the assistant")
        if parts and (signature := signature_of(message.extra_content)):
            parts[-1]["thoughtSignature"] = signature
        calls = message.tool_calls or []
        signatures = [signature_of(call.extra_content) for call in calls]
        if calls and self._family.signed and not any(signatures):
            signatures[0] = UNSIGNED  # only the first of parallel calls bears one
        for call, signature in zip(calls, signatures, strict=True):
            parts.append({"functionCall": self._call(call), **({"thoughtSignature": signature} if signature else {})})
        self._turn("model", parts)

    def _call(self, call: _Call) -> _Said:
        if call.function is None or not call.function.name:
            raise Lacking(f"does not take tool calls of the type `{(call.type or '')[:32]}`, or without a name")
        if call.id:
            self._names[call.id] = call.function.name
        return {
            **({"id": call.id} if call.id and not self._vertex else {}),
            "name": call.function.name,
            "args": _as_object(call.function.arguments or "{}", "arguments"),
        }

    def _add_answer(self, message: _Message) -> None:
        id = message.tool_call_id or ""
        name = self._names.get(id) or message.name
        if not name:
            raise Lacking(f"cannot take the tool message for `{id[:64]}`: no tool call before it has this id")
        parts = self._parts(message.content)
        text = "".join(str(part["text"]) for part in parts if "text" in part)
        shown = [part for part in parts if "text" not in part]
        if shown and not self._family.shows:
            raise Lacking("takes nothing but text in messages of the role `tool`")
        answer: _Said = {
            **({"id": id} if id and not self._vertex else {}),
            "name": name,
            "response": _as_object(text, "result"),
            **({"parts": shown} if shown else {}),
        }
        if self._answers is None:
            self._answers = []
            self._turns.append({"role": "user", "parts": self._answers})
        self._answers.append({"functionResponse": answer})


def signature_of(extra: object) -> str | None:
    """The thought signature in `extra_content`, where Gemini's OpenAI-compatible API puts it, too."""
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None


def _inline(kind: str, data: str) -> _Said:
    return {"inlineData": {"mimeType": kind, "data": data}}


def _public(url: str) -> bool:
    """Whether Google fetches it as anybody would: its own addresses it may open with the gateway's key."""
    if (match := _AUTHORITY.match(url)) is None or "@" in match[1]:
        return False
    host = match[1].lower().partition(":")[0].rstrip(".")
    return host == "storage.googleapis.com" or not f".{host}".endswith(".googleapis.com")


def _kind_of(name: str) -> str | None:
    return MIME_TYPES.get(name.rpartition(".")[2].lower())


def _as_object(text: str, name: str) -> Raw | dict[str, str]:
    """A JSON object as it is; anything else, as models and tools write it, under a name."""
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {name: text}
    return Raw(text.encode())
