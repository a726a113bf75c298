"""Parts that are no text: what they count for at most."""

import msgspec
import pytest

from gateway.core.view import FILE_BYTES, IMAGE_BYTES, PART_BYTES, UNSEEN_BYTES, Part

DATA = "data:application/pdf;base64," + "A" * 10_000


@pytest.mark.parametrize(
    ("part", "text", "attached"),
    [
        ({"type": "text", "text": "x"}, True, None),
        ({"type": "input_text", "text": "x"}, True, None),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, False, IMAGE_BYTES),
        ({"type": "text", "image_url": {"url": "https://x/y.png"}}, False, IMAGE_BYTES),
        ({"type": "file", "file": {"file_id": "f"}}, False, UNSEEN_BYTES),
        ({"type": "video_url"}, False, UNSEEN_BYTES),
        ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, False, PART_BYTES),
        ({"type": "file", "file": {"file_data": DATA}}, False, FILE_BYTES * (len(DATA) + 16)),
    ],
)
def test_a_part(part, text, attached):
    read = msgspec.json.decode(msgspec.json.encode(part), type=Part)
    assert read.is_text is text
    if attached is not None:
        assert read.attached_bytes == pytest.approx(attached, rel=0.01)
