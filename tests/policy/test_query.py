"""Queries and the plainest answer to one."""

import pytest
from support.policy_trees import bundle, rule

from gateway.policy.cells import UNKNOWN, Cells, atoms_of
from gateway.policy.clauses import clauses
from gateway.policy.query import Query, plainest, smallest
from gateway.policy.space import Budget, Exhausted

SPACE = Cells(
    made := bundle(
        rule("permit", {"sensitivity": "public", "purpose": "hr"}),
        rule("forbid", {"team": "a", "tags": {"any": "pii"}}, id="f"),
    ),
    atoms_of(made, clauses(made)),
)


def cube(**values):
    return SPACE.where({name: SPACE.mask(name, words) for name, words in values.items()})


def said(cell):
    return SPACE.words(cell)


@pytest.mark.parametrize(
    ("region", "avoid", "impossible", "answered"),
    [
        (SPACE.whole, (), (), True),
        (SPACE.whole, (SPACE.whole,), (), False),
        (SPACE.whole, (), (SPACE.whole,), False),
        (cube(team=["a"]), (cube(team=["a"], purpose=["hr"]),), (), True),
        (cube(team=["a"]), (cube(team=["a"], purpose=["hr"]),), (cube(purpose=["general", UNKNOWN]),), False),
    ],
)
def test_a_query_asks_what_nothing_covers(region, avoid, impossible, answered):
    assert (Query(region, avoid, impossible).answer(Budget()) is not None) is answered


def test_an_answer_costs_steps():
    with pytest.raises(Exhausted):
        Query(SPACE.whole, (), ()).answer(Budget(0))


def test_a_cube_is_clear_when_it_is_avoided_only_where_nothing_is_possible():
    hr, known = cube(purpose=["hr"]), cube(purpose=["hr"], team=["a"])
    assert not Query(SPACE.whole, (known,), ()).clear(hr)
    assert Query(SPACE.whole, (known,), (known,)).clear(hr)
    assert Query(SPACE.whole, (known,), ()).clear(cube(purpose=["general"]))


@pytest.mark.parametrize(
    ("avoid", "expected"),
    [
        ((), {}),
        ((cube(sensitivity=["public", "internal"]),), {"sensitivity": "confidential"}),
        ((cube(purpose=["general"]),), {"purpose": "hr"}),
        ((cube(purpose=["general"], team=["a"]),), {"purpose": "hr"}),  # a purpose says more than a team
        ((cube(purpose=["general", "hr"]),), {"purpose": "unknown"}),
        ((cube(team=["(any other)"]),), {"team": "a"}),
    ],
)
def test_what_does_not_matter_is_given_up_and_the_rest_is_mild(avoid, expected):
    query = Query(SPACE.whole, avoid, SPACE.impossible)
    found = cube(
        sensitivity=["restricted"], purpose=["unknown"] if "purpose" in expected else ["hr"], team=["a"], tags=[UNKNOWN]
    )
    assert said(smallest(SPACE.variables, query.region, found, query.clear, query.impossible)) == expected


def test_what_the_region_asks_stays():
    region = cube(sensitivity=["confidential", "restricted", UNKNOWN])
    query = Query(region, (), SPACE.impossible)
    assert smallest(SPACE.variables, region, cube(sensitivity=[UNKNOWN]), query.clear, query.impossible) == region


def test_the_plainest_request_is_usual_where_it_is_free_and_mild_where_it_is_not():
    region = cube(sensitivity=["confidential", "restricted"])
    facts = SPACE.read(plainest(SPACE, region, SPACE.impossible))
    assert facts == {"sensitivity": "confidential", "tags": frozenset(), "purpose": "general", "team": "(any other)"}


def test_the_plainest_request_is_possible():
    impossible = (*SPACE.impossible, cube(purpose=["general"]), cube(sensitivity=["internal"]))
    facts = SPACE.read(plainest(SPACE, SPACE.whole, impossible))
    assert (facts["purpose"], facts["sensitivity"]) == ("hr", "public")
