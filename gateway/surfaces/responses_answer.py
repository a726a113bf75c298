"""A chat completion, as a response object: the items of its output, and what it says of the request.

Ids are made of the completion's own, so that the same answer is told the same way twice. Reasoning is a summary where
the client asked for summaries (Codex shows those), and open text (`reasoning_text`) otherwise; both hold all of it.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest
from gateway.core.usage import Usage
from gateway.providers.usage import usage_of
from gateway.surfaces.canonical import Call, Choice, Completion, Said, whole
from gateway.surfaces.responses_items import Carried, seal
from gateway.surfaces.responses_reading import present
from gateway.surfaces.responses_request import Reasoning, left_out, offer_of
from gateway.surfaces.responses_tools import Called, input_of

Item = dict[str, object]

INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reasons of chat for an answer that is not whole, as Responses calls them."""

WHOLE = (None, "stop", "tool_calls", "function_call")
"""Those of an answer that is."""

_DEFAULTS: Mapping[str, object] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": None,
    "user": None,
}
"""What a response repeats of its request, with what it says where the request says nothing."""

_NO_ID = re.compile(r"[^A-Za-z0-9_-]")
_RAWS = msgspec.json.Decoder(list[Raw])
_REASONING = msgspec.json.Decoder(Reasoning)


class _Type(msgspec.Struct):
    type: str


_TYPE = msgspec.json.Decoder(_Type)


class Told:
    """What all that is said about one answer has in common. `called` are the tools by their names in chat."""

    def __init__(self, chat: ChatRequest) -> None:
        fields = chat.native.fields if chat.native is not None else {}
        offer = offer_of(fields)
        missed = left_out(fields, offer)
        self.called: Mapping[str, Called] = offer.called
        self.summarised = present(fields.get("reasoning")) and _REASONING.decode(fields["reasoning"]).told
        self._repeated: dict[str, object] = {
            name: fields[name] if present(fields.get(name)) else default for name, default in _DEFAULTS.items()
        }
        tools = _RAWS.decode(fields["tools"]) if present(fields.get("tools")) else []
        self._repeated["tools"] = [raw for raw in tools if _TYPE.decode(raw).type not in missed]
        self._arrived = chat.arrived
        self._base = str(chat.arrived)
        self._head: dict[str, object] = {"created_at": chat.arrived, "model": chat.view.model, "service_tier": None}

    def learn(self, answer: Completion) -> None:
        """Takes id, time and model of a completion, as it gives them."""
        if isinstance(answer.id, str) and (base := _NO_ID.sub("", answer.id.removeprefix("chatcmpl-"))[:64]):
            self._base = base
        if isinstance(answer.created, int):
            self._head["created_at"] = answer.created
        if isinstance(answer.model, str) and answer.model:
            self._head["model"] = answer.model

    def serve(self, answer: Completion) -> None:
        """Takes the service tier, which a stream may tell late."""
        if isinstance(answer.service_tier, str):
            self._head["service_tier"] = answer.service_tier

    def id(self, kind: str, index: int) -> str:
        """The id of an item, by the place of it."""
        return f"{kind}_{self._base}_{index}"

    def call_id(self, call: Call, place: int) -> str:
        """The id of a call, made up where the server has none."""
        return call.id or f"call_{self._base}_{place}"

    def response(
        self,
        status: str,
        output: Sequence[Item],
        usage: Usage | None = None,
        *,
        reason: str | None = None,
        error: Mapping[str, str] | None = None,
    ) -> dict[str, object]:
        """The response object. `reason` is why it is incomplete."""
        return {
            "id": f"resp_{self._base}",
            "object": "response",
            **self._head,
            "status": status,
            "background": False,
            "error": error,
            "incomplete_details": None if reason is None else {"reason": reason},
            **self._repeated,
            "output": output,
            "previous_response_id": None,
            "store": False,
            "truncation": "disabled",
            "usage": None if usage is None else usage_object(usage),
        }

    def reasoning(self, index: int, text: str, status: str) -> Item:
        """A reasoning item."""
        item: Item = {"id": self.id("rs", index), "type": "reasoning", "status": status}
        if self.summarised:
            return {**item, "summary": [summary_part(text)] if text else []}
        return {**item, "summary": [], "content": [reasoning_part(text)] if text else []}

    def sealed(self, index: int, carried: Carried) -> Item:
        """A reasoning item that only carries what the backend wants back."""
        item: Item = {"id": self.id("rs", index), "type": "reasoning", "status": "completed", "summary": []}
        return {**item, "encrypted_content": seal(carried)}

    def message(self, index: int, parts: Sequence[Item], status: str) -> Item:
        """A message item."""
        item: Item = {"id": self.id("msg", index), "type": "message", "role": "assistant", "status": status}
        return {**item, "content": list(parts)}

    def call(self, index: int, call_id: str, name: str, arguments: str, status: str) -> Item:
        """A call item, of the tool that a name in chat stands for. One that was not offered keeps its name."""
        tool = self.called.get(name) or Called(name)
        place: Item = {"namespace": tool.namespace} if tool.namespace else {}
        common: Item = {"call_id": call_id, "name": tool.name, **place, "status": status}
        if tool.custom:
            text = input_of(arguments) if arguments else ""
            return {"id": self.id("ctc", index), "type": "custom_tool_call", **common, "input": text}
        return {"id": self.id("fc", index), "type": "function_call", **common, "arguments": arguments}


def text_part(text: str, logprobs: Sequence[object] = ()) -> Item:
    """Text of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


def refusal_part(text: str) -> Item:
    """A model's own words for that it will not."""
    return {"type": "refusal", "refusal": text}


def reasoning_part(text: str) -> Item:
    """Open reasoning."""
    return {"type": "reasoning_text", "text": text}


def summary_part(text: str) -> Item:
    """A summary of reasoning."""
    return {"type": "summary_text", "text": text}


def usage_object(usage: Usage) -> dict[str, object]:
    """Usage as Responses writes it: cached tokens are inside the input, reasoning inside the output."""
    read, written = usage.read, usage.written
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_long,
        },
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": read + written,
    }


def why_incomplete(ended: str | None) -> str | None:
    """Why an answer that ended so is not whole. None: it is. A reason that nobody knows stays what it is."""
    return None if ended in WHOLE else INCOMPLETE.get(ended or "", ended)


def answered(body: bytes, chat: ChatRequest) -> bytes:
    """A buffered completion, as a response. Raises UpstreamError for one that is no answer."""
    told, completion = Told(chat), whole(body)
    told.learn(completion)
    told.serve(completion)
    choice = next(iter(completion.choices or ()), Choice())
    said = choice.message or Said()
    reason = why_incomplete(choice.ended)
    output: list[Item] = []
    if thought := said.thought:
        output.append(told.reasoning(0, thought, "completed"))
    parts = [text_part(text, choice.likely)] if (text := said.text) else []
    parts += [refusal_part(said.refused)] if said.refused else []
    if parts:
        output.append(told.message(len(output), parts, "completed"))
    carried = Carried([Raw(msgspec.json.encode(block)) for block in said.blocks])
    for place, call in enumerate(said.calls):
        call_id = told.call_id(call, place)
        if call.extra is not None:
            carried.extra[call_id] = Raw(msgspec.json.encode(call.extra))
        output.append(told.call(len(output), call_id, call.name, call.arguments, "completed"))
    if reason is not None and output:
        output[-1]["status"] = "incomplete"
    if carried.thinking or carried.extra:
        output.append(told.sealed(len(output), carried))
    usage = usage_of(completion.usage)
    status = "completed" if reason is None else "incomplete"
    return msgspec.json.encode(told.response(status, output, usage, reason=reason))
