"""The policy changes under load: no request suffers, and each is decided by a tree that was good."""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx2
import pytest
from support.server import ROOT, Server, backend, serving
from support.signing import key_file, sign
from support.upstream import DONE, HANG, OK, STREAM_END, STREAM_HEAD, USAGE_EVENT, Upstream, answer, chunk, delta

from gateway.adapters.decisions import read
from gateway.adapters.policy_files import PolicyFiles, digest_on_disk, load
from gateway.adapters.policy_worker import PolicyWorker

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
SECONDS = 60 if FULL else 4


VOCABULARY = (ROOT / "routing_policies" / "vocabulary.yaml").read_text()
BASE = """\
policy: base
owner: me
rules:
  - {id: own, permit: {to: {deployment: self_hosted}}}
  - {id: suspended-is-off, forbid: {to: {status: [suspended, retired]}}, in_flight: revoke}
"""
INVARIANTS = """\
invariants:
  - id: stays-home
    over: any_backend
    never: {request: {sensitivity: ">= confidential"}, backend: {deployment: {not: self_hosted}}}
"""


@pytest.fixture
def policies(tmp_path) -> Path:
    tree = tmp_path / "tree"
    (tree / "policies").mkdir(parents=True)
    (tree / "vocabulary.yaml").write_text(VOCABULARY)
    (tree / "invariants.yaml").write_text(INVARIANTS)
    (tree / "policies" / "base.yaml").write_text(BASE)
    return tree


def rules(*written: str) -> str:
    return "policy: more\nowner: me\nrules:\n" + "".join(f"  - {{{rule}}}\n" for rule in written)


def of(number: int) -> str:
    """The file of one change. Three of ten do not load: no YAML, no such word, a promise that is broken."""
    here = f"id: r{number}, forbid: {{when: {{team: team-{number}}}}}"
    match number % 10:
        case 2:
            return rules(here) + "  - [\n"
        case 5:
            return rules(here.replace("team:", "taem:"))
        case 8:
            return rules(here, "id: leak, permit: {to: {deployment: vendor_api}}")
        case _:
            return rules(here)


def replace(path: Path, text: str) -> None:
    """As careful editors and git do: whoever reads has the old file or the new one."""
    other = path.parent.parent / "being-written"
    other.write_text(text)
    other.replace(path)


@pytest.mark.alone
@pytest.mark.assures("fault 17", "threat F4")
def test_a_storm_of_reloads_disturbs_no_request_and_only_good_trees_decide(
    tmp_path, policies, upstream: Upstream, showed
):
    more = policies / "policies" / "more.yaml"
    upstream.scripts["w"] = [answer(OK)]
    upstream.scripts["v"] = [
        STREAM_HEAD,
        chunk(delta("x")),
        0.05,
        chunk(delta("y", "stop") + USAGE_EVENT + DONE),
        STREAM_END,
    ]
    catalog = {name: backend(upstream.url(name)) for name in "wv"}
    stop = threading.Event()
    answers: list[tuple[int, bytes]] = []

    with serving(tmp_path, catalog, policies) as server:
        key = server.key()

        def ask(model: str) -> None:
            body = {"model": model, "stream": model == "v", "messages": [{"role": "user", "content": "hi"}]}
            with httpx2.Client(headers={"authorization": f"Bearer {key}"}) as client:
                while not stop.is_set():
                    answered = client.post(f"{server.base}/v1/chat/completions", json=body)
                    answers.append((answered.status_code, answered.content))

        good = {load(policies, tmp_path / "extra").bundle.digest}
        askers = [threading.Thread(target=ask, args=(model,)) for model in "wwv"]
        for each in askers:
            each.start()
        began = time.monotonic()
        for number in range(SECONDS * 10):
            replace(more, of(number))
            parsed = load(policies, tmp_path / "extra")
            assert (parsed.bundle is None) == (number % 10 in (2, 5, 8))
            if parsed.bundle is not None:
                good.add(parsed.bundle.digest)
            time.sleep(max(0.0, began + (number + 1) / 10 - time.monotonic()))
        last = load(policies, tmp_path / "extra").bundle.digest
        ready = {}
        while (ready.get("digest"), ready.get("stale")) != (last, False):
            assert time.monotonic() < began + SECONDS + 10, ready
            time.sleep(0.05)
            ready = httpx2.get(f"{server.base}/readyz").json()["policy"]
        stop.set()
        for each in askers:
            each.join()
        failures = server.metrics()["gateway_policy_reload_failures_total"]

    assert {status for status, _ in answers} == {200}
    assert all(body.endswith(DONE) or b'"hello"' in body for _, body in answers)
    used = {stored.policy_digest for stored in read(server.state, 0)}
    assert len(list(read(server.state, 0))) == len(answers)
    assert used <= good
    loads = [json.loads(line)["digest"] for line in server.log.read_text().splitlines() if '"policy_loaded"' in line]
    assert set(loads) <= good
    assert len(loads) > 2  # a busy machine loads few of them: what changes during a load leads to one more
    assert failures > 0
    assert len(used) > 1
    showed(
        f"{SECONDS * 10} replaced files, 3 of 10 bad, {len(answers):,} requests",
        "every decision has a digest of a good tree",
    )


@pytest.mark.alone
@pytest.mark.assures("fault 17")
async def test_a_reload_leaves_the_event_loop_free(policies, record_property):
    """The bound is loose, since machines are shared; what was seen is in the report of the run."""
    more = policies / "policies" / "more.yaml"
    many = rules(*(f"id: m{n}, forbid: {{when: {{team: [t{n}, u{n}], app: a{n}}}}}" for n in range(200)))
    worker = PolicyWorker()
    files = PolicyFiles(
        policies, None, load(policies), load_apart=worker.load, on_load=lambda *_: None, on_failure=lambda *_: None
    )
    gaps: list[float] = []

    async def look() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before - 0.001)
            before = time.perf_counter()

    more.write_text(many)
    began = time.perf_counter()
    load(policies)
    here = time.perf_counter() - began
    await worker.load(policies, None)  # started, as it is from the first change on
    looking = asyncio.create_task(look())
    longest = []
    for number in range(7):
        more.write_text(f"{many}  # {number}\n")
        before = files.current
        gaps.clear()
        await files.reload()
        assert files.current is not before
        assert len(gaps) > 10
        longest.append(max(gaps))
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
    await worker.close()
    typical = statistics.median(longest)
    record_property("longest_gap_ms", round(typical * 1000, 2))
    record_property("load_ms", round(here * 1000, 2))
    assert typical < here / 2


@pytest.mark.alone
@pytest.mark.assures("fault 18")
def test_a_suspension_is_live_within_a_second_cuts_what_runs_and_survives_a_restart(
    tmp_path, policies, upstream: Upstream
):
    upstream.scripts["far"] = [STREAM_HEAD, chunk(delta("x")), HANG]
    upstream.scripts["near"] = [answer(OK)]
    catalog = {"far": backend(upstream.url("far"), substitute="near"), "near": backend(upstream.url("near"))}
    body = {"model": "far", "messages": [{"role": "user", "content": "hi"}]}

    with serving(tmp_path, catalog, policies) as server:
        client = httpx2.Client(headers={"authorization": f"Bearer {server.key()}"}, timeout=10)
        url, admin = f"{server.base}/v1/chat/completions", f"http://127.0.0.1:{server.admin_port}/admin/backends"

        def served() -> str | None:
            return client.post(url, json=body).headers.get("x-gateway-backend")

        with client.stream("POST", url, json={**body, "stream": True}) as running:
            lines = running.iter_lines()
            assert "x" in next(lines)
            ordered = server.cli("backends", "suspend", "far", "--reason", "court order")
            assert ordered.returncode == 0, ordered.stderr
            began = time.monotonic()
            assert any("policy_revoked" in line for line in lines)
            assert time.monotonic() - began < 1
        assert served() == "near"
        (row,) = [row for row in httpx2.get(admin).json() if row["id"] == "far"]
        assert (row["status"], row["suspension"]["reason"]) == ("suspended", "court order")
        assert server.metrics()['gateway_model_status{model="far"}'] == 0
        server.stop()
        server.start()
        assert served() == "near"
        upstream.scripts["far"] = [answer(OK)]
        assert httpx2.post(f"{admin}/far/resume").status_code == 200
        assert served() == "far"
        assert httpx2.post(f"{admin}/far/suspend", json={"reason": "again"}).status_code == 200
        assert served() == "near"
        assert httpx2.post(f"{admin}/raf/suspend").status_code == 404
        assert server.cli("backends", "resume", "far").returncode == 0
        deadline = time.monotonic() + 1.5
        while served() != "far":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        client.close()
    log = [json.loads(line) for line in server.log.read_text().splitlines()]
    told = [
        (line["event"], line["by"].split()[0], line["reason"]) for line in log if line["event"].startswith("backend_")
    ]
    assert told == [
        ("backend_suspended", "cli", "court order"),
        ("backend_suspended", "cli", "court order"),  # said again by the server that started with it
        ("backend_resumed", "loopback", ""),
        ("backend_suspended", "loopback", "again"),
        ("backend_resumed", "cli", ""),
    ]
    digests = {stored.policy_digest for stored in read(server.state, 0)}
    assert len(digests) == 2
    assert {digest.partition("+")[0] for digest in digests} & digests


def test_a_gateway_with_a_key_takes_only_what_is_signed_and_never_what_is_older(tmp_path, policies):
    more, sig = policies / "policies" / "more.yaml", policies / "policy.sig"
    more.write_text(of(1))
    server = Server(tmp_path, policies, GATEWAY_POLICY_KEY=str(key_file(tmp_path)))
    del server.environment["GATEWAY_EXTRA_CATALOG"]
    with pytest.raises(RuntimeError, match="P306 the tree is not signed"):
        server.start()
    old = sign(policies, 7)
    first = load(policies).bundle.digest
    server.start()

    def comes(digest: str, *, stale: bool) -> bool:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            found = httpx2.get(f"{server.base}/readyz").json()["policy"]
            if (found["digest"], found["stale"]) == (digest, stale):
                return True
            time.sleep(0.05)
        return False

    try:
        assert comes(first, stale=False)
        replace(more, of(3))
        assert comes(first, stale=True)
        sign(policies, 8)
        second = load(policies).bundle.digest
        assert comes(second, stale=False)
        replace(more, of(1))
        sig.write_bytes(old)
        assert comes(second, stale=True)
        assert server.stop() == 0
        with pytest.raises(RuntimeError, match=r"policy\.sig is version 7, and version 8"):
            server.start()
        sign(policies, 9)
        server.start()
        assert comes(first, stale=False)
    finally:
        server.stop()


@pytest.mark.parametrize("in_flight", ["revoke", "finish"])
def test_an_exception_that_ends_cuts_what_it_alone_admitted(tmp_path, policies, upstream: Upstream, in_flight):
    for name in ("far", "near"):
        upstream.scripts[name] = [STREAM_HEAD, chunk(delta("x")), HANG]
    catalog = {name: backend(upstream.url(name)) for name in ("far", "near")}
    more = policies / "policies" / "more.yaml"
    more.write_text(rules(f"id: no-far, forbid: {{to: {{backend: far}}}}, breakable: true, in_flight: {in_flight}"))
    (policies / "exceptions").mkdir()
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    with serving(tmp_path, catalog, policies) as server:
        client = httpx2.Client(headers={"authorization": f"Bearer {server.key()}"}, timeout=5)
        ask = partial(client.stream, "POST", f"{server.base}/v1/chat/completions")
        ends = int(time.time()) + 12
        starts, expires = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) for moment in (ends - 60, ends))
        (policies / "exceptions" / "a.yaml").write_text(
            f"exceptions:\n  - {{id: bg, rules: [no-far], principal: {{team: t}}, backends: [far], starts: {starts}, "
            f"expires: {expires}, ticket: T, requested_by: a, approved_by: [b, c]}}\n"
        )
        served = 403
        while served != 200:
            assert time.time() < ends - 1, "the exception was not taken up"
            with ask(json=body | {"model": "far"}) as answered:
                served = answered.status_code
        with ask(json=body | {"model": "far"}) as far, ask(json=body | {"model": "near"}) as near:
            lines, others = far.iter_lines(), near.iter_lines()
            assert ("x" in next(lines), "x" in next(others)) == (True, True)
            time.sleep(ends - time.time())
            if in_flight == "revoke":
                assert any("policy_revoked" in line for line in lines)
                assert time.time() - ends < 1.5
            for still in (others,) if in_flight == "revoke" else (lines, others):
                with pytest.raises(httpx2.ReadTimeout):
                    list(still)
        with ask(json=body | {"model": "far"}) as answered:
            assert answered.status_code == 403


def config_map(root: Path, tree: Path, number: int) -> Path:
    """A tree as the kubelet mounts one and swaps it: a folder of its own, behind the link `..data`. Returns the link."""
    return swapped(root, tree, f"..2026_11_27_10_00_00.{number}", "..data")


def git_sync(root: Path, tree: Path, number: int) -> Path:
    """The same as git-sync does it: a worktree of its own, behind a link; the tree is a folder of the repository."""
    return swapped(root, tree, f".worktrees/{number:040x}", "current", "routing_policies")


def swapped(root: Path, tree: Path, folder: str, link: str, inside: str = ".") -> Path:
    before = (root / link).resolve() if (root / link).exists() else None
    shutil.copytree(tree, root / folder / inside)
    (root / "link-being-made").symlink_to(folder)
    (root / "link-being-made").replace(root / link)
    if before is not None:
        shutil.rmtree(before)
    return root / link / inside


@pytest.mark.parametrize("swap", [config_map, git_sync])
def test_a_tree_behind_a_link_that_is_swapped_is_followed(tmp_path, policies, swap):
    root = tmp_path / "mounted"
    root.mkdir()
    with serving(tmp_path / "gateway", policies=swap(root, policies, 0)) as server:

        def told(digest: str, *, stale: bool = False) -> bool:
            policy = httpx2.get(f"{server.base}/readyz").json()["policy"]
            return (policy["digest"].partition("@")[0], policy["stale"]) == (digest, stale)

        digest = digest_on_disk(policies, server.directory / "extra")
        assert told(digest)
        for number in range(1, 4):
            (policies / "policies" / "more.yaml").write_text(of(1) + f"# {number}\n")
            digest = digest_on_disk(policies, server.directory / "extra")
            swap(root, policies, number)
            assert within(3, partial(told, digest)), server.log.read_text()[-2000:]
        (policies / "policies" / "more.yaml").write_text(of(5))
        swap(root, policies, 4)
        assert within(3, partial(told, digest, stale=True))
        for number in range(5, 25):  # faster than anybody loads: the last one counts
            (policies / "policies" / "more.yaml").write_text(of(1) + f"# {number}\n")
            swap(root, policies, number)
            time.sleep(0.03)
        assert within(5, partial(told, digest_on_disk(policies, server.directory / "extra"))), server.log.read_text()[
            -2000:
        ]


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held
