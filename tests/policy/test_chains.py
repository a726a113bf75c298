"""Chains as a space: a chain is in it exactly if each of its calls is permitted with what the calls before have left."""

import itertools

import msgspec
import pytest
from support.policy_trees import bundle, rule
from support.proofs import CATALOG, called, visited

from gateway.core.errors import FailureKind
from gateway.core.fallback import MAX_ATTEMPTS
from gateway.policy.cells import Cells, atoms_of
from gateway.policy.chains import Chains, Group, Walk
from gateway.policy.clauses import clauses
from gateway.policy.decide import Eligibility
from gateway.policy.document import Mark
from gateway.policy.model import Invariant
from gateway.policy.query import PLAIN
from gateway.policy.space import Budget, remainder

HERE = Mark("x")
ALL = rule("permit", id="all")
FILES = {"catalog/a.yaml": {"backends": CATALOG}}
ERRORS = [kind.code for kind in FailureKind if kind.may_fall_back]


def chains(*rules, most=None, left=(), enter=(), catalog=CATALOG):
    made = bundle(*rules, files={"catalog/a.yaml": {"backends": catalog}})
    found = clauses(made)
    space = Cells(made, atoms_of(made, found))
    groups = {}
    for backend in made.backends:
        alike = (
            tuple(p.cube for p in space.permits(found, backend)),
            tuple(p.cube for p in space.forbids(found, backend)),
        )
        groups.setdefault(alike, []).append(backend)
    invariant = Invariant("i", "chain", HERE, most_operators=most, left=left, enter=enter)
    return made, Chains(space, [Group(tuple(some), *alike) for alike, some in groups.items()], invariant)


@pytest.mark.parametrize(
    ("rules", "most", "expected"),
    [
        ([ALL], None, [2]),
        ([ALL], 1, [2]),
        ([ALL], 3, [4]),
        ([ALL], MAX_ATTEMPTS, []),
        ([ALL, rule("forbid", {"attempt": ">= 3"})], None, [2, 3, 4]),
        ([ALL, rule("forbid", {"visited_regions": {"any": "eu"}})], 1, [2, 3, 4]),
    ],
)
def test_only_lengths_that_can_tell_are_looked_at(rules, most, expected):
    assert chains(*rules, most=most)[1].lengths() == expected


CASES = [
    [ALL],
    [
        rule("permit", {"attempt": [1, 3]}),
        rule("permit", {"last_error": ["throttled", "timed_out"]}, {"region": "us"}, id="q"),
    ],
    [ALL, rule("forbid", {"visited_regions": {"any": "eu"}}, {"deployment": "vendor_api"})],
    [ALL, rule("forbid", {"visited_regions": {"all": ["eu", "us"]}})],
    [ALL, rule("forbid", {"visited_regions": {"none": ["us"]}, "attempt": ">= 2"})],
    [
        rule("permit", {"visited_regions": {"none": ["us"]}}),
        rule("permit", {"visited_operators": {"any": ["cn"]}}, id="q"),
    ],
    [rule("permit", {"visited_operators": {"all": ["cn", "us"]}}), rule("permit", {"attempt": 1}, id="q")],
    [
        rule("permit", {"purpose": "hr"}, {"region": "eu"}),
        rule("permit", {"purpose": "hr", "visited_regions": {"any": "eu"}}, id="q"),
    ],
    [ALL, rule("forbid", {"last_error": {"not": "throttled"}, "attempt": {"not": 1}}, {"region": "us"})],
]


@pytest.mark.parametrize("rules", CASES)
@pytest.mark.parametrize("length", [2, 3])
def test_the_space_has_just_the_chains_that_are_permitted(rules, length):
    """Every path of backends, found or not found, is what asking call by call says."""
    made, found = chains(*rules)
    walk = Walk(found, length)
    inside = set()
    for query in walk.queries():
        for part in remainder(query.region, (*query.avoid, *query.impossible), Budget()):
            own = len(part) - length - (length - 1 if found.cells.has("last_error") else 0)
            choices = [[1 << at for at in range(mask.bit_length()) if mask >> at & 1] for mask in part[own:]]
            for some in itertools.product(*choices):
                inside.add(tuple(backend.id for backend, _ in walk.path((*part[:own], *some))))
    asked = Eligibility(made)
    facts = msgspec.structs.replace(PLAIN, purpose="hr" if "purpose" in str(rules) else PLAIN.purpose)

    def permitted(path):
        return all(
            any(
                asked.ask(called(facts, path[:at], error)).verdicts[each.id].permitted
                for error in (ERRORS if at else ["none"])
            )
            for at, each in enumerate(path)
        )

    if not found.asked and length > 2:
        assert inside == set()  # a shorter chain would have told
        return
    expected = {
        tuple(each.id for each in path) for path in itertools.permutations(made.backends, length) if permitted(path)
    }
    # Backends that nothing tells apart stand for each other.
    group = {each.id: number for number, some in enumerate(found.groups) for each in some.backends}
    alike = [{tuple(group[id] for id in path) for path in paths} for paths in (inside, expected)]
    assert alike[0] == alike[1]


def test_each_backend_is_called_once():
    _, found = chains(ALL, catalog={"x": CATALOG["home"], "y": CATALOG["home"]})
    (query,) = Walk(found, 2).queries()
    assert query.answer(Budget()) is not None
    _, found = chains(ALL, catalog={"x": CATALOG["home"]})
    (query,) = Walk(found, 2).queries()
    assert query.answer(Budget()) is None


def test_nobody_is_permitted_so_there_is_no_chain():
    assert list(Walk(chains()[1], 2).queries()) == []


def test_a_request_goes_in_and_out_of_a_chain():
    _, found = chains(rule("permit", {"purpose": "hr", "attempt": "<= 3", "last_error": {"not": "throttled"}}))
    walk = Walk(found, 3)
    cell = next(walk.queries()).answer(Budget())
    request = walk.request(cell)
    assert found.cells.words(request) == {"purpose": "hr"}
    assert walk.with_request(cell, request) == cell


def test_a_place_that_nobody_declared_makes_all_places_unknown():
    made, _ = chains(ALL)
    by_id = {each.id: each for each in made.backends}
    assert visited([by_id["home"], by_id["far"]], "region") == {"eu", "us"}
    assert visited([by_id["home"], by_id["dim"]], "region") is None
