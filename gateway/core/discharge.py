"""Obligations that act: what each does to a request before it is sent. A closed table; what it lacks cannot be done."""

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Raw

from gateway.core.catalog import URLS
from gateway.core.chat import FURTHER_LIMITS, WRITING, ChatRequest, Demand, said_anew
from gateway.core.decision import Obligation
from gateway.core.view import Part

REMOVED = b'{"type":"text","text":"[image removed by policy]"}'
"""What stands where an image was."""

_LIMITS = ("max_completion_tokens", "max_tokens")
_SHOWS_NOTHING = frozenset({"text", "refusal", "input_audio", "thinking"})
_FIGURE = msgspec.json.Decoder(float | None)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])


class _Act(msgspec.Struct, frozen=True):
    """One obligation: what it changes in a demand, and in the request itself. Each takes the obligation's figure.

    The request's also takes the name by which the backend wants its limit of tokens.
    """

    demanded: Callable[[Demand, int], Demand]
    discharged: Callable[[ChatRequest, int, str], ChatRequest]


def demanded(demand: Demand, do: Iterable[Obligation]) -> Demand:
    """What is asked of a backend once all is done. Raises KeyError for what cannot be done: see `undoable`."""
    for obligation in do:
        demand = _ACTS[obligation.name].demanded(demand, obligation.amount)
    return demand


def discharged(chat: ChatRequest, do: Iterable[Obligation], limit_field: str) -> ChatRequest:
    """The request with all of it done. Raises KeyError for what cannot be done, so nothing is sent."""
    for obligation in do:
        chat = _ACTS[obligation.name].discharged(chat, obligation.amount, limit_field)
    return chat


def alters_text(do: Iterable[Obligation]) -> bool:
    """Whether any of it looks into the words of a request or an answer, and may change them."""
    return any(obligation.name != "max_output_tokens" for obligation in do)


def undoable(do: Iterable[Obligation]) -> list[str]:
    """The obligations that nothing here can discharge: whoever is under one must not be asked."""
    return [obligation.name for obligation in do if obligation.name not in _ACTS]


def _less_demanded(demand: Demand, most: int) -> Demand:
    limit = demand.output_limit
    return msgspec.structs.replace(demand, output_limit=most if limit is None else min(limit, most))


def _limited(chat: ChatRequest, most: int, limit_field: str) -> ChatRequest:
    """The smaller of the client's limits and ours, under the client's own names for it if it gave any."""
    if chat.operation not in WRITING:
        return chat
    changed = {
        name: most for name in (*_LIMITS, *FURTHER_LIMITS) if name in chat.fields and _exceeds(chat.fields[name], most)
    }
    if chat.view.max_completion_tokens is None and chat.view.max_tokens is None:
        changed[limit_field] = most
    if not changed:
        return chat
    fields = {**chat.fields, **{name: Raw(b"%d" % figure) for name, figure in changed.items()}}
    view = msgspec.structs.replace(chat.view, **{name: most for name in changed if name in _LIMITS})
    return msgspec.structs.replace(chat, fields=fields, view=view)


def _exceeds(raw: Raw, most: int) -> bool:
    """Whether a limit as the client wrote it is above ours, or none: servers read -1 or 0 as endless. Null is unset."""
    try:
        figure = _FIGURE.decode(raw)
    except msgspec.DecodeError:
        return True
    return figure is not None and not 0 < figure <= most


def _blind(demand: Demand, _: int) -> Demand:
    return msgspec.structs.replace(demand, needs=demand.needs - {"vision", URLS})


def _without_images(chat: ChatRequest, _: int, _limit_field: str) -> ChatRequest:
    """Only parts that certainly show nothing stay: a file or a video may, and so may what nobody here knows."""
    if not any(isinstance(message.content, list) for message in chat.view.messages):
        return chat
    messages = [_MEMBERS.decode(raw) for raw in _LIST.decode(chat.fields["messages"])]
    changed = False
    for message, seen in zip(messages, chat.view.messages, strict=True):
        if isinstance(seen.content, list):
            raws = [bytes(raw) for raw in _LIST.decode(message["content"])]
            kept = [raw if _plain(part, raw) else REMOVED for part, raw in zip(seen.content, raws, strict=True)]
            if kept != raws:
                message["content"] = Raw(b"[" + b",".join(kept) + b"]")
                changed = True
    return said_anew(chat, {"messages": msgspec.json.encode(messages)}) if changed else chat


def _plain(part: Part, raw: bytes) -> bool:
    """Whether a part shows nothing: by its type, and by its members, since some servers go by those."""
    return part.type in _SHOWS_NOTHING and not any(
        word in name.lower() for name in _MEMBERS.decode(raw) for word in ("image", "video", "file")
    )


def _as_it_is(chat: ChatRequest, _: int, _limit_field: str) -> ChatRequest:
    return chat


def _as_demanded(demand: Demand, _: int) -> Demand:
    return demand


_ACTS: Mapping[str, _Act] = {
    "redact": _Act(_as_demanded, _as_it_is),  # before the policy is asked again: see `sensitivity.forms`
    "scan_answer": _Act(_as_demanded, _as_it_is),  # on the answer's way back: see `hop`
    "max_output_tokens": _Act(_less_demanded, _limited),
    "strip_images": _Act(_blind, _without_images),
}
