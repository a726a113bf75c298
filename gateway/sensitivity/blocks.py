"""Takes findings out of a request that came by another protocol than chat.

It is sent as a chat, where several of its content blocks may be one text, or as its client had cut it. What goes on
over many lines shows only in the one, what goes on from one block to the next only in the other: so findings are taken
out of both. What its client's own form had, and neither of the two shows, is looked for at the end.
"""

from collections.abc import Container

import msgspec

from gateway.core.chat import ChatRequest, said_anew
from gateway.core.findings import Scan
from gateway.core.pieces import cut, joined
from gateway.sensitivity.redact import NotRedactable, Redacted, is_there_still, redact
from gateway.sensitivity.restore import restored_text
from gateway.sensitivity.scan import Again


def redact_native(chat: ChatRequest, came: Scan, kinds: Container[str], scanner: Again) -> tuple[Redacted, Scan]:
    """The request without the findings of these kinds, and what is left in either form. `came` is what its own body was
    found to hold.

    Raises NotRedactable: as `redact` does, and where a finding of the body is still there in all its parts.
    """
    whole = redact(chat, _scan(chat, scanner), kinds, scanner)
    apart = _apart(whole.chat)
    if apart is None:
        taken, left = whole, _scan(whole.chat, scanner)
    else:
        parts = redact(apart, _scan(apart, scanner), kinds, scanner)
        more = {name: restored_text(original, whole.taken) for name, original in parts.taken.items()}
        taken = Redacted(_together(parts.chat, whole.chat), {**whole.taken, **more})
        left, other = _scan(taken.chat, scanner), _scan(parts.chat, scanner)
        left = Scan(
            left.leaves, left.places + other.places, left.opaque or other.opaque, left.complete and other.complete
        )
    if is_there_still(came, taken.chat.with_fields({}), kinds):
        raise NotRedactable("a finding goes on in a place where it cannot be taken out")
    return taken, left


def _scan(chat: ChatRequest, scanner: Again) -> Scan:
    return scanner.scan(msgspec.json.decode(chat.with_fields({})))


def _apart(chat: ChatRequest) -> ChatRequest | None:
    """A request as its client had cut it into blocks; None: no text of it was several."""
    messages, pieces = chat.fields.get("messages"), chat.native.pieces if chat.native is not None else ()
    if messages is None or (parts := cut(messages, pieces)) is messages:
        return None
    return said_anew(chat, {"messages": bytes(parts)})


def _together(apart: ChatRequest, whole: ChatRequest) -> ChatRequest:
    """The same in as many texts as `whole` has."""
    pieces = whole.native.pieces if whole.native is not None else ()
    messages, pieces = joined(apart.fields["messages"], whole.fields["messages"], pieces)
    return said_anew(apart, {"messages": bytes(messages)}, pieces)
