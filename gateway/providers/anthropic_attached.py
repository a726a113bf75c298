"""Images and files of a chat completion as Anthropic takes them. What is large in them is copied once, never read."""

import binascii
import re
from base64 import b64decode

import msgspec
from msgspec import Raw

from gateway.core.errors import Refusal, Refused

Block = dict[str, object]

_DATA_URL = re.compile(rb'"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+=-]+)*?;base64,', re.IGNORECASE)
_HEAD = 300  # bytes in which a data URL begins
_IMAGE_TYPES = {"image/jpg": "image/jpeg"}  # which many write
_PDF, _TEXT = "application/pdf", "text/plain"
_PDF_BASE64 = b'"JVBERi'  # every PDF begins with %PDF-
_ABSENT = Raw(b"null")
_AT = re.compile(r" - at `\$([^`]*)`\Z")


class _Inline(msgspec.Struct):
    """What stands in a data URL: its type in lower case, None: it is no data URL; and the data as JSON writes it."""

    media: str | None
    data: Raw


def _inline(raw: Raw) -> _Inline:
    head = bytes(memoryview(raw)[:_HEAD])
    if b"\\" in head and (plain := _text(raw)) is not None:  # some escape every slash
        raw = Raw(msgspec.json.encode(plain))
        head = bytes(memoryview(raw)[:_HEAD])
    found = _DATA_URL.match(head)
    if found is None:
        return _Inline(None, raw)
    return _Inline((found[1] or b"").decode().lower(), Raw(b'"' + memoryview(raw)[found.end() :]))


def _text(raw: Raw) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        return None


def image(url: Raw, at: str) -> Block:
    """An image by its address, or by what stands in it. Raises Refused (400) where the address is no string."""
    if not bytes(memoryview(url)[:1]) == b'"':
        raise Refused(Refusal.INVALID_TYPE, f"invalid `{at}`: expected `str`", param=at)
    inline = _inline(url)
    if inline.media is None:
        return {"type": "image", "source": {"type": "url", "url": inline.data}}
    media = _IMAGE_TYPES.get(inline.media, inline.media)
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": inline.data}}


class File(msgspec.Struct):
    """A file that is attached: a PDF, or plain text."""

    file_data: Raw = _ABSENT
    filename: str | None = None
    file_id: str | None = None

    @property
    def lacking(self) -> str:
        """Why it cannot be read, in words that go on after who reads it; empty: it can."""
        if bytes(memoryview(self.file_data)[:3]) in (b"nul", b'""'):
            by_id = "does not know files by a `file_id`: send the `file_data`"
            return by_id if self.file_id else "needs the `file_data` of a file"
        if (media := self._media_type(_inline(self.file_data))) not in (_PDF, _TEXT):
            return f"does not take a file of type {media or 'unknown'}: send a PDF or plain text"
        if media == _TEXT and self._words(_inline(self.file_data)) is None:
            return "cannot read a text file: its `file_data` is not text in base64"
        return ""

    @property
    def block(self) -> Block:
        """The file as a document. It is one that can be read."""
        inline = _inline(self.file_data)
        titled: Block = {"title": self.filename} if self.filename else {}
        if self._media_type(inline) == _TEXT:
            source: Block = {"type": "text", "media_type": _TEXT, "data": self._words(inline)}
        else:
            source = {"type": "base64", "media_type": _PDF, "data": inline.data}
        return {"type": "document", "source": source, **titled}

    def _media_type(self, inline: _Inline) -> str:
        """What it is, by what its sender says or by how it begins."""
        if inline.media is not None:
            return inline.media or _TEXT
        name = (self.filename or "").lower()
        is_pdf = bytes(memoryview(inline.data)[:_HEAD]).startswith(_PDF_BASE64) or name.endswith(".pdf")
        return _PDF if is_pdf else _TEXT if name.endswith(".txt") else ""

    def _words(self, inline: _Inline) -> str | None:
        """The text of a text file, None: it is none."""
        try:
            return b64decode("".join((_text(inline.data) or "").split()), validate=True).decode()
        except (binascii.Error, ValueError):
            return None


def invalid(problem: str, field: str = "") -> Refused:
    """The refusal for a value of a wrong type. Names the field, never its value."""
    what = _AT.sub("", problem)
    path = field + match[1].removeprefix("." if not field else "") if (match := _AT.search(problem)) else field
    return Refused(Refusal.INVALID_TYPE, f"invalid `{path}`: {what[:1].lower()}{what[1:]}", param=path)
