"""Ed25519 keys for tests, and signed trees."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.adapters.policy_files import read_beside, read_tree
from gateway.policy.signature import NAME, signature_of, signed_of, text

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))


def private_pem(key=KEY) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(*keys) -> bytes:
    return b"".join(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys)


def key_file(folder: Path, *keys) -> Path:
    """A file with public keys."""
    path = folder / "policy.pub"
    path.write_bytes(public_pem(*keys or [KEY]))
    return path


def sign(tree: Path, version: int, key=KEY) -> bytes:
    """Signs a tree as it lies there."""
    signed = signed_of(read_tree(tree), read_beside(tree, "policy.lock"), version)
    made = text(signature_of(signed, key.sign(signed.message))).encode()
    (tree / NAME).write_bytes(made)
    return made
