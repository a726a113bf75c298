"""Policy trees on disk: read once, never through a link, and a tree that does not load changes nothing."""

import asyncio
import contextlib
import gc
import os
import shutil
import threading
import time
import weakref
from pathlib import Path

import pytest
from support.signing import OTHER, key_file, sign

from gateway.adapters import policy_files
from gateway.adapters.policy_files import (
    MAX_FILES,
    PolicyFiles,
    Unreadable,
    load,
    parse_files,
    read_lock,
    read_tree,
    write_beside,
)
from gateway.adapters.policy_versions import PolicyVersions
from gateway.core.decision import Facts
from gateway.policy.document import Mark, Problem
from gateway.policy.parse import Parsed
from gateway.review import load as load_checks
from gateway.review import lock as locks
from gateway.review.lock import lock_of

VOCABULARY = """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {}
purposes: {general: a}
deployments: {self_hosted: a}
zones: {}
regions: {}
origins: {}
licences: {}
statuses: {}
retentions: {}
training: {}
audiences: {}
"""
RULES = "policy: base\nowner: security\nrules: [{id: all, permit: {}}]\n"
CATALOG = "backends: {a: {provider: openai, api_key: env:NO_SUCH_KEY}}\n"
FOUND = "backends: {b: {provider: ollama, base_url: http://localhost:11434/v1}}\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    folder = tmp_path / "tree"
    for name, text in {"vocabulary.yaml": VOCABULARY, "policies/a.yaml": RULES, "catalog/a.yaml": CATALOG}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def put(tree, lock):
    """Puts a lock beside the files of a tree."""
    return write_beside(tree, "policy.lock", locks.text(lock))


async def load_here(directory, extra):
    return load(directory, extra)


class Held:
    """Policy files, and what they told."""

    def __init__(self, tree, extra=None, load_apart=load_here, **more):
        self.loads, self.failures = [], []
        self.files = PolicyFiles(
            tree,
            extra,
            load(tree, extra),
            load_apart=load_apart,
            **more,
            on_load=lambda digest, backends: self.loads.append((digest, [each.id for each in backends])),
            on_failure=self.failures.append,
        )


def ids(parsed):
    return [each.id for each in parsed.bundle.backends]


def test_a_tree_is_its_files_by_path(tree):
    (tree / "README.md").write_text("not read")
    assert read_tree(tree) == {
        "catalog/a.yaml": CATALOG.encode(),
        "policies/a.yaml": RULES.encode(),
        "vocabulary.yaml": VOCABULARY.encode(),
    }


def link(path, tree):
    path.symlink_to(tree / "vocabulary.yaml")


def broken_link(path, tree):
    path.symlink_to(tree / "nowhere")


def pipe(path, tree):
    os.mkfifo(path)


def directory(path, tree):
    path.mkdir()


@pytest.mark.parametrize("make", [link, broken_link, pipe, directory])
@pytest.mark.parametrize("place", ["x.yaml", "policies/x.yaml", "catalog/x.yml"])
def test_what_is_no_regular_file_is_refused(tree, make, place):
    make(tree / place, tree)
    with pytest.raises(Unreadable, match=r"x\.ya?ml"):
        read_tree(tree)


@pytest.mark.parametrize("make", [link, pipe, directory])
def test_refusing_leaves_no_file_open(tree, make):
    make(tree / "x.yaml", tree)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with contextlib.suppress(Unreadable, OSError):
            read_tree(tree)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("place", ["policies/eu/x.yaml", "policies/projects/eu/x.yaml", "x.yml", "rules.d/x.yaml"])
def test_no_policy_file_is_left_out_in_silence(tree, place):
    (tree / place).parent.mkdir(parents=True, exist_ok=True)
    (tree / place).write_text("policy: more\nowner: o\nrules: [{id: none, forbid: {}}]\n")
    parsed = load(tree)
    read = parsed.bundle is not None and "none" in [rule.id for rule in parsed.bundle.rules]
    assert read or [each.mark.file for each in parsed.problems] == [str(tree / place)]


def test_a_linked_folder_is_not_followed(tree, tmp_path):
    (tree / "policies").rename(tmp_path / "elsewhere")
    (tree / "policies").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unreadable, match="policies"):
        read_tree(tree)


@pytest.mark.parametrize("name", ["nowhere", "tree/vocabulary.yaml"])
def test_a_missing_directory_is_told_with_the_setting(tree, name):
    with pytest.raises(Unreadable, match=r"no policy directory at .*; set GATEWAY_POLICIES or --policies"):
        read_tree(tree.parent / name)


@pytest.mark.assures("threat F3")
def test_too_many_files_are_refused(tree, showed):
    for number in range(MAX_FILES - 3):
        (tree / f"policies/{number}.yaml").touch()
    assert len(read_tree(tree)) == MAX_FILES
    (tree / "policies/more.yaml").touch()
    with pytest.raises(Unreadable, match=f"holds more than {MAX_FILES} policy files"):
        read_tree(tree)
    showed("a folder of too many files", "refused")


@pytest.mark.parametrize("name", ["vocabulary.yaml", "policies/a.yaml", "catalog/a.yaml"])
def test_the_digest_changes_with_any_byte(tree, name):
    path = tree / name
    digests = []
    for tail in ("# a", "# b", "", "# a"):
        path.write_text(path.read_text().split("#")[0] + tail)
        digests.append(load(tree).bundle.digest)
    assert (len(set(digests)), digests[0] == digests[3]) == (3, True)


def test_a_further_catalog_is_read_beside_the_tree(tree, tmp_path):
    extra = tmp_path / "found"
    with pytest.raises(Unreadable, match="GATEWAY_EXTRA_CATALOG"):
        load(tree, extra)
    extra.mkdir()
    (extra / "servers.yaml").write_text(FOUND)
    assert sorted(ids(load(tree, extra))) == ["a", "b"]
    (extra / "more.yaml").symlink_to(extra / "servers.yaml")
    with pytest.raises(Unreadable):
        load(tree, extra)


def test_the_first_bundle_must_be_good(tree):
    with pytest.raises(ValueError, match="the first bundle must be good"):
        PolicyFiles(tree, None, Parsed(None, (), {}), load_apart=load_here, on_load=print, on_failure=print)


def test_the_first_load_is_told(tree):
    held = Held(tree)
    digest = load(tree).bundle.digest
    assert (held.loads, held.failures, held.files.current.digest) == ([(digest, ["a"])], [], digest)
    assert held.files.current.not_offered == {"a": "NO_SUCH_KEY is not set"}
    summary = dict(held.files.summary())
    assert 0 <= summary.pop("age_seconds") < 60
    assert summary == {"digest": digest, "stale": False, "problems": []}


async def test_a_good_reload_swaps_the_snapshot(tree, monkeypatch):
    held = Held(tree)
    first = held.files.current
    monkeypatch.setenv("NO_SUCH_KEY", "sk")
    (tree / "catalog/a.yaml").write_text(CATALOG + "# more\n")
    await held.files.reload()
    now = held.files.current
    assert (now is first, now.digest == first.digest, now.not_offered) == (False, False, {})
    assert (held.loads[1:], held.failures) == ([(now.digest, ["a"])], [])


def bad_file(tree):
    (tree / "policies/a.yaml").write_text("policy: [\n")
    return [f"{tree}/policies/a.yaml:2:1 P001 not YAML: did not find expected node content"]


def two_mistakes(tree):
    (tree / "policies/a.yaml").write_text("policy: p\nowner: o\nrules: [{id: a}, {id: b, allow: {}}]\n")
    (tree / "x.yaml").touch()
    return [f"{tree}/policies/a.yaml:3:26 P101 unknown field `allow`", f"{tree}/x.yaml:1:1 P004 no known policy file"]


def no_tree(tree):
    tree.rename(tree.parent / "gone")
    return [f"{tree}:1:1 P004 no policy directory at {tree}"]


def a_link(tree):
    (tree / "x.yaml").symlink_to("/dev/zero")
    said = "Too many levels of symbolic links (links are not followed)"
    return [f"{tree}:1:1 P004 cannot read {tree}/x.yaml: {said}"]


@pytest.mark.parametrize("spoil", [bad_file, two_mistakes, no_tree, a_link])
async def test_a_reload_that_fails_keeps_the_snapshot_and_says_why(tree, spoil):
    held = Held(tree)
    first, loaded = held.files.current, held.files.state.loaded
    problems = spoil(tree)
    await held.files.reload()
    state = held.files.state
    assert held.files.current is first
    assert (state.stale, state.digest, state.loaded) == (True, first.digest, loaded)
    assert [str(each).partition(";")[0] for each in state.problems] == problems
    assert (held.failures, len(held.loads)) == ([state.problems], 1)
    assert held.files.summary()["stale"]
    assert held.files.summary()["problems"] == [str(each) for each in state.problems]


async def test_a_good_reload_clears_stale(tree):
    held = Held(tree)
    bad_file(tree)
    await held.files.reload()
    (tree / "policies/a.yaml").write_text(RULES)
    await held.files.reload()
    assert (held.files.state.stale, held.files.state.problems, len(held.loads)) == (False, (), 2)


def failing(problems):
    return lambda bundle, lock: problems if "worse" in [rule.id for rule in bundle.rules] else ()


@pytest.mark.parametrize(("severity", "loads"), [("error", False), ("warning", True), ("info", True)])
def test_a_tree_whose_proofs_or_tests_fail_does_not_load(tree, monkeypatch, severity, loads):
    found = (Problem(Mark("invariants.yaml", 3), "P301", "violated", severity),)
    monkeypatch.setattr(policy_files, "check", failing(found))
    assert load(tree).problems == ()
    (tree / "policies/a.yaml").write_text(RULES.replace("id: all", "id: worse"))
    parsed = load(tree)
    assert (parsed.bundle is not None, parsed.problems) == (loads, found)
    assert parse_files(tree).bundle is not None


async def test_the_state_tells_what_is_worth_knowing_of_the_tree_in_force(tree, monkeypatch):
    found = (Problem(Mark("invariants.yaml", 3), "P208", "expires soon", "warning"),)
    monkeypatch.setattr(policy_files, "check", failing(found))
    held = Held(tree)
    (tree / "policies/a.yaml").write_text(RULES.replace("id: all", "id: worse"))
    await held.files.reload()
    assert (held.files.state.stale, held.files.state.problems, held.failures) == (False, found, [])


async def test_a_status_that_begins_with_the_day_is_taken_up_though_no_file_changed(tree, monkeypatch):
    (tree / "vocabulary.yaml").write_text(VOCABULARY.replace("statuses: {}", "statuses: {active: a, retired: b}"))
    (tree / "catalog/a.yaml").write_text(
        "backends: {a: {provider: openai, status: {active: 2026-01-01, retired: 2026-06-01}}}\n"
    )
    day = "2026-05-31"
    monkeypatch.setattr(policy_files, "_today", lambda: day)
    monkeypatch.setattr(policy_files, "_LOOK_SECONDS", 0.05)
    held = Held(tree)

    def status():
        (backend,) = held.files.current.bundle.backends
        return backend.fact("status")

    async with watching(held):
        await asyncio.sleep(0.3)
        assert (status(), len(held.loads)) == ("active", 1)
        day = "2026-06-01"
        await until(lambda: status() == "retired")
    assert len(held.loads) == 2


async def test_suspensions_hold_from_the_start_and_through_reloads(tree):
    held = Held(tree, suspended=["a"])
    plain = load(tree).bundle.digest
    assert held.files.current.digest.startswith(plain + "+")
    (tree / "policies/a.yaml").write_text(RULES + "# more\n")
    await held.files.reload()
    assert denied(held.files)
    await held.files.suspend([])
    assert (denied(held.files), held.files.current.digest) == (False, load(tree).bundle.digest)
    assert [digest for digest, _ in held.loads][-1] == held.files.state.digest == held.files.current.digest


def denied(files):
    facts = Facts("internal", frozenset(), "general", "p", "t", "a", "k")
    return not files.current.ask(facts).verdicts["a"].permitted


async def test_a_suspension_does_not_make_a_stale_tree_look_fresh(tree):
    held = Held(tree)
    problems = bad_file(tree)
    await held.files.reload()
    await held.files.suspend(["a"])
    assert denied(held.files)
    assert held.files.state.stale
    assert len(held.files.state.problems) == len(problems)


async def test_a_suspension_does_not_wait_for_a_load(tree):
    gate = asyncio.Event()

    async def slowly(directory, extra):
        parsed = load(directory, extra)
        await gate.wait()
        return parsed

    held = Held(tree, load_apart=slowly)
    (tree / "policies/a.yaml").write_text(RULES + "# more\n")
    reloading = asyncio.create_task(held.files.reload())
    await asyncio.sleep(0)
    await held.files.suspend(["a"])
    assert denied(held.files)
    gate.set()
    await reloading
    assert denied(held.files)
    assert held.files.current.digest.startswith(load(tree).bundle.digest)


async def test_a_suspension_does_not_wait_for_what_a_load_prepares_and_is_not_lost_by_it(tree):
    begun, gate = threading.Event(), threading.Event()
    gate.set()

    def prepare(_):
        begun.set()
        assert gate.wait(10)
        return lambda: None

    held = Held(tree, prepare=prepare)
    gate.clear()
    begun.clear()
    (tree / "policies/a.yaml").write_text(RULES + "# more\n")
    reloading = asyncio.create_task(held.files.reload())
    assert await asyncio.to_thread(begun.wait, 10)
    await asyncio.wait_for(held.files.suspend(["a"]), 5)
    assert denied(held.files)
    gate.set()
    await reloading
    assert denied(held.files)
    assert held.files.current.digest.startswith(load(tree).bundle.digest)
    assert held.files.state.digest == held.files.current.digest


async def test_of_two_orders_at_once_both_are_in_force_when_either_returns(tree):
    held = Held(tree)
    first = asyncio.create_task(held.files.suspend(["a"]))
    await asyncio.sleep(0)
    second = asyncio.create_task(held.files.suspend(["a", "b"]))
    await first
    assert denied(held.files)
    await second
    assert denied(held.files)


async def test_whoever_is_told_of_a_snapshot_finds_it_in_force(tree):
    held = Held(tree)
    in_force = []
    held.files._on_load = lambda digest, _: in_force.append((digest, held.files.current.digest))
    (tree / "policies/a.yaml").write_text(RULES + "# more\n")
    await held.files.reload()
    await held.files.suspend(["a"])
    assert len(in_force) == 2
    assert all(told == found for told, found in in_force)


async def test_a_snapshot_goes_as_soon_as_nobody_holds_it(tree):
    held = Held(tree)
    assert not denied(held.files)
    first = weakref.ref(held.files.current)
    (tree / "policies/a.yaml").write_text(RULES + "# more\n")
    gc.disable()  # by count alone: with all that it remembers, waiting for the collector would cost memory and time
    try:
        await held.files.reload()
        assert first() is None
    finally:
        gc.enable()


async def test_a_load_that_breaks_is_a_failed_reload_not_the_end_of_watching(tree):
    async def lost(directory, extra):
        raise RuntimeError("the process that loads policies ended half-way")

    held = Held(tree, load_apart=lost)
    await held.files.reload()
    assert (held.files.state.stale, len(held.failures)) == (True, 1)
    assert "ended half-way" in str(held.files.state.problems[0])


async def test_a_snapshot_that_cannot_be_prepared_is_tried_again_with_the_next_change(tree):
    broken = False

    def prepare(snapshot):
        if broken:
            raise OSError("the spend so far cannot be read")
        return lambda: None

    held = Held(tree, prepare=prepare)
    first, broken = held.files.current, True
    (tree / "policies/a.yaml").write_text(RULES + "# more\n")
    await held.files.reload()
    assert (held.files.current is first, held.files.state.stale, len(held.failures)) == (True, True, 1)
    broken = False
    await held.files.reload()
    assert (held.files.current.digest, held.files.state.stale) == (load(tree).bundle.digest, False)


async def test_what_changes_while_a_reload_runs_leads_to_exactly_one_more_and_the_newest_wins(tree):
    gates = [asyncio.Event() for _ in range(5)]
    running = most = 0
    read = []

    async def slowly(directory, extra):
        nonlocal running, most
        running += 1
        most = max(most, running)
        parsed = load(directory, extra)
        read.append(parsed.bundle.digest)
        await gates[len(read) - 1].wait()
        running -= 1
        return parsed

    held = Held(tree, load_apart=slowly)
    async with watching(held):
        for number in range(8):
            (tree / "policies/a.yaml").write_text(RULES + f"# {number}\n")
            held.files._changed.set()
            await asyncio.sleep(0.4)  # long enough for each change to be seen alone
        assert len(read) == 1
        gates[0].set()
        await until(lambda: len(read) == 2)
        await asyncio.sleep(0.3)
        for gate in gates:
            gate.set()
        await until(lambda: held.files.current.digest == load(tree).bundle.digest)
        await asyncio.sleep(0.3)
    assert (len(read), most, read[-1]) == (2, 1, load(tree).bundle.digest)


@contextlib.asynccontextmanager
async def watching(held):
    task = asyncio.create_task(held.files.watch())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition, seconds=8):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("place", ["tree/policies/a.yaml", "found/servers.yaml"])
async def test_the_watcher_takes_up_a_change_and_leaves_alone_what_did_not_change(tree, tmp_path, place):
    (tmp_path / "found").mkdir()
    (tmp_path / "found/servers.yaml").write_text(FOUND)
    held = Held(tree, tmp_path / "found")
    first, path = held.files.current, tmp_path / place
    async with watching(held):
        await asyncio.sleep(1.2)
        assert held.files.current is first
        path.write_text(path.read_text() + "# edited\n")
        await until(lambda: held.files.current is not first)
    assert (held.files.state.stale, held.failures) == (False, [])


async def test_a_change_before_the_watcher_began_is_not_lost(tree):
    held = Held(tree)
    (tree / "policies/a.yaml").write_text(RULES + "# edited\n")
    async with watching(held):
        await until(lambda: held.files.current.digest == load(tree).bundle.digest)


async def test_a_tree_that_another_takes_the_place_of_is_followed_on(tree):
    held = Held(tree)
    async with watching(held):
        await asyncio.sleep(0.7)
        for number in range(2):
            other = tree.parent / "other"
            shutil.copytree(tree, other)
            (other / "policies/a.yaml").write_text(RULES + f"# {number}\n")
            tree.rename(tree.parent / f"old{number}")
            if number:  # once with a gap between the two, once without
                await until(lambda: held.files.state.stale)
            other.rename(tree)
            await until(lambda: held.files.current.digest == load(tree).bundle.digest)
            await until(lambda: not held.files.state.stale)
        (tree / "policies/a.yaml").write_text(RULES + "# in place\n")
        await until(lambda: held.files.current.digest == load(tree).bundle.digest)


async def test_where_nothing_can_be_watched_the_files_are_read_now_and_then(tree, monkeypatch):
    def none_left(*paths, **options):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(policy_files, "awatch", none_left)
    monkeypatch.setattr(policy_files, "_LOOK_SECONDS", 0.05)
    held = Held(tree)
    async with watching(held):
        bad_file(tree)
        await until(lambda: held.files.state.stale)
        await asyncio.sleep(0.4)
        assert len(held.failures) == 1
        (tree / "policies/a.yaml").write_text(RULES + "# edited\n")
        await until(lambda: held.files.current.digest == load(tree).bundle.digest)


NEVER = "invariants: [{id: i, never: {request: {purpose: general}, backend: {provider: openai}}}]\n"
FORBID = "policy: b\nowner: o\nrules: [{id: b, forbid: {when: {purpose: general}, to: {provider: openai}}}]\n"


OUTSIDE = "dictionaries: [{id: names, file: %s, level: confidential}]\n"


@pytest.fixture
def outside(tree, tmp_path):
    """A dictionary that is named by the tree and lies elsewhere."""
    path = tmp_path / "names.txt"
    path.write_text("acme\n")
    (tree / "sensitivity.yaml").write_text(OUTSIDE % path)
    return path


def names(held):
    (found,) = held.files.current.bundle.sensitivity.dictionaries
    return found.shards[0].split("\n")


def test_a_dictionary_of_the_tree_is_read_with_it_and_in_its_digest(tree):
    (tree / "dictionaries").mkdir()
    (tree / "dictionaries/names.txt").write_text("acme\n")
    (tree / "dictionaries/notes.md").write_text("no dictionary")
    (tree / "sensitivity.yaml").write_text(OUTSIDE % "dictionaries/names.txt")
    assert sorted(read_tree(tree))[-2:] == ["sensitivity.yaml", "vocabulary.yaml"]
    before = load(tree).bundle
    (tree / "dictionaries/names.txt").write_text("acme\nzeta\n")
    after = load(tree).bundle
    assert (before.sensitivity.dictionaries[0].shards, after.sensitivity.dictionaries[0].shards) == (
        ("acme",),
        ("acme\nzeta",),
    )
    assert before.digest != after.digest
    assert before.sensitivity.digest != after.sensitivity.digest


def test_a_dictionary_of_the_tree_is_no_link(tree, outside):
    (tree / "dictionaries").mkdir()
    (tree / "dictionaries/names.txt").symlink_to(outside)
    with pytest.raises(Unreadable, match=r"names\.txt"):
        read_tree(tree)


def test_a_dictionary_outside_is_no_part_of_the_digest_of_the_tree_but_of_the_scanner(tree, outside):
    before = load(tree).bundle
    outside.write_text("acme\nzeta\n")
    after = load(tree).bundle
    assert before.digest == after.digest
    assert before.sensitivity.digest != after.sensitivity.digest


def test_a_dictionary_outside_that_is_not_there_is_a_problem_with_its_line(tree, outside):
    outside.unlink()
    (problem,) = load(tree).problems
    assert (problem.mark, problem.code) == (Mark(str(tree / "sensitivity.yaml"), 1, 34), "P112")
    assert problem.message == f"dictionary `{outside}` cannot be read: No such file or directory"


def test_a_further_catalog_has_no_dictionaries(tree, tmp_path):
    (tmp_path / "found/dictionaries").mkdir(parents=True)
    (tmp_path / "found/dictionaries/x.txt").write_text("x")
    (tmp_path / "found/servers.yaml").write_text(FOUND)
    assert load(tree, tmp_path / "found").problems == ()


async def test_a_dictionary_outside_that_changes_is_taken_up(tree, outside):
    held = Held(tree)
    digest = held.files.current.digest
    async with watching(held):
        await asyncio.sleep(0.7)
        outside.write_text("zeta\n")
        await until(lambda: names(held) == ["zeta"])
        other = outside.with_suffix(".new")
        other.write_text("beta\n")  # as long as before
        other.rename(outside)
        await until(lambda: names(held) == ["beta"])
    assert (held.files.current.digest, held.failures) == (digest, [])


async def test_while_a_dictionary_outside_is_gone_the_last_one_counts(tree, outside):
    held = Held(tree)
    async with watching(held):
        await asyncio.sleep(0.7)
        outside.unlink()
        await until(lambda: held.files.state.stale)
        assert names(held) == ["acme"]
        outside.write_text("zeta\n")
        await until(lambda: not held.files.state.stale)
        assert names(held) == ["zeta"]


async def test_a_dictionary_that_a_new_tree_names_is_followed(tree, tmp_path):
    held, path = Held(tree), tmp_path / "names.txt"
    async with watching(held):
        await asyncio.sleep(0.7)
        (tree / "sensitivity.yaml").write_text(OUTSIDE % path)
        await until(lambda: held.files.state.stale)
        path.write_text("acme\n")
        await until(lambda: not held.files.state.stale)
        assert names(held) == ["acme"]


async def test_a_dictionary_of_the_tree_that_changes_is_taken_up(tree):
    (tree / "dictionaries").mkdir()
    path = tree / "dictionaries/names.txt"
    path.write_text("acme\n")
    (tree / "sensitivity.yaml").write_text(OUTSIDE % "dictionaries/names.txt")
    held = Held(tree)
    async with watching(held):
        await asyncio.sleep(0.7)
        path.write_text("zeta\n")
        await until(lambda: names(held) == ["zeta"])


@pytest.fixture
def undecided(tree, monkeypatch):
    """A tree whose proof comes to no end, and the lock that CI would write."""
    (tree / "invariants.yaml").write_text(NEVER)
    (tree / "policies/b.yaml").write_text(FORBID)
    lock = lock_of(load(tree).bundle, ["i"])
    monkeypatch.setattr(load_checks, "STEPS", 0)
    assert [each.code for each in load(tree).problems] == ["P302"]
    return tree, lock


def test_a_lock_is_read_beside_the_tree_and_is_no_part_of_it(undecided):
    tree, lock = undecided
    before = read_tree(tree)
    assert put(tree, lock) == tree / "policy.lock"
    parsed = load(tree)
    assert (read_tree(tree), parsed.bundle.digest, read_lock(tree)) == (before, lock.digest, (lock, ()))
    assert [(each.code, each.severity) for each in parsed.problems] == [("P302", "info")]


def test_a_further_catalog_makes_another_tree_of_it(undecided, tmp_path):
    tree, lock = undecided
    put(tree, lock)
    (tmp_path / "found").mkdir()
    assert load(tree, tmp_path / "found").bundle is not None
    (tmp_path / "found/servers.yaml").write_text(FOUND)
    parsed = load(tree, tmp_path / "found")
    assert (parsed.bundle, [each.severity for each in parsed.problems]) == (None, ["error"])
    assert f"policy.lock is for digest {lock.digest}, this is" in parsed.problems[0].message


@pytest.mark.parametrize("make", [link, broken_link, pipe, directory, lambda path, tree: path.write_bytes(b"\xff")])
def test_a_lock_that_is_odd_is_a_warning_and_counts_for_nothing(undecided, monkeypatch, make):
    tree, _ = undecided
    make(tree / "policy.lock", tree)
    parsed = load(tree)
    assert parsed.bundle is None
    assert sorted((each.code, each.severity) for each in parsed.problems) == [("P302", "error"), ("P305", "warning")]
    monkeypatch.setattr(load_checks, "STEPS", 1000)
    assert load(tree).bundle is not None


def test_a_lock_that_is_a_link_is_not_followed(undecided, tmp_path):
    tree, lock = undecided
    (tmp_path / "elsewhere").write_text(locks.text(lock))
    (tree / "policy.lock").symlink_to(tmp_path / "elsewhere")
    assert load(tree).bundle is None
    put(tree, lock)
    assert (load(tree).bundle is not None, (tree / "policy.lock").is_symlink()) == (True, False)


def test_a_lock_is_written_whole_or_not_at_all(tree):
    lock = lock_of(load(tree).bundle, [])
    put(tree, lock)
    with pytest.raises(ValueError):
        write_beside(tree, "policy.lock", "half\ud800")
    assert read_lock(tree) == (lock, ())
    assert [path.name for path in tree.iterdir() if "lock" in path.name] == ["policy.lock"]


@pytest.mark.parametrize("watched", [True, False])
async def test_a_lock_that_comes_after_its_tree_is_taken_up(undecided, monkeypatch, watched):
    tree, lock = undecided
    (tree / "invariants.yaml").unlink()
    if not watched:
        monkeypatch.setattr(policy_files, "_LOOK_SECONDS", 0.05)
        monkeypatch.setattr(policy_files, "awatch", none_left)
    held = Held(tree)
    async with watching(held):
        await asyncio.sleep(0.3)
        (tree / "invariants.yaml").write_text(NEVER)
        await until(lambda: held.files.state.stale)
        await asyncio.sleep(0.3)
        assert held.files.state.stale
        put(tree, lock)
        await until(lambda: not held.files.state.stale)
    assert held.files.current.digest == lock.digest


def none_left(*paths, **options):
    raise OSError(28, "no space left on device")


# Signatures.


@pytest.fixture
def signed(tree, tmp_path):
    """A tree with a lock, signed as version 7, and the file of the key."""
    put(tree, lock_of(load(tree).bundle, []))
    sign(tree, 7)
    return tree, key_file(tmp_path)


def refused(tree, key):
    """Why a tree is not loaded."""
    parsed = load(tree, None, key)
    assert (parsed.bundle, [each.code for each in parsed.problems]) == (None, ["P306"])
    assert parsed.problems[0].mark.file == str(tree / "policy.sig")
    return parsed.problems[0].message


def test_a_signed_tree_loads_as_it_would_unsigned(signed):
    tree, key = signed
    parsed = load(tree, None, key)
    assert (parsed.bundle, parsed.signed.version) == (load(tree).bundle, 7)
    assert load(tree).signed is None


def test_a_tree_that_is_not_signed_is_not_even_parsed(signed, monkeypatch):
    tree, key = signed
    (tree / "policy.sig").unlink()
    monkeypatch.setattr(policy_files, "parse", None)
    assert refused(tree, key).startswith("the tree is not signed: it has no policy.sig")


def test_another_key_signed_it(signed):
    tree, key = signed
    sign(tree, 8, OTHER)
    assert refused(tree, key).startswith("policy.sig is by none of the keys in ")


def test_a_signature_that_is_a_link_does_not_count(signed, tmp_path):
    tree, key = signed
    (tree / "policy.sig").rename(tmp_path / "elsewhere")
    (tree / "policy.sig").symlink_to(tmp_path / "elsewhere")
    assert "links are not followed" in refused(tree, key)


@pytest.mark.parametrize("change", ["added", "deleted", "renamed", "unlocked"])
def test_no_file_comes_goes_or_moves(signed, change):
    tree, key = signed
    match change:
        case "added":
            (tree / "policies/b.yaml").touch()
        case "deleted":
            (tree / "catalog/a.yaml").unlink()
        case "renamed":
            (tree / "policies/a.yaml").rename(tree / "policies/b.yaml")
        case "unlocked":
            (tree / "policy.lock").unlink()
    assert refused(tree, key)


EVERY_BYTE = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"


@pytest.mark.assures("threat F1")
def test_whichever_byte_of_a_signed_bundle_is_flipped_it_is_refused(signed, showed):
    tree, key = signed
    flipped = 0
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    assert {path.name for path in files} >= {"policy.lock", "policy.sig", "vocabulary.yaml"}
    for path in files:
        raw = path.read_bytes()
        for at in range(0, len(raw), 1 if EVERY_BYTE else 3):
            for flip in (1, 32, 128) if EVERY_BYTE else (1 << at % 8,):
                path.write_bytes(raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :])
                assert refused(tree, key)
                flipped += 1
        path.write_bytes(raw)
    assert flipped > 300
    assert load(tree, None, key).bundle is not None
    showed(f"{flipped:,} flipped bytes of a signed tree", "each refused")


@pytest.mark.assures("threat F1", "threat F4")
def test_what_takes_the_place_of_a_tree_while_its_signature_is_looked_at_is_not_what_is_loaded(
    signed, tmp_path, showed
):
    """The file of the key is a pipe here: whoever opens it has read the tree, and waits."""
    tree, key = signed
    verified = load(tree, None, key).bundle
    waits = tmp_path / "pipe"
    os.mkfifo(waits)

    def swap():
        with waits.open("wb") as pipe:
            for name, text in {"policies/a.yaml": RULES.replace("all", "more"), "catalog/b.yaml": FOUND}.items():
                (tree / name).write_text(text)
            (tree / "policy.lock").unlink()
            pipe.write(key.read_bytes())

    swapping = threading.Thread(target=swap)
    swapping.start()
    loaded = load(tree, None, waits)
    swapping.join()
    assert load(tree, None, key).bundle is None
    assert (loaded.bundle, loaded.signed.version) == (verified, 7)
    showed("a tree that is changed between its signature and its load", "what was verified is loaded")


@pytest.mark.parametrize("raw", [None, b"nonsense"])
def test_without_a_key_that_can_be_used_nothing_loads(signed, raw):
    tree, key = signed
    key.unlink() if raw is None else key.write_bytes(raw)
    with pytest.raises(Unreadable, match="GATEWAY_POLICY_KEY"):
        load(tree, None, key)


@pytest.mark.assures("threat F1")
async def test_a_tree_that_is_tampered_with_or_older_leaves_the_old_one_in_force(signed, tmp_path, showed):
    tree, key = signed
    state = tmp_path / "state"
    state.mkdir()
    first = load(tree, None, key)
    versions = PolicyVersions(state)
    assert versions.admit(first) == ""

    async def load_signed(directory, extra):
        return load(directory, extra, key)

    held = Held(tree, load_apart=load_signed, admit=versions.admit)
    original = {path: path.read_bytes() for path in (tree / "policies/a.yaml", tree / "policy.sig")}

    async def after(digest, stale, why=""):
        await held.files.reload()
        state = held.files.state
        assert (held.files.current.digest, state.stale) == (digest, stale)
        assert [each.message.startswith(why) for each in state.problems if each.code == "P306"] == [True] * stale

    (tree / "policies/a.yaml").write_text(RULES.replace("all", "more"))
    await after(first.bundle.digest, True, "policy.sig is for digest ")
    sign(tree, 8)
    second = load(tree, None, key).bundle.digest
    await after(second, False)
    for path, raw in original.items():
        path.write_bytes(raw)
    await after(second, True, "policy.sig is version 7, and version 8")
    sign(tree, 9)  # the order to go back
    await after(first.bundle.digest, False)
    assert PolicyVersions(state).in_force.version == 9
    showed("a touched, an unsigned and an older tree at reload", "the old digest stays in force")


@pytest.mark.parametrize("watched", [True, False])
async def test_a_signature_that_comes_after_its_tree_is_taken_up(signed, monkeypatch, watched):
    tree, key = signed

    async def load_signed(directory, extra):
        return load(directory, extra, key)

    held = Held(tree, load_apart=load_signed)
    if not watched:
        monkeypatch.setattr(policy_files, "awatch", none_left)
    async with watching(held):
        (tree / "policies/a.yaml").write_text(RULES.replace("all", "more"))
        await until(lambda: held.files.state.stale)
        sign(tree, 8)
        await until(lambda: not held.files.state.stale)
    assert held.files.current.digest == load(tree).bundle.digest
