"""What is about to be sent is noted first, at the most that it can cost. What cannot be noted is not sent."""

import errno
import json
from pathlib import Path

import pytest
from support.doubles import SCANNING, Books, Calls, Snapshot, Snapshots, Told, backend, call, failing

from gateway.adapters.books import Books as Ledgers
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.conversations import Conversations
from gateway.adapters.lanes import Lanes
from gateway.core.errors import Refusal, Refused
from gateway.providers import DIALECTS
from gateway.relay import Relay
from gateway.surfaces import CHAT

BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}).encode()


class Full(Books):
    """Books on a disk that is full."""

    def open(self, entry) -> None:
        super().open(entry)
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
