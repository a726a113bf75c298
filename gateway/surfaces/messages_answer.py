"""A chat completion, said as an Anthropic message; and what buffered and streamed answers have in common."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from gateway.core import tokens
from gateway.core.chat import ChatRequest
from gateway.core.usage import Usage
from gateway.providers.usage import usage_of
from gateway.surfaces.canonical import Call, Choice, Completion, Said, whole

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""By OpenAI's finish reason."""

INVALID = "INVALID_JSON"
"""The member that holds arguments which are no JSON object, as Anthropic advises for such. So no tool is called with
other arguments than the model wrote, and the client's check of the input tells the model."""

ERRORS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Types of errors by status. Others: a bad request below 500, an error of the API from there."""

TOO_LONG = "prompt is too long"
"""The words by which Claude Code knows that it must compact its conversation."""


_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_STOPS = msgspec.json.Decoder(list[str])


def answer(body: bytes, chat: ChatRequest) -> bytes:
    """A buffered chat completion as a message. Thoughts come first, tool calls last. Raises UpstreamError for one that
    is no answer."""
    read = whole(body)
    choice = read.choices[0] if read.choices else Choice()
    said = choice.message or Said()
    id, calls, text = message_id(read.id, chat), said.calls, said.text + said.refused
    content = [
        *_thoughts(said),
        *([{"type": "text", "text": text}] if text.strip() else []),
        *(_tool_use(call, id, at) for at, call in enumerate(calls)),
    ]
    reason, sequence = stop_of(choice, chat, uses_tools=bool(calls), refused=bool(said.refused))
    written = sum(len(each.encode()) for each in (text, said.thought, *(call.arguments for call in calls)))
    message = {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model_of(read, chat),
        "content": content,
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": usage_object(usage_of(read.usage), chat, tokens.written_at_most(written, 0)),
    }
    return msgspec.json.encode(message)


def _thoughts(said: Said) -> Sequence[Mapping[str, object]]:
    """Thinking with its signatures where there are any; else as a block with an empty one, as SDKs want the member.
    Such a block is sent back, and then read as plain reasoning."""
    blocks = [
        {"type": "redacted_thinking", "data": thought.data}
        if thought.data
        else {"type": "thinking", "thinking": thought.text, "signature": thought.signature}
        for thought in said.thoughts
    ]
    return blocks or ([{"type": "thinking", "thinking": said.thought, "signature": ""}] if said.thought else [])


def _tool_use(call: Call, message: str, at: int) -> Mapping[str, object]:
    id = call.id or call_id(message, at)
    return {"type": "tool_use", "id": id, "name": call.name, "input": _input(call.arguments)}


def _input(arguments: str) -> object:
    """Arguments as an object, with the bytes of each value. None is an empty one."""
    if not arguments.strip() or arguments.strip() == "null":
        return {}
    if is_object(arguments):
        return Raw(arguments.encode())
    return {INVALID: arguments}


def is_object(arguments: str) -> bool:
    """Whether arguments are a whole JSON object."""
    if not arguments.rstrip().endswith("}"):
        return False
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def stop_of(choice: Choice, chat: ChatRequest, *, uses_tools: bool, refused: bool) -> tuple[str, str | None]:
    """Why the answer ended, and the stop sequence that ended it where the backend says which. An answer that calls a
    tool ends with `tool_use` whatever else it says, or agents would stop; one that calls none never does. A reason that
    nobody knows stays what it is: it need not be a natural end."""
    said = choice.ended or "stop"
    reason = STOP_REASONS.get(said, said)
    if refused:
        return "refusal", None
    if reason in ("end_turn", "tool_use") and uses_tools:
        return "tool_use", None
    if reason == "end_turn" and "stop" in chat.fields:
        sequences = _STOPS.decode(chat.fields["stop"])
        for matched in (choice.stop_reason, choice.matched_stop):
            if isinstance(matched, str) and matched in sequences:
                return "stop_sequence", matched
    return "end_turn" if reason == "tool_use" else reason, None


def message_id(id: object, chat: ChatRequest) -> str:
    """The id of a message, by that of the completion."""
    if isinstance(id, str) and id.startswith("msg_"):
        return id
    return f"msg_{id.removeprefix('chatcmpl-') if isinstance(id, str) and id else chat.arrived}"


def call_id(message: str, at: int) -> str:
    """An id for a tool call whose backend gave none: one in a conversation, of the characters that Anthropic takes."""
    return f"toolu_{''.join(each for each in message if each.isascii() and each.isalnum())}_{at}"


def model_of(read: Completion, chat: ChatRequest) -> str:
    """The model by the backend's word."""
    return read.model if isinstance(read.model, str) and read.model else chat.view.model


def usage_object(usage: Usage | None, chat: ChatRequest, written_tokens: int) -> dict[str, int]:
    """Usage as Anthropic counts it, where what a cache had or took is not input. Clients need figures, so what no
    backend reports is estimated, like `written_tokens`."""
    if usage is None:
        input_tokens, output_tokens, read, wrote = expected_input(chat), written_tokens, 0, 0
    else:
        input_tokens = usage.input_uncached + usage.audio_input
        output_tokens = usage.written
        read, wrote = usage.cache_read, usage.cache_write + usage.cache_write_long
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": wrote,
        "cache_read_input_tokens": read,
        "output_tokens": output_tokens,
    }


def expected_input(chat: ChatRequest) -> int:
    """Input tokens, as many as there likely are."""
    return tokens.prompt_expected(chat.text_bytes, len(chat.view.messages))


def error_type(status: int) -> str:
    """The type of an error by its status."""
    return ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")


def error_object(status: int, error: Mapping[str, object]) -> dict[str, object]:
    """The object under `error`, by the one of the OpenAI envelope. What else that one has stays, for programs."""
    message = error.get("message")
    said = message if isinstance(message, str) else "the gateway gave no reason"
    if error.get("code") == "context_length_exceeded" and TOO_LONG not in said:
        said = f"{TOO_LONG}: {said}"
    further = {name: value for name, value in error.items() if name not in ("type", "message") and value is not None}
    return {"type": error_type(status), "message": said, **further}
