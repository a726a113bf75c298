"""How much to think: a client says `reasoning_effort`, and providers have words and switches of their own for it.

Facts: the providers' API references, November 2026. Where a provider has fewer words than OpenAI, the next higher one
is sent, or its highest.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Every word of OpenAI's, by how much it asks for."""

_OWN = ("thinking", "enable_thinking", "thinking_budget", "reasoning", "prompt_mode")
"""Fields by which clients that know a provider say it in that provider's own way."""

_HINTED = {"chat_template_kwargs": b'thinking"', "extra_body": b"thinking_config"}
"""Fields that may say it among other things, with what then stands in them."""

_BUDGETS = {"minimal": 1024, "low": 4096, "medium": 8192, "high": 24576}
"""Tokens of thought for providers that want a figure; more effort than this is left without one."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_FIGURE = msgspec.json.Decoder(int)
_WORD = msgspec.json.Decoder(str)

Switch = Callable[[str, ChatRequest], Mapping[str, bytes]]
"""Fields (JSON) that tell a provider an effort."""


class Thinking(msgspec.Struct, frozen=True, eq=False):
    """How models are told whose name has a match of `models`, a regular expression.

    `efforts` are the words that `reasoning_effort` may have there, empty: it is not sent. `switch` makes what is sent
    beside it; where there is one, and it can switch thinking off, no effort goes with that.
    """

    models: str = ""
    efforts: tuple[str, ...] = EFFORTS
    switch: Switch | None = None

    def said(self, effort: str, chat: ChatRequest) -> dict[str, bytes]:
        """The fields that say an effort to such a model, `reasoning_effort` among them if it is to be sent."""
        said = dict(self.switch(effort, chat)) if self.switch is not None else {}
        known = () if self.switch is not None and effort == "none" else self.efforts
        if known:
            least = EFFORTS.index(effort)
            said["reasoning_effort"] = (
                b'"%b"' % next((w for w in known if EFFORTS.index(w) >= least), known[-1]).encode()
            )
        return said


AS_IT_IS = Thinking()
"""The client's word goes on as it came."""


def effort_of(chat: ChatRequest) -> str | None:
    """The effort that a client asks for, None: it does not say, or not in a word."""
    raw = chat.fields.get("reasoning_effort")
    try:
        return None if raw is None else _WORD.decode(raw)
    except msgspec.DecodeError:
        return None


@lru_cache(maxsize=1024)
def way(ways: tuple[Thinking, ...], model: str) -> Thinking | None:
    """How a model is told, None: it cannot be told."""
    return next((each for each in ways if not each.models or re.search(each.models, model, re.IGNORECASE)), None)


def says_itself(chat: ChatRequest) -> bool:
    """Whether the client used a provider's own switch: then that one counts."""
    fields = chat.fields
    return any(name in fields and bytes(fields[name]) != b"null" for name in _OWN) or any(
        name in fields and said in bytes(fields[name]) for name, said in _HINTED.items()
    )


def is_off(chat: ChatRequest, effort: str) -> bool:
    """Whether no thinking is wanted, by a provider's own switch, or else by an effort."""
    fields = chat.fields
    if b"disabled" in bytes(fields.get("thinking", b"")) or bytes(fields.get("enable_thinking", b"")) == b"false":
        return True
    return effort == "none"


def typed(effort: str, _: ChatRequest) -> Mapping[str, bytes]:
    """DeepSeek, Z.ai, Moonshot, TokenHub: an object that says whether."""
    return {"thinking": b'{"type":"disabled"}' if effort == "none" else b'{"type":"enabled"}'}


def always_typed(_effort: str, _: ChatRequest) -> Mapping[str, bytes]:
    """The same for models that always think."""
    return {"thinking": b'{"type":"enabled"}'}


def enabled(effort: str, _: ChatRequest) -> Mapping[str, bytes]:
    """Qianfan: a flag."""
    return {"enable_thinking": b"false" if effort == "none" else b"true"}


def budgeted(effort: str, chat: ChatRequest) -> Mapping[str, bytes]:
    """DashScope: a flag and a budget of tokens. There the limit of an answer does not hold for what is thought, so the
    budget is at most that limit."""
    if effort == "none":
        return {"enable_thinking": b"false"}
    budget, limit = _BUDGETS.get(effort), chat.output_limit
    most = limit if budget is None else budget if limit is None else min(budget, limit)
    return (
        {"enable_thinking": b"true"} if most is None else {"enable_thinking": b"true", "thinking_budget": b"%d" % most}
    )


def beside(chat: ChatRequest, longest: int) -> int:
    """DashScope: how many tokens may be thought beside the limit of an answer. Where nobody says how much, some models
    think by themselves, so it is all that they can."""
    effort = effort_of(chat)
    fields = chat.fields if says_itself(chat) or effort is None else budgeted(effort, chat)
    if bytes(fields.get("enable_thinking", b"")) == b"false":
        return 0
    try:
        figure = _FIGURE.decode(fields.get("thinking_budget", b"null"))
    except msgspec.DecodeError:
        return longest
    return figure if 0 <= figure <= longest else longest


def nested(effort: str, _: ChatRequest) -> Mapping[str, bytes]:
    """Together: a flag in an object."""
    return {"reasoning": b'{"enabled":false}' if effort == "none" else b'{"enabled":true}'}


def prompted(effort: str, _: ChatRequest) -> Mapping[str, bytes]:
    """Magistral: a system prompt of Mistral's."""
    return {} if effort == "none" else {"prompt_mode": b'"reasoning"'}


def templated(effort: str, chat: ChatRequest) -> Mapping[str, bytes]:
    """vLLM, SGLang, NIM: variables of the chat template. Models differ in which of two names they know; the other one
    is unused."""
    flag = b"false" if effort == "none" else b"true"
    return {"chat_template_kwargs": _with_kwargs(chat, {"enable_thinking": flag, "thinking": flag})}


def templated_effort(effort: str, chat: ChatRequest) -> Mapping[str, bytes]:
    """llama.cpp: the same, and the effort is a variable, too (gpt-oss)."""
    flag = b"false" if effort == "none" else b"true"
    word = "low" if effort in ("none", "minimal") else "high" if effort in ("xhigh", "max") else effort
    kwargs = {"enable_thinking": flag, "thinking": flag, "reasoning_effort": b'"%b"' % word.encode()}
    return {"chat_template_kwargs": _with_kwargs(chat, kwargs)}


def _with_kwargs(chat: ChatRequest, kwargs: Mapping[str, bytes]) -> bytes:
    """The client's own variables, and these. Its own are kept as they are where they are no object: the server says
    what is wrong with them."""
    sent = chat.fields.get("chat_template_kwargs")
    try:
        members = _MEMBERS.decode(sent) if sent is not None and bytes(sent) != b"null" else {}
    except msgspec.DecodeError:
        return bytes(sent or b"null")
    return msgspec.json.encode({**members, **{name: Raw(value) for name, value in kwargs.items()}})


_LOW_TO_HIGH = ("low", "medium", "high")
_GPT_OSS = Thinking("gpt-oss", _LOW_TO_HIGH)

OPENAI = (
    Thinking(r"^o\d", _LOW_TO_HIGH),
    Thinking(r"gpt-5(?![.\d])", ("minimal", *_LOW_TO_HIGH)),
    Thinking(r"gpt-5\.1-codex-max", ("none", *_LOW_TO_HIGH, "xhigh")),
    Thinking(r"gpt-5\.1(?!\d)", ("none", *_LOW_TO_HIGH)),
    Thinking(r"gpt-5\.[2-5](?!\d)", ("none", *_LOW_TO_HIGH, "xhigh")),
    Thinking(r"gpt-(5\.|[6-9])", ("none", *_LOW_TO_HIGH, "xhigh", "max")),
    AS_IT_IS,
)
BEDROCK = (Thinking(efforts=_LOW_TO_HIGH),)
GEMINI = (
    Thinking(r"2\.5-flash", ("none", "minimal", *_LOW_TO_HIGH)),
    Thinking("pro", _LOW_TO_HIGH),  # cannot be switched off
    Thinking(efforts=("minimal", *_LOW_TO_HIGH)),
)
OPENROUTER = (Thinking(efforts=("none", "minimal", *_LOW_TO_HIGH, "xhigh")),)
MISTRAL = (Thinking("magistral", (), prompted), Thinking(efforts=("none", "high")))
DEEPSEEK = (Thinking(efforts=("low", "high", "max"), switch=typed),)
QWEN = (Thinking(efforts=(), switch=budgeted),)
MOONSHOT = (
    Thinking(r"kimi-k2\.[56]", (), typed),
    Thinking("kimi-k[3-9]", ("low", "high", "max")),
)  # others always think, or never
ZAI = (
    Thinking(r"glm-5\.[3-9]|glm-[6-9]", ("low", "high", "max"), always_typed),
    Thinking(r"glm-5\.2", ("high", "max"), typed),
    Thinking(efforts=(), switch=typed),
)
QIANFAN = (Thinking(efforts=(), switch=enabled),)
TOKENHUB = (Thinking(efforts=(), switch=typed),)
META = (Thinking(efforts=("minimal", *_LOW_TO_HIGH, "xhigh")),)
XAI = (
    Thinking("grok-3-mini", ("low", "high")),
    Thinking(r"grok-(4\.[3-9]|[5-9])|multi-agent", _LOW_TO_HIGH),
)  # older ones think as they like, and refuse the field
GROQ = (
    Thinking("qwen", (), lambda effort, _: {"reasoning_effort": b'"none"' if effort == "none" else b'"default"'}),
    _GPT_OSS,
)
TOGETHER = (_GPT_OSS, Thinking(efforts=(), switch=nested))
FIREWORKS = (Thinking(efforts=("none", *_LOW_TO_HIGH)),)
NVIDIA = (_GPT_OSS, Thinking(efforts=(), switch=templated))
TEMPLATES = (_GPT_OSS, Thinking(efforts=_LOW_TO_HIGH, switch=templated))
LLAMACPP = (Thinking(efforts=(), switch=templated_effort),)
OLLAMA = (Thinking(efforts=("none", *_LOW_TO_HIGH, "max")),)
