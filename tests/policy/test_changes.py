"""What was changed besides who may reach what: value by value, and nothing about order, places and wording."""

import msgspec
import pytest
from support.policy_trees import bundle, policy, read, rule

from gateway.policy.changes import changes, meaning

LIMIT = {"id": "l", "limit": {"usd": 5, "per": "team", "window": "day"}}
PREFER = {"id": "p", "prefer": {"order": ["cost"]}}
CAP = {"id": "c", "require": {"do": [{"max_output_tokens": 100}], "when": {"purpose": "hr"}}}
ROW = {"provider": "vllm", "base_url": "http://a", "price": {"input": 1, "output": 2}, "status": "active"}


def tree(*rules, row=(), files=(), **fields):
    parsed = read({"catalog/x.yaml": {"backends": {"x": ROW | dict(row)}}} | dict(files), main=policy(*rules, **fields))
    assert parsed.problems == ()
    return parsed.bundle


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (tree(), tree(), []),
        (tree(rule("permit", {"team": "a"})), tree(rule("permit", {"team": "b"}, why="x")), []),  # the diff says it
        (tree(rule("permit")), tree(), ["rule permit: removed"]),
        (tree(PREFER), tree(), ["rule p: removed"]),
        (
            tree(LIMIT),
            tree({"id": "l", "limit": {"usd": 7.5, "per": "team", "window": "day"}}),
            ["rule l: limits 5 USD per team and day, deny without a count -> 7.5 USD per team and day, deny without a count"],
        ),
        (
            tree(CAP),
            tree({"id": "c", "require": {"do": [{"max_output_tokens": 50}, "no_cache"], "when": {"purpose": "hr"}}}),
            ["rule c: do max_output_tokens 100 -> max_output_tokens 50, no_cache"],
        ),
        (
            tree(CAP),
            tree({"id": "c", "require": {"do": [{"max_output_tokens": 100}], "when": {"purpose": "general"}}}),
            ["rule c: when purpose in hr -> purpose in general"],
        ),
        (tree(PREFER), tree(PREFER, mode="shadow"), ["rule p: mode enforce -> shadow"]),
        (tree(rule("forbid")), tree(rule("forbid", breakable=True)), ["rule forbid: breakable added (yes)"]),
        (tree(), tree(row={"status": "suspended"}), ["backend x: status active -> suspended"]),
        (tree(), tree(row={"base_url": "http://b"}), ["backend x: base_url http://a -> http://b"]),
        (tree(), tree(row={"region": "eu"}), ["backend x: region added (eu)"]),
        (
            tree(),
            tree(row={"price": {"input": 1, "output": 2.5}}),
            [
                "backend x: price input 1, output 2 USD per million tokens -> input 1, output 2.5 USD per million tokens",
            ],
        ),
        (
            tree(),
            tree(row={"price": {"input": 1, "output": 2, "cache_write": 1.5, "cache_write_long": 3, "tiers": [{"above": 9, "input": 2, "output": 3}], "services": {"flex": 0.5}}}),
            [
                "backend x: price input 1, output 2 USD per million tokens -> input 1, output 2, cache_write 1.5, cache_write_long 3; above 9 tokens input 2, output 3; flex: input 0.5, output 1, cache_write 0.75, cache_write_long 1.5; above 9 tokens input 1, output 1.5 USD per million tokens",
            ],
        ),
        (
            tree(row={"price": {"gpu_hour": 3.6, "tokens_per_second": 1000}}),
            tree(row={"price": {"gpu_hour": 3.6, "tokens_per_second": 1000, "utilisation": 0.5}}),
            [
                "backend x: price input 1, output 1, cache_read 0 USD per million tokens -> input 2, output 2, cache_read 0 USD per million tokens"
            ],
        ),
        (
            tree(files={"projects.yaml": {"projects": {"p": {"floor": "internal"}}}}),
            tree(files={"projects.yaml": {"projects": {"p": {"jurisdiction": "eu"}, "q": {}}}}),
            ["project p: floor removed (internal)", "project p: jurisdiction added (eu)", "project q: added"],
        ),
        (
            tree(files={"invariants.yaml": {"invariants": [{"id": "i", "never": {"request": {"team": "a"}}}]}}),
            tree(),
            ["invariant i: removed"],
        ),
    ],
)  # fmt: skip
def test_each_value_that_changed(old, new, said):
    assert sorted(map(str, changes(old, new))) == sorted(said)
    assert len(changes(new, old)) == len(said)


def test_words_of_the_vocabulary():
    old = bundle(rule("permit"))
    sections = {name: dict(words) for name, words in old.vocabulary.sections.items()}
    sections["purposes"]["new"] = "x"
    new = msgspec.structs.replace(old, vocabulary=msgspec.structs.replace(old.vocabulary, sections=sections))
    assert list(map(str, changes(old, new))) == ["words of purposes: new added"]


def test_order_place_and_wording_are_no_change():
    one = tree(rule("permit", {"team": ["a", "b"], "purpose": "hr"}, why="x"), owner="o")
    other = tree(PREFER, rule("permit", {"purpose": ["hr"], "team": ["b", "a"]}, why="y"), owner="o")
    (first, second) = (bundle.effect("permit")[0] for bundle in (one, other))
    assert first != second
    assert meaning(first) == meaning(second)
