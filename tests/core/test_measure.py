"""What a chat asks of a backend. How much there is of it to read: test_chat."""

import json

import pytest

from gateway.core.chat import parse


@pytest.mark.parametrize(
    ("message", "needs"),
    [
        ({"content": [{"image_url": {"url": "https://x"}}]}, {"vision"}),
        ({"content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}, {"vision"}),
        ({"content": [{"type": "input_audio", "input_audio": {"data": "AA"}}]}, {"audio"}),
        ({"content": "x"}, set()),
    ],
)
def test_parts_need_what_they_show(message, needs):
    body = {"model": "m", "messages": [{"role": "user", **message}]}
    assert parse(json.dumps(body).encode()).needs == {"chat"} | needs
