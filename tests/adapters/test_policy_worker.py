"""Trees are loaded in a process of their own."""

import shutil
from pathlib import Path

import msgspec
import pytest
from support.server import ROOT
from support.signing import key_file, sign

from gateway.adapters.policy_files import load
from gateway.adapters.policy_worker import PolicyWorker


@pytest.fixture
async def worker():
    worker = PolicyWorker()
    yield worker
    await worker.close()


@pytest.fixture
def tree(tmp_path):
    return Path(shutil.copytree(ROOT / "routing_policies", tmp_path / "tree"))


async def test_it_says_what_a_load_here_says_and_serves_again(worker, tree, tmp_path):
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "a.yaml").write_text("backends: {found: {provider: ollama, base_url: 'http://localhost:11434/v1'}}\n")
    for more in (None, extra):
        expected = load(tree, more)
        assert expected.bundle is not None
        assert await worker.load(tree, more) == msgspec.structs.replace(expected, sources={})
    first = worker._worker._idle.pid
    (tree / "policies" / "base.yaml").write_text("policy: [\n")
    parsed = await worker.load(tree, None)
    assert (parsed.bundle, parsed.problems) == (None, load(tree).problems)
    assert worker._worker._idle.pid == first


async def test_a_tree_that_cannot_be_read_is_a_problem_of_the_tree(worker, tmp_path):
    parsed = await worker.load(tmp_path / "nowhere", None)
    assert [str(each) for each in parsed.problems] == [
        f"{tmp_path}/nowhere:1:1 P004 no policy directory at {tmp_path}/nowhere; set GATEWAY_POLICIES or --policies"
    ]


async def test_it_does_not_run_what_lies_in_the_working_directory(worker, tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yaml.py").write_text("raise SystemExit('not ours')\n")
    assert (await worker.load(tree, None)).bundle is not None


async def test_with_a_key_it_loads_what_is_signed(tree, tmp_path):
    worker = PolicyWorker(key_file(tmp_path))
    parsed = await worker.load(tree, None)
    assert (parsed.bundle, [each.code for each in parsed.problems]) == (None, ["P306"])
    sign(tree, 7)
    parsed = await worker.load(tree, None)
    assert (parsed.bundle.digest, parsed.signed.version) == (load(tree).bundle.digest, 7)
    await worker.close()
