"""Which replicas there are, and whether an operator is told that they differ."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import stores
from support.budgets_contract import limit
from support.shared_books import Shared

from gateway import __version__
from gateway.adapters import replicas
from gateway.adapters.replicas import Replicas

SAID = b'{"version":"1.0","policy":"p1"}'


class Told:
    def __init__(self, policy="p1"):
        self.events = []
        self.policy = policy
        self.replicas = Replicas(lambda event, **fields: self.events.append((event, fields)), lambda: self.policy)

    def hears(self, *others, now=100.0):
        """Others: (name, how many seconds ago, what it said)."""
        own = (self.replicas.name.encode(), str(now).encode(), self.replicas.said().encode())
        told = [(name, str(now - ago).encode(), said) for name, ago, said in others]
        self.replicas.heard(now, [part for each in [own, *told] for part in each])

    @property
    def names(self):
        return [event for event, _ in self.events]


def test_alone_there_is_this_one():
    told = Told()
    [this] = told.replicas.shown()
    assert (this.id, this.version, this.policy, this.here) == (told.replicas.name, __version__, "p1", True)


def test_all_that_gave_a_sign_lately_are_shown_this_one_first():
    told = Told()
    told.hears((b"b", 1.0, SAID), (b"a", 0.5, b""), (b"c", 11.0, SAID))
    this, *others = told.replicas.shown()
    assert this.here
    assert [(each.id, each.version, each.policy, each.here) for each in others] == [
        ("a", None, None, False),
        ("b", "1.0", "p1", False),
    ]
    assert others[1].seen_seconds == pytest.approx(1.0, abs=0.2)


def test_who_has_gone_is_no_longer_shown_also_while_nobody_can_be_asked(monkeypatch):
    told = Told()
    told.hears((b"b", 1.0, SAID))
    later = time.monotonic() + 9.5
    monkeypatch.setattr(replicas.time, "monotonic", lambda: later)
    assert len(told.replicas.shown()) == 1


def test_an_operator_is_told_once_that_policies_differ_and_once_that_they_agree(monkeypatch):
    moment = [1000.0]
    monkeypatch.setattr(replicas.time, "monotonic", lambda: moment[0])
    told = Told("p2")
    for _ in range(20):
        told.hears((b"b", 0.0, SAID), (b"silent", 0.0, b""))
        moment[0] += 0.5
        assert told.names == ([] if moment[0] <= 1005.5 else ["replicas_differ"])
    assert told.events[0][1] == {"policies": {"p2": [told.replicas.name], "p1": ["b"]}}
    told.policy = "p1"
    for _ in range(20):
        told.hears((b"b", 0.0, SAID))
        moment[0] += 0.5
    assert told.names == ["replicas_differ", "replicas_agree"]


def test_a_policy_that_reaches_all_within_seconds_is_nothing_to_tell(monkeypatch):
    moment = [1000.0]
    monkeypatch.setattr(replicas.time, "monotonic", lambda: moment[0])
    told = Told("p2")
    for policy in ("p2", "p1") * 20:
        told.policy = policy
        told.hears((b"b", 0.0, SAID))
        moment[0] += 4.0
    assert told.names == []


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_whatever_others_say_is_shown_or_not_known(name, said):
    told = Told()
    told.hears((name, 0.0, said))
    assert all(each.version is None or len(said) <= 256 for each in told.replicas.shown()[1:])


async def test_replicas_hear_of_each_other_with_their_sign_of_life():
    with stores.valkey() as server:
        one, other = Told("p1"), Told("p2")
        books = [Shared(stores.url_of(server), present=each.replicas) for each in (one, other)]
        for each in books:
            each.budgets.enforce([limit("all", "organisation", "month", 3000)], {})
            await each.budgets.start()
        await books[0].until(lambda: len(one.replicas.shown()) == len(other.replicas.shown()) == 2)
        assert [each.policy for each in one.replicas.shown()] == ["p1", "p2"]
        other.policy = "p1"
        await books[0].until(lambda: [each.policy for each in one.replicas.shown()] == ["p1", "p1"])
        books[0].client.set("{gw}:replicas:said", "somebody else's")
        await books[0].until(lambda: books[0].client.type("{gw}:replicas:said") == b"hash")
        await books[1].close()
        await books[0].until(lambda: len(one.replicas.shown()) == 1)
        assert books[0].client.hkeys("{gw}:replicas:said") == [one.replicas.name.encode()]
        await books[0].close()
