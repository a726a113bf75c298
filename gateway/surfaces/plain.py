"""Operations of the OpenAI API beside chat. Each has a form of its own, in which it is asked and answered: nothing is
translated, and only a backend that has the operation as a capability serves it."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from gateway.core.chat import ChatRequest, asked_of, hints_in, read_fields, refuse_redirection, wrong_type
from gateway.core.errors import Refusal, Refused
from gateway.core.view import StreamOptions, View
from gateway.surfaces.untranslated import Untranslated

_ABSENT = Raw(b"")


class _Body(msgspec.Struct):
    """What is read of a body, whatever the operation. `n` and `best_of` are answers for each prompt."""

    model: str | None = None
    prompt: Raw = _ABSENT
    input: Raw = _ABSENT
    query: Raw = _ABSENT
    documents: list[Raw] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=128)] | None = None
    service_tier: str | None = None


_BODY = msgspec.json.Decoder(_Body)
_TOKENS = re.compile(rb"\[[\[\s]*[0-9]")


class Plain(Untranslated, frozen=True, kw_only=True):
    """The surface of one operation. `asks` is the member that a body must have, `streams` says whether an answer can
    be a stream, `limit` how many tokens an answer may have that nobody limited (None: as many as the model can),
    `model` who is asked where nobody is named (empty: one has to be)."""

    asks: str
    streams: bool = False
    limit: int | None = None
    model: str = ""

    def parse(self, body: bytes, arrived: int) -> ChatRequest:
        """The request in a body. Raises Refused (400)."""
        fields = read_fields(body)
        try:
            read = _BODY.decode(body)
        except msgspec.ValidationError as error:
            raise wrong_type(str(error)) from None
        refuse_redirection(fields)
        hints = hints_in(fields)
        model = read.model if read.model is not None else self.model or None
        if model is None:
            raise Refused(Refusal.MISSING_PARAMETER, "missing required parameter: `model`", param="model")
        if getattr(read, self.asks) is _ABSENT:
            raise Refused(Refusal.MISSING_PARAMETER, f"missing required parameter: `{self.asks}`", param=self.asks)
        if read.stream and not self.streams:
            raise Refused(Refusal.UNSUPPORTED, f"{self.name} are not streamed; leave out `stream`", param="stream")
        prompts = _prompts(getattr(read, self.asks), self.asks)
        choices = max(read.n or 1, read.best_of or 1) * (prompts if self.name == "completions" else 1)
        limit = read.max_tokens if read.max_tokens is not None else self.limit
        if limit is not None and read.max_tokens is None:
            fields["max_tokens"] = Raw(b"%d" % limit)  # servers differ in what they write where nobody says
        view = View(
            model,
            [],
            stream=read.stream,
            stream_options=read.stream_options,
            max_tokens=limit,
            n=choices,
            service_tier=read.service_tier,
        )
        size = sum([_size(bytes(raw)) for name, raw in fields.items() if name != "model"])
        if self.name == "rerank":  # each document is read beside the query
            size += len(bytes(read.query)) * max(0, len(read.documents or ()) - 1)
        needs = frozenset({self.name})
        return ChatRequest(fields, view, needs, size, 0, asked_of(fields), self.name, None, arrived, prompts, hints)


def _prompts(raw: Raw, name: str) -> int:
    """How many prompts one request has: a text or a list of tokens is one, a list of those is as many. Raises Refused
    (400)."""
    try:
        prompts = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):  # a number may be too large, too
        prompts = None
    if isinstance(prompts, str):
        return 1
    if not isinstance(prompts, list) or not prompts:
        raise Refused(
            Refusal.INVALID_TYPE, f"invalid `{name}`: expected a text, a list of texts, or tokens", param=name
        )
    return 1 if isinstance(prompts[0], int) else len(prompts)


def _size(raw: bytes) -> int:
    """Bytes of text in a value. Tokens can be as short as a digit and a comma."""
    return 2 * len(raw) if _TOKENS.match(raw) else len(raw)
