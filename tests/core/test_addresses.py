"""Parts of a request that are only named by an address."""

import json

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
    ],
)
def test_what_is_an_address(body, expected):
    assert names_addresses(json.dumps(body).encode()) is expected


def test_names_written_in_escapes_are_the_same_names():
    assert names_addresses(b'{"m": [{"image\\u005furl": {"\\u0075rl": "http://x"}}]}')


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000])
def test_of_what_cannot_be_read_nobody_knows(body):
    assert names_addresses(body)


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
    assert names_addresses(json.dumps(body).encode())
