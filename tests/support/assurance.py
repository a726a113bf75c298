"""What the tests of faults and threats showed: a test names its rows, and says how much it did and what came of it.

A run of which `GATEWAY_ASSURANCE` names a file writes it there, as the two tables of docs/assurance.md.
"""

import ast
import datetime as dt
import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

THREATS = {
    "K1": "theft of keys from the stores",
    "K2": "guessing of keys, timing, injection through the key",
    "K3": "rotation, expiry and scope of keys",
    "K4": "one caller taken for another by what was remembered",
    "U1": "an upstream's key in logs, errors, metrics",
    "U2": "an upstream that echoes our key or the prompt in its error",
    "H1": "a label lowered by headers, metadata, aliases",
    "H2": "ambiguous framing: hop-by-hop headers, two lengths, odd bytes",
    "H3": "a host or path that is taken for another",
    "H4": "a forged address of the client",
    "S1": "a request that names where to send it",
    "S2": "addresses of images and files",
    "P1": "prompt text in logs, traces, dumps",
    "D1": "bodies: deep, large, with many keys, compressed",
    "D2": "clients that send or read slowly",
    "D3": "patterns that take forever",
    "D4": "labels and metrics without bound",
    "C1": "an answer of one caller for another",
    "L1": "injection into logs, CSV, terminals",
    "A1": "an admin interface that is open",
    "F1": "a policy that was tampered with or is older",
    "F2": "YAML bombs, tags, duplicate keys, odd types",
    "F3": "includes, links, pipes in the policy tree",
    "F4": "a tree that changes while it is read",
    "R1": "an answer that shows what policy does not let out",
    "E1": "text that is written so that detectors miss it",
    "E2": "parts of a request that nobody scans",
    "B1": "budgets: races, retries, replays",
    "B2": "parameters that make one request dear",
    "B3": "a request that is sent again",
    "X1": "the supply chain",
    "X2": "keys in memory dumps",
    "I1": "an endpoint that answers as another model",
}
"""Threats by the names of their rows, in their order."""

FAULTS = {
    "1": "load, held",
    "2": "three times as much load as can be served",
    "3": "hours of load",
    "4": "an upstream says 500, 502, 503, 529, 429",
    "5": "nobody there: refused, no name, TLS that is not to be trusted",
    "6": "silence before the first byte, in mid-stream, a byte a second",
    "7": "a connection that is lost after any number of bytes",
    "8": "answers that are none",
    "9": "a client that hangs up, at any moment",
    "10": "Valkey down, slow, emptied, replaced, written over",
    "11": "PostgreSQL down, slow, read-only, full",
    "12": "a disk that is full or takes nothing",
    "13": "`kill -9` in the middle of streams",
    "14": "a journal that ends at any byte of its last record",
    "15": "clocks that jump",
    "16": "SIGTERM under load",
    "17": "a storm of reloads, some of them invalid",
    "18": "a backend suspended while it streams",
    "19": "little memory and many idle connections",
    "20": "few descriptors",
    "21": "work that would block the event loop",
    "22": "a byte a packet, connections that are half open",
    "23": "inputs at random: bodies, bytes, sequences of commands",
    "24": "streams at random, read by another parser",
    "25": "fallback and policy: any fault at any hop, any label, any policy",
    "26": "several processes: revocation, limits, policy",
    "27": "a newer and an older version on the same data",
}
"""Faults by the numbers of their rows."""

ROWS = {f"threat {name}": title for name, title in THREATS.items()}
ROWS |= {f"fault {name}": title for name, title in FAULTS.items()}

_HEAD = """# Assurance: what was attacked and broken, and what came of it

Each row is a promise that tests keep: take the defence away, and they fail. `make assurance` runs them and writes this
page; `make assurance FULL=1` does more of everything and writes `assurance-full.md`. A test says by
`@pytest.mark.assures("fault 4")` for which rows it is.

"""


class Showed:
    """What tests showed, by row, and how each test ended."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[str, str, str]]] = {}
        self.outcomes: dict[str, list[str]] = defaultdict(list)

    def add(self, row: str, test: str, amount: str, result: str) -> None:
        self.rows.setdefault(row, []).append((test, amount, result))


class Collected:
    """What the tests of this run showed, wherever they ran: reports come here from all processes. What other runs of
    the same commit showed stays, so that tests that need the machine for themselves can run after the others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = Showed()
        self.now = Showed()
        self.of = [_commit(), _amounts()]
        if _KEPT.exists() and (kept := json.loads(_KEPT.read_text()))["of"] == self.of:
            self.before.rows |= kept["rows"]
            self.before.outcomes |= kept["outcomes"]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.partition("[")[0].partition("@")[0]
        if report.when == "call" or report.outcome != "passed":
            outcome = "failed" if report.failed else "skipped" if report.skipped else "passed"
            self.now.outcomes[test].append(outcome)
        if report.when == "call":
            for name, said in report.user_properties:
                if name == _PROPERTY:
                    self.now.add(said[0], test, said[1], said[2])

    def pytest_sessionfinish(self) -> None:
        whole = Showed()
        whole.outcomes |= {**self.before.outcomes, **self.now.outcomes}
        for row in {*self.before.rows, *self.now.rows}:
            older = [told for told in self.before.rows.get(row, []) if told[0] not in self.now.outcomes]
            whole.rows[row] = [*older, *self.now.rows.get(row, [])]
        _KEPT.parent.mkdir(exist_ok=True)
        _KEPT.write_text(json.dumps({"of": self.of, "rows": whole.rows, "outcomes": whole.outcomes}))
        self.path.write_text(document(marked(), whole))


_KEPT = ROOT / ".cache" / "assurance.json"
_PROPERTY = "showed"


def pytest_configure(config: pytest.Config) -> None:
    if (path := os.environ.get("GATEWAY_ASSURANCE")) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collected(ROOT / path))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    unknown = {
        row: item.nodeid
        for item in items
        for marker in item.iter_markers("assures")
        for row in marker.args
        if row not in ROWS
    }
    assert not unknown, f"no such rows: {unknown}; they are in tests/support/assurance.py"


@pytest.fixture
def showed(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Notes what a test with `@pytest.mark.assures(row, ...)` did (`amount`) and what came of it (`result`), in words for
    the table of docs/assurance.md. Called at the end, after everything was asserted."""
    rows = [row for marker in request.node.iter_markers("assures") for row in marker.args]
    assert rows, "say which rows it is for: @pytest.mark.assures('fault 4')"

    def note(amount: str, result: str) -> None:
        for row in rows:
            request.node.user_properties.append((_PROPERTY, [row, amount, result]))

    return note


def marked(root: Path = ROOT) -> dict[str, list[str]]:
    """The tests for each row, as their files say: `tests/x.py::test_y`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text()
        if "assures(" not in text:
            continue
        everywhere: list[str] = []
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "pytestmark":
                everywhere = _rows_in(node.value)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                rows = everywhere + [row for decorator in node.decorator_list for row in _rows_in(decorator)]
                for row in dict.fromkeys(rows):
                    found[row].append(f"{path.relative_to(root).as_posix()}::{node.name}")
    return dict(found)


def _rows_in(node: ast.AST) -> list[str]:
    """The rows that a mark names, wherever it is in an expression."""
    return [
        argument.value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "assures"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    ]


def document(tests: dict[str, list[str]], showed: Showed) -> str:
    """The page: every row, also those without a test and those whose tests did not run."""
    ran = sum(map(len, showed.outcomes.values()))
    today = dt.datetime.now(dt.UTC).date().isoformat()
    head = f"{today}, commit {_commit()}, {ran} tests; amounts: {_amounts()}.\n"
    parts = [_HEAD, head, "\n## Threats\n\n", _table(THREATS, "threat", tests, showed)]
    return "".join([*parts, "\n## Faults\n\n", _table(FAULTS, "fault", tests, showed)])


def _commit() -> str:
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    return said.strip() or "unknown"


def _amounts() -> str:
    return "full" if os.environ.get("GATEWAY_TEST_AMOUNTS") == "full" else "those of `make test`"


def _table(titles: dict[str, str], what: str, tests: dict[str, list[str]], showed: Showed) -> str:
    lines = [f"| # | {what} | tests | amount | result |", "| --- | --- | --- | --- | --- |"]
    for name, title in titles.items():
        row = f"{what} {name}"
        named = tests.get(row, [])
        amounts, results = _told(row, named, showed)
        links = "<br>".join(f"[{test.partition('::')[2]}](../{test.partition('::')[0]})" for test in named)
        cells = (name, title, links, amounts, results)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _told(row: str, tests: list[str], showed: Showed) -> tuple[str, str]:
    """Amount and result of a row."""
    if not tests:
        return "", "**no test yet**"
    told = showed.rows.get(row, [])
    amounts = [amount for _, amount, _ in told]
    results = list(dict.fromkeys(result for _, _, result in told))
    spoke = {test for test, _, _ in told}
    outcomes = {test: showed.outcomes.get(test, []) for test in tests}
    silent = sum(outcome.count("passed") for test, outcome in outcomes.items() if test not in spoke)
    if silent:
        amounts.append(f"{silent} case{'s' if silent > 1 else ''}")
        if not results:
            results.append("holds")
    for outcome in ("failed", "skipped"):
        if count := sum(each.count(outcome) for each in outcomes.values()):
            results.insert(0, f"**{count} {outcome}**")
    if absent := sum(not each for each in outcomes.values()):
        results.append("not run" if absent == len(tests) else f"{absent} of {len(tests)} tests not run")
    return "<br>".join(dict.fromkeys(amounts)), "<br>".join(results)
