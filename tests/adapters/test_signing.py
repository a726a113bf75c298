"""Who signed a tree: one of the keys that are configured, or it does not count."""

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from support.signing import KEY, OTHER, key_file, private_pem, public_pem

from gateway.adapters import signing
from gateway.adapters.signing import Unusable, signature_by, verified
from gateway.policy.signature import signature_of, signed_of, text

FILES = {"vocabulary.yaml": b"a: 1", "policies/a.yaml": b"b: 2"}
SIGNED = signed_of(FILES, None, 7)


def written(key=KEY, signed=SIGNED):
    return text(signature_of(signed, key.sign(signed.message))).encode()


def test_a_tree_that_a_known_key_signed_counts(tmp_path):
    assert verified(key_file(tmp_path), FILES, None, written()) == (SIGNED, "")


def test_while_keys_change_both_count(tmp_path):
    keys = key_file(tmp_path, OTHER, KEY)
    assert [verified(keys, FILES, None, written(key)) for key in (KEY, OTHER)] == [(SIGNED, "")] * 2


@pytest.mark.parametrize(
    ("files", "raw", "why"),
    [
        (FILES, None, "the tree is not signed: it has no policy.sig"),
        (FILES, b"version: 7\n", "policy.sig is damaged: "),
        (FILES, written(OTHER), "policy.sig is by none of the keys in "),
        (FILES | {"a.yaml": b""}, written(), "policy.sig is for digest "),
        (FILES, written().replace(b"version: 7", b"version: 8"), "policy.sig is by none of the keys in "),
    ],
)
def test_what_does_not_count_is_told(tmp_path, files, raw, why):
    signed, said = verified(key_file(tmp_path), files, None, raw)
    assert (signed, said.startswith(why)) == (None, True), said


def test_what_is_signed_by_command_counts(tmp_path, monkeypatch):
    pem = tmp_path / "key.pem"
    pem.write_bytes(private_pem())
    monkeypatch.setenv("SIGNING_KEY", private_pem().decode())
    found = {text(signature_by(reference, SIGNED)) for reference in (f"file:{pem}", "env:SIGNING_KEY")}
    assert found == {written().decode()}


def encrypted():
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))


@pytest.mark.parametrize(
    ("reference", "raw", "why"),
    [
        ("file:", b"", "a private key is `env:NAME` or `file:PATH`"),
        ("secret", b"", "a private key is `env:NAME` or `file:PATH`"),
        ("env:NO_SUCH_KEY", b"", "NO_SUCH_KEY is not set"),
        ("file:nowhere", b"", "cannot read nowhere: No such file or directory"),
        ("file:key.pem", b"nonsense", "file:key.pem is no Ed25519 private key in PEM without a password"),
        ("file:key.pem", public_pem(KEY), "file:key.pem is no Ed25519 private key in PEM without a password"),
        ("file:key.pem", encrypted(), "file:key.pem is no Ed25519 private key in PEM without a password"),
    ],
)
def test_a_private_key_that_is_none_is_told(tmp_path, monkeypatch, reference, raw, why):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    (tmp_path / "key.pem").write_bytes(raw)
    with pytest.raises(Unusable) as told:
        signature_by(reference, SIGNED)
    assert str(told.value) == why


def rsa():
    return public_pem(generate_private_key(65537, 2048))


@pytest.mark.parametrize(
    "raw", [b"", b"nonsense", private_pem(), rsa(), public_pem(KEY) + rsa(), public_pem(KEY).replace(b"MC", b"MD")]
)
def test_a_file_of_public_keys_that_is_none_is_told(tmp_path, raw):
    keys = tmp_path / "policy.pub"
    keys.write_bytes(raw)
    with pytest.raises(Unusable, match=r"policy\.pub is no file of Ed25519 public keys in PEM; see GATEWAY_POLICY_KEY"):
        verified(keys, FILES, None, written())


def test_keys_that_are_not_there_are_told(tmp_path):
    with pytest.raises(Unusable, match=r"cannot read the policy key .*nowhere: No such file"):
        verified(tmp_path / "nowhere", FILES, None, written())


def test_without_the_package_it_is_told_how_to_get_it(tmp_path, monkeypatch):
    keys = key_file(tmp_path)
    for name in ("cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.hazmat.primitives.serialization"):
        monkeypatch.setitem(sys.modules, name, None)
    for attempt in (lambda: verified(keys, FILES, None, b""), lambda: signature_by("env:X", SIGNED)):
        with pytest.raises(Unusable, match=r"pip install 'gateway\[signatures\]'"):
            attempt()


def test_whoever_signs_nothing_does_not_load_the_package():
    loaded = "import gateway.app, gateway.cli, sys; print([n for n in sys.modules if n.startswith('cryptography')])"
    said = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
    assert "cryptography" not in vars(signing)
