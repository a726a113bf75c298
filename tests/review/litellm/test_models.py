"""`model_list` becomes rows with ids, aliases and defaults."""

import pytest
from support.litellm import OWN

from gateway.review.litellm.models import rows_of
from gateway.review.litellm.values import Findings

BOX = {"model": "hosted_vllm/x", "api_base": "http://box/v1", "input_cost_per_token": 0, "output_cost_per_token": 0}
PLAIN = {"supports_vision": False}


def read(config):
    found = Findings()
    return rows_of(config, OWN, found), [note.key for note in found.notes()]


def entry(name, **params):
    return {"model_name": name, "litellm_params": {**BOX, **params}, "model_info": PLAIN}


def test_entries_of_one_name_are_a_group():
    rows, notes = read({"model_list": [entry("m"), entry("m", model="ollama/y"), entry("x")]})
    assert [(row.id, row.fields.get("aliases"), row.fields.get("model")) for row in rows.rows] == [
        ("m/vllm", ["m"], "x"), ("m/ollama", ["m"], "y"), ("x", None, None)
    ]  # fmt: skip
    assert rows.behind == {"m": ("m/vllm", "m/ollama"), "x": ("x",)}
    assert (rows.open, notes) == (("m/vllm", "m/ollama", "x"), [])


@pytest.mark.parametrize(
    ("more", "timeout", "used"),
    [
        ({"litellm_settings": {"request_timeout": 60}}, {"total": "60s"}, {"request_timeout"}),
        ({"router_settings": {"timeout": 30, "stream_timeout": 5}, "litellm_settings": {"request_timeout": 60}},
         {"first_byte": "5s", "total": "30s"}, {"request_timeout", "timeout", "stream_timeout"}),
        ({"router_settings": {"timeout": "x"}}, None, set()),
    ],
)  # fmt: skip
def test_timeouts_of_all(more, timeout, used):
    rows, _ = read({"model_list": [entry("m")], **more})
    assert rows.rows[0].fields.get("timeout") == timeout
    assert rows.used["litellm_settings"] | rows.used["router_settings"] == used


def test_aliases():
    config = {
        "model_list": [entry("m")],
        "router_settings": {"model_group_alias": {"a": "m"}},
        "litellm_settings": {"model_alias_map": {"b": "m", "c": "nothing"}},
    }
    rows, notes = read(config)
    assert rows.rows[0].fields["aliases"] == ["a", "b"]
    assert rows.behind == {"m": ("m",), "a": ("m",), "b": ("m",)}
    assert notes == ["litellm_settings.model_alias_map"]


def test_credentials_are_read():
    values = {"credential_name": "c", "credential_values": {"api_base": "http://other/v1"}}
    named = {"model_name": "m", "litellm_params": {"model": "hosted_vllm/x", "litellm_credential_name": "c"}}
    rows, _ = read({"model_list": [named], "credential_list": [values, 3]})
    assert (rows.rows[0].fields["base_url"], rows.used[""]) == ("http://other/v1", {"model_list", "credential_list"})


def test_a_row_that_is_there_is_not_written_again():
    there = {"model_name": "sol", "litellm_params": {"model": "gpt-5.6-sol"}}
    rows, notes = read({"model_list": [there]})
    assert (rows.rows, notes, rows.behind) == ((), ["model_list.model_name"], {"sol": ("sol",)})
    rows, _ = read({"model_list": [there, entry("sol")]})
    assert ([row.id for row in rows.rows], rows.behind) == (["sol/vllm"], {"sol": ("sol", "sol/vllm")})
    rows, _ = read(
        {"model_list": [{**there, "litellm_params": {"model": "gpt-5.6-sol", "api_key": "os.environ/MINE"}}]}
    )
    assert [row.id for row in rows.rows] == ["sol/openai"]


@pytest.mark.parametrize(
    "odd", [3, {}, {"model_name": "m"}, {"model_name": "m", "litellm_params": 1}, {**entry("m"), "model_info": [1]}]
)
def test_what_is_no_entry(odd):
    assert read({"model_list": [odd]})[1] == ["model_list"]


def test_further_keys_of_an_entry_are_noted():
    assert read({"model_list": [{**entry("m"), "odd": 1}]})[1] == ["model_list.odd"]
