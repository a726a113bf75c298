"""`make nightly` goes on where it was stopped."""

import json
import subprocess

import nightly

COUNTING = """\
import os
from pathlib import Path

import pytest

def test_it():
    assert os.environ["GATEWAY_TEST_AMOUNTS"] == "full"
    with Path(__file__).with_suffix(".ran").open("a") as ran:
        ran.write("x")
    assert {good}

@pytest.mark.skipif(True, reason="there is no moon")
def test_by_moonlight():
    pass
"""


def ran(folder):
    return {file.stem: len(file.read_text()) for file in folder.glob("*.ran")}


def test_what_passed_is_not_run_again_until_the_tree_changes(tmp_path, capfd):
    for name, good in (("test_good", True), ("test_bad", False)):
        (tmp_path / f"{name}.py").write_text(COUNTING.format(good=good))
    files, cache = nightly.files_of(tmp_path), tmp_path / "cache"
    assert nightly.nightly(files, cache, "one") == 1
    assert ran(tmp_path) == {"test_good": 1, "test_bad": 1}
    assert nightly.nightly(files, cache, "one") == 1
    assert ran(tmp_path) == {"test_good": 1, "test_bad": 2}
    table = (cache / "table.md").read_text()
    assert [("FAILED" in line) for line in table.splitlines()[2:4]] == [True, False]  # test_bad, test_good
    assert table.endswith("\n\n- 2 skipped: there is no moon\n")
    (tmp_path / "test_bad.py").write_text(COUNTING.format(good=True))
    assert nightly.nightly(files, cache, "two") == 0
    assert ran(tmp_path) == {"test_good": 2, "test_bad": 3}
    rows = json.loads((cache / "done.json").read_text())["rows"]
    assert [(row["good"], row["tests"], row["failures"]) for row in rows.values()] == [(True, 2, 0)] * 2
    said = capfd.readouterr().out
    assert "2 passed, 0 failed" in said
    assert "- 2 skipped: there is no moon" in said


def test_every_test_file_is_in_it():
    names = {str(file.relative_to(nightly.ROOT)) for file in nightly.files_of(nightly.ROOT / "tests")}
    assert {"tests/test_nightly.py", "tests/core/test_errors.py"} <= names


def test_the_state_of_a_tree_is_its_commit_and_its_changes():
    assert len(nightly.state_of(nightly.ROOT)) == 64


def test_another_text_in_a_file_that_git_does_not_know_is_another_state(tmp_path):
    for command in (["init", "-q"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m", "--allow-empty"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    states = []
    for text in ("a", "b", "a"):
        (tmp_path / "new.py").write_text(text)
        states.append(nightly.state_of(tmp_path))
    assert (states[0] != states[1], states[0]) == (True, states[2])
