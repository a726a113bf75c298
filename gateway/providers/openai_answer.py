"""Reading buffered chat completions as OpenAI and most other servers write them, mended where servers disagree, as in a
stream. The bytes of an answer that needs none of it stay as they came."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw

from gateway.core.errors import FailureKind
from gateway.providers import finish, mending
from gateway.providers.failures import classify, unreadable, wrong_end
from gateway.providers.openai_stream import (
    BODY,
    NO_CODES,
    NONSENSE,
    Choice,
    cached_beside,
    failed_beside,
    is_nonsense,
    length_of,
    measured,
    present,
    word,
)
from gateway.providers.reader import NO_TEXT, Answer, is_text
from gateway.providers.usage import totalled, usage_of

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


def answer_of(
    body: bytes, *, tags: bool = False, codes: Mapping[str, FailureKind] = NO_CODES, named: bool = False
) -> Answer:
    """What a buffered answer with status 200 says. It is the client's only if nothing failed. `tags`, `codes` and
    `named` are as for a stream."""
    try:
        read = BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Answer(b"", None, 0, unreadable("the backend answered with something that is no chat completion"))
    if not is_text(body):
        return Answer(b"", usage_of(read.usage), 0, NO_TEXT)
    failed = classify(200, body, None, codes) if present(read.error) else None
    if failed is None and not read.choices:
        failed = failed_beside(read, body) or unreadable("the backend answered without choices")
    wrong = next((wrong for each in read.choices or () if (wrong := finish.failure(each.finish_reason or ""))), "")
    if failed is None and wrong:
        failed = wrong_end(wrong)
    usage = usage_of(read.usage, cached_beside(read))
    if failed is not None:
        return Answer(b"", usage, 0, failed)  # what is reported is billed, whatever else
    choices = read.choices or []
    sizes = [measured(choice.message) for choice in choices]
    for choice, (_, odd) in zip(choices, sizes, strict=True):
        if (choice.message is None and choice.text is UNSET) or (odd and is_nonsense(choice.message)):
            return Answer(b"", usage, 0, unreadable(NONSENSE))
    written = sum(size for size, _ in sizes) + sum(length_of(choice.text) for choice in choices)
    if tags or any(odd or _is_odd(choice) for choice, (_, odd) in zip(choices, sizes, strict=True)):
        body = _mended(body, choices, tags=tags, named=named)
    indexes = [choice.index for choice in choices]
    if indexes != sorted(indexes):
        body = mending.in_order(body, indexes)
    if (total := totalled(read.usage)) is not None:
        body = msgspec.json.encode({**_MEMBERS.decode(body), "usage": Raw(total)})
    unfinished = any(choice.finish_reason is None for choice in choices)
    return Answer(body, usage, written, None, word(read.service_tier), word(read.model), unfinished)


def _mended(body: bytes, choices: Sequence[Choice], *, tags: bool, named: bool) -> bytes:
    changes: dict[int, tuple[mending.Change, bytes | None]] = {}
    raws = msgspec.json.decode(_MEMBERS.decode(body)["choices"], type=list[dict[str, Raw]])
    for at, choice in enumerate(choices):
        said: mending.Change = {}
        if choice.message is not None:
            said = mending.whole(_MEMBERS.decode(raws[at]["message"]), tags=tags)
        ends = _ends(choice, named=named)
        if said or ends is not None:
            changes[at] = said, ends
    return mending.rewritten(body, changes, "message") if changes else body


def _ends(choice: Choice, *, named: bool) -> bytes | None:
    """The finish reason (JSON) in the client's words; None: it is, or there is none."""
    why = choice.finish_reason
    if why is None:
        return None
    calls = choice.message is not None and present(choice.message.tool_calls)
    reason = "tool_calls" if calls and (why == "" or not named) and finish.reason(why) == "stop" else finish.reason(why)
    return b'"%b"' % reason.encode() if reason != why else None


def _is_odd(choice: Choice) -> bool:
    """Whether it needs a closer look for its end, or since it has no content."""
    odd_end = choice.finish_reason is not None and choice.finish_reason not in finish.OURS
    return odd_end or (choice.message is not None and choice.message.content is UNSET)
