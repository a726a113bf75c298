"""An upstream that bills: it does what each request tells it to, and writes down what it will charge for.

A request's only message is a plan in JSON. The upstream never tells the bill to anyone but the test.
"""

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, replace

from support.upstream import STREAM_END, STREAM_HEAD, answer, chunk, event, reset

PRICES = {"input": 1, "cache_read": 0.1, "output": 4, "reasoning": 6}
"""USD per million tokens, as the catalog has them."""

TOKENS_PER_SECOND = 2000
"""How fast it reasons."""

PICO = {"prompt": 1_000_000, "cached": 100_000, "output": 4_000_000, "reasoning": 6_000_000}


@dataclass(frozen=True)
class Plan:
    """What is to become of one request. Tokens are what the upstream counts; it writes a word for each, and reasons
    unseen.

    `after` is after how many events something happens: the connection is reset, an error comes, the client leaves.
    """

    number: int
    kind: str
    streamed: bool
    prompt: int
    cached: int
    output: int
    reasoning: int
    after: int
    padding: str

    def message(self) -> str:
        return json.dumps(asdict(self))

    @property
    def usage(self) -> dict:
        written = self.output + self.reasoning
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": written,
            "total_tokens": self.prompt + written,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }

    @property
    def cost(self) -> int:
        """What the whole answer costs, in pico-USD."""
        return self.cost_of(self.output, self.reasoning)

    def cost_of(self, output: int, reasoning: int = 0) -> int:
        fresh = self.prompt - self.cached
        return (
            fresh * PICO["prompt"]
            + self.cached * PICO["cached"]
            + output * PICO["output"]
            + reasoning * PICO["reasoning"]
        )


GARBAGE = (
    {"prompt_tokens": 5, "completion_tokens": -3},
    {"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 50}},
    {"prompt_tokens": "many", "completion_tokens": "few"},
    [1, 2, 3],
    {},
)


class BillingUpstream:
    """The server. `bill` is pico-USD by the number of the plan: what is charged, whatever the gateway came to know;
    `calls` are those that arrived, by kind.

    The backend is the first part of the path: `first` fails where the plan says so, any other serves.
    """

    def __init__(self) -> None:
        self.bill: dict[int, int] = {}
        self.calls = Counter[str]()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listens; returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**22, backlog=1024)
        return self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")
                )
                body = json.loads(await reader.readexactly(length))
                content = body["messages"][0]["content"]
                plan = Plan(**json.loads(content if isinstance(content, str) else content[0]["text"]))
                if plan.output > (most := body.get("max_tokens", plan.output)):
                    plan = replace(plan, output=most)
                self.calls[plan.kind] += 1
                if not await self._answer(plan, head.split(b"/")[1].decode(), writer):
                    break
        writer.close()

    async def _answer(self, plan: Plan, backend: str, writer: asyncio.StreamWriter) -> bool:
        """Does what the plan says; False when the connection is over."""
        if backend == "first" and plan.kind in ("fallback", "throttled"):
            status = 500 if plan.kind == "fallback" else 429
            writer.write(answer({"error": {"message": "m", "type": "t", "code": "c"}}, status))
            return True  # not billed
        before = self.bill.get(plan.number, 0)  # of an earlier call
        await asyncio.sleep(plan.reasoning / TOKENS_PER_SECOND)
        if plan.kind == "reset-before":
            self.bill[plan.number] = before + plan.cost  # it was computed, and nobody took it
            reset(writer)
            return False
        if not plan.streamed:
            self.bill[plan.number] = before + plan.cost
            await asyncio.sleep(0.02 if plan.kind == "hangup" else 0)
            writer.write(answer(_body(plan)))
            await writer.drain()
            return True
        return await self._stream(plan, before, writer)

    async def _stream(self, plan: Plan, before: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(STREAM_HEAD)
        for written in range(1, plan.output + 1):
            if writer.is_closing():
                return False
            self.bill[plan.number] = before + plan.cost_of(written, plan.reasoning)
            writer.write(chunk(_delta(plan, {"content": "word "})))
            await writer.drain()
            if plan.kind == "hangup":
                await asyncio.sleep(0.001)
            if written == plan.after and plan.kind == "reset":
                await asyncio.sleep(0.002)  # what was written goes out
                reset(writer)
                return False
            if written == plan.after and plan.kind == "error":
                writer.write(chunk(event({"error": {"message": "m", "type": "server_error", "code": None}})))
                writer.write(STREAM_END)
                return True
        if plan.kind == "tools":
            call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            writer.write(chunk(_delta(plan, {"tool_calls": [call]})))
        writer.write(chunk(_delta(plan, {}, "stop")))
        if (usage := _told(plan)) is not None:
            writer.write(chunk(event({**_HEAD, "choices": [], "usage": usage})))
        writer.write(chunk(b"data: [DONE]\n\n") + STREAM_END)
        await writer.drain()
        return True


_HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "billing"}


def _told(plan: Plan) -> object | None:
    """The usage that is reported, None: none is."""
    if plan.kind == "silent":
        return None
    return GARBAGE[plan.number % len(GARBAGE)] if plan.kind == "garbage" else plan.usage


def _delta(plan: Plan, delta: dict, finish: str | None = None) -> bytes:
    return event({**_HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _body(plan: Plan) -> dict:
    message: dict[str, object] = {"role": "assistant", "content": "word " * plan.output}
    if plan.kind == "tools":
        message["tool_calls"] = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "billing",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    usage = _told(plan)
    return body if usage is None else {**body, "usage": usage}
