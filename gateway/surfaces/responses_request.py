"""A Responses request, as the body of a chat completion.

Every field of the API is in one of the tables below or has a line in `translated`, unless chat has it, too: then it
goes on as it came. So do fields that nobody documents, as they do in chat: they are switches of a vendor.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from gateway.core.errors import Refusal, Refused
from gateway.core.pieces import Piece
from gateway.surfaces.provider_side import asks_there, refuse_kept
from gateway.surfaces.responses_items import Listed, messages_of, tools_in
from gateway.surfaces.responses_reading import ABSENT, missing, present, read
from gateway.surfaces.responses_tools import AMBIENT, Offer, choice_of, offered

STATEFUL: Mapping[str, str] = {
    "previous_response_id": "send the whole conversation in `input`",
    "conversation": "send the whole conversation in `input`",
    "background": "leave it out, and read the answer as a stream if it takes long",
    "prompt": "write the template out in `instructions` and `input`",
}
"""What would need something that the gateway keeps, with what to do instead. It keeps no requests and no answers."""

NATIVE_ONLY = ("access_programs", "context_management", "image")
"""What only a server of Responses can do, and chat has no word for."""

HARMLESS: Mapping[str, str] = {
    "store": "nothing is stored, whatever it says; the answer says `false`",
    "metadata": "the client's own notes: they come back with the answer",
    "client_metadata": "Codex tells who it is",
    "truncation": "nothing is cut here: an input that is too long is an error; the answer says `disabled`",
    "max_tool_calls": "counts calls of tools that run at the provider, and chat has none",
    "background_options": "say how to run in the background, which is refused",
    "stream_options": "pads events against eavesdroppers on their length, and asks for faster summaries",
}
"""What is not sent to a chat backend, and why nothing is lost by it."""

OF_CHAT: Mapping[str, str] = {
    "messages": "`input`",
    "max_tokens": "`max_output_tokens`",
    "max_completion_tokens": "`max_output_tokens`",
    "reasoning_effort": "`reasoning.effort`",
    "response_format": "`text.format`",
    "verbosity": "`text.verbosity`",
    "functions": "`tools`",
    "function_call": "`tool_choice`",
    "logprobs": '`include: ["message.output_text.logprobs"]`',
    "n": "as many requests as you want answers",
    "modalities": "/v1/chat/completions",
    "audio": "/v1/chat/completions",
}
"""Parameters of chat completions that mean nothing here, with what to use instead."""

SHOWN = frozenset(
    {
        "reasoning.encrypted_content",  # chat backends tell their reasoning openly, or not at all
        "message.input_image.image_url",  # and what tools show that run at the provider: there are none
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
    }
)
"""What `include` may ask for without changing anything."""

_LOGPROBS = "message.output_text.logprobs"
_READ = ("input", "instructions", "tools", "tool_choice", "max_output_tokens", "top_logprobs", "reasoning", "text")
_TOLD = frozenset((*STATEFUL, *NATIVE_ONLY, *HARMLESS, *_READ, "include"))


class Format(msgspec.Struct):
    """The wanted shape of the text."""

    type: str
    name: str | None = None
    schema: Raw = ABSENT
    description: str | None = None
    strict: bool | None = None


class Text(msgspec.Struct):
    """How the text is to be."""

    format: Format | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct):
    """How the model is to think. `summary` and its older name ask to be told of it.

    `context` (how much of its earlier thinking a model sees) is not read: a chat backend is told all that the client
    sends, and its model's template knows how much of that is of use.
    """

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    mode: str | None = None

    @property
    def told(self) -> bool:
        """Whether the client wants a summary."""
        return (self.summary or self.generate_summary) is not None


class Request(msgspec.Struct):
    """The fields of a request that the gateway reads. Null means unset."""

    model: str
    instructions: str | None = None
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    max_output_tokens: Annotated[int, Meta(ge=0)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    reasoning: Reasoning | None = None
    text: Text | None = None
    metadata: dict[str, str] | None = None


class Translated(msgspec.Struct, frozen=True):
    """The body for chat, and why it does not say all that is asked; empty: it does. `hosted`: something is asked that
    runs at the provider. `pieces` says where texts were parts of their own."""

    body: bytes
    only: str
    hosted: bool
    pieces: tuple[Piece, ...]


_REQUEST = msgspec.json.Decoder(Request)
_CHOICE = msgspec.json.Decoder(object)
_NULL = Raw(b"null")


def request_of(body: bytes) -> Request:
    """The typed view of a body. Raises Refused (400)."""
    return read(_REQUEST, body)


def offer_of(fields: Mapping[str, Raw]) -> Offer:
    """The tools of a request, wherever in it they stand. Raises Refused (400)."""
    lists = [("tools", fields["tools"])] if present(fields.get("tools")) else []
    listed = tools_in(fields["input"]) if present(fields.get("input")) else Listed()
    offer = offered([*lists, *listed.offered])
    there = any(offered([found]).there for found in listed.found)  # each may repeat what is offered
    return msgspec.structs.replace(offer, there=offer.there or there)


def left_out(fields: Mapping[str, Raw], offer: Offer) -> tuple[str, ...]:
    """The tools that run at the provider and that a chat can do without: the model is free not to use them, and has
    tools of the client besides; or it may not use them at all. None of them can be called, so nobody waits for them."""
    choice = read(_CHOICE, fields.get("tool_choice", _NULL), "tool_choice")
    if choice in ("auto", None):
        return offer.hosted if offer.functions and AMBIENT.issuperset(offer.hosted) else ()
    return () if choice == "required" else offer.hosted


def translated(fields: Mapping[str, Raw], request: Request) -> Translated:
    """The chat that a request asks for. Raises Refused (400)."""
    _refuse_state(fields, request)
    _refuse_chat(fields)
    if not present(fields.get("input")):
        raise missing("input")
    chat = messages_of(fields["input"], request.instructions)
    offer = offer_of(fields)
    reasons = [chat.only, offer.only]
    said: dict[str, object] = {name: raw for name, raw in fields.items() if name not in _TOLD and present(raw)}
    said["messages"] = chat.messages or [{"role": "user", "content": ""}]
    if request.stream:
        said["stream_options"] = {"include_usage": True}  # the last event of a stream tells it
    if request.max_output_tokens is not None:
        said["max_completion_tokens"] = request.max_output_tokens
    reasons += [f"asks for `{name}`" for name in NATIVE_ONLY if present(fields.get(name))]
    reasons += [_tools(said, fields, offer), _reasoning(said, request), _text(said, request), _logprobs(said, request)]
    only = next(filter(None, reasons), "")
    if only or offer.hosted:  # else all was said in chat, which has no word for content that is kept somewhere
        refuse_kept(fields)
    return Translated(msgspec.json.encode(said), only, offer.there or asks_there(fields), chat.pieces)


def _refuse_state(fields: Mapping[str, Raw], request: Request) -> None:
    for name, instead in STATEFUL.items():
        if present(fields.get(name)) and not (name == "background" and request.background is False):
            raise Refused(
                Refusal.UNSUPPORTED,
                f"`{name}` is not supported, since the gateway keeps no requests and no answers: {instead}",
                param=name,
            )


def _refuse_chat(fields: Mapping[str, Raw]) -> None:
    for name in fields:
        if name in OF_CHAT:
            raise Refused(
                Refusal.UNSUPPORTED,
                f"`{name}` is a parameter of chat completions, not of Responses: use {OF_CHAT[name]} instead",
                param=name,
            )


def _tools(said: dict[str, object], fields: Mapping[str, Raw], offer: Offer) -> str:
    """Puts the tools into a chat. Says why that is not all of them."""
    if offer.functions:
        said["tools"] = offer.functions
    else:
        said.pop("parallel_tool_calls", None)  # of nothing, which some servers refuse
    only = ""
    if present(fields.get("tool_choice")):
        choice, only = choice_of(fields["tool_choice"], offer)
        if choice is not None and not offer.functions and not offer.hosted:
            raise Refused(
                Refusal.MISSING_PARAMETER, "`tool_choice` asks for a tool, but `tools` has none", param="tools"
            )
        if choice is not None and offer.functions:
            said["tool_choice"] = choice
    if offer.hosted and not left_out(fields, offer):
        return f"uses the server tool `{offer.hosted[0]}`"
    return only


def _reasoning(said: dict[str, object], request: Request) -> str:
    if (reasoning := request.reasoning) is None:
        return ""
    if reasoning.effort is not None:
        said["reasoning_effort"] = reasoning.effort
    return "asks for `reasoning.mode`" if reasoning.mode not in (None, "standard") else ""


def _text(said: dict[str, object], request: Request) -> str:
    if (text := request.text) is None:
        return ""
    if text.verbosity is not None:
        said["verbosity"] = text.verbosity
    if (wanted := text.format) is None or wanted.type == "text":
        return ""
    if wanted.type == "json_object":
        said["response_format"] = {"type": "json_object"}
        return ""
    if wanted.type != "json_schema":
        return f"asks for a text format of type `{wanted.type}`"
    if wanted.name is None or not present(wanted.schema):
        raise missing("text.format.name" if wanted.name is None else "text.format.schema")
    schema: dict[str, object] = {"name": wanted.name, "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    said["response_format"] = {"type": "json_schema", "json_schema": schema}
    return ""


def _logprobs(said: dict[str, object], request: Request) -> str:
    include = request.include or []
    if _LOGPROBS in include or request.top_logprobs:
        said["logprobs"] = True
        if request.top_logprobs:
            said["top_logprobs"] = request.top_logprobs
    unknown = next((name for name in include if name != _LOGPROBS and name not in SHOWN), None)
    return f"asks to include `{unknown}`" if unknown else ""
