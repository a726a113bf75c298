"""The house agrees with itself: sizes, mirrors, documents."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.assurance import ROWS, Showed, document, marked

from gateway.core.catalog import PASSPORT
from gateway.core.decision import Facts
from gateway.policy.files import BackendEntry
from gateway.policy.vocabulary import BACKEND, REQUEST
from gateway.providers import BASE_URLS, DIALECTS
from gateway.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path for path in (ROOT / "gateway").rglob("*.py") if path.name != "__init__.py")
NO_TEST_OF_THEIR_OWN = {
    "__main__.py": "calls main",
    "ports.py": "Protocols",
    "wire.py": "Protocols",
    "app.py": "started by every end-to-end test",
    "orders.py": "the admin listener's tests give orders to a running gateway",
    "sharing.py": "started by every end-to-end test",
    "spending.py": "started by every end-to-end test",
    "cli/common.py": "seen through the commands",
    "cli/serve.py": "started by every end-to-end test",
    "cli/quickstart.py": "tests/test_end_to_end.py",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "gateway").as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_a_head(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_has_its_test(path):
    module = path.relative_to(ROOT / "gateway")
    has = (ROOT / "tests" / module.parent / f"test_{module.name}").exists()
    assert has != (module.as_posix() in NO_TEST_OF_THEIR_OWN)


def test_no_module_is_named_for_nothing():
    assert [
        name_of(path) for path in MODULES if re.search(r"manager|handler|helper|utils|service|context", path.name)
    ] == []


def test_every_setting_is_documented():
    readme = (ROOT / "README.md").read_text()
    assert [name for name in Settings.model_fields if f"GATEWAY_{name.upper()}" not in readme] == []


def test_every_attribute_is_a_fact_and_documented():
    readme = (ROOT / "routing_policies" / "README.md").read_text()
    assert sorted(row.field for row in REQUEST.values() if not row.follows) == sorted(Facts.__struct_fields__)
    assert set(BACKEND) == {"backend", "provider", *PASSPORT}
    assert set(PASSPORT) <= set(BackendEntry.model_fields)
    assert [name for name in (*REQUEST, *BACKEND) if f"`{name}`" not in readme] == []


def test_every_provider_has_a_dialect():
    assert DIALECTS.keys() == BASE_URLS.keys()


def test_only_one_module_can_open_a_connection_with_content():
    opens = [name_of(path) for path in MODULES if re.search(r"import (aiohttp|httpx2?|requests)\b", path.read_text())]
    assert opens == ["adapters/otel_sender.py", "adapters/upstreams.py"], (
        "the former has records, which have no content"
    )


def test_the_command_line_answers_quickly_and_says_what_it_can():
    said = subprocess.run([sys.executable, "-m", "gateway", "--help"], capture_output=True, text=True)
    assert said.returncode == 0
    assert [word for word in ("serve", "quickstart", "policy", "keys", "spend") if word not in said.stdout] == []


def test_no_path_of_a_machine_is_in_the_tree():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    texts = [ROOT / name for name in tracked if not name.startswith("tests/vectors/") and (ROOT / name).is_file()]
    found = [path.name for path in texts if re.search(rb"/(work|root|home)/[a-z]+/", path.read_bytes())]
    assert found == []


def test_assurance_names_tests_that_exist_and_rows_that_exist():
    tests = marked()
    assert [row for row in tests if row not in ROWS] == []
    text = (ROOT / "docs" / "assurance.md").read_text()
    named = set(re.findall(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)", text))
    assert named
    assert [f"{path}::{name}" for name, path in named if f"def {name}(" not in (ROOT / path).read_text()] == []
    lines = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| ")]
    assert [title for title in ROWS.values() if title not in lines] == []


def test_assurance_hides_nothing():
    nothing, ran = Showed(), Showed()
    ran.add("fault 4", "tests/x.py::test_a", "2 answers", "both told")
    ran.outcomes |= {"tests/x.py::test_a": ["passed", "passed"], "tests/x.py::test_b": ["failed"]}
    tests = {
        "fault 4": ["tests/x.py::test_a", "tests/x.py::test_b", "tests/x.py::test_c"],
        "threat K1": ["tests/y.py::test_d"],
    }

    def row(showed: Showed, begins: str) -> str:
        return next(line for line in document(tests, showed).splitlines() if line.startswith(begins))

    assert row(nothing, "| 4 |").endswith("|  | not run |")
    assert row(nothing, "| 5 |").endswith("|  | **no test yet** |")
    assert row(ran, "| 4 |").endswith("| 2 answers | **1 failed**<br>both told<br>1 of 3 tests not run |")
    assert row(ran, "| K1 |").endswith("|  | not run |")
