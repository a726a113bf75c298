"""A test of a policy tree comes out as the server would decide, hop by hop, and says clearly what differs."""

import json

import pytest

from gateway.core.decision import Facts
from gateway.core.errors import FailureKind
from gateway.policy.claims import FAULTS
from gateway.policy.decide import Eligibility
from gateway.policy.parse import parse
from gateway.providers import BASE_URLS
from gateway.providers.failures import classify
from gateway.review.cases import Outcome, _failed, outcome, problems, run

VOCABULARY = """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {secret: a, pii: b}
purposes: {general: a, hr: b, legal: c, bulk: d}
jurisdictions: {eu: a, us: b}
persons: {us_person: a, other: b}
deployments: {self_hosted: a, vendor_api: b}
zones: {inhouse: a, us-vendors: b}
regions: {eu: a, us: b, cn: c}
origins: {eu: a, us: b, cn: c}
licences: {}
statuses: {active: a, suspended: b, retired: c}
retentions: {none: a, zdr: b, days_30: c}
training: {never: a, allowed: b}
audiences: {anyone: a, approved_clients: b}
"""
CATALOG = """\
backends:
  qwen-a: {provider: openai, aliases: [own], price: {input: 1, output: 1}, capabilities: [chat, tools],
           deployment: self_hosted, region: eu, weights_origin: cn, operator_origin: eu, status: active,
           retention: none, trains_on_data: never, audience: anyone}
  glm-b:  {provider: openai, aliases: [own], price: {input: 2, output: 2},
           deployment: self_hosted, region: eu, weights_origin: cn, operator_origin: eu, status: active,
           retention: none, trains_on_data: never, audience: anyone}
  gpt-x:  {provider: openai, price: {input: 0.5, output: 0.5}, capabilities: [chat, tools, vision],
           deployment: vendor_api, region: us, weights_origin: us, operator_origin: us, status: active,
           retention: zdr, trains_on_data: never, audience: anyone}
  frontier-r: {provider: openai, price: {input: 9, output: 9}, substitute: qwen-a,
           deployment: vendor_api, region: us, weights_origin: us, operator_origin: us, status: suspended,
           retention: days_30, trains_on_data: never, audience: approved_clients, eligible_persons: [us_person]}
  unpriced: {provider: openai, deployment: self_hosted, status: active}
  nowhere: {provider: openai, price: {input: 3, output: 3}, deployment: self_hosted, status: active}
"""
RULES = """\
policy: customer-data
owner: security-eu
rules:
  - id: our-own-machines
    permit: {to: {deployment: self_hosted}}
  - id: confidential-stays-home
    forbid: {when: {sensitivity: ">= confidential"}, to: {deployment: {not: self_hosted}}}
    breakable: true
  - id: secrets-go-nowhere-raw
    require: {when: {tags: {any: [secret]}}, do: [redact, rescan]}
  - id: internal-to-zdr-vendors
    permit:
      when: {sensitivity: "<= internal", purpose: {not: [hr, legal]}}
      to: {deployment: vendor_api, retention: zdr, trains_on_data: never}
    require: {do: [no_prompt_log, region_pin]}
  - id: person-eligibility
    forbid: {when: {principal.person: {not_in: backend.eligible_persons}}, to: {eligible_persons: declared}}
  - id: suspended-is-off
    forbid: {to: {status: [suspended, retired]}}
  - id: not-back-to-eu-from-us
    forbid: {when: {visited_regions: {any: [us]}}, to: {backend: qwen-a}}
  - id: no-third-call
    forbid: {when: {attempt: ">= 3", last_error: timed_out}}
  - id: eu-law
    forbid: {when: {project.jurisdiction: eu, purpose: bulk}, to: {backend: gpt-x}}
  - id: cheap
    prefer: {order: [cost]}
"""
PROJECTS = (
    "projects: {clinic: {jurisdiction: eu, floor: confidential}, shop: {jurisdiction: us}, bank: {jurisdiction: eu}}"
)
EXCEPTIONS = """\
exceptions:
  - {id: night, rules: [confidential-stays-home], principal: {team: duty}, backends: [gpt-x], ticket: T-1,
     starts: "2026-11-22T18:00:00Z", expires: "2026-11-22T20:00:00Z", requested_by: ann, approved_by: [bob, cem]}
"""
WITHOUT_HOME = """\
backends:
  gpt-x: {provider: openai, price: {input: 1, output: 1}, deployment: vendor_api, retention: zdr, trains_on_data: never}
"""


def bundle(tests="", catalog=CATALOG, rules=RULES):
    tree = {
        "vocabulary.yaml": VOCABULARY,
        "catalog/a.yaml": catalog,
        "policies/a.yaml": rules,
        "projects.yaml": PROJECTS,
        "exceptions/a.yaml": EXCEPTIONS if catalog is CATALOG else "exceptions: []",
        "tests/a.yaml": f"tests:\n{tests}" if tests else "tests: []",
    }
    parsed = parse({name: text.encode() for name, text in tree.items()}, BASE_URLS)
    assert parsed.bundle is not None, parsed.problems
    return parsed.bundle


def only(request="{}", expect="{decision: permit}", more=""):
    """A bundle with one test, and that test."""
    found = bundle(f"  - {{name: t, request: {request}, {more} expect: {expect}}}\n")
    return found, found.cases[0]


def came(request="{}", more=""):
    return outcome(*only(request, more=more))


def test_the_examples_of_the_language_pass():
    examples = bundle("""\
  - name: contract draft of an EU customer
    request: {model: own, sensitivity: confidential, tags: [pii], project.jurisdiction: eu, key: team-legal}
    expect:
      permit: [qwen-a, glm-b]
      deny: {gpt-x: confidential-stays-home,
             frontier-r: [confidential-stays-home, suspended-is-off, person-eligibility]}
  - name: fallback after our own cluster fails must not leave the house
    request: {model: own, sensitivity: confidential}
    faults: {qwen-a: 503, glm-b: timeout}
    expect: {decision: deny, http: 503, reason: no_backend_available, hops: 2, sent_outside: 0}
  - name: unknown scanner result counts as restricted
    request: {sensitivity: unknown}
    expect: {permit_only: {deployment: self_hosted}}
""")
    assert [run(examples, case) for case in examples.cases] == [(), (), ()]
    assert problems(examples) == ()


@pytest.mark.parametrize(
    ("asked", "faults", "expected"),
    [  # order of the plan, status, reason, calls, calls outside
        ("{}", "", (("gpt-x", "qwen-a", "glm-b", "nowhere"), 200, "", 1, 1)),
        ("{sensitivity: confidential}", "", (("qwen-a", "glm-b", "nowhere"), 200, "", 1, 0)),
        ("{model: glm-b}", "", (("glm-b",), 200, "", 1, 0)),
        ("{model: nobody}", "", ((), 404, "model_not_found", 0, 0)),
        ("{model: gpt-x, purpose: hr}", "", ((), 403, "policy_denied", 0, 0)),
        ("{model: gpt-x, sensitivity: confidential}", "", ((), 403, "policy_denied", 0, 0)),
        ("{model: glm-b, needs: vision}", "", ((), 400, "unsupported_capability", 0, 0)),
        ("{needs: [tools]}", "", (("gpt-x", "qwen-a"), 200, "", 1, 1)),
        ("{model: unpriced}", "", ((), 503, "no_backend_available", 0, 0)),
        ("{model: frontier-r}", "", (("qwen-a",), 200, "", 1, 0)),
        ("{tags: [secret], model: own}", "", ((), 403, "policy_denied", 0, 0)),
        ("{tags: [secret], redaction: done, model: own}", "", (("qwen-a", "glm-b"), 200, "", 1, 0)),
        ("{model: own}", "qwen-a: 503", (("qwen-a", "glm-b"), 200, "", 2, 0)),
        ("{model: own}", "qwen-a: 400", (("qwen-a", "glm-b"), 400, "rejected", 1, 0)),
        ("{model: own}", "qwen-a: 429, glm-b: 429", (("qwen-a", "glm-b"), 429, "throttled", 2, 0)),
        ("{model: own}", "qwen-a: 429, glm-b: 500", (("qwen-a", "glm-b"), 503, "no_backend_available", 2, 0)),
        ("{model: own}", "qwen-a: 500, glm-b: rejected", (("qwen-a", "glm-b"), 400, "rejected", 2, 0)),
        (
            "{model: own}",
            "qwen-a: 500, glm-b: context_too_long",
            (("qwen-a", "glm-b"), 400, "context_too_long", 2, 0),
        ),
        ("{model: glm-b}", "glm-b: timeout", (("glm-b",), 504, "timed_out", 1, 0)),
        ("{model: glm-b}", "glm-b: unreachable", (("glm-b",), 502, "unreachable", 1, 0)),
        ("{model: glm-b}", "glm-b: 401", (("glm-b",), 502, "unauthorized", 1, 0)),
        ("{model: glm-b}", "glm-b: 529", (("glm-b",), 529, "overloaded", 1, 0)),
    ],
)
def test_a_case_comes_out_as_the_server_would_decide(asked, faults, expected):
    found = came(asked, f"faults: {{{faults}}}," if faults else "")
    assert (found.order, found.http, found.reason, found.hops, found.sent_outside) == expected
    assert found.decision == ("permit" if found.http == 200 else "deny")
    assert found.permitted == set(found.order)


def test_each_hop_is_asked_again_with_what_happened_before():
    found = came("{}", "faults: {gpt-x: 503},")
    assert found.hops == 2  # qwen-a, the second of the plan, is not asked after a call to the US; glm-b is
    assert [(facts.attempt, facts.last_error) for facts in found.asked] == [("1", "none"), ("2", "overloaded")]
    assert found.asked[1].visited_regions == {"us"}
    assert found.asked[1].visited_operators == {"us"}


def test_a_hop_rule_ends_the_fallback_with_the_failures_so_far():
    found = came("{}", "faults: {gpt-x: 503, glm-b: timeout, nowhere: 503},")
    assert (found.hops, found.http, found.reason) == (2, 503, "no_backend_available")


def test_a_call_to_a_place_that_nobody_declared_makes_the_places_unknown():
    third = bundle(
        "  - {name: t, faults: {a: 500}, expect: {hops: 1}}",
        "backends:\n  a: {provider: openai, price: {input: 1, output: 1}}\n"
        "  b: {provider: openai, price: {input: 2, output: 2}, region: eu}\n",
        "policy: p\nowner: o\nrules:\n  - {id: all, permit: {}}\n  - {id: cheap, prefer: {order: [cost]}}\n"
        "  - {id: was, forbid: {when: {visited_regions: {any: [cn]}}, to: {region: eu}}}\n",
    )
    assert outcome(third, third.cases[0]).asked[1].visited_regions is None
    assert run(third, third.cases[0]) == ()
    assert outcome(third, third.cases[0]).sent_outside == 1  # who runs a machine that nobody declared is unknown


@pytest.mark.parametrize(("team", "at", "hops"), [("duty", "19", 1), ("duty", "20", 0), ("web", "19", 0)])
def test_an_exception_counts_at_the_moment_of_the_case(team, at, hops):
    request = f"{{model: gpt-x, sensitivity: <>, team: {team}}}".replace("<>", "confidential")
    permit = RULES.replace('"<= internal"', "any").replace("{sensitivity: any, ", "{")
    found = bundle(
        f'  - {{name: t, at: "2026-11-22T{at}:00:00Z", request: {request}, expect: {{hops: {hops}}}}}', rules=permit
    )
    assert run(found, found.cases[0]) == ()


def test_what_a_project_declares_counts_in_its_cases():
    assert "gpt-x" in came("{project: shop, purpose: bulk}").order
    assert "gpt-x" not in came("{project: bank, purpose: bulk}").order
    assert "gpt-x" not in came("{project: clinic}").order
    assert "gpt-x" not in came("{project: clinic, sensitivity: public}").order
    assert came("{project: clinic, sensitivity: restricted}").asked[0].sensitivity == "restricted"
    assert came("{project: clinic, sensitivity: unknown}").asked[0].sensitivity is None


@pytest.mark.parametrize(
    ("asked", "expect", "said"),
    [
        (
            "{model: own}",
            "{permit: [qwen-a, gpt-x]}",
            ("`glm-b` may be asked, which is not expected", "`gpt-x` may not be asked: the model's name does not stand for it"),
        ),
        (
            "{sensitivity: confidential, needs: tools}",
            "{permit: [qwen-a, gpt-x, glm-b]}",
            ("`glm-b` may not be asked: lacks tools", "`gpt-x` may not be asked: forbidden by `confidential-stays-home`"),
        ),
        ("{model: gpt-x, purpose: hr}", "{permit: [gpt-x]}", ("`gpt-x` may not be asked: no rule permits it",)),
        ("{}", "{deny: [gpt-x]}", ("`gpt-x` is permitted by the policy; expected: denied",)),
        ("{model: glm-b, needs: tools}", "{deny: [glm-b]}", ("`glm-b` is permitted by the policy; expected: denied (it lacks tools)",)),
        (
            "{sensitivity: confidential}",
            "{deny: {gpt-x: [suspended-is-off, confidential-stays-home]}}",
            ("`gpt-x` is denied, but not by `suspended-is-off`: forbidden by `confidential-stays-home`",),
        ),
        ("{}", "{permit_only: {deployment: self_hosted}}", ("`gpt-x` may be asked; expected only: deployment is self_hosted",)),
        ("{}", "{permit_only: {retention: [zdr, none]}}", ("`nowhere` may be asked; expected only: retention is zdr, none",),
        ),
        (
            "{}",
            "{permit: [], permit_only: {region: us}}",
            (
                "`glm-b`, `gpt-x`, `nowhere`, `qwen-a` may be asked, which is not expected",
                "`qwen-a`, `glm-b`, `nowhere` may be asked; expected only: region is us",
            )),
        ("{model: own}", "{first: glm-b}", ("`glm-b` is not the first: qwen-a, glm-b",)),
        ("{model: own, tags: [secret]}", "{first: glm-b}", ("`glm-b` is not the first: nobody may be asked",)),
        ("{}", "{decision: deny, http: 403}", ("decision is permit; expected: deny", "http is 200; expected: 403")),
        ("{}", "{reason: policy_denied}", ("reason is none; expected: policy_denied",)),
        ("{}", "{hops: 0, sent_outside: 0}", ("hops is 1; expected: 0", "sent_outside is 1; expected: 0")),
        ("{model: own}", "{sent_outside: 1}", ("sent_outside is 0; expected: 1",)),
    ],
)  # fmt: skip
def test_what_differs_is_said(asked, expect, said):
    assert run(*only(asked, expect)) == said


@pytest.mark.parametrize(
    "expect",
    [
        "{permit: [qwen-a, glm-b], first: qwen-a, decision: permit, http: 200, hops: 1, sent_outside: 0}",
        "{deny: [frontier-r], permit_only: {deployment: self_hosted, region: eu}}",
        "{deny: {frontier-r: suspended-is-off}}",
    ],
)
def test_what_is_as_expected_is_not_mentioned(expect):
    assert run(*only("{model: own}", expect)) == ()


def test_the_tests_of_a_tree_become_problems_at_their_places():
    tree = bundle(
        "  - {name: good, expect: {decision: permit}}\n"
        "  - {name: bad, expect: {decision: deny}}\n"
        "  - {name: worse, expect: {hops: 3}}\n"
    )
    assert [(str(each.mark), each.code, each.message) for each in problems(tree)] == [
        ("tests/a.yaml:3:12", "P401", "test `bad`: decision is permit; expected: deny"),
        ("tests/a.yaml:4:12", "P401", "test `worse`: hops is 1; expected: 3"),
    ]


def test_the_policy_may_be_made_once_for_many_cases():
    found, case = only("{model: own}")
    asked: list[Facts] = []

    class Counted(Eligibility):
        def ask(self, facts, moment=0.0):
            asked.append(facts)
            return super().ask(facts, moment)

    assert outcome(found, case, Counted(found)) == outcome(found, case)
    assert asked


@pytest.mark.parametrize("fault", sorted(fault for fault in FAULTS if fault.isdigit()))
def test_a_status_means_what_it_means_when_an_upstream_sends_it(fault):
    real, ours = classify(int(fault), b""), _failed(fault)
    assert (ours.kind, ours.status) == (real.kind, real.status)


def test_every_failure_kind_can_be_written():
    assert {_failed(kind.code).kind for kind in FailureKind} == set(FailureKind)
    assert _failed("timeout").kind is FailureKind.TIMED_OUT


def test_an_outcome_names_everyone_whom_the_policy_denies():
    found = came("{model: own, purpose: hr, sensitivity: restricted}")
    assert isinstance(found, Outcome)
    assert found.denied == {
        "gpt-x": ("confidential-stays-home",),
        "frontier-r": ("confidential-stays-home", "person-eligibility", "suspended-is-off"),
    }
    assert found.out == {}
    assert came("{needs: tools}").out["glm-b"] == "lacks tools"
    assert came("{}").out == {"unpriced": "has no price, so its cost could not be booked"}


EMPTY = bundle(
    "  - {name: t, expect: {reason: policy_denied, http: 403}}", WITHOUT_HOME, "policy: p\nowner: o\nrules: []\n"
)


def test_without_rules_everyone_is_denied():
    assert run(EMPTY, EMPTY.cases[0]) == ()


# Rules on trial, and limits.

TRIAL = """\
policy: trial
owner: o
mode: {mode}
rules:
  - {{id: no-us, forbid: {{to: {{region: us}}}}}}
  - {{id: hr-too, permit: {{when: {{purpose: hr}}, to: {{region: us}}}}}}
"""


def watching(request, watch, mode="warn"):
    extra = TRIAL.format(mode=mode)
    tests = [{"name": "t", "request": request, "expect": {"watch": watch}}]
    return made(tests, {"policies/trial.yaml": extra})


def made(tests, files=()):
    tree = {"vocabulary.yaml": VOCABULARY, "catalog/a.yaml": CATALOG, "policies/a.yaml": RULES} | dict(files)
    tree["tests/trial.yaml"] = json.dumps({"tests": tests})
    parsed = parse({name: text.encode() for name, text in tree.items()}, BASE_URLS)
    assert parsed.problems == ()
    return [problem.message.partition(": ")[2] for problem in problems(parsed.bundle)]


@pytest.mark.parametrize(
    ("request_", "watch", "expected"),
    [
        ({"model": "gpt-x"}, ["no-us"], []),
        ({"model": "gpt-x"}, [], ["on trial `no-us` would fire, which is not expected"]),
        ({"model": "qwen-a"}, [], []),
        ({"model": "qwen-a"}, ["no-us"], ["`no-us` would not fire"]),
        ({"model": "gpt-x", "purpose": "hr"}, ["no-us", "hr-too"], []),
        ({"model": "gpt-x", "purpose": "hr"}, ["hr-too"], ["on trial `no-us` would fire, which is not expected"]),
        ({"model": "gpt-x"}, ["no-us", "internal-to-zdr-vendors"], []),  # in force, and it does
        ({"model": "gpt-x"}, ["no-us", "suspended-is-off"], ["`suspended-is-off` would not fire"]),
    ],
)
@pytest.mark.parametrize("mode", ["shadow", "warn"])
def test_a_test_says_which_rules_on_trial_would_fire(request_, watch, expected, mode):
    assert watching(request_, watch, mode) == expected


def test_what_is_watched_still_fires_once_it_is_in_force():
    assert watching({"model": "gpt-x"}, ["no-us"], "enforce") == []
    assert watching({"model": "gpt-x"}, ["no-us"], "off") == ["`no-us` would not fire"]


MONEY = """\
policy: money
owner: finance
mode: {mode}
rules:
  - id: day
    limit:
      - {{usd: 200, per: key, window: day, then: [downgrade: gpt-x, deny]}}
      - {{usd: 5000, per: organisation, window: month}}
  - id: part
    limit: {{share: 0.6, of: spend, by: provider, window: 7d, min_sample_usd: 500}}
"""


@pytest.mark.parametrize(
    ("spent", "expect"),
    [
        ({}, {"first": "qwen-a", "http": 200, "watch": []}),
        ({"day": 100}, {"first": "qwen-a", "http": 200, "watch": []}),
        ({"day": 200}, {"first": "gpt-x", "http": 200, "watch": ["day"]}),
        ({"day": {"any": 200}}, {"first": "gpt-x", "http": 200}),
        ({"day": {"another": 200}}, {"first": "qwen-a", "http": 200}),
        ({"day#1": 200, "day#2": 5000}, {"http": 402, "reason": "budget_exceeded", "hops": 0, "watch": ["day"]}),
        ({"day#2": 5000}, {"http": 402, "decision": "deny", "watch": ["day"]}),
        ({"part": {"openai": 600, "mistral": 300}}, {"http": 402, "watch": ["part"]}),
        ({"part": {"openai": 300, "mistral": 300}}, {"http": 200, "watch": []}),
        ({"part": {"openai": 400}}, {"http": 200, "watch": []}),  # too few to be a share of
    ],
)
def test_what_was_spent_bounds_what_is_served(spent, expect):
    test = {"name": "t", "request": {"model": "own"}, "spent": spent, "expect": expect}
    assert made([test], {"policies/money.yaml": MONEY.format(mode="enforce")}) == []
    watched = {"http": 200, "first": "qwen-a", "watch": expect.get("watch", ["day"] if "200" in str(spent) else [])}
    if "another" not in str(spent):
        test |= {"expect": watched}
        assert made([test], {"policies/money.yaml": MONEY.format(mode="shadow")}) == []


def test_beyond_a_limit_nobody_is_served_whom_policy_denies():
    """What the limit downgrades to is asked of the policy like any other name."""
    test = {
        "name": "t",
        "request": {"model": "own", "sensitivity": "confidential"},
        "spent": {"day": 200},
        "expect": {"http": 402, "hops": 0, "sent_outside": 0},
    }
    assert made([test], {"policies/money.yaml": MONEY.format(mode="enforce")}) == []


def test_after_a_failure_the_next_is_asked_of_the_limits_too():
    test = {
        "name": "t",
        "request": {"model": "own"},
        "faults": {"qwen-a": 503},
        "spent": {"day#1": 199},
        "expect": {"hops": 2, "http": 200, "first": "qwen-a"},
    }
    assert made([test], {"policies/money.yaml": MONEY.format(mode="enforce")}) == []
