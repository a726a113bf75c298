"""Which id and aliases an entry gets."""

import pytest
from support.litellm import OWN

from gateway.review.litellm.entries import Draft
from gateway.review.litellm.names import Names, add_aliases, is_name
from gateway.review.litellm.providers import place_of
from gateway.review.litellm.values import Findings


def drafts(*named):
    return [Draft(name, id, place_of({"model": model}, OWN), {}, ()) for name, model, id in named]


@pytest.mark.parametrize(
    ("named", "ids", "aliases", "notes"),
    [
        ([("m", "openai/x", "")], ["m"], [[]], 0),
        ([("m", "openai/x", "one")], ["m"], [["one"]], 0),
        ([("m", "openai/x", ""), ("m", "azure/y", "")], ["m/openai", "m/azure"], [["m"], ["m"]], 0),
        ([("m", "openai/x", ""), ("m", "openai/y", "")], ["m/openai", "m/openai-2"], [["m"], ["m"]], 0),
        ([("m", "openai/x", "one"), ("m", "openai/y", "two")], ["one", "two"], [["m"], ["m"]], 0),
        ([("m", "openai/x", "one"), ("m", "openai/y", "one")], ["one", "m/openai"], [["m"], ["m"]], 1),
        ([("m", "openai/x", ""), ("m", "openai/y", ""), ("m/openai", "openai/z", "")],
         ["m/openai-2", "m/openai-3", "m/openai"], [["m"], ["m"], []], 0),
        ([("sol", "openai/x", "")], ["sol/openai"], [[]], 1),
        ([("smart", "openai/x", "")], ["smart/openai"], [["smart"]], 1),
        ([("auto", "openai/x", "")], ["auto/openai"], [[]], 1),
        ([("My model!", "openai/x", "")], ["My-model/openai"], [[]], 1),
        ([("m", "openai/x", "sol")], ["m"], [[]], 1),
    ],
)  # fmt: skip
def test_ids_and_aliases(named, ids, aliases, notes):
    found = Findings()
    names = Names(drafts(*named), OWN, found)
    assert (names.ids, names.aliases, len(found.notes())) == (ids, aliases, notes)
    assert all(map(is_name, names.ids))


@pytest.mark.parametrize(
    ("aliases", "whole", "given"),
    [
        ({"a": "m"}, True, [["a"], []]),
        ({"a": "x", "b": "openai/x"}, False, [["b"], []]),
        ({"a": {"model": "n", "hidden": True}}, True, [[], ["a"]]),
        ({"a": {"model": "n"}}, True, [[], ["a"]]),
        ({"n": "m"}, False, [[], []]),
        ({"sol": "m"}, False, [[], []]),
        ({"a": "nothing"}, False, [[], []]),
        ({"a": "m", "m": "n"}, False, [["a"], []]),
    ],
)
def test_aliases_of_the_config(aliases, whole, given):
    found = Findings()
    made = drafts(("m", "openai/x", ""), ("n", "openai/y", ""))
    names = Names(made, OWN, found)
    add_aliases(names, made, "k", aliases, found)
    assert names.aliases == given
    assert bool(found.notes()) == (not whole or "hidden" in str(aliases))
