"""What is generated: the files are as they would be written, and hold together."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from support.server import ROOT

from deploy.monitoring.__main__ import DASHBOARDS, files, main
from deploy.monitoring.recorded import RECORDED
from deploy.monitoring.rules import ALERTS, GROUPS, recorded_for, runbook_url

MADE = files()
JSON = {name: json.loads(text) for name, text in MADE.items() if name.endswith(".json")}
PANELS = [(name, panel) for name, made in JSON.items() for panel in made["panels"]]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")


@pytest.mark.parametrize("name", MADE)
def test_a_file_is_as_it_is_generated(name):
    assert (ROOT / name).read_text() == MADE[name], "run: make monitoring"


def test_check_says_which_file_is_not(tmp_path, monkeypatch, capsys):
    assert main(["--check"]) == 0
    monkeypatch.setattr("deploy.monitoring.__main__._ROOT", tmp_path)
    assert main(["--check"]) == 1
    assert sum(line.endswith("run: make monitoring") for line in capsys.readouterr().err.splitlines()) == len(MADE)
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_dashboards_and_their_panels_have_ids_of_their_own():
    uids = [made["uid"] for made in JSON.values()]
    assert len({*uids}) == len(uids) == len(DASHBOARDS)
    for made in JSON.values():
        ids = [panel["id"] for panel in made["panels"]]
        assert len({*ids}) == len(ids)
        titles = [panel["title"] for panel in made["panels"]]
        assert len({*titles}) == len(titles)


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{name[26:-5]}-{panel['title']}" for name, panel in PANELS])
def test_a_panel_says_what_it_shows_and_asks_the_source_that_was_chosen(name, panel):
    if panel["type"] == "row":
        return
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert panel["datasource"] == source
    assert panel["targets"]
    assert all(target["datasource"] == source for target in panel["targets"])
    assert all(len(part) > 10 for part in panel["description"].split("\n\n"))
    assert panel["description"].count("\n\n") == 1
    assert panel["fieldConfig"]["defaults"]["unit"]
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24
    variables = {each["name"] for each in JSON[name]["templating"]["list"]}
    used = set(re.findall(r"\$(\w+)", " ".join(target["expr"] for target in panel["targets"])))
    assert used - {"__range", "__rate_interval", "__interval"} - {"1"} <= variables


def test_no_two_panels_are_at_one_place():
    for made in JSON.values():
        taken: set[tuple[int, int]] = set()
        for panel in made["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, panel["title"]
            taken |= cells


def test_an_alert_has_one_name_a_place_in_the_runbook_and_cases_of_both_kinds():
    names = [alert.name for alert in ALERTS]
    assert len({*names}) == len(names)
    headings = {line[3:].lower() for line in MADE["docs/runbook.md"].splitlines() if line.startswith("## ")}
    assert {runbook_url(alert).partition("#")[2] for alert in ALERTS} == headings
    for alert in ALERTS:
        assert any(case.fires for case in alert.cases), alert.name
        assert any(not case.fires for case in alert.cases), alert.name


def test_what_a_text_calls_a_panel_is_one():
    titles = {panel["title"] for _, panel in PANELS}
    texts = [
        MADE["docs/runbook.md"],
        (ROOT / "deploy/README.md").read_text(),
        *(panel.get("description", "") for _, panel in PANELS),
    ]
    named = {name for text in texts for name in re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", text)}
    begins = {re.split(r",| \(", title)[0] for title in titles} | {"Top movers", "Budgets"}
    assert named
    assert named - titles - begins == set()


def test_every_rule_that_is_recorded_is_used():
    asked = " ".join(alert.expr for alert in ALERTS)
    assert [each.name for each in RECORDED if each.name not in asked] == []
    known = {each.name for each in RECORDED}
    assert set(re.findall(r"\bgateway:[\w:]+", asked)) <= known


def test_what_is_recorded_is_in_the_group_of_the_one_that_asks_for_it():
    asking = [each.name for alerts in GROUPS.values() for each in recorded_for(alerts)]
    assert sorted(asking) == sorted(each.name for each in RECORDED)
    groups = yaml.safe_load(MADE["deploy/prometheus/rules.yml"])["groups"]
    assert [group["name"] for group in groups] == [*GROUPS]
    assert [rule["record"] for group in groups for rule in group["rules"] if "record" in rule] == asking


@needs_promtool
def test_each_alert_fires_when_it_must_and_only_then():
    for command in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml", "rules_week_test.yml"]):
        ran = subprocess.run([PROMTOOL, *command], cwd=ROOT / "deploy/prometheus", capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_promtool
def test_the_configuration_of_prometheus_is_one():
    command = [PROMTOOL, "check", "config", "--syntax-only", "prometheus.yml"]
    ran = subprocess.run(command, cwd=ROOT / "deploy/prometheus", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_provisioning_names_what_is_there():
    folder = ROOT / "deploy/grafana/provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards/gateway.yml").read_text())["providers"]
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert provider["options"]["path"].rsplit("/", 1)[1] == (ROOT / "deploy/grafana/dashboards").name
    written = {path.stem for path in (ROOT / "deploy/grafana/dashboards").iterdir()}
    assert written == {each.file for each in DASHBOARDS}
