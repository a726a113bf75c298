"""Invariants and tests of a tree: from their files to values, and every way to write them wrong."""

import msgspec
import pytest
from support.policy_trees import bundle, places, policy, read, rule

from gateway.core.buckets import bucket_of, key_in
from gateway.core.decision import Facts
from gateway.core.errors import FailureKind
from gateway.policy.claims import FAULTS, USUAL
from gateway.policy.document import Mark
from gateway.policy.model import OWN, Atom, Case, Expectation, Invariant


def invariant(text):
    return read({"invariants.yaml": f"invariants:\n  - {text}\n"})


HERE = Mark("invariants.yaml", 2, 10)


def atom(side, attribute, test, values, text, column):
    return (Atom(side, attribute, test, frozenset(values), text, Mark("invariants.yaml", 2, column)),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{id: i, never: {request: {purpose: hr}, backend: {region: us}}}", Invariant("i", "never", HERE, request=atom("request", "purpose", "in", ["hr"], "purpose is hr", 31), backend=atom("backend", "region", "in", ["us"], "region is us", 55))),
        ("{id: i, never: {backend: {region: us}}, over: any_backend, absolute: true, why: law}", Invariant("i", "never", HERE, "law", True, True, backend=atom("backend", "region", "in", ["us"], "region is us", 31))),
        ("{id: i, never: {request: {purpose: any}}}", Invariant("i", "never", HERE)),
        ("{id: i, always_some: {request: {purpose: hr}}, backend: {region: eu}}", Invariant("i", "always_some", HERE, request=atom("request", "purpose", "in", ["hr"], "purpose is hr", 37), backend=atom("backend", "region", "in", ["eu"], "region is eu", 62))),
        ("{id: i, always_some: {}}", Invariant("i", "always_some", HERE)),
        ("{id: i, monotone: sensitivity}", Invariant("i", "monotone", HERE, attribute="sensitivity")),
        ("{id: i, monotone: sensitivity, over: any_backend}", Invariant("i", "monotone", HERE, any_backend=True, attribute="sensitivity")),
        ("{id: i, chain: {max_distinct_operators: 2}}", Invariant("i", "chain", HERE, most_operators=2)),
        ("{id: i, chain: {never_after: {left: {region: eu}, enter: {region: us}}}}", Invariant("i", "chain", HERE, left=atom("backend", "region", "in", ["eu"], "region is eu", 42), enter=atom("backend", "region", "in", ["us"], "region is us", 63))),
        ("{id: i, no_new_access: {base: origin/main}}", Invariant("i", "no_new_access", HERE, base="origin/main")),
        ("{id: i, no_new_access: {base: main, unless_approved_by: sec}}", Invariant("i", "no_new_access", HERE, base="main", approver="sec")),
    ],
)  # fmt: skip
def test_an_invariant(text, expected):
    parsed = invariant(text)
    assert (parsed.problems, parsed.bundle and parsed.bundle.invariants) == ((), (expected,))


KINDS = "never, always_some, monotone, chain, no_new_access"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{id: i}", "2:10 P106", f"invariant `i` has one of {KINDS}; it has none"),
        ("{id: i, never: , monotone: }", "2:10 P106", f"invariant `i` has one of {KINDS}; it has none"),
        ("{id: i, monotone: sensitivity, chain: {max_distinct_operators: 1}}", "2:10 P106", f"invariant `i` has one of {KINDS}; it has `monotone` and `chain`"),
        ("{id: i, never: {}}", "2:13 P102", "`never` names a `request`, a `backend`, or both"),
        ("{id: i, never: [x]}", "2:20 P102", "`never` wants fields, each with a value"),
        ("{id: i, never: {request: {region: us}}}", "2:31 P104", "unknown attribute `region` of a request; it belongs under `to`"),
        ("{id: i, never: {backend: {region: mars}}}", "2:39 P103", "unknown value `mars` for backend.region; known: eu, us"),
        ("{id: i, never: {request: {purpose: hr}}, backend: {region: eu}}", "2:46 P106", "a `backend` of its own is for `always_some`"),
        ("{id: i, always_some: {}, over: any_backend}", "2:36 P106", "`any_backend` is for `never` and `monotone`"),
        ("{id: i, chain: {max_distinct_operators: 2}, over: any_backend}", "2:55 P106", "`any_backend` is for `never` and `monotone`"),
        ("{id: i, monotone: purpose}", "2:23 P103", "unknown value `purpose`; known: `sensitivity`"),
        ("{id: i, chain: {}}", "2:13 P102", "`chain` has `max_distinct_operators`, `never_after`, or both"),
        ("{id: i, chain: {max_distinct_operators: 0}}", "2:45 P102", "`max_distinct_operators` is at least 1"),
        ("{id: i, chain: {never_after: {left: {region: eu}}}}", "2:34 P102", "missing field `enter`"),
        ("{id: i, chain: {never_after: {left: {purpose: hr}, enter: {}}}}", "2:42 P104", "unknown attribute `purpose` of a backend; it belongs under `when`"),
        ("{id: i, no_new_access: {}}", "2:28 P102", "missing field `base`"),
        ("{id: i, no_new_access: {base: '-x'}}", "2:35 P102", "`-x` is not a git ref such as `origin/main`"),
        ("{id: i, over: all, monotone: sensitivity}", "2:19 P103", "unknown value `all`; known: `catalog` or `any_backend`"),
        ("{id: i, absolute: yes, monotone: sensitivity}", "2:23 P102", "`absolute` wants `true` or `false`"),
        ("{id: i, monotone: sensitivity}\n  - {id: i, monotone: sensitivity}", "3:10 P210", "invariant id `i` is used twice, first at invariants.yaml:2:10"),
    ],
)  # fmt: skip
def test_an_invariant_that_is_wrong_is_told_where_and_how(text, place, message):
    (problem,) = invariant(text).problems
    assert (f"{problem.mark.line}:{problem.mark.column} {problem.code}", problem.message) == (place, message)


# Tests of a tree.

FILE = "tests/a.yaml"
PROJECTS = {"projects": {"acme": {"jurisdiction": "eu", "floor": "confidential"}, "bare": {}}}


def case(text, **files):
    return read({FILE: f"tests:\n  - {text}\n", "projects.yaml": PROJECTS}, a=policy(rule("permit", id="all")))


def test_a_test_is_read_whole():
    text = """\
name: a draft
    request:
      sensitivity: confidential
      tags: [pii, secret]
      project.jurisdiction: eu
      principal.person: us_person
      purpose: hr
      key: k9
      attempt: 2
      visited_regions: us
      model: smart
      needs: [tools, vision]
    faults: {far: 503, home: timeout, dim: server_error}
    at: 2026-11-22T18:00:00Z
    expect:
      permit: [home, far]
      deny: {far: [all], dim: all, home: }
      permit_only: {region: eu}
      first: home
      decision: permit
      http: 200
      reason: none
      hops: 2
      sent_outside: 0
"""
    (found,) = case(text).bundle.cases
    facts = Facts("confidential", frozenset({"pii", "secret"}), "hr", "default", "any", "any", "k9")
    facts = msgspec.structs.replace(
        facts,
        source_sensitivity="confidential",
        jurisdiction="eu",
        person="us_person",
        attempt="2",
        visited_regions=frozenset({"us"}),
    )
    only = Atom("backend", "region", "in", frozenset({"eu"}), "region is eu", Mark(FILE, 19, 21))
    assert found == Case(
        name="a draft",
        mark=Mark(FILE, 2, 11),
        facts=facts,
        model="smart",
        needs=frozenset({"chat", "tools", "vision"}),
        faults={"far": "503", "home": "timeout", "dim": "server_error"},
        at=1795370400.0,
        expect=Expectation(
            permit=frozenset({"home", "far"}),
            deny={"far": frozenset({"all"}), "dim": frozenset({"all"}), "home": frozenset()},
            permit_only=(only,),
            first="home",
            decision="permit",
            http=200,
            reason="none",
            hops=2,
            sent_outside=0,
        ),
    )


def test_what_a_test_leaves_out_is_as_an_app_that_changed_only_its_base_url_sends_it():
    (found,) = case("{name: t, expect: {decision: deny}}").bundle.cases
    assert found == Case(
        "t",
        Mark(FILE, 2, 12),
        msgspec.structs.replace(USUAL, source_sensitivity="internal"),
        "auto",
        frozenset({"chat"}),
        {},
        Expectation(decision="deny"),
    )


@pytest.mark.parametrize(
    ("request_", "field", "value"),
    [
        ("{}", "sensitivity", "internal"),
        ("{sensitivity: public}", "source_sensitivity", "public"),
        ("{sensitivity: public, source_sensitivity: restricted}", "source_sensitivity", "restricted"),
        ("{sensitivity: unknown}", "sensitivity", None),
        ("{sensitivity: unknown}", "source_sensitivity", None),
        ("{tags: unknown}", "tags", None),
        ("{tags: []}", "tags", frozenset()),
        ("{tags: pii}", "tags", frozenset({"pii"})),
        ("{attempt: 3}", "attempt", "3"),
        ("{team: 5}", "team", "5"),
        ("{project: unknown}", "project", None),
        ("{project: unknown}", "jurisdiction", None),
        # what is declared of a project
        ("{project: acme}", "jurisdiction", "eu"),
        ("{project: acme, project.jurisdiction: us}", "jurisdiction", "us"),
        ("{project: acme, project.jurisdiction: unknown}", "jurisdiction", None),
        ("{project: acme}", "sensitivity", "confidential"),
        ("{project: acme, sensitivity: restricted}", "sensitivity", "restricted"),
        ("{project: acme, sensitivity: unknown}", "sensitivity", None),
        ("{project: bare}", "jurisdiction", None),
        ("{project: bare}", "sensitivity", "internal"),
        ("{project: other}", "jurisdiction", None),
    ],
)
def test_the_facts_of_a_test(request_, field, value):
    (found,) = case(f"{{name: t, request: {request_}, expect: {{decision: deny}}}}").bundle.cases
    assert getattr(found.facts, field) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{name: t, request: {}, expect: {}}", ["2:36 P102"]),
        ("{name: t}", ["2:5 P102"]),
        ("{expect: {decision: deny}}", ["2:5 P102"]),
        # requests
        ("{name: t, request: {teem: a}, expect: {first: far}}", ["2:25 P104"]),
        ("{name: t, request: {region: eu}, expect: {first: far}}", ["2:25 P104"]),
        ("{name: t, request: {purpose: hrr}, expect: {first: far}}", ["2:34 P103"]),
        ("{name: t, request: {tags: [pii, x]}, expect: {first: far}}", ["2:37 P103"]),
        ("{name: t, request: {attempt: 9}, expect: {first: far}}", ["2:34 P103"]),
        ("{name: t, request: {purpose: [hr]}, expect: {first: far}}", ["2:34 P102"]),
        ("{name: t, request: {sensitivity: []}, expect: {first: far}}", ["2:38 P102"]),
        ("{name: t, request: {team: }, expect: {first: far}}", ["2:31 P102"]),
        ("{name: t, request: {team: true}, expect: {first: far}}", ["2:31 P102"]),
        ("{name: t, request: {team: {a: b}}, expect: {first: far}}", ["2:31 P102"]),
        ("{name: t, request: {tags: [[pii]]}, expect: {first: far}}", ["2:31 P102"]),
        ("{name: t, request: {model: 5}, expect: {first: far}}", ["2:32 P102"]),
        ("{name: t, request: {needs: [tools, fly]}, expect: {first: far}}", ["2:40 P103"]),
        ("{name: t, request: {needs: fly}, expect: {first: far}}", ["2:32 P103"]),
        # faults and moments
        ("{name: t, faults: {fra: 503}, expect: {first: far}}", ["2:24 P103"]),
        ("{name: t, faults: {far: 418}, expect: {first: far}}", ["2:29 P103"]),
        ("{name: t, faults: {far: slow}, expect: {first: far}}", ["2:29 P103"]),
        ("{name: t, faults: {far: true}, expect: {first: far}}", ["2:29 P102"]),
        ("{name: t, at: noon, expect: {first: far}}", ["2:19 P102"]),
        # expectations
        ("{name: t, expect: {permit: [far, fra]}}", ["2:38 P103"]),
        ("{name: t, expect: {permit: far}}", ["2:32 P102"]),
        ("{name: t, expect: {first: fra}}", ["2:31 P103"]),
        ("{name: t, expect: {deny: {fra: all}}}", ["2:31 P103"]),
        ("{name: t, expect: {deny: {far: al}}}", ["2:36 P103"]),
        ("{name: t, expect: {deny: {far: [all, al]}}}", ["2:42 P103"]),
        ("{name: t, expect: {deny: [far, fra]}}", ["2:36 P103"]),
        ("{name: t, expect: {deny: 5}}", ["2:30 P102"]),
        ("{name: t, expect: {permit_only: {region: mars}}}", ["2:46 P103"]),
        ("{name: t, expect: {permit_only: {purpose: hr}}}", ["2:38 P104"]),
        ("{name: t, expect: {decision: maybe}}", ["2:34 P103"]),
        ("{name: t, expect: {http: 99}}", ["2:30 P102"]),
        ("{name: t, expect: {hops: -1}}", ["2:30 P102"]),
        ("{name: t, expect: {sent_outside: x}}", ["2:38 P102"]),
        ("{name: t, expect: {allow: [far]}}", ["2:24 P101"]),
    ],
)
def test_a_test_that_is_wrong_is_told_where(text, expected):
    assert places(case(text)) == [f"{FILE}:{place}" for place in expected]


def test_the_line_of_a_mistake_in_a_list_is_that_of_the_item():
    text = (
        "name: t\n    expect:\n      permit:\n        - far\n        - fra\n      deny:\n        - dim\n        - dem\n"
    )
    assert places(case(text)) == [f"{FILE}:6:11 P103", f"{FILE}:9:11 P103"]


def test_deny_may_be_a_list_of_backends():
    (found,) = case("{name: t, expect: {deny: [far, dim]}}").bundle.cases
    assert found.expect.deny == {"far": frozenset(), "dim": frozenset()}


def test_a_name_of_a_test_is_used_once_in_all_files():
    one = {"tests": [{"name": "t", "expect": {"decision": "deny"}}]}
    (problem,) = read({"tests/a.yaml": one, "tests/b.yaml": one}).problems
    assert (problem.mark.file, problem.code) == ("tests/b.yaml", "P210")
    assert problem.message == "test `t` is there twice, first at tests/a.yaml:1:21"


def test_of_bad_rules_and_backends_only_those_are_told():
    files = {
        "policies/a.yaml": "[",
        "catalog/b.yaml": "[",
        "tests/a.yaml": {"tests": [{"name": "t", "expect": {"permit": ["x"], "deny": {"y": "z"}}}]},
    }
    assert {each.split(":")[0] for each in places(read(files))} == {"policies/a.yaml", "catalog/b.yaml"}


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_of_failure_is_a_fault(kind):
    assert kind.code in FAULTS


def test_without_invariants_and_tests_a_bundle_has_none():
    assert (bundle().invariants, bundle().cases) == ((), ())


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        ({}, "any"),
        ({"key.bucket": 0}, "any"),
        ({"key.bucket": "7"}, key_in("7")),
        ({"key": "k1", "key.bucket": int(bucket_of("k1"))}, "k1"),
        ({"key.bucket": "unknown"}, None),
        ({"key": "unknown", "key.bucket": "unknown"}, None),
    ],
)
def test_a_bucket_stands_for_a_key_in_it(request_, key):
    tests = {"tests": [{"name": "t", "request": request_, "expect": {"http": 200}}]}
    (case,) = bundle(rule("permit"), files={"tests/a.yaml": tests}).cases
    assert (case.facts.key, case.facts.bucket) == (key, None if key is None else bucket_of(key))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("{key: k1, key.bucket: 3}", f"P106 the bucket of key `k1` is {bucket_of('k1')}; leave one of them out"),
        ("{key: k1, key.bucket: unknown}", f"P106 the bucket of key `k1` is {bucket_of('k1')}; leave one of them out"),
        ("{key: unknown, key.bucket: 3}", "P106 the bucket of key `unknown` is unknown; leave one of them out"),
        ("{key.bucket: 100}", "P103 unknown value for key.bucket `100`; did you mean `10`?"),
        ("{key.bucket: [1, 2]}", "P102 `key.bucket` has one value in a test"),
    ],
)
def test_a_bucket_that_is_wrong_is_told(request_, expected):
    text = f"tests:\n  - name: t\n    request: {request_}\n    expect: {{http: 200}}\n"
    assert [f"{each.code} {each.message}" for each in read({"tests/a.yaml": text}).problems] == [expected]


MONEY = [
    {
        "id": "two",
        "limit": [{"usd": 5, "per": "key", "window": "day"}, {"usd": 9, "per": "organisation", "window": "day"}],
    },
    {"id": "part", "limit": {"share": 0.5, "of": "spend", "by": "provider", "window": "day"}},
]


def with_test(text):
    files = {"tests/a.yaml": f"tests:\n  - name: t\n    expect: {{http: 200}}\n    spent: {text}\n"}
    return read(files, money=policy(*MONEY))


USD = 10**12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{two: 4}", {"two#1": {OWN: 4 * USD}, "two#2": {OWN: 4 * USD}}),
        ("{two#2: 4.5}", {"two#2": {OWN: 9 * USD // 2}}),
        ("{two: {k1: 1, k2: 2}}", {"two#1": {"k1": USD, "k2": 2 * USD}}),
        ("{part: {openai: 1}}", {"part#1": {"openai": USD}}),
        ("{}", {}),
    ],
)
def test_what_was_spent_is_said_by_rule_or_by_ceiling(text, expected):
    parsed = with_test(text)
    assert (parsed.problems, parsed.bundle.cases[0].spent) == ((), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{tow: 4}", "4:13 P103 no limit `tow`; did you mean `two`?"),
        ("{two#3: 4}", "4:13 P103 no limit `two#3`; did you mean `two`?"),
        ("{part: 4}", "4:19 P106 limit `part`: write what each of them has spent"),
        ("{two#2: {k1: 4}}", "4:20 P106 limit `two#2`: write one amount: it is of all together"),
        ("{two: -1}", "4:18 P102 `two` "),
        ("{two: lots}", "4:18 P102 "),
    ],
)
def test_spending_that_is_wrong_is_told(text, expected):
    first = with_test(text).problems[0]
    assert f"{first.mark.line}:{first.mark.column} {first.code} {first.message}".startswith(expected)


def test_a_test_watches_rules_that_there_are():
    text = "tests:\n  - name: t\n    expect: {watch: [money, monye]}\n"
    (problem,) = read({"tests/a.yaml": text}, money=policy({"id": "money", "forbid": {}}, mode="warn")).problems
    assert (problem.code, problem.message) == ("P103", "unknown rule `monye`; did you mean `money`?")
