"""What we hand to a client to keep for us: text of an earlier turn that its protocol has no open place for.

It is not secret, and whoever sends it back may have changed it, so it is read and scanned like any other text.
"""

import binascii

SEALED = "gateway.1."
"""How it begins; what follows is base64 of JSON."""


def unsealed(text: str) -> bytes | None:
    """The JSON in a sealed text, None: there is none."""
    if not text.startswith(SEALED):
        return None
    try:
        return binascii.a2b_base64(text[len(SEALED) :].encode("ascii"))
    except ValueError:
        return None
