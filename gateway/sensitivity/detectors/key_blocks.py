"""Private keys and signed tokens, by their own structure: PEM and its kin, JWT, keys of wallets."""

import base64
import hashlib
import re

from gateway.sensitivity.detectors.bundles import Row, anchored, gated
from gateway.sensitivity.detectors.values import filler
from gateway.sensitivity.sight import Sight, Words

_BODY = re.compile(r"[A-Za-z0-9+/]{16}")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PRIVATE = ("UFJJVkFURSBLRV", "BSSVZBVEUgS0VZ", "QUklWQVRFIEtFW")  # `PRIVATE KEY` in base64, at its three places


def _has_body(sight: Sight, start: int, end: int) -> bool:
    """Base64 must follow the header, and not the dots of a manual; a header where a text ends was cut from its key."""
    after = sight.text.index("KEY", start) + 3
    body = _BODY.search(sight.text, after, min(start + 1200, end))
    if body is None:
        return not sight.text[after : after + 40].strip("- \r\n\"'BLOCK")
    return not filler(body.group())


def _says_private(sight: Sight, start: int, end: int) -> bool:
    """Whether the header that stands there in base64 is one of a private key."""
    head = sight.text[start : min(end, start + 120)]
    return any(part in head for part in _PRIVATE)


def _signed(sight: Sight, start: int, end: int) -> bool:
    """The first part of a JWT decodes to a JSON object (RFC 7515), or nearly, where a token was altered."""
    head = sight.text[start:end].split(".", 1)[0]
    decoded = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)) if len(head) % 4 != 1 else b'{"'
    return decoded[:2] in {b'{"', b"{ ", b"{\n"} and not filler(head)


def _checked(sight: Sight, start: int, end: int) -> bool:
    """Base58Check: the last four bytes are the double SHA-256 of the others."""
    number = 0
    for c in sight.text[start:end]:
        number = number * 58 + _BASE58.index(c)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


ROWS: tuple[Row, ...] = (
    # RFC 7468 and OpenSSH; on one line with `\n` too, cut off too.
    anchored(
        "secrets.pem",
        ("----BEGIN ", "---- BEGIN "),
        r"---- ?BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)? ?-{4,5}[^\-]{0,16384}(?:-[^\-]{1,80}){0,2}"
        r"(?:-{4,5} ?END [A-Z0-9 ]{3,40}-{4,5})?",
        check=_has_body,
        behind="-?",
        back=1,
    ),
    anchored(
        "secrets.pem_in_base64",
        ("LS0tLS1CRUdJTi",),
        r"LS0tLS1CRUdJTi[A-Za-z0-9+/=\-_]{40,16384}",
        check=_says_private,
    ),
    anchored(
        "secrets.putty",
        ("PuTTY-User-Key-File-",),
        r"PuTTY-User-Key-File-\d: [^\x00]{0,2000}?Private-Lines: \d{1,3}\s{1,4}[A-Za-z0-9+/=\s]{40,4000}",
    ),
    anchored("secrets.ssh_body", ("b3BlbnNzaC1rZXktdjEA",), r"b3BlbnNzaC1rZXktdjEA[A-Za-z0-9+/=]{40,16384}"),
    anchored(
        "secrets.jwk",
        ('"d"', '"k"'),
        r'"[dk]"\s{0,4}:\s{0,4}"([A-Za-z0-9_\-]{30,})"',
        words=Words("kty", "alg", "crv"),
    ),
    # RFC 7519: header, claims, signature.
    anchored(
        "secrets.jwt",
        ("eyJ", "eyI", "eyK"),
        r"(?<![A-Za-z0-9])(ey[JIK][A-Za-z0-9_\-]{8,2000}\.[A-Za-z0-9_\-]{8,8000}\.[A-Za-z0-9_\-]{0,2000})",
        check=_signed,
    ),
    # BIP 32 and the wallet import format.
    anchored("secrets.xprv", ("xprv", "yprv", "zprv", "tprv"), r"(?<!\w)[xyzt]prv[1-9A-HJ-NP-Za-km-z]{100,108}(?!\w)"),
    gated(
        "secrets.wif",
        ("private", "wallet", "bitcoin", "wif"),
        r"(?<!\w)[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51}(?!\w)",
        check=_checked,
    ),
    gated(
        "secrets.raw_private_key",
        ("private key", "private_key", "privatekey", "priv_key", "privkey", "secret key", "secret_key", "secretkey"),
        r"(?<!\w)(?:0x)?[0-9a-fA-F]{64}(?!\w)",
        words=Words(
            "private key", "private_key", "privatekey", "priv_key", "privkey", "secret key", "secret_key", "secretkey"
        ),
    ),
)

PHRASES: tuple[Row, ...] = (
    gated(
        "secrets.mnemonic",
        ("mnemonic", "seed phrase", "recovery phrase", "secret phrase"),
        r"(?i)(?:mnemonic|seed phrase|recovery phrase|secret phrase)[^\n]{0,40}?[:=]\s{0,4}[\"']?"
        r"((?:[a-z]{3,8} ){11,23}[a-z]{3,8})",
    ),
)
