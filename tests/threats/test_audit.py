"""Who did what can be told afterwards, and nobody can change what is told without it being seen."""

import json
import os
import random
import shutil
import signal
import threading
import time

import httpx2
import pytest
from support.server import ROOT, backend, free_port, serving
from support.upstream import OK, answer

from gateway.adapters import audit, decisions
from gateway.adapters.keys import Keys
from gateway.cli.audit import verified

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
TAMPERINGS = 4000 if FULL else 300
KILLS = 20 if FULL else 2
GOOD = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree") / "tree"
    (tree / "policies").mkdir(parents=True)
    shutil.copy(ROOT / "routing_policies" / "vocabulary.yaml", tree)
    (tree / "policies" / "own.yaml").write_text(
        "policy: own\nowner: me\nrules:\n  - {id: own, permit: {to: {deployment: self_hosted}}}\n"
    )
    return tree


def until(found, what):
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def acts(state):
    return [(r.actor.split()[0], r.act, r.object) for r in audit.read(state)]


@pytest.fixture(scope="module")
def left(upstream, policies, tmp_path_factory):
    """What a gateway left behind: its state, and the keys that it issued."""
    upstream.scripts["a"] = [answer(OK)]
    directory = tmp_path_factory.mktemp("left")
    with serving(directory, {"a": backend(upstream.url("a"))}, policies) as server, httpx2.Client(timeout=20) as client:
        key = server.key()
        keys = Keys(server.state)
        id, operator = keys.create(team="ops", app="o", scopes=["admin:read", "admin:write"])
        admin = {"authorization": f"Bearer {operator}"}
        for _ in range(30):
            client.post(f"{server.base}/v1/chat/completions", json=GOOD, headers={"authorization": f"Bearer {key}"})
        order = f"http://127.0.0.1:{server.admin_port}/admin/backends/a"
        assert client.post(f"{order}/suspend", json={"reason": "a\u2028b\x1b[2J"}, headers=admin).status_code == 200
        assert client.post(f"{order}/suspend").status_code == 401  # nobody: not an act
        assert server.cli("backends", "resume", "a").returncode == 0
        (policies / "policies" / "more.yaml").write_text("policy: [\n")
        until(lambda: ("gateway", "policy_refused", str(policies)) in acts(server.state), "a refused policy")
        (policies / "policies" / "more.yaml").unlink()
        server.cli("budgets", "set", "--key", id, "--usd", "5")
        server.stop()
        server.start()
        for _ in range(5):
            client.post(f"{server.base}/v1/chat/completions", json=GOOD, headers={"authorization": f"Bearer {key}"})
        time.sleep(0.3)
    return server.state, id, [key, operator]


@pytest.mark.assures("threat A1", "threat K1")
def test_every_act_is_there_with_who_did_it_and_no_secret(left, showed):
    state, id, issued = left
    found = acts(state)
    for actor, act, object in (
        ("gateway", "started", None),
        ("gateway", "policy_loaded", None),
        ("gateway", "policy_refused", None),
        ("gateway", "decisions_begun", None),
        ("gateway", "stopped", None),
        ("cli", "key_created", id),
        (id, "backend_suspended", "a"),
        ("cli", "backend_resumed", "a"),
        ("cli", "budget_set", f"key {id}"),
    ):
        assert any((actor, act) == each[:2] and object in (None, each[2]) for each in found), (actor, act)
    assert [act for _, act, _ in found].count("started") == 2
    assert found[-1][1] == "stopped"
    raw = (state / audit.NAME).read_bytes()
    assert [key for key in issued if key.encode() in raw or key[6:].encode() in raw] == []
    assert [c for c in raw.decode() if c != "\n" and not c.isprintable()] == []
    assert verified(state).findings == ()
    showed(f"{len(found)} acts of operators and the gateway", "each with who did it; no key, no control character")


def test_whoever_has_a_backend_asked_again_is_in_it(policies, tmp_path):
    """It was suspended by nobody: the gateway left it alone, since it failed."""
    with serving(tmp_path, {"a": backend(f"http://127.0.0.1:{free_port()}/v1")}, policies) as server:
        headers = {"authorization": f"Bearer {server.key()}"}
        for _ in range(20):
            httpx2.post(f"{server.base}/v1/chat/completions", json=GOOD, headers=headers, timeout=20)
        order = f"http://127.0.0.1:{server.admin_port}/admin/backends/a/resume"
        assert [httpx2.post(order, json={"reason": "mended"}).status_code for _ in range(2)] == [200, 404]
        found = [
            (r.actor, r.object, r.detail, r.outcome) for r in audit.read(server.state) if r.act == "backend_resumed"
        ]
        assert found == [
            ("loopback", "a", "mended", outcome)
            for ended in ("done", "not suspended, and not left alone")
            for outcome in ("begun", ended)
        ]


def forged(kept):
    """A decision that was never made, as a file of decisions would have it, without a link."""
    lines = [line for path in kept for line in path.read_bytes().splitlines(keepends=True)]
    shared = next(line for line in lines if line.startswith(b"{"))
    line = json.loads(next(line for line in lines if line.startswith(b"[")))
    return [shared, json.dumps(["dec_forged", *line[1:3], json.loads(shared)["number"], *line[4:]]).encode() + b"\n"]


def tamper(dice, files):
    """Does one thing to one of the files. Returns what, and whether it can be seen without a pinned head."""
    path = dice.choice(files)
    lines = path.read_bytes().splitlines(keepends=True)
    at = dice.randrange(len(lines))
    what = dice.choice(
        [
            "flip",
            "cut",
            "remove",
            "swap",
            "copy",
            "insert",
            "behead",
            "drop file",
            "append unlinked lines",
            "add a file",
        ]
    )
    kept = [each for each in files if each.name != audit.NAME]
    if what == "flip":
        place = dice.randrange(len(lines[at]) - 1)
        byte = bytes([lines[at][place] ^ dice.randrange(1, 256)])
        lines[at] = lines[at][:place] + byte + lines[at][place + 1 :]
    elif what == "cut":
        lines[at] = lines[at][: dice.randrange(len(lines[at]) - 1)] + b"\n"
    elif what == "remove":
        del lines[at]
    elif what == "swap":
        other = dice.randrange(len(lines))
        if lines[at] == lines[other]:
            return ""
        lines[at], lines[other] = lines[other], lines[at]
    elif what == "copy":
        lines.insert(dice.randrange(len(lines)), lines[at])
    elif what == "insert":
        lines.insert(at, b'{"number":%d,"time":1.0,"actor":"cli me","act":"started"}\n' % at)
    elif what == "behead":
        del lines[: at + 1]
    elif what == "append unlinked lines":
        path = dice.choice(kept)
        lines = [*path.read_bytes().splitlines(keepends=True), *forged(kept)]
    elif what == "add a file":
        day, number, _ = dice.choice(kept).name.split(".")
        path = kept[0].with_name(f"{day}.{int(number) + dice.randrange(1, 9):06d}.jsonl")
        if path.exists():
            return ""
        lines = forged(kept)
    else:
        path.unlink()
        return what
    path.write_bytes(b"".join(lines))
    return what


@pytest.mark.assures("threat A1")
def test_whatever_is_done_to_what_is_kept_is_seen(left, tmp_path, showed):
    state, _, _ = left
    heads = {bytes(head.digest) for head in (verified(state).acts, verified(state).decisions)}
    dice = random.Random(7)
    seen = {}
    for number in range(TAMPERINGS):
        copy = tmp_path / str(number)
        (copy / "decisions").mkdir(parents=True)
        shutil.copy(state / audit.NAME, copy)
        for path in (state / "decisions").iterdir():
            shutil.copy(path, copy / "decisions")
        files = sorted([copy / audit.NAME, *(copy / "decisions").iterdir()])
        before = {path: path.read_bytes() for path in files}
        what = tamper(dice, files)
        after = {
            path: path.read_bytes() for path in [copy / audit.NAME, *(copy / "decisions").iterdir()] if path.exists()
        }
        if before != after:
            found = verified(copy, heads)
            broken = any(finding.breaks for finding in found.findings) or not heads <= found.seen
            if what == "append unlinked lines":  # so does a disk that is full: nobody reads them
                broken |= any(finding.kind == "torn" for finding in found.findings)
            assert broken, (number, what)
            assert decisions.find(copy, "dec_forged") is None, (number, what)
            seen[what] = seen.get(what, 0) + 1
        shutil.rmtree(copy)
    assert len(seen) == 10
    showed(f"{sum(seen.values())} changes of {len(seen)} kinds, with two pinned heads", "each seen by `audit verify`")


@pytest.mark.assures("threat A1", "fault 13")
def test_a_gateway_that_is_killed_leaves_what_holds(upstream, policies, tmp_path, showed):
    upstream.scripts["a"] = [answer(OK)]
    sent = 0
    over = threading.Event()
    with serving(tmp_path, {"a": backend(upstream.url("a"))}, policies) as server:
        headers = {"authorization": f"Bearer {server.key()}"}

        def load():
            nonlocal sent
            with httpx2.Client(timeout=20) as client:
                while not over.is_set():
                    try:
                        client.post(f"{server.base}/v1/chat/completions", json=GOOD, headers=headers)
                        sent += 1
                    except httpx2.HTTPError:
                        time.sleep(0.02)

        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(KILLS):
                before = sent
                until(lambda before=before: sent > before + 5, "requests")
                assert server.stop(signal.SIGKILL) == -signal.SIGKILL
                server.start()
        finally:
            over.set()
            for thread in threads:
                thread.join()
        server.stop()
    found = verified(server.state)
    assert [finding for finding in found.findings if finding.breaks] == []
    assert found.decisions.number > KILLS
    assert server.cli("audit", "verify").returncode == 0
    told = json.loads(server.cli("audit", "verify", "--format", "json").stdout)
    assert told["decisions"]["number"] == found.decisions.number
    showed(f"{KILLS} kill -9 under load, {found.decisions.number} batches", "the trail holds after each start")
