"""The full amounts, one test file after the other: can be stopped and gone on with, and writes one table.

    python tests/nightly.py [--fresh] [FILE ...]

What passed is not run again while the tree stays as it is (the commit, and what is not committed). The table is
`.cache/nightly/table.md`. Exit code 1: something failed.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache/nightly"
TEST_SECONDS = 3600
COUNTS = ("tests", "failures", "errors", "skipped")


def state_of(root: Path) -> str:
    """Names the tree as it is, with what is in files that git does not know: what passed on another says nothing."""
    said = [["git", "rev-parse", "HEAD"], ["git", "diff", "HEAD"], ["git", "status", "--porcelain"]]
    outputs = [subprocess.run(each, cwd=root, capture_output=True, check=True).stdout for each in said]
    named = ["git", "ls-files", "--others", "--exclude-standard", "-z"]
    unknown = subprocess.run(named, cwd=root, capture_output=True, check=True).stdout.split(b"\0")[:-1]
    files = [root / os.fsdecode(name) for name in sorted(unknown)]
    outputs += [hashlib.sha256(path.read_bytes()).digest() for path in files if path.is_file()]
    return hashlib.sha256(b"\0".join(outputs)).hexdigest()


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("test_*.py"))


def run(file: Path, cache: Path) -> dict[str, object]:
    """Runs one file with the full amounts, and says what came of it."""
    report, began = cache / "report.xml", time.monotonic()
    report.unlink(missing_ok=True)
    code = subprocess.run(
        [sys.executable, "-m", "pytest", file, f"--timeout={TEST_SECONDS}", f"--junit-xml={report}"],
        env={**os.environ, "GATEWAY_TEST_AMOUNTS": "full"},
        cwd=ROOT,
    ).returncode
    counts = dict.fromkeys(COUNTS, 0)
    skipped: Counter[str] = Counter()
    if report.exists():  # a process that died has written none
        read = ET.parse(report)
        for suite in read.iter("testsuite"):
            counts = {name: counts[name] + int(suite.get(name, 0)) for name in COUNTS}
        skipped.update(each.get("message", "") for each in read.iter("skipped"))
    return {
        "good": code in {0, 5},  # 5: none of its tests is here
        "seconds": round(time.monotonic() - began),
        **counts,
        "why_skipped": skipped,
    }


def table(rows: dict[str, dict[str, object]]) -> str:
    lines = [f"| file | {' | '.join(COUNTS)} | seconds | |", "| --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    for name, row in sorted(rows.items()):
        figures = " | ".join(str(row[column]) for column in (*COUNTS, "seconds"))
        lines.append(f"| {name} | {figures} | {'' if row['good'] else 'FAILED'} |")
    return "\n".join([*lines, "", *skips(rows)]) + "\n"


def skips(rows: dict[str, dict[str, object]]) -> list[str]:
    """What was not shown, most of it first: how many tests were skipped, and why."""
    every = sum((Counter(row["why_skipped"]) for row in rows.values()), Counter())
    return [f"- {count} skipped: {why}" for why, count in every.most_common()]


def nightly(files: list[Path], cache: Path, state: str) -> int:
    """Runs the files that have not passed on this state of the tree. The number of those that failed."""
    cache.mkdir(parents=True, exist_ok=True)
    known = cache / "done.json"
    kept = json.loads(known.read_text()) if known.exists() else {}
    rows = kept["rows"] if kept.get("state") == state else {}
    for file in files:
        name = os.path.relpath(file, ROOT)
        if rows.get(name, {}).get("good"):
            continue
        print(f"== {name}", flush=True)
        rows[name] = run(file, cache)
        known.write_text(json.dumps({"state": state, "rows": rows}, indent=1))
        (cache / "table.md").write_text(table(rows))
    bad = [name for name, row in rows.items() if not row["good"]]
    passed = sum(int(row["tests"]) - sum(int(row[name]) for name in COUNTS[1:]) for row in rows.values())
    print(*skips(rows), sep="\n")
    print(f"{len(rows)} files, {len(bad)} failed {' '.join(bad)}".rstrip(), f"table: {cache / 'table.md'}", sep="\n")
    print(f"{passed} passed, {sum(int(row['failures']) + int(row['errors']) for row in rows.values())} failed")
    return len(bad)


def main() -> None:
    read = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    read.add_argument("--fresh", action="store_true", help="run again what passed")
    read.add_argument("files", nargs="*", type=Path)
    asked = read.parse_args()
    if asked.fresh:
        (CACHE / "done.json").unlink(missing_ok=True)
    sys.exit(nightly(asked.files or files_of(ROOT / "tests"), CACHE, state_of(ROOT)) > 0)


if __name__ == "__main__":
    main()
