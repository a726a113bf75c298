"""What was in force stays the least that may be in force, over restarts."""

import pytest

from gateway.adapters.policy_versions import PolicyVersions
from gateway.policy.parse import Parsed
from gateway.policy.signature import signed_of


def tree(version, files=()):
    return Parsed(None, (), {}, signed_of(dict(files), None, version))


def test_versions_only_grow_also_over_restarts(tmp_path):
    assert PolicyVersions(tmp_path).in_force is None
    assert PolicyVersions(tmp_path).admit(tree(7)) == ""
    again = PolicyVersions(tmp_path)
    assert (again.in_force.version, again.admit(tree(7)), again.admit(tree(9))) == (7, "", "")
    assert again.admit(tree(8)).startswith("policy.sig is version 8, and version 9")
    assert again.admit(tree(9, {"a": b""})).startswith("policy.sig is version 9, and version 9")
    assert PolicyVersions(tmp_path).in_force == tree(9).signed
    assert [path.name for path in tmp_path.iterdir()] == ["policy.version"]


def test_what_is_not_signed_leaves_no_trace(tmp_path):
    assert PolicyVersions(tmp_path).admit(Parsed(None, (), {})) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("raw", [b"", b"{}", b"7", b'{"version":0}'])
def test_what_cannot_be_read_admits_nothing(tmp_path, raw):
    (tmp_path / "policy.version").write_bytes(raw)
    assert "policy.version cannot be read or written" in PolicyVersions(tmp_path).admit(tree(7))
    assert (tmp_path / "policy.version").read_bytes() == raw


def test_what_cannot_be_kept_is_not_admitted(tmp_path):
    (tmp_path / ".policy.version.new").mkdir()
    assert "policy.version cannot be read or written" in PolicyVersions(tmp_path).admit(tree(7))
    assert PolicyVersions(tmp_path).in_force is None
