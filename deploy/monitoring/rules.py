"""Rules for Prometheus and promtool's tests of them, as text, both from the same alerts."""

import re
import textwrap
from collections.abc import Iterable

import yaml

from deploy.monitoring import alerts_data_flow, alerts_money, alerts_service
from deploy.monitoring.alert import Alert, Case, Recorded
from deploy.monitoring.recorded import RECORDED

GROUPS: dict[str, tuple[Alert, ...]] = {
    "gateway-money": alerts_money.ALERTS,
    "gateway-data-flow": alerts_data_flow.ALERTS,
    "gateway-service": alerts_service.ALERTS,
}
"""All alerts, by the group of rules that they are in."""
ALERTS: tuple[Alert, ...] = tuple(alert for alerts in GROUPS.values() for alert in alerts)

RUNBOOK = "docs/runbook.md"
_MADE = "# Made by `make monitoring` from deploy/monitoring/: edit it there.\n"


class _Plain(yaml.SafeDumper):
    """YAML as people write it: no aliases, long lines stay long, lists are indented."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  the library's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT002
        return super().increase_indent(flow, indentless=False)


def runbook_url(alert: Alert) -> str:
    """Where the runbook has the alert, in this repository: nobody but you knows under which host you show it."""
    return f"{RUNBOOK}#{alert.name.lower()}"


def rules() -> str:
    """deploy/prometheus/rules.yml"""
    groups = [
        {"name": name, "rules": [*map(_recorded, recorded_for(alerts)), *map(_rule, alerts)]}
        for name, alerts in GROUPS.items()
    ]
    return _MADE + _dump({"groups": groups})


def recorded_for(alerts: Iterable[Alert]) -> list[Recorded]:
    """What a group of alerts asks for. It is recorded in that group, since rules of one are evaluated in their order,
    and groups in any: an alert would see what was recorded an interval before."""
    asked = " ".join(alert.expr for alert in alerts)
    return [each for each in RECORDED if each.name in asked]


def tests(step: str) -> str:
    """The tests whose samples come at this step: a week at every minute would take minutes to work out."""
    cases = [_test(alert, case) for alert in ALERTS for case in alert.cases if case.step == step]
    return _MADE + _dump({"rule_files": ["rules.yml"], "evaluation_interval": step, "tests": cases})


def _recorded(recorded: Recorded) -> object:
    return {"record": recorded.name, "expr": recorded.expr}


def _rule(alert: Alert) -> object:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasts,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "runbook": alert.line, "runbook_url": runbook_url(alert)},
    }


def _test(alert: Alert, case: Case) -> object:
    expected = [
        {
            "exp_labels": {"severity": alert.severity, **labels},
            "exp_annotations": {
                "summary": _filled(alert.summary, labels, value),
                "runbook": alert.line,
                "runbook_url": runbook_url(alert),
            },
        }
        for labels, value in case.fires
    ]
    return {
        "name": f"{alert.name}: {case.why}",
        "interval": case.step,
        "input_series": [{"series": series, "values": values} for series, values in case.series],
        "alert_rule_test": [{"alertname": alert.name, "eval_time": case.at, "exp_alerts": expected}],
    }


def _filled(template: str, labels: dict[str, str], value: str) -> str:
    """A summary as Prometheus fills it in."""
    named = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels.get(found[1], ""), template)
    return re.sub(r"\{\{ \$value [^}]*\}\}", value, named)


def _dump(document: object) -> str:
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, width=10**6, allow_unicode=True)


def runbook(alerts: Iterable[Alert] = ALERTS) -> str:
    """docs/runbook.md"""
    introduction = (
        "One section for each alert of `deploy/prometheus/rules.yml`; the annotation `runbook_url` leads here."
        " `critical` is for somebody to be woken, `warning` for the next morning. Dashboards are those of"
        " `deploy/grafana/dashboards/`."
    )
    parts = [
        "# Runbook\n",
        "<!-- Made by `make monitoring` from deploy/monitoring/: edit it there. -->\n",
        f"{_wrapped(introduction)}\n",
        "| alert | severity | in one line |\n| --- | --- | --- |",
    ]
    alerts = tuple(alerts)
    parts += [f"| [{each.name}](#{each.name.lower()}) | {each.severity} | {each.line} |" for each in alerts]
    for each in alerts:
        lasting = "Fires at once" if each.lasts == "0m" else f"Fires when it holds for {each.lasts}"
        parts += [
            f"\n## {each.name}\n",
            f"{_wrapped(each.means)}\n",
            f"{lasting}, {each.severity}:\n",
            f"```promql\n{each.expr}\n```\n",
            "Look at:\n",
            *[_wrapped(line, "- ") for line in each.look],
            "\nDo:\n",
            *[_wrapped(line, "- ") for line in each.do],
        ]
    return "\n".join(parts) + "\n"


def _wrapped(text: str, mark: str = "") -> str:
    """Text in lines of 120, as the other pages have it; `mark` begins an item of a list."""
    return textwrap.fill(
        text,
        120,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
