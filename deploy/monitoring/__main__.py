"""Writes what is made from the values of this package; `--check` only says what is not as it would be written."""

import sys
from pathlib import Path

from deploy.monitoring import data_flow, grafana, routing, rules, service, spend

DASHBOARDS = (spend.DASHBOARD, routing.DASHBOARD, data_flow.DASHBOARD, service.DASHBOARD)
_ROOT = Path(__file__).resolve().parents[2]


def files() -> dict[str, str]:
    """Every file that is made, by its path in the repository."""
    return {
        **{f"deploy/grafana/dashboards/{each.file}.json": grafana.as_json(each) for each in DASHBOARDS},
        "deploy/prometheus/rules.yml": rules.rules(),
        "deploy/prometheus/rules_test.yml": rules.tests("1m"),
        "deploy/prometheus/rules_week_test.yml": rules.tests("30m"),
        rules.RUNBOOK: rules.runbook(),
    }


def main(arguments: list[str]) -> int:
    """Writes the files, or with `--check` compares them. Returns the exit code: 1 where one differs."""
    made = files()
    if arguments == ["--check"]:
        stale = [name for name, text in made.items() if not _same(_ROOT / name, text)]
        for name in stale:
            sys.stderr.write(f"{name} is not as it is generated; run: make monitoring\n")
        return 1 if stale else 0
    for name, text in made.items():
        (_ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (_ROOT / name).write_text(text, encoding="utf-8")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
