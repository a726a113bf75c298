"""`gateway import litellm`, over the shipped policies."""

import json
import os
import shlex
import stat
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.adapters import policy_files
from gateway.cli import app

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "tests/vectors/litellm/config.yaml"
KEYS = ROOT / "tests/vectors/litellm/keys.json"
SECRETS = (
    "very-secret",
    "cache-secret",
    "redis-secret",
    "master-secret",
    "db-secret",
    "langfuse-secret",
    "88dc28d0f030",
)
FINE = """
model_list:
  - model_name: ours
    litellm_params: {model: openai/gpt-5.6-terra, api_key: os.environ/OPENAI_API_KEY}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GATEWAY_POLICIES", str(ROOT / "routing_policies"))

    def call(*arguments: object):
        result = CliRunner().invoke(app, ["import", "litellm", *map(str, arguments)])
        return result.exit_code, result.stdout, result.stderr

    return call


def with_files(into: Path) -> policy_files.Parsed:
    """The shipped tree with what was made, checked as `gateway policy check` does."""
    tree = policy_files.read_tree(ROOT / "routing_policies") | policy_files.read_tree(into)
    return policy_files.check_tree(tree, None, {})


def test_a_whole_config(run, tmp_path):
    code, out, err = run(CONFIG, "--keys", KEYS)
    assert (code, err) == (1, "")
    assert "6 rows, 2 limits, 4 commands" in out
    made = tmp_path / "imported"
    parsed = with_files(made)
    assert [problem for problem in parsed.problems if problem.severity == "error"] == []
    backends = {backend.id: backend for backend in parsed.bundle.backends}
    group = [id for id, backend in backends.items() if "gpt-4" in backend.aliases]
    assert group == ["gpt-large/openai", "gpt-large/openrouter"]
    assert backends["gpt-large/openai"].passport == backends["gpt-5.6-terra"].passport
    assert backends["gpt-large/openrouter"].price.rates.cache_read == 210_000  # pico-USD a token
    assert backends["llama-local"].base_url == "http://gpu-box:11434/v1"
    assert backends["house-qwen"].key_ref is None
    texts = "".join(path.read_text() for path in made.rglob("*") if path.is_file())
    notes = (made / "NOTES.md").read_text()
    rule = notes.partition("before the key is handed out: `")[2].partition("`")[0]
    (made / "policies/access.yaml").write_text(f"policy: access\nowner: me\nrules: [{{id: of-a-key, {rule}}}]\n")
    tree = policy_files.read_tree(ROOT / "routing_policies") | policy_files.read_tree(made)
    assert policy_files.parse_tree(tree, {}).problems == ()
    assert [secret for secret in SECRETS if secret in texts + out] == []


def test_the_commands_can_be_run(run, tmp_path):
    run(CONFIG, "--keys", KEYS, "--into", "made")
    script = tmp_path / "made/keys.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    commands = [shlex.split(line) for line in script.read_text().splitlines() if line.startswith("gateway ")]
    assert [(command[1], CliRunner().invoke(app, command[1:]).exit_code) for command in commands] == [
        ("budgets", 0), ("keys", 0), ("keys", 0), ("keys", 0)
    ]  # fmt: skip
    listed = json.loads(CliRunner().invoke(app, ["budgets", "list", "--format", "json"]).stdout)
    assert {(row["per"], row["window"], row["limit_usd"]) for row in listed["budgets"] if row["set_by"] == "budget"} == {
        ("provider", "day", "250"), ("key", "month", "25.5"), ("key", "month", "10")
    }  # fmt: skip
    assert subprocess.run(["sh", "-n", script]).returncode == 0


def test_all_of_it(run, tmp_path):
    (tmp_path / "c.yaml").write_text(FINE)
    code, out, _ = run("c.yaml", "--format", "json")
    told = json.loads(out)
    assert (code, told["rows"], told["notes"], told["problems"]) == (0, 1, [], [])
    assert told["written"] == ["catalog/litellm.yaml", "NOTES.md"]
    assert run("c.yaml", "--into", "again")[0] == 0


def test_includes(run, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/more.yaml").write_text(FINE.replace("ours", "theirs"))
    (tmp_path / "sub/c.yaml").write_text("include: more.yaml" + FINE)
    assert run("sub/c.yaml")[0] == 0
    assert "theirs:" in (tmp_path / "imported/catalog/litellm.yaml").read_text()


def test_what_does_not_go_with_the_tree_is_told(run, tmp_path):
    (tmp_path / "c.yaml").write_text(FINE + "litellm_settings: {max_budget: 5, budget_duration: 1d}")
    tree = tmp_path / "tree"
    for name, raw in policy_files.read_tree(ROOT / "routing_policies").items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(raw)
    (tree / "policies/mine.yaml").write_text(
        "policy: mine\nowner: me\nrules:\n  - {id: litellm-max-budget, forbid: {to: {provider: xai}}}\n"
    )
    code, out, _ = run("c.yaml", "--policies", tree)
    assert code == 1
    assert "laid over the policy tree, it does not load" in out
    assert "litellm-max-budget" in out


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ({}, ["c.yaml"], "cannot read c.yaml"),
        ({"c.yaml": "a: ["}, ["c.yaml"], "c.yaml: it is not YAML"),
        ({"c.yaml": "backends: {}"}, ["c.yaml"], "c.yaml: it is no config of LiteLLM"),
        ({"c.yaml": "include: [d.yaml]"}, ["c.yaml"], "cannot read d.yaml"),
        ({"c.yaml": "include: d.yaml", "d.yaml": "include: e.yaml"}, ["c.yaml"], "includes further files"),
        ({"c.yaml": FINE, "k.json": "{"}, ["c.yaml", "--keys", "k.json"], "k.json: it is no JSON"),
        ({"c.yaml": FINE, "k.json": '{"keys": [], "total_pages": 2}'}, ["c.yaml", "--keys", "k.json"], "2 pages"),
        ({"c.yaml": FINE}, ["c.yaml", "--into", "."], "not empty"),
        ({"c.yaml": FINE}, ["c.yaml", "--policies", "nowhere"], "no policy directory at nowhere"),
        ({"c.yaml": FINE, "p/policies/x.yaml": "a"}, ["c.yaml", "--policies", "p"], "p does not load"),
    ],
)
def test_what_cannot_be_run(run, tmp_path, files, arguments, said):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    code, _, err = run(*arguments)
    assert (code, said in err) == (2, True), err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_where_nothing_can_be_written(run, tmp_path):
    (tmp_path / "c.yaml").write_text(FINE)
    (tmp_path / "locked").mkdir(mode=0o500)
    assert run("c.yaml", "--into", "locked/made")[0] == 2
