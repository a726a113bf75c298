"""Parts of a request that are only named by an address."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.addresses import names_addresses

AT = "http://169.254.169.254/latest/meta-data"
INSIDE = "data:image/png;base64,AAAA"


def chat(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (chat({"type": "text", "text": AT}), False),
        ({"messages": [{"role": "user", "content": f'see "url": "{AT}"'}]}, False),
        (chat({"type": "image_url", "image_url": {"url": INSIDE}}), False),
        (chat({"type": "image_url", "image_url": {"url": "DATA:image/png;base64,AAAA"}}), False),
        (chat({"type": "image_url", "image_url": {"url": AT}}), True),
        (chat({"type": "image_url", "image_url": AT}), True),
        (chat({"image_url": {"url": AT}}), True),
        (chat({"type": "IMAGE_URL", "IMAGE_URL": {"URL": AT}}), True),
        (chat({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}), True),
        (chat({"type": "image_url", "image_url": {"url": "/etc/passwd"}}), True),
        (chat({"type": "image_url", "image_url": {"url": " http://x"}}), True),
        (chat({"type": "image_url", "image_url": {"url": "//x/y.png"}}), True),
        (chat({"type": "video_url", "video_url": {"url": AT}}), True),
        (chat({"type": "audio_url", "audio_url": {"url": AT}}), True),
        (chat({"type": "text", "text": "x", "video_url": {"url": AT}}), True),
        (chat({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}), False),
        (chat({"type": "input_audio", "input_audio": {"data": AT, "format": "wav"}}), True),
        (chat({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}), False),
        (chat({"type": "file", "file": {"file_url": AT}}), True),
        (chat({"type": "image", "source": {"type": "url", "url": AT}}), True),
        (chat({"type": "image", "source": {"type": "base64", "data": "/9j//AAA"}}), False),
        (chat({"type": "document", "source": {"type": "url", "url": AT}}), True),
        (chat({"type": "search_result", "source": AT, "content": []}), False),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": AT}]}]}, True),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": AT}]}]}, True),
        (
            {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": AT}}]},
            True,
        ),
        ({"input": [{"type": "web_search_call", "action": {"type": "open_page", "url": AT}}]}, False),
        ({"input": [{"image": AT}]}, True),
        ({"input": [{"image": "iVBORw0KGgo="}]}, False),
        ({"documents": [{"image_url": AT}]}, True),
        (chat({"type": "tool_use", "name": "fetch", "input": {"url": AT, "image_url": AT}}), False),
        (chat({"type": "tool_result", "content": [{"type": "image", "source": {"type": "url", "url": AT}}]}), True),
        ({"tools": [{"function": {"parameters": {"properties": {"image_url": {"type": "string"}}}}}]}, False),
        ({"metadata": {"url": AT, "homepage": AT}}, False),
        # only what stands among the contents of a message is what a tool was called with
        ({"type": "tool_use", "input": [{"content": [{"type": "input_image", "image_url": AT}]}]}, True),
        ({"messages": [{"type": "tool_use", "input": {"image_url": AT}}]}, True),
        (chat({"type": "my_tool_use", "input": {"image_url": AT}}), True),
        (chat({"type": "tool_use", "Type": "image", "input": {"image_url": AT}}), True),
        (chat({"type": "server_tool_use", "name": "f", "input": {"image_url": AT}}), False),
        (chat({"type": "image_url", "image_\u017frc": "", "\u017fource": {"url": AT}}), True),
        (chat({"Type": "image_url", "Image_URL": {"URL": AT}}), True),
        (chat({"type": "text", "text": "x", "\u017fource": {"url": AT}}), True),
        (chat({"type": "media", "url": AT}), True),
        (chat({"type": "input_audio", "input_audio": {"data": "file:/etc/passwd"}}), True),
        (chat({"type": "input_audio", "input_audio": {"data": "/etc/passwd"}}), True),
        (chat({"type": "input_audio", "input_audio": {"data": "../etc/passwd"}}), True),
        (chat({"type": "image", "image": "/9j/4AAQSkZJRg=="}), False),
        (chat({"type": "image", "image": "/9j/../etc/passwd"}), True),
        ({"messages": [{"role": "user", "content": "x", "images": [AT]}]}, True),
    ],
)
def test_what_is_an_address(body, expected):
    assert names_addresses(json.dumps(body).encode(), chat=True) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input": AT}, False),
        ({"input": [AT, AT]}, False),
        ({"input": [[1, 2], [3]]}, False),
        ({"input": [AT], "modality": "image"}, True),
        ({"input": ["a cat"], "modality": "text"}, False),
        ({"input": [{"image": "/srv/x.png"}]}, True),
        ({"input": [{"text": AT}]}, False),
        ({"input": [{"picture": AT}]}, True),
        ({"query": AT, "documents": [AT, {"text": AT, "title": AT}]}, False),
        ({"query": "q", "documents": [{"thumbnail": AT}]}, True),
        ({"prompt": AT}, False),
        *(({"prompt": "x", name: "file:/etc/passwd"}, True) for name in ("file", "mask", "init_image", "input_image")),
        *(({"prompt": "x", name: ["/etc/passwd"]}, True) for name in ("ref_images", "init_images", "images")),
        ({"prompt": "x", "control": {"anything": "http:\\\\127.0.0.1\\x"}}, True),
        ({"prompt": "x", "user": "a/b"}, False),
    ],
)
def test_beside_chat_whatever_begins_as_an_address_does_is_one(body, expected):
    assert names_addresses(json.dumps(body).encode(), chat=False) is expected
    assert names_addresses(json.dumps(body).encode().replace(b"/", b"\\/"), chat=False) is expected


def test_a_body_of_too_many_values_is_not_looked_through():
    for item in ({}, "", [], {"a": 1}):
        many = json.dumps({"file": [item] * 100_000}).encode()
        begun = time.thread_time()
        assert names_addresses(many, chat=True)
        counted = time.thread_time()
        assert not names_addresses(many, chat=True, most=500_000)
        assert counted - begun < (time.thread_time() - counted) / 2


def test_a_conversation_without_such_parts_is_not_parsed():
    assert not names_addresses(b'{"messages": [{"content": "see http://x, an \\"image\\": ..."', chat=True)


def test_names_written_in_escapes_are_the_same_names():
    assert names_addresses(b'{"m": [{"image\\u005furl": {"\\u0075rl": "http://x"}}]}', chat=True)


@pytest.mark.parametrize("body", [b'{"image":', b'{"image":' + b"[" * 100_000])
def test_of_what_cannot_be_read_nobody_knows(body):
    assert names_addresses(body, chat=True)


@given(
    st.recursive(
        st.just({"type": "image_url", "image_url": {"url": AT}}),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=2)
            | st.dictionaries(st.text(max_size=5), inner, min_size=1, max_size=2)
        ),
    )
)
def test_it_is_seen_wherever_it_stands(body):
    assert names_addresses(json.dumps(body).encode(), chat=True)
