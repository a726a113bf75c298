"""policy.sig: who vouches for a tree. What is signed, how it is written, and which signed tree may follow which.

Nothing here verifies: that takes a key, and is done where keys are read (`adapters.signing`).
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated

import msgspec

from gateway.policy.digest import SHOWN, whole_digest_of
from gateway.policy.document import Document, Mark, Problem

NAME = "policy.sig"
"""What it is called, beside the files of a tree. It is none of them, so their digest does not change with it."""

CODE = "P306"

_HEAD = """\
# Written by `gateway policy sign`; do not edit. It counts for these files, and for no other.
"""

_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Version = Annotated[int, msgspec.Meta(ge=1, le=10**15)]


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a signature is over: the digest of a tree's files, that of its policy.lock (of nothing, if there is none),
    and the version, which only grows: what is older never takes the place of what is newer."""

    version: _Version
    tree: _Sha256
    lock: _Sha256

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        return f"gateway policy signature 1\nversion {self.version}\ntree {self.tree}\nlock {self.lock}\n".encode()


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signature as its file has it; `ed25519` in hexadecimal."""

    version: _Version
    tree: _Sha256
    lock: _Sha256
    ed25519: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]

    @property
    def signed(self) -> Signed:
        """What it says that it is over."""
        return Signed(self.version, self.tree, self.lock)


def signed_of(files: Mapping[str, bytes], lock: bytes | None, version: int) -> Signed:
    """What is to be signed of a tree with these files and this lock; None: it has none."""
    return Signed(version, whole_digest_of(files), hashlib.sha256(lock or b"").hexdigest())


def signature_of(signed: Signed, ed25519: bytes) -> Signature:
    """The signature, to be written."""
    return Signature(signed.version, signed.tree, signed.lock, ed25519.hex())


def parse(file: str, raw: bytes) -> tuple[Signature | None, str]:
    """The signature in a file; or None, and why there is none. No byte may be otherwise than it was written."""
    document = Document(file, raw)
    if document.problems:
        return None, min(document.problems).message
    try:
        found = msgspec.convert(document.data, Signature)
    except msgspec.ValidationError as error:
        return None, str(error)
    return (found, "") if text(found).encode() == raw else (None, "it is not as it was written")


def text(signature: Signature) -> str:
    """The signature as a file: YAML, in one form only. What could be read as a number is quoted."""
    fields = ("tree", "lock", "ed25519")
    lines = [f"version: {signature.version}", *(f'{name}: "{getattr(signature, name)}"' for name in fields)]
    return _HEAD + "\n".join(lines) + "\n"


def why_not(signature: Signature, files: Mapping[str, bytes], lock: bytes | None) -> str:
    """Why a signature, whoever made it, is not one of these files; empty: it is."""
    actual = signed_of(files, lock, signature.version)
    if signature.tree != actual.tree:
        return f"{NAME} is for digest {signature.tree[:SHOWN]}, this is {actual.tree[:SHOWN]}"
    if signature.lock != actual.lock:
        return f"{NAME} is for another policy.lock"
    return ""


def superseded(signed: Signed, in_force: Signed | None) -> str:
    """Why a signed tree may not follow the one that was last in force; empty: it may."""
    if in_force is None or signed == in_force or signed.version > in_force.version:
        return ""
    known = f"version {in_force.version} (digest {in_force.tree[:SHOWN]}) was in force here"
    how = "sign this tree anew to go back to it" if signed.version < in_force.version else "sign it with a higher one"
    return f"{NAME} is version {signed.version}, and {known}; {how}"


def refused(tree: str, why: str) -> Problem:
    """The problem that keeps a tree from loading."""
    return Problem(Mark(f"{tree}/{NAME}"), CODE, why)
