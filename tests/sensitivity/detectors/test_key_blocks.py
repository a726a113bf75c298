"""Private keys and signed tokens."""

import base64
import hashlib
import json

import pytest
from support.tokens import filled

from gateway.sensitivity.detectors.key_blocks import PHRASES, ROWS
from gateway.sensitivity.sight import Sight

BY_ID = {row.detector.id: row.detector for row in (*ROWS, *PHRASES)}
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def header(kind, end=""):
    return f"-----{end or 'BEGIN'} {kind}PRIVATE " + "KEY-----"


def jwt(head):
    part = base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")
    return f"{part}.{filled('{A60}')}.{filled('{A43}')}"


def wif(raw):
    raw = b"\x80" + raw + b"\x01"
    number = int.from_bytes(raw + hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4], "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return text


BODY = filled("{A64}\n{A64}\n{A40}==")
KEY = f"{header('RSA ')}\n{BODY}\n{header('RSA ', 'END')}"
WIF = wif(bytes(range(7, 39)))

FOUND = [
    ("pem", KEY),
    ("pem", json.dumps(KEY)),
    ("pem", header("EC ") + "\\n" + filled("{A64}")),
    ("pem", header("OPENSSH ")),
    ("pem", f"{header('')}\n{BODY}"),
    ("pem", "-----BEGIN PGP PRIVATE KEY " + f"BLOCK-----\nVersion: 2\n\n{BODY}"),
    ("pem_in_base64", base64.b64encode(KEY.encode()).decode()),
    ("putty", f"PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 8\n{BODY}"),
    ("ssh_body", "b3BlbnNzaC1rZXktdjEA" + filled("{A80}")),
    ("jwk", json.dumps({"kty": "EC", "crv": "P-256", "d": filled("{A43}")})),
    ("jwt", f"Authorization: Bearer {jwt({'alg': 'HS256', 'typ': 'JWT'})}"),
    ("jwt", jwt({"alg": "none"})),
    ("xprv", "xprv" + filled("{A107}").replace("0", "1").replace("O", "P").replace("I", "J").replace("l", "m")),
    ("wif", f"wallet: {WIF}"),
    ("raw_private_key", f"private_key = 0x{filled('{H64}')}"),
    ("mnemonic", "seed phrase: " + "abandon ability able about above absent absorb abstract absurd abuse access accident"),
]  # fmt: skip

PASSED = [
    ("pem", f"{header('RSA ')}\n...\n{header('RSA ', 'END')}"),
    ("pem", f"-----BEGIN CERTIFICATE-----\n{BODY}"),
    ("pem", f"-----BEGIN PUBLIC KEY-----\n{BODY}"),
    ("pem_in_base64", base64.b64encode(f"-----BEGIN CERTIFICATE-----\n{BODY}".encode()).decode()),
    ("putty", "PuTTY-User-Key-File-2 is what the file begins with"),
    ("ssh_body", "b3BlbnNzaC1rZXktdjEA is what the body begins with"),
    ("jwk", json.dumps({"d": filled("{A43}")})),
    ("jwk", json.dumps({"kty": "EC", "d": "short"})),
    ("jwt", "eyJubyI6.eyJubyI6"),
    ("jwt", "eyJhbGciOiJub25lIn0 alone is a header"),
    ("xprv", "xpub" + filled("{A107}")),
    ("wif", f"wallet: {WIF[:-1]}{'1' if WIF[-1] != '1' else '2'}"),
    ("raw_private_key", f"public key hash = {filled('{H64}')} sha256"),
    ("mnemonic", "a seed phrase: twelve words that you keep"),
]


@pytest.mark.parametrize(("row", "text"), FOUND)
def test_found(row, text):
    assert list(BY_ID[f"secrets.{row}"].find(Sight(text)))


@pytest.mark.parametrize(("row", "text"), PASSED)
def test_passed_over(row, text):
    assert list(BY_ID[f"secrets.{row}"].find(Sight(text))) == []


def test_a_key_is_found_whole():
    (hit,) = BY_ID["secrets.pem"].find(Sight(f"the key:\n{KEY}\nand more"))
    assert f"the key:\n{KEY}\nand more"[hit.start : hit.end] == KEY


def test_every_row_has_its_cases():
    assert {f"secrets.{row}" for row, _ in FOUND} == {f"secrets.{row}" for row, _ in PASSED} == set(BY_ID)
