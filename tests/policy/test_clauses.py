"""Rules as clauses: the one normal form, with every obligation worked in."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policy_trees import bundle, policy, rule
from support.random_policies import ROWS, Random, as_backend, as_request
from support.reference import verdict

from gateway.core.decision import Facts
from gateway.policy.clauses import clauses, forbidding, permitting
from gateway.policy.model import bound, every, of_backend, of_request
from gateway.policy.vocabulary import REQUEST


def one(written):
    (found,) = bundle(written).rules
    return found


def texts(clause):
    return [atom.text for atom in clause.when], [atom.text for atom in clause.to]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (rule("permit"), [([], [])]),
        (rule("permit", {"team": "a"}, {"region": "eu"}), [(["team is a"], ["region is eu"])]),
        (rule("permit") | {"require": {"do": ["no_cache", {"max_output_tokens": 5}]}}, [([], [])]),
        (rule("permit", {"team": "a"}) | {"require": {"do": ["redact"]}}, [(["team is a", "redaction is done"], [])]),
        (rule("permit", to={"zone": "inhouse"}) | {"require": {"do": ["region_pin", "zdr_only"]}}, [([], ["zone is inhouse", "region declared", "retention is none, zdr"])]),
        (rule("permit") | {"require": {"do": ["human_approval"]}}, []),
        (rule("permit") | {"require": {"do": ["no_cache", "canary_watermark"]}}, []),
    ],
)  # fmt: skip
def test_a_permit_counts_where_its_own_obligations_are_discharged(written, expected):
    assert [texts(clause) for clause in permitting(one(written))] == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (rule("forbid"), [([], [])]),
        (rule("forbid", {"team": "a"}, {"region": "eu"}), [(["team is a"], ["region is eu"])]),
        ({"id": "a", "require": {"do": ["no_cache"]}}, []),
        ({"id": "a", "require": {"do": [{"max_output_tokens": 5}, "strip_images"]}}, []),
        ({"id": "a", "require": {"do": ["redact"], "when": {"team": "a"}}}, [(["team is a", "not: redaction is done"], [])]),
        ({"id": "a", "require": {"do": ["redact", "rescan"]}}, [(["not: redaction is done"], [])]),
        ({"id": "a", "require": {"do": ["region_pin", "redact"], "to": {"zone": "inhouse"}}}, [([], ["zone is inhouse", "not: region declared"]), (["not: redaction is done"], ["zone is inhouse"])]),
        ({"id": "a", "require": {"do": ["zdr_only"]}}, [([], ["not: retention is none, zdr"])]),
        ({"id": "a", "require": {"do": ["redact", "human_approval"], "when": {"team": "a"}}}, [(["team is a"], [])]),
    ],
)  # fmt: skip
def test_a_requirement_forbids_while_something_is_not_discharged(written, expected):
    assert [texts(clause) for clause in forbidding(one(written))] == expected


@pytest.mark.parametrize(
    ("modes", "permits", "forbids"),
    [
        ((), ["a"], ["b", "c"]),
        (("enforce",), ["a"], ["b", "c"]),
        (("shadow",), ["d"], ["e"]),
        (("shadow", "enforce"), ["a", "d"], ["b", "e", "c"]),
        (("warn",), [], []),
        (("off",), [], ["f"]),
    ],
)
def test_the_clauses_are_those_of_the_modes_that_are_asked_for(modes, permits, forbids):
    force = [rule("permit", id="a"), rule("forbid", id="b"), {"id": "c", "require": {"do": ["redact"]}}, {"id": "p", "prefer": {"order": ["cost"]}}]  # fmt: skip
    shadow = policy(rule("permit", id="d"), rule("forbid", id="e"), mode="shadow")
    off = policy(rule("forbid", id="f"), mode="off")
    found = clauses(bundle(*force, files={"policies/z1.yaml": shadow, "policies/z2.yaml": off}), *modes)
    assert ([each.rule for each in found.permits], [each.rule for each in found.forbids]) == (permits, forbids)


def truth(clause, facts, backend):
    here = [bound(atom, backend) for atom in clause.when]
    return every(
        [None if atom is None else of_request(atom, facts) for atom in here] + [of_backend(atom, backend) for atom in clause.to]
    )  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_the_clauses_alone_say_what_the_rules_say(seed):
    source = Random(seed)
    rules = source.rules()
    made = bundle(*rules, files={"catalog/a.yaml": {"backends": ROWS}})
    found = clauses(made)
    for backend, _ in itertools.product(made.backends, range(4)):
        request = as_request(source.facts())
        own = {name: value for name, value in request.items() if not REQUEST[name].follows}
        facts = Facts(**{name.rpartition(".")[2]: value for name, value in own.items()})
        permits = {each.rule for each in found.permits if truth(each, facts, backend) is True}
        forbids = {each.rule for each in found.forbids if truth(each, facts, backend) is not False}
        assert (permits, forbids) == verdict(rules, request, as_backend(backend.id))
