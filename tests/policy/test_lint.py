"""Hints, each on the smallest tree that earns it, and absent once the tree is mended."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.labels import LEVELS
from gateway.policy.claims import USUAL
from gateway.policy.decide import Eligibility
from gateway.policy.lint import Past, lint
from gateway.policy.parse import parse
from gateway.policy.rules import moment

VOCABULARY = """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {secret: a, pii: b}
purposes: {general: a, hr: b}
jurisdictions: {eu: a, other: b}
persons: {us_person: a}
deployments: {self_hosted: a, vendor_api: b}
zones: {inhouse: a, us-vendors: b}
regions: {eu: a, us: b}
origins: {eu: a, us: b}
licences: {mit: a, proprietary: b}
statuses: {active: a, suspended: b, retired: c}
retentions: {none: a, zdr: b}
training: {never: a, allowed: b}
audiences: {anyone: a}
"""
CATALOG = """\
backends:
  own:
    provider: vllm
    base_url: http://own/v1
    price: {input: 0, output: 0}
    deployment: self_hosted
    region: eu
    review_by: 2027-02-01
  gpt:
    provider: openai
    price: {input: 1, output: 2}
    deployment: vendor_api
    region: us
    status: active
    review_by: 2027-02-01
"""
OWN = "{id: own-machines, permit: {to: {deployment: self_hosted}}}"
VENDOR = "{id: vendors, permit: {when: {sensitivity: '<= internal'}, to: {deployment: vendor_api}}}"
TODAY, NOON = "2026-11-22", moment("2026-11-22T12:00:00Z")


def tree(*rules, catalog=CATALOG, **files):
    policies = "policy: p\nowner: o\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules)
    texts = {"vocabulary.yaml": VOCABULARY, "catalog/a.yaml": catalog, "policies/a.yaml": policies} | {
        f"{name.replace('__', '/')}.yaml": text for name, text in files.items()
    }
    parsed = parse({name: text.encode() for name, text in texts.items()}, {"openai": "https://x/v1", "vllm": None})
    assert not parsed.problems, parsed.problems
    return parsed.bundle


def hints(bundle, today=TODAY, moment=NOON):
    return [(hint.code, hint.severity, hint.mark.line, hint.message) for hint in lint(bundle, today, moment)]


def codes(bundle):
    return {code for code, _, _, _ in hints(bundle)}


def test_a_tree_in_order_has_nothing_to_say():
    assert hints(tree(OWN, VENDOR)) == []


@pytest.mark.parametrize(
    ("rule", "code", "severity", "said"),
    [
        ("{id: odd, permit: {to: {deployment: vendor_api, region: eu}}}", "P201", "info", "no backend of the catalog"),
        ("{id: odd, permit: {}, require: {do: [human_approval]}}", "P201", "warning", "cannot be done"),
        (
            "{id: odd, forbid: {when: {redaction: done, source_sensitivity: public, attempt: 1, last_error: broken}}}",
            "P201",
            "warning",
            "contradict",
        ),
        (
            "{id: odd, permit: {when: {sensitivity: public}, to: {deployment: vendor_api}}}",
            "P202",
            "warning",
            "nothing",
        ),
        ("{id: odd, forbid: {when: {sensitivity: restricted}, to: {deployment: vendor_api}}}", "P203", "info", "guard"),
        ("{id: odd, forbid: {when: {purpose: hr}, to: {region: us}}}", "P204", "info", None),
    ],
)
def test_a_rule_that_changes_nothing_or_is_cut(rule, code, severity, said):
    found = [hint for hint in hints(tree(OWN, VENDOR, rule)) if hint[0] == code]
    assert [hint[1] for hint in found] == [severity]
    if said:
        assert found[0][2] == 6  # where the rule stands
        assert said in found[0][3]


def test_a_forbid_that_another_covers():
    wide = "{id: wide, forbid: {when: {purpose: hr}, to: {deployment: vendor_api}}}"
    narrow = "{id: narrow, forbid: {when: {purpose: hr, sensitivity: public}, to: {deployment: vendor_api}}}"
    found = [hint for hint in hints(tree(OWN, VENDOR, wide, narrow)) if hint[0] == "P203"]
    assert [(hint[1], hint[3]) for hint in found] == [
        ("warning", "forbid `narrow` changes nothing: other forbids cover all of it")
    ]


def test_a_forbid_that_only_tomorrows_catalog_needs_is_not_redundant():
    cn = "{id: guard, forbid: {when: {sensitivity: '<= internal'}, to: {region: us, licence: mit}}}"
    assert not [hint for hint in hints(tree(OWN, VENDOR, cn)) if hint[0] == "P203"]


def test_an_example_of_an_overlap_is_given():
    cut = "{id: no-hr, forbid: {when: {purpose: hr}, to: {deployment: vendor_api}}}"
    (found,) = [hint[3] for hint in hints(tree(OWN, VENDOR, cut)) if hint[0] == "P204"]
    assert found.startswith("permit `vendors` is cut by forbid `no-hr`, for example for ")
    assert "purpose hr" in found


def test_a_backend_that_no_request_can_reach():
    found = [hint for hint in hints(tree(OWN)) if hint[0] == "P205"]
    assert [(hint[1], hint[2], hint[3]) for hint in found] == [
        ("warning", 9, "no request can reach backend `gpt`"),
    ]


def test_a_backend_that_is_out_of_use_is_not_called_unreachable():
    off = CATALOG.replace("status: active", "status: suspended")
    suspended = "{id: off, forbid: {to: {deployment: vendor_api, status: [suspended, retired]}}}"
    assert "P205" not in codes(tree(OWN, VENDOR, suspended, catalog=off))


def test_a_class_that_nobody_may_serve_is_said_once_and_wide():
    rules = [OWN, VENDOR, "{id: raw, require: {when: {tags: {any: [secret]}}, do: [redact, rescan]}}"]
    found = [hint[3] for hint in hints(tree(*rules)) if hint[:2] == ("P206", "info")]
    assert found == ["nobody may serve (forbidden): tags with secret, redaction none"]


def test_requests_that_nobody_may_serve():
    found = [hint for hint in hints(tree(VENDOR)) if hint[0] == "P206"]
    assert [hint[3] for hint in found if hint[1] == "warning"] == [
        "nobody may serve (no permit): sensitivity confidential, restricted"
    ]
    assert "P206" not in codes(tree(OWN, VENDOR))


@pytest.mark.parametrize(("today", "found"), [("2027-02-01", 0), ("2027-02-02", 2)])
def test_facts_past_their_review(today, found):
    assert len([hint for hint in hints(tree(OWN, VENDOR), today) if hint[0] == "P207"]) == found


EXCEPTION = """\
exceptions:
  - id: bg-1
    rules: [no-hr]
    principal: {team: legal}
    backends: [gpt]
    starts: 2026-11-22T10:00:00Z
    expires: 2026-11-22T14:00:00Z
    ticket: INC-1
    requested_by: ann
    approved_by: [bob, cem]
"""


@pytest.mark.parametrize(
    ("at", "severity"),
    [
        ("2026-11-01T00:00:00Z", None),
        ("2026-11-22T12:00:00Z", "info"),
        ("2026-11-22T13:59:59Z", "info"),
        ("2026-11-22T14:00:00Z", "warning"),
    ],
)
def test_exceptions_that_end(at, severity):
    breakable = "{id: no-hr, breakable: true, forbid: {when: {purpose: hr}, to: {deployment: vendor_api}}}"
    bundle = tree(OWN, VENDOR, breakable, exceptions__e=EXCEPTION)
    found = [hint[1] for hint in hints(bundle, moment=moment(at)) if hint[0] == "P208"]
    assert found == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("conditions", "implied"),
    [
        ("when: {sensitivity: public}", None),
        ("when: {sensitivity: public, source_sensitivity: public, redaction: none}", "sensitivity"),
        ("to: {deployment: vendor_api, region: declared}", None),
        ("when: {attempt: 1, last_error: none}", "attempt"),
    ],
)
def test_a_condition_that_follows_from_the_others(conditions, implied):
    rule = f"{{id: odd, forbid: {{{conditions}}}}}"
    found = [hint[3] for hint in hints(tree(OWN, VENDOR, rule)) if hint[0] == "P211"]
    assert any(hint.startswith(f"`{implied} ") for hint in found) is (implied is not None)
    assert implied is not None or not found


def test_chains_with_a_tail_that_is_never_called():
    many = "backends:\n" + "".join(
        f"  b{i}: {{provider: openai, aliases: [smart], price: {{input: 1, output: 1}}, deployment: vendor_api}}\n"
        for i in range(5)
    )
    found = [hint for hint in hints(tree(VENDOR, catalog=many)) if hint[0] == "P212"]
    assert [(hint[1], hint[3]) for hint in found] == [
        ("info", "5 backends are behind `smart`; a request calls 4 of them at most")
    ]
    dead = """\
backends:
  a: {provider: openai, price: {input: 1, output: 1}, deployment: vendor_api, status: suspended, substitute: b}
  b: {provider: openai, price: {input: 1, output: 1}, deployment: vendor_api, status: retired}
"""
    found = [hint[3] for hint in hints(tree(VENDOR, catalog=dead)) if hint[0] == "P212"]
    assert found == ["the substitute of `a`, `b`, is retired itself"]


_LEVEL = st.sampled_from([f"{op} {level}" for op in ("<=", ">=") for level in LEVELS])
_RULE = st.builds(
    lambda effect, level, purpose, to: (effect, {"sensitivity": level} | purpose, to),
    st.sampled_from(["permit", "forbid"]),
    _LEVEL,
    st.sampled_from([{}, {"purpose": "hr"}, {"purpose": "general"}]),
    st.sampled_from([{}, {"deployment": "self_hosted"}, {"region": "us"}]),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(_RULE, min_size=1, max_size=5))
def test_a_permit_that_lint_calls_superfluous_can_go(rules):
    written = [
        f"{{id: r{i}, {effect}: {{when: {_flow(when)}, to: {_flow(to)}}}}}"
        for i, (effect, when, to) in enumerate(rules)
    ]
    bundle = tree(*written)
    superfluous = {hint[3].split("`")[1] for hint in hints(bundle) if hint[0] in ("P202", "P203") and hint[1] != "info"}
    for id in superfluous:
        without = tree(
            "{id: nothing, forbid: {to: {zone: inhouse, region: eu, deployment: vendor_api}}}",
            *(rule for rule in written if not rule.startswith(f"{{id: {id},")),
        )
        assert _answers(bundle) == _answers(without), id


def _flow(conditions):
    return "{" + ", ".join(f"{name}: '{value}'" for name, value in conditions.items()) + "}"


def _answers(bundle):
    eligibility = Eligibility(bundle)
    return {
        (level, purpose, backend): verdict.permitted
        for level in LEVELS
        for purpose in ("general", "hr")
        for backend, verdict in eligibility.ask(
            msgspec.structs.replace(USUAL, sensitivity=level, source_sensitivity=level, purpose=purpose)
        ).verdicts.items()
    }


def counted(bundle, *requests):
    """What is said of requests that nobody may serve, with some requests in the past."""
    past = Past(Counter(msgspec.structs.replace(USUAL, **facts) for facts in requests), "2026-10-23")
    return [hint.message for hint in lint(bundle, TODAY, NOON, past) if hint.code == "P206"]


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([], "no request was since 2026-10-23"),
        ([{"sensitivity": "public"}], "no request was since 2026-10-23"),
        ([{"sensitivity": "confidential"}], "1 request was since 2026-10-23"),
        ([{"sensitivity": "confidential"}] * 3 + [{"sensitivity": "restricted"}], "4 requests were since 2026-10-23"),
    ],
)
def test_requests_that_nobody_may_serve_are_counted_in_the_past(requests, said):
    assert counted(tree(VENDOR), *requests) == [
        f"nobody may serve (no permit): sensitivity confidential, restricted; {said}"
    ]


def test_a_request_counts_once_and_those_in_no_class_that_is_named_are_counted_together():
    teams = [f"t{number}" for number in range(8)]
    forbids = [f"{{id: no-{team}, forbid: {{when: {{team: {team}, app: a-{team}}}}}}}" for team in teams]
    denied = [{"team": team, "app": f"a-{team}"} for team in teams]
    said = counted(tree(OWN, VENDOR, *forbids), *denied, *denied, {"team": "t1", "app": "another"})
    assert len(said) == 6  # five classes, and that there are more
    assert sorted(each.rpartition("; ")[2] for each in said) == [
        *["2 requests were since 2026-10-23"] * 5,
        "6 requests were since 2026-10-23",
    ]
