"""How long a large policy takes to read, to prove and to ask.

    python tests/bench/policy_scale.py [RULES BACKENDS] [--adversarial]

The rules are random over 17 attributes; a few guards make every invariant hold. With `--adversarial` there are no
guards: nothing is covered in one step, and most invariants are violated.
"""

import json
import random
import statistics
import sys
import time

from gateway.core.decision import Facts
from gateway.core.labels import LEVELS
from gateway.policy.decide import Eligibility
from gateway.policy.parse import parse
from gateway.policy.prove import prove
from gateway.policy.vocabulary import REQUEST
from gateway.providers import BASE_URLS
from gateway.review.load import check

_VOCABULARY = {
    "levels": LEVELS,
    "tags": ("secret", "pii", "health", "contract", "source_code", "export"),
    "purposes": ("general", "bulk", "coding", "hr", "legal", "research", "support", "finance"),
    "jurisdictions": ("eu", "us", "uk", "ch", "jp"),
    "persons": ("eu_person", "us_person", "other_person"),
    "deployments": ("self_hosted", "vendor_api", "marketplace"),
    "zones": ("inhouse", "eu-vendors", "us-vendors", "cn-vendors"),
    "regions": ("eu", "us", "cn", "sg"),
    "origins": ("eu", "us", "cn"),
    "licences": ("apache-2.0", "mit", "proprietary"),
    "statuses": ("active", "suspended", "sunset", "retired"),
    "retentions": ("none", "zdr", "days_30", "indefinite"),
    "training": ("never", "opt_out", "allowed"),
    "audiences": ("anyone", "approved_clients"),
}
_NAMES = {"team": 12, "app": 8, "project": 10, "key": 6}
_FACTS = {
    "deployment": "deployments",
    "zone": "zones",
    "region": "regions",
    "weights_origin": "origins",
    "operator_origin": "origins",
    "licence": "licences",
    "status": "statuses",
    "retention": "retentions",
    "trains_on_data": "training",
    "audience": "audiences",
}
_ASKED = ("sensitivity", "tags", "purpose", "project", "project.jurisdiction", "team", "app", "key")
_GUARDS = (
    {"id": "own", "permit": {"to": {"deployment": "self_hosted", "status": "active"}}},
    {
        "id": "home",
        "forbid": {"when": {"sensitivity": ">= confidential"}, "to": {"deployment": {"not": "self_hosted"}}},
    },
    {"id": "secrets", "require": {"when": {"tags": {"any": ["secret"]}}, "do": ["redact", "rescan"]}},
    {"id": "off", "forbid": {"to": {"status": ["suspended", "retired"]}}},
    {
        "id": "cn",
        "forbid": {
            "when": {"project.jurisdiction": "eu"},
            "to": {"operator_origin": "cn", "deployment": {"not": "self_hosted"}},
        },
    },
    {"id": "onward", "forbid": {"when": {"visited_regions": {"any": ["eu"]}}, "to": {"region": "cn"}}},
    {
        "id": "person",
        "forbid": {
            "when": {"principal.person": {"not_in": "backend.eligible_persons"}},
            "to": {"eligible_persons": "declared"},
        },
    },
)
_INVARIANTS = (
    {
        "id": "home",
        "absolute": True,
        "over": "any_backend",
        "never": {"request": {"sensitivity": ">= confidential"}, "backend": {"deployment": {"not": "self_hosted"}}},
    },
    {
        "id": "home-today",
        "never": {"request": {"sensitivity": ">= confidential"}, "backend": {"deployment": {"not": "self_hosted"}}},
    },
    {
        "id": "secrets",
        "absolute": True,
        "over": "any_backend",
        "never": {"request": {"tags": {"any": ["secret"]}, "redaction": "none"}},
    },
    {"id": "off", "never": {"backend": {"status": ["suspended", "retired"]}}, "over": "any_backend"},
    {
        "id": "law",
        "never": {
            "request": {"project.jurisdiction": "eu"},
            "backend": {"operator_origin": "cn", "deployment": "vendor_api"},
        },
    },
    {
        "id": "served",
        "always_some": {"request": {"tags": {"none": ["secret"]}}},
        "backend": {"deployment": "self_hosted"},
    },
    {"id": "rising", "monotone": "sensitivity", "over": "any_backend"},
    {"id": "onward", "chain": {"never_after": {"left": {"region": "eu"}, "enter": {"region": "cn"}}}},
)


def tree(rules, backends, seed=1, *, guards=_GUARDS):
    """The files of a tree."""
    chance = random.Random(seed)
    names = {name: [f"{name}-{number}" for number in range(count)] for name, count in _NAMES.items()}

    def asked():
        when = {}
        for name in chance.sample(_ASKED, chance.choice([1, 2, 2, 3])):
            words = names.get(name) or list(_VOCABULARY[REQUEST[name].section])
            some = chance.sample(words, chance.randint(1, max(1, len(words) // 3)))
            if name == "sensitivity":
                when[name] = f"<= {chance.choice(LEVELS[:2])}"
            elif name == "tags":
                when[name] = {chance.choice(["any", "none", "all"]): some}
            else:
                when[name] = chance.choice([some, {"not": some}])
        return when

    def to():
        some = chance.sample(sorted(_FACTS), chance.choice([1, 2, 2, 3]))
        return {name: chance.choice(_VOCABULARY[_FACTS[name]]) for name in some}

    written = [dict(each) for each in guards]
    while len(written) < rules:
        effect = chance.choices(["permit", "forbid", "require"], [40, 50, 10])[0]
        scope = {"when": asked(), "to": to()}
        if effect == "permit":
            scope["to"].setdefault("status", "active")
        else:
            # What is forbidden besides is forbidden to others than ourselves, and to the higher label, too.
            scope["to"]["deployment"] = chance.choice(["vendor_api", "marketplace"])
            scope["when"].pop("sensitivity", None)
        rule = {"id": f"r{len(written)}", effect: scope}
        if effect == "require":
            scope["do"] = [chance.choice(["zdr_only", "region_pin", "redact", "no_cache"])]
        written.append(rule)
    catalog = {}
    for number in range(backends):
        passport = {name: chance.choice(_VOCABULARY[section]) for name, section in _FACTS.items()}
        passport["status"] = "active" if chance.random() < 0.85 else "suspended"
        if number % 4 == 0:
            passport |= {"deployment": "self_hosted", "status": "active"}
        if chance.random() < 0.2 and number % 4:
            passport["eligible_persons"] = ["us_person"]
        provider = chance.choice(["openai", "anthropic", "mistral", "deepseek", "qwen"])
        catalog[f"b{number}"] = {
            "provider": provider,
            "price": {"input": 1, "output": 2},
            "base_url": "https://x.example/v1",
            **passport,
        }
    projects = {name: {"jurisdiction": chance.choice(_VOCABULARY["jurisdictions"])} for name in names["project"]}
    files = {
        "vocabulary.yaml": {section: dict.fromkeys(words, "x") for section, words in _VOCABULARY.items()},
        "catalog/a.yaml": {"backends": catalog},
        "projects.yaml": {"projects": projects},
        "policies/a.yaml": {"policy": "a", "owner": "o", "rules": written},
        "invariants.yaml": {"invariants": list(_INVARIANTS)},
    }
    return {name: json.dumps(data).encode() for name, data in files.items()}


def facts(seed, count):
    """Random requests."""
    chance = random.Random(seed)
    for _ in range(count):
        label = chance.choice(LEVELS)
        yield Facts(
            sensitivity=label,
            tags=frozenset(chance.sample(_VOCABULARY["tags"], chance.randint(0, 3))),
            purpose=chance.choice(_VOCABULARY["purposes"]),
            project=f"project-{chance.randrange(12)}",
            team=f"team-{chance.randrange(14)}",
            app=f"app-{chance.randrange(10)}",
            key=f"key-{chance.randrange(200)}",
            source_sensitivity=label,
            jurisdiction=chance.choice([None, *_VOCABULARY["jurisdictions"]]),
            person=chance.choice([None, *_VOCABULARY["persons"]]),
        )


def say(line):
    sys.stdout.write(f"{line}\n")


def timed(what, work):
    """Runs something and prints how long it took."""
    begun = time.perf_counter()
    result = work()
    say(f"{what:<24} {time.perf_counter() - begun:8.3f} s")
    return result


def main():
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    rules, backends = numbers or (200, 60)
    guards = _GUARDS[:1] if "--adversarial" in sys.argv else _GUARDS
    files = tree(rules, backends, guards=guards)
    parsed = timed("parse", lambda: parse(files, BASE_URLS, today="2026-11-22"))
    assert parsed.bundle is not None, parsed.problems[:3]
    bundle = parsed.bundle
    for proof in timed("prove", lambda: prove(bundle)):
        say(f"    {proof.invariant.id:<12} {proof.holds}  {proof.cells:.1e} cells")
    for invariant in bundle.invariants:
        alone = type(bundle)(
            bundle.digest, bundle.vocabulary, bundle.backends, bundle.rules, bundle.projects, invariants=(invariant,)
        )
        timed(f"    {invariant.id}", lambda alone=alone: prove(alone))
    timed("check", lambda: check(bundle))
    policy = timed("compile", lambda: Eligibility(bundle))
    asked = list(facts(2, 4000))
    for what, repeat in (("miss", 1), ("hit", 2)):
        took = []
        for _ in range(repeat):
            took.clear()
            for each in asked:
                begun = time.perf_counter_ns()
                policy.ask(each)
                took.append((time.perf_counter_ns() - begun) / 1000)
        cut = statistics.quantiles(took, n=100)
        say(f"ask, {what:<4} {cut[49]:8.1f} us median {cut[98]:8.1f} us p99")


if __name__ == "__main__":
    main()
