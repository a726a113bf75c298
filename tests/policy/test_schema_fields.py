"""What the schemas refuse beyond shapes. The parser refuses it, too: a schema that only warns wrongly would be noise."""

import copy
import json

import pytest
from jsonschema import Draft202012Validator
from support.policy_trees import shipped

from gateway.policy.document import Document
from gateway.policy.parse import parse
from gateway.policy.schema import schema
from gateway.policy.schema_fields import TOGETHER
from gateway.policy.tree import KINDS
from gateway.providers import BASE_URLS

TREE = shipped()
BUNDLE = parse(TREE, BASE_URLS).bundle
SCHEMAS = {kind: Draft202012Validator(schema(BUNDLE, BASE_URLS, kind)) for kind in KINDS}
NAMES = {
    "vocabulary": "vocabulary.yaml",
    "projects": "projects.yaml",
    "prices": "prices.yaml",
    "invariants": "invariants.yaml",
    "sensitivity": "sensitivity.yaml",
}
FIRST = {
    "exceptions": {
        "id": "e", "rules": ["people-and-contracts-stay-home"], "principal": {"team": "legal"},
        "backends": ["mistral-large-latest"], "starts": "2026-11-23T18:00:00Z", "expires": "2026-11-23T22:00:00Z",
        "ticket": "T-1", "requested_by": "dana", "approved_by": ["kim", "robin"],
    },
    "catalog": {"provider": "vllm", "base_url": "http://x:1/v1"},
    "detectors": {"id": "d", "pattern": "A-[0-9]{6}", "level": "internal", "examples": ["A-123456"]},
}  # fmt: skip


def verdicts(kind, data):
    """Whether the schema and the parser accept a file instead of, or beside, the shipped ones."""
    tree = TREE | {NAMES.get(kind, f"{kind}/more.yaml"): json.dumps(data).encode()}
    return SCHEMAS[kind].is_valid(data), parse(tree, BASE_URLS).problems == ()


def rule(**fields):
    return "policies", {"policy": "more", "owner": "o", "rules": [{"id": "more", **fields}]}


def promotion(**fields):
    kind, data = rule(forbid={"when": REQUEST})
    return kind, data | {"promote": {"after": "24h", "max_new_denials": "0.1%"}} | fields


def limit(**fields):
    return rule(limit={"window": "day", **fields})


def backend(**fields):
    return "catalog", {"backends": {"more": FIRST["catalog"] | fields}}


def test_of(expect, **fields):
    return "tests", {"tests": [{"name": "more", "expect": expect, **fields}]}


def exception(**fields):
    return "exceptions", {"exceptions": [FIRST["exceptions"] | fields]}


def invariant(**fields):
    return "invariants", {"invariants": [{"id": "more", **fields}]}


def sensitivity(**fields):
    return "sensitivity", fields


def detector(**fields):
    return sensitivity(detectors=[FIRST["detectors"] | fields])


def dictionary(**fields):
    return sensitivity(dictionaries=[{"id": "d", "file": "dictionaries/customers.txt", "level": "internal"} | fields])


def vocabulary(**sections):
    data = copy.deepcopy(Document("vocabulary.yaml", TREE["vocabulary.yaml"]).data)
    return "vocabulary", data | sections


test_of.__test__ = False
USD = {"usd": 1, "per": "key"}
SHARE = {"share": 0.5, "of": "spend", "by": "zone"}
REQUEST = {"sensitivity": "public"}

RIGHT = [
    rule(permit={}),
    rule(permit={}, on_model_mismatch="suspend"),
    rule(permit={"to": {"region": "eu"}}, require={"do": ["region_pin", "zdr_only"]}),
    rule(require={"when": REQUEST, "do": ["no_cache", {"max_output_tokens": 100}]}),
    rule(forbid={"when": REQUEST}, breakable=True, in_flight="revoke"),
    rule(forbid={"when": REQUEST}, breakable="never"),
    rule(prefer={"order": ["cost"], "when": REQUEST}),
    limit(**USD, then="deny"),
    limit(**USD, then=["deny"]),
    limit(**USD, then=[{"downgrade": "fast"}, "deny"]),
    limit(**SHARE, min_sample_usd=2.5, on_store_down="local_quota"),
    rule(limit=[{"window": "7d", **USD}, {"window": "month", **SHARE}]),
    promotion(mode="shadow"),
    promotion(mode="warn", promote={"after": "7d", "max_new_denials": 5}),
    promotion(mode="enforce"),
    backend(),
    backend(status={"active": "2026-01-01", "sunset": "2027-01-01"}, substitute="lab", eligible_persons=["us_person"]),
    backend(price="book", model="glm-5.2"),
    backend(price={"input": 1, "output": 2.5}, timeout={"connect": "1.5s", "total": "500ms"}),
    backend(price={"gpu_hour": 1, "tokens_per_second": 100}, capabilities=["chat", "tools"], context=10),
    ("projects", Document("projects.yaml", TREE["projects.yaml"]).data),
    test_of({"deny": ["lab", "qwen-a"]}, request={"needs": "tools", "model": "nobody-knows"}),
    test_of({"deny": {"lab": None, "qwen-a": ["own-machines"]}}, faults={"lab": 503, "qwen-a": "503"}),
    test_of({"permit_only": {"deployment": "self_hosted"}, "reason": "policy_denied"}, request={"needs": ["tools"]}),
    exception(),
    exception(principal={"team": ["legal"], "purpose": "hr"}),
    invariant(monotone="sensitivity", over="any_backend"),
    invariant(chain={"max_distinct_operators": 2}),
    invariant(always_some={"request": REQUEST}, backend={"region": "eu"}),
    invariant(never={"backend": {"region": "eu"}}, over="any_backend", absolute=True),
    vocabulary(),
    sensitivity(),
    sensitivity(kinds={"email": {"level": "internal"}, "code": {"tag": "none"}, "phone": "off"}),
    detector(),
    detector(tag="pii", near=["ticket*"], counterexamples=["A-1"], why="because"),
    dictionary(),
    dictionary(tag="pii", whole_words=False, ignore_case=False),
]  # fmt: skip

WRONG = [
    rule(),
    rule(permit={}, forbid={}),
    rule(require={"do": ["no_cache"]}, forbid={}),
    rule(permit=None),
    rule(permit={}, require={"when": REQUEST, "do": ["no_cache"]}),
    rule(permit={}, require={"do": []}),
    rule(permit={}, breakable=True),
    rule(forbid={"when": REQUEST}, on_model_mismatch="suspend"),
    rule(prefer={"order": ["cost"]}, in_flight="revoke"),
    rule(require={"do": ["no_such_thing"]}),
    rule(require={"do": ["max_output_tokens"]}),
    rule(require={"do": [{"max_output_tokens": 0}]}),
    rule(require={"do": [{"no_cache": 1}]}),
    rule(permit={"where": {}}),
    rule(permit={"when": {"region": "eu"}}),
    rule(prefer={"order": ["latency"]}),
    rule(prefer={"order": ["cost"], "when": {"principal.person": {"in": "backend.eligible_persons"}}}),
    rule(permit={}, id="not a name"),
    limit(usd=1),
    limit(**USD, **SHARE),
    limit(**USD, min_sample_usd=1),
    limit(share=0.5, by="zone"),
    limit(share=1.5, of="spend", by="zone"),
    limit(usd=-1, per="key"),
    limit(usd="1", per="key"),
    limit(**USD, then=[{"downgrade": "no-such-alias"}, "deny"]),
    limit(**USD, then=[{"downgrade": "fast"}]),
    rule(limit={"window": "fortnight", **USD}),
    backend(provider="nobody"),
    backend(region="atlantis"),
    backend(status="gone-fishing"),
    backend(status={"active": "soon"}),
    backend(status={"gone-fishing": "2026-01-01"}),
    backend(eligible_persons="us_person"),
    backend(eligible_persons=["martian"]),
    backend(capabilities=["telepathy"]),
    backend(substitute="nobody"),
    backend(api_key="sk-123"),
    backend(base_url="ftp://x"),
    backend(timeout={"connect": 5}),
    backend(timeout={"connect": "5 parsecs"}),
    backend(price="cheap"),
    backend(price={"input": 1}),
    backend(price={"input": 1, "output": 1, "gpu_hour": 1}),
    backend(context=0),
    backend(review_by="next year"),
    ("catalog", {"backends": {"not a name": FIRST["catalog"]}}),
    ("projects", {"projects": {"default": {"jurisdiction": "atlantis"}}}),
    ("projects", {"projects": {"default": {"floor": "secret"}}}),
    ("prices", {"version": "1", "models": {"m": {"input": 1, "output": 1}}}),
    test_of({}),
    test_of({"permit": ["nobody"]}),
    test_of({"first": "nobody"}),
    test_of({"deny": {"lab": "no-such-rule"}}),
    test_of({"deny": {"nobody": "own-machines"}}),
    test_of({"http": 1000}),
    test_of({"decision": "perhaps"}),
    test_of({"decision": "deny"}, faults={"lab": "meteor"}),
    test_of({"decision": "deny"}, faults={"nobody": 503}),
    test_of({"decision": "deny"}, request={"needs": ["telepathy"]}),
    test_of({"decision": "deny"}, request={"colour": "red"}),
    promotion(mode="off"),
    promotion(),
    promotion(mode="warn", promote={"after": "soon", "max_new_denials": 1}),
    promotion(mode="warn", promote={"after": "1h", "max_new_denials": "1"}),
    promotion(mode="warn", promote={"after": "1h"}),
    exception(rules=["confidential-stays-home"]),
    exception(rules=[]),
    exception(backends=["nobody"]),
    exception(principal={}),
    exception(principal={"purpose": "hr"}),
    exception(approved_by=["kim"]),
    invariant(),
    invariant(never={"request": REQUEST}, monotone="sensitivity"),
    invariant(never={}),
    invariant(never={"request": REQUEST}, backend={"region": "eu"}),
    invariant(always_some={"request": REQUEST}, over="any_backend"),
    invariant(chain={}),
    invariant(monotone="purpose"),
    sensitivity(scanner="off"),
    sensitivity(kinds={"email": {}}),
    sensitivity(kinds={"email": "on"}),
    sensitivity(kinds={"email": {"level": "secret"}}),
    sensitivity(kinds={"email": {"tag": "atlantis"}}),
    sensitivity(kinds={"telepathy": "off"}),
    detector(id="Not A Word"),
    detector(pattern=""),
    detector(level="low"),
    detector(tag="atlantis"),
    detector(near=[]),
    detector(near=["x"]),
    detector(examples=[]),
    dictionary(file="customers.txt"),
    dictionary(file="dictionaries/deep/customers.txt"),
    dictionary(whole_words="yes"),
    vocabulary(levels={"low": "x", "high": "y"}),
    vocabulary(purposes={"any": "x"}),
    vocabulary(purposes={"Not A Word": "x"}),
    vocabulary(purposes=["general"]),
]  # fmt: skip


def said(case):
    return f"{case[0]} {json.dumps(case[1])[:100]}"


@pytest.mark.parametrize("case", RIGHT, ids=said)
def test_what_the_parser_reads_fits(case):
    assert verdicts(*case) == (True, True)


@pytest.mark.parametrize("case", WRONG, ids=said)
def test_what_does_not_fit_the_parser_refuses_too(case):
    assert verdicts(*case) == (False, False)


def test_fields_that_go_together_are_fields():
    assert [model for model in TOGETHER if not model.model_fields] == []
