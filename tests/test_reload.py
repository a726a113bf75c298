"""The policy changes under load: no request suffers, and each is decided by a tree that was good."""

import asyncio
import contextlib
import json
import os
import shutil
import threading
import time
from pathlib import Path

import httpx2
from support.server import ROOT, backend, serving
from support.upstream import DONE, OK, STREAM_END, STREAM_HEAD, USAGE_EVENT, Upstream, answer, chunk, delta

from gateway.adapters.decisions import read
from gateway.adapters.policy_files import PolicyFiles, load
from gateway.adapters.policy_worker import PolicyWorker

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
SECONDS = 60 if FULL else 4


def of(number: int) -> str:
    """The file of one change; three of ten do not load."""
    good = f"policy: more\nowner: me\nrules:\n  - {{id: r{number}, forbid: {{when: {{team: team-{number}}}}}}}\n"
    return {2: good + "  - [\n", 5: good.replace("team:", "taem:"), 8: ""}.get(number % 10, good)


def replace(path: Path, text: str) -> None:
    """As careful editors and git do: whoever reads has the old file or the new one."""
    other = path.parent.parent / "being-written"
    other.write_text(text)
    other.replace(path)


def test_a_storm_of_reloads_disturbs_no_request_and_only_good_trees_decide(tmp_path, upstream: Upstream):
    policies = Path(shutil.copytree(ROOT / "routing_policies", tmp_path / "policies"))
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
    assert len(loads) > 3
    assert failures > 0
    assert len(used) > 2


async def test_a_reload_leaves_the_event_loop_free(tmp_path, record_property):
    """The bound is loose, since machines are shared; what was seen is in the report of the run."""
    tree = Path(shutil.copytree(ROOT / "routing_policies", tmp_path / "tree"))
    more = tree / "policies" / "more.yaml"
    many = "".join(f"  - {{id: m{n}, forbid: {{when: {{team: [t{n}, u{n}], app: a{n}}}}}}}\n" for n in range(200))
    worker = PolicyWorker()
    files = PolicyFiles(
        tree, None, load(tree), load_apart=worker.load, on_load=lambda *_: None, on_failure=lambda *_: None
    )
    gaps: list[float] = []

    async def look() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before - 0.001)
            before = time.perf_counter()

    await worker.load(tree, None)  # started, as it is from the first change on
    looking = asyncio.create_task(look())
    for number in range(5):
        more.write_text(f"policy: more\nowner: me\nrules:\n{many}  # {number}\n")
        before = files.current
        await files.reload()
        assert files.current is not before
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
    await worker.close()
    record_property("longest_gap_ms", round(max(gaps) * 1000, 2))
    assert len(gaps) > 50
    assert max(gaps) < 0.1
