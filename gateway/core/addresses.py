"""Parts of a request that are only named by an address: whoever serves it would fetch them."""

import re
from collections.abc import Iterator

import msgspec

from gateway.core.view import ATTACHED

_ADDRESSES = frozenset({"image_url", "video_url", "audio_url", "file_url", "document_url"})
_HOLDERS = _ADDRESSES | {"input_audio", "file", "source"}
_PLACES = _ADDRESSES | {"url", "uri", "file_uri", "fileuri", "src", "href", "path"}
"""Members that hold an address, once they are in a part that is no text."""

_CONTENT = frozenset({"image", "images", "video", "audio", "data", "file_data"})
"""Members that hold content itself. Some servers take an address there all the same."""

_ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


def names_addresses(body: bytes) -> bool:
    """Whether a body, which is JSON, names anything by its address. Names of members count in any case, as some servers
    read them. What a tool was called with is the client's own affair."""
    try:
        return any(_found(msgspec.json.decode(body), attached=False))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True  # nobody here knows


def _found(value: object, *, attached: bool) -> Iterator[bool]:
    """True for each address. `attached`: it is in a part that is no text."""
    if isinstance(value, list):
        for each in value:
            yield from _found(each, attached=attached)
    elif isinstance(value, dict):
        kind = value.get("type")
        attached = attached or (isinstance(kind, str) and any(word in kind.lower() for word in ATTACHED))
        called = isinstance(kind, str) and kind.endswith("tool_use")
        for name, child in value.items():
            member = name.lower()
            for each in child if isinstance(child, list) else (child,):
                if isinstance(each, str):
                    yield _is_address(member, each, attached=attached)
            if not (called and member == "input"):
                yield from _found(child, attached=attached or member in _HOLDERS)


def _is_address(member: str, text: str, *, attached: bool) -> bool:
    if member in _ADDRESSES or (attached and member in _PLACES):
        return text != "" and text[:5].lower() != "data:"
    return (member in _CONTENT or (attached and member == "source")) and _ADDRESS.match(text) is not None
