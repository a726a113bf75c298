"""Trees are loaded in a process of their own, which may die, hang, or be left alone at any moment."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from support.server import ROOT
from support.signing import key_file, sign

from gateway.adapters import policy_worker
from gateway.adapters.policy_files import load
from gateway.adapters.policy_worker import PolicyWorker, WorkerLost


@pytest.fixture
async def worker():
    worker = PolicyWorker()
    yield worker
    await worker.close()


@pytest.fixture
def tree(tmp_path):
    return Path(shutil.copytree(ROOT / "routing_policies", tmp_path / "tree"))


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:  # noqa: ASYNC110  the end of a process tells nobody
        await asyncio.sleep(0.02)
    return not alive(pid)


async def test_it_says_what_a_load_here_says_and_serves_again(worker, tree, tmp_path):
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "a.yaml").write_text("backends: {found: {provider: ollama, base_url: 'http://localhost:11434/v1'}}\n")
    for more in (None, extra):
        expected = load(tree, more)
        assert expected.bundle is not None
        assert await worker.load(tree, more) == msgspec.structs.replace(expected, sources={})
    first = worker._idle.pid
    (tree / "policies" / "base.yaml").write_text("policy: [\n")
    parsed = await worker.load(tree, None)
    assert (parsed.bundle, parsed.problems) == (None, load(tree).problems)
    assert worker._idle.pid == first


async def test_a_tree_that_cannot_be_read_is_a_problem_of_the_tree(worker, tmp_path):
    parsed = await worker.load(tmp_path / "nowhere", None)
    assert [str(each) for each in parsed.problems] == [
        f"{tmp_path}/nowhere:1:1 P004 no policy directory at {tmp_path}/nowhere; set GATEWAY_POLICIES or --policies"
    ]


async def test_a_worker_that_died_meanwhile_is_replaced_and_nobody_notices(worker, tree):
    await worker.load(tree, None)
    for wait in (True, False):  # whether its end has been heard of or not
        os.kill(dead := worker._idle.pid, signal.SIGKILL)
        assert not wait or await gone(dead)
        assert (await worker.load(tree, None)).bundle is not None
        assert worker._idle.pid != dead


async def test_a_tree_that_kills_every_worker_is_told(worker, tree, monkeypatch):
    monkeypatch.setattr(
        policy_worker,
        "_MAIN",
        "import os\nfrom gateway.adapters import policy_worker as it\nit.load = lambda *where: os._exit(1)\nit.main()",
    )
    for _ in range(2):
        with pytest.raises(WorkerLost, match="ended half-way"):
            await worker.load(tree, None)


async def test_a_load_that_takes_too_long_is_given_up_with_its_worker(worker, tree, monkeypatch):
    await worker.load(tree, None)
    os.kill(first := worker._idle.pid, signal.SIGSTOP)
    monkeypatch.setattr(policy_worker, "MOST_SECONDS", 0.1)
    with pytest.raises(WorkerLost, match="longer than 0 s"):
        await worker.load(tree, None)
    assert await gone(first)


async def test_nobody_gets_the_answer_of_a_load_that_was_cancelled(worker, tree):
    await worker.load(tree, None)
    os.kill(first := worker._idle.pid, signal.SIGSTOP)
    loading = asyncio.create_task(worker.load(tree, None))
    await asyncio.sleep(0.05)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert await gone(first)
    assert (await worker.load(tree.parent, None)).bundle is None


async def test_closing_ends_it_and_is_no_matter_where_it_never_began(worker, tree):
    await PolicyWorker().close()
    await worker.load(tree, None)
    pid = worker._idle.pid
    await worker.close()
    assert not alive(pid)


async def test_a_worker_that_does_not_listen_is_ended_all_the_same(worker, tree, monkeypatch):
    monkeypatch.setattr(policy_worker, "_STOP_SECONDS", 0.1)
    await worker.load(tree, None)
    os.kill(pid := worker._idle.pid, signal.SIGSTOP)
    await worker.close()
    assert not alive(pid)


async def test_it_does_not_outlive_a_server_that_is_killed(tree):
    server = f"""
import asyncio, pathlib, time
from gateway.adapters.policy_worker import PolicyWorker
async def main():
    worker = PolicyWorker()
    await worker.load(pathlib.Path({str(tree)!r}), None)
    print(worker._idle.pid, flush=True)
    time.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE) as process:  # noqa: ASYNC220
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.kill()
    assert await gone(pid)


async def test_it_does_not_run_what_lies_in_the_working_directory(worker, tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yaml.py").write_text("raise SystemExit('not ours')\n")
    assert (await worker.load(tree, None)).bundle is not None


async def test_what_is_printed_while_loading_does_not_get_among_the_answers(worker, tree, monkeypatch, capfd):
    monkeypatch.setattr(
        policy_worker,
        "_MAIN",
        "from gateway.adapters import policy_worker as it; load = it.load\n"
        "def loud(*where): print('loud', flush=True); return load(*where)\n"
        "it.load = loud; it.main()",
    )
    assert (await worker.load(tree, None)).bundle is not None
    assert capfd.readouterr() == ("", "loud\n")


async def test_with_a_key_it_loads_what_is_signed(tree, tmp_path):
    worker = PolicyWorker(key_file(tmp_path))
    parsed = await worker.load(tree, None)
    assert (parsed.bundle, [each.code for each in parsed.problems]) == (None, ["P306"])
    sign(tree, 7)
    parsed = await worker.load(tree, None)
    assert (parsed.bundle.digest, parsed.signed.version) == (load(tree).bundle.digest, 7)
    await worker.close()
