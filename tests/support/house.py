"""A relay with stand-ins around it, so that any moment of a request can be held still."""

import asyncio
import json
from pathlib import Path

from gateway.adapters.books import Books as Ledgers
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.conversations import Conversations
from gateway.adapters.lanes import Lanes
from gateway.core.errors import Refused
from gateway.core.room import Room
from gateway.providers import DIALECTS
from gateway.relay import Relay
from gateway.surfaces import CHAT
from support.doubles import SCANNING, Books, Calls, Snapshot, Snapshots, Told, call


class House:
    """A relay with everything around it."""

    def __init__(self, snapshot: Snapshot, answers: dict | None = None, before=None, scanning=SCANNING) -> None:
        self.policies = Snapshots(snapshot)
        self.upstreams = Calls(answers, before)
        self.books = Books()
        self.distrusted = []  # who answered as another model, and as which
        self.conversations = Conversations()
        self.answers = Room(10_000_000)
        self.budgets = LocalBudgets(Ledgers(Path("/nonexistent")))
        self.relay = Relay(
            self.policies,
            self.upstreams,
            DIALECTS,
            self.books,
            self.books,
            self.conversations,
            self.budgets,
            scanning,
            Lanes(lambda *_: None),
            self.answers,
            lambda candidate, name: self.distrusted.append((candidate.backend.id, name)),
        )

    async def ask(self, model="auto", text="hi", *, told=None, of=None, messages=None, **fields):
        """Sends one request. Returns what the client got: what it would be told, or how it was refused."""
        body = {"model": model, "messages": messages or [{"role": "user", "content": text}], **fields}
        told = told or Told()
        try:
            await self.relay.serve(CHAT, of or call(), json.dumps(body).encode(), told)
        except Refused as refused:
            return refused
        return told

    def start(self, model="auto", **fields):
        """Sends one request and returns its task, what the client is told, and which comes when something is sent."""
        told = Told()
        return asyncio.create_task(self.ask(model, told=told, **fields)), told

    @property
    def record(self):
        return self.books.records[-1]


async def turns_of_the_loop(count=10):
    for _ in range(count):
        await asyncio.sleep(0)
