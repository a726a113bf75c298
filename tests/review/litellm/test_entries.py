"""An entry of `model_list` becomes the fields of a row, and what it cannot say becomes a note."""

from decimal import Decimal as D

import msgspec
import pytest
from support.litellm import FACTS, OWN

from gateway.review.litellm.entries import Defaults, draft_of, missing_in, seconds_of
from gateway.review.litellm.key_refs import KeyRefs
from gateway.review.litellm.values import Findings

OWN_BOX = {"model": "hosted_vllm/x", "api_base": "http://box/v1", "input_cost_per_token": 0, "output_cost_per_token": 0}
BARE = {"provider": "vllm", "base_url": "http://box/v1", "model": "x", "capabilities": ["chat"],
        "price": {"input": D(0), "output": D(0)}}  # fmt: skip
UNSAID = "model_info.supports_*"


NO_DEFAULTS = Defaults()


def read(params, info=None, defaults=NO_DEFAULTS, own=OWN):
    found = Findings()
    entry = {"model_name": "m", "litellm_params": params, "model_info": info or {}}
    draft = draft_of(entry, defaults, KeyRefs([params], found), own, found)
    return draft, [note.key for note in found.notes()]


@pytest.mark.parametrize(
    ("params", "info", "more", "notes"),
    [
        ({}, {}, {}, [UNSAID]),
        ({}, {"supports_vision": False}, {}, []),
        ({}, {"supports_function_calling": True, "supports_vision": True, "supports_reasoning": True},
         {"capabilities": ["chat", "tools", "vision", "reasoning"]}, []),
        ({}, {"supports_vision": True, "supports_pdf_input": True}, {"capabilities": ["chat", "vision"]}, ["model_info.supports_pdf_input"]),
        ({}, {"mode": "embedding"}, {"capabilities": ["embeddings"]}, []),
        ({}, {"mode": "completion"}, {"capabilities": ["completions"]}, []),
        ({}, {"mode": "moderation"}, {"capabilities": ["moderations"]}, []),
        ({"timeout": 30, "stream_timeout": "2.5"}, {"mode": "embedding"},
         {"capabilities": ["embeddings"], "timeout": {"first_byte": "2.5s", "total": "30s"}}, []),
        ({"timeout": "os.environ/T"}, {"supports_vision": False}, {}, ["litellm_params.timeout"]),
        ({"region_name": "eu"}, {"supports_vision": False}, {"region": "eu"}, []),
        ({"region_name": "mars"}, {"supports_vision": False}, {}, ["litellm_params.region_name"]),
        ({}, {"supports_vision": False, "max_input_tokens": 100, "max_output_tokens": "10", "max_tokens": 10},
         {"context": 100, "max_output": 10}, []),
        ({}, {"supports_vision": False, "max_tokens": "many"}, {}, ["model_info.max_tokens"]),
        ({"rpm": 5, "temperature": 1, "odd": 1, "tpm": None}, {"supports_vision": False, "team_id": "t"},
         {}, ["litellm_params.rpm", "litellm_params.temperature", "litellm_params.odd", "model_info.team_id"]),
        ({}, {"supports_vision": False, "blocked": True}, {}, ["model_info.blocked"]),
    ],
)  # fmt: skip
def test_fields(params, info, more, notes):
    draft, noted = read({**OWN_BOX, **params}, info)
    assert (dict(draft.fields), noted) == ({**BARE, **more}, notes)


def test_a_blocked_model_is_suspended_where_the_vocabulary_has_the_word():
    own = msgspec.structs.replace(OWN, words={**OWN.words, "statuses": frozenset({"suspended"})})
    draft, notes = read(OWN_BOX, {"supports_vision": False, "blocked": True}, own=own)
    assert (draft.fields["status"], notes) == ("suspended", [])


def test_what_the_catalog_knows_of_the_same_model_at_the_same_place_is_copied():
    draft, notes = read({"model": "gpt-5.6-sol"})
    assert draft.fields == {
        "provider": "openai", "api_key": "env:OPENAI_API_KEY", "model": "gpt-5.6-sol", "capabilities": ["chat", "tools"],
        "context": 1000, "max_output": 100, "price": "book", **FACTS,
    }  # fmt: skip
    assert (notes, missing_in(draft.fields)) == ([], ())


@pytest.mark.parametrize(
    ("params", "info", "facts"),
    [
        ({"model": "azure/dep", "api_base": "https://r.openai.azure.com"}, {"base_model": "azure/gpt-5.6-sol"},
         {"deployment": "vendor_api", "weights_origin": "us", "licence": "proprietary"}),
        ({"model": "azure/gpt-5.6-sol", "api_base": "https://r.openai.azure.com"}, {}, {"deployment": "vendor_api"}),
        ({"model": "openai/gpt-5.6-sol", "api_base": "http://box/v1"}, {}, {}),
        ({"model": "hosted_vllm/gpt-5.6-sol", "api_base": "http://box/v1"}, {}, {}),
        ({"model": "openrouter/x"}, {}, {"deployment": "vendor_api"}),
    ],
)  # fmt: skip
def test_nothing_is_guessed_of_a_model_elsewhere(params, info, facts):
    draft, _ = read(params, info)
    assert {fact: draft.fields[fact] for fact in FACTS if fact in draft.fields} == facts
    assert missing_in(draft.fields) == tuple(fact for fact in FACTS if fact not in facts)


def test_defaults_and_credentials():
    defaults = Defaults(D(9), D(3), {"c": {"api_base": "http://box/v1", "api_key": "os.environ/C", "odd": 1}})
    draft, notes = read({"model": "hosted_vllm/x", "litellm_credential_name": "c", "timeout": 5}, {}, defaults)
    assert draft.fields["timeout"] == {"first_byte": "3s", "total": "5s"}
    assert (draft.fields["base_url"], draft.fields["api_key"]) == ("http://box/v1", "env:C")
    assert notes == ["litellm_params.input_cost_per_token", UNSAID, "litellm_params.odd"]
    assert "litellm_params.litellm_credential_name" in read({"model": "gpt-5.6-sol", "litellm_credential_name": "d"})[1]


@pytest.mark.parametrize(
    ("params", "info", "note"),
    [
        ({"model": "openai/*"}, {}, "model_list.model_name"),
        ({"model": "cohere/x"}, {}, "litellm_params.model"),
        ({}, {}, "litellm_params.model"),
        ({"model": "openai/x"}, {"mode": "image_generation"}, "model_info.mode"),
        ({"model": "openai/" + "x" * 300}, {}, "litellm_params.model"),
    ],
)
def test_what_is_no_row(params, info, note):
    assert read(params, info) == (None, [note])


@pytest.mark.parametrize(
    ("value", "seconds"), [(5, D(5)), ("0.5", D("0.5")), (0, None), (-1, None), (90_000, None), ("x", None)]
)
def test_seconds(value, seconds):
    assert seconds_of(value) == seconds
