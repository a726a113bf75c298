"""Images, sounds and files in base64, told by their first bytes.

Random bytes in base64 look like a key now and then: in a megabyte of a picture, one time in four. Nobody here reads a
text out of them, so what holds such a payload is opaque, and not looked at as a text: it arrives as it was sent.
"""

import binascii
import re

_DATA_URL = re.compile(r"data:(?!text/)[\w.+\-]{1,40}/[\w.+\-]{1,80};base64,")
_BEGINNINGS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",  # JPEG
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",  # TIFF
    b"MM\x00*",
    b"%PDF-",
    b"PK\x03\x04",  # zip: documents of office programs
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",  # and those of older ones
    b"ID3",  # MP3; without this its frames begin with one of the next
    b"\xff\xfb",
    b"\xff\xf3",
    b"\xff\xf2",
    b"OggS",
    b"fLaC",
    b"\x1aE\xdf\xa3",  # WebM
)
_RIFF = (b"WEBP", b"WAVE", b"AVI ")
_HEAD_CHARS = 24


def is_media(text: str) -> bool:
    """Whether a text, all of it, is an image, a sound or a file: in base64, or as a data URL without parameters."""
    if text.startswith("data:"):
        told = _DATA_URL.match(text)
        if told is None:
            return False
        text = text[told.end() :]
    try:
        head = binascii.a2b_base64(text[:_HEAD_CHARS], strict_mode=True)
        return _begins(head) and bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:  # no base64, or not all of it, or no ASCII
        return False


def _begins(head: bytes) -> bool:
    return (
        head.startswith(_BEGINNINGS)
        or (head[:4] == b"RIFF" and head[8:12] in _RIFF)
        or head[4:8] == b"ftyp"  # MP4, HEIC
    )
