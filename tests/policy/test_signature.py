"""What is signed, how it is written, and which signed tree may follow which. No key is needed for that."""

import msgspec
import pytest

from gateway.policy.document import Mark, Problem
from gateway.policy.signature import (
    Signed,
    parse,
    refused,
    signature_of,
    signed_of,
    superseded,
    text,
    why_not,
)

FILES = {"vocabulary.yaml": b"a: 1", "policies/a.yaml": b"b: 2"}
SIGNED = signed_of(FILES, b"lock", 7)
SIGNATURE = signature_of(SIGNED, bytes(range(64)))
WRITTEN = text(SIGNATURE).encode()


def test_what_is_written_is_read_as_it_was():
    assert parse("policy.sig", WRITTEN) == (SIGNATURE, "")
    assert (SIGNATURE.signed, SIGNATURE.ed25519[:8]) == (SIGNED, "00010203")


def test_what_is_signed_is_all_of_it_and_says_what_for():
    assert SIGNED.message.decode().splitlines() == [
        "gateway policy signature 1",
        "version 7",
        f"tree {SIGNED.tree}",
        f"lock {SIGNED.lock}",
    ]
    changes = ({"version": 8}, {"tree": "0" * 64}, {"lock": "0" * 64})
    others = {msgspec.structs.replace(SIGNED, **change).message for change in changes}
    assert len(others - {SIGNED.message}) == 3


@pytest.mark.parametrize("at", range(len(WRITTEN)))
def test_no_byte_of_it_may_be_otherwise(at):
    """Also where it would mean the same: in the comment, in the blanks, in the case of a digit."""
    for flip in (0x01, 0x20, 0x80):
        found, _ = parse("policy.sig", WRITTEN[:at] + bytes([WRITTEN[at] ^ flip]) + WRITTEN[at + 1 :])
        assert found is None or found != SIGNATURE


@pytest.mark.parametrize("at", range(0, len(WRITTEN), 7))
def test_no_beginning_of_it_is_one(at):
    assert parse("policy.sig", WRITTEN[:at])[0] is None
    assert parse("policy.sig", WRITTEN + WRITTEN[:at] + b"#")[0] is None


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"", "Expected `object`"),
        (b"version: 1\n", "missing required field"),
        (WRITTEN.replace(b"version: 7", b"version: 0"), "`int` >= 1"),
        (WRITTEN.replace(b"version: 7", b"version: seven"), "Expected `int`"),
        (WRITTEN.replace(b"version: 7", b"version: 07"), "Expected `int`"),
        (WRITTEN + b"more: 1\n", "unknown field"),
        (WRITTEN + b"\n", "it is not as it was written"),
        (WRITTEN + b"version: 8\n", "duplicate key"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_what_is_no_signature_is_told(written, why):
    found, said = parse("policy.sig", written)
    assert (found, why in said) == (None, True), said


@pytest.mark.parametrize(
    ("files", "lock", "why"),
    [
        (FILES, b"lock", ""),
        (FILES | {"policies/a.yaml": b"b: 3"}, b"lock", "policy.sig is for digest"),
        (FILES | {"policies/b.yaml": b""}, b"lock", "policy.sig is for digest"),
        ({"vocabulary.yaml": b"a: 1"}, b"lock", "policy.sig is for digest"),
        (FILES, b"other", "policy.sig is for another policy.lock"),
        (FILES, None, "policy.sig is for another policy.lock"),
    ],
)
def test_a_signature_is_for_these_files_and_this_lock(files, lock, why):
    said = why_not(SIGNATURE, files, lock)
    assert said.startswith(why)
    assert bool(said) == bool(why)


OTHER = signed_of({}, None, 7)


@pytest.mark.parametrize(
    ("signed", "in_force", "why"),
    [
        (SIGNED, None, ""),
        (SIGNED, SIGNED, ""),
        (msgspec.structs.replace(SIGNED, version=8), SIGNED, ""),
        (msgspec.structs.replace(OTHER, version=8), SIGNED, ""),  # a roll-back, signed anew
        (msgspec.structs.replace(SIGNED, version=6), SIGNED, "policy.sig is version 6, and version 7"),
        (OTHER, SIGNED, "policy.sig is version 7, and version 7"),
        (msgspec.structs.replace(SIGNED, lock="0" * 64), SIGNED, "policy.sig is version 7, and version 7"),
    ],
)
def test_what_is_older_never_follows_what_is_newer(signed, in_force, why):
    said = superseded(signed, in_force)
    assert said.startswith(why)
    assert bool(said) == bool(why)


def test_a_refusal_is_a_problem_of_the_signature():
    assert refused("tree", "why") == Problem(Mark("tree/policy.sig"), "P306", "why")


def test_values_that_cannot_be_are_none():
    for change in ({"version": 0}, {"tree": "A" * 64}, {"lock": ""}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(msgspec.to_builtins(SIGNED) | change, Signed)
