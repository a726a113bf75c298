"""The main job with a real model: the official SDK by base_url alone, the quickstart, `kill -9`, a policy edit."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import openai
import pytest
from support.server import ROOT, Server, backend, free_port, serving
from support.upstream import DONE, STREAM_END, STREAM_HEAD, USAGE_EVENT, Upstream, chunk, delta

from gateway.adapters import demo_model

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"


@pytest.fixture(scope="module")
def real(llama: str, tmp_path_factory: pytest.TempPathFactory):
    row = backend(
        llama, provider="llamacpp", capabilities=["chat", "tools", "json_schema", "logprobs"], model=demo_model.MODEL
    )
    with serving(tmp_path_factory.mktemp("real"), {"smol": row}) as server:
        yield server


@pytest.fixture(scope="module")
def client(real: Server):
    return openai.OpenAI(base_url=f"{real.base}/v1", api_key=real.key())


ASK = {"model": "smol", "messages": [{"role": "user", "content": "What is 2+2?"}], "temperature": 0, "max_tokens": 24}


def test_the_official_sdk_gets_an_answer(client, real):
    answer = client.chat.completions.with_raw_response.create(**ASK)
    completion = answer.parse()
    assert "4" in completion.choices[0].message.content
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    (row,) = [row for row in real.ledger() if row["request_id"] == answer.headers["x-request-id"]]
    assert row["input_uncached"] + row["cache_read"] == completion.usage.prompt_tokens
    assert row["output"] == completion.usage.completion_tokens


def test_the_official_sdk_gets_the_same_answer_streamed(client):
    whole = client.chat.completions.create(**ASK).choices[0].message.content
    parts = list(client.chat.completions.create(**ASK, stream=True))
    assert "".join(part.choices[0].delta.content or "" for part in parts) == whole
    assert all(part.usage is None for part in parts)
    assert parts[-1].choices[0].finish_reason in ("stop", "length")


def test_usage_comes_with_a_stream_when_asked_for(client):
    parts = list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert parts[-1].choices == []
    assert parts[-1].usage.total_tokens > 0


def test_streamed_and_buffered_answers_cost_the_same_tokens(client, real):
    for streamed in (False, True):
        answer = client.chat.completions.with_raw_response.create(**ASK, stream=streamed, seed=1)
        if streamed:
            list(answer.parse())
    first, second = real.ledger()[-2:]
    assert first["input_uncached"] + first["cache_read"] == second["input_uncached"] + second["cache_read"]
    assert (first["output"], first["usage_source"]) == (second["output"], second["usage_source"])


def test_the_sdk_raises_its_own_errors(client, real):
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(**{**ASK, "model": "nobody"})
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{real.base}/v1", api_key="wrong").models.list()
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(**{**ASK, "messages": [{"role": "user", "content": "word " * 6000}]})
    assert long.value.code == "context_length_exceeded"


def test_the_sdk_lists_models(client):
    assert [model.id for model in client.models.list()] == ["auto", "smol"]
    assert client.models.retrieve("smol").id == "smol"


@pytest.mark.alone
def test_a_client_that_leaves_frees_the_models_slot(client, real, llama):
    stream = client.chat.completions.create(**{**ASK, "max_tokens": 2000}, stream=True, extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    deadline = time.monotonic() + 2
    slots = f"{llama.removesuffix('/v1')}/slots"
    while any(slot["is_processing"] for slot in httpx2.get(slots).json()):
        assert time.monotonic() < deadline, "the model is still writing"
        time.sleep(0.05)
    assert real.ledger()[-1]["outcome"] == "client_gone"


def test_quickstart_prints_a_curl_that_works_and_stops_what_it_started(tmp_path):
    if demo_model.weights() is None or shutil.which("curl") is None:
        pytest.skip("needs the demo model and curl")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
        "GATEWAY_PORT": str(free_port()),
        "GATEWAY_ADMIN_PORT": str(free_port()),
        "GATEWAY_STATE_DIR": str(tmp_path / "state"),
        "DEEPSEEK_API_KEY": "sk-not-a-real-key",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "quickstart"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            said += line
            if "key id" in line:
                break
        curl = re.search(r"^\s*(curl .*)$", said, re.MULTILINE)
        assert curl, said
        answered = subprocess.run(["bash", "-c", curl[1]], capture_output=True, text=True, timeout=30)
        assert "4" in json.loads(answered.stdout)["choices"][0]["message"]["content"]
        (absent,) = re.findall(r"^not offered +(.*): `gateway backends list` says why$", said, re.MULTILINE)
        assert {"openai", "anthropic"} <= set(absent.split(", "))
        assert re.search(r"^deepseek +deepseek-v4-pro, deepseek-v4-flash$", said, re.MULTILINE)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        assert len(children) == 2
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
        watchdog.cancel()
    assert rest.strip().endswith("stopped")
    assert process.returncode == 0
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream):
    """A gateway that is killed and started again and again, on one and the same state."""
    catalog = {"k": backend(upstream.url("k"), max_output=100)}
    with serving(tmp_path_factory.mktemp("killed"), catalog) as server:
        assert server.cli("budgets", "set", "--organisation", "--usd", "100", "--per", "day").returncode == 0
        yield server, server.key()


@pytest.mark.assures("fault 13")
@pytest.mark.parametrize("round_", range(200 if FULL else 6))
def test_kill_9_in_the_middle_of_streams_loses_nothing_that_was_seen_complete(killed, upstream: Upstream, round_):
    upstream.scripts["k"] = [
        STREAM_HEAD,
        *(part for n in range(5) for part in (chunk(delta(f"{n} ")), 0.004 * (1 + round_ % 5))),
        chunk(delta("", "stop") + USAGE_EVENT + DONE),
        STREAM_END,
    ]
    server, key = killed
    complete: list[str] = []
    before = len(upstream.requests("k"))
    known = {row["request_id"] for row in server.ledger()}

    def ask() -> None:
        body = {"model": "k", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        try:
            while True:
                answer = httpx2.post(
                    f"{server.base}/v1/chat/completions",
                    json=body,
                    headers={"authorization": f"Bearer {key}"},
                    timeout=5,
                )
                if answer.content.endswith(DONE):
                    complete.append(answer.headers["x-request-id"])
        except httpx2.TransportError:
            pass

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while not complete and time.monotonic() < deadline:  # a busy machine takes its time to begin
        time.sleep(0.01)
    time.sleep(0.1 + 0.03 * (round_ % 10))
    server.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()
    sent = len(upstream.requests("k")) - before
    server.start()
    whole = server.ledger()
    metrics = server.metrics()
    assert complete
    # every reservation is resolved: nothing is reserved any more, and all that may be owed is counted
    labels = '{account="(all)",budget="budget:organisation:(all):day",per="organisation",window="day"}'
    reserved, settled = (metrics[f"gateway_budget_{name}_usd{labels}"] for name in ("reserved", "settled"))
    assert (reserved, round(settled * 10**12)) == (0, sum(row["cost_pico_usd"] for row in whole))
    rows = {row["request_id"]: row for row in whole if row["request_id"] not in known}
    assert [id for id in complete if id not in rows] == []
    assert {row["state"] for row in rows.values()} <= {"settled", "uncertain"}
    # each call that was sent has its row; one that was only just noted may not have been sent, and nobody can know
    assert 0 <= len(rows) - sent <= sum(row["state"] == "uncertain" for row in rows.values())
    assert all(row["cost_pico_usd"] >= 15_000_000 for row in rows.values())
    [journal] = (server.state / "journal").iterdir()
    assert journal.stat().st_size == 0  # what the one that was killed had left is carried over


def test_a_policy_edit_is_live_without_a_restart_and_a_broken_one_changes_nothing(tmp_path, upstream: Upstream):
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "routing_policies", policies)
    upstream.scripts["e"] = [STREAM_HEAD, chunk(delta("x", "stop") + DONE), STREAM_END]
    with serving(tmp_path, {"e": backend(upstream.url("e"))}, policies) as server:
        key = server.key()

        def status() -> int:
            body = {"model": "e", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
            return httpx2.post(
                f"{server.base}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
            ).status_code

        def until(condition) -> None:
            deadline = time.monotonic() + 5
            while not condition():
                assert time.monotonic() < deadline
                time.sleep(0.05)

        def ready() -> dict:
            return httpx2.get(f"{server.base}/readyz").json()["policy"]

        assert status() == 200
        more = policies / "policies" / "more.yaml"
        more.write_text("policy: more\nowner: me\nrules:\n  - {id: stop, forbid: {to: {backend: e}}}\n")
        until(lambda: status() == 403)
        digest = ready()["digest"]
        more.write_text("policy: more\nowner: me\nrules:\n  - {id: stop, forbid: {to: {backend: nobody}}}\n")
        until(lambda: ready()["stale"])
        assert status() == 403
        assert ready()["digest"] == digest
        problems = httpx2.get(f"http://127.0.0.1:{server.admin_port}/admin/policies").json()["problems"]
        assert "more.yaml:4:39 P103" in problems[0]
        assert server.metrics()["gateway_policy_reload_failures_total"] >= 1
        more.unlink()
        until(lambda: status() == 200)
        assert not ready()["stale"]


@pytest.mark.parametrize("name", ["ledger", "budgets", "keys", "suspensions"])
def test_a_damaged_file_of_the_state_is_told_by_its_name(tmp_path, name):
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / f"{name}.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(
        RuntimeError, match=rf"cannot start: cannot use .*{name}\.sqlite.*: file is not a database"
    ) as told:
        Server(tmp_path, ROOT / "routing_policies").start()
    assert "Traceback" not in str(told.value)


def test_a_revoked_key_is_dead_within_a_second(tmp_path, upstream: Upstream):
    upstream.scripts["r"] = [STREAM_HEAD, chunk(delta("x", "stop") + DONE), STREAM_END]
    with serving(tmp_path, {"r": backend(upstream.url("r"))}) as server:
        made = json.loads(server.cli("keys", "create", "--team", "t", "--app", "a", "--format", "json").stdout)
        url, headers = f"{server.base}/v1/models", {"authorization": f"Bearer {made['key']}"}
        assert httpx2.get(url, headers=headers).status_code == 200
        assert server.cli("keys", "revoke", made["id"]).returncode == 0
        time.sleep(1)
        assert httpx2.get(url, headers=headers).status_code == 401


def test_sigterm_lets_running_requests_end(tmp_path, upstream: Upstream):
    upstream.scripts["s"] = [STREAM_HEAD, chunk(delta("x")), 1.0, chunk(delta("y", "stop") + DONE), STREAM_END]
    server = Server(tmp_path, ROOT / "routing_policies", {"s": backend(upstream.url("s"))}).start()
    key = server.key()
    got: list[bytes] = []
    body = {"model": "s", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    thread = threading.Thread(
        target=lambda: got.append(
            httpx2.post(
                f"{server.base}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
            ).content
        )
    )
    thread.start()
    time.sleep(0.4)
    assert server.stop() == 0
    thread.join()
    assert got[0].endswith(DONE)
    assert [row["outcome"] for row in server.ledger()] == ["complete"]
