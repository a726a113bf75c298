"""A chat completion request: a typed view over the client's own bytes.

Only the fields named here are read. Everything else, and the exact bytes of every value, travels on untouched.
"""

import math
import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from gateway.core.catalog import HOSTED_TOOLS
from gateway.core.errors import Refusal, Refused
from gateway.core.hints import ANY, Hints
from gateway.core.measure import measure
from gateway.core.pieces import Piece
from gateway.core.price import UNKNOWN_SERVICE
from gateway.core.view import View

REDIRECTING = (
    *("api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "proxy", "proxies"),
    *("models", "route", "fallbacks", "preset"),  # by which a broker (OpenRouter) picks who serves
)
"""Top-level fields by which a body could try to send the call somewhere else. They are refused, not forwarded."""

OPTIONAL: Mapping[str, tuple[bytes, ...]] = {
    "n": (b"1",),
    "temperature": (b"1", b"1.0"),
    "top_p": (b"1", b"1.0"),
    "top_k": (),
    "min_p": (),
    "presence_penalty": (b"0", b"0.0"),
    "frequency_penalty": (b"0", b"0.0"),
    "logit_bias": (b"{}",),
    "logprobs": (b"false",),
    "top_logprobs": (b"0",),
    "seed": (),
    "stop": (b"[]",),
    "suffix": (b'""',),
    "tool_choice": (b'"auto"', b'"none"'),
    "parallel_tool_calls": (b"true",),
    "functions": (b"[]",),
    "function_call": (b'"auto"', b'"none"'),
    "response_format": (b'{"type":"text"}', b'{"type": "text"}'),
    "reasoning_effort": (),
    "verbosity": (b'"medium"',),
    "modalities": (b'["text"]',),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "moderation": (),
}
"""Parameters that a backend may be unable to honour, with the values that ask for nothing; null never does."""

_SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
_REDIRECTING = frozenset(REDIRECTING)
WRITING = ("chat", "completions")
"""Operations whose answers are text, so that there is something to limit."""

FURTHER_LIMITS = ("max_output_tokens", "max_new_tokens", "n_predict", "num_predict")
"""Names by which some servers take a limit too; llama.cpp's goes before the others."""


class Native(msgspec.Struct, frozen=True):
    """A request as its client wrote it, where that is no chat completion: `fields` are the top-level members.

    `only` says why it cannot be said as chat, empty: it can. Then only a backend that speaks `surface` may serve it.
    `capability` is the one that says that a backend speaks it. `hosted`: it offers tools that run at the provider.
    `pieces` are its content blocks as they stand in the chat, in order, as far as that tells anything.
    """

    surface: str
    fields: dict[str, Raw]
    only: str = ""
    capability: str = ""
    hosted: bool = False
    pieces: tuple[Piece, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """The capabilities of a backend that may be asked in the client's own protocol."""
        return frozenset({self.capability or self.surface, *((HOSTED_TOOLS,) if self.hosted else ())})


class Demand(msgspec.Struct, frozen=True):
    """What a request asks of a backend, without its text: enough to plan it again.

    `needs` are capabilities, `input_bytes` the size of all text that a model reads, `output_limit` the most tokens of
    one choice (None: unlimited). `attached_bytes` is how much more images, sounds and files count for at most,
    `service` the provider's service tier by the client's word, empty: none. Of several `prompts`, each is read on its
    own.
    """

    needs: frozenset[str]
    input_bytes: int
    messages: int
    output_limit: int | None
    choices: int
    attached_bytes: int = 0
    service: str = ""
    prompts: int = 1


class ChatRequest(msgspec.Struct, frozen=True):
    """A parsed request. `fields` are the top-level members, each value as its original bytes, in order.

    `needs` are the capabilities that a backend must have; `text_bytes` is the size of all text that a model
    reads: messages, earlier tool calls, tool descriptions, the wanted schema. `asks` are the parameters of `OPTIONAL`
    that ask for something. `operation` is the endpoint whose form the fields have, `native` what the client sent where
    it speaks another protocol, `arrived` is in Unix seconds. Of several `prompts`, each is read on its
    own. `hints` are no fields any more: no backend sees them.
    """

    fields: dict[str, Raw]
    view: View
    needs: frozenset[str]
    text_bytes: int
    attached_bytes: int = 0
    asks: frozenset[str] = frozenset()
    operation: str = "chat"
    native: Native | None = None
    arrived: int = 0
    prompts: int = 1
    hints: Hints = ANY

    @property
    def streamed(self) -> bool:
        """Whether the client asked for events."""
        return self.view.stream is True

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for the usage chunk of a stream."""
        options = self.view.stream_options
        return options is not None and options.include_usage is True

    @property
    def output_limit(self) -> int | None:
        """Most tokens that the client lets one choice write, by whichever of its limits is the largest, since servers
        differ in which one they read. None: unlimited, as 0 and -1 are to some."""
        view = self.view
        if view.max_completion_tokens is None and view.max_tokens is None:
            largest = None
        else:
            largest = max(view.max_completion_tokens or view.max_tokens or 0, view.max_tokens or 0) or None
            if 0 in (view.max_completion_tokens, view.max_tokens):
                return None
        for name in FURTHER_LIMITS:
            if name in self.fields and (figure := _figure(self.fields[name])) is not None:
                if figure < 1 or largest is None:
                    return None
                largest = max(largest, figure)
        return largest

    @property
    def service(self) -> str:
        """The provider's service tier that the client names, empty: none. What is no plain word is kept by nobody."""
        said = self.view.service_tier
        return "" if not said else said if _SERVICE.match(said) else UNKNOWN_SERVICE

    @property
    def demand(self) -> Demand:
        """What is asked of a backend, as it may be kept."""
        view = self.view
        return Demand(
            self.needs,
            self.text_bytes,
            len(view.messages),
            self.output_limit,
            max(view.n or 1, view.best_of or 1),  # some servers write more answers than they show
            self.attached_bytes,
            self.service,
            self.prompts,
        )

    def with_fields(self, changed: dict[str, bytes]) -> bytes:
        """The body with these top-level values (JSON) set; all other values keep their bytes and their order."""
        members: list[bytes | Raw] = []
        for name, raw in self.fields.items():
            members += (_NAMES.get(name) or _member(name), changed.get(name, raw))
        for name, value in changed.items():
            if name not in self.fields:
                members += (_NAMES.get(name) or _member(name), value)
        return b"{%b}" % b"".join(members)[1:]


_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_VIEW = msgspec.json.Decoder(View)
_HINTS = msgspec.json.Decoder(Hints | None)
_FIGURE = msgspec.json.Decoder(float | None)
_NOTHING: frozenset[str] = frozenset()
_TOLD = frozenset(
    (
        *View.__struct_fields__,
        *REDIRECTING,
        *FURTHER_LIMITS,
        *OPTIONAL,
        "provider",
        "input",
        "prompt",
        "system",
        "store",
        "instructions",
        "previous_response_id",
        "conversation",
        "context_management",
    )
)
"""Names of members that mean something here, or to a server of any protocol."""
_NULL = b"null"


def _figure(raw: Raw) -> int | None:
    """A limit as the client wrote it; 0: none that can be read, or no limit; None: it is unset."""
    try:
        figure = _FIGURE.decode(raw)
    except msgspec.DecodeError:
        return 0
    return None if figure is None else math.ceil(max(figure, 0.0)) if math.isfinite(figure) else 0


def _member(name: str) -> bytes:
    """What goes before a value in a JSON object: a comma, the name, a colon."""
    return b",%b:" % msgspec.json.encode(name)


_NAMES = {name: _member(name) for name in (*View.__struct_fields__, "temperature", "top_p", "tool_choice", "user")}


def parse(body: bytes, arrived: int = 0) -> ChatRequest:
    """The request in a body that arrived at a time (Unix seconds).

    Raises Refused (400) when it is not JSON, lacks a field, has one of a wrong type, or tries to redirect the call.
    """
    fields = read_fields(body)
    try:
        view = _VIEW.decode(body)
    except msgspec.ValidationError as error:
        raise wrong_type(str(error)) from None
    except RecursionError:
        raise Refused(Refusal.INVALID_JSON, "the request body is nested too deeply") from None
    refuse_redirection(fields)
    hints = hints_in(fields)
    text_bytes, attached_bytes, needs = measure(view, fields)
    return ChatRequest(fields, view, needs, text_bytes, attached_bytes, asked_of(fields), hints=hints, arrived=arrived)


def read_fields(body: bytes) -> dict[str, Raw]:
    """The members of a body, each as its own bytes. Raises Refused (400) when it is no JSON object."""
    try:
        if not body.isascii():
            body.decode()  # what we forward unread is valid UTF-8, too
        fields = _FIELDS.decode(body)
    except msgspec.ValidationError as error:
        raise wrong_type(str(error)) from None
    except msgspec.DecodeError as error:
        raise Refused(Refusal.INVALID_JSON, f"the request body is not valid JSON: {error}") from None
    except UnicodeDecodeError:
        raise Refused(Refusal.INVALID_JSON, "the request body is not valid UTF-8") from None
    except RecursionError:
        raise Refused(Refusal.INVALID_JSON, "the request body is nested too deeply") from None
    for name in fields:
        if not (name.islower() and name.isascii()):
            _refuse_lookalike(name, fields)
    return fields


def _refuse_lookalike(name: str, fields: Mapping[str, Raw]) -> None:
    """Some servers read names in any case, and the last one of several: a body means one thing to all of them."""
    folded = name.casefold()
    if folded != name and (folded in fields or folded in _TOLD):
        raise Refused(Refusal.FORBIDDEN_PARAMETER, f"`{folded}` is to be written in lower case", param=folded)


def said_anew(chat: ChatRequest, fields: Mapping[str, bytes], pieces: tuple[Piece, ...] | None = None) -> ChatRequest:
    """The same request with other values (JSON) of some of its members, and with its blocks where they stand in those;
    None: where they stood. Raises Refused (400) for what is none."""
    body = chat.with_fields(dict(fields))
    if chat.operation != "chat":
        return msgspec.structs.replace(chat, fields=read_fields(body))
    native = chat.native
    if native is not None and pieces is not None:
        native = msgspec.structs.replace(native, pieces=pieces)
    return msgspec.structs.replace(parse(body, chat.arrived), native=native, hints=chat.hints)


def hints_in(fields: dict[str, Raw]) -> Hints:
    """Takes the `provider` object out of the members of a body. Raises Refused (400) for what is no such object."""
    if (provider := fields.pop("provider", None)) is None:
        return ANY
    try:
        return _HINTS.decode(provider) or ANY
    except msgspec.ValidationError as error:
        said = wrong_type(str(error))
        param = "provider" if said.param is None else f"provider.{said.param}"
        message = f"invalid `provider`: {said.message}; it may have {', '.join(Hints.__struct_fields__)}"
        raise Refused(Refusal.INVALID_TYPE, message, param=param) from None


def asked_of(fields: Mapping[str, Raw]) -> frozenset[str]:
    """The parameters of `OPTIONAL` by which a request asks for something."""
    asks = [name for name in fields if name in OPTIONAL and bytes(fields[name]) not in (_NULL, *OPTIONAL[name])]
    return frozenset(asks) if asks else _NOTHING


def refuse_redirection(fields: Mapping[str, Raw]) -> None:
    """Raises Refused (400) when a body tries to send the call somewhere else."""
    if not _REDIRECTING.isdisjoint(fields):
        name = next(name for name in REDIRECTING if name in fields)
        raise Refused(
            Refusal.FORBIDDEN_PARAMETER,
            f"`{name}` is not accepted: the gateway calls only backends of its catalog; remove the field",
            param=name,
        )


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_UNLIMITED = ("max_tokens", "max_completion_tokens")
_MISSING = re.compile(r"missing required field `(?P<name>\w+)`")


def wrong_type(problem: str, where: str = "") -> Refused:
    """The refusal for JSON of a wrong shape, by what msgspec says of it. Names the field, never its value.

    `where` is the path in the body at which the JSON stands.
    """
    match = _AT.match(problem)
    what, inside = (match["what"], match["path"] or "") if match else (problem, "")
    path = f"{where}{inside}" if inside.startswith("[") else f"{where}.{inside}".strip(".")
    if missing := _MISSING.search(what):
        name = f"{path}.{missing['name']}".lstrip(".")
        return Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{name}`", param=name)
    what = f"{what[:1].lower()}{what[1:]}"
    if path in _UNLIMITED and what == "expected `int` >= 0":
        what += "; leave it out for no limit"
    if not path:
        return Refused(Refusal.INVALID_TYPE, f"the request body is of another shape: {what}")
    return Refused(Refusal.INVALID_TYPE, f"invalid `{path}`: {what}", param=path)
