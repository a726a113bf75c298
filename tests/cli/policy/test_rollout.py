"""`gateway policy rollout`: kept decisions in, what is ready out; and with --apply one word in a file."""

import json
import stat
from pathlib import Path

import pytest
from support.full_disk import taken_by_a_full_disk
from support.policy_commands import run
from support.trials import keep, on_trial

from gateway.adapters import policy_files
from gateway.adapters.audit import NAME, Audit, read, whoever
from gateway.cli.policy import rollout

TEST = "tests: [{name: hr is served at home, request: {purpose: hr}, expect: {decision: permit}}]\n"


@pytest.fixture
def decided(tree):
    """Keeps decisions in the state directory, so many hours old."""
    Path("state").mkdir()
    return lambda *ages, **more: keep(tree, Path("state"), map(str, ages), **more)


def roll_out(tree, *words):
    return run("rollout", tree, "--state-dir", "state", *words)


def test_what_is_ready_is_told_and_exits_1(tree, decided):
    path = on_trial(tree)
    decided(25, 3, 2, "1h")
    before = path.read_bytes()
    code, out, err = roll_out(tree)
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        f"trial: ready for warn  {path}:4:9",
        "    1 of 4 requests in 25h would be newly denied; allowed: 25%",
        "    1 of team legal, key k1, model auto: no-hr-at-all-trial, for example dec-3",
    ]
    assert path.read_bytes() == before


def test_what_is_applied_is_one_word_and_exits_0(tree, decided):
    path = on_trial(tree)
    path.chmod(0o640)
    decided(25)
    before = path.read_text()
    code, out, err = roll_out(tree, "--apply")
    assert (code, err, out.splitlines()[-1]) == (0, "", f"wrote `mode: warn` into {path}")
    assert path.read_text() == before.replace("mode:   shadow ", "mode:   warn ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in sorted(path.parent.iterdir())] == ["a.yaml", "trial.yaml"]


def test_from_shadow_to_enforce_each_step_is_a_trial_of_its_own(tree, decided):
    path = on_trial(tree)
    decided(72, 50)
    assert roll_out(tree, "--apply")[0] == 0
    code, out, _ = roll_out(tree, "--apply")
    assert (code, out.splitlines()[1]) == (0, "    this tree has not decided any request yet")
    decided(30, 25, prefix="next-")
    assert roll_out(tree, "--apply")[0] == 0
    assert "mode:   enforce   # one word" in path.read_text()
    assert run("check", tree)[0] == 0
    assert roll_out(tree, "--apply")[:2] == (0, "no file on trial has a `promote`\n")


@pytest.mark.parametrize(
    ("ages", "said"),
    [
        ([], "this tree has not decided any request yet"),
        ([23.9, 1], "23h of 24h have passed since this tree came into force"),
        ([25, 3, "1h"], "it would newly deny more than 25%"),
    ],
)
@pytest.mark.parametrize("words", [[], ["--apply"]])
def test_what_is_not_ready_stays_and_exits_0(tree, decided, ages, said, words):
    path = on_trial(tree)
    decided(*ages)
    before = path.read_bytes()
    code, out, err = roll_out(tree, *words)
    assert (code, err, out.splitlines()[:2]) == (0, "", [f"trial: stays in shadow  {path}:4:9", f"    {said}"])
    assert path.read_bytes() == before


def test_a_change_of_the_tree_starts_the_clock_again(tree, decided):
    on_trial(tree)
    decided(25, 20)
    (tree / "policies/a.yaml").write_text((tree / "policies/a.yaml").read_text() + "# changed\n")
    assert "has not decided any request yet" in roll_out(tree)[1]
    decided(3, prefix="new-")
    assert "3h of 24h" in roll_out(tree)[1]


def test_the_extra_catalog_of_the_server_belongs_to_the_tree(tree, decided, monkeypatch):
    on_trial(tree)
    Path("extra").mkdir()
    Path("extra/more.yaml").write_text("backends: {more: {provider: openai, price: {input: 1, output: 1}}}\n")
    decided(25, extra=Path("extra"))
    assert roll_out(tree)[0] == 0
    monkeypatch.setenv("GATEWAY_EXTRA_CATALOG", "extra")
    assert roll_out(tree)[0] == 1


@pytest.mark.parametrize("words", [[], ["--apply"]])
def test_a_tree_that_would_not_load_with_it_is_not_written(tree, decided, words):
    path = on_trial(tree, "warn")
    (tree / "tests").mkdir()
    (tree / "tests/a.yaml").write_text(TEST)
    decided(25)
    before = path.read_bytes()
    code, out, err = roll_out(tree, *words)
    assert (code, out.splitlines()[0]) == (1, f"trial: ready for enforce  {path}:4:9")
    assert err.startswith("the tree would not load with what is ready:\n")
    assert "P401" in err
    assert path.read_bytes() == before


def test_several_files_are_judged_each_for_itself(tree, decided):
    first, second = on_trial(tree), on_trial(tree, "warn", "second")
    second.write_text(second.read_text().replace("purpose: hr", "purpose: general"))
    decided(25, 2)
    assert roll_out(tree, "--apply")[0] == 0
    assert ("mode:   warn " in first.read_text(), "mode:   warn " in second.read_text()) == (True, True)


def test_a_mode_that_no_word_can_take_the_place_of_keeps_all_files_as_they_are(tree, decided):
    first, second = on_trial(tree), on_trial(tree, name="second")
    first, second = second, first  # the one that can be written comes first in the tree
    second.write_text(second.read_text().replace("mode:   shadow   # one word", 'mode: "\\x73hadow"'))
    decided(25)
    code, _, err = roll_out(tree, "--apply")
    assert (code, "cannot put `warn` here" in err, "mode:   shadow" in first.read_text()) == (2, True, True)


def test_a_file_that_changes_meanwhile_is_left_alone(tree, decided, monkeypatch):
    path = on_trial(tree)
    decided(25)

    def edited(bundle):
        path.write_text(path.read_text() + "# saved just now\n")
        return ()

    monkeypatch.setattr(rollout, "check", edited)
    code, _, err = roll_out(tree, "--apply")
    assert (code, "was changed meanwhile" in err) == (2, True)
    assert "mode:   shadow" in path.read_text()


def test_json_is_for_programs(tree, decided):
    on_trial(tree)
    decided(25, 1)
    found = json.loads(roll_out(tree, "--format", "json")[1])
    assert (found["applied"], [each["ready"] for each in found["files"]], len(found["digest"])) == (False, [True], 16)
    assert json.loads(roll_out(tree, "--format", "json", "--apply")[1])["applied"] is True
    assert json.loads(roll_out(tree, "--format", "json", "--apply")[1])["applied"] is False


def test_markdown_is_for_a_pull_request(tree, decided):
    path = on_trial(tree)
    decided(25)
    out = roll_out(tree, "--apply", "--format", "markdown")[1]
    assert out.startswith(f"### Roll-out\n\n- `trial` (`{path}`): ready for warn\n  - 0 of 1 requests in 25h")


def test_a_tree_where_nothing_is_on_trial_has_nothing_to_do(tree, decided):
    assert roll_out(tree) == (0, "no file on trial has a `promote`\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--state-dir", "nowhere"], "no state directory at nowhere"), (["--format", "github"], "'github'")],
)
def test_what_cannot_run_exits_2_and_says_why(tree, decided, words, said):
    code, out, err = roll_out(tree, *words)
    assert (code, out, said in err, "Traceback" in err) == (2, "", True, False)


def test_a_tree_that_does_not_load_exits_2(tree, decided):
    on_trial(tree, "off")
    code, out, err = roll_out(tree)
    assert (code, out, "P106" in err) == (2, "", True)


def test_a_folder_that_cannot_be_written_exits_2(tree, decided, monkeypatch):
    path = on_trial(tree)
    decided(25)

    def full(self, raw):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = roll_out(tree, "--apply")
    assert (code, err) == (2, f"cannot write {path}: No space left on device\n")
    assert "mode:   shadow" in path.read_text()


def test_what_is_applied_is_noted(tree, decided):
    on_trial(tree)
    digest = policy_files.parse_files(tree, None).bundle.digest
    decided(25)
    roll_out(tree, "--apply")
    [act] = [each for each in read(Path("state")) if each.act == "policy_promoted"]
    assert (act.object, act.outcome, act.detail, act.actor) == (digest, "done", "trial: warn", whoever())


@pytest.mark.parametrize("fails", ["open", "append"])
def test_what_cannot_be_noted_is_not_done(tree, decided, monkeypatch, fails):
    paths = [on_trial(tree), on_trial(tree, name="second")]
    decided(25)
    before = [path.read_bytes() for path in paths]
    if fails == "open":
        (Path("state") / NAME).unlink(missing_ok=True)
        (Path("state") / NAME).mkdir()
    else:
        monkeypatch.setattr(Audit, "_taken", taken_by_a_full_disk)
    code, _, err = roll_out(tree, "--apply")
    assert (code, err.startswith("not done: it cannot be noted in the audit trail: ")) == (2, True)
    assert [path.read_bytes() for path in paths] == before
    assert sorted(each.name for each in paths[0].parent.iterdir()) == ["a.yaml", "second.yaml", "trial.yaml"]


def test_a_file_that_cannot_be_replaced_takes_the_others_back(tree, decided, monkeypatch):
    paths = [on_trial(tree), on_trial(tree, name="second")]
    decided(25)
    before = [path.read_bytes() for path in paths]
    replace = Path.replace

    def busy(self, target):
        if self.name == ".trial.yaml.new":
            raise OSError(16, "Device or resource busy")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", busy)
    code, _, err = roll_out(tree, "--apply")
    assert (code, err) == (2, f"cannot write {paths[0]}: Device or resource busy\n")
    assert [path.read_bytes() for path in paths] == before
    assert [each.outcome for each in read(Path("state")) if each.act == "policy_promoted"] == ["failed"]
