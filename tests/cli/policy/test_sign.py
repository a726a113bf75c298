"""`gateway policy sign`: only what loads is signed, versions grow, and the server's own check takes it."""

import json

import pytest
from support.policy_commands import run, spoil
from support.signing import KEY, OTHER, key_file, private_pem

from gateway.adapters.policy_files import load
from gateway.policy.signature import parse


@pytest.fixture
def key(tmp_path, tree):
    path = tmp_path / "key.pem"
    path.write_bytes(private_pem())
    return f"file:{path}"


def signature(tree):
    return parse("policy.sig", (tree / "policy.sig").read_bytes())[0]


def test_a_signed_tree_is_what_check_wants(tree, tmp_path, key, monkeypatch):
    monkeypatch.setenv("GATEWAY_POLICY_KEY", str(key_file(tmp_path)))
    code, out, _ = run("check", tree)
    assert (code, "P306 the tree is not signed" in out) == (1, True)
    code, out, err = run("sign", tree, "--key", key, "--version", 3)
    assert (code, err) == (0, "")
    assert out == f"wrote {tree / 'policy.sig'} (digest {load(tree).bundle.digest}, version 3)\n"
    assert run("check", tree)[0] == 0
    (tree / "policies/a.yaml").write_text((tree / "policies/a.yaml").read_text() + "# more\n")
    code, out, _ = run("check", tree)
    assert (code, "P306 policy.sig is for digest" in out) == (1, True)


def test_a_version_is_the_time_and_more_than_the_last(tree, key, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1000.5)
    found = []
    for _ in range(3):
        code, out, _ = run("sign", tree, "--key", key, "--format", "json")
        assert (code, json.loads(out)["version"]) == (0, signature(tree).version)
        found.append(signature(tree).version)
    assert found == [1000, 1001, 1002]
    code, _, err = run("sign", tree, "--key", key, "--version", 1002)
    assert (code, err) == (2, "policy.sig is version 1002 already; take a higher one\n")
    assert signature(tree).version == 1002


def test_a_damaged_signature_is_written_anew(tree, key):
    (tree / "policy.sig").write_text("nonsense")
    assert run("sign", tree, "--key", key, "--version", 1)[0] == 0
    assert signature(tree).version == 1


def test_what_would_not_load_is_not_signed(tree, key):
    spoil(tree)
    code, _, err = run("sign", tree, "--key", key)
    assert (code, "the tree would not load; nothing is signed" in err) == (1, True)
    assert not (tree / "policy.sig").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the private key with --key: env:NAME or file:PATH\n"),
        (["--key", "nonsense"], "a private key is `env:NAME` or `file:PATH`\n"),
        (["--key", "file:nowhere"], "cannot read nowhere: No such file or directory\n"),
    ],
)
def test_a_key_that_is_none_is_told(tree, words, said):
    assert run("sign", tree, *words) == (2, "", said)


def test_a_key_that_this_gateway_would_not_take_is_told(tree, tmp_path, key, monkeypatch):
    monkeypatch.setenv("GATEWAY_POLICY_KEY", str(key_file(tmp_path, OTHER)))
    code, _, err = run("sign", tree, "--key", key)
    assert (code, err.startswith("this key does not count here: policy.sig is by none of the keys in")) == (2, True)
    monkeypatch.setenv("GATEWAY_POLICY_KEY", str(key_file(tmp_path, OTHER, KEY)))
    assert run("sign", tree, "--key", key)[0] == 0


def test_a_tree_that_cannot_be_written_is_told(tree, key, monkeypatch):
    (tree / "policy.sig").mkdir()
    code, _, err = run("sign", tree, "--key", key)
    assert (code, "policy.sig is no regular file" in err) == (2, True)
