"""Chat completions in front of a backend that is asked on the Responses API.

What becomes of each field of a chat completion request; of messages and tools `responses_input` tells.

| field | becomes |
| --- | --- |
| model | the backend's |
| messages | input |
| max_completion_tokens, max_tokens | max_output_tokens |
| reasoning_effort | reasoning.effort, with a summary asked for unless there is to be none |
| verbosity | text.verbosity |
| response_format | text.format (Perplexity: as it came) |
| tools, tool_choice | flat; those that run at the backend only where its row in the catalog says that it runs any |
| web_search_options | the tool `web_search` |
| logprobs | include: message.output_text.logprobs |
| stream_options | include_obfuscation goes on; usage is always told |
| store | false, whatever was asked: nothing is kept that chat would not keep |
| `SAME` | goes on as it came |
| `NOT_HERE` | such a request is not sent: the API has no place for it |
| any other | goes on as it came, save `MEANT_OTHERWISE`, with which a request is not sent |
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw

from gateway.core.catalog import HOSTED_TOOLS, Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed, Refusal, Refused
from gateway.providers.failures import classify
from gateway.providers.reader import UNREADABLE, Answer
from gateway.providers.response_wire import present
from gateway.providers.responses_input import (
    hosted,
    input_items,
    names_speakers,
    names_stored,
    text_format,
    tool,
    tool_choice,
    unsaid,
    web_search,
)
from gateway.providers.responses_output import answered
from gateway.providers.responses_stream import Stream

TRANSLATED = frozenset(
    {
        *("model", "messages", "max_completion_tokens", "max_tokens", "reasoning_effort", "verbosity"),
        *("response_format", "tools", "tool_choice", "web_search_options", "logprobs", "stream_options", "store"),
    }
)
"""Fields that become something else, as the table above says."""

SAME = frozenset(
    {
        *("stream", "temperature", "top_p", "top_logprobs", "parallel_tool_calls", "service_tier", "metadata", "user"),
        *("safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    }
)
"""Fields that mean the same on both APIs."""

NOT_HERE = frozenset(
    {
        *("n", "stop", "seed", "logit_bias", "presence_penalty", "frequency_penalty", "top_k", "min_p", "suffix"),
        *("functions", "function_call", "modalities", "audio", "prediction", "moderation"),
    }
)
"""Fields that the Responses API does not have; those that ask for nothing are left out."""

MEANT_OTHERWISE = frozenset(
    {
        *("input", "instructions", "previous_response_id", "conversation", "background", "prompt", "include", "text"),
        "context_management",
    }
)
"""Fields that chat completions do not have, and by which this API would read, keep or return something else."""

_EFFORTLESS = b'"none"'
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])

Said = TypeVar("Said")


class ResponsesChat(msgspec.Struct, frozen=True):
    """The dialect, with the quirks of one provider.

    `base_url` is the provider's default, None: it has none. `kept_as` names the form in which clients keep reasoning
    that only the provider can read, empty: it is not asked for. `lacking` are further fields that it does not take,
    `left_out` those that it has but one value for. `summary`: it tells a summary of its reasoning when asked. `nested`:
    it takes the shape of an answer where chat completions have it.
    """

    base_url: str | None = None
    kept_as: str = ""
    lacking: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    summary: bool = True
    nested: bool = False
    takes: str = "chat"
    limit_field: str = "max_completion_tokens"
    passes: tuple[str, ...] = ()
    target: Endpoint = Endpoint("/responses")

    def endpoint(self, chat: ChatRequest, backend: Backend) -> Endpoint:
        """Where the call goes."""
        return self.target

    def lacks(self, chat: ChatRequest, backend: Backend) -> str:
        """Why it cannot do what is asked."""
        for name in sorted(chat.asks & (NOT_HERE | self.lacking)):
            if name != "modalities" or chat.view.modalities != ["text"]:
                return f"does not take `{name}`{' above 1' if name == 'n' else ''}"
        for name in sorted(MEANT_OTHERWISE & chat.fields.keys()):
            if present(chat.fields[name]):
                return f"does not take `{name}` in a chat completion"
        return self._tools_lack(chat, backend) or unsaid(chat)

    def _tools_lack(self, chat: ChatRequest, backend: Backend) -> str:
        there = [raw for raw in chat.view.tools or () if hosted(raw)]
        if any(names_stored(raw) for raw in there):
            return "does not take tools that name what is stored: that belongs to the gateway's account"
        searches = present(chat.fields.get("web_search_options", UNSET))
        if (there or searches) and HOSTED_TOOLS not in backend.capabilities:
            return f"runs no tools itself, so it does not take {'these `tools`' if there else '`web_search_options`'}"
        return ""

    def drops(self, chat: ChatRequest, backend: Backend) -> tuple[str, ...]:
        """What is not sent: parameters that it has but one value for, and the names of speakers."""
        dropped = sorted(chat.asks & self.left_out)
        return (*dropped, *(["name"] if names_speakers(chat) else ()))

    def beside(self, chat: ChatRequest, longest: int) -> int:
        """No tokens: the limit holds for all that is written."""
        return 0

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The request, said anew. Raises Refused (400) for a field that is not as OpenAI documents it."""
        fields, view = chat.fields, chat.view
        said: dict[str, object] = {"model": backend.model, "input": input_items(chat, self.kept_as), "store": False}
        mine = {name: raw for name, raw in fields.items() if name not in self.left_out | self.lacking and present(raw)}
        said |= {name: raw for name, raw in mine.items() if name not in TRANSLATED | NOT_HERE | MEANT_OTHERWISE}
        limit = view.max_completion_tokens if view.max_completion_tokens is not None else view.max_tokens
        if limit is not None:
            said["max_output_tokens"] = limit
        said |= self._tools(chat, mine) | self._text(mine)
        if (effort := mine.get("reasoning_effort")) is not None:
            summary = {"summary": "auto"} if self.summary and bytes(effort) != _EFFORTLESS else {}
            said["reasoning"] = {"effort": effort, **summary}
        if "stream_options" in mine:
            said |= _read("stream_options", mine, _stream_options)
        include = ["message.output_text.logprobs"] if view.logprobs else []
        if self.kept_as and "reasoning" in backend.capabilities:
            include.append("reasoning.encrypted_content")
        return msgspec.json.encode({**said, **({"include": include} if include else {})})

    def reader(self, chat: ChatRequest) -> Stream:
        """The reader of a streamed answer."""
        return Stream(chat, self.kept_as)

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says."""
        return answered(body, chat, self.kept_as)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
        """What an answer with another status says."""
        return classify(status, body, headers)

    def _tools(self, chat: ChatRequest, asked: Mapping[str, Raw]) -> dict[str, object]:
        if "tool_choice" in self.lacking and bytes(chat.fields.get("tool_choice", b"")) == b'"none"':
            return {}  # nothing else would keep it from calling them
        tools = _read("tools", asked, _all_tools) if "tools" in asked else []
        if "web_search_options" in asked:
            tools = [*tools, _read("web_search_options", asked, web_search)]
        said: dict[str, object] = {"tools": tools} if tools else {}
        if "tool_choice" in asked:
            said["tool_choice"] = _read("tool_choice", asked, tool_choice)
        return said

    def _text(self, asked: Mapping[str, Raw]) -> dict[str, object]:
        shape, verbosity = asked.get("response_format"), asked.get("verbosity")
        said: dict[str, object] = {}
        text: dict[str, object] = {} if verbosity is None else {"verbosity": verbosity}
        if shape is not None and self.nested:
            said["response_format"] = shape
        elif shape is not None:
            text["format"] = _read("response_format", asked, text_format)
        return said | ({"text": text} if text else {})


def _read(name: str, asked: Mapping[str, Raw], say: Callable[[Raw], Said]) -> Said:
    """A field, said anew. Raises Refused (400) when it is not as OpenAI documents it."""
    try:
        return say(asked[name])
    except UNREADABLE:
        raise Refused(Refusal.INVALID_TYPE, f"invalid `{name}`: it is not as OpenAI documents it", param=name) from None


def _all_tools(raw: Raw) -> list[object]:
    return [tool(each) for each in msgspec.json.decode(raw, type=list[Raw])]


def _stream_options(raw: Raw) -> dict[str, object]:
    wish = _MEMBERS.decode(raw).get("include_obfuscation")
    return {"stream_options": {"include_obfuscation": wish}} if wish is not None and present(wish) else {}
