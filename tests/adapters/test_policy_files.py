"""Policy trees on disk: read once, never through a link, and a tree that does not load changes nothing."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from gateway.adapters.policy_files import MAX_FILES, PolicyFiles, Unreadable, load, read_tree
from gateway.policy.parse import Parsed

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


class Held:
    """Policy files, and what they told."""

    def __init__(self, tree, extra=None):
        self.loads, self.failures = [], []
        self.files = PolicyFiles(
            tree,
            extra,
            load(tree, extra),
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
    assert read or [each.code for each in parsed.problems] == ["P004"]


def test_a_linked_folder_is_not_followed(tree, tmp_path):
    (tree / "policies").rename(tmp_path / "elsewhere")
    (tree / "policies").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unreadable, match="policies"):
        read_tree(tree)


@pytest.mark.parametrize("name", ["nowhere", "tree/vocabulary.yaml"])
def test_a_missing_directory_is_told_with_the_setting(tree, name):
    with pytest.raises(Unreadable, match=r"no policy directory at .*; set GATEWAY_POLICIES or --policies"):
        read_tree(tree.parent / name)


def test_too_many_files_are_refused(tree):
    for number in range(MAX_FILES - 3):
        (tree / f"policies/{number}.yaml").touch()
    assert len(read_tree(tree)) == MAX_FILES
    (tree / "policies/more.yaml").touch()
    with pytest.raises(Unreadable, match=f"holds more than {MAX_FILES} policy files"):
        read_tree(tree)


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
        PolicyFiles(tree, None, Parsed(None, (), {}), on_load=print, on_failure=print)


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
    return [
        f"{tree}/policies/a.yaml:3:26 P101 unknown field `allow`; known: forbid, id, permit, prefer, why",
        f"{tree}/x.yaml:1:1 P004 no known policy file; known: vocabulary.yaml, prices.yaml, catalog/*.yaml, policies/*.yaml",
    ]


def no_tree(tree):
    tree.rename(tree.parent / "gone")
    return [f"{tree}:1:1 P004 no policy directory at {tree}; set GATEWAY_POLICIES or --policies"]


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
    assert [str(each) for each in state.problems] == problems
    assert (held.failures, len(held.loads)) == ([state.problems], 1)
    assert (held.files.summary()["stale"], held.files.summary()["problems"]) == (True, problems)


async def test_a_good_reload_clears_stale(tree):
    held = Held(tree)
    bad_file(tree)
    await held.files.reload()
    (tree / "policies/a.yaml").write_text(RULES)
    await held.files.reload()
    assert (held.files.state.stale, held.files.state.problems, len(held.loads)) == (False, (), 2)


@pytest.mark.parametrize("place", ["tree/policies/a.yaml", "found/servers.yaml"])
async def test_the_watcher_takes_up_a_change(tree, tmp_path, place):
    (tmp_path / "found").mkdir()
    (tmp_path / "found/servers.yaml").write_text(FOUND)
    held = Held(tree, tmp_path / "found")
    first, path = held.files.current, tmp_path / place
    watching = asyncio.create_task(held.files.watch())
    until = time.monotonic() + 8
    try:
        while held.files.current is first and time.monotonic() < until:
            path.write_text(
                path.read_text() + "# edited\n"
            )  # again and again, since the watcher starts in its own time
            await asyncio.sleep(0.5)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    assert (held.files.current is first, held.files.state.stale, held.failures) == (False, False, [])
