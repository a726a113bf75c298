"""The OpenAI dialect: chat completions as OpenAI and most other servers speak it.

Requests and answers pass through as bytes. Where servers differ, the difference is a field of `OpenAI`: what they call
a parameter, what they do not have, how they are told to think. A request that meets none of it is sent as it came, with
the backend's model name. What is read of answers is in `openai_stream` and `openai_answer`.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed, FailureKind
from gateway.providers.failures import classify
from gateway.providers.history import DEVELOPER_AS_SYSTEM, Rewrite, rewritten
from gateway.providers.openai_answer import answer_of
from gateway.providers.openai_stream import Stream
from gateway.providers.parameters import Family, family_of, lacking, unstrict
from gateway.providers.reader import Answer
from gateway.providers.thinking import AS_IT_IS, EFFORTS, Thinking, beside, effort_of, says_itself, way

_NULL = b"null"
_LIMITS = ("max_completion_tokens", "max_tokens")
_NONE: frozenset[str] = frozenset()
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class OpenAI(msgspec.Struct, frozen=True):
    """The dialect, with the quirks of one provider.

    base_url    the provider's default, None: it has none
    asks_usage  a stream reports usage only when asked
    limit_field what it calls the most tokens that one choice may have; the client's limit is sent under this name only
    thinking    how it is told how much to think; a model that matches none of these cannot be told
    thinks_beside
                the limit does not hold for what is thought
    refuses     what it does not have: such a request is not sent (see `parameters`)
    leaves_out  parameters that it refuses and that ask for nothing: they are not sent
    fixes       parameters with but one value: they are not sent, and the client is told
    families    models that take less than the others
    renames     parameters by other names
    values      parameters with other values, by the values (JSON) of OpenAI
    only_auto   it knows no `tool_choice`: where a client wants none, it is sent no tools
    strict      it knows `strict` of a tool; where not, the client is told
    rewrites    what becomes of messages
    tags        thoughts come between tags in the content
    codes       error codes that mean something of their own
    """

    base_url: str | None = None
    asks_usage: bool = True
    limit_field: str = "max_tokens"
    takes: str = "chat"
    passes: tuple[str, ...] = ()
    target: Endpoint = Endpoint("/chat/completions")
    thinking: tuple[Thinking, ...] = (AS_IT_IS,)
    refuses: frozenset[str] = _NONE
    leaves_out: frozenset[str] = _NONE
    fixes: frozenset[str] = _NONE
    thinks_beside: bool = False
    families: tuple[Family, ...] = ()
    renames: Mapping[str, str] = {}
    values: Mapping[str, Mapping[bytes, bytes]] = {}
    only_auto: bool = False
    strict: bool = True
    rewrites: tuple[Rewrite, ...] = (DEVELOPER_AS_SYSTEM,)
    tags: bool = False
    codes: Mapping[str, FailureKind] = {}
    touched: frozenset[str] = _NONE
    """Top-level fields of a request that may have to change. Made from the others."""

    def __post_init__(self) -> None:
        touched = {*_LIMITS, "reasoning_effort", *self.leaves_out, *self.fixes, *self.renames, *self.values}
        touched |= {name for family in self.families for name in family.fixes}
        if any(family.only_streams for family in self.families):
            touched.add("messages")
        if self.only_auto:
            touched.add("tool_choice")
        if not self.strict:
            touched.add("tools")
        msgspec.structs.force_setattr(self, "touched", frozenset(touched - {self.limit_field}))

    def endpoint(self, chat: ChatRequest, backend: Backend) -> Endpoint:
        """Where the call goes."""
        return self.target

    def lacks(self, chat: ChatRequest, backend: Backend) -> str:
        """What the provider, or this model of it, does not have."""
        if self.refuses and (why := lacking(self.refuses, chat)):
            return why
        if self.families and (family := self._family(chat, backend)) is not None:
            if family.only_streams and not chat.streamed and not self._answers_whole(family, chat, backend):
                return "answers only as a stream while it thinks"
            return lacking(family.refuses, chat)
        return ""

    def drops(self, chat: ChatRequest, backend: Backend) -> tuple[str, ...]:
        """Parameters with but one value, an effort that the model cannot be told, tools' `strict` where unknown."""
        dropped = self._fixed(chat, backend) & chat.asks if chat.asks else _NONE
        if "reasoning_effort" in chat.asks and self._hides_effort(chat, backend):
            dropped |= {"reasoning_effort"}
        if not self.strict and unstrict(chat) is not None:
            dropped |= {"strict"}
        return tuple(sorted(dropped))

    def beside(self, chat: ChatRequest, longest: int) -> int:
        """What may be thought, where that is beside the limit."""
        return beside(chat, longest) if self.thinks_beside else 0

    def encode(self, chat: ChatRequest, backend: Backend) -> bytes:
        """The body as the provider takes it: the client's own, with the backend's model name."""
        changed = {"model": msgspec.json.encode(backend.model)}
        if chat.streamed and self.asks_usage and not chat.wants_usage:
            options = chat.fields.get("stream_options")
            members = _MEMBERS.decode(options) if options is not None and options != Raw(_NULL) else {}
            changed["stream_options"] = msgspec.json.encode({**members, "include_usage": True})
        for rewrite in self.rewrites:
            if rewrite.needed(chat):
                changed["messages"] = rewritten(self.rewrites, chat)
                break
        if self.touched.isdisjoint(chat.fields):
            return chat.with_fields(changed)
        return self._translated(chat, backend, changed)

    def reader(self, chat: ChatRequest) -> Stream:
        """The reader of a streamed answer."""
        options = chat.view.stream_options
        continuous = bool(options and options.continuous_usage_stats)
        return Stream(chat.wants_usage, continuous, tags=self.tags, codes=self.codes, named=_named(chat))

    def answer(self, body: bytes, chat: ChatRequest) -> Answer:
        """What a buffered answer with status 200 says. It is the client's only if nothing failed."""
        return answer_of(body, tags=self.tags, codes=self.codes, named=_named(chat))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
        """What an answer with another status says."""
        return classify(status, body, headers, self.codes)

    def _translated(self, chat: ChatRequest, backend: Backend, changed: dict[str, bytes]) -> bytes:
        fields = chat.fields
        out = self.leaves_out | self._fixed(chat, backend)
        if "reasoning_effort" in fields:
            out |= {"reasoning_effort"}
            changed |= self._effort(chat, backend)
        if (limit := _limit(chat)) is not None:
            out |= {*_LIMITS}
            changed[self.limit_field] = limit
        if self.only_auto and bytes(fields.get("tool_choice", b"")) == b'"none"':
            out |= {"tool_choice", "tools", "parallel_tool_calls"}
        elif not self.strict and (tools := unstrict(chat)) is not None:
            changed["tools"] = tools
        for name, values in self.values.items():
            if name in fields and (value := values.get(bytes(fields[name]))) is not None:
                changed[name] = value
        for name, other in self.renames.items():
            if name in fields:
                out |= {name}
                if other not in fields:
                    changed[other] = bytes(fields[name])
        family = self._family(chat, backend) if self.families and not chat.streamed else None
        if family is not None and family.only_streams and self._answers_whole(family, chat, backend):
            changed["enable_thinking"] = b"false"
        kept = {name: raw for name, raw in fields.items() if name not in out or name in changed}
        return msgspec.structs.replace(chat, fields=kept).with_fields(changed)

    def _fixed(self, chat: ChatRequest, backend: Backend) -> frozenset[str]:
        family = self._family(chat, backend) if self.families else None
        return self.fixes if family is None else self.fixes | family.fixes

    def _family(self, chat: ChatRequest, backend: Backend) -> Family | None:
        return family_of(self.families, chat, backend.model, self._told(chat, backend))

    def _told(self, chat: ChatRequest, backend: Backend) -> str | None:
        """The effort that the model is told of, None: none."""
        told = "reasoning" in backend.capabilities and way(self.thinking, backend.model) is not None
        return effort_of(chat) if told else None

    def _answers_whole(self, family: Family, chat: ChatRequest, backend: Backend) -> bool:
        """Whether a model that answers only as a stream while it thinks can be kept from it: nobody asked for it."""
        return family.while_thinking and self._told(chat, backend) is None and not says_itself(chat)

    def _hides_effort(self, chat: ChatRequest, backend: Backend) -> bool:
        """Whether an effort is asked for of a model that cannot be told. One that never thinks does as `none` asks."""
        effort = effort_of(chat)
        if effort is None or says_itself(chat) or self._told(chat, backend) is not None:
            return False
        return "reasoning" in backend.capabilities or effort != "none"

    def _effort(self, chat: ChatRequest, backend: Backend) -> dict[str, bytes]:
        """The fields that tell the model the client's effort; without `reasoning_effort` where that is not sent."""
        sent = {"reasoning_effort": bytes(chat.fields["reasoning_effort"])}
        told, effort = way(self.thinking, backend.model), effort_of(chat)
        if "reasoning" not in backend.capabilities or told is None:
            return {} if effort is not None else sent
        if told is AS_IT_IS or effort not in EFFORTS:
            return sent
        return {} if says_itself(chat) else told.said(effort, chat)


def _limit(chat: ChatRequest) -> bytes | None:
    """The client's limit, of two the larger: that is what is reserved for it."""
    limits = [limit for limit in (chat.view.max_completion_tokens, chat.view.max_tokens) if limit is not None]
    return b"%d" % max(limits) if limits else None


def _named(chat: ChatRequest) -> bool:
    """Whether the client named the one tool to call. A list of those that are allowed is no such name."""
    choice = bytes(chat.fields.get("tool_choice", b""))
    return choice[:1] == b"{" and b'"allowed_tools"' not in choice
