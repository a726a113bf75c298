"""A tree of files: a bundle, or every problem with its place. It loads as a whole or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.policy_trees import encoded, places, policy, read, rule, shipped, tree

from gateway.core.decision import Project
from gateway.policy.decide import Eligibility
from gateway.policy.digest import digest_of
from gateway.policy.document import Mark
from gateway.policy.parse import Parsed, parse
from gateway.providers import BASE_URLS
from gateway.review.lock import lock_of, why_not

VOCABULARY = """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {secret: a, pii: b}
purposes: {general: a, hr: b}
deployments: {self_hosted: a, vendor_api: b}
zones: {inhouse: a, us-vendors: b}
regions: {eu: a, us: b}
origins: {eu: a, us: b}
licences: {mit: a, proprietary: b}
statuses: {active: a, suspended: b}
retentions: {none: a, zdr: b}
training: {never: a, allowed: b}
audiences: {anyone: a}
"""
BASE = {
    "vocabulary.yaml": VOCABULARY,
    "catalog/a.yaml": "backends:\n  gpt:\n    provider: openai\n    deployment: vendor_api\n",
    "policies/a.yaml": "policy: base\nowner: security\nrules:\n  - id: own\n    permit: {to: {deployment: self_hosted}}\n",
}


def parsed(changes=(), extra=(), **options):
    files = {name: text for name, text in (BASE | dict(changes)).items() if text is not None}
    return parse(encoded(files), BASE_URLS, encoded(dict(extra)), **options)


def test_a_good_tree_gives_a_bundle_and_its_sources():
    found = parsed()
    assert (found.problems, found.sources) == ((), BASE)
    assert ([each.id for each in found.bundle.rules], [each.id for each in found.bundle.backends]) == (["own"], ["gpt"])
    assert found.bundle.digest == digest_of(encoded(BASE))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"vocabulary.yaml": None}, "vocabulary.yaml:1:1 P005 a tree has a vocabulary.yaml; this one has none"),
        ({"vocabulary.yaml": VOCABULARY.replace("public: a, internal: b", "internal: b, public: a")}, "vocabulary.yaml:1:9 P106 levels are, in this order: public, internal, confidential, restricted"),
        ({"vocabulary.yaml": VOCABULARY.replace("restricted: d", "restricted: d, top: e")}, "vocabulary.yaml:1:9 P106 levels are, in this order: public, internal, confidential, restricted"),
        ({"vocabulary.yaml": VOCABULARY.replace("hr: b", "any: b")}, "vocabulary.yaml:3:24 P106 `any` has a meaning of its own; choose another word"),
        ({"vocabulary.yaml": VOCABULARY.replace("us: b}\norigins", "declared: b}\norigins")}, "vocabulary.yaml:6:18 P106 `declared` has a meaning of its own; choose another word"),
        ({"vocabulary.yaml": VOCABULARY.replace("pii: b", "unknown: b")}, "vocabulary.yaml:2:19 P106 `unknown` has a meaning of its own; choose another word"),
        ({"vocabulary.yaml": VOCABULARY.replace("audiences: {anyone: a}\n", "")}, "vocabulary.yaml:1:1 P102 missing field `audiences`"),
        ({"vocabulary.yaml": "levels: [\n"}, "vocabulary.yaml:2:1 P001 not YAML: did not find expected node content"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_vocabulary_is_one_problem(changes, expected):
    found = parsed(changes)
    assert ([str(each) for each in found.problems], found.bundle) == ([expected], None)


def test_every_problem_is_told_at_once_and_sorted():
    changes = {
        "x.yaml": "",
        "catalog/b.yaml": "backends:\n  x:\n    provider: openai\n    zone: moon\n    capabilities: [fly]\n",
        "policies/a.yaml": "policy: p\nowner: o\nrules:\n  - {id: a, permit: {when: {team: 1, zone: eu}}}\n  - {id: a, forbid: {}}\n  - {id: c}\n",
        "policies/b.yaml": "policy: &x b\nowner: o\nrules: []",
        "projects.yaml": "projects:\n  a: {jurisdiction: mars}\n",
        "invariants.yaml": "invariants:\n  - {id: i}\n",
        "tests/a.yaml": "tests:\n  - {name: t, expect: {permit: [nobody]}}\n",
        "exceptions/a.yaml": "exceptions:\n  - {id: e}\n",
    }
    found = parsed(changes)
    assert list(found.problems) == sorted(found.problems)
    assert [place for place in places(found) if "exceptions" not in place] == [
        "catalog/b.yaml:4:11 P103",
        "catalog/b.yaml:5:20 P103",
        "invariants.yaml:2:10 P106",
        "policies/a.yaml:4:35 P102",
        "policies/a.yaml:4:38 P104",
        "policies/a.yaml:5:10 P210",
        "policies/a.yaml:6:10 P106",
        "policies/b.yaml:1:9 P003",
        "projects.yaml:2:21 P103",
        "tests/a.yaml:2:33 P103",
        "x.yaml:1:1 P004",
    ]


def test_projects_are_declared_with_their_jurisdiction_and_floor():
    files = {"projects.yaml": {"projects": {"acme": {"jurisdiction": "eu", "floor": "confidential", "why": "DPA"}, "b": {}}}}  # fmt: skip
    found = read(files).bundle
    assert found.projects == {"acme": Project("acme", "eu", "confidential"), "b": Project("b")}


def test_a_further_catalog_is_read_from_any_place():
    found = parsed(extra={"/state/found.yaml": "backends:\n  y: {provider: openai, zone: inhouse}\n"})
    assert ([each.id for each in found.bundle.backends], found.bundle.digest == parsed().bundle.digest) == (
        ["y", "gpt"],
        False,
    )


def test_a_further_catalog_may_not_name_a_backend_twice():
    assert places(parsed(extra={"z/found.yaml": BASE["catalog/a.yaml"]})) == ["z/found.yaml:2:3 P105"]


def test_a_problem_calls_a_file_what_it_is_shown_as():
    shown = {"policies/a.yaml": "here/policies/a.yaml"}
    found = parsed({"policies/a.yaml": "[]"}, shown=shown)
    assert places(found) == ["here/policies/a.yaml:1:1 P102"]
    assert found.sources["here/policies/a.yaml"] == "[]"


def test_the_marks_of_a_bundle_point_into_the_files():
    found = parsed().bundle
    assert (found.rules[0].mark, found.places) == (
        Mark("policies/a.yaml", 4, 9),
        {"gpt": Mark("catalog/a.yaml", 2, 3)},
    )


def test_a_file_name_that_is_no_text_is_a_problem_and_not_a_crash():
    assert [each.code for each in parsed({"policies/\udcff.yaml": "{}"}).problems] == ["P004"]


@given(st.sampled_from(sorted(BASE)), st.integers(0, 400), st.sampled_from(list(" \n:-[]{}#&*!'\"x1é")))
def test_no_single_edit_makes_it_raise(name, at, character):
    text = BASE[name]
    found = parsed({name: text[:at] + character + text[at + 1 :]})
    assert isinstance(found, Parsed)
    assert (found.bundle is None) is bool(found.problems)


def test_files_in_another_order_are_the_same_bundle():
    files = tree(a=policy(rule("permit", id="a")), b=policy(rule("forbid", id="b")))
    one, other = read(files), parse(encoded(dict(reversed(files.items()))), BASE_URLS, today="2026-11-22")
    assert (one.bundle, one.bundle.digest) == (other.bundle, other.bundle.digest)


def test_the_shipped_policies_load_without_problems():
    found = parse(shipped(), BASE_URLS, today="2026-11-22")
    assert (found.problems, len(found.bundle.rules) > 0, len(found.bundle.backends) > 0) == ((), True, True)


DATED = "{active: 2026-03-01, suspended: 2026-06-12}"


@pytest.mark.parametrize(
    ("today", "since"),
    [
        ("2026-02-28", ""),
        ("2026-03-01", "2026-03-01"),
        ("2026-06-11", "2026-03-01"),
        ("2026-06-12", "2026-06-12"),
        ("2027-01-01", "2026-06-12"),
    ],
)
def test_the_same_bytes_are_named_for_the_day_since_which_they_mean_what_they_mean(today, since):
    tree = encoded(BASE | {"catalog/dated.yaml": f"backends: {{d: {{provider: openai, status: {DATED}}}}}"})
    bundle = parse(tree, BASE_URLS, today=today).bundle
    assert (bundle.since, bundle.digest) == (since, digest_of(tree))
    assert Eligibility(bundle).digest == (f"{bundle.digest}@{since}" if since else bundle.digest)
    before = lock_of(parse(tree, BASE_URLS, today="2026-03-01").bundle, [])
    assert bool(why_not(before, bundle)) is (since != "2026-03-01")  # a lock and a decision tell the same days apart
