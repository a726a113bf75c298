"""An explanation says the same as the verdict, rule by rule, with the place of each."""

import itertools
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.decision import Facts, Verdict
from gateway.core.labels import LEVELS
from gateway.policy.decide import Eligibility
from gateway.policy.document import Mark
from gateway.policy.explain import AtomTruth, Explanation, RuleTruth, explain
from gateway.policy.parse import parse
from gateway.providers import BASE_URLS

SHIPPED = Path(__file__).parents[2] / "routing_policies"
TREE = {
    "vocabulary.yaml": """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {secret: a, pii: b}
purposes: {general: a, hr: b}
deployments: {self_hosted: a, vendor_api: b}
zones: {}
regions: {eu: a, us: b}
origins: {}
licences: {}
statuses: {}
retentions: {}
training: {}
audiences: {}
""",
    "catalog/a.yaml": """\
backends:
  home: {provider: openai, deployment: self_hosted, region: eu}
  dim: {provider: openai}
""",
    "policies/a.yaml": """\
policy: base
owner: security
rules:
  - id: no-pii
    why: People are not ours to give.
    forbid:
      when: {tags: {any: [pii]}}
      to: {region: {not: eu}}
  - id: legal
    permit: {when: {team: [legal, hr], sensitivity: "<= internal"}}
  - id: cheap
    prefer: {order: [cost]}
""",
}
FILE = "policies/a.yaml"
BUNDLE = parse({name: text.encode() for name, text in TREE.items()}, BASE_URLS).bundle
OURS = parse(
    {str(path.relative_to(SHIPPED)): path.read_bytes() for path in SHIPPED.glob("**/*.yaml")}, BASE_URLS
).bundle
FACTS = Facts("internal", frozenset({"pii"}), "general", "default", "legal", "web", "k1")


def permit(team, level, *, fires):
    atoms = (AtomTruth("team is legal, hr", team), AtomTruth("sensitivity <= internal", level))
    truth = False if False in (team, level) else None if None in (team, level) else True
    return RuleTruth("legal", "permit", Mark(FILE, 9, 9), "", truth, fires, atoms)


def forbid(tags, region, *, fires):
    atoms = (AtomTruth("tags any pii", tags), AtomTruth("backend region not eu", region))
    truth = False if False in (tags, region) else None if None in (tags, region) else True
    return RuleTruth("no-pii", "forbid", Mark(FILE, 4, 9), "People are not ours to give.", truth, fires, atoms)


@pytest.mark.parametrize(
    ("changes", "home", "dim"),
    [
        (
            {},
            (True, permit(True, True, fires=True), forbid(True, False, fires=False)),
            (False, permit(True, True, fires=True), forbid(True, None, fires=True)),
        ),
        (
            {"tags": frozenset()},
            (True, permit(True, True, fires=True), forbid(False, False, fires=False)),
            (True, permit(True, True, fires=True), forbid(False, None, fires=False)),
        ),
        (
            {"tags": None, "team": None},
            (False, permit(None, True, fires=False), forbid(None, False, fires=False)),
            (False, permit(None, True, fires=False), forbid(None, None, fires=True)),
        ),
        (
            {"sensitivity": "odd", "team": "x"},
            (False, permit(False, None, fires=False), forbid(True, False, fires=False)),
            (False, permit(False, None, fires=False), forbid(True, None, fires=True)),
        ),
    ],
)
def test_every_rule_is_told_atom_by_atom(changes, home, dim):
    facts = msgspec.structs.replace(FACTS, **changes)
    assert explain(BUNDLE, facts) == (Explanation("home", home[0], home[1:]), Explanation("dim", dim[0], dim[1:]))


NAME = st.none() | st.sampled_from(["legal", "hr", "x"])
FACT = st.builds(
    Facts,
    st.none() | st.sampled_from([*LEVELS, "odd"]),
    st.none() | st.frozensets(st.sampled_from(["secret", "pii"])),
    st.none() | st.sampled_from(["general", "hr", "legal", "bulk", "odd"]),
    NAME,
    NAME,
    NAME,
    NAME,
)


@given(st.sampled_from([BUNDLE, OURS]), FACT)
def test_it_agrees_with_the_verdict(bundle, facts):
    explanations = explain(bundle, facts)
    verdicts = {
        each.backend: Verdict(
            tuple(rule.rule for rule in each.rules if rule.effect == "permit" and rule.fires),
            tuple(rule.rule for rule in each.rules if rule.effect == "forbid" and rule.fires),
        )
        for each in explanations
    }
    assert verdicts == Eligibility(bundle).ask(facts).verdicts
    assert [each.permitted for each in explanations] == [verdicts[each.backend].permitted for each in explanations]


def test_a_mark_points_at_the_id_of_the_rule():
    texts = {str(path.relative_to(SHIPPED)): path.read_text().splitlines() for path in SHIPPED.glob("policies/*.yaml")}
    for rule in itertools.chain.from_iterable(each.rules for each in explain(OURS, FACTS)):
        assert texts[rule.mark.file][rule.mark.line - 1][rule.mark.column - 1 :] == rule.rule
