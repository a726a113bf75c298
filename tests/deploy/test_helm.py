"""deploy/helm/gateway, rendered by the real helm: valid for Kubernetes, and as tight as it says."""

import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.deployed import KNOWN, SECRETS
from support.server import ROOT

from gateway.adapters.policy_files import read_tree
from gateway.settings import load

CHART = ROOT / "deploy" / "helm" / "gateway"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
HELM = shutil.which("helm") or shutil.which("helm", path=str(ROOT / ".cache" / "tools"))
pytestmark = pytest.mark.skipif(
    HELM is None, reason="helm is not here; `make servers` fetches it where that is possible"
)

GIT = {"source": "gitSync", "gitSync": {"repository": "https://git.example.org/policies.git", "existingSecret": "git"}}
MAP = {
    "source": "configMap",
    "configMap": {"name": "tree", "items": [{"key": "policies__a.yaml", "path": "policies/a.yaml"}]},
}
PEM = "-----BEGIN PUBLIC KEY-----\nMCowBQ\n-----END PUBLIC KEY-----\n"
ROWS = {"backends": {"local": {"provider": "vllm", "base_url": "http://vllm.models:8000/v1"}}}
STORES = {
    "postgres": {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}]},
    "valkey": {"to": [{"podSelector": {"matchLabels": {"app": "valkey"}}}]},
}
CILIUM = {
    "cilium": {
        "enabled": True,
        "hosts": [{"host": "api.openai.com", "port": 443}, {"host": "own.example.org", "port": 8443}],
    }
}
FURTHER = [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 4318, "protocol": "TCP"}]}]

SETS: dict[str, dict] = {
    "default": {},
    "alone": {"replicas": 1, "secrets": {"existingSecret": "gateway", "keys": ["scrape_token"]}},
    "providers": {"providers": {"existingSecret": "keys", "keys": ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]}},
    "scaled": {"autoscaling": {"enabled": True}, "serviceMonitor": {"enabled": True, "labels": {"release": "p"}}, "networkPolicy": STORES},
    "scaled by cpu": {"autoscaling": {"enabled": True, "metric": "cpu"}, "podLabels": {"a": "b"}, "podAnnotations": {"c": "d"}},
    "git": {"policies": {**GIT, "publicKeys": PEM}},
    "config map": {"policies": MAP, "extraCatalog": ROWS},
    "cilium": {"networkPolicy": CILIUM, "image": {"digest": "sha256:" + "0" * 64}, "imagePullSecrets": [{"name": "pull"}]},
    "traced": {"settings": {"GATEWAY_OTEL_ENDPOINT": "http://otel.obs:4318"}, "secrets": {"existingSecret": "gateway", "keys": [*VALUES["secrets"]["keys"], "otel_headers"]}, "networkPolicy": {**CILIUM, "egress": FURTHER}},
    "settings": {"settings": {"GATEWAY_DURABILITY": "power", "GATEWAY_MAX_INFLIGHT": 4000000, "GATEWAY_OTEL_SAMPLE": 0.25}, "persistence": {"storageClassName": "fast"}, "dashboards": {"enabled": True}, "prometheusRule": {"enabled": True}},
    "open": {"networkPolicy": {"enabled": False}, "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}], "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
}  # fmt: skip


def helm(*arguments: str, values: dict | None = None) -> subprocess.CompletedProcess:
    assert HELM is not None
    given = {"secrets": {"existingSecret": "gateway"}} | (values or {})
    return subprocess.run(
        [HELM, *arguments, "--values", "-"], input=json.dumps(given), capture_output=True, text=True, timeout=60
    )


@functools.cache
def rendered(name: str) -> str:
    made = helm("template", "gateway", str(CHART), "--namespace", "llm", values=SETS[name])
    assert made.returncode == 0, made.stderr
    return made.stdout


def objects(name: str) -> dict[tuple[str, str], dict]:
    found = [each for each in yaml.safe_load_all(rendered(name)) if each]
    named = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(named) == len(found)
    return named


def pod(name: str) -> dict:
    return objects(name)["StatefulSet", "gateway"]["spec"]["template"]["spec"]


def containers(name: str) -> list[dict]:
    return [*pod(name).get("initContainers", []), *pod(name)["containers"]]


def environment(name: str) -> dict[str, str]:
    (container,) = pod(name)["containers"]
    named = [each["name"] for each in container["env"]]
    assert len(named) == len({*named})
    assert all(each.keys() == {"name", "value"} for each in container["env"])
    return {each["name"]: each["value"] for each in container["env"]}


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_to_say(name, tmp_path):
    linted = helm("lint", "--strict", "--quiet", str(CHART), values=SETS[name])
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("name", SETS)
def test_kubernetes_takes_what_is_rendered(name, tmp_path):
    own = [each for each in objects(name).values() if re.search(r"^(v1|[a-z]+/|.*k8s\.io/)", each["apiVersion"])]
    assert len(own) >= len(objects(name)) - 1  # those of Prometheus and Cilium have schemas of their own
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(own))
    command = [str(Path(sys.executable).with_name("kubernetes-validate")), "--strict", str(tmp_path / "all.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", SETS)
@pytest.mark.assures("threat X2")
def test_a_pod_may_do_as_little_as_it_can(name):
    spec = pod(name)
    assert spec["automountServiceAccountToken"] is False
    assert objects(name)["ServiceAccount", "gateway"]["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & spec.keys()
    who = spec["securityContext"]
    assert (who["runAsNonRoot"], who["runAsUser"], who["runAsGroup"], who["fsGroup"]) == (True, 10001, 10001, 10001)
    assert who["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(name):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        assert not re.fullmatch(r".*:latest|[^:@]*", container["image"])
        assert not [port for port in container.get("ports", []) if "hostPort" in port]
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"secret", "configMap", "emptyDir"}
    written = [each["name"] for each in spec["containers"][0]["volumeMounts"] if not each.get("readOnly")]
    assert written == ["state"]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.assures("threat X2")
def test_secrets_come_only_as_files(name):
    told = environment(name)
    for setting in told:
        secret = re.search(r"KEY|TOKEN|PASSWORD|_URL|HEADERS", setting) and setting != "GATEWAY_POLICY_KEY"
        assert bool(secret) == told[setting].startswith("/run/secrets/")
        assert not secret or setting.endswith("_FILE")
    assert "secretKeyRef" not in rendered(name)
    assert "envFrom" not in rendered(name)
    assert not [each for each in objects(name).values() if each["kind"] == "Secret"]
    mounted = {each["mountPath"]: each["name"] for each in pod(name)["containers"][0]["volumeMounts"]}
    volumes = {each["name"]: each for each in pod(name)["volumes"]}
    for path in {value.rpartition("/")[0] for value in told.values() if value.startswith("/run/secrets/")}:
        assert volumes[mounted[path]]["secret"]["defaultMode"] == 0o440


@pytest.mark.parametrize("name", SETS)
def test_every_setting_is_one_and_none_comes_from_elsewhere(name):
    told = environment(name)
    assert {each for each in told if each.startswith("GATEWAY_")} <= KNOWN
    # Kubernetes would set GATEWAY_PORT=tcp://10.0.0.1:8080 for a Service of that name
    assert pod(name)["enableServiceLinks"] is False


@pytest.mark.parametrize("name", SETS)
def test_a_gateway_takes_them(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = {
        "database_url": "postgresql://gw:hush@db/gw",
        "valkey_url": "valkey://:hush@store:6379",
        "scrape_token": "0123456789abcdef",
        "otel_headers": "authorization=Bearer hush",
    }
    assert stored.keys() == SECRETS
    for secret, value in stored.items():
        (tmp_path / secret).write_text(value)
    for setting, value in environment(name).items():
        monkeypatch.setenv(setting, value.replace("/run/secrets/gateway", str(tmp_path)))
    settings = load()
    assert settings.exposed(admin_key=False) == ""
    assert not settings.admin_is_loopback
    spec = pod(name)
    assert settings.drain_seconds < settings.grace_seconds < spec["terminationGracePeriodSeconds"]
    assert {each["name"]: each["containerPort"] for each in spec["containers"][0]["ports"]} == {
        "http": settings.port,
        "metrics": settings.admin_port,
    }


@pytest.mark.parametrize("name", SETS)
def test_probes_ask_what_they_should(name):
    (container,) = pod(name)["containers"]
    paths = {each: container[each]["httpGet"]["path"] for each in container if each.endswith("Probe")}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert {container[each]["httpGet"]["port"] for each in paths} == {"http"}
    assert "lifecycle" not in container


@pytest.mark.parametrize("name", SETS)
def test_each_replica_keeps_its_journal(name):
    spec = objects(name)["StatefulSet", "gateway"]["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "state"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenScaled": "Retain", "whenDeleted": "Retain"}
    (mount,) = [each for each in spec["template"]["spec"]["containers"][0]["volumeMounts"] if each["name"] == "state"]
    # below the mount: a disk may hold `lost+found`, and its root is open to the group
    assert environment(name)["GATEWAY_STATE_DIR"].startswith(f"{mount['mountPath']}/")
    assert ("Service", spec["serviceName"]) in objects(name)
    assert objects(name)["Service", spec["serviceName"]]["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("name", SETS)
def test_whatever_selects_pods_selects_these(name):
    labels = objects(name)["StatefulSet", "gateway"]["spec"]["template"]["metadata"]["labels"]
    for (kind, _), each in objects(name).items():
        spec = each.get("spec", {})
        chosen = {
            "Service": spec.get("selector"),
            "StatefulSet": spec.get("selector", {}).get("matchLabels"),
            "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
            "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
            "CiliumNetworkPolicy": spec.get("endpointSelector", {}).get("matchLabels"),
        }.get(kind)
        assert chosen is None or (chosen and chosen.items() <= labels.items())
        assert kind not in ("Service", "StatefulSet", "PodDisruptionBudget", "NetworkPolicy") or chosen


@pytest.mark.parametrize("name", [each for each in SETS if each != "open"])
@pytest.mark.assures("threat A1")
def test_the_admin_port_is_for_prometheus_alone(name):
    policy = objects(name)["NetworkPolicy", "gateway"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    by_port = {rule["ports"][0]["port"]: rule["from"] for rule in policy["ingress"]}
    assert all(len(rule["ports"]) == 1 for rule in policy["ingress"])
    assert by_port.keys() == {8080, 8081}
    assert by_port[8081] == VALUES["networkPolicy"]["prometheus"]
    assert all(peer["podSelector"]["matchLabels"] for peer in by_port[8081])
    served = {service["metadata"]["name"]: [port["targetPort"] for port in service["spec"]["ports"]] for (kind, _), service in objects(name).items() if kind == "Service"}  # fmt: skip
    assert served == {"gateway": ["http"], "gateway-replicas": ["http"], "gateway-metrics": ["metrics"]}


def out_to(name: str) -> list[tuple[int, str]]:
    rules = objects(name)["NetworkPolicy", "gateway"]["spec"]["egress"]
    assert all(rule["to"] and rule["ports"] for rule in rules)
    return [(rule["ports"][0]["port"], json.dumps(rule["to"])) for rule in rules]


def test_out_it_goes_only_where_it_has_to():
    assert [port for port, _ in out_to("default")] == [53, 443]
    assert [port for port, _ in out_to("scaled")] == [53, 5432, 6379, 443]
    (public,) = [to for port, to in out_to("default") if port == 443]
    assert "169.254.0.0/16" in public  # where clouds give out credentials
    assert [port for port, _ in out_to("cilium")] == [53]
    assert [port for port, _ in out_to("traced")] == [53, 4318]
    rules = objects("cilium")["CiliumNetworkPolicy", "gateway-backends"]["spec"]["egress"]
    named = [(rule["toFQDNs"][0]["matchName"], rule["toPorts"][0]["ports"][0]["port"]) for rule in rules[1:]]
    assert named == [("api.openai.com", "443"), ("own.example.org", "8443")]


def test_autoscaling_counts_requests_or_processors():
    (metric,) = objects("scaled")["HorizontalPodAutoscaler", "gateway"]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "gateway_inflight_requests"
    assert "gateway_inflight_requests" in (ROOT / "gateway" / "adapters" / "metrics.py").read_text()
    (metric,) = objects("scaled by cpu")["HorizontalPodAutoscaler", "gateway"]["spec"]["metrics"]
    assert metric["resource"]["name"] == "cpu"
    assert "replicas" not in objects("scaled")["StatefulSet", "gateway"]["spec"]


def test_prometheus_scrapes_with_the_token():
    monitor = objects("scaled")["ServiceMonitor", "gateway"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": {"name": "gateway", "key": "scrape_token"}}
    assert {"targetLabel": "job", "replacement": "gateway"} in endpoint["relabelings"]  # alerts go by it
    wanted = monitor["spec"]["selector"]["matchLabels"]
    services = [each for (kind, _), each in objects("scaled").items() if kind == "Service"]
    chosen = [each["metadata"]["name"] for each in services if wanted.items() <= each["metadata"]["labels"].items()]
    assert chosen == ["gateway-metrics"]
    assert monitor["metadata"]["labels"]["release"] == "p"


def test_rules_and_dashboards_come_as_they_are_kept():
    rules = objects("settings")["PrometheusRule", "gateway"]["spec"]
    assert rules == yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    for path in ROOT.glob("deploy/grafana/dashboards/*.json"):
        (brought,) = objects("settings")["ConfigMap", f"gateway-dashboard-{path.stem}"]["data"].items()
        assert brought[0] == path.name
        assert json.loads(brought[1]) == json.loads(path.read_text())


def test_the_policy_tree_is_where_it_is_mounted():
    places = {name: environment(name)["GATEWAY_POLICIES"] for name in ("default", "git", "config map")}
    assert places == {
        "default": "/etc/gateway/routing_policies",
        "git": "/git/current/routing_policies",
        "config map": "/etc/gateway/policies/..data",
    }
    (sync,) = pod("git")["initContainers"]
    assert (sync["restartPolicy"], "startupProbe" in sync) == ("Always", True)
    assert re.fullmatch(r"registry\.k8s\.io/git-sync/git-sync:v\d+\.\d+\.\d+", sync["image"])
    assert not [argument for argument in sync["args"] if re.search("password=|token", argument)]
    (volume,) = [each for each in pod("config map")["volumes"] if each["name"] == "policies"]
    assert volume["configMap"] == {"name": "tree", "items": MAP["configMap"]["items"]}
    files = objects("config map")["ConfigMap", "gateway-files"]["data"]
    assert yaml.safe_load(files["catalog.yaml"]) == ROWS
    assert objects("git")["ConfigMap", "gateway-files"]["data"]["policy-keys.pem"].strip() == PEM.strip()


def test_numbers_of_a_values_file_stay_as_they_were_written(tmp_path):
    (tmp_path / "values.yaml").write_text("settings: {GATEWAY_MAX_BODY_BYTES: 32000000, GATEWAY_OTEL_SAMPLE: 0.05}")
    made = helm("template", "gateway", str(CHART), "--values", str(tmp_path / "values.yaml"))
    assert 'name: GATEWAY_MAX_BODY_BYTES, value: "32000000"' in made.stdout
    assert 'name: GATEWAY_OTEL_SAMPLE, value: "0.05"' in made.stdout


def test_the_recipe_for_a_token_makes_one_that_is_sent_as_it_is(tmp_path):
    """The Prometheus operator sends what a Secret holds, and a header holds no newline."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    (recipe,) = re.findall(r"^printf .*scrape_token$", (ROOT / "deploy" / "README.md").read_text(), re.MULTILINE)
    subprocess.run(["sh", "-c", recipe], cwd=tmp_path, check=True, timeout=30)
    assert re.fullmatch(r"[0-9a-f]{64}", (tmp_path / "scrape_token").read_text())
    assert recipe in (CHART / "values.yaml").read_text()


def test_the_recipe_for_a_config_map_takes_all_that_is_read_of_a_tree():
    """deploy/README.md makes a ConfigMap of a tree."""
    (recipe,) = re.findall(r"files=\$\(.*\)$", (ROOT / "deploy" / "README.md").read_text(), re.MULTILINE)
    taken = subprocess.run(
        ["sh", "-c", f"{recipe}; echo $files"], cwd=ROOT / "routing_policies", capture_output=True, text=True
    )
    assert {*taken.stdout.split()} == {*read_tree(ROOT / "routing_policies")}
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", name.replace("/", "__")) for name in taken.stdout.split())


BAD: dict[str, tuple[dict, str]] = {
    "no secret": ({"secrets": {"existingSecret": ""}}, "secrets.existingSecret: name the Secret"),
    "no token": ({"secrets": {"existingSecret": "s", "keys": ["database_url", "valkey_url"]}}, "scrape_token guards"),
    "apart": ({"secrets": {"existingSecret": "s", "keys": ["scrape_token"]}}, "several gateways share database_url"),
    "unsigned": ({"policies": {"publicKeys": PEM}, "extraCatalog": ROWS}, "extraCatalog: it is not signed"),
    "too slow": ({"graceSeconds": 40}, "drainSeconds < graceSeconds < terminationSeconds"),
    "no repository": ({"policies": {"source": "gitSync"}}, "policies.gitSync.repository"),
    "no map": ({"policies": {"source": "configMap"}}, "policies.configMap: give its name"),
    "no hosts": ({"networkPolicy": {"cilium": {"enabled": True}}}, "gateway backends hosts"),
    "no keys": ({"providers": {"keys": ["OPENAI_API_KEY"]}}, "providers.existingSecret"),
    "own setting": ({"settings": {"GATEWAY_PORT": "1"}}, "invalid propertyName"),
    **{
        f"secret setting {name}": ({"settings": {f"GATEWAY_{name.upper()}": "x"}}, "invalid propertyName")
        for name in sorted(SECRETS)
    },
    "unknown value": ({"replica": 3}, "additional properties 'replica' not allowed"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_work_is_told_before_anything_is_made(name):
    values, said = BAD[name]
    made = helm("template", "gateway", str(CHART), values=values)
    assert made.returncode != 0
    assert said in made.stderr


def test_the_schema_knows_every_value():
    def names(values: dict, schema: dict, at: str = "") -> list[str]:
        if "properties" not in schema:
            return []
        unknown = [f"{at}{name}" for name in values if name not in schema["properties"]]
        below = [(name, value) for name, value in values.items() if isinstance(value, dict) and value]
        return unknown + [
            deep for name, value in below for deep in names(value, schema["properties"][name], f"{at}{name}.")
        ]

    assert names(VALUES, json.loads((CHART / "values.schema.json").read_text())) == []


def test_the_chart_brings_what_is_kept_elsewhere():
    """`make chart` copies it: a chart is packed by itself."""
    kept = {path.name: path for path in ROOT.glob("deploy/prometheus/rules.yml")}
    kept |= {f"dashboards/{path.name}": path for path in ROOT.glob("deploy/grafana/dashboards/*.json")}
    brought = {path.relative_to(CHART / "files").as_posix(): path for path in CHART.glob("files/**/*.*")}
    assert {name: path.read_bytes() for name, path in brought.items()} == {
        name: path.read_bytes() for name, path in kept.items()
    }, "run `make chart`"
