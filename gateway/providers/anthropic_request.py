"""A chat completion as a request to Anthropic Messages."""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.core.catalog import HOSTED_TOOLS, Backend
from gateway.core.chat import ChatRequest
from gateway.core.errors import Refusal, Refused
from gateway.providers.anthropic_attached import Block, File, invalid
from gateway.providers.anthropic_content import READABLE, Said, said
from gateway.providers.anthropic_fields import HOSTED, KNOWN, LACKING, NOT_OURS, OWN, TOLD
from gateway.providers.anthropic_models import Abilities, abilities
from gateway.providers.anthropic_pieces import in_blocks, marks_of
from gateway.providers.anthropic_tools import Function, Tool, choice, functions, is_forced, tools
from gateway.providers.messages_wire import LEAST_BUDGET
from gateway.providers.parameters import names_speakers

_TIERS = {"default": "standard_only", "standard_only": "standard_only", "auto": "auto"}
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 32_768}
"""Tokens of thinking by effort, for models that want a figure. The figures are ours: rising, and below the limits."""

_SAMPLING = ("temperature", "top_p", "top_k")
_WHOLE = 1.0  # the highest temperature there is, and the usual one
_NULL = b"null"
_NO_VALUE = Raw(_NULL)

JSON_TOOL = "answer_in_json"
"""The tool by which models without schemas for answers write JSON. Its input becomes the content."""

_JSON_TOOL_SAYS = "Gives the answer. It is called once, with the whole answer."


class _Schema(msgspec.Struct):
    schema: Raw | UnsetType = UNSET
    description: str | None = None


class _Format(msgspec.Struct):
    type: str | None = None
    json_schema: _Schema | None = None


class _Asked(msgspec.Struct):
    """The fields of a chat completion that are translated, as far as their values matter."""

    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[Tool] | None = None
    tool_choice: Raw | UnsetType = UNSET
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: Raw | UnsetType = UNSET
    response_format: _Format | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Raw] | None = None
    output_config: dict[str, Raw] | None = None


_ASKED = msgspec.json.Decoder(_Asked)


class Request:
    """One chat completion for one model: what it becomes, what the model cannot do of it, and what is left out.

    Raises Refused (400) for a field of a wrong type.
    """

    def __init__(self, chat: ChatRequest, backend: Backend) -> None:
        self._chat = chat
        self._model = backend.model
        self._hosts = HOSTED_TOOLS in backend.capabilities
        self._able: Abilities = abilities(backend.model)
        wanted = [name for name in _Asked.__struct_fields__ if name in chat.fields]
        body = b",".join([b'"%b":%b' % (name.encode(), bytes(chat.fields[name])) for name in wanted])
        try:
            self._asked = _ASKED.decode(b"{%b}" % body)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        self._pieces = chat.native.pieces if chat.native is not None else ()
        self._marks = marks_of(self._pieces)
        for at, tool in enumerate(self._asked.tools or () if self._marks else ()):
            tool.cache_control = self._marks.get(("tools", at), tool.cache_control)
        limits = [each for each in (self._asked.max_completion_tokens, self._asked.max_tokens) if each]
        longest = backend.max_output or min(self._able.max_output, backend.context or self._able.max_output)
        self._limit = min(limits) if limits else longest
        self._tools = [*tools(self._asked.tools or ()), *functions(self._asked.functions or ())]
        self._choice = choice(self._asked.tool_choice, self._asked.function_call, self._tools)
        self._format = self._asked.response_format
        shape = self._format.type if self._format is not None else None
        by_tool = shape == "json_object" or (shape == "json_schema" and not self._able.schemas)
        self._json_tool = by_tool and not is_forced(self._choice)  # a call that the client forces is no answer in JSON
        self._forced = self._json_tool or is_forced(self._choice)
        self._said: Said | None = None

    def lacks(self) -> str:
        """Why the model cannot do what is asked, in words that go on after its name; empty: it can."""
        return next(self._lacking(), "")

    def _lacking(self) -> Iterator[str]:
        fields = self._chat.fields
        for name in fields:
            if bytes(fields[name]) == _NULL:
                continue
            if name in LACKING and name in self._chat.asks:
                yield LACKING[name]
            elif name in NOT_OURS:
                yield NOT_OURS[name]
            elif name in HOSTED and not self._hosts and bytes(fields[name]) != HOSTED[name]:
                yield f"runs no tools itself, so it does not take `{name}`"
            elif name not in KNOWN:
                yield f"does not know the field `{name[:64]}`"
        if (tier := self._asked.service_tier) is not None and tier not in _TIERS:
            yield "does not have this `service_tier`"
        yield from self._tools_lack()
        yield from self._format_lacks()
        yield from self._thinking_lacks()
        yield from self._messages_lack()

    def _tools_lack(self) -> Iterator[str]:
        if self._forced and not self._able.forced:
            name = "response_format" if self._json_tool else "tool_choice"
            yield f"cannot be made to call a tool, so it does not take this `{name}`"
        if any(tool.type != "function" for tool in self._asked.tools or ()):
            yield "takes only tools of the type `function`"
        if not self._able.schemas and any(tool.get("strict") for tool in self._tools):
            yield "does not take `strict` tools"

    def _format_lacks(self) -> Iterator[str]:
        if self._format is not None and self._format.type not in (None, "text", "json_object", "json_schema"):
            yield "does not know the type of this `response_format`"

    def _thinking_lacks(self) -> Iterator[str]:
        effort = self._effort
        if effort is None:
            return
        if effort not in ("none", *_BUDGETS):
            yield "does not know this `reasoning_effort`"
        elif self._able.thinking == "never" and effort != "none":
            yield "cannot reason, so it does not take `reasoning_effort`"
        elif self._able.thinking == "budget" and self._forced and effort != "none":
            yield "cannot reason and be made to call a tool at once"

    def _messages_lack(self) -> Iterator[str]:
        messages = self._chat.view.messages
        for message in messages:
            for part in message.content if isinstance(message.content, list) else ():
                if part.type not in READABLE:
                    yield f"does not take content of the type `{part.type[:64]}`"
                elif part.type == "file" and (reason := _file_lacks(part.file)):
                    yield reason
        if messages[-1].role == "assistant" and not self._able.prefill:
            yield "does not go on from a last message of the assistant"

    @property
    def _effort(self) -> str | None:
        """How hard it shall think; the client's own `thinking` goes before it on a model that has no levels."""
        return None if self._own_thinking and not self._able.efforts else self._asked.reasoning_effort

    @property
    def _own_thinking(self) -> bool:
        """The client says in Anthropic's own words how to think."""
        return bytes(self._chat.fields.get("thinking", _NO_VALUE)) != _NULL

    def drops(self) -> tuple[str, ...]:
        """Parameters that are left out, which the client is told."""
        asks = self._chat.asks
        left_out = [name for name in TOLD if name in asks]
        kept = self._sampling()
        left_out += [name for name in _SAMPLING if name in asks and name not in kept]
        if self._budget_lost:
            left_out.append("reasoning_effort")
        if names_speakers(bytes(self._chat.fields["messages"])):
            left_out.append("name")
        return tuple(left_out)

    def encode(self) -> bytes:
        """The body of the request. Raises Refused (400) for messages that are no conversation, and for what the model
        cannot do: nothing of a request is lost silently."""
        if lacking := self.lacks():
            raise Refused(Refusal.UNSUPPORTED, f"the model {lacking}")
        body: dict[str, object] = {"model": self._model}
        conversation = self._conversation
        if conversation.system:
            body["system"] = conversation.system
        body["messages"] = conversation.messages
        body["max_tokens"] = self._limit
        if stops := self._stops():
            body["stop_sequences"] = stops
        body |= self._tooling()
        own = [name for name in self._chat.fields if name in OWN and name not in ("top_k", "output_config")]
        body |= {name: self._chat.fields[name] for name in own if bytes(self._chat.fields[name]) != _NULL}
        if (mark := self._marks.get(())) is not None:
            body["cache_control"] = mark
        body |= self._thinking()
        body |= self._sampling()
        body |= self._output()
        if (tier := _TIERS.get(self._asked.service_tier or "")) is not None:
            body["service_tier"] = tier
        if (user := self._user()) is not None:
            body["metadata"] = {"user_id": user}
        if self._chat.streamed:
            body["stream"] = True
        return msgspec.json.encode(body)

    @property
    def _conversation(self) -> Said:
        if self._said is None:
            messages = in_blocks(self._chat.fields["messages"], self._pieces)
            self._said = said(messages, thinking=not (self._able.bound and self._off))
        return self._said

    def _stops(self) -> list[str]:
        """Without those of blanks alone, which would be refused."""
        stop = self._asked.stop
        return [each for each in ([stop] if isinstance(stop, str) else stop or ()) if each.strip()]

    def _tooling(self) -> dict[str, object]:
        offered, chosen = self._choice.offered, self._choice.chosen
        if self._json_tool and self._format is not None:
            offered = [*offered, self._json_tool_of(self._format)]
            single = len(offered) == 1 or (chosen is not None and chosen["type"] == "none")
            chosen = {"type": "tool", "name": JSON_TOOL} if single else {"type": "any"}
        if not offered:
            return {}
        one_at_a_time = self._asked.parallel_tool_calls is False or self._asked.functions
        if one_at_a_time and (chosen is None or chosen["type"] != "none"):
            chosen = {**(chosen or {"type": "auto"}), "disable_parallel_tool_use": True}
        return {"tools": offered, **({} if chosen is None else {"tool_choice": chosen})}

    def _json_tool_of(self, format: _Format) -> Block:
        if format.type == "json_object":
            return {"name": JSON_TOOL, "description": _JSON_TOOL_SAYS, "input_schema": {"type": "object"}}
        described = format.json_schema.description if format.json_schema is not None else None
        return {"name": JSON_TOOL, "description": described or _JSON_TOOL_SAYS, "input_schema": _schema(format)}

    @property
    def binds(self) -> bool:
        """Whether earlier thinking is sent to a model that checks what stood before it. In translation that may have
        changed, so such thinking shall be dropped, and the request not refused."""
        return self._able.bound and not self._own_thinking and self._conversation.thought

    def _thinking(self) -> dict[str, object]:
        """How it shall think. Nothing where the client says it in Anthropic's own words."""
        if self._own_thinking:
            return {}
        asked = self._thinking_asked()
        if self.binds:
            asked = {"type": "adaptive", **asked, "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
        return {"thinking": asked} if asked else {}

    def _thinking_asked(self) -> dict[str, object]:
        """By `reasoning_effort`. Nothing where a tool is forced: that and thinking exclude each other."""
        effort, able = self._effort, self._able
        if self._off:
            return {"type": able.off}
        if effort not in _BUDGETS or able.thinking == "never" or self._forced or self._budget_lost:
            return {}  # `none`, or a word that nobody knows: see `lacks`
        if able.thinking == "adaptive":
            return {"type": "adaptive", **({"display": "summarized"} if able.quiet else {})}
        budget = min(_BUDGETS[effort], max(LEAST_BUDGET, self._limit // 2))
        return {"type": "enabled", "budget_tokens": budget}

    @property
    def _off(self) -> bool:
        """Whether thinking is switched off that would happen unasked."""
        return self._effort == "none" and self._able.unasked and bool(self._able.off) and not self._own_thinking

    @property
    def _budget_lost(self) -> bool:
        """Whether a thinking budget is asked for that cannot be had: the answer is too short for one, or the turn that
        goes on was begun without thinking, or its signed thinking was lost."""
        if self._able.thinking != "budget" or self._effort in (None, "none") or self._own_thinking:
            return False
        return self._limit <= LEAST_BUDGET or self._conversation.unthought

    def _thinks(self) -> bool:
        """Whether thinking is switched on, by the client's own words or by ours."""
        thinking = self._chat.fields["thinking"] if self._own_thinking else self._thinking().get("thinking")
        return thinking is not None and b'"disabled"' not in msgspec.json.encode(thinking)

    def _sampling(self) -> dict[str, object]:
        """What of temperature, top_p and top_k is sent. A temperature above 1 is 1, the highest, so it is left out."""
        if self._able.sampling == "fixed" or self._thinks():
            return {}
        kept = {name: self._chat.fields[name] for name in _SAMPLING if name in self._chat.asks}
        if (self._asked.temperature or 0.0) > _WHOLE:
            kept.pop("temperature", None)
        if self._able.sampling == "one" and "temperature" in kept:
            kept.pop("top_p", None)
        return dict(kept)

    def _output(self) -> dict[str, object]:
        """`output_config`: the client's own members, then how hard it thinks, then the shape of the answer."""
        config: dict[str, object] = dict(self._asked.output_config or {})
        effort = self._effort
        if effort == "none" and self._able.unasked and not self._able.off:
            effort = "low"  # it always thinks, so this is the least
        if effort is not None and effort != "none" and self._able.efforts:
            config.setdefault("effort", _level(effort, self._able.efforts))
        if self._format is not None and self._format.type == "json_schema" and self._able.schemas:
            config.setdefault("format", {"type": "json_schema", "schema": _schema(self._format)})
        return {"output_config": config} if config else {}

    def _user(self) -> str | None:
        if named := self._asked.safety_identifier or self._asked.user:
            return named
        try:
            return msgspec.json.decode((self._asked.metadata or {}).get("user_id", Raw(b"null")), type=str | None)
        except msgspec.DecodeError:
            return None


def _schema(format: _Format) -> Raw:
    """The wanted schema, byte for byte."""
    schema = format.json_schema.schema if format.json_schema is not None else UNSET
    if isinstance(schema, UnsetType) or bytes(schema) == _NULL:
        raise Refused(
            Refusal.MISSING_PARAMETER,
            "missing required parameter: `response_format.json_schema.schema`",
            param="response_format.json_schema.schema",
        )
    return schema


def _level(effort: str, levels: tuple[str, ...]) -> str:
    """The level for an effort: itself, or the highest one below it, or the lowest there is."""
    order = tuple(_BUDGETS)
    below = [level for level in levels if order.index(level) <= order.index(effort)]
    return below[-1] if below else levels[0]


def _file_lacks(raw: Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=File).lacking
    except msgspec.DecodeError:
        return ""  # refused when it is read
