"""In which protocol a backend is asked, and what it then cannot do."""

import re
from collections.abc import Mapping, Sequence

from gateway.core.catalog import Backend
from gateway.core.chat import WRITING, ChatRequest
from gateway.core.decision import Obligation
from gateway.core.discharge import alters_text
from gateway.core.hints import ANY
from gateway.wire import Dialect

Dialects = Mapping[str, Mapping[str, Dialect]]
"""What each provider speaks, by the form of request that it takes."""

_READABLE = (*WRITING, "embeddings", "moderations")
"""Operations whose answers have no words of a model, or show them where the guard reads."""

_PLAIN = re.compile(r"[\w .,:;`'()/+-]{1,200}\Z")


def spoken(chat: ChatRequest, do: Sequence[Obligation], backend: Backend, dialects: Dialects) -> Dialect | None:
    """How a backend is spoken to: in the client's own protocol if it speaks that and no word may change, else in the
    canonical one. None: in neither."""
    speaks, native = dialects[backend.provider], chat.native
    if native is not None:
        own = speaks.get(native.surface)
        if own is not None and native.needs <= backend.capabilities and not alters_text(do):
            return own
        if native.only:
            return None
    return speaks.get(chat.operation)


def _has_objects(chat: ChatRequest) -> bool:
    """Whether what is sent is more than texts, as far as bytes tell: a text with a brace in it counts, too."""
    return any(b"{" in bytes(chat.fields[name]) for name in ("input", "query", "documents") if name in chat.fields)


def lacking(chat: ChatRequest, do: Sequence[Obligation], backend: Backend, dialects: Dialects) -> str:
    """Why a backend cannot do what is asked, in words without any text of the request; empty: it can."""
    if chat.hints is not ANY and (unwanted := chat.hints.excludes(backend)):
        return unwanted
    dialect = spoken(chat, do, backend, dialects)
    if chat.operation != "chat" and any(each.name == "strip_images" for each in do) and _has_objects(chat):
        why = "takes images where they cannot be taken out"
    elif chat.operation not in _READABLE and any(each.name == "scan_answer" for each in do):
        why = "gives answers that cannot be scanned"
    elif dialect is not None:
        why = dialect.lacks(chat, backend)
    elif chat.native is not None:
        why = f"cannot be asked in the client's own protocol, and the request {chat.native.only}"
    else:
        why = f"does not serve {chat.operation}"
    return why if not why or _PLAIN.match(why) else "cannot do what a parameter of the request asks"
