"""Past traffic under two policies: who is denied or allowed, what it costs, who is asked first, what goes where."""

import msgspec
import pytest
from support.policy_trees import policy, read, rule

from gateway.core.chat import Demand
from gateway.core.decision import Facts
from gateway.core.record import End
from gateway.core.stored import Denied, Stored
from gateway.core.usage import Usage
from gateway.review.replay import Cost, Flow, Moved, Turned, past, replay

CATALOG = {
    "home": {"provider": "vllm", "base_url": "http://h", "deployment": "self_hosted", "operator_origin": "us", "weights_origin": "cn", "zone": "inhouse", "price": {"input": 1, "output": 2}, "aliases": ["any"]},
    "far": {"provider": "openai", "deployment": "vendor_api", "operator_origin": "us", "weights_origin": "us", "zone": "us-vendors", "price": {"input": 0.5, "output": 1}, "aliases": ["any"]},
}  # fmt: skip
CHEAP = {"id": "cheap", "prefer": {"order": ["cost"]}}
FACTS = Facts("internal", frozenset(), "general", "default", "legal", "web", "k1", source_sensitivity="internal")
DEMAND = Demand(frozenset({"chat"}), 3000, 1, 100, 1)  # 1008 tokens in, 100 out
HOME, FAR = (1008 * 10**6 + 100 * 2 * 10**6, 1008 * 5 * 10**5 + 100 * 10**6)
EXAMPLES = Stored(
    "dec-1", "req-1", 50.0, "d", "auto", FACTS, DEMAND, ("far",), (), "far", Usage(), 7, End.COMPLETE, 200
)


def tree(*rules, catalog=CATALOG, files=()):
    parsed = read({"catalog/a.yaml": {"backends": catalog}} | dict(files), main=policy(*rules))
    assert parsed.problems == ()
    return parsed.bundle


def stored(**changes):
    facts = {name: changes.pop(name) for name in list(changes) if name in Facts.__struct_fields__}
    if "sensitivity" in facts:
        facts.setdefault("source_sensitivity", facts["sensitivity"])
    return msgspec.structs.replace(EXAMPLES, facts=msgspec.structs.replace(FACTS, **facts), **changes)


ALL = tree(rule("permit"), CHEAP)
NO_HR = tree(rule("permit"), rule("forbid", {"purpose": "hr"}, id="no-hr"), CHEAP)
HOME_ONLY = tree(rule("permit", to={"deployment": "self_hosted"}), CHEAP)


def test_no_traffic_is_no_difference():
    found = replay([], ALL, NO_HR)
    assert (found.requests, found.begins, found.ends, found.delta_pico_usd, found.flows) == (0, None, None, 0, ())


def test_the_same_policy_twice_changes_nothing():
    found = replay([stored(), stored(purpose="hr", decision_id="dec-2", time=40.0)], ALL, ALL)
    assert (found.requests, found.begins, found.ends, found.unlike) == (2, 40.0, 50.0, 0)
    assert (found.denied, found.allowed, found.moved, found.delta_pico_usd) == ((), (), (), 0)
    assert found.costs == (Cost("legal", 2, 2 * FAR, 2 * FAR, 14),)
    assert found.flows == (Flow("internal", "us", "us", "us-vendors", 2, 2),)


def test_newly_denied_are_told_with_their_rules_and_an_example():
    traffic = [
        stored(),
        stored(purpose="hr", decision_id="dec-2"),
        stored(purpose="hr", decision_id="dec-3"),
        stored(purpose="hr", key="k2", decision_id="dec-4"),
    ]
    found = replay(traffic, ALL, NO_HR)
    assert found.denied == (
        Turned("legal", "k1", "auto", ("no-hr",), 2, "dec-2"),
        Turned("legal", "k2", "auto", ("no-hr",), 1, "dec-4"),
    )
    assert (found.newly_denied, found.newly_allowed, found.allowed) == (3, 0, ())
    assert (found.costs, found.delta_pico_usd) == ((Cost("legal", 4, 4 * FAR, FAR, 28),), -3 * FAR)
    assert found.flows == (Flow("internal", "us", "us", "us-vendors", 4, 1),)


@pytest.mark.parametrize(("old", "why"), [(NO_HR, "no-hr"), (tree(CHEAP), "permit")])
def test_newly_allowed_are_told_with_the_rules_that_denied_them_or_the_permits_that_admit_them(old, why):
    found = replay([stored(purpose="hr", plan=(), backend=None)], old, ALL)
    assert found.allowed == (Turned("legal", "k1", "auto", (why,), 1, "dec-1"),)
    assert (found.denied, found.newly_allowed, found.unlike) == ((), 1, 0)
    assert found.flows == (Flow("internal", "us", "us", "us-vendors", 0, 1),)


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (tree(CHEAP), "no rule permits it"),
        (tree(rule("permit"), catalog={"x": CATALOG["far"] | {"aliases": []}}), "no such model"),
        (tree(rule("permit"), catalog={"home": CATALOG["home"] | {"capabilities": ["embeddings"], "aliases": ["any"]}}), "lacks chat"),
        (tree(rule("permit"), catalog={"x": CATALOG["far"] | {"capabilities": ["embeddings"], "aliases": ["any"]}}), "its backends are gone"),
    ],
)  # fmt: skip
def test_who_is_denied_for_no_rule_is_told_why(new, why):
    (turned,) = replay([stored(requested="any", plan=("home", "far"))], ALL, new).denied
    assert turned.why == (why,)


def test_another_first_choice_is_told_with_what_it_costs():
    found = replay([stored(), stored(decision_id="dec-2", team="hr")], ALL, HOME_ONLY)
    assert found.moved == (Moved("far", "home", 2, 2 * FAR, 2 * HOME, "dec-1"),)
    assert (found.rerouted, found.delta_pico_usd, found.newly_denied) == (2, 2 * (HOME - FAR), 0)
    assert found.costs == (Cost("hr", 1, FAR, HOME, 7), Cost("legal", 1, FAR, HOME, 7))
    assert found.flows == (
        Flow("internal", "us", "us", "us-vendors", 2, 0),
        Flow("internal", "us", "cn", "inhouse", 0, 2),
    )


def test_a_price_counts_on_the_side_where_it_is_charged():
    dear = tree(
        rule("permit"), CHEAP, catalog={id: row | {"price": {"input": 5, "output": 10}} for id, row in CATALOG.items()}
    )
    found = replay([stored()], ALL, dear)
    assert found.costs[0].after_pico_usd == 1008 * 5 * 10**6 + 100 * 10 * 10**6


@pytest.mark.parametrize(
    "denied", [Denied("far", "offer", ()), Denied("far", "health", ()), Denied("far", "policy", ("(suspended)",))]
)
def test_what_was_off_then_is_off_now(denied):
    found = replay([stored(plan=("home",), denied=(denied,), backend="home")], ALL, ALL)
    assert (found.unlike, found.flows) == (0, (Flow("internal", "us", "cn", "inhouse", 1, 1),))


def test_what_the_older_policy_decides_otherwise_than_it_was_decided_is_counted():
    assert replay([stored(plan=("home",)), stored(plan=()), stored()], ALL, ALL).unlike == 2


@pytest.mark.parametrize(
    ("facts", "denied"), [({"project": "shop"}, 1), ({"project": "other"}, 0), ({"project": None}, 0)]
)
def test_a_project_is_read_as_each_side_declares_it(facts, denied):
    rules = (rule("permit", {"sensitivity": "<= internal"}), CHEAP)
    declared = {"projects.yaml": {"projects": {"shop": {"floor": "confidential"}}}}
    found = replay([stored(**facts)], tree(*rules), tree(*rules, files=declared))
    assert found.newly_denied == denied


def test_a_jurisdiction_is_read_as_each_side_declares_it():
    rules = (rule("permit"), rule("forbid", {"project.jurisdiction": "us"}), CHEAP)
    sides = [
        tree(*rules, files={"projects.yaml": {"projects": {"shop": {"jurisdiction": law}}}}) for law in ("eu", "us")
    ]
    assert replay([stored(project="shop", jurisdiction="eu")], *sides).newly_denied == 1


def test_an_exception_is_open_at_the_time_of_the_request():
    exception = {"id": "x", "rules": ["no-hr"], "principal": {"team": "legal"}, "backends": ["far"], "starts": "1970-01-01T00:00:00Z", "expires": "1970-01-01T00:01:00Z", "ticket": "T", "requested_by": "a", "approved_by": ["b", "c"]}  # fmt: skip
    new = tree(
        rule("permit"),
        rule("forbid", {"purpose": "hr"}, id="no-hr", breakable=True),
        CHEAP,
        files={"exceptions/a.yaml": {"exceptions": [exception]}},
    )
    traffic = [stored(purpose="hr"), stored(purpose="hr", time=70.0, decision_id="dec-2")]
    assert [each.example for each in replay(traffic, ALL, new).denied] == ["dec-2"]


def test_what_nobody_knows_is_called_unknown():
    found = replay([stored(sensitivity=None, team=None, key=None)], tree(rule("permit")), tree())
    assert found.denied[0].team == found.denied[0].key == found.costs[0].team == found.flows[0].sensitivity == "unknown"


def test_the_past_is_counted_by_facts_as_the_tree_declares_them_now():
    declared = tree(files={"projects.yaml": {"projects": {"p": {"jurisdiction": "eu", "floor": "restricted"}}}})
    found = past([stored(), stored(), stored(project="p"), stored(project="p", jurisdiction="us")], declared)
    raised = msgspec.structs.replace(
        FACTS, project="p", jurisdiction="eu", sensitivity="restricted", source_sensitivity="restricted"
    )
    assert found == {FACTS: 2, raised: 2}
