"""Outlines of requests on their way through a pipe: all messages are alike there, so one is told, and how many."""

import msgspec

from gateway.core.chat import ChatRequest
from gateway.core.outline import Outline, outline
from gateway.core.view import Message

SOMEBODY = Message("user")
"""Stands for each message in an outline."""


class Outlined(msgspec.Struct, frozen=True):
    """An outline, and how many messages it stands for."""

    outline: Outline
    messages: int


def outlined(
    chat: ChatRequest, number: int = 0, redacted: tuple[str, ...] = (), said: tuple[bytes, ...] = ()
) -> Outlined:
    """A request as it is told. One that is an outline already is told as it is."""
    whole = chat if isinstance(chat, Outline) else outline(chat, number, redacted, said)
    one = msgspec.structs.replace(whole.view, messages=[SOMEBODY])
    return Outlined(msgspec.structs.replace(whole, view=one), len(chat.view.messages))


def outline_of(told: Outlined) -> Outline:
    """The outline that was told."""
    view = msgspec.structs.replace(told.outline.view, messages=[SOMEBODY] * told.messages)
    return msgspec.structs.replace(told.outline, view=view)
