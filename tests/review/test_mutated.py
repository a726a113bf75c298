"""A policy with one rule changed says what it would say if it were compiled anew, about every request."""

import msgspec
import pytest
from support.policy_trees import bundle
from support.random_policies import ROWS, Random

from gateway.policy.decide import Eligibility
from gateway.review.coverage import _mutants
from gateway.review.mutated import Mutated


def random_bundle(seed, **fields):
    source = Random(seed)
    return source, bundle(*source.rules(), files={"catalog/a.yaml": {"backends": ROWS}}, **fields)


@pytest.mark.parametrize("mode", ["enforce", "warn", "canary"])
@pytest.mark.parametrize("seed", range(25))
def test_it_answers_as_if_compiled_anew(seed, mode):
    fields = {"canary": 50} if mode == "canary" else {"mode": mode}
    source, made = random_bundle(seed, **fields)
    base = Eligibility(made)
    for rule in made.rules:
        for mutant in _mutants(rule):
            changed = Mutated(base, rule, mutant.becomes)
            anew, policy = Eligibility(changed.bundle), changed.policy()
            for _ in range(6):
                facts = source.facts()
                expected, found = anew.ask(facts), policy.ask(facts)
                assert found.facts == expected.facts
                for id, verdict in expected.verdicts.items():
                    assert plain(found.verdicts[id]) == plain(verdict), (rule.id, id)
                if not changed.concerns(base.ask(facts).facts) and mode != "canary":
                    assert expected.verdicts == base.ask(facts).verdicts or rule.do


def plain(verdict):
    """A verdict, whatever the order of its rules."""
    fields = msgspec.structs.asdict(verdict) | {"revokes": False, "redact": ()}
    return {name: sorted(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def test_most_changes_are_answered_without_compiling():
    _, made = random_bundle(1)
    base = Eligibility(made)
    kinds = {type(Mutated(base, rule, None).policy()) for rule in made.rules}
    assert kinds != {Eligibility}
