"""Proofs in words."""

import itertools
import shlex

import pytest
from support.policy_trees import BACKENDS, rule
from support.proofs import Tree

from gateway.policy.prove import prove
from gateway.review.proofs import beyond_the_caller, curl, problems, sentence

ALL = rule("permit", id="all")
HOME = rule(
    "forbid", {"sensitivity": ">= confidential"}, {"deployment": {"not": "self_hosted"}}, id="home", breakable=True
)
OUT = {"never": {"request": {"sensitivity": ">= confidential"}, "backend": {"deployment": {"not": "self_hosted"}}}}
AT = "(policies/main.yaml:1:48)"
SURE = {id: row for id, row in BACKENDS.items() if id != "dim"}


def proved(claim, *rules, steps=None):
    (proof,) = prove(Tree(list(rules), [{"id": "i", **claim}], SURE).bundle, steps)
    return proof


@pytest.mark.parametrize(
    ("claim", "rules", "expected"),
    [
        (OUT, [], "holds"),
        (OUT, [ALL], f"is violated: {{sensitivity: confidential}} reaches `far` by permit `all` {AT}"),
        (
            {**OUT, "absolute": True},
            [ALL, HOME],
            f"is violated: {{sensitivity: confidential}} reaches `far` by permit `all` {AT}, while an exception lifts `home`",
        ),
        (
            {"never": {"backend": {"status": "retired"}}, "over": "any_backend"},
            [rule("permit", to={"status": "retired"}, id="all")],
            f"is violated: any request reaches any backend with {{status: retired}} by permit `all` {AT}",
        ),
        (
            {"always_some": {"request": {}}, "backend": {"region": "us"}},
            [rule("forbid", {"tags": {"any": ["pii"]}}, id="all"), rule("permit", id="p")],
            "is violated: no wanted backend may serve {tags: [pii]}: `far` forbidden by `all`",
        ),
        ({"always_some": {"request": {}}, "backend": {"region": "cn"}}, [ALL], None),
        (
            {"always_some": {"request": {}}, "backend": {"status": "active"}},
            [ALL],
            "is violated: no wanted backend may serve any request: the catalog has none",
        ),
        (
            {"monotone": "sensitivity"},
            [rule("permit", {"sensitivity": "internal"}, id="all")],
            f"is violated: {{sensitivity: internal}} reaches `home` by permit `all` {AT}, but with the label public it does not (no rule permits it)",
        ),
        (
            {"chain": {"never_after": {"left": {"region": "eu"}, "enter": {"region": "us"}}}},
            [ALL],
            f"is violated: {{attempt: 2, last_error: unreachable, visited_regions: [eu], visited_operators: unknown}} is sent to `home`, after unreachable to `far` by permit `all` {AT}",
        ),
    ],
)
def test_a_proof_in_one_sentence(claim, rules, expected):
    if expected is not None:
        proof = proved(claim, *rules)
        assert sentence(proof) == f"invariant `i` {expected}"
        assert [(each.code, each.message) for each in problems([proof])] == (
            [] if proof.holds else [("P301", sentence(proof))]
        )


def test_what_is_not_decided_is_a_problem():
    proof = proved(OUT, ALL, steps=0)
    assert [str(each) for each in problems([proof])] == [
        "invariants.yaml:1:24 P302 invariant `i` is not decided: the proof takes more steps than it may"
    ]


def test_more_backends_than_a_line_can_name_are_counted():
    rows = {f"b{n}": BACKENDS["home"] for n in range(5)}
    (proof,) = prove(Tree([], [{"id": "i", "always_some": {"request": {}}, "backend": {}}], rows).bundle)
    assert sentence(proof).endswith("`b2` no rule permits it; 2 more")


@pytest.mark.parametrize(
    ("claim", "rules", "headers", "model", "needs"),
    [
        (
            OUT,
            [rule("permit", {"purpose": "hr", "project": "b", "team": "a", "principal.person": "us_person"})],
            {"x-gateway-sensitivity": "confidential", "x-gateway-purpose": "hr", "x-gateway-project": "b"},
            "far",
            ["the key is granted purpose hr, project b", "the key has principal.person us_person, team a"],
        ),
        (
            {"never": {"request": {"tags": {"any": ["secret"]}}}},
            [ALL],
            {},
            "home",
            ["the gateway finds {tags: [secret]}"],
        ),
        (
            {"never": {"backend": {"backend": "far"}}},
            [rule("permit", {"sensitivity": "public"}), rule("forbid", {"sensitivity": "public"}, {"backend": "home"})],
            {"x-gateway-sensitivity": "public"},
            "far",
            [],
        ),
        (
            {"chain": {"never_after": {"left": {"region": "eu"}, "enter": {"region": "us"}}}},
            [ALL],
            {},
            "auto",
            [
                "earlier calls leave {attempt: 2, last_error: unreachable, visited_regions: [eu], visited_operators: unknown}"
            ],
        ),
        (
            {"always_some": {"request": {}}, "backend": {}},
            [rule("permit", {"sensitivity": ">= public"})],
            {},
            "auto",
            ["the gateway finds {sensitivity: unknown}"],
        ),
    ],
)
def test_what_a_caller_can_send_and_what_it_takes_besides(claim, rules, headers, model, needs):
    found = proved(claim, *rules).counterexample
    words = shlex.split(curl(found))
    sent = dict(word.split(": ", 1) for flag, word in itertools.pairwise(words) if flag == "-H")
    assert {name: value for name, value in sent.items() if name.startswith("x-")} == headers
    assert f'"model":"{model}"' in words[words.index("-d") + 1]
    assert list(beyond_the_caller(found)) == needs


def test_a_backend_that_does_not_exist_cannot_be_called():
    found = proved(
        {"never": {"backend": {"status": "retired"}}, "over": "any_backend"}, rule("permit", to={"status": "retired"})
    ).counterexample
    assert curl(found) == ""
