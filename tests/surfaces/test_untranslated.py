"""Where nothing is translated, answers go as they are."""

import json

from gateway.surfaces.untranslated import Untranslated

SURFACE = Untranslated(name="x")


def test_answers_go_as_they_are():
    reader = object()
    assert (SURFACE.answer(b"body", None), SURFACE.follow(reader, None)) == (b"body", reader)
    assert (SURFACE.drops(None), SURFACE.unasked(None)) == ((), None)


def test_errors_are_in_the_envelope():
    assert json.loads(SURFACE.error(500, {"message": "m"}, "req-1")) == {"error": {"message": "m"}}
