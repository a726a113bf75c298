"""Asked again about one changed rule only: the prover says what it says of the whole tree."""

import os

import msgspec
import pytest
from support.policy_trees import rule
from support.proofs import Tree, random_tree

from gateway.policy.prove import Reprover, prove
from gateway.policy.rising import with_labels

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
POLICIES = 2000 if FULL else 60
PARTS = 6
STEPS = 100_000


def changes(bundle):
    """Each rule gone, and each without one of its conditions: the rule, what it becomes, and the tree then."""
    for one in bundle.rules:
        if one.effect not in ("permit", "forbid", "require") or one.mode != "enforce":
            continue
        fewer = [
            msgspec.structs.replace(one, **{part: tuple(each for each in getattr(one, part) if each is not atom)})
            for part in ("when", "to")
            for atom in getattr(one, part)
        ]
        for becomes in (None, *fewer):
            rules = (becomes if each is one else each for each in bundle.rules)
            kept = tuple(each for each in rules if each is not None)
            yield one, becomes, msgspec.structs.replace(bundle, rules=kept)


def kinds(one, becomes):
    """Who permits more can break only some, who permits less only others."""
    gains = (one.effect == "permit") is (becomes is not None)
    return ("never", "chain", "monotone") if gains else ("always_some", "monotone")


@pytest.mark.parametrize("part", range(PARTS))
def test_what_one_rule_breaks_is_what_the_whole_proof_finds_broken(part):
    broken = whole = 0
    for seed in range(part * POLICIES // PARTS, (part + 1) * POLICIES // PARTS):
        bundle = random_tree(seed).bundle
        held = {proof.invariant.id for proof in prove(bundle) if proof.holds}
        reprover = Reprover(bundle)
        for one, becomes, changed in changes(bundle):
            proofs = {proof.invariant.id: proof.holds for proof in prove(changed)}
            for invariant in bundle.invariants:
                if invariant.id in held and invariant.kind in kinds(one, becomes):
                    found = reprover.violates(changed, one, becomes, [invariant], STEPS)
                    assert found is not proofs[invariant.id], (seed, one.id, becomes, invariant)
                    broken, whole = broken + found, whole + 1
                elif invariant.id in held:
                    assert proofs[invariant.id], (seed, one.id, becomes, invariant)  # it need not be asked
    assert 0 < broken < whole


@pytest.mark.parametrize("absolute", [False, True])
def test_a_breakable_forbid_that_is_gone_was_lifted_for_no_label_alone(absolute):
    low = {**rule("forbid", {"sensitivity": "internal"}, id="low"), "breakable": True}
    high = rule("forbid", {"sensitivity": ">= confidential"}, id="high")
    claim = {"id": "i", "monotone": "sensitivity", "absolute": absolute}
    bundle = Tree([rule("permit", id="all"), low, high], [claim]).bundle
    (proof,) = prove(bundle)
    gone = next(each for each in changes(bundle) if each[0].id == "high")
    assert (proof.holds, Reprover(bundle).violates(gone[2], gone[0], None, bundle.invariants, STEPS)) == (True, True)


def test_other_labels_leave_the_rest_of_a_cube():
    assert with_labels((1, 2, 4), {1: 7}) == (1, 7, 4)
