"""The envelope."""

import json

import pytest

from gateway.core.errors import Refusal, Refused
from gateway.http.errors import refusal


@pytest.mark.parametrize("kind", Refusal)
def test_every_refusal_has_the_four_keys_and_its_status(kind):
    status, headers, body = refusal(Refused(kind, "words", param="p", retry_after=3), "req-1")
    assert status == kind.status
    assert json.loads(body) == {"error": {"message": "words", "type": kind.type, "param": "p", "code": kind.code}}
    assert dict(headers) == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
        b"x-request-id": b"req-1",
        b"retry-after": b"3",
    }
