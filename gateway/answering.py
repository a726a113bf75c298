"""Answers that go to the client in one piece: a whole one, or how its request failed."""

from collections.abc import Callable, Mapping

from gateway.core.decision import Decision
from gateway.core.errors import FINAL, Failed, FailureKind
from gateway.core.fallback import given_up
from gateway.core.record import Call
from gateway.core.room import FREE_BYTES
from gateway.ports import Headers, Reply, Sent, UpstreamError
from gateway.providers.reader import Answer
from gateway.wire import Surface

_NOT_STREAMED = Failed(
    FailureKind.BROKEN,
    FailureKind.BROKEN.status,
    {
        "message": "the backend did not stream although it was asked to",
        "type": "server_error",
        "param": None,
        "code": "upstream_broken",
    },
)


def whole(
    raw: bytes, sent: Sent, shown: Callable[[bytes, frozenset[str], Mapping[str, str]], bytes | Failed]
) -> Answer:
    """What a backend answered (status 200), as its client reads it; no body where it failed. `shown` watches it, and
    puts back what was taken. What it used is known however it fails: it is owed."""
    answer = sent.dialect.answer(raw, sent.chat)
    body, failed = answer.body, answer.failed
    if failed is None and sent.chat.streamed:
        failed = _NOT_STREAMED
    if failed is None and (sent.watched or sent.taken):
        seen = shown(body, sent.watched, sent.taken)
        body, failed = (b"", seen) if isinstance(seen, Failed) else (seen, None)
    if failed is None and sent.surface is not None:
        try:
            body = sent.surface.answer(body, sent.chat)
        except UpstreamError as error:
            failed = error.failed
    body = b"" if failed is not None else body
    return Answer(body, answer.usage, answer.written_bytes, failed, answer.service, answer.model, answer.unfinished)


async def answer(reply: Reply, headers: Headers, call: Call, surface: Surface, body: bytes) -> None:
    """Sends a whole answer."""
    headers += [(name, call.id.encode()) for name in surface.id_headers]
    headers.append((b"content-length", b"%d" % len(body)))
    await reply.start(200, headers)
    if len(body) > FREE_BYTES:  # it counts as held until the client has taken it
        reply.write(body)
        await reply.room()
        body = b""
    await reply.end(body)


async def give_up(
    reply: Reply, surface: Surface, call: Call, decision: Decision, failures: tuple[Failed, ...]
) -> tuple[int, str]:
    """Tells the client how it failed."""
    told = given_up(decision, failures)
    body = surface.error(told.status, told.error, call.id)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *((name, call.id.encode()) for name in surface.id_headers),
        (b"x-gateway-decision", decision.id.encode()),
        (b"x-gateway-attempts", b"%d" % len(failures)),
    ]
    if told.retry_after is not None:
        headers.append((b"retry-after", told.retry_after.encode("latin-1", "replace")))
    if told.retry_after_ms is not None:
        headers.append((b"retry-after-ms", b"%d" % told.retry_after_ms))
    if all(failed.kind.is_ours for failed in failures):
        headers += FINAL  # SDKs would, by the status
    await reply.start(told.status, headers)
    await reply.end(body)
    return told.status, told.code
