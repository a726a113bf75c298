"""The policy in force as series."""

import msgspec
import pytest
from support.policy_trees import bundle, rule

from gateway.adapters import policy_metrics
from gateway.adapters.policy_files import ReloadState
from gateway.adapters.policy_metrics import PolicySeries
from gateway.adapters.series import Series
from gateway.policy.decide import Eligibility
from gateway.policy.document import Mark
from gateway.policy.model import Exemption
from gateway.policy.suspend import suspended
from gateway.review.load import reached

HOSTED = {"deployment": "vendor_api", "zone": "us-vendors", "provider": "openai", "aliases": ["pair"]}
OWN = {"deployment": "self_hosted", "zone": "inhouse", "provider": "vllm", "base_url": "http://x/v1"}
CATALOG = {
    "own": {**OWN, "status": "active", "review_by": "2027-02-01", "aliases": ["pair"], "price": {"gpu_hour": 3.6, "tokens_per_second": 1000, "utilisation": 0.5}},
    "spare": {**OWN, "status": "suspended", "price": {"gpu_hour": 3.6, "tokens_per_second": 1000}},
    "far": {**HOSTED, "status": "active", "price": {"input": 2, "output": 10}},
    "dear": {**HOSTED, "price": {"input": 20, "output": 100}},
    "dim": {"provider": "openai"},
}  # fmt: skip
RULES = (
    rule("permit", id="all"),
    rule("forbid", {"sensitivity": ">= confidential"}, {"deployment": {"not": "self_hosted"}}, id="home"),
)


class Policies:
    """What is in force, and a clock to set."""

    def __init__(self, found):
        self.current = Eligibility(found)
        self.now = 0.0
        self.state = ReloadState("d", 0.0, False, ())

    def moment(self):
        return self.now


def shown(policies):
    made = Series()
    made.show(PolicySeries(policies, made.drop))
    return made


def read(*rules, catalog=CATALOG):
    return reached(bundle(*(rules or RULES), files={"catalog/a.yaml": {"backends": catalog}}))


@pytest.fixture(scope="module")
def tree():
    return read()


def samples(made, name):
    """The values of one series, by the values of its labels in the order of their names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for metric in made.registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


def test_what_is_in_force(tree):
    policies = Policies(tree)
    made = shown(policies)
    assert samples(made, "gateway_policy_info") == {(tree.digest,): 1}
    policies.current = Eligibility(suspended(tree, ["far"]))
    assert [*samples(made, "gateway_policy_info")] == [(policies.current.digest,)]


def test_whether_a_newer_tree_did_not_load(tree):
    policies = Policies(tree)
    made = shown(policies)
    assert samples(made, "gateway_policy_stale") == {(): 0}
    policies.state = msgspec.structs.replace(policies.state, stale=True)
    assert samples(made, "gateway_policy_stale") == {(): 1}


def test_what_a_model_is(tree):
    made = shown(Policies(tree))
    assert samples(made, "gateway_model_status") == {("own",): 1, ("spare",): 0, ("far",): 1, ("dear",): 0, ("dim",): 0}
    assert samples(made, "gateway_model_info") == {
        ("own", "ourselves", "vllm", "inhouse"): 1,
        ("spare", "ourselves", "vllm", "inhouse"): 1,
        ("far", "openai", "openai", "us-vendors"): 1,
        ("dear", "openai", "openai", "us-vendors"): 1,
        ("dim", "openai", "openai", "unknown"): 1,
    }
    assert samples(made, "gateway_passport_review_timestamp_seconds") == {("own",): 1_801_440_000}


def test_whom_the_policy_lets_be_reached(tree):
    def cells(found):
        by_zone = {}
        for (label, zone), permitted in samples(shown(Policies(found)), "gateway_policy_cell_permitted").items():
            by_zone.setdefault(zone, {})[label] = permitted
        return {
            zone: [row.get(label) for label in ("public", "internal", "confidential", "restricted", "unknown")]
            for zone, row in by_zone.items()
        }

    home, away = [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]
    assert cells(tree) == {"inhouse": home, "us-vendors": away, "unknown": away}
    assert cells(suspended(tree, ["own", "dim"])) == {"inhouse": home, "us-vendors": away, "unknown": [0] * 5}
    assert cells(suspended(tree, [*CATALOG])) == {zone: [0] * 5 for zone in ("inhouse", "us-vendors", "unknown")}
    half = {key: value for key, value in tree.reach.items() if key not in {("restricted", "far"), ("public", "far")}}
    told = cells(msgspec.structs.replace(tree, reach=half))["us-vendors"]
    assert told == [1, 1, 0, None, 0]  # another backend says yes, but none can say no for all
    assert cells(msgspec.structs.replace(tree, reach={})) == {}


def exemption(id, starts, expires, *rules):
    return Exemption(id, frozenset(rules), (), frozenset({"far"}), starts, expires, "T-1", "a", ("b", "c"), Mark("x"))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (9, {}),
        (10, {("home",): 20}),
        (15, {("home",): 30, ("more",): 30}),
        (29.9, {("home",): 30, ("more",): 30}),
        (30, {}),
    ],
)
def test_when_exceptions_in_force_end(tree, now, expected):
    found = msgspec.structs.replace(
        tree, exemptions=(exemption("late", 15, 30, "home", "more"), exemption("early", 10, 20, "home"))
    )
    policies = Policies(found)
    policies.now = now
    assert samples(shown(policies), "gateway_breakglass_ends_timestamp_seconds") == expected


def test_what_own_machines_cost_and_from_where_on_they_pay(tree):
    made = shown(Policies(tree))
    # 3.6 USD an hour for 3.6 million tokens
    assert samples(made, "gateway_local_price_usd_per_million_tokens") == {
        ("marginal", "own"): 1,
        ("loaded", "own"): 2,
        ("marginal", "spare"): 1,
    }
    # against (3 x 2 + 10) / 4 of the cheaper one
    assert samples(made, "gateway_local_break_even_ratio") == {("own",): 0.25}


def test_a_long_catalog_is_shown_in_part_and_the_rest_is_counted(tree, monkeypatch):
    monkeypatch.setattr(policy_metrics, "MAX_BACKENDS", 2)
    monkeypatch.setattr(policy_metrics, "MAX_ZONES", 1)
    monkeypatch.setattr(policy_metrics, "MAX_RULES", 1)
    policies = Policies(msgspec.structs.replace(tree, exemptions=(exemption("e", 0, 9, "home", "more"),)))
    made = shown(policies)
    assert [*samples(made, "gateway_model_status")] == [("own",), ("spare",)]
    assert {zone for _, zone in samples(made, "gateway_policy_cell_permitted")} == {"inhouse"}
    assert [*samples(made, "gateway_breakglass_ends_timestamp_seconds")] == [("home",)]
    scrapes = 3
    assert made.registry.get_sample_value("gateway_series_dropped_total") == scrapes * (3 + 2 + 1)
