"""A small tree in an empty working directory."""

from pathlib import Path

import pytest
from support.policy_commands import small_tree


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GATEWAY_POLICIES", "GATEWAY_EXTRA_CATALOG", "GATEWAY_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    return small_tree(Path("tree"))
