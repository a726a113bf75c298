"""Answers that go to the client in one piece: a whole one, or how its request failed."""

from gateway.core.decision import Decision
from gateway.core.errors import Failed
from gateway.core.fallback import given_up
from gateway.core.record import Call
from gateway.ports import Headers, Reply
from gateway.wire import Surface


async def answer(reply: Reply, headers: Headers, call: Call, surface: Surface, body: bytes) -> None:
    """Sends a whole answer."""
    headers += [(name, call.id.encode()) for name in surface.id_headers]
    headers.append((b"content-length", b"%d" % len(body)))
    await reply.start(200, headers)
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
    if all(failed.kind.is_ours for failed in failures):
        headers.append((b"x-should-retry", b"false"))  # SDKs would, by the status
    await reply.start(told.status, headers)
    await reply.end(body)
    return told.status, told.code
