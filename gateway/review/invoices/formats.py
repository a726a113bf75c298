"""Exports of providers, one row each: which columns they have, and what these mean.

Columns are told by name, alternatives in order of preference. Names are those of `rows.read`: lower case, `_` between
words, and `a.b` for what is nested in JSON.
"""

import re
from collections.abc import Callable

import msgspec

_OPENAI_LINE = re.compile(r"(?:[^|]*\| *)?([^\s,]+)[^,]*,")
"""`priority | gpt-5.6-sol, output, long context`: the tier, the model, what of it."""

_DAY = ("date", "day", "usage_date", "usage_date_utc", "timestamp", "created_at")
_MODEL = ("model", "model_name", "model_id")


def _as_written(name: str) -> str:
    return name


def _of_line_item(item: str) -> str:
    """The model of an OpenAI line item; one of another kind, such as `web search tool calls`, stays as it is."""
    found = _OPENAI_LINE.match(item)
    return found[1] if found else item


class Format(msgspec.Struct, frozen=True):
    """An export. `provider` is whose it is, empty: anyone's, and then the column `whose` may say.

    `cost` is USD, or cents. An export without costs has `tokens`, which are disjoint, so they add up.
    """

    name: str
    provider: str
    day: tuple[str, ...]
    model: tuple[str, ...]
    cost: tuple[str, ...] = ()
    cents: bool = False
    currency: tuple[str, ...] = ()
    tokens: tuple[tuple[str, ...], ...] = ()
    whose: tuple[str, ...] = ()
    model_of: Callable[[str], str] = _as_written

    @property
    def wanted(self) -> tuple[tuple[str, ...], ...]:
        """Columns without which it is not this export: one of each."""
        return (self.day, self.model, *([self.cost] if self.cost else self.tokens))


FORMATS = (
    Format(
        "costs API",
        "openai",
        day=("start_time",),
        model=("line_item",),
        cost=("amount.value",),
        currency=("amount.currency",),
        model_of=_of_line_item,
    ),
    Format(
        "costs csv",
        "openai",
        day=("start_time_iso", "start_time"),
        model=("line_item",),
        cost=("amount_value",),
        currency=("amount_currency",),
        model_of=_of_line_item,
    ),
    Format(
        "completions usage, API or csv",
        "openai",
        day=("start_time_iso", "start_time"),
        model=("model",),
        tokens=(("input_tokens",), ("output_tokens",)),
    ),
    Format("cost report API", "anthropic", day=("starting_at",), model=("model",), cost=("amount",), cents=True,
           currency=("currency",)),
    Format("cost csv", "anthropic", day=("usage_date_utc",), model=("model",), cost=("cost_usd",)),
    Format(
        "messages usage API",
        "anthropic",
        day=("starting_at",),
        model=("model",),
        tokens=(
            ("uncached_input_tokens",),
            ("cache_read_input_tokens",),
            ("cache_creation.ephemeral_5m_input_tokens",),
            ("cache_creation.ephemeral_1h_input_tokens",),
            ("output_tokens",),
        ),
    ),
    Format(
        "usage csv",
        "anthropic",
        day=("usage_date_utc",),
        model=("model_version",),
        tokens=(
            ("usage_input_tokens_no_cache",),
            ("usage_input_tokens_cache_read",),
            ("usage_input_tokens_cache_write_5m",),
            ("usage_input_tokens_cache_write_1h",),
            ("usage_output_tokens",),
        ),
    ),
    Format(
        "activity API",
        "openrouter",
        day=("date",),
        model=("model", "model_permaslug"),
        cost=("usage",),
    ),
    Format(
        "activity csv",
        "openrouter",
        day=("created_at",),
        model=("model_permaslug", "model"),
        cost=("cost_total",),
    ),
    Format(
        "costs, csv or JSON",
        "",
        day=_DAY,
        model=_MODEL,
        cost=("cost_usd", "cost", "amount_usd", "usd", "total_cost", "amount"),
        currency=("currency",),
        whose=("provider",),
    ),
    Format(
        "tokens, csv or JSON",
        "",
        day=_DAY,
        model=_MODEL,
        tokens=(
            ("input_tokens", "prompt_tokens", "tokens_in", "tokens_prompt"),
            ("output_tokens", "completion_tokens", "tokens_out", "tokens_completion"),
        ),
        whose=("provider",),
    ),
)  # fmt: skip
"""Every export that can be read. The first whose columns are there is taken."""
