"""Cells: every request is in one, rules cannot split them, and those that are said to be impossible are just these."""

import itertools

import msgspec
import pytest
from support.policy_trees import BACKENDS, bundle, rule
from support.proofs import Tree, possible, raised, random_tree

from gateway.core.buckets import BUCKETS, bucket_of, key_in
from gateway.core.labels import LEVELS
from gateway.policy.cells import OTHER, UNKNOWN, Cells, atoms_of
from gateway.policy.clauses import clauses
from gateway.policy.decide import Eligibility
from gateway.policy.query import PLAIN
from gateway.policy.space import intersect, point, remainder

ALL = rule("permit", id="all")
PROJECTS = {
    "projects.yaml": {
        "projects": {"a": {"jurisdiction": "eu", "floor": "confidential"}, "b": {"jurisdiction": "us"}, "c": {}}
    }
}


def cells(*rules, any_backend=False, files=()):
    made = bundle(*rules, files=dict(files))
    return Cells(made, atoms_of(made, clauses(made)), any_backend=any_backend)


def singles(space):
    """Every cell of a small space."""
    return itertools.product(*([1 << at for at in range(len(v.values))] for v in space.variables))


def variables(space):
    return {variable.name: variable.values for variable in space.variables}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, {}),
        ({"sensitivity": "public"}, {"sensitivity": (*LEVELS, UNKNOWN)}),
        ({"team": ["b", "a"]}, {"team": (OTHER, "a", "b", UNKNOWN)}),
        ({"tags": {"any": "pii"}}, {"tags": ("known", UNKNOWN), "tags:pii": ("no", "yes")}),
        ({"purpose": "hr"}, {"purpose": ("general", "hr", UNKNOWN)}),
        ({"project": "x"}, {"project": (OTHER, "x", UNKNOWN)}),
        (
            {"project.jurisdiction": "eu"},
            {"project": (OTHER, "a", "b", "c", UNKNOWN), "project.jurisdiction": ("eu", "us", UNKNOWN)},
        ),
        (
            {"source_sensitivity": "public"},
            {
                "sensitivity": (*LEVELS, UNKNOWN),
                "source_sensitivity": (*LEVELS, UNKNOWN),
                "redaction": ("none", "done", UNKNOWN),
            },
        ),
        (
            {"visited_regions": {"any": "eu"}},
            {
                "attempt": ("1", "2", "3", "4", UNKNOWN),
                "visited_regions": ("known", UNKNOWN),
                "visited_regions:eu": ("no", "yes"),
            },
        ),
        ({"key.bucket": "< 10"}, {"key.bucket": ("0", "10", UNKNOWN)}),
        ({"key.bucket": [0, 1, 5, 99]}, {"key.bucket": ("0", "2", "5", "6", "99", UNKNOWN)}),
        (
            {"key.bucket": {"not": ">= 90"}, "key": "a"},
            {"key": (OTHER, "a", UNKNOWN), "key.bucket": ("0", "90", UNKNOWN)},
        ),
    ],
)
def test_the_space_has_what_is_asked_and_what_is_bound_to_it(when, expected):
    assert variables(cells(rule("permit", when, {"region": "eu"}), files=PROJECTS)) == expected


def test_facts_of_backends_are_variables_where_any_backend_is_meant():
    compared = rule("forbid", {"principal.person": {"not_in": "backend.eligible_persons"}}, {"region": "eu"})
    assert variables(cells(compared, any_backend=True)) == {
        "principal.person": ("us_person", "eu_person", UNKNOWN),
        "backend.region": ("eu", "us", UNKNOWN),
        "backend.eligible_persons": ("known", UNKNOWN),
        "backend.eligible_persons:us_person": ("no", "yes"),
        "backend.eligible_persons:eu_person": ("no", "yes"),
    }


@pytest.mark.parametrize("seed", range(60))
def test_a_cell_is_permitted_as_the_request_in_it_is(seed):
    """Pieces of permits without pieces of forbids are what the policy says, cell by cell."""
    made = random_tree(seed).bundle
    space = Cells(made, atoms_of(made, clauses(made)))
    asked, found = Eligibility(made), clauses(made)
    pieces = {b.id: (space.permits(found, b), space.forbids(found, b)) for b in made.backends}
    for cell in itertools.islice(singles(space), seed % 7, None, 1 + seed % 5 * 7):
        if any(intersect(cell, cube) for cube in space.impossible):
            continue
        verdicts = asked.ask(space.facts(cell, PLAIN)).verdicts
        for id, (permits, forbids) in pieces.items():
            inside = [{each.rule for each in some if intersect(cell, each.cube)} for some in (permits, forbids)]
            assert [inside[0], inside[1]] == [set(verdicts[id].permits), set(verdicts[id].forbids)]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_impossible_is_just_that(seed):
    made = random_tree(seed)
    space = Cells(made.bundle, atoms_of(made.bundle, clauses(made.bundle)))
    words = [at for at, variable in enumerate(space.variables) if ":" in variable.name]
    for cell in itertools.islice(singles(space), 3000):
        sets = {space.variables[at].name.partition(":")[0] for at in words if cell[at] == 0b10}
        if any(cell[space.at(name)] == 0b10 for name in sets):
            continue  # a word of a set that nobody knows: these facts are in the cell without it
        facts = space.facts(cell, PLAIN)
        if space.has("attempt") and not space.has("last_error"):
            facts = msgspec.structs.replace(facts, last_error="none" if facts.attempt == "1" else "unreachable")
        if space.has("key") and not cell[space.at("key")] & space.mask("key", [facts.key or UNKNOWN]):
            continue  # a key that is in another bucket: the facts are of one that is in this
        assert possible(made, facts) is not any(intersect(cell, cube) for cube in space.impossible), facts


def test_two_rules_cut_the_buckets_into_intervals_that_neither_can_split():
    space = cells(rule("permit", {"key.bucket": "< 10"}), rule("forbid", {"key.bucket": ">= 50", "key": "a"}))
    assert variables(space)["key.bucket"] == ("0", "10", "50", UNKNOWN)
    masks = {bucket: space.mask("key.bucket", [bucket]) for bucket in BUCKETS}
    assert [sum(mask == 1 << at for mask in masks.values()) for at in range(3)] == [10, 40, 50]


def test_a_key_is_in_its_bucket_and_in_no_other():
    space = cells(rule("permit", {"key.bucket": "< 10"}), rule("forbid", {"key": ["k1", "k2"]}))
    inside = {
        (facts.key, facts.bucket)
        for cell in singles(space)
        if not any(intersect(cell, cube) for cube in space.impossible)
        for facts in [space.facts(cell, PLAIN)]
    }
    assert bucket_of("k1") != bucket_of("k2")
    named = {(key, bucket_of(key)) for key in ("any", "k1", "k2")}
    assert inside == {*named, (None, None), (key_in("10"), "10")}


def test_every_request_is_in_one_cell():
    space = cells(
        rule("permit", {"team": "a", "tags": {"any": "pii"}}),
        rule("forbid", {"team": "b", "sensitivity": ">= confidential"}),
    )
    named = space.where({"team": space.mask("team", ["a", "b"])})
    others = space.where({"team": space.mask("team", ["c"])})
    assert intersect(named, others) is None
    assert space.mask("team", ["c"]) == space.mask("team", ["d"]) == space.mask("team", [OTHER])
    assert len(list(remainder(space.whole, [named, others]))) == 1  # unknown is left


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("team", ["a"], {"team": "a"}),
        ("team", [OTHER, "b", UNKNOWN], {"team": "not a"}),
        ("sensitivity", ["public", "internal"], {"sensitivity": "public, internal"}),
        ("tags", ["known"], {"tags": "known"}),
        ("tags:pii", ["yes"], {"tags": "with pii"}),
        ("tags:pii", ["no"], {"tags": "without pii"}),
        ("key.bucket", ["0"], {"key.bucket": "0 to 9"}),
        ("key.bucket", ["9", "10"], {"key.bucket": "0 to 49"}),
        ("key.bucket", ["3", "99"], {"key.bucket": "0 to 9, 50 to 99"}),
        ("key.bucket", ["50", UNKNOWN], {"key.bucket": "50 to 99, unknown"}),
        ("key.bucket", ["0", "10", "50"], {"key.bucket": "known"}),
    ],
)
def test_words_for_a_cube(name, values, expected):
    space = cells(
        rule("permit", {"team": ["a", "b"], "sensitivity": "public"}),
        rule("permit", {"tags": {"any": "pii"}}, id="t"),
        rule("permit", {"key.bucket": [*range(10), *range(50, 100)]}, id="k"),
    )
    assert space.words(space.where({name: space.mask(name, values)})) == expected


def test_a_request_of_a_cell_is_usual_in_what_nobody_asks():
    space = cells(rule("permit", {"team": "a"}))
    assert space.facts(space.where({"team": space.mask("team", ["a"])}), PLAIN) == msgspec.structs.replace(
        PLAIN, team="a"
    )
    assert space.facts(point(space.whole), PLAIN).team == "any"  # a name that no rule has


def test_a_name_for_all_others_is_none_that_a_rule_has():
    space = cells(rule("permit", {"team": ["any-other", "a"]}))
    assert (space.other("team", None), space.other("team", "a"), space.other("team", "x")) == (
        "any-other-2",
        "any-other-2",
        "x",
    )


def test_a_project_that_nobody_asks_about_is_one_that_may_have_the_label():
    files = {"projects.yaml": {"projects": {"default": {"jurisdiction": "eu", "floor": "confidential"}}}}
    space = cells(rule("permit", {"sensitivity": "public"}), files=files)
    low, high = (
        space.facts(space.where({"sensitivity": space.mask("sensitivity", [level])}), PLAIN)
        for level in ("public", "restricted")
    )
    assert (low.project, low.jurisdiction, high.project, high.jurisdiction) == ("any-other", None, "default", "eu")


def test_pieces_name_their_rules_and_leave_out_whom_they_do_not_concern():
    made = bundle(
        rule("permit", {"purpose": "hr"}, {"region": "eu"}, id="p"), rule("forbid", {}, {"region": "us"}, id="f")
    )
    space, found = Cells(made, atoms_of(made, clauses(made))), clauses(made)
    home, far, dim = (next(b for b in made.backends if b.id == id) for id in BACKENDS)
    assert [[each.rule for each in space.permits(found, b)] for b in (home, far, dim)] == [["p"], [], []]
    assert [[each.rule for each in space.forbids(found, b)] for b in (home, far, dim)] == [[], ["f"], ["f"]]


def test_possible_requests_can_rise():
    """The oracle's idea of a higher label is itself possible where the project and the redaction allow it."""
    made = Tree([ALL, rule("permit", {"source_sensitivity": "public", "project": "a"}, id="p")], [])
    both = [
        each
        for facts in made.requests
        if facts.sensitivity == "internal"
        for each in raised(facts, "confidential")
        if possible(made, each)
    ]
    assert {(each.redaction, each.sensitivity == each.source_sensitivity) for each in both} == {
        ("none", True),
        ("done", True),
        ("done", False),
    }
