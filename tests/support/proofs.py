"""Random policies with invariants, and two ways to tell whether they hold that share nothing with the prover.

`enumerated` decides every request there is (few attributes, so few requests) with the compiled policy. `solved` asks
z3, from the rules' clauses. Both know by themselves which requests are possible.
"""

import itertools
import random
from functools import cached_property

import msgspec

from gateway.core.buckets import BUCKETS, key_in
from gateway.core.catalog import Backend
from gateway.core.errors import FailureKind
from gateway.core.labels import LEVELS
from gateway.policy.claims import USUAL
from gateway.policy.decide import Eligibility
from gateway.policy.model import Exemption
from gateway.policy.vocabulary import BACKEND, REQUEST
from support.policy_trees import BACKENDS, WORDS, policy, read
from support.random_policies import Random
from support.reference import every, holds

PROJECTS = {"a": {"jurisdiction": "eu", "floor": "confidential"}, "b": {"jurisdiction": "us"}, "bare": {}}
CATALOG = {
    **BACKENDS,
    "near": {
        "provider": "vllm",
        "base_url": "http://near/v1",
        "deployment": "self_hosted",
        "region": "eu",
        "operator_origin": "cn",
    },
    "twin": BACKENDS["far"],
}
ASKED = [name for name in REQUEST if name != "app"]
OF_BACKENDS = ["deployment", "region", "operator_origin", "retention", "eligible_persons", "status"]
ERRORS = [kind.code for kind in FailureKind if kind.may_fall_back]
NEEDS = {"project.jurisdiction": {"project"}, "source_sensitivity": {"sensitivity", "redaction"}}
NEEDS |= {name: {"attempt", "last_error"} for name in ("visited_regions", "visited_operators")}
NEEDS |= {"project": {"sensitivity"}, "attempt": {"last_error"}, "last_error": {"attempt"}}
DISCHARGED_BY_FACT = {"region": "region_pin", "retention": "zdr_only"}
HOP = [attribute for attribute in REQUEST.values() if attribute.hop]


class Tree:
    """A policy with invariants, as it is written and as it is read."""

    def __init__(self, rules, invariants, catalog=CATALOG, projects=PROJECTS):
        self.rules, self.invariants = rules, invariants
        files = {
            "catalog/a.yaml": {"backends": catalog},
            "projects.yaml": {"projects": projects},
            "invariants.yaml": {"invariants": invariants},
        }
        self.parsed = read(files, main=policy(*rules))
        assert self.parsed.problems == (), self.parsed.problems
        self.bundle = self.parsed.bundle
        self._asked = {}

    def asked(self, backends, *lifted):
        """What the compiled policy says of backends while some rules are lifted."""
        key = len(backends), backends[0].id if backends else "", lifted
        if key not in self._asked:
            self._asked[key] = Asked(self, backends, lifted=lifted)
        return self._asked[key]

    @cached_property
    def requests(self):
        return list(requests(self))

    @cached_property
    def conceivable(self):
        return list(conceivable(self))


def random_tree(seed):
    """A tree with rules over a few attributes, and an invariant or two of each kind; small enough to ask everything."""
    made = _random_tree(seed)
    while len(made.requests) * len(made.conceivable) > 8000:
        seed += 1_000_000
        made = _random_tree(seed)
    return made


def _random_tree(seed):
    chance = random.Random(seed)
    maker = Random(seed)
    asked = [REQUEST[name] for name in chance.sample(ASKED, chance.choice([1, 2, 2, 3]))]
    if chance.random() < 0.5:
        asked = [REQUEST["sensitivity"], *[each for each in asked if each.name != "sensitivity"][:2]]
    facts = [BACKEND[name] for name in chance.sample(OF_BACKENDS, 2)]
    if REQUEST["principal.person"] in asked and BACKEND["eligible_persons"] not in facts:
        facts[0] = BACKEND["eligible_persons"]  # they may be compared
    named = {each.name for each in facts}
    obligations = [
        "redact",
        "no_cache",
        "human_approval",
        *(do for fact, do in DISCHARGED_BY_FACT.items() if fact in named),
    ]

    def conditions(some, most):
        return {
            each.name: maker.condition(each) for each in chance.sample(some, chance.randint(0, min(most, len(some))))
        }

    def rule(number):
        effect = chance.choice(["permit", "permit", "forbid", "forbid", "require"])
        written = {"id": f"r{number}", effect: {"when": conditions(asked, 2), "to": conditions(facts, 2)}}
        if effect == "require" or (effect == "permit" and chance.random() < 0.1):
            written.setdefault("require", {})["do"] = [chance.choice(obligations)]
        if effect == "forbid" and chance.random() < 0.4:
            written["breakable"] = True
        return written

    rules = [rule(number) for number in range(chance.randint(1, 7))]
    if chance.random() < 0.5:  # without it little is permitted, and most of what must not be never is
        rules.append({"id": "all", "permit": {"to": {} if chance.random() < 0.7 else conditions(facts, 1)}})
    alone = [each for each in asked if each.name != "principal.person"]

    def never():
        while True:
            claim = {"request": conditions(asked, 2), "backend": conditions(facts, 1)}
            if claim["request"] or claim["backend"]:
                return {"never": claim}

    def invariant(id, claim, over):
        return {"id": id, "absolute": chance.random() < 0.3, **claim} | ({"over": "any_backend"} if over else {})

    invariants = [
        invariant("never", never(), False),
        invariant("never-any", never(), True),
        invariant("always", {"always_some": {"request": conditions(alone, 2)}, "backend": conditions(facts, 1)}, False),
        invariant("monotone", {"monotone": "sensitivity"}, False),
        invariant("monotone-any", {"monotone": "sensitivity"}, True),
        invariant(
            "after", {"chain": {"never_after": {"left": conditions(facts, 1), "enter": conditions(facts, 1)}}}, False
        ),
        invariant("operators", {"chain": {"max_distinct_operators": chance.choice([1, 1, 2])}}, False),
    ]
    return Tree(rules, invariants)


# every request there is


def possible(tree, facts):
    project = PROJECTS.get(facts.project, {})
    floor = project.get("floor")
    return (
        facts.jurisdiction == project.get("jurisdiction")
        and (floor is None or facts.sensitivity is None or LEVELS.index(facts.sensitivity) >= LEVELS.index(floor))
        and (facts.redaction != "none" or facts.source_sensitivity == facts.sensitivity)
        and None not in (facts.redaction, facts.budget, facts.attempt, facts.last_error)
        and (facts.attempt == "1") == (facts.last_error == "none")
        and (facts.attempt != "1" or facts.visited_regions == facts.visited_operators == frozenset())
    )


def _scopes(tree):
    for rule in tree.rules:
        yield from (rule[effect] for effect in ("permit", "forbid", "require") if effect in rule)
        if any(item in ("redact", "rescan") for item in rule.get("require", {}).get("do", [])):
            yield {"when": {"redaction": "done"}}
    for written in tree.invariants:
        yield {"when": written.get("never", {}).get("request", {}), "to": written.get("never", {}).get("backend", {})}
        yield {"when": written.get("always_some", {}).get("request", {})}


def asked_of_requests(tree):
    names = {name for scope in _scopes(tree) for name in scope.get("when", {})}
    for _ in range(3):
        names = names.union(*(NEEDS.get(name, set()) for name in names))
    return names


def errors_of(tree):
    """The errors that anything names, and one that stands for the others."""
    text = str(tree.rules) + str(tree.invariants)
    named = [error for error in ERRORS if error in text]
    return [*named, *[error for error in ERRORS if error not in named][:1]]


def _words(tree, attribute):
    if attribute.name == "last_error":
        return ["none", *errors_of(tree)]
    return list(attribute.values) or WORDS.get(attribute.section) or ["a", "b", "bare", "other"]


def _keys(tree):
    """Those that rules name, another, and one in a bucket of each kind that conditions can tell apart."""
    written = [scope["when"]["key.bucket"] for scope in _scopes(tree) if "key.bucket" in scope.get("when", {})]
    kinds = {tuple(holds(each, bucket, {}) for each in written): bucket for bucket in BUCKETS}
    return [None, "a", "b", "other", *(key_in(bucket) for bucket in kinds.values() if written)]


def _values(tree, attribute):
    if attribute.name == "key":
        return _keys(tree)
    words = _words(tree, attribute)
    if attribute.kind == "set":
        return [None, *(frozenset(some) for n in range(len(words) + 1) for some in itertools.combinations(words, n))]
    return [None, *words]


def requests(tree):
    """Every possible request, as far as anything asks."""
    names = asked_of_requests(tree)
    names = {REQUEST[name].follows or name for name in names}
    some = [REQUEST[name] for name in REQUEST if name in names]
    for values in itertools.product(*(_values(tree, attribute) for attribute in some)):
        changes = {attribute.field: value for attribute, value in zip(some, values, strict=True)}
        changes.setdefault("source_sensitivity", changes.get("sensitivity", USUAL.sensitivity))
        if "jurisdiction" not in changes and "project" in changes:
            changes["jurisdiction"] = PROJECTS.get(changes["project"], {}).get("jurisdiction")
        facts = msgspec.structs.replace(USUAL, **changes)
        if possible(tree, facts):
            yield facts


def conceivable(tree):
    """Every backend that may ever be, as far as anything asks."""
    names = {name for scope in _scopes(tree) for name in scope.get("to", {})}
    text = str(tree.rules) + str(tree.invariants)
    names |= {"region"} if "region_pin" in text else set()
    names |= {"retention"} if "zdr_only" in text else set()
    names |= {"eligible_persons"} if "backend.eligible_persons" in text else set()
    assert not names & {"backend", "provider"}
    some = [BACKEND[name] for name in sorted(names)]
    for number, values in enumerate(itertools.product(*(_values(tree, attribute) for attribute in some))):
        passport = {a.name: v for a, v in zip(some, values, strict=True) if v is not None}
        yield Backend(f"c{number}", "openai", "", "m", passport)


class Asked:
    """What the compiled policy says, with all breakable rules lifted or with none."""

    def __init__(self, tree, backends, *, lifted=()):
        opened = Exemption(
            "-", frozenset(lifted), (), frozenset(each.id for each in backends), 0.0, 9.0, "", "", (), None
        )
        bundle = msgspec.structs.replace(tree.bundle, backends=tuple(backends), exemptions=(opened,) if lifted else ())
        self.policy = Eligibility(bundle)
        self.known = {}

    def __call__(self, facts):
        if facts not in self.known:
            verdicts = self.policy.ask(facts, 1.0).verdicts
            self.known[facts] = frozenset(id for id, verdict in verdicts.items() if verdict.permitted)
        return self.known[facts]


def breakable(tree):
    return [rule["id"] for rule in tree.rules if rule.get("breakable")]


def _request(facts):
    return {attribute.name: getattr(facts, attribute.field) for attribute in REQUEST.values()}


def _row(backend):
    return {name: backend.fact(name) for name in BACKEND} | {"backend": backend.id, "provider": backend.provider}


def _truth(written, values, row):
    return every(holds(condition, values[name], row) for name, condition in written.items())


def enumerated(tree, written):
    """Whether an invariant holds, by asking about everything."""
    lifted = breakable(tree) if written.get("absolute") else []
    backends = tree.conceivable if written.get("over") else list(tree.bundle.backends)
    if "never" in written:
        return _never(tree, written["never"], backends, tree.asked(backends, *lifted))
    if "always_some" in written:
        asked = tree.asked(backends)
        wanted = {each.id for each in backends if _truth(written["backend"], _row(each), {}) is True}
        claim = written["always_some"]["request"]
        return all(wanted & asked(facts) for facts in tree.requests if _truth(claim, _request(facts), {}) is True)
    if "monotone" in written:
        subsets = [some for n in range(len(lifted) + 1) for some in itertools.combinations(lifted, n)]
        return all(_monotone(tree, tree.asked(backends, *some)) for some in subsets)
    return _chain(tree, written["chain"], tree.asked(backends, *lifted))


def _never(tree, claim, backends, asked):
    inside = [each for each in backends if _truth(claim["backend"], _row(each), {}) is not False]
    for facts in tree.requests:
        permitted = asked(facts)
        for each in inside:
            if each.id in permitted and _truth(claim["request"], _request(facts), _row(each)) is not False:
                return False
    return True


def raised(facts, label):
    """A request with a higher label: both labels rise, or only the one that it is sent with."""
    yield msgspec.structs.replace(facts, sensitivity=label)
    if facts.source_sensitivity == facts.sensitivity:
        yield msgspec.structs.replace(facts, sensitivity=label, source_sensitivity=label)


def _monotone(tree, asked):
    if "sensitivity" not in asked_of_requests(tree):
        return True
    for facts in tree.requests:
        if facts.sensitivity in LEVELS[:-1]:
            for higher in raised(facts, LEVELS[LEVELS.index(facts.sensitivity) + 1]):
                if possible(tree, higher) and not asked(higher) <= asked(facts):
                    return False
    return True


def visited(backends, fact):
    words = [backend.fact(fact) for backend in backends]
    return None if None in words else frozenset(words)


def called(facts, before, error):
    """The facts of the call after some others."""
    return msgspec.structs.replace(
        facts,
        attempt=str(len(before) + 1),
        last_error=error,
        visited_regions=visited(before, "region"),
        visited_operators=visited(before, "operator_origin"),
    )


def _chain(tree, claim, asked):
    after, most = claim.get("never_after"), claim.get("max_distinct_operators")
    errors = errors_of(tree) if "last_error" in asked_of_requests(tree) else ERRORS[:1]

    def bad(path):
        if most is not None and len({each.operator for each in path}) > most:
            return True
        return after is not None and any(
            _truth(after["left"], _row(one), {}) is not False and _truth(after["enter"], _row(other), {}) is not False
            for one, other in itertools.combinations(path, 2)
        )

    def reaches(facts, path):
        if bad(path):
            return True
        if len(path) == 4:
            return False
        for error in errors if path else ["none"]:
            permitted = asked(called(facts, path, error))
            for each in tree.bundle.backends:
                if each not in path and each.id in permitted and reaches(facts, [*path, each]):
                    return True
        return False

    hop = {attribute.field: getattr(USUAL, attribute.field) for attribute in HOP}
    own = dict.fromkeys(msgspec.structs.replace(facts, **hop) for facts in tree.requests)
    return not any(reaches(facts, []) for facts in own)
