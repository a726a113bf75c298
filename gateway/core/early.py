"""What a stream can still come to once the upstream has said what it read. Money is pico-USD.

Some say so with the first event: Anthropic in `message_start`, Gemini with each chunk, servers of OpenAI's protocol
where the client asks for usage all along. Then the prompt need not be counted high any more.
"""

import msgspec
from msgspec import Raw

from gateway.core import tokens
from gateway.core.catalog import HOSTED_TOOLS
from gateway.core.chat import ChatRequest
from gateway.core.price import Price, bill, dearest_at
from gateway.core.usage import Usage

EDITED = "context_management"
"""The field by which Anthropic is asked to change a prompt."""

SHORTENS = "clear_"
"""How those changes begin that take nothing but what is left out. Others (`compact_`) are passes of their own, which
read the prompt once more."""


class _Edit(msgspec.Struct):
    type: str


class _Edited(msgspec.Struct):
    edits: list[_Edit] | None = None


_EDITED = msgspec.json.Decoder(_Edited | None)


def reads_once(chat: ChatRequest) -> bool:
    """Whether the model reads nothing more for a request once it writes: one prompt (of several, servers tell each by
    itself), no tool that runs at the provider, and, of a request that goes on as it came, nothing that nobody here
    knows."""
    native = chat.native
    if chat.prompts != 1 or HOSTED_TOOLS in chat.needs or not _shortens(chat.fields.get(EDITED)):
        return False
    return native is None or not (native.hosted or native.only or not _shortens(native.fields.get(EDITED)))


def is_read(told: Usage, chat: ChatRequest) -> bool:
    """Whether a report that came before the end has all that the model reads. Some servers begin with zeros, or with a
    guess: what is less than the text can have is no report."""
    enough = max(1, tokens.prompt_at_least(chat.text_bytes))
    return told.source == "reported" and told.read >= enough and reads_once(chat)


def at_most(told: Usage, written: int, price: Price, asked: str, served: str | None, *, audio: bool) -> int:
    """What a call comes to that read what was told, if it writes so many tokens: each is charged at the dearest rate
    that may apply, whichever of the service tiers asked for or named by the answer it is. `audio`: it may be sound."""
    rates = dearest_at(price, told.read, asked, served)
    read = bill(msgspec.structs.replace(told, output=0, reasoning=0, audio_output=0), rates)
    return read + written * max(rates.output, rates.reasoning, rates.audio_output if audio else 0)


def _shortens(raw: Raw | None) -> bool:
    """Whether changes of a prompt, as the client wrote them, only leave things out."""
    if raw is None:
        return True
    try:
        edited = _EDITED.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return edited is None or all(edit.type.startswith(SHORTENS) for edit in edited.edits or ())
