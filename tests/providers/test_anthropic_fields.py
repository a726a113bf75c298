"""Every field of a chat completion has its place."""

from gateway.core.chat import OPTIONAL
from gateway.providers.anthropic_fields import HARMLESS, HOSTED, KNOWN, LACKING, NOT_OURS, OWN, TOLD, TRANSLATED

OPENAI_FIELDS = """model messages max_completion_tokens max_tokens temperature top_p presence_penalty frequency_penalty n
 stop seed logit_bias logprobs top_logprobs reasoning_effort verbosity response_format tools tool_choice
 parallel_tool_calls functions function_call stream stream_options modalities audio prediction web_search_options
 service_tier store metadata user safety_identifier prompt_cache_key prompt_cache_options prompt_cache_retention
 moderation""".split()
TABLES = (TRANSLATED, HARMLESS.keys(), TOLD.keys(), LACKING.keys(), OWN, NOT_OURS.keys())


def test_every_field_of_openai_is_in_exactly_one_table():
    counted = {name: sum(name in table for table in TABLES) for name in (*OPENAI_FIELDS, *OPTIONAL)}
    assert {name: times for name, times in counted.items() if times != 1} == {}


def test_no_field_is_in_two_tables():
    assert sum(len(table) for table in TABLES) == len(KNOWN)


def test_what_is_lacking_asks_for_something():
    assert LACKING.keys() <= OPTIONAL.keys()
    assert TOLD.keys() <= OPTIONAL.keys()
    assert HOSTED.keys() <= OWN
