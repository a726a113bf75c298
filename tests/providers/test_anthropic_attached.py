"""Images and files as Anthropic takes them."""

import json
from base64 import b64encode

import msgspec
import pytest
from msgspec import Raw

from gateway.core.errors import Refused
from gateway.providers.anthropic_attached import File, image, invalid

PDF = b64encode(b"%PDF-1.7 hi").decode()
TXT = b64encode(b"plain words").decode()


def read(block) -> dict:
    return json.loads(msgspec.json.encode(block))


def file(**members) -> File:
    return msgspec.json.decode(json.dumps(members), type=File)


def base64(media: str, data: str) -> dict:
    return {"type": "base64", "media_type": media, "data": data}


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (b'"data:image/png;base64,aGk="', base64("image/png", "aGk=")),
        (b'"data:image/JPG;base64,aGk="', base64("image/jpeg", "aGk=")),
        (b'"data:image/png;name=a.png;base64,aGk="', base64("image/png", "aGk=")),
        (b'"data:image\\/png;base64,a\\/k="', base64("image/png", "a/k=")),
        (b'"data:image/png;base64,%b\\/k="' % (b"A" * 400), base64("image/png", "A" * 400 + "/k=")),
        (b'"https://x.test/a.png"', {"type": "url", "url": "https://x.test/a.png"}),
        (b'"https:\\/\\/x.test\\/a.png"', {"type": "url", "url": "https://x.test/a.png"}),
        (b'""', {"type": "url", "url": ""}),
    ],
)
def test_an_image_becomes(url, source):
    assert read(image(Raw(url), "x")) == {"type": "image", "source": source}


@pytest.mark.parametrize("url", [b"7", b"null", b"{}"])
def test_an_address_is_a_string(url):
    with pytest.raises(Refused, match="invalid `x`"):
        image(Raw(url), "x")


@pytest.mark.parametrize(
    ("members", "block"),
    [
        ({"file_data": PDF}, {"source": base64("application/pdf", PDF)}),
        ({"file_data": "AAAA", "filename": "A.PDF"}, {"source": base64("application/pdf", "AAAA"), "title": "A.PDF"}),
        (
            {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"},
            {"source": base64("application/pdf", PDF), "title": "a.pdf"},
        ),
        (
            {"file_data": f"data:text/plain;charset=utf-8;base64,{TXT}"},
            {"source": {"type": "text", "media_type": "text/plain", "data": "plain words"}},
        ),
        (
            {"file_data": f"data:;base64,{TXT}"},
            {"source": {"type": "text", "media_type": "text/plain", "data": "plain words"}},
        ),
        (
            {"file_data": f"{TXT[:5]}\n{TXT[5:]}", "filename": "a.txt"},
            {"source": {"type": "text", "media_type": "text/plain", "data": "plain words"}, "title": "a.txt"},
        ),
    ],
)
def test_a_file_becomes(members, block):
    assert file(**members).lacking == ""
    assert read(file(**members).block) == {"type": "document", **block}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"file_id": "file-1"}, "does not know files by a `file_id`: send the `file_data`"),
        ({"file_data": None, "filename": "a.pdf"}, "needs the `file_data` of a file"),
        ({"file_data": ""}, "needs the `file_data` of a file"),
        ({"file_data": {"a": "\\"}}, "does not take a file of type unknown: send a PDF or plain text"),
        ({"file_data": 7}, "does not take a file of type unknown: send a PDF or plain text"),
        (
            {"file_data": "AAAA", "filename": "a.docx"},
            "does not take a file of type unknown: send a PDF or plain text",
        ),
        (
            {"file_data": "data:audio/wav;base64,AAAA"},
            "does not take a file of type audio/wav: send a PDF or plain text",
        ),
        (
            {"file_data": "data:text/plain;base64,/w=="},
            "cannot read a text file: its `file_data` is not text in base64",
        ),
        ({"file_data": "!", "filename": "a.txt"}, "cannot read a text file: its `file_data` is not text in base64"),
    ],
)
def test_a_file_that_cannot_be_read(members, reason):
    assert file(**members).lacking == reason


def test_a_wrong_value_is_named_and_not_shown():
    refused = invalid("Expected `str`, got `int` - at `$[0].role`", "messages")
    assert (refused.param, refused.message) == (
        "messages[0].role",
        "invalid `messages[0].role`: expected `str`, got `int`",
    )
    assert invalid("Expected `str`, got `int` - at `$.stop`").param == "stop"
    assert invalid("Expected `object`, got `int`", "tool_choice").param == "tool_choice"
