"""The policy tree that is shipped: what it shows, what it lets a new user do, and that each of its rules is tested."""

import calendar
import re

import msgspec
import pytest
import yaml
from support.policy_trees import SHIPPED, shipped

from gateway.adapters.local_servers import demo_row
from gateway.core.decision import Project
from gateway.core.kinds import KINDS
from gateway.core.labels import LEVELS
from gateway.core.record import Caller
from gateway.policy.decide import Eligibility
from gateway.policy.parse import parse
from gateway.policy.prove import prove
from gateway.providers import BASE_URLS
from gateway.review import cases, coverage, specimens
from gateway.sensitivity.classify import classify, facts_of
from gateway.sensitivity.own import kinds_of, scanner_of

TREE = shipped()
README = (SHIPPED / "README.md").read_text()
FOUND = {"backends": {"smollm2": demo_row(8001)}}  # as `gateway quickstart` adds it
EXTRA = {"discovered/local.yaml": yaml.safe_dump(FOUND).encode()}


def load(changes=None, extra=None, today="2026-11-22"):
    parsed = parse(TREE | (changes or {}), BASE_URLS, extra, today=today)
    assert parsed.problems == ()
    return parsed.bundle


BUNDLE = load()
WITH_LOCAL = load(extra=EXTRA)
IN_FORCE = [rule for rule in BUNDLE.rules if rule.mode == "enforce"]


def facts(bundle, level="internal", *, purpose="general", project="default", team="any"):
    """The facts of a request by a key that somebody made without saying much."""
    declared = bundle.projects.get(project) or Project(project)
    return facts_of(Caller("k1", team, "app"), classify("public", level, declared.floor), purpose, declared)


def admitted(bundle, asked, moment=0.0):
    ruling = Eligibility(bundle).ask(asked, moment)
    return {id for id, verdict in ruling.verdicts.items() if verdict.permitted}


def of_provider(*providers):
    return {backend.id for backend in BUNDLE.backends if backend.provider in providers}


def having(fact, *words):
    return {backend.id for backend in BUNDLE.backends if backend.fact(fact) in words}


OWN = having("deployment", "self_hosted") - having("status", "suspended")
RESTRICTED = having("audience", "approved_clients")
OFF = having("status", "suspended", "retired")


def uncommented(name):
    """A file with its commented example put in force."""
    lines = TREE[name].decode().splitlines()
    return "\n".join(re.sub(r"^#(  )", r"\1", line) for line in lines)


@pytest.mark.parametrize("bundle", [BUNDLE, WITH_LOCAL], ids=["alone", "with a local model"])
def test_its_own_tests_pass(bundle):
    assert cases.problems(bundle) == ()


@pytest.mark.parametrize("bundle", [BUNDLE, WITH_LOCAL], ids=["alone", "with a local model"])
def test_its_invariants_are_proved(bundle):
    proofs = prove(bundle)
    assert {proof.invariant.id: proof.holds for proof in proofs} == {each.id: True for each in bundle.invariants}


def test_no_rule_is_without_a_test():
    assert coverage.uncovered(BUNDLE) == ()


def test_it_shows_every_kind_of_rule_mode_layer_and_file():
    assert {rule.effect for rule in BUNDLE.rules} == {"permit", "forbid", "require", "limit", "prefer"}
    assert {rule.mode for rule in BUNDLE.rules} == {"enforce", "warn", "shadow"}
    assert {rule.project for rule in BUNDLE.rules} == {"", "shop-eu"}
    assert any(rule.effect == "permit" and rule.do for rule in BUNDLE.rules)
    assert (any(rule.breakable for rule in BUNDLE.rules), any(rule.revoke for rule in BUNDLE.rules)) == (True, True)
    assert {each.kind for each in BUNDLE.invariants} == {"never", "always_some", "monotone", "chain"}
    assert any(each.absolute and each.any_backend for each in BUNDLE.invariants)
    assert len({rule.owner for rule in BUNDLE.rules}) == len({rule.policy for rule in BUNDLE.rules} - {"rollout"})


@pytest.mark.parametrize("rule", IN_FORCE, ids=lambda rule: rule.id)
def test_a_rule_that_is_deleted_makes_a_test_fail(rule):
    rest = tuple(each for each in BUNDLE.rules if each is not rule)
    assert cases.problems(msgspec.structs.replace(BUNDLE, rules=rest)) != ()


def thinner(rule):
    """The rule without one of its conditions, or without one of its obligations where another remains."""
    for part in ("when", "to"):
        atoms = getattr(rule, part)
        for at, atom in enumerate(atoms):
            if atom.mark != rule.mark:  # else it is the layer that the rule is in
                yield msgspec.structs.replace(rule, **{part: atoms[:at] + atoms[at + 1 :]})
    if rule.effect == "permit" and rule.do:
        yield msgspec.structs.replace(rule, do=())


@pytest.mark.parametrize("rule", IN_FORCE, ids=lambda rule: rule.id)
def test_a_rule_that_loses_a_condition_makes_a_test_fail(rule):
    for changed in thinner(rule):
        rules = tuple(changed if each is rule else each for each in BUNDLE.rules)
        assert cases.problems(msgspec.structs.replace(BUNDLE, rules=rules)) != (), changed


def test_a_new_user_reaches_the_local_model_with_every_label_and_purpose():
    purposes = BUNDLE.vocabulary.sections["purposes"]
    asked = [facts(WITH_LOCAL, level, purpose=purpose) for level in LEVELS for purpose in purposes]
    assert [each for each in asked if "smollm2" not in admitted(WITH_LOCAL, each)] == []


def test_an_eu_project_reaches_the_local_model():
    assert "smollm2" in admitted(WITH_LOCAL, facts(WITH_LOCAL, "confidential", project="research-eu"))


def test_a_new_user_reaches_hosted_models():
    assert admitted(BUNDLE, facts(BUNDLE, "public")) == {backend.id for backend in BUNDLE.backends} - RESTRICTED - OFF
    trusted = of_provider("openai", "anthropic", "mistral") - RESTRICTED
    assert admitted(BUNDLE, facts(BUNDLE, "internal")) == OWN | trusted
    assert admitted(BUNDLE, facts(BUNDLE, "confidential")) == OWN


def test_restricted_models_are_for_the_approved_alone_and_answer_to_no_group():
    assert {"claude-mythos-5", "claude-fable-5"} <= RESTRICTED
    rows = [backend for backend in BUNDLE.backends if backend.id in RESTRICTED]
    assert {backend.aliases for backend in rows} == {()}
    assert all(backend.fact("eligible_persons") for backend in rows)
    assert {backend.fact("retention") for backend in rows} == {"days_30"}
    others = {backend.key_ref for backend in BUNDLE.backends if backend.id not in RESTRICTED}
    assert others & {backend.key_ref for backend in rows} == set()


def test_every_row_says_where_its_facts_are_from_and_names_a_key():
    for name, raw in TREE.items():
        if name.startswith("catalog/"):
            for id, row in yaml.safe_load(raw)["backends"].items():
                assert {"source", "review_by", "api_key", "capabilities"} - row.keys() <= {"capabilities"}, (name, id)
                assert id == "lab" or "capabilities" in row, (name, id)


def test_every_provider_of_a_hosted_model_has_a_row():
    local = {"sglang", "llamacpp", "lmstudio", "tgi", "openai-compatible"}
    other_dialects = {"openai-responses", "xai-responses", "gemini-native", "vertex-native"}
    assert {backend.provider for backend in BUNDLE.backends} == set(BASE_URLS) - local - other_dialects


def test_what_has_no_price_is_what_nobody_publishes_one_of():
    unpriced = {backend.id for backend in BUNDLE.backends if backend.price is None}
    examples = {id for id in having("deployment", "self_hosted") if id.startswith("own/")}
    assert unpriced - examples - OFF == {
        "ernie-5.1",
        "hy3",
        "nvidia/nemotron-3-super",
        "openrouter/ernie-4.5-300b",
        "vertex/gemini-3.8-flash",
    }


def test_the_readme_says_for_each_row_which_key_offers_it():
    """In the row of the table that names it, beside the variable of its key."""
    lines = [line for line in README.splitlines() if line.startswith("| ") and "_" in line.split("|")[-2]]
    missing = []
    for backend in BUNDLE.backends:
        told = [line for line in lines if re.search(rf"`{re.escape(backend.id)}`", line)]
        if not any(backend.key_ref.removeprefix("env:") in line for line in told):
            missing.append((backend.id, backend.key_ref))
    assert missing == []


def test_what_is_shipped_as_ours_is_not_offered_until_its_key_is_there():
    own = [backend for backend in BUNDLE.backends if backend.fact("deployment") == "self_hosted"]
    assert {backend.key_ref for backend in own} == {"env:HOUSE_API_KEY"}


def test_a_dated_status_begins_on_its_day():
    def status(today):
        return next(b for b in load(today=today).backends if b.id == "own/llama-4-maverick").fact("status")

    assert [status(day) for day in ("2026-02-28", "2026-06-11", "2026-06-12")] == [None, "active", "suspended"]


def test_rules_on_trial_say_what_they_would_deny_and_deny_nothing():
    ruling = Eligibility(BUNDLE).ask(facts(BUNDLE, "public"))
    watched = {id for id, verdict in ruling.verdicts.items() if "no-unlimited-retention" in verdict.watched}
    assert watched >= of_provider("deepseek", "moonshot") | {"qwen3.8-max", "glm-5.2"}
    assert watched & of_provider("openai", "anthropic", "mistral", "vllm") == set()
    assert all(ruling.verdicts[id].permitted for id in watched - RESTRICTED - OFF)


def test_ceilings_are_on_trial_too():
    """Nothing counts spending against them yet, so that they deny nothing must be said in the file."""
    limits = {rule.id: rule for rule in BUNDLE.rules if rule.limits}
    assert {rule.mode for rule in limits.values()} == {"shadow"}
    assert [(spend.per, spend.window, spend.downgrade) for spend in limits["budget-of-a-key"].limits] == [
        ("key", "day", "fast"),
        ("organisation", "month", None),
    ]
    assert limits["no-vendor-above-60-percent"].limits[0].share == 0.6


NIGHT = calendar.timegm((2026, 11, 23, 20, 0, 0))


@pytest.mark.parametrize(
    ("team", "moment", "opened"),
    [("legal", NIGHT, True), ("sales", NIGHT, False), ("legal", NIGHT - 7300, False), ("legal", NIGHT + 7200, False)],
)
def test_the_example_of_break_glass_works_and_opens_no_more_than_it_says(team, moment, opened):
    broken = load(
        {"exceptions/break-glass.yaml": uncommented("exceptions/break-glass.yaml").replace(" []", "").encode()}
    )
    asked = facts(broken, purpose="legal", team=team)
    assert admitted(broken, asked, moment) == (OWN | {"mistral-large-latest"} if opened else OWN)
    assert admitted(broken, msgspec.structs.replace(asked, sensitivity="confidential"), moment) == OWN


def test_the_invariant_that_is_commented_out_can_be_put_in_force():
    more = load({"invariants.yaml": uncommented("invariants.yaml").encode()})
    assert {each.kind for each in more.invariants} - {each.kind for each in BUNDLE.invariants} == {"no_new_access"}


def test_the_scanner_finds_what_the_example_of_an_operator_says():
    assert specimens.problems(BUNDLE) == ()
    terms = BUNDLE.sensitivity
    assert ([each.id for each in terms.detectors], [each.id for each in terms.dictionaries]) == (
        ["ticket"],
        ["customers"],
    )
    scanner, kinds = scanner_of(terms), kinds_of(terms)
    text = "Ticket ACME-104233 of Nordlicht\nWerkzeugbau: send it to 江灯造纸厂"
    found = [(each.kind, kinds[each.kind].level) for each in scanner.scan_text(text)]
    assert found == [("ticket", "internal"), ("customers", "confidential"), ("customers", "confidential")]


def test_what_the_example_says_of_built_in_kinds_is_what_they_are_anyway():
    assert {kind.name: kind for kind in BUNDLE.sensitivity.kinds} == KINDS


def test_whoever_is_under_eu_law_changes_one_word():
    eu = load({"projects.yaml": TREE["projects.yaml"].replace(b"jurisdiction: other", b"jurisdiction: eu")})
    gone = admitted(BUNDLE, facts(BUNDLE, "public")) - admitted(eu, facts(eu, "public"))
    assert gone == having("zone", "cn-vendors") - OFF
