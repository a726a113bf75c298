"""Files that nobody should be able to load: each is told at its line, by its code, in a moment, and none is loaded.

A row is a name, the file, and the line and code of every problem.
"""

import os
import time

import pytest
import yaml
from support.policy_trees import encoded, tree

from gateway.adapters.policy_files import Unreadable, load, read_tree
from gateway.policy.document import MAX_FILE_BYTES
from gateway.policy.parse import parse
from gateway.providers import BASE_URLS

MOST_SECONDS = 0.05
RULES, CATALOG = "policies/x.yaml", "catalog/x.yaml"
HEAD = "policy: p\nowner: o\nrules:\n"  # a rule begins at line 4
GOOD = HEAD + "  - id: a\n    forbid: {}\n"


def laughs(levels=30):
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def row(line):
    return "backends:\n  x:\n    provider: openai\n    " + line + "\n"


def many(line, problem, count=20):
    """The problems of so many lines, one a line."""
    return [(number, problem) for number in range(line, line + count)]


BAD = [
    # no YAML at all
    ("not closed", RULES, "rules: [\n", [(2, "P001")]),
    ("not closed, far down", RULES, GOOD + "  - id: b\n    permit: {when: {team: a}\n  - id: c\n", [(8, "P001")]),
    ("a tab to indent", RULES, "policy: p\nowner: o\nrules:\n\t- id: a\n", [(4, "P001")]),
    ("wrong indent", RULES, "policy: p\n  owner: o\n", [(2, "P001")]),
    ("a quote that never ends", RULES, 'policy: "p\nowner: o\nrules: []\n', [(4, "P001")]),
    ("two documents", RULES, GOOD + "---\n" + GOOD, [(6, "P001")]),
    ("a document behind the end", RULES, GOOD + "...\n" + GOOD, [(7, "P001")]),
    ("a list as a key", RULES, "policy: p\n[a]: b\n", [(2, "P001")]),
    ("a map as a key", RULES, "policy: p\n? {a: b}\n: c\n", [(2, "P001")]),
    ("a program", RULES, "#!/bin/sh\nrm -rf / && (echo [\n", [(2, "P102")]),
    ("JSON that is cut off", RULES, '{"policy": "p",\n "owner": "o",\n "rules": [{"id"', [(3, "P001")]),
    # no text
    ("UTF-16, little end first", RULES, GOOD.encode("utf-16"), [(1, "P001")]),
    ("UTF-16, big end first", RULES, GOOD.encode("utf-16-be"), [(1, "P001")]),
    ("UTF-32", RULES, GOOD.encode("utf-32"), [(1, "P001")]),
    ("Latin-1", RULES, "policy: p\nowner: José\nrules: []\n".encode("latin-1"), [(2, "P001")]),
    ("half a character", RULES, GOOD.encode() + b"# \xf0\x9f\x92", [(6, "P001")]),
    ("a character that is too long", RULES, b"policy: p\nowner: \xc0\xaf\n", [(2, "P001")]),
    ("a surrogate", RULES, b"policy: p\nowner: \xed\xa0\x80\n", [(2, "P001")]),
    ("a picture", RULES, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), [(1, "P001")]),
    ("zeros", RULES, bytes(10_000), [(1, "P001")]),
    ("a zero", RULES, "policy: p\nowner: o\nrules: \0[]\n", [(3, "P001")]),
    ("an escape", RULES, "policy: p\nowner: \x1b[2J\nrules: []\n", [(2, "P001")]),
    ("a mark of byte order inside", RULES, "policy: p\nowner: o\nrules: []\n\ufeffrules: []\n", [(4, "P001")]),
    # text that is not what it looks like
    ("a rule in a comment, by a line separator", RULES, GOOD + "# harmless \u2028  - id: b\u2028    permit: {}\n", [(6, "P001")]),
    ("a rule in a comment, by a paragraph separator", RULES, GOOD + "# harmless \u2029  - {id: b, permit: {}}\n", [(6, "P001")]),
    ("a rule in a comment, by a next line", RULES, GOOD + "# harmless \x85  - {id: b, permit: {}}\n", [(6, "P001")]),
    ("a rule in a comment, by a carriage return", RULES, GOOD + "# harmless \r  - {id: b, permit: {}}\n", [(6, "P001")]),
    ("text that runs backwards", RULES, HEAD + "  - id: a\n    permit: {} # \u202e }{ :dibrof\n", [(5, "P001")]),
    ("text that is isolated", RULES, HEAD + "  - id: a\n    why: \u2066x\u2069\n    forbid: {}\n", [(5, "P001")]),
    # a mark of byte order and ends of lines of another system are fine, and lines are still right
    ("a mark of byte order before a mistake", RULES, b"\xef\xbb\xbf" + GOOD.replace("forbid", "forbidd").encode(), [(5, "P101")]),
    ("CR LF before a mistake", RULES, GOOD.replace("forbid", "forbidd").replace("\n", "\r\n"), [(5, "P101")]),
    # what YAML can do and a policy cannot
    ("an anchor", RULES, "policy: p\nowner: &me o\nrules: []\n", [(2, "P003")]),
    ("an alias of nothing", RULES, "policy: p\nowner: *me\nrules: []\n", [(2, "P003")]),
    ("a merge key", RULES, HEAD + "  - id: a\n    forbid:\n      <<: {to: {region: eu}}\n", [(6, "P003")]),
    ("a tag", RULES, "policy: !!str p\nowner: o\nrules: []\n", [(1, "P003")]),
    ("a tag that runs code", RULES, "policy: p\nowner: !!python/object/apply:os.system [id]\nrules: []\n", [(2, "P003")]),
    ("a tag of one's own", RULES, "policy: p\nowner: o\nrules: !include other.yaml\n", [(3, "P003")]),
    ("a binary value", RULES, "policy: p\nowner: !!binary aGk=\nrules: []\n", [(2, "P003")]),
    ("a directive", RULES, "%YAML 1.1\n---\n" + GOOD, [(1, "P003")]),
    ("20,000 directives", RULES, "".join(f"%TAG !a{n}! tag:x\n" for n in range(20_000)) + "---\n" + GOOD, [(1, "P003")]),
    ("keys that are there twice", RULES, "policy: p\nowner: o\nrules: []\nowner: x\npolicy: y\n", [(4, "P002"), (5, "P002")]),
    ("a key that is there twice, in another spelling", RULES, HEAD + '  - id: a\n    forbid: {}\n    "forbid": {to: {region: eu}}\n', [(6, "P002")]),
    ("a backend that is there twice", CATALOG, "backends:\n  x: {provider: openai}\n  x: {provider: vllm}\n", [(3, "P002")]),
    # bombs
    ("a billion laughs", RULES, laughs(), None),
    ("an alias that holds itself", RULES, "policy: p\nowner: o\nrules: &r\n  - *r\n", [(3, "P003"), (4, "P003")]),
    ("100,000 brackets", RULES, "rules: " + "[" * 100_000, [(1, "P003")]),
    ("100,000 braces", RULES, "rules: " + "{a: " * 100_000, [(1, "P003")]),
    ("a deep list", RULES, "rules:\n" + "".join(" " * n + "-\n" for n in range(200)), [(33, "P003")]),
    ("60,000 anchors", RULES, "policy: p\nrules:\n" + "- &a x\n" * 60_000, many(3, "P003")),
    ("90,000 aliases", RULES, "rules:\n" + "- *a\n" * 90_000, many(2, "P003")),
    ("240,000 ones", RULES, "rules: [" + "1," * 240_000 + "]", [(1, "P001")]),
    ("120,000 lines", RULES, "rules:\n" + "- a\n" * 120_000, [(20_000 - 1, "P001")]),
    ("45,000 keys", CATALOG, "backends:\n" + "".join(f"  b{n}:\n" for n in range(45_000)), [(10_000, "P001")]),
    ("80,000 documents", RULES, "---\na\n" * 80_000, [(3, "P001")]),
    ("a long text", RULES, "policy: p\nowner: " + "x" * 450_000 + "\n", [(2, "P001")]),
    ("a long key", RULES, "policy: p\n? " + "x" * 450_000 + "\n: y\n", [(2, "P001")]),
    ("a long folded text", RULES, "policy: p\nowner: >\n" + "  x\n\n" * 90_000, [(2, "P001")]),
    ("half a megabyte and a byte", RULES, "#" * (MAX_FILE_BYTES + 1), [(1, "P001")]),
    ("half a megabyte of nothing", RULES, "\n" * MAX_FILE_BYTES, [(1, "P102")]),
    # files that do not belong
    ("a file of no kind", "notes.yaml", "a: b\n", [(1, "P004")]),
    ("another ending", "policies/x.yml", GOOD, [(1, "P004")]),
    ("a folder too deep", "policies/team/x.yaml", GOOD, [(1, "P004")]),
    ("a second vocabulary", "catalog/../vocabulary.yaml", "{}", [(1, "P004")]),
    ("a step up", "policies/../x.yaml", GOOD, [(1, "P004")]),
    ("a step up into the layer of a project", "policies/projects/../x.yaml", GOOD, [(1, "P004")]),
    ("a project without a name", "policies/projects//x.yaml", GOOD, [(1, "P004")]),
    ("a hidden file", "policies/.x.yaml", GOOD, [(1, "P004")]),
    ("a name with a line in it", "policies/x\n::error::.yaml", GOOD, [(1, "P004")]),
    ("a layer of nobody", "policies/projects/nobody/x.yaml", GOOD, [(1, "P103")]),
    # wrong types
    ("a list for a file", RULES, "- a\n- b\n", [(1, "P102")]),
    ("a word for a file", RULES, "yes\n", [(1, "P102")]),
    ("nothing", RULES, "", [(1, "P102")]),
    ("a map for the rules", RULES, "policy: p\nowner: o\nrules:\n  a: {}\n", [(4, "P102")]),
    ("a word for a rule", RULES, HEAD + "  - a\n  - b\n", [(4, "P102"), (5, "P102")]),
    ("a list for conditions", RULES, HEAD + "  - id: a\n    forbid:\n      when:\n        - team: a\n", [(7, "P102")]),
    ("a number for a word", RULES, HEAD + "  - id: a\n    forbid:\n      when:\n        team: 1\n", [(7, "P102")]),
    ("a list in a list", RULES, HEAD + "  - id: a\n    forbid:\n      when:\n        team: [[a]]\n", [(7, "P102")]),
    ("a truth for a name", RULES, HEAD + "  - id: true\n    forbid: {}\n", [(4, "P102")]),
    ("a price in quotes", CATALOG, row("price: {input: '1', output: 1}"), [(4, "P102")]),
    ("a price that is no number", CATALOG, row("price: {input: .nan, output: .inf}"), [(4, "P102"), (4, "P102")]),
    ("a key in the file", CATALOG, row("api_key: sk-live-0123456789"), [(4, "P102")]),
    ("an address of a file", CATALOG, row("base_url: file:///etc/passwd"), [(4, "P102")]),
    ("a time without a unit", CATALOG, row("timeout: {total: 5}"), [(4, "P102")]),
    ("3,000 wrong rules", RULES, HEAD + "  - 1\n" * 3_000, many(4, "P102", 200)),
    # words
    ("an unknown field", RULES, HEAD + "  - id: a\n    forbid: {}\n    unless: {}\n", [(6, "P101")]),
    ("an unknown value", RULES, HEAD + "  - id: a\n    forbid:\n      to:\n        region:\n          - eu\n          - mars\n", [(9, "P103")]),
    ("an unknown attribute", RULES, HEAD + "  - id: a\n    forbid:\n      when:\n        colour: red\n", [(7, "P104")]),
    ("an alias that is a backend", CATALOG, row("aliases:\n      - y\n      - home"), [(6, "P105")]),
    ("a backend named auto", CATALOG, "backends:\n  auto: {provider: openai}\n", [(2, "P105")]),
    ("two effects", RULES, HEAD + "  - id: a\n    forbid: {}\n    permit: {}\n", [(4, "P106")]),
    ("a backend without an address", CATALOG, "backends:\n  x:\n    provider: vllm\n", [(2, "P107")]),
    ("a price that is in no book", CATALOG, row("price: book"), [(4, "P108")]),
    ("a permit in a layer", "policies/projects/acme/x.yaml", HEAD + "  - id: a\n    permit: {}\n", [(4, "P109")]),
    ("an exception for ever", "exceptions/x.yaml", "exceptions:\n- id: e\n  rules: [soft]\n  principal: {team: a}\n  backends: [far]\n  starts: 2026-01-01T00:00:00Z\n  expires: 9999-01-01T00:00:00Z\n  ticket: T\n  requested_by: a\n  approved_by: [a, b]\n", [(7, "P110"), (10, "P110")]),
    ("an id used twice", RULES, HEAD + "  - id: a\n    forbid: {}\n  - id: a\n    permit: {}\n", [(6, "P210")]),
]  # fmt: skip


def loaded(name, raw):
    files = {
        "projects.yaml": {"projects": {"acme": {}}},
        "policies/base.yaml": {"policy": "p", "owner": "o", "rules": [{"id": "soft", "forbid": {}, "breakable": True}]},
    }
    return encoded(tree(files | {name: raw}))


def took(files):
    began = time.process_time()
    parse(files, BASE_URLS)
    return time.process_time() - began


def bare():
    text = "[" + "1," * 20_000 + "]"
    began = time.process_time()
    assert sum(1 for _ in yaml.parse(text, Loader=yaml.CSafeLoader)) > 20_000
    return time.process_time() - began


@pytest.mark.parametrize(("name", "raw", "problems"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_file_is_told_at_its_line(name, raw, problems):
    parsed = parse(loaded(name, raw), BASE_URLS)
    assert parsed.bundle is None
    assert {each.mark.file for each in parsed.problems} == {name.replace("\n", "\ufffd")}
    assert all(each.message and "\n" not in each.message for each in parsed.problems)
    if problems is not None:
        assert [(each.mark.line, each.code) for each in parsed.problems] == problems


@pytest.mark.parametrize(("name", "raw"), [row[1:3] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_file_costs_a_moment(name, raw):
    files = loaded(name, raw)
    base = min(took({each: text for each, text in files.items() if each != name}) for _ in range(2))
    times = []
    while not times or (min(times) - base >= MOST_SECONDS and len(times) < 3):
        times.append(took(files))
    # On a busy machine, at most four times what the YAML library alone needs for as many values as a file may have.
    assert min(times) - base < MOST_SECONDS or min(times) - base < 4 * bare()


@pytest.mark.assures("threat F2")
def test_there_are_enough_and_every_code_of_a_file_is_among_them(showed):
    codes = {code for _, _, _, problems in BAD for _, code in problems or ()}
    assert (len(BAD) >= 60, len({row[0] for row in BAD}) == len(BAD)) == (True, True)
    assert {f"P{number:03}" for number in (1, 2, 3, 4, *range(101, 111), 210)} - codes == set()
    showed(f"{len(BAD)} bad files", f"each refused with its code and line, within {MOST_SECONDS * 1000:.0f} ms")


def test_a_tree_without_its_vocabulary():
    (problem,) = parse(encoded(tree({"vocabulary.yaml": None})), BASE_URLS).problems
    assert (str(problem.mark), problem.code) == ("vocabulary.yaml:1:1", "P005")


# Tricks with folders and links: such a tree is not read at all, and the message says which path.


@pytest.fixture
def folder(tmp_path):
    for name, raw in encoded(tree({RULES: GOOD})).items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(raw)
    (tmp_path / "outside.yaml").write_text(GOOD)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "tree"


def test_the_folder_is_good(folder):
    assert load(folder).problems == ()


@pytest.mark.assures("threat F3")
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("policies/y.yaml", lambda path: path.symlink_to(path.parents[2] / "outside.yaml")),
        ("policies/y.yaml", lambda path: path.symlink_to("x.yaml")),
        ("policies/y.yaml", lambda path: path.symlink_to("/dev/zero")),
        ("policies/y.yaml", lambda path: path.symlink_to("nowhere")),
        ("policies/y.yaml", lambda path: path.symlink_to("y.yaml")),
        ("policies/y.yaml", lambda path: path.mkdir()),
        ("policies/y.yml", lambda path: path.mkdir()),
        ("policies/y.yaml", os.mkfifo),
        ("policies/projects", lambda path: path.symlink_to(path.parents[2] / "elsewhere")),
        ("policies/loop", lambda path: path.symlink_to("..")),
    ],
)
def test_links_pipes_and_folders_are_not_read_as_files(folder, name, make, showed):
    make(folder / name)
    with pytest.raises(Unreadable, match=name):
        read_tree(folder)
    if name == "policies/loop":
        showed("10 links, pipes, devices and folders in place of files", "no tree is read")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"policies/\xff.yaml", "policies/\ufffd.yaml"),
        (b"policies/a\nb.yaml", "policies/a\ufffdb.yaml"),
        (b"policies/\x1b[2J.yaml", "policies/\ufffd[2J.yaml"),
        ("policies/\u202elmay.yaml".encode(), "policies/\ufffdlmay.yaml"),
        (b"policies/ .yaml", "policies/ .yaml"),
        (b"policies/..yaml", "policies/..yaml"),
        (b"policies/projects/x.yaml", "policies/projects/x.yaml"),
        (b"policies/a/b/c/d.yaml", "policies/a/b/c/d.yaml"),
        (b".git/x.yaml", ".git/x.yaml"),
    ],
)
def test_a_file_with_an_odd_name_is_told_and_not_loaded(folder, name, expected):
    path = folder / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GOOD)
    (problem,) = load(folder).problems
    assert (problem.mark.file, problem.code) == (f"{folder}/{expected}", "P004")


def test_what_is_no_policy_file_by_its_ending_is_left_alone(folder):
    for name in ("policies/x.yaml.swp", "policies/x.yaml~", "README.md", "policies/x.json"):
        (folder / name).write_bytes(b"\0")
    assert load(folder).problems == ()
