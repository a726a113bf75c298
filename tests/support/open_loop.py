"""Load that comes by a clock: a request is sent when it is due, whatever became of those before it.

A client that waits for an answer before it asks again asks less of who is slow, and hides how long others would wait.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What came of one request. `seconds` are from when it was due; status 0: the connection broke."""

    status: int
    seconds: float
    whole: bool
    retry_after: bool


async def send(port: int, request: bytes, due: float) -> Answer:
    """One request over a connection of its own."""
    head = b""
    whole = False
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if length := re.search(rb"\r\ncontent-length: (\d+)", head):
                whole = b'"usage"' in await reader.readexactly(int(length[1]))
            else:
                whole = b"data: [DONE]" in await reader.readuntil(b"\r\n0\r\n\r\n")
        finally:
            writer.close()
    except (OSError, EOFError):
        pass  # it broke off: status and `whole` say so
    status = int(head[9:12]) if head.startswith(b"http/1.1 ") else 0
    return Answer(status, time.monotonic() - due, whole, b"\r\nretry-after: " in head)


async def load(port: int, request: Callable[[int], bytes], per_second: float, seconds: float) -> list[Answer]:
    """So many requests a second, evenly spaced. Returns once all are answered; those of one instant go out together."""
    tasks: list[asyncio.Task[Answer]] = []
    began = time.monotonic()
    for number in range(int(per_second * seconds)):
        due = began + number / per_second
        if (left := due - time.monotonic()) > 0:
            await asyncio.sleep(left)
        tasks.append(asyncio.create_task(send(port, request(number), due)))
    return await asyncio.gather(*tasks)


def sent_late(answers: list[Answer], seconds: float) -> float:
    """The share of requests whose answers took longer than that."""
    return sum(each.seconds > seconds for each in answers) / len(answers)
