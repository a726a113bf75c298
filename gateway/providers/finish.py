"""Why a model stopped: OpenAI's five reasons, and how others spell them.

Facts: the providers' API references and the sources of the engines, November 2026.
"""

from collections.abc import Mapping

OURS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
"""The reasons that clients know."""

_SPELLED: Mapping[str, str] = {
    "end_turn": "stop",
    "end": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "stop_token": "stop",
    "complete": "stop",
    "completed": "stop",
    "finished": "stop",
    "normal": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "context_length": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "refusal": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}

FAILED: Mapping[str, str] = {
    "error": "the backend failed while it wrote the answer",
    "network_error": "the backend lost its own connection while it wrote the answer",
    "insufficient_system_resource": "the backend ran out of resources while it wrote the answer",
    "abort": "the backend aborted the answer",
    "aborted": "the backend aborted the answer",
    "malformed_function_call": "the model wrote a tool call that cannot be read",
}
"""Reasons by which an answer broke off, and what we say then."""


def reason(spelled: str) -> str:
    """One of OpenAI's reasons; a word that nobody knows is the end of an answer, for what else could it be."""
    word = spelled.lower()
    return word if word in OURS else _SPELLED.get(word, "stop")


def failure(spelled: str) -> str:
    """What went wrong, if a reason says that the answer is none; else empty."""
    return FAILED.get(spelled.lower(), "")
