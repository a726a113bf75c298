"""What is an image, a sound or a file, and what only says so."""

import base64
import random

import pytest

from gateway.sensitivity.media import is_media

NOISE = random.Random(7).randbytes(300)
PNG = b"\x89PNG\r\n\x1a\n" + NOISE


def packed(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize(
    ("text", "media"),
    [
        *(
            (packed(head + NOISE), True)
            for head in (
                b"\x89PNG\r\n\x1a\n",
                b"\xff\xd8\xff\xe0",
                b"GIF89a",
                b"RIFF\x10\0\0\0WEBPVP8 ",
                b"RIFF\x10\0\0\0WAVEfmt ",
                b"%PDF-1.7\n",
                b"ID3\x04",
                b"\xff\xfb\x90",
                b"OggS",
                b"fLaC",
                b"\0\0\0 ftypisom",
                b"PK\x03\x04",
                b"\x1aE\xdf\xa3",
            )
        ),
        ("data:image/png;base64," + packed(PNG), True),
        ("data:application/vnd.ms-excel;base64," + packed(b"PK\x03\x04" + NOISE), True),
        ("", False),
        ("data:image/png;base64,", False),
        (packed(b"the key is ghp_x"), False),
        (packed(NOISE), False),
        (packed(b"RIFF\x10\0\0\0TEXT" + NOISE), False),
        ("data:image/png;base64," + packed(b"just some words of a text, and no image"), False),
        ("data:text/plain;base64," + packed(PNG), False),
        ("data:image/png;name=a word;base64," + packed(PNG), False),
        ("data:image/png," + packed(PNG), False),
        (packed(PNG) + " and a word", False),
        (packed(PNG)[:-2] + "\u00e9=", False),
        ("a word and " + packed(PNG), False),
        (packed(PNG).replace("A", "-").replace("a", "_"), False),
    ],
)
def test_only_base64_of_what_begins_as_media_do_is_media(text, media):
    assert is_media(text) is media
