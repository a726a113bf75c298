"""Characters that end a line or steer a terminal, whoever wrote them: a caller, an upstream, the writer of a policy."""

import re

_UNSEEN = r"\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_STEERING = re.compile(rf"[\x00-\x1f{_UNSEEN}\ud800-\udfff]")
_LEFT_BY_JSON = re.compile(rf"[{_UNSEEN}]")


def plain(text: str) -> str:
    """Text without characters that would steer a terminal, end a line, or cannot be written at all."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def escaped(json: bytes) -> bytes:
    """A JSON document in which those are escaped, too, that JSON would leave as they are."""
    if json.isascii() and b"\x7f" not in json:
        return json
    return _LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", json.decode()).encode()
