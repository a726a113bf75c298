"""What is about to be sent is noted first, at the most that it can cost. What cannot be noted is not sent."""

import contextlib
import errno
import http.client
import json
import signal
import time
from pathlib import Path
from threading import Thread

import pytest
from support import policy_trees
from support.calling import post
from support.doubles import SCANNING, Books, Calls, Snapshot, Snapshots, Told, backend, call, failing
from support.server import Server
from support.server import backend as served
from support.upstream import HANG, OK, answer, delta, stream

from gateway.adapters import decisions
from gateway.adapters.books import Books as Ledgers
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.conversations import Conversations
from gateway.adapters.lanes import Lanes
from gateway.core.errors import Refusal, Refused
from gateway.core.record import End
from gateway.core.room import Room
from gateway.providers import DIALECTS
from gateway.relay import Relay
from gateway.surfaces import CHAT

BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}).encode()


class Full(Books):
    """Books on a disk that is full."""

    def open(self, entry, decided) -> None:
        super().open(entry, decided)
        raise OSError(errno.ENOSPC, "No space left on device")


def relay(books: Books, upstreams: Calls) -> Relay:
    policies = Snapshots(Snapshot((backend("a"), backend("b"))))
    budgets = LocalBudgets(Ledgers(Path("/nonexistent")))
    return Relay(
        policies,
        upstreams,
        DIALECTS,
        books,
        books,
        Conversations(),
        budgets,
        SCANNING,
        Lanes(lambda *_: None),
        Room(10_000_000),
        lambda *_: None,
    )


@pytest.mark.assures("threat B1")
async def test_every_call_is_noted_before_it_is_sent(showed):
    books, noted = Books(), []
    upstreams = Calls(
        {"a": failing()}, before=lambda asked: noted.append((asked, [each.backend for each in books.intents]))
    )
    await relay(books, upstreams).serve(CHAT, call(), BODY, Told())
    assert noted == [("a", ["a"]), ("b", ["a", "b"])]
    assert [each.state for each in books.intents] == ["open", "open"]
    assert all(each.cost_pico_usd > 0 for each in books.intents)
    assert [(row.backend, row.state) for row in books.rows] == [("a", "released"), ("b", "settled")]
    showed("2 hops", "each in the journal, at its upper bound, before its call")


async def test_what_cannot_be_noted_is_not_sent():
    books, upstreams = Full(), Calls()
    with pytest.raises(Refused) as refused:
        await relay(books, upstreams).serve(CHAT, call(), BODY, Told())
    assert (refused.value.refusal, upstreams.sent, len(books.intents)) == (Refusal.LEDGER_DOWN, [], 1)


@pytest.mark.assures("fault 13")
def test_the_decision_of_every_call_that_was_sent_survives_a_kill(tmp_path, upstream, showed):
    upstream.scripts["quick"] = [answer(OK)]
    upstream.scripts["slow"] = [*stream(delta("x"))[:2], HANG]
    catalog = {name: served(upstream.url(name)) for name in ("quick", "slow")}
    server = Server(tmp_path / "gateway", policy_trees.at_home(tmp_path / "tree"), catalog).start()
    try:
        key = server.key()
        body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "a word of a prompt"}]}

        def ask():
            with contextlib.suppress(OSError, http.client.HTTPException):
                post(server, key, body)

        asking = [Thread(target=ask, daemon=True) for _ in range(6)]
        for each in asking:
            each.start()
        sent = len(asking) + 5
        for _ in range(5):
            assert post(server, key, {**body, "model": "quick", "stream": False}).status == 200
        until = time.monotonic() + 10
        while sum(seen.name == "slow" for seen in upstream.seen) < len(asking) and time.monotonic() < until:
            time.sleep(0.02)
        server.stop(signal.SIGKILL)
        assert b"a word of a prompt" not in b"".join(
            path.read_bytes() for path in server.state.rglob("*") if path.is_file()
        )
        server.start()
        rows = {row["decision_id"]: row for row in server.ledger()}
        found = {each.decision_id: each for each in decisions.read(server.state, 0)}
        assert len(rows) == sent
        assert found.keys() == rows.keys()
        crashed = [each for each in found.values() if each.end is End.CRASHED]
        assert {(each.backend, rows[each.decision_id]["state"]) for each in crashed} >= {("slow", "uncertain")}
        assert len(crashed) >= len(asking)
        assert all(each.plan == (each.backend,) and each.facts.team == "t" for each in found.values())
        assert server.cli("audit", "verify").returncode == 0
    finally:
        server.stop(signal.SIGKILL)
    showed(f"{sent} calls, {len(asking)} of them under way at a kill -9", "every decision in the trail after a start")
