"""The blocks that a user may send, as parts of chat messages."""

import json

import msgspec
import pytest

from gateway.core.errors import Refusal, Refused
from gateway.surfaces.messages_blocks import Block, Reasons, as_json, inside_of, kept, parts_of, places_of, text_part

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}}
PDF_PART = {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,BBBB"}}
BLOCKS = msgspec.json.Decoder(list[Block])


def text(said, **more):
    return {"type": "text", "text": said, **more}


def parts(*blocks):
    """The parts of blocks, and why they are not all that was said."""
    raw, only = json.dumps(blocks).encode(), Reasons()
    places = places_of("content", BLOCKS.decode(raw), msgspec.Raw(raw))
    return [part for place in places for part in parts_of(place, only)], str(only)


USER = {
    "text": ([text("a"), text(""), text("b")], [text("a"), text("b")]),
    "a mark for a cache": ([text("a", cache_control={"type": "ephemeral", "ttl": "1h"})], [text("a")]),
    "members that are unset": ([text("a", citations=None, whatever=None)], [text("a")]),
    "an image": ([PNG], [PNG_PART]),
    "an image by URL": (
        [{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}],
        [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}],
    ),
    "a PDF": ([PDF], [PDF_PART]),
    "a PDF with a title": (
        [{**PDF, "title": "t.pdf", "context": "from x"}],
        [text("from x"), {"type": "file", "file": {**PDF_PART["file"], "filename": "t.pdf"}}],
    ),
    "a document of text": (
        [
            {
                "type": "document",
                "title": "T",
                "context": "C",
                "source": {"type": "text", "media_type": "text/plain", "data": "D"},
                "citations": {"enabled": False},
            }
        ],
        [text("T"), text("C"), text("D")],
    ),
    "a document of a string": (
        [{"type": "document", "source": {"type": "content", "content": "D"}}],
        [text("D")],
    ),
    "a document of blocks": (
        [{"type": "document", "source": {"type": "content", "content": [text("D"), PNG]}}],
        [text("D"), PNG_PART],
    ),
    "a document of nothing": ([{"type": "document", "source": {"type": "content"}}], []),
    "a search result": (
        [{"type": "search_result", "title": "T", "source": "https://s", "content": [text("a"), text("b")]}],
        [text("T\nhttps://s\n\na\n\nb")],
    ),
    "a tool that was found": (
        [{"type": "tool_reference", "tool_name": "g"}],
        [text("The tool `g` is available.")],
    ),
}


@pytest.mark.parametrize("name", USER)
def test_what_a_user_sends(name):
    blocks, expected = USER[name]
    assert parts(*blocks) == (expected, "")


FILE = {"type": "file", "file_id": "f_1"}
ONLY = {
    "a block that nobody knows": ([{"type": "container_upload", "file_id": "f"}], "type `container_upload`"),
    "a member that nobody knows": ([text("a", new=1)], "member `new` in a block of type `text`"),
    "an image of theirs": ([{"type": "image", "source": FILE}], "image by a source of type `file`"),
    "a document of theirs": ([{"type": "document", "source": FILE}], "document by a source of type `file`"),
    "a document by URL": (
        [{"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}],
        "document by a source of type `url`",
    ),
    "citations": ([{**PDF, "citations": {"enabled": True}}], "asks for citations"),
    "a block in a document": (
        [{"type": "document", "source": {"type": "content", "content": [{"type": "browser_state"}]}}],
        "type `browser_state`",
    ),
}


@pytest.mark.parametrize("name", ONLY)
def test_what_chat_has_no_word_for_is_told(name):
    blocks, expected = ONLY[name]
    said, only = parts(*blocks)
    assert expected in only
    assert said


WRONG = {
    "no text": ({"type": "text"}, Refusal.MISSING_PARAMETER, "text"),
    "an image without a source": ({"type": "image"}, Refusal.INVALID_TYPE, "source"),
    "an image by no URL": ({"type": "image", "source": {"type": "url"}}, Refusal.MISSING_PARAMETER, "source.url"),
    "an image without data": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png"}},
        Refusal.MISSING_PARAMETER,
        "source.data",
    ),
    "an image of no type": (
        {"type": "image", "source": {"type": "base64", "data": "AAAA"}},
        Refusal.MISSING_PARAMETER,
        "source.media_type",
    ),
    "a text that is missing": (
        {"type": "document", "source": {"type": "text"}},
        Refusal.MISSING_PARAMETER,
        "source.data",
    ),
    "a result of no source": ({"type": "search_result", "title": "T"}, Refusal.INVALID_TYPE, "source"),
    "a result of no title": ({"type": "search_result", "source": "s"}, Refusal.MISSING_PARAMETER, "title"),
    "a result that is no content": (
        {"type": "search_result", "title": "T", "source": "s", "content": {}},
        Refusal.INVALID_TYPE,
        "content",
    ),
    "a tool of no name": ({"type": "tool_reference"}, Refusal.MISSING_PARAMETER, "tool_name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    block, refusal, where = WRONG[name]
    with pytest.raises(Refused) as caught:
        parts(block)
    assert (caught.value.refusal, caught.value.param) == (refusal, f"content[0].{where}")


def test_a_string_is_a_block_of_text():
    [place] = places_of("p", "hi", "hi")
    assert (place.block.type, place.block.text, place.path) == ("text", "hi", "p")


def test_nothing_inside_has_no_parts():
    assert inside_of("p", None, None, Reasons()) == []


def test_reasons_are_few_and_short():
    _, only = parts(*({"type": f"kind{at}" + "x" * 500} for at in range(9)))
    assert only.count(" and ") == 2
    assert len(only) < 600


def test_what_cannot_be_said_keeps_its_size():
    raw = b'{"type":"x","n":1.50}'
    assert as_json(msgspec.json.decode(raw, type=dict[str, msgspec.Raw])).encode() == raw
    assert text_part("a") == {"type": "text", "text": "a"}


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ({"type": "ephemeral"}, "5m"),
        ({"type": "ephemeral", "ttl": None, "scope": "global"}, "5m"),
        ({"type": "ephemeral", "ttl": "5m"}, "5m"),
        ({"type": "ephemeral", "ttl": "1h"}, "1h"),
        (None, ""),
        ({"type": "persistent"}, ""),
        ({"type": "ephemeral", "ttl": "it is a secret"}, ""),
        ("ephemeral", ""),
    ],
)
def test_of_a_mark_only_words_that_are_known_are_read(mark, expected):
    assert kept({"cache_control": msgspec.Raw(json.dumps(mark).encode())}) == expected
    assert kept({}) == ""
