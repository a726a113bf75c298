"""Chat is the canonical form: nothing is translated."""

import json

from gateway.surfaces import CHAT, SURFACES

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "more": 1.50}'


def test_nothing_is_translated():
    chat = CHAT.parse(BODY, 7)
    assert (chat.arrived, chat.native, chat.operation) == (7, None, "chat")
    assert CHAT.answer(b"body", chat) == b"body"
    reader = object()
    assert CHAT.follow(reader, chat) is reader


def test_an_error_is_in_the_envelope():
    assert json.loads(CHAT.error(500, {"message": "m"}, "req-1")) == {"error": {"message": "m"}}


def test_every_surface_goes_by_its_name_and_tells_the_request_id():
    assert all(name == surface.name for name, surface in SURFACES.items())
    assert all(surface.id_headers[0] == b"x-request-id" for surface in SURFACES.values())
