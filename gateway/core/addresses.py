"""Parts of a request that are only named by an address: whoever serves it would fetch them.

Names of members and types count in any case, also as Unicode folds it, since some servers read them so.
"""

import re

import msgspec

from gateway.core.view import ATTACHED

MOST_VALUES = 20_000
"""So many values of a body are looked at, which takes some 10 ms. Of one that has more nobody knows."""

_ADDRESSES = frozenset({"image_url", "video_url", "audio_url", "file_url", "document_url"})
_HOLDERS = _ADDRESSES | {"input_audio", "file", "source"}
_PLACES = _ADDRESSES | {"url", "uri", "file_uri", "fileuri", "src", "href", "path"}
"""Members that hold an address, once they are in a part that is no text."""

_CONTENT = frozenset(
    (
        *("image", "images", "video", "audio", "data", "file", "file_data"),
        *("ref_images", "init_image", "init_images", "mask", "input_image"),
    )
)
"""Members that hold content itself. Some servers take an address or a path there all the same."""

_TEXTS = frozenset(
    (
        *("prompt", "negative_prompt", "suffix", "input", "query", "queries", "documents"),
        *("instruction", "instructions", "text", "texts", "text_1", "text_2", "title", "content", "model"),
    )
)
"""Members of operations beside chat whose strings are texts, and may begin as an address does."""

_TURNS = ("chat", "messages", "responses")
_ATTACHED = (*ATTACHED, "media")
_CALLS = ("tool_use", "server_tool_use")
_ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:[/\\]|//|\\\\)", re.IGNORECASE)
_PLACE = re.compile(r"\s*(?!/9j/[a-z0-9+/=\s]*\Z)(?:[a-z][a-z0-9+.-]*:[/\\]|(?:\.{0,2}|~)[/\\])", re.IGNORECASE)
"""Content is base64, which has no colon and no dot. As base64 a JPEG begins with a slash."""

_PATH_CHARS = 4096
"""No path is longer."""

_NAMED = re.compile(rb'"(?:%b)"\s*:' % "|".join(sorted(_HOLDERS | _CONTENT | _PLACES)).encode())
_FOLDED = re.compile(rb"\\u(?:00[2-7]|017f|212a)|\xc5\xbf|\xe2\x84\xaa")
"""Letters in escapes, and the two letters beyond ASCII that some take for an s and a k."""
_BEGUN = re.compile(rb'"(?:[\x00- \x80-\xff]|\\[nrtbf]|\\u[0-9a-f]{4})*+(?:[a-z][a-z0-9+.-]{0,40}+:)?(?:\\?/|\\\\)')
"""What may be an address, after whatever a server may strip. All three are for bodies in lower case."""

_LOOKED_AT = frozenset((str, dict, list))


def in_turns(needs: frozenset[str]) -> bool:
    """Whether a request that needs these is a conversation, whatever its form."""
    return not needs.isdisjoint(_TURNS)


def names_addresses(body: bytes, *, chat: bool, most: int = MOST_VALUES) -> bool:
    """Whether a body, which is JSON, names anything by its address; True where nobody here knows. What a tool was
    called with is the client's own affair. Beside `chat`, every string counts that begins as an address does, but for
    the texts."""
    low = body.lower()
    folds = (b"\\u" in low or not low.isascii()) and _FOLDED.search(low) is not None
    if not (folds or _NAMED.search(low) or (not chat and _BEGUN.search(low))):
        return False
    if body.count(b"{") + body.count(b"[") > most:
        return True  # parsing alone would take too long
    try:
        return _Search(chat=chat, most=most).into(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


class _Search:
    """A search through a body, which ends with the first address."""

    def __init__(self, *, chat: bool, most: int) -> None:
        self._chat = chat
        self._left = most
        self._texts = _TEXTS

    def into(self, document: object) -> bool:
        """Whether there is an address, or more than may be looked at."""
        if not self._chat and isinstance(document, dict) and any("modal" in name.casefold() for name in document):
            self._texts = _TEXTS - {"input"}  # images, perhaps
        # what is still to be looked at: the member it is of, whether it is in a part that is no text, in a list
        waiting: list[tuple[object, str, bool, bool]] = [(document, "", False, False)]
        while waiting:
            value, member, attached, listed = waiting.pop()
            if isinstance(value, str):
                if self._is_address(member, value, attached=attached):
                    return True
            elif isinstance(value, list):
                inside = [each for each in value if type(each) in _LOOKED_AT]
                self._left -= len(inside)
                if self._left >= 0:
                    waiting += [(each, member, attached, True) for each in inside]
            elif isinstance(value, dict):
                self._left -= len(value) + 1
                within = attached or member in _HOLDERS
                waiting += _members(value, attached=within, called=listed and member == "content")
            if self._left < 0:
                return True
        return False

    def _is_address(self, member: str, text: str, *, attached: bool) -> bool:
        if member in _ADDRESSES or (attached and member in _PLACES):
            return text != "" and text[:5].casefold() != "data:"
        if member in _CONTENT or (attached and member == "source"):
            there = _PLACE.match(text)
            return there is not None and (len(text) <= _PATH_CHARS or _ADDRESS.match(text) is not None)
        return not self._chat and member not in self._texts and _ADDRESS.match(text) is not None


def _members(value: dict[str, object], *, attached: bool, called: bool) -> list[tuple[object, str, bool, bool]]:
    """The members of an object, to be looked at. `called`: it may be a call of a tool."""
    folded = [(name.casefold(), child) for name, child in value.items()]
    kinds = [child for name, child in folded if name == "type"]
    words = [kind.casefold() for kind in kinds if isinstance(kind, str)]
    attached = attached or any(word in kind for kind in words for word in _ATTACHED)
    call = called and len(kinds) == 1 and value.get("type") in _CALLS
    return [
        (child, name, attached, False)
        for name, child in folded
        if not (call and name == "input" and child is value.get("input"))
    ]
