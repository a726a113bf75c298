"""Token counts without a tokenizer: bounds that cost nothing, for when nobody counted for us."""

BYTES_PER_TOKEN_LOW = 3
"""Fewest bytes that a token of ordinary text holds on average, so a count made with it errs high."""

BYTES_PER_TOKEN_HIGH = 8
"""Most bytes that a token of ordinary text holds on average, so a count made with it errs low."""

BYTES_PER_TOKEN = 4
"""Bytes that a token of ordinary text holds on average, for what need not err on one side."""

MESSAGE_OVERHEAD = 8
"""Tokens that a chat template adds around one message, counted high."""


TOKENS_PER_SECOND = 4000
"""No server writes faster for one request (the fastest of 2026 write 3,000), so time bounds what nobody saw."""


def prompt_at_most(text_bytes: int, messages: int) -> int:
    """Prompt tokens, counted high: what a call may be billed for."""
    return -(-text_bytes // BYTES_PER_TOKEN_LOW) + MESSAGE_OVERHEAD * messages


def prompt_expected(text_bytes: int, messages: int) -> int:
    """Prompt tokens, as many as there likely are: for a pace, not for a bill."""
    return text_bytes // BYTES_PER_TOKEN + MESSAGE_OVERHEAD * messages


def prompt_at_least(text_bytes: int) -> int:
    """Prompt tokens, counted low: a prompt larger than a context by this count certainly does not fit."""
    return text_bytes // BYTES_PER_TOKEN_HIGH


def written_at_most(text_bytes: int, events: int) -> int:
    """Output tokens of a relayed text, counted high. A streamed event carries one token or more."""
    return max(events, -(-text_bytes // BYTES_PER_TOKEN_LOW))


def written_at_least(text_bytes: int, events: int) -> int:
    """Output tokens of a relayed text, counted low."""
    return max(events, text_bytes // BYTES_PER_TOKEN_HIGH)


def unseen_at_most(seconds: float, limit: int) -> int:
    """Reasoning tokens that nobody saw or reported, counted high: what can be written in that time, up to a limit."""
    return min(limit, int(seconds * TOKENS_PER_SECOND) + 1)
