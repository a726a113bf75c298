"""Private keys and signed tokens, by their own structure: PEM and its kin, JWT, wallets' keys."""

import base64
import hashlib
import re

from gateway.sensitivity.detector import Detector, pattern
from gateway.sensitivity.detectors.values import filler
from gateway.sensitivity.sight import Sight, Words

_BODY = re.compile(r"[A-Za-z0-9+/]{16}")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _has_body(sight: Sight, start: int, end: int) -> bool:
    """A header alone is no key: something of base64 must follow it, and not the dots of a manual."""
    body = _BODY.search(sight.text, sight.text.index("KEY", start) + 3, min(start + 1200, end))
    return body is not None and not filler(body.group())


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


ROWS: tuple[Detector, ...] = (
    # RFC 7468 and OpenSSH; on one line with `\n` too, cut off too.
    pattern(
        "secrets.pem",
        "secret",
        r"-{4,5} ?BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)? ?-{4,5}[^\-]*(?:-[^\-]+)?(?:-{4,5} ?END [A-Z0-9 ]*-{4,5})?",
        trigger=r"-{4} ?BEGIN [A-Z0-9 ]*PRIVATE KEY",
        check=_has_body,
    ),
    pattern(
        "secrets.pem_in_base64",
        "secret",
        r"LS0tLS1CRUdJTi[A-Za-z0-9+/=\-_]{40,}",
        trigger="LS0tLS1CRUdJTi",
        check=lambda sight, start, end: (
            re.search("UFJJVkFURSBLRV|BSSVZBVEUgS0VZ|QUklWQVRFIEtFW", sight.text[start : start + 120]) is not None
        ),
    ),
    pattern(
        "secrets.putty",
        "secret",
        r"PuTTY-User-Key-File-\d: (?s:.){0,400}?Private-Lines: \d+\s+[A-Za-z0-9+/=\s]{40,}",
        trigger="PuTTY-User-Key-File-",
    ),
    pattern("secrets.ssh_body", "secret", r"b3BlbnNzaC1rZXktdjEA[A-Za-z0-9+/=]{40,}", trigger="b3BlbnNzaC1rZXktdjEA"),
    pattern(
        "secrets.jwk",
        "secret",
        r"\"(?:d|k)\"\s*:\s*\"([A-Za-z0-9_\-]{30,})\"",
        trigger=r"\"[dk]\"\s*:\s*\"[A-Za-z0-9_-]{9}",
        words=Words("kty", "alg", "crv"),
    ),
    # RFC 7519: header, claims, signature.
    pattern(
        "secrets.jwt",
        "secret",
        r"\b(ey[JIK][A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*)",
        trigger=r"ey[JIK][A-Za-z0-9_-]{8,}\.",
        check=_signed,
    ),
    # BIP 32 and the wallet import format.
    pattern(
        "secrets.xprv",
        "secret",
        r"\b([xyzt]prv[1-9A-HJ-NP-Za-km-z]{100,108})\b",
        trigger="[xyzt]prv[1-9A-HJ-NP-Za-km-z]{9}",
    ),
    pattern(
        "secrets.wif",
        "secret",
        r"\b([5KL9c][1-9A-HJ-NP-Za-km-z]{50,51})\b",
        trigger="[5KL9c][1-9A-HJ-NP-Za-km-z]{50}",
        check=_checked,
    ),
    pattern(
        "secrets.raw_private_key",
        "secret",
        r"\b((?:0x)?[0-9a-fA-F]{64})\b",
        trigger="[0-9a-fA-F]{64}",
        words=Words(
            "private key", "private_key", "privatekey", "priv_key", "privkey", "secret key", "secret_key", "mnemonic"
        ),
    ),
    pattern(
        "secrets.mnemonic",
        "secret",
        r"(?i)(?:mnemonic|seed phrase|recovery phrase|secret phrase)[^\n]{0,40}?[:=]\s*[\"']?((?:[a-z]{3,8} ){11,23}[a-z]{3,8})",
        trigger=r"(?i)(?:mnemonic|seed phrase|recovery phrase|secret phrase)",
    ),
)
