"""`gateway doctor`"""

import json

import pytest
import yaml
from support.server import backend, free_port, serving
from typer.testing import CliRunner

from gateway.cli import app


def run(environment, *arguments):
    done = CliRunner().invoke(app, ["doctor", *arguments], env=environment)
    return done.exit_code, done.stdout, done.stderr


def told(environment):
    code, out, _ = run(environment, "--format", "json")
    return code, {each["about"]: each for each in json.loads(out)}


@pytest.fixture
def around(tmp_path, monkeypatch):
    """A machine with a catalog of one backend without a key, and nothing else."""
    monkeypatch.chdir(tmp_path)
    from support.server import ROOT, Server

    server = Server(tmp_path, ROOT / "routing_policies", {"a": backend("http://127.0.0.1:1/v1")})
    return {name: value for name, value in server.environment.items() if name.startswith("GATEWAY_")}


def test_a_gateway_that_runs_is_found_and_looked_at(upstream, tmp_path):
    with serving(tmp_path, {"a": backend(upstream.url("a"))}) as server:
        server.key()
        seen = len(upstream.seen)
        code, found = told(server.environment)
        assert (code, [each for each in found.values() if each["level"] == "problem"]) == (0, [])
        assert found["ports"]["words"] == "a gateway answers there"
        assert found["replicas"]["words"] == "a gateway runs on it"
        assert found["keys of callers"]["words"] == "1 keys in force"
        assert found["policies"]["level"] == found["backends"]["level"] == "ok"
        assert len(upstream.seen) == seen  # nothing is sent to backends
        server.stop()
        assert told(server.environment)[1]["ports"]["words"] == "they are free"


def test_nothing_is_made_and_what_is_missing_is_told(around, tmp_path):
    code, found = told(around)
    assert (code, found["keys of callers"]["level"]) == (0, "warning")
    assert not (tmp_path / "state").exists()


def test_what_quickstart_found_counts_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path, {"a": backend("http://127.0.0.1:1/v1")}) as server:
        server.key()
        apart = {name: value for name, value in server.environment.items() if name != "GATEWAY_EXTRA_CATALOG"}
        code, found = told(apart)  # as in another window, where nobody says what was found
        assert (code, found["backends"]["level"]) == (1, "problem")
        (server.state / "discovered").mkdir()
        row = backend("http://127.0.0.1:1/v1")
        (server.state / "discovered" / "local.yaml").write_text(yaml.safe_dump({"backends": {"found/b": row}}))
        code, found = told(apart)
        assert (code, found["backends"]["level"]) == (0, "ok")
        assert found["backends"]["words"].startswith("1 of ")
    assert told(apart)[1]["backends"]["level"] == "problem"  # it does not run any more


def test_keys_that_replicas_share_are_found(around, postgres_server, tmp_path):
    shared = {**around, "GATEWAY_DATABASE_URL": postgres_server.url()}
    assert told(shared)[1]["keys of callers"]["level"] == "warning"
    made = CliRunner().invoke(app, ["keys", "create", "--team", "t", "--app", "a", "--scope", "admin:read"], env=shared)
    assert made.exit_code == 0
    found = told(shared)[1]
    assert found["keys of callers"]["words"] == "1 keys in force"
    assert found["admin listener"]["words"] == "a key is wanted"
    code, found = told(around)  # nobody says where they are
    assert (code, found["database"]["level"]) == (1, "problem")


def test_a_part_that_is_not_installed_is_a_problem(around):
    code, found = told({**around, "GATEWAY_OTEL_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"})
    assert (code, found["optional parts"]["level"]) == (1, "problem")


def test_a_problem_is_exit_code_1_and_says_what_to_do(around):
    code, out, _ = run({**around, "GATEWAY_ADMIN_HOST": "0.0.0.0"})
    assert code == 1
    assert "problem  admin listener" in out
    assert "-> set GATEWAY_SCRAPE_TOKEN" in out


def test_settings_that_do_not_load_are_exit_code_2(around):
    code, _, said = run({**around, "GATEWAY_PORT": "tcp://10.0.0.1:8080"})
    assert (code, "GATEWAY_PORT" in said) == (2, True)


def test_no_secret_is_printed(around, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hush-hush@proxy")
    (tmp_path / "token").write_text("hush-hush-hush-hush")
    secrets = {
        "GATEWAY_DATABASE_URL": f"postgresql://gw:hush-hush@127.0.0.1:{free_port()}/gw",
        "GATEWAY_VALKEY_URL": f"valkey://:hush-hush@127.0.0.1:{free_port()}",
        "GATEWAY_SCRAPE_TOKEN_FILE": str(tmp_path / "token"),
        "OPENAI_API_KEY": "sk-hush-hush-hush-hush",
        "GATEWAY_DATABSE_URL": "postgresql://gw:hush-hush@127.0.0.1/gw",
    }
    for format in ("table", "json"):
        code, out, err = run({**around, **secrets}, "--format", format)
        assert (code, "hush" in out + err) == (1, False)
    found = told({**around, **secrets})[1]
    assert [found[about]["level"] for about in ("database", "valkey")] == ["problem", "problem"]
    assert "GATEWAY_DATABSE_URL" in found["names of settings"]["words"]
