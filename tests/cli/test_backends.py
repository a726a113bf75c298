"""`gateway backends`"""

import json
import shutil

import pytest
import yaml
from support.model_servers import Reply, model_server
from support.server import ROOT
from typer.testing import CliRunner

from gateway.adapters import local_servers, policy_files, state
from gateway.cli import app

CATALOG = """\
backends:
  far: {provider: openai, api_key: env:NO_SUCH_KEY, price: {input: 1, output: 1}, status: active, substitute: near}
  near: {provider: vllm, base_url: "http://near/v1", price: {input: 1, output: 1}, status: active, zone: inhouse}
  old: {provider: vllm, base_url: "http://old/v1", status: retired}
"""


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    for folder in ("catalog", "policies"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(ROOT / "routing_policies" / "vocabulary.yaml", tree)
    (tree / "catalog" / "a.yaml").write_text(CATALOG)
    (tree / "policies" / "a.yaml").write_text("policy: p\nowner: o\nrules: [{id: all, permit: {}}]\n")
    return tree


@pytest.fixture
def run(monkeypatch, tmp_path, tree):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_POLICIES", str(tree))
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)

    def call(*arguments: str):
        result = CliRunner().invoke(app, ["backends", *arguments])
        return result.exit_code, result.stdout, result.stderr

    return call


def rows(run):
    return {row["id"]: row for row in json.loads(run("list", "--format", "json")[1])}


def test_suspend_list_resume(run):
    assert rows(run)["far"]["suspension"] is None
    code, out, _ = run("suspend", "far", "--reason", "court order")
    assert (code, out.splitlines()[0]) == (0, "suspended far")
    assert "near answers to its names" in out
    row = rows(run)["far"]
    assert (row["status"], row["suspension"]["reason"]) == ("suspended", "court order")
    assert row["suspension"]["by"].startswith("cli ")
    assert rows(run)["near"]["status"] == "active"
    assert run("resume", "far")[:2] == (0, "resumed far\n")
    assert (rows(run)["far"]["status"], rows(run)["far"]["suspension"]) == ("active", None)


def test_the_table_says_why_a_backend_is_not_offered(run):
    run("suspend", "near", "--reason", "leak")
    lines = {line.split()[0]: line for line in run("list")[1].splitlines()}
    assert "NO_SUCH_KEY is not set" in lines["far"]
    assert "it has no price" in lines["old"]
    assert lines["near"].split()[:5] == ["near", "vllm", "near", "inhouse", "suspended"]
    assert ": leak" in lines["near"]


def test_an_unknown_backend_is_an_error_with_a_suggestion(run):
    code, _, error = run("suspend", "fra")
    assert (code, error) == (2, "no backend `fra` in the catalog; did you mean `far`?\n")
    assert rows(run).keys() == {"far", "near", "old"}


def test_resuming_what_is_not_suspended_is_exit_code_1(run):
    run("suspend", "far")
    code, _, error = run("resume", "fra")
    assert (code, error) == (1, "`fra` is not suspended by order; did you mean `far`?\n")


def test_the_brake_works_while_a_server_holds_the_state_and_while_the_tree_is_broken(run, tree, tmp_path):
    state.claim(tmp_path / ".gateway")
    (tree / "policies" / "a.yaml").write_text("policy: [\n")
    code, out, error = run("suspend", "far")
    assert (code, out) == (0, "suspended far\n")
    assert "was not checked" in error
    assert run("list")[0] == 1
    shutil.rmtree(tree)
    assert run("suspend", "near")[0] == 0
    assert run("list")[0] == 2


def test_a_suspension_of_a_backend_that_has_gone_can_be_seen_and_ended(run, tree):
    run("suspend", "old")
    (tree / "catalog" / "a.yaml").write_text(CATALOG.replace("old:", "older:"))
    assert rows(run)["old"]["not_offered"] == "it is not in the catalog"
    assert run("resume", "old")[0] == 0
    assert "old" not in rows(run)


def test_a_reason_is_not_mistaken_for_a_column(run):
    run("suspend", "far", "--reason", "two\nlines")
    assert len(run("list")[1].splitlines()) == 5


@pytest.fixture
def server(tree):
    """A vLLM that serves `qwen`, and a catalog that has it."""
    with model_server() as running:
        running.answers = {"/v1/models": Reply({"data": [{"id": "qwen", "owned_by": "vllm", "max_model_len": 4096}]})}
        (tree / "catalog" / "b.yaml").write_text(
            "backends:\n"
            f"  qwen: {{provider: vllm, base_url: '{running.base_url}', api_key: env:QWEN_KEY, context: 4096,"
            " price: {input: 1, output: 1}, status: active}\n"
        )
        yield running


def checked(run, *arguments: str):
    code, out, error = run("check", *arguments, "--format", "json")
    assert error == ""
    return code, {
        row["id"]: {finding["about"]: finding["level"] for finding in row["findings"]} for row in json.loads(out)
    }


def test_check_one(run, server, monkeypatch):
    monkeypatch.setenv("QWEN_KEY", "sk-house")
    code, found = checked(run, "qwen")
    assert (code, found) == (0, {"qwen": dict.fromkeys(["reachable", "key", "model", "context"], "ok")})
    assert server.asked[0].headers["authorization"] == "Bearer sk-house"
    server.answers["/v1/models"] = Reply({"data": [{"id": "qwen3"}]})
    code, out, _ = run("check", "qwen")
    assert code == 1
    assert "`qwen` is not served, of 1 models; did you mean `qwen3`?" in out
    assert out.splitlines()[-1] == "0 ok, 0 with warnings, 1 with problems"
    server.answers["/v1/models"] = Reply(b"sk-house", status=401)
    code, out, _ = run("check", "qwen")
    assert (code, "the key in QWEN_KEY is refused (401)" in out, "sk-house" in out) == (1, True, False)


def test_check_all_leaves_out_what_is_not_offered_or_out_of_use(run, server, tree, monkeypatch):
    monkeypatch.setenv("QWEN_KEY", "sk-house")
    run("suspend", "near", "--reason", "leak")
    code, found = checked(run)
    assert code == 0
    assert [found[id] for id in ("far", "near", "old")] == [{"offered": "warning"}] * 3
    assert found["qwen"]["model"] == "ok"
    _, out, _ = run("check")
    said = {line.split()[0]: line for line in out.splitlines() if " offered " in line}
    assert said["far"].endswith("not asked: NO_SUCH_KEY is not set")
    assert said["near"].endswith("not asked: it is suspended")
    assert said["old"].endswith("not asked: it has no price")


def test_what_is_named_is_asked_though_it_is_suspended_and_a_problem_where_it_cannot_be(run, server, monkeypatch):
    monkeypatch.setenv("QWEN_KEY", "sk-house")
    run("suspend", "qwen")
    assert checked(run, "qwen")[1]["qwen"]["model"] == "ok"
    assert checked(run, "far", "qwen") == (
        1,
        {"far": {"offered": "problem"}, "qwen": dict.fromkeys(["reachable", "key", "model", "context"], "ok")},
    )


def test_check_cannot_run_without_a_catalog_or_for_an_unknown_backend(run, tree):
    code, _, error = run("check", "far", "nera")
    assert (code, error) == (2, "no backend `nera` in the catalog; did you mean `near`?\n")
    (tree / "policies" / "a.yaml").write_text("policy: [\n")
    code, _, error = run("check")
    assert code == 2
    assert "a.yaml:2:1 P001" in error
    shutil.rmtree(tree)
    assert run("check")[0] == 2


@pytest.fixture
def only_here(monkeypatch):
    """Nobody is looked for at the usual ports."""
    monkeypatch.setattr(local_servers, "USUAL_PORTS", {})


def test_discover_prints_rows_that_load(run, server, tree, only_here):
    server.answers["/v1/models"] = Reply(
        {"data": [{"id": "qwen", "owned_by": "vllm"}, {"id": "far", "owned_by": "vllm", "max_model_len": 2048}]}
    )
    place = f"localhost:{server.port}"
    code, out, error = run("discover", "--host", place)
    assert (code, error) == (0, f"vllm at 127.0.0.1:{server.port}: vllm/far\n")  # qwen is in the catalog
    rows = yaml.safe_load(out)["backends"]
    assert rows["vllm/far"].items() >= {"model": "far", "context": 2048, "deployment": "self_hosted"}.items()
    assert "zone" not in rows["vllm/far"]
    code, out, error = run("discover", "--host", place, "--write", str(tree / "catalog" / "found.yaml"))
    assert (code, out, error.splitlines()[-1]) == (0, "", f"wrote {tree / 'catalog' / 'found.yaml'}")
    bundle = policy_files.load(tree, None).bundle
    assert "vllm/far" in {backend.id for backend in bundle.backends}
    code, out, error = run("discover", "--host", place)
    assert (code, out) == (1, "")
    assert error.splitlines() == [
        f"vllm at 127.0.0.1:{server.port}: all are in the catalog already",
        "nothing new was found",
    ]


def test_discover_says_what_is_passed_on(run, server, only_here):
    server.answers["/v1/models"] = Reply(
        {"data": [{"id": "glm:cloud", "owned_by": "library"}, {"id": "q", "owned_by": "library"}]}
    )
    code, _, error = run("discover", "--host", f"127.0.0.1:{server.port}")
    assert code == 0
    assert error.endswith(": q; left out, since it passes them on to a hosted service: glm:cloud\n")


def test_discover_does_without_a_tree(run, server, tree, only_here):
    shutil.rmtree(tree)
    code, out, error = run("discover", "--host", f"127.0.0.1:{server.port}")
    assert (code, list(yaml.safe_load(out)["backends"])) == (0, ["qwen"])
    assert "names may clash" in error


def test_discover_writes_over_nothing_and_asks_nobody_then(run, server, tmp_path, only_here):
    there = tmp_path / "there.yaml"
    there.write_text("mine")
    place = f"127.0.0.1:{server.port}"
    code, _, error = run("discover", "--host", place, "--write", str(there))
    assert (code, error, there.read_text()) == (2, f"{there} is there already; name a new file\n", "mine")
    assert server.asked == []
    server.answers["/v1/models"] = Reply({"data": [{"id": "new", "owned_by": "vllm"}]})
    code, _, error = run("discover", "--host", place, "--write", str(tmp_path / "no" / "f.yaml"))
    assert (code, "cannot write" in error) == (2, True)


def test_discover_does_not_ask_our_own_gateway(run, server, only_here, monkeypatch):
    monkeypatch.setenv("GATEWAY_PORT", str(server.port))
    assert run("discover", "--host", f"localhost:{server.port}")[0] == 1
    assert server.asked == []


def test_discover_wants_hosts(run, only_here):
    code, _, error = run("discover", "--host", "http://gpu")
    assert (code, error) == (2, "--host: `http://gpu` is no host; write HOST, HOST:PORT or [IPv6]:PORT\n")


def test_the_hosts_of_the_catalog_are_listed_once_each_with_the_port(run, tree):
    more = '  {0}: {{provider: vllm, base_url: "{1}"}}\n'
    with (tree / "catalog" / "a.yaml").open("a") as file:
        file.write(more.format("again", "http://near:80/v2") + more.format("high", "https://near:8443/v1"))
    assert json.loads(run("hosts", "--format", "json")[1]) == [
        {"host": "api.openai.com", "port": 443},
        {"host": "near", "port": 80},
        {"host": "near", "port": 8443},
        {"host": "old", "port": 80},
    ]
    assert [line.split() for line in run("hosts")[1].splitlines()][2] == ["api.openai.com", "443"]
