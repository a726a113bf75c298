"""`gateway policy schema`: prints, writes and checks what is generated from a tree."""

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from gateway.cli import app
from gateway.policy.reference import BEGIN, END
from gateway.policy.tree import KINDS

SHIPPED = Path(__file__).parents[3] / "routing_policies"
VOCABULARY = (SHIPPED / "vocabulary.yaml").read_text()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GATEWAY_POLICIES", "GATEWAY_EXTRA_CATALOG", "GATEWAY_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = Path("tree")
    (folder / "catalog").mkdir(parents=True)
    (folder / "vocabulary.yaml").write_text(VOCABULARY)
    (folder / "catalog/a.yaml").write_text("backends: {home: {provider: vllm, base_url: 'http://home/v1'}}\n")
    (folder / "README.md").write_text(f"Ours.\n{BEGIN}\nold\n{END}\nBye.\n")
    return folder


def run(*words):
    result = CliRunner().invoke(app, ["policy", "schema", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


def files_of(tree):
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_it_prints_one_document_that_knows_the_tree(tree):
    code, out, _ = run(tree)
    schema = Draft202012Validator(json.loads(out))
    test = {"tests": [{"name": "x", "expect": {"first": "home"}}]}
    assert (code, schema.is_valid(test), schema.is_valid(json.loads(json.dumps(test).replace("home", "away")))) == (
        0,
        True,
        False,
    )


def test_it_prints_the_schema_of_one_kind(tree):
    code, out, _ = run(tree, "--kind", "prices")
    assert (code, set(json.loads(out)["properties"])) == (0, {"version", "unpriced", "models"})


def test_what_is_printed_changes_no_file(tree):
    before = files_of(tree)
    run(tree)
    assert files_of(tree) == before


def test_what_is_written_is_what_is_checked(tree):
    stale = [*(f"{tree}/.schema/{kind}.json" for kind in KINDS), f"{tree}/README.md"]
    code, out, _ = run(tree, "--check")
    assert (code, [line.partition(":")[0] for line in out.splitlines()], out.count(" P006 ")) == (
        1,
        sorted(stale),
        len(stale),
    )
    assert run(tree, "--write") == (0, "".join(f"wrote {path}\n" for path in stale), "")
    assert run(tree, "--check") == (0, "", "")
    assert run(tree, "--write") == (0, "nothing to write: all are as they would be made now\n", "")
    readme = (tree / "README.md").read_text()
    assert (readme.startswith("Ours.\n"), "### Attributes of requests" in readme, readme.endswith("\nBye.\n")) == (
        True,
        True,
        True,
    )


def test_a_new_backend_makes_what_was_written_stale(tree):
    run(tree, "--write")
    (tree / "catalog/b.yaml").write_text("backends: {more: {provider: vllm, base_url: 'http://more/v1'}}\n")
    code, out, _ = run(tree, "--check", "--format", "json")
    assert (code, {each["file"] for each in json.loads(out)}) == (
        1,
        {f"{tree}/.schema/{kind}.json" for kind in ("invariants", "catalog", "policies", "tests", "exceptions")},
    )


def test_a_tree_needs_no_readme(tree):
    (tree / "README.md").unlink()
    run(tree, "--write")
    assert (run(tree, "--check")[0], (tree / "README.md").exists()) == (0, False)


def test_what_this_machine_adds_to_the_catalog_is_not_in_it(tree, monkeypatch, tmp_path):
    run(tree, "--write")
    shutil.copytree(tree / "catalog", tmp_path / "extra")
    (tmp_path / "extra/a.yaml").write_text("backends: {local: {provider: vllm, base_url: 'http://local/v1'}}\n")
    monkeypatch.setenv("GATEWAY_EXTRA_CATALOG", str(tmp_path / "extra"))
    assert run(tree, "--check")[0] == 0


def test_the_tree_does_not_see_what_is_written(tree):
    run(tree, "--write")
    result = CliRunner().invoke(app, ["policy", "check", str(tree)])
    assert (result.exit_code, result.stdout[:3]) == (0, "ok:")


def test_a_tree_that_does_not_load_has_no_schema(tree):
    (tree / "catalog/a.yaml").write_text("backends: {home: {provider: nobody}}\n")
    code, out, error = run(tree, "--write")
    assert (code, out, "P103" in error, (tree / ".schema").exists()) == (1, "", True, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tree", "--write", "--check"], "--write and --check exclude each other"),
        (["tree", "--kind", "recipes"], "no kind of file `recipes`; known: vocabulary, prices"),
        (["nowhere"], "no policy directory at nowhere"),
    ],
)
def test_what_cannot_be_done_is_said(tree, words, said):
    code, out, error = run(*words)
    assert (code, out, error.startswith(said)) == (2, "", True)


def test_a_file_that_cannot_be_written_is_said(tree):
    (tree / ".schema").write_text("a file where a folder should be")
    code, _, error = run(tree, "--write")
    assert (code, error.startswith("cannot write tree/.schema")) == (2, True)


def test_the_shipped_tree_is_up_to_date(tree):
    assert run(SHIPPED, "--check") == (0, "", "")
