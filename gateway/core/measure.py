"""What a chat asks of a backend, and how much there is of it to read."""

import msgspec
from msgspec import Raw

from gateway.core.catalog import HOSTED_TOOLS
from gateway.core.errors import Refusal, Refused
from gateway.core.view import ABSENT, PART_BYTES, Kind, Part, View

STORED = (
    "files are kept in the account of the gateway, so that any caller could name another's; send the content itself"
)
"""Why no request may name what is stored at a provider."""

_PART_NEEDS = {"image_url": "vision", "input_audio": "audio"}
_MEASURED = frozenset(("messages", "tools", "functions", "response_format", "model"))
_OVERHEAD_BYTES, _OTHER_FIELDS_BYTES = 200, 1000
"""What a message has of names, quotes and escapes, and a request of settings, that is not counted."""
_TOOL = msgspec.json.Decoder(Kind)
_OURS = ("function", "custom", None)
_HOSTED = frozenset(
    (
        *("web_search_options", "web_search", "plugins", "enable_search", "search_parameters"),
        *("mcp_servers", "container", "data_sources"),
    )
)
"""Fields by which providers (OpenAI, Baidu, OpenRouter, Alibaba, xAI; Anthropic, Azure) are asked to run something
themselves."""
_UNWANTED = (b"null", b"false", b"[]", b'{"mode":"off"}')
_CHAT = frozenset({"chat"})
_NULL = b"null"


def measure(view: View, fields: dict[str, Raw]) -> tuple[int, int, frozenset[str]]:
    """Bytes of text that models read, how much more there may be of it, and the capabilities that the request needs."""
    size = attached = inline = 0
    needs: set[str] = set()
    for message in view.messages:
        content = message.content
        if isinstance(content, str):
            size += len(content) if content.isascii() else len(content.encode())
        elif content:
            for part in content:
                if part.is_text:
                    size += len((part.text or "").encode())
                    continue
                size += PART_BYTES
                inline += part.inline_bytes
                attached += part.attached_bytes - PART_BYTES
                if need := _PART_NEEDS.get("image_url" if part.image_url else part.type):
                    needs.add(need)
                if part.file:
                    _refuse_stored(part)
        for raw in (message.tool_calls, message.function_call, message.reasoning_content, message.refusal):
            if raw is not ABSENT:
                size += len(bytes(raw))
    # what stands in messages and fields that are not read here may be read by a model
    unread = len(fields["messages"]) - inline - size - _OVERHEAD_BYTES * len(view.messages)
    unread += sum([len(raw) for name, raw in fields.items() if name not in _MEASURED]) - _OTHER_FIELDS_BYTES
    attached += max(0, unread)
    for raw in (*(view.tools or ()), *(view.functions or ())):
        size += len(bytes(raw))
        needs.add("tools")
    if any(not bytes(raw).startswith(b'{"type":"function",') and _runs_there(raw) for raw in view.tools or ()):
        needs.add(HOSTED_TOOLS)
    if view.response_format is not None and view.response_format.type == "json_schema":
        size += len(bytes(view.response_format.json_schema))
        needs.add("json_schema")
    if not _HOSTED.isdisjoint(fields) and any(bytes(fields.get(name, _NULL)) not in _UNWANTED for name in _HOSTED):
        needs.add(HOSTED_TOOLS)
    if view.logprobs:
        needs.add("logprobs")
    if view.modalities and "audio" in view.modalities:
        needs.add("audio")
    return size, attached, (_CHAT | needs if needs else _CHAT)


def _runs_there(tool: Raw) -> bool:
    """Whether a tool is none of the client's."""
    try:
        return _TOOL.decode(tool).type not in _OURS
    except msgspec.ValidationError:
        return True


def _refuse_stored(part: Part) -> None:
    try:
        names = msgspec.json.decode(bytes(part.file), type=dict[str, Raw])
    except msgspec.ValidationError:
        return
    if bytes(names.get("file_id", _NULL)) != _NULL:
        raise Refused(Refusal.UNSUPPORTED, STORED, param="messages")
