"""A whole config: nothing of it is lost silently, and no secret of it is repeated."""

from hypothesis import given, settings
from hypothesis import strategies as st
from support.litellm import OWN

from gateway.review.litellm import imported
from gateway.review.litellm.reading import config_in, together
from gateway.review.litellm.settings import _TABLE
from gateway.review.litellm.written import files_of

KNOWN = {
    section: [name.replace("*", "x") for names, _ in rows for name in names.split()] for section, rows in _TABLE.items()
}
READ = {
    "litellm_params": ["api_key", "api_base", "timeout", "stream_timeout", "input_cost_per_token", "region_name"],
    "model_info": ["id", "mode", "base_model", "max_tokens", "max_input_tokens", "supports_vision", "output_cost_per_token"],
    "litellm_settings": ["max_budget", "budget_duration", "request_timeout", "model_alias_map", "default_team_settings"],
    "router_settings": ["timeout", "stream_timeout", "model_group_alias", "provider_budget_config"],
    "general_settings": [],
    "": ["credential_list", "environment_variables"],
    "key": ["key_alias", "team_id", "max_budget", "rpm_limit", "models", "blocked", "expires", "spend", "user_id"],
}  # fmt: skip
VALUES = st.sampled_from(
    [
        "hush-hush",
        5,
        True,
        "30d",
        "os.environ/HUSH",
        ["hush-hush"],
        {"a": "hush-hush"},
        [{"team_id": "t", "max_budget": 1}],
    ]
)


def section(name: str, least: int = 0):
    keys = st.sampled_from(KNOWN.get(name, []) + READ[name]) | st.from_regex(r"odd_[a-z]{1,4}", fullmatch=True)
    return st.dictionaries(keys, VALUES, min_size=least, max_size=6)


ENTRY = st.builds(
    lambda name, model, params, info, more: {
        "model_name": name, "litellm_params": {"model": model, **params}, "model_info": info, **more
    },
    st.sampled_from(["m", "n", "sol", "auto"]),
    st.sampled_from(["openai/x", "hosted_vllm/x", "azure/x", "gpt-5.6-sol", "gemini/g"]),
    section("litellm_params"),
    section("model_info").map(lambda info: {**info, "mode": "chat"}),
    st.dictionaries(st.sampled_from(["odd", "tpm"]), VALUES),
)  # fmt: skip
CONFIG = st.builds(
    lambda models, litellm, router, general, top: {
        **top, "model_list": models, "litellm_settings": litellm, "router_settings": router, "general_settings": general
    },
    st.lists(ENTRY, min_size=1, max_size=4),
    section("litellm_settings"),
    section("router_settings"),
    section("general_settings"),
    section(""),
)  # fmt: skip


def paths(config):
    for name, value in config.items():
        if name == "model_list":
            for entry in value:
                yield from (f"model_list.{key}" for key in entry)
                yield from (f"{part}.{key}" for part in ("litellm_params", "model_info") for key in entry[part])
        elif name.endswith("_settings") and isinstance(value, dict) and name in READ:
            yield from (f"{name}.{key}" for key in value)
        else:
            yield name


@settings(max_examples=60)
@given(CONFIG)
def test_every_key_is_carried_over_or_noted(config):
    found = imported(together(config, []), [], OWN, "2026-11-22")
    told = {*found.carried, *(note.key for note in found.notes)}
    assert [path for path in paths(config) if path not in told] == []


@settings(max_examples=60)
@given(section("key", 1))
def test_every_field_of_a_key_is_carried_over_or_noted(key):
    found = imported({"model_list": []}, [key], OWN, "2026-11-22")
    told = {*found.carried, *(note.key for note in found.notes)}
    lost = [name for name in key if f"key.{name}" not in told]
    assert lost == [] or not found.commands or lost == ["user_id"]  # which is the team where there is none


@settings(max_examples=60)
@given(CONFIG)
def test_no_value_that_may_be_a_secret_is_repeated(config):
    for entry in config["model_list"]:
        entry["model_info"].pop("id", None)  # a name that clients may ask for
    found = imported(config, [], OWN, "2026-11-22")
    assert "hush-hush" not in "".join(files_of(found).values())


def test_a_config_of_nothing_but_models_is_carried_over_without_a_note():
    config = config_in(
        b"""
        model_list:
          - model_name: m
            litellm_params: {model: openai/gpt-5.6-sol, api_key: os.environ/OPENAI_API_KEY, timeout: 60}
          - model_name: m
            litellm_params: {model: hosted_vllm/x, api_base: http://box/v1, input_cost_per_token: 0, output_cost_per_token: 0}
            model_info: {supports_function_calling: true}
        """
    )
    found = imported(together(config, []), [], OWN, "2026-11-22")
    assert found.notes == ()
    assert [row.id for row in found.rows] == ["m/openai", "m/vllm"]
    assert (found.names, found.open) == (("OPENAI_API_KEY",), ("m/vllm",))
