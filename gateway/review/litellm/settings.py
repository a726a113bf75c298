"""What each setting of LiteLLM is here, where it becomes no row, budget or key: why, and what to do instead."""

from collections.abc import Iterable, Mapping

from gateway.review.litellm.values import Findings

_UNKNOWN = (
    "this import does not know it",
    "Look up what it does at LiteLLM; nothing here does it because of this key.",
)

_FALLBACKS = (
    "there is no list of fallbacks: all backends behind a name that the policy permits are the list, in order of cost",
    (
        "Give the models that may stand in for each other a common `aliases` entry in the catalog, and let clients ask"
        " for that name; or let them ask for `auto`. `gateway policy explain` shows the order."
    ),
)
_RETRIES = (
    "a backend is asked once; a retry is the next backend behind the same name, decided by the policy anew",
    "Put a second backend behind the name. How many calls a request may take is bounded by itself.",
)
_ROUTING = (
    "what is permitted is ordered by cost, nothing else; a backend that fails is left out for a while by itself",
    "Nothing, if the cheapest first is what you want; else see `prefer` and `forbid` in policies/.",
)
_CACHE = (
    "answers are not cached: a request is answered by a model",
    "Cache in the application, or let the provider cache.",
)
_CALLBACKS = (
    "no text leaves to a callback: each call leaves one record in the ledger, in /metrics and in the log",
    "Scrape /metrics with Prometheus, and read `gateway spend` (table, json, csv).",
)
_LOGS = ("prompts and answers are never kept or logged, and the log is JSON, one line for each request", "Nothing.")
_PARAMETERS = (
    "a request is passed on byte for byte: defaults for its parameters are not put in",
    "Set the parameter in the application. A bound on answers is `require: {do: [max_output_tokens: N]}` in a policy.",
)
_GUARDRAILS = (
    "what may leave is decided by the scanner of this gateway and by policies",
    (
        "See sensitivity.yaml, `gateway scan FILE`, and `require: {do: [redact: [secret], rescan]}` and `scan_answer`"
        " in policies/."
    ),
)
_AUTH = (
    "callers have keys of this gateway, administrators its files and its command line",
    "Create keys with `gateway keys create`; put an authenticating proxy in front for anything else.",
)
_DATABASE = (
    "LiteLLM's database is not read: what it holds of models, keys, teams and spend stays there",
    (
        "Give the answer of LiteLLM's GET /key/list?return_full_object=true as `--keys FILE`. Here keys and"
        " the ledger are in the state directory, or in PostgreSQL (GATEWAY_DATABASE_URL, a database of its own)."
    ),
)
_REDIS = (
    "one gateway needs none; several share budgets and rates on one Valkey or Redis server",
    "Set GATEWAY_VALKEY_URL and GATEWAY_DATABASE_URL when you run several.",
)
_ALERTS = (
    "the gateway sends no messages",
    "Alert in Prometheus on its /metrics (failures, budgets, `gateway_ledger_lag_seconds`).",
)
_PARALLEL = (
    "calls side by side are not limited by configuration",
    "Give keys, apps or teams a rate: `gateway budgets set --app NAME --rpm N --tpm N`.",
)
_BACKEND_RATE = (
    "rates are of keys, apps and teams, not of a backend; one that answers 429 is left out for as long as it says",
    "Give the keys, apps or teams that use it a rate: `gateway budgets set --app NAME --rpm N --tpm N`.",
)
_USERS = (
    "there are no users: budgets are of a key, app, team, project, provider, or of everyone",
    (
        "Make a key for each user (`--team TEAM --app USER --budget-usd X --per month`), or set a budget for each app"
        " with `gateway budgets set --app '*' --usd X --per month`."
    ),
)
_KEY_DEFAULTS = (
    "a key has no defaults: what it may is said when it is made",
    "Give `gateway keys create` its options, or set `gateway budgets set --key '*' --usd X --per day` for each key.",
)
_ACCESS = (
    "who may use a backend is a matter of policy",
    "Write a rule: `forbid: {when: {team: {not: [TEAM]}}, to: {backend: [ROW]}}`.",
)
_TAGS = (
    "requests are not routed by tags",
    "Use `x-gateway-purpose` and `x-gateway-project`, and rules with `when: {purpose: ...}` or `when: {project: ...}`.",
)
_HEADERS = (
    "no further headers are sent to a backend",
    "If the server needs them, put a proxy before it that adds them.",
)
_SURFACE = ("this gateway has no such surface", "Leave it at LiteLLM, or call it directly.")
_PRICE = (
    "the price here is USD per million tokens, with `tiers` for long prompts and `services`; other units have no place",
    "Check the row's `price`, and add `tiers` or `services` by hand where the provider charges so.",
)
_CREDENTIALS = (
    "a backend has one key, sent as a bearer token or as its provider wants it",
    "Put a key or token that the provider takes so into the variable of the row's `api_key`, and renew it there.",
)
_FEATURE = ("it is no capability that requests here are checked for", "Nothing.")
_NOT_SAID = ("it says nothing that this gateway asks", "Nothing.")
_TRANSPORT = (
    "the connection to backends is not configured",
    "Set the row's `timeout` where it is too short or too long.",
)
_BOUND = ("bodies have a bound of their own", "Set GATEWAY_MAX_BODY_BYTES.")
_HEALTH = ("a backend is judged by its own answers, no probes are sent", "Nothing; /readyz and /metrics tell.")
_BATCH = ("how the ledger is written is not configured: nothing that was answered is lost", "Nothing.")

_TABLE: Mapping[str, tuple[tuple[str, tuple[str, str]], ...]] = {
    "": (
        ("environment_variables", (
            "the config is no place for secrets, and their values are not repeated here",
            "Set the variables that rows take their keys from in the gateway's environment, or write `file:PATH`.",
        )),
        ("guardrails policies policy_attachments prompts", _GUARDRAILS),
        ("callback_settings", _CALLBACKS),
        (("mcp_servers mcp_tools mcp_semantic_tool_filter vector_store_registry search_tools finetune_settings"
         " files_settings assistant_settings agents agent_list sandbox_tools pass_through_endpoints"), _SURFACE),
        ("worker_registry", _HEALTH),
        ("litellm_jwtauth", _AUTH),
        ("cache_params", _CACHE),
    ),
    "litellm_settings": (
        ("drop_params additional_drop_params modify_params allowed_openai_params", (
            "a backend that lacks what a request needs is not asked; `x-gateway-dropped` tells what else is not sent",
            "See that `capabilities` of each row is right; a request that nobody can serve is answered with 400.",
        )),
        ("fallbacks context_window_fallbacks content_policy_fallbacks default_fallbacks", _FALLBACKS),
        ("num_retries allowed_fails cooldown_time num_retries_per_request", _RETRIES),
        ("cache cache_params enable_caching_on_provider_specific_optional_params caching caching_with_models", _CACHE),
        (("success_callback failure_callback callbacks service_callbacks langfuse_* langsmith_* prometheus_* otel*"
         " custom_prometheus_* enable_end_user_cost_tracking* disable_end_user_cost_tracking* s3_callback_params"
         " gcs_* datadog_* callback_settings audit_log_callbacks store_audit_logs generic_logger_headers"
         " enable_loadbalancing_on_batch_endpoints require_auth_for_metrics_endpoint aws_sqs_callback_params"),
         _CALLBACKS),
        (("turn_off_message_logging redact_* set_verbose json_logs log_raw_request_response suppress_debug_info"
         " verbose_logger detailed_debug *_logging"), _LOGS),
        (("guardrails guardrail* presidio_* output_parse_pii pii_masking banned_keywords_list blocked_user_list"
         " llamaguard_* google_moderation_confidence_threshold openai_moderations*"), _GUARDRAILS),
        (("max_end_user_budget* max_user_budget max_internal_user_budget internal_user_budget_duration"
         " default_internal_user_params default_max_internal_user_budget default_end_user_*"), _USERS),
        (("default_key_generate_params upperbound_key_generate_params key_generation_settings"
         " default_key_budget* enable_key_alias_format_validation default_team_params"), _KEY_DEFAULTS),
        ("max_parallel_requests default_max_parallel_requests", _PARALLEL),
        ("force_ipv4 ssl_* client_ttl aiohttp_* disable_aiohttp* network_mock use_aiohttp* user_url_*", _TRANSPORT),
        ("default_team_settings", _ACCESS),
        ("request_timeout", ("it is no number of seconds up to a day", "Write the rows' `timeout`.")),
        ("budget_duration", ("there is no `max_budget` beside it", "Nothing.")),
        ("model_alias_map", ("it has no fields", "Write `aliases` into the rows.")),
        ("public_* *_model_groups model_group_*", _ACCESS),
        ("tag_budget_config tag_* extra_spend_tag_headers", _TAGS),
        ("mcp_* vector_store* search_* image_* disable_copilot* use_chat_completions*", _SURFACE),
        ("custom_provider_map", (
            "providers are part of the gateway: code of a config is not run",
            "Put the provider behind an OpenAI-compatible server, and give it a row (`provider: openai-compatible`).",
        )),
        ("forward_traceparent_to_llm_provider return_response_headers add_function_to_prompt", _HEADERS),
        ("api_base api_key organization", _CREDENTIALS),
        ("credential_list", _CREDENTIALS),
    ),
    "router_settings": (
        ("fallbacks context_window_fallbacks content_policy_fallbacks default_fallbacks max_fallbacks", _FALLBACKS),
        ("num_retries max_retries retry_* allowed_fails* cooldown_time disable_cooldowns model_group_retry_policy",
         _RETRIES),
        (("routing_strategy* routing_groups weights enable_pre_call_check* optional_pre_call_checks default_priority"
         " polling_interval ignore_invalid_deployments deployment_affinity* model_group_affinity_config"
         " enable_health_check_routing health_check_*"), _ROUTING),
        ("redis_*", _REDIS),
        ("cache_responses cache_kwargs caching_groups", _CACHE),
        ("enable_tag_filtering tag_* ", _TAGS),
        ("default_max_parallel_requests", _PARALLEL),
        ("default_litellm_params", _PARAMETERS),
        ("set_verbose debug_level", _LOGS),
        ("client_ttl", _TRANSPORT),
        ("alerting_config", _ALERTS),
        ("guardrail_list", _GUARDRAILS),
        ("assistants_config search_tools", _SURFACE),
        ("timeout stream_timeout", ("it is no number of seconds up to a day", "Write the rows' `timeout`.")),
        ("model_group_alias", ("it has no fields", "Write `aliases` into the rows.")),
        ("provider_budget_config", ("it has no fields", "Use `gateway budgets set --provider NAME`.")),
    ),
    "general_settings": (
        ("master_key", (
            "there is no key that may do everything: who may use the files of the gateway may administrate it",
            "Create keys for applications with `gateway keys create`. The value was not taken over anywhere.",
        )),
        (("database_* disable_prisma* store_model_in_db supported_db_objects use_redis_transaction_buffer"
         " allow_requests_on_db_unavailable disable_adding_master_key_hash_to_db"), _DATABASE),
        ("max_parallel_requests global_max_parallel_requests disable_retry_on_max_parallel_request_limit_error",
         _PARALLEL),
        ("alerting* alert_* spend_report_frequency slack_* email_* enable_email*", _ALERTS),
        ("maximum_spend_logs_retention_*", (
            "how long single calls are kept is a setting of the gateway",
            "Set GATEWAY_RETENTION_DAYS; older calls are folded into sums by the hour.",
        )),
        (("disable_spend_* proxy_batch_* proxy_budget_* disable_reset_budget user_api_key_cache_ttl"
         " disable_error_logs enable_spend_*"), _BATCH),
        ("store_prompts_in_spend_logs", _LOGS),
        ("background_health_check* health_check_* enable_health_check_routing", _HEALTH),
        ("max_request_size_mb max_response_size_mb", _BOUND),
        ("completion_model embedding_model moderation_model image_generation_model infer_model_from_keys", (
            "a request names its model, or `auto`, which stands for everything that the policy permits",
            "Let applications name a model or an alias; `auto` is the cheapest that may serve.",
        )),
        (("custom_auth* custom_sso custom_key_* enable_jwt_auth litellm_jwtauth enable_oauth2* oauth2_* allow_user_auth"
         " ui_* litellm_license litellm_key_header_name admin_only_routes public_routes allowed_routes allowed_ips"
         " default_team_disabled disable_master_key_return service_account_settings role_permissions"
         " enforce_* enforced_params user_header_* trusted_proxy_ranges use_x_forwarded_for key_management_*"
          " use_azure_key_vault"
         " use_google_kms team_* control_plane_url disable_admin_* require_*"), _AUTH),
        ("allow_client_side_credentials configurable_clientside_auth_params", (
            "a request cannot redirect a call: `api_base` or a key in it is answered with 400",
            "Write a row for each server.",
        )),
        ("forward_* ", _HEADERS),
        (("pass_through_endpoints use_client_credentials_pass_through_routes mcp_* user_mcp_* enable_mcp_*"
         " disable_responses_id_security"), _SURFACE),
        ("reject_clientside_metadata_tags", _TAGS),
    ),
    "litellm_params": (
        ("rpm tpm itpm otpm default_api_key_*_limit", _BACKEND_RATE),
        ("max_parallel_requests", _PARALLEL),
        ("weight order cooldown_time provider_affinity_header", _ROUTING),
        ("max_retries num_retries", _RETRIES),
        ("max_budget budget_duration", (
            "budgets are of keys, apps, teams, projects, providers and zones, not of a backend",
            ("Give the row a `zone` of its own and limit each zone (`limit: {usd: X, per: zone, window: day}`), or set"
            " one for the provider with `gateway budgets set --provider NAME --usd X --per day`."),
        )),
        ("fallbacks context_window_fallbacks", _FALLBACKS),
        ("drop_params additional_drop_params modify_params allowed_openai_params", (
            "a backend that lacks what a request needs is not asked; `x-gateway-dropped` tells what else is not sent",
            "See that `capabilities` of the row is right.",
        )),
        ("tags tag_regex", _TAGS),
        ("api_version", (
            "the base URL of Azure here is its `/openai/v1`, which takes no version",
            "Nothing; see that the resource offers it.",
        )),
        ("organization extra_headers headers default_headers forward_*", _HEADERS),
        (("extra_body temperature top_p top_k max_tokens max_completion_tokens stop seed user n stream stream_options"
         " presence_penalty frequency_penalty response_format reasoning_effort thinking tools tool_choice logit_bias"
         " metadata service_tier verbosity dimensions encoding_format keep_alive num_ctx safety_settings"
         " merge_reasoning_content_in_choices chat_template* prompt_id prompt_* cache_control_injection_points"),
         _PARAMETERS),
        (("aws_* azure_ad_token* azure_* tenant_id client_id client_secret vertex_* s3_* watsonx_* use_xai_oauth"
         " litellm_credential_name"), _CREDENTIALS),
        ("region_name", (
            "a region is a word of vocabulary.yaml, and this one is not in it",
            "Write the row's `region`, after you added the word if need be.",
        )),
        ("guardrails", _GUARDRAILS),
        ("mock_response mock_*", ("answers come from models", "Leave the row out, or point it to a test server.")),
        ("configurable_clientside_auth_params use_in_pass_through allow_client_keepalive_override", (
            "a request cannot redirect a call: `api_base` or a key in it is answered with 400",
            "Write a row for each server.",
        )),
        ("*_cost_per_* *_cost *_cost_*", _PRICE),
        ("auto_router_* complexity_router_* adaptive_router_* quality_router_*", _ROUTING),
        ("keepalive_seconds ssl_verify client", _TRANSPORT),
        ("timeout stream_timeout", ("it is no number of seconds up to a day", "Write the row's `timeout`.")),
        ("cache caching ttl", _CACHE),
        ("use_litellm_proxy use_chat_completions_api litellm_trace_id max_file_size_mb", _NOT_SAID),
        ("vector_* milvus_* valkey_* gcs_* bucket_name", _SURFACE),
    ),
    "model_info": (
        ("access_groups team_id team_* access_via_team_ids access_windows tier blocked discoverable", _ACCESS),
        ("supports_*", _FEATURE),
        ("max_tokens max_input_tokens max_output_tokens", (
            "it is no whole number of tokens", "Write the row's `context` and `max_output`.",
        )),
        ("*_cost_per_* *_cost *_cost_* ptu_*", _PRICE),
        (("litellm_provider key metadata db_model created_* updated_* description version supported_* source"
         " deprecation_date tpm rpm max_images_per_prompt output_vector_size internal_router_model"
         " health_check_* disable_background_health_check allow_fail_open enable_tag_filtering member_auto_router"
         " mode base_model"), _NOT_SAID),
    ),
    "key": (
        ("max_parallel_requests tpm_limit_type rpm_limit_type model_rpm_limit model_tpm_limit", _PARALLEL),
        ("model_max_budget soft_budget budget_limits budget_fallbacks", (
            "a key has one hard budget for each window",
            "Set further ones with `gateway budgets set --key ID --usd X --per day`; `--soft` counts and tells.",
        )),
        ("metadata config router_settings", _NOT_SAID),
        ("tags aliases permissions allowed_* guardrails policies prompts object_permission* access_group*",
         _ACCESS),
        ("user_id user user_* organization_id project_id agent_id budget_id litellm_budget_table", _USERS),
        ("auto_rotate rotation_* key_rotation_at last_rotation_at", (
            "keys are not rotated by themselves",
            "Make a new key, hand it out, then `gateway keys revoke ID`.",
        )),
    ),
}  # fmt: skip
"""By section: names (`*` stands for anything), and what there is to say. The first that fits counts."""


def said_of(section: str, key: str) -> tuple[str, str]:
    """Why a key is not carried over, and what to do."""
    for names, said in _TABLE.get(section, ()):
        if any(_fits(pattern, key) for pattern in names.split()):
            return said
    return _UNKNOWN


def _fits(pattern: str, key: str) -> bool:
    first, *between, last = pattern.split("*") if "*" in pattern else (pattern, pattern)
    if "*" not in pattern:
        return key == pattern
    if not (key.startswith(first) and key.endswith(last) and len(key) >= len(first) + len(last)):
        return False
    return all(part in key[len(first) :] for part in between)


def note_rest(found: Findings, section: str, keys: Iterable[str], *where: str) -> None:
    """Notes keys of a section that nothing was made of."""
    for key in keys:
        found.note(f"{section}.{key}" if section else key, *said_of(section, key), *where)
