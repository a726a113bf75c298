"""Small random policies and requests, from a seed, over the words of `policy_trees`."""

import itertools
import random

from gateway.core.decision import Facts
from gateway.core.labels import LEVELS
from gateway.policy.vocabulary import BACKEND, REQUEST
from support.policy_trees import BACKENDS, WORDS

NAMES = ["a", "b"]
OBLIGATIONS = [
    "redact",
    "rescan",
    "no_prompt_log",
    "no_cache",
    "region_pin",
    "zdr_only",
    "strip_images",
    "human_approval",
]
PASSPORTS = [
    *BACKENDS.values(),
    {"provider": "openai", "deployment": "vendor_api", "retention": "zdr", "eligible_persons": []},
    {"provider": "openai", "region": "us", "eligible_persons": ["eu_person"]},
]
ROWS = {f"b{number}": passport for number, passport in enumerate(PASSPORTS)}


def words_of(attribute):
    """Every value that a condition on an attribute may name."""
    if attribute.name in ("backend", "provider"):
        return sorted(ROWS) if attribute.name == "backend" else ["vllm", "openai"]
    return list(attribute.values) or WORDS.get(attribute.section) or NAMES


def values_of(attribute):
    """Every value that a request may have: also unknown, a name that no rule has, and a word that is not in the vocabulary."""
    if attribute.kind == "set":
        words = words_of(attribute)
        return [None, *(frozenset(some) for n in range(len(words) + 1) for some in itertools.combinations(words, n))]
    if attribute.name == "key":
        return [None, *words_of(attribute), *(f"k{number}" for number in range(9))]  # in as many buckets
    return [None, *words_of(attribute), "other"]


class Random:
    """A stream of policies and requests. The same seed gives the same."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def condition(self, attribute):
        pick, words = self.random.choice, words_of(attribute)
        some = pick([pick(words), self.random.sample(words, self.random.randint(1, min(2, len(words))))])
        if self.random.random() < 0.05:
            return "any"
        if attribute.side == "backend" and self.random.random() < 0.15:
            return "declared"
        if attribute.kind == "set":
            return {pick(["any", "all", "none"]): some}
        if attribute.name == "principal.person" and self.random.random() < 0.6:
            return {pick(["in", "not", "not_in"]): "backend.eligible_persons"}
        if attribute.kind in ("level", "count", "number") and self.random.random() < 0.6:
            ordered = list(LEVELS) if attribute.kind == "level" else words
            operator = pick([">=", "<=", ">", "<"])
            bound = pick(ordered[1:] if operator == "<" else ordered[:-1] if operator == ">" else ordered)
            some = f"{operator} {bound}"
        elif attribute.kind in ("count", "number") and self.random.random() < 0.5:
            some = int(pick(words))
        return pick([some, some, {"in": some}, {"not": some}, {"not_in": some}])

    def scope(self, most=3):
        when = self.random.sample(list(REQUEST.values()), self.random.randint(0, most - 1))
        to = self.random.sample(list(BACKEND.values()), self.random.choice([0, 1, 1, 2]))
        return {
            "when": {each.name: self.condition(each) for each in when},
            "to": {each.name: self.condition(each) for each in to},
        }

    def do(self):
        some = self.random.sample(OBLIGATIONS, self.random.choice([1, 1, 2]))
        return [*some, {"max_output_tokens": self.random.randint(1, 9)}] if self.random.random() < 0.3 else some

    def rule(self, id, effect=None):
        effect = effect or self.random.choice(["permit", "permit", "forbid", "require"])
        rule = {"id": id, effect: self.scope(3 if effect != "permit" else 2)}
        if effect == "require" or (effect == "permit" and self.random.random() < 0.2):
            rule.setdefault("require", {})["do"] = self.do()
        return rule

    def rules(self, most=6):
        return [self.rule(f"r{number}") for number in range(self.random.randint(1, most))]

    def facts(self):
        own = [each for each in REQUEST.values() if not each.follows]
        return Facts(**{each.field: self.random.choice(values_of(each)) for each in own})


def asked(rules):
    """The attributes of requests that some rules ask about, themselves or by what follows from them."""
    scopes = [rule[effect] for rule in rules for effect in ("permit", "forbid", "require") if effect in rule]
    names = {name for scope in scopes for name in scope.get("when", {})}
    return [REQUEST[name] for name in sorted({REQUEST[name].follows or name for name in names})]


def as_request(facts):
    """Facts as the reference reads them: by the names of attributes, with words that nobody declared unknown."""
    request = {}
    for attribute in REQUEST.values():
        value = getattr(facts, attribute.field)
        closed = attribute.values or WORDS.get(attribute.section)
        odd = closed is not None and isinstance(value, str) and value not in closed
        request[attribute.name] = None if odd else value
    return request


def as_backend(id):
    """A row as the reference reads it."""
    row = {name: ROWS[id].get(name) for name in BACKEND} | {"backend": id}
    return row | {"eligible_persons": None if row["eligible_persons"] is None else frozenset(row["eligible_persons"])}
