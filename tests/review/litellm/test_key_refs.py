"""Keys are named, never repeated."""

import pytest
from support.litellm import OWN

from gateway.review.litellm.key_refs import KeyRefs
from gateway.review.litellm.providers import place_of
from gateway.review.litellm.values import Findings

BOX = "http://box:8000/v1"


@pytest.mark.parametrize(
    ("params", "reference", "noted"),
    [
        ({"model": "openai/x", "api_key": "os.environ/MY_KEY"}, "env:MY_KEY", False),
        ({"model": "openai/x"}, "env:OPENAI_API_KEY", False),
        ({"model": "openai/x", "api_key": "sk-secret"}, "env:OPENAI_API_KEY", True),
        ({"model": "openai/x", "api_key": "none"}, "env:OPENAI_API_KEY", True),
        ({"model": "openai/x", "api_key": "os.environ/not a name"}, "env:OPENAI_API_KEY", True),
        ({"model": "openai/x", "api_base": BOX}, None, False),
        ({"model": "openai/x", "api_base": BOX, "api_key": "EMPTY"}, None, False),
        ({"model": "openai/x", "api_base": BOX, "api_key": "sk-secret"}, "env:M_1_API_KEY", True),
        ({"model": "hosted_vllm/x", "api_base": BOX}, None, False),
    ],
)  # fmt: skip
def test_references(params, reference, noted):
    found = Findings()
    assert KeyRefs([params], found).of(params, place_of(params, OWN), "m.1") == reference
    assert bool(found.notes()) == noted
    assert "secret" not in repr(found.notes())


def test_the_same_key_has_one_name_and_another_another():
    params = [{"model": "openai/x", "api_key": key} for key in ("os.environ/OPENAI_API_KEY", "sk-a", "sk-b", "sk-a")]
    params.append({"model": "hosted_vllm/x", "api_base": BOX, "api_key": "sk-c"})
    refs = KeyRefs(params, Findings())
    assert [refs.of(each, place_of(each, OWN), "3m") for each in params] == [
        "env:OPENAI_API_KEY", "env:OPENAI_API_KEY_2", "env:OPENAI_API_KEY_3", "env:OPENAI_API_KEY_2",
        "env:MODEL_3M_API_KEY",
    ]  # fmt: skip
