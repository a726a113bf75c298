"""Ed25519 keys that vouch for policy trees. `cryptography` is imported only where a key is configured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.policy import signature
from gateway.policy.signature import Signature, Signed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_END = b"-----END PUBLIC KEY-----"
_MOST_BYTES = 100_000
_NO_PACKAGE = "signed policies need the `cryptography` package: pip install 'gateway[signatures]'"


class Unusable(Exception):
    """A key cannot be used. The message says which, and why."""


def verified(
    keys: Path, files: Mapping[str, bytes], lock: bytes | None, written: bytes | None
) -> tuple[Signed | None, str]:
    """What is signed of a tree with these files, this lock and this signature (None: it has none), if one of the public
    keys in a file says so; else None, and why it does not count. Raises Unusable."""
    public = _public_keys(keys)
    if written is None:
        return None, f"the tree is not signed: it has no {signature.NAME}; `gateway policy sign` makes it"
    found, why = signature.parse(signature.NAME, written)
    if found is None:
        return None, f"{signature.NAME} is damaged: {why}"
    if why := signature.why_not(found, files, lock):
        return None, why
    if not any(_is_by(key, found) for key in public):
        return None, f"{signature.NAME} is by none of the keys in {keys}"
    return found.signed, ""


def signature_by(reference: str, signed: Signed) -> Signature:
    """A signature by the private key behind `env:NAME` or `file:PATH`. Raises Unusable."""
    return signature.signature_of(signed, _private_key(reference).sign(signed.message))


def _is_by(key: Ed25519PublicKey, found: Signature) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(bytes.fromhex(found.ed25519), found.signed.message)
    except InvalidSignature:
        return False
    return True


def _public_keys(path: Path) -> list[Ed25519PublicKey]:
    """Every key of a file: while one takes the place of another, both are in it."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise Unusable(_NO_PACKAGE) from None
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES)
        found = [load_pem_public_key(each + _END) for each in raw.split(_END)[:-1]]
    except OSError as error:
        raise Unusable(f"cannot read the policy key {path}: {error.strerror}; see GATEWAY_POLICY_KEY") from None
    except ValueError:
        found = []
    keys = [key for key in found if isinstance(key, Ed25519PublicKey)]
    if not keys or len(keys) < len(found):
        raise Unusable(f"{path} is no file of Ed25519 public keys in PEM; see GATEWAY_POLICY_KEY")
    return keys


def _private_key(reference: str) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise Unusable(_NO_PACKAGE) from None
    source, _, name = reference.partition(":")
    if source not in ("env", "file") or not name:
        raise Unusable("a private key is `env:NAME` or `file:PATH`")
    try:
        raw = os.environ[name].encode() if source == "env" else Path(name).read_bytes()
    except KeyError:
        raise Unusable(f"{name} is not set") from None
    except OSError as error:
        raise Unusable(f"cannot read {name}: {error.strerror}") from None
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError):  # whatever the library says of it, its words are not repeated
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Unusable(f"{reference} is no Ed25519 private key in PEM without a password")
    return key
