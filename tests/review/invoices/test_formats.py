"""One export of each kind, in the columns that the provider writes."""

import json

import pytest

from gateway.core.day import day_of
from gateway.core.reconcile import Invoice, Theirs
from gateway.review.invoices import invoice_of
from gateway.review.invoices.formats import FORMATS
from gateway.review.invoices.rows import Unreadable

FIRST = day_of("2026-11-01")
T = FIRST * 86_400
CENT = 10**10

OPENAI_COSTS = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": T,
            "end_time": T + 86_400,
            "results": [
                {
                    "object": "organization.costs.result",
                    "amount": {"value": value, "currency": "usd"},
                    "line_item": item,
                    "project_id": None,
                }
                for item, value in (
                    ("gpt-5.6-sol-2026-09-01, input", 0.05),
                    ("gpt-5.6-sol-2026-09-01, cached input", 0.01),
                    ("priority | gpt-5.6-sol, output, long context", "0.02"),
                    ("gpt-audio-mini-2025-12-15 audio, input", 0.03),
                    ("web search tool calls", 0.1),
                )
            ],
        },
        {"object": "bucket", "start_time": T + 86_400, "end_time": T + 2 * 86_400, "results": []},
    ],
    "has_more": False,
    "next_page": None,
}
OPENAI_USAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": T,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1000,
                    "output_tokens": 500,
                    "input_cached_tokens": 800,
                    "num_model_requests": 5,
                    "model": "gpt-5.6-sol-2026-09-01",
                }
            ],
        }
    ],
    "has_more": False,
}
ANTHROPIC_COSTS = {
    "data": [
        {
            "starting_at": "2026-11-01T00:00:00Z",
            "ending_at": "2026-11-02T00:00:00Z",
            "results": [
                {"currency": "USD", "amount": "123.45", "model": "claude-opus-5", "token_type": "output_tokens"},
                {"currency": "USD", "amount": "7", "model": None, "cost_type": "web_search", "token_type": None},
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_USAGE = {
    "data": [
        {
            "starting_at": "2026-11-01T00:00:00Z",
            "results": [
                {
                    "model": "claude-opus-5",
                    "uncached_input_tokens": 1,
                    "cache_creation": {"ephemeral_1h_input_tokens": 20, "ephemeral_5m_input_tokens": 300},
                    "cache_read_input_tokens": 4000,
                    "output_tokens": 50_000,
                    "server_tool_use": {"web_search_requests": 10},
                }
            ],
        }
    ],
    "has_more": False,
}
OPENROUTER_ACTIVITY = {
    "data": [
        {
            "date": "2026-11-01 00:00:00",
            "model": "openai/gpt-4.1",
            "model_permaslug": "openai/gpt-4.1-2025-04-14",
            "endpoint_id": "e",
            "provider_name": "OpenAI",
            "usage": 0.015,
            "byok_usage_inference": 0.012,
            "requests": 5,
            "prompt_tokens": 50,
            "completion_tokens": 125,
            "reasoning_tokens": 25,
        }
    ]
}


def csv(*lines):
    return "\n".join(lines).encode()


CASES = {
    "openai costs API": (
        json.dumps(OPENAI_COSTS).encode(),
        ("openai", "pico_usd", 1),
        [("gpt-5.6-sol-2026-09-01", 5 * CENT), ("gpt-5.6-sol-2026-09-01", CENT), ("gpt-5.6-sol", 2 * CENT),
         ("gpt-audio-mini-2025-12-15", 3 * CENT), ("web search tool calls", 10 * CENT)],
    ),
    "openai costs csv": (
        csv("start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id",
            f"{T},{T + 86400},2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00,0.8958740000000000,usd,,",
            f"{T + 86400},{T + 172800},2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00,,,,"),
        ("openai", "pico_usd", 1),
        [("", 895_874_000_000)],
    ),
    "openai completions usage, API or csv": (
        json.dumps(OPENAI_USAGE).encode(), ("openai", "tokens", 0), [("gpt-5.6-sol-2026-09-01", 1500)],
    ),
    "anthropic cost report API": (
        json.dumps(ANTHROPIC_COSTS).encode(),
        ("anthropic", "pico_usd", 0),
        [("claude-opus-5", 1_234_500_000_000), ("", 7 * CENT)],
    ),
    "anthropic cost csv": (
        csv("usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd",
            "2026-11-01,Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.05,0.06",
            "2026-11-02,Claude Haiku 4.5,Default,k,message,≤ 200k,output,0.02,0.02"),
        ("anthropic", "pico_usd", 1),
        [("Claude Haiku 4.5", 5 * CENT), ("Claude Haiku 4.5", 2 * CENT)],
    ),
    "anthropic messages usage API": (
        json.dumps(ANTHROPIC_USAGE).encode(), ("anthropic", "tokens", 0), [("claude-opus-5", 54_321)],
    ),
    "anthropic usage csv": (
        csv("usage_date_utc,model_version,api_key,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
            "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count",
            "2026-11-01,claude-opus-5,k,1,20,300,4000,50000,9"),
        ("anthropic", "tokens", 0),
        [("claude-opus-5", 54_321)],
    ),
    "openrouter activity API": (
        json.dumps(OPENROUTER_ACTIVITY).encode(),
        ("openrouter", "pico_usd", 0),
        [("openai/gpt-4.1", 15 * 10**9)],
    ),
    "openrouter activity csv": (
        csv("generation_id,created_at,cost_total,cost_cache,byok_usage_inference,tokens_prompt,tokens_completion,"
            "tokens_reasoning,model_permaslug,provider_name",
            "gen-1,2026-11-01 18:54:30.040,0.25,0,0,50,125,25,openai/gpt-4.1-2025-04-14,OpenAI"),
        ("openrouter", "pico_usd", 0),
        [("openai/gpt-4.1-2025-04-14", 25 * CENT)],
    ),
    " costs, csv or JSON": (
        csv("Date,Provider,Model,Input Tokens,Output-Tokens,Cost USD", "2026-11-01,mistral,mistral-large,5,6,$0.25"),
        ("mistral", "pico_usd", 0),
        [("mistral-large", 25 * CENT)],
    ),
    " tokens, csv or JSON": (
        csv("day,provider,model_id,prompt_tokens,completion_tokens", "2026-11-01,mistral,mistral-large,5,6"),
        ("mistral", "tokens", 0),
        [("mistral-large", 11)],
    ),
}  # fmt: skip


def test_every_format_has_its_case():
    assert CASES.keys() == {f"{format.provider} {format.name}" for format in FORMATS}


@pytest.mark.parametrize("name", CASES)
def test_an_export_is_read(name):
    content, (provider, measure, days), lines = CASES[name]
    found = invoice_of([("export", content)], None)
    assert (found.provider, found.measure, found.first, found.last) == (provider, measure, FIRST, FIRST + days)
    assert [(line.model, line.amount) for line in found.lines] == lines


PLAIN = csv("date,model,input_tokens,output_tokens,cost_usd", "2026-11-01,m,1,2,0.01")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "mistral"])
def test_a_plain_table_is_whose_the_caller_says(provider):
    assert invoice_of([("f", PLAIN)], provider) == Invoice(
        provider, "pico_usd", (Theirs(FIRST, "m", CENT),), FIRST, FIRST
    )


def test_an_export_may_come_in_pieces():
    other = csv("date,model,cost_usd", "2026-11-05,m,0.02")
    found = invoice_of([("a", PLAIN), ("b", other)], "mistral")
    assert ([line.amount for line in found.lines], found.last) == ([CENT, 2 * CENT], FIRST + 4)


@pytest.mark.parametrize(
    ("files", "provider", "said"),
    [
        ([PLAIN], None, "f0: say whose it is: by --provider"),
        ([PLAIN], "generic", "say whose it is"),
        ([csv("a,b", "1,2")], "anthropic",
         ("f0: no known export has these columns: a, b\nwanted are those of one of:\n"
          "  anthropic, cost report API: starting_at, model, amount\n  anthropic, cost csv: usage_date_utc, model, cost")),
        ([CASES["openai costs API"][0]], "anthropic", "no known export has these columns: object, start_time"),
        ([csv("a,b")], None, "it has no rows"),
        ([PLAIN, csv("date,model,input_tokens,output_tokens", "2026-11-01,m,1,2")], "openai",
         r"several kinds \(openai: costs, openai: tokens\)"),
        ([CASES["openai costs API"][0], CASES["anthropic cost csv"][0]], None, "several kinds"),
        ([csv("date,model,cost,currency", "2026-11-01,m,1,EUR")], "x", "it is in EUR"),
        ([csv("date,model,cost", "2026-11-01,m,one")], "x", "`one` is no amount"),
        ([csv("date,model,cost", "Total,,5")], "x", "`Total` is no date"),
        ([csv("date,model,cost", "2026-11-01,m,")], "x", "f0: m on 2026-11-01 has no `cost`; write 0"),
        ([csv("date,model,cost", "2026-11-01,,")], "x", r"\(no model\) on 2026-11-01 has no `cost`"),
        # one column is meant, not whichever has something in it
        ([csv("date,model,cost,amount", "2026-11-01,m,1,1", "2026-11-02,m,,9")], "x", "m on 2026-11-02 has no `cost`"),
        ([b'[{"date": "2026-11-01", "model": "m", "cost": 1}, {"date": "2026-11-02", "model": "m", "amount": 9}]'], "x",
         "m on 2026-11-02 has no `cost`"),
        ([PLAIN, csv("date,model,cost_usd", "2026-11-02,m,1", "2026-11-01,M-2026-10-10,3")], "x",
         "f0 and f1 both have M-2026-10-10 on 2026-11-01, which would count twice"),
        ([csv("date,model,cost", "1793491200000,m,1")], "x", "f0: `1793491200000` is no date in UTC"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(files, provider, said):
    with pytest.raises(Unreadable, match=said):
        invoice_of([(f"f{at}", content) for at, content in enumerate(files)], provider)
