"""The nearest permitted request is found exactly, and so is what would have to change."""

import itertools

import msgspec
import pytest
from support.policy_trees import FACTS, bundle
from support.random_policies import ROWS, Random, values_of

from gateway.policy.cells import Cells, atoms_of
from gateway.policy.clauses import clauses
from gateway.policy.decide import Eligibility
from gateway.policy.nearest import Change, cell_of, closest, nearest
from gateway.policy.space import intersect
from gateway.policy.vocabulary import BACKEND, REQUEST

FREE = [REQUEST[name] for name in ("purpose", "tags", "redaction", "principal.person", "team")]
"""Attributes that do not depend on each other, so that every combination is a request."""


def spaces(found, id, *, any_backend=False):
    """The cells of a bundle, with where a backend is permitted and where forbidden."""
    asked = clauses(found)
    cells = Cells(found, atoms_of(found, asked), any_backend=any_backend)
    backend = None if any_backend else {each.id: each for each in found.backends}[id]
    permits = [piece.cube for piece in cells.permits(asked, backend)]
    return cells, permits, [piece.cube for piece in cells.forbids(asked, backend)]


def nearest_of(found, facts, id="far", free=None):
    cells, permits, forbids = spaces(found, id)
    return nearest(
        cells, cell_of(cells, facts), permits, forbids, free or {each.name for each in FREE} | {"sensitivity"}
    )


class FewWords(Random):
    """Rules that ask only attributes of which any combination is a request."""

    def scope(self, most=3):
        when = self.random.sample(FREE, self.random.randint(0, most - 1))
        to = self.random.sample(list(BACKEND.values()), self.random.choice([0, 0, 1]))
        return {
            "when": {each.name: self.condition(each) for each in when},
            "to": {each.name: self.condition(each) for each in to},
        }


@pytest.mark.parametrize("seed", range(25))
def test_no_smaller_set_of_changes_would_do(seed):
    random = FewWords(seed)
    found = bundle(*random.rules(5), files={"catalog/a.yaml": {"backends": ROWS}})
    policy = Eligibility(found)
    facts = msgspec.structs.replace(
        FACTS,
        **{each.field: random.random.choice([*values_of(each)]) for each in FREE if each.name != "team"},
        team="other",
    )
    for id, verdict in policy.ask(facts).verdicts.items():
        if verdict.permitted:
            continue
        said = nearest_of(found, facts, id)
        least = least_changes(policy, facts, id)
        assert {len(changes) for changes in said} == ({least} if least else set()), (id, said)
        for changes in said:
            assert any(
                policy.ask(changed).verdicts[id].permitted
                for changed in every_change(facts, [change.attribute for change in changes])
            )


def every_change(facts, names):
    attributes = [REQUEST[name] for name in names]
    for values in itertools.product(*map(values_of, attributes)):
        yield msgspec.structs.replace(facts, **dict(zip([each.field for each in attributes], values, strict=True)))


def least_changes(policy, facts, id):
    for size in range(1, len(FREE) + 1):
        for chosen in itertools.combinations([each.name for each in FREE], size):
            if any(policy.ask(changed).verdicts[id].permitted for changed in every_change(facts, chosen)):
                return size
    return None


PERMIT_LEGAL = {"id": "p", "permit": {"when": {"team": ["legal", "hr"], "sensitivity": "<= internal"}}}
FORBID_PII = {"id": "f", "forbid": {"when": {"tags": {"any": ["pii"]}}, "to": {"region": "us"}}}


@pytest.mark.parametrize(
    ("changes", "free", "expected"),
    [
        ({"tags": frozenset(), "team": "web"}, None, [[("team", "(any other)", "hr, legal")]]),
        ({"tags": None}, None, [[("tags", "unknown", "without pii")]]),
        ({"tags": frozenset({"pii", "secret"})}, None, [[("tags", "with pii", "without pii")]]),
        (
            {"sensitivity": None, "team": None},
            None,
            [[("sensitivity", "unknown", "public, internal"), ("tags", "with pii", "without pii"), ("team", "unknown", "hr, legal")]],
        ),
        ({}, {"team"}, []),
    ],
)  # fmt: skip
def test_the_changes_say_what_is_and_what_would_do(changes, free, expected):
    found = bundle(PERMIT_LEGAL, FORBID_PII)
    facts = msgspec.structs.replace(FACTS, **changes)
    assert nearest_of(found, facts, free=free) == tuple(tuple(Change(*each) for each in some) for some in expected)


def test_alternatives_of_the_same_size_are_all_given_in_the_order_of_the_attributes():
    permit = {"id": "p", "permit": {"when": {"sensitivity": "<= internal"}}}
    forbid = {"id": "f", "forbid": {"when": {"purpose": "hr", "team": "legal", "tags": {"any": ["pii"]}, "key": "k1"}}}
    facts = msgspec.structs.replace(FACTS, purpose="hr")
    said = nearest_of(bundle(permit, forbid), facts, free={"purpose", "team", "tags", "key"})
    assert [[change.attribute for change in changes] for changes in said] == [["tags"], ["purpose"], ["team"]]


def test_all_values_that_would_do_are_told_whatever_rule_permits_them():
    public = {"id": "p", "permit": {"when": {"sensitivity": "public"}}}
    internal = {"id": "q", "permit": {"when": {"sensitivity": "internal", "purpose": "general"}}}
    facts = msgspec.structs.replace(FACTS, sensitivity="confidential", source_sensitivity="confidential")
    assert nearest_of(bundle(public, internal), facts) == (
        (Change("sensitivity", "confidential", "public, internal"),),
    )


def test_requests_that_cannot_be_are_not_proposed():
    permit = {"id": "p", "permit": {"when": {"project.jurisdiction": "eu"}}}
    projects = {"projects.yaml": {"projects": {"clinic": {"jurisdiction": "eu"}, "shop": {"jurisdiction": "us"}}}}
    found = bundle(permit, files=projects)
    facts = msgspec.structs.replace(FACTS, project="shop", jurisdiction="us")
    assert nearest_of(found, facts, free={"project.jurisdiction"}) == ()
    assert nearest_of(found, facts, free={"project", "project.jurisdiction"}) == (
        (Change("project", "shop", "clinic"), Change("project.jurisdiction", "us", "eu")),
    )


def test_a_request_lies_in_its_cell():
    found = bundle(
        PERMIT_LEGAL,
        FORBID_PII,
        {"id": "g", "forbid": {"when": {"principal.person": "us_person"}, "to": {"region": "eu"}}},
    )
    cells, permits, forbids = spaces(found, "", any_backend=True)
    for backend in found.backends:
        for facts in (
            FACTS,
            msgspec.structs.replace(FACTS, tags=frozenset()),
            msgspec.structs.replace(FACTS, sensitivity="odd"),
        ):
            cell = cell_of(cells, facts, backend)
            inside = [any(intersect(cell, cube) for cube in some) for some in (permits, forbids)]
            verdict = Eligibility(found).ask(facts).verdicts[backend.id]
            assert inside == [bool(verdict.permits), bool(verdict.forbids)]
            assert all(
                mask.bit_count() == 1 for name, mask in zip(cells.variables, cell, strict=True) if ":" not in name.name
            )


def test_the_closest_part_of_some_regions_is_as_here_where_it_can_be():
    found = bundle(PERMIT_LEGAL, FORBID_PII)
    cells, permits, forbids = spaces(found, "far")
    here = cell_of(cells, msgspec.structs.replace(FACTS, team="web"))
    part = closest(cells, here, permits, forbids)
    assert part is not None
    assert [name for name, value in cells.words(part).items() if value != cells.words(here)[name]] == ["tags", "team"]
    assert closest(cells, here, permits, [cells.whole]) is None
    assert closest(cells, here, [], []) is None
