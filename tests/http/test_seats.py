"""Calls under way of each team: nobody's first call finds all taken by one other team."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.server import backend, serving
from support.upstream import OK, Upstream, answer

from gateway.core.errors import Refusal, Refused
from gateway.core.record import Caller
from gateway.http.calls import Calls
from gateway.http.repeats import Repeats
from gateway.http.seats import Seats


def sits(seats: Seats, team: str) -> bool:
    try:
        seats.take(team)
    except Refused as refused:
        return (refused.refusal, refused.retry_after) != (Refusal.CROWDED, 1)
    return True


def taken(seats: Seats, team: str, asked: int) -> int:
    return sum(sits(seats, team) for _ in range(asked))


@pytest.mark.parametrize(("teams", "expected"), [(1, 100), (2, 80)])
def test_one_team_leaves_a_fifth_where_there_are_others(teams, expected):
    assert taken(Seats(100, lambda: teams), "a", 100) == expected


def test_what_is_left_is_shared_and_what_ends_goes_to_whoever_has_less():
    seats = Seats(100, lambda: 2)
    assert (taken(seats, "a", 100), taken(seats, "b", 100)) == (80, 16)
    for _ in range(200):  # calls of `a` end, and both ask for more
        seats.give_back("a")
        taken(seats, "b", 1)
        taken(seats, "a", 1)
    assert abs(seats._of["a"] - seats._of["b"]) <= 8
    assert seats.taken <= 90


@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=100),
)
def test_whoever_has_none_finds_one_while_there_is_one_and_all_come_back(most, steps):
    seats, held = Seats(most, lambda: 3), []
    for team, ends in steps:
        if ends and team in held:
            held.remove(team)
            seats.give_back(team)
        elif seats.taken < most:
            free = sits(seats, team)
            assert free or team in held
            held += [team] * free
        assert seats.taken == len(held)
    for team in held:
        seats.give_back(team)
    assert (seats.taken, seats._of) == (0, {})


def test_a_crowd_is_a_team_with_more_than_half():
    seats = Seats(100, lambda: 3)
    assert not seats.another_crowds("a")
    taken(seats, "a", 3)
    assert (seats.another_crowds("a"), seats.another_crowds("b")) == (False, True)
    taken(seats, "b", 3)
    assert [seats.another_crowds(team) for team in "abc"] == [False] * 3
    seats.give_back("a")
    assert [seats.another_crowds(team) for team in "abc"] == [True, False, True]


def test_only_who_is_known_and_no_crowd_is_spared():
    callers = {b"1": Caller("k1", "loud", "a"), b"2": Caller("k2", "calm", "a"), b"3": Caller("k3", "ops", "a")}
    callers[b"3"] = msgspec.structs.replace(callers[b"3"], scopes=frozenset())
    seats = Seats(100, lambda: 2)
    taken(seats, "loud", 10)
    calls = Calls(None, callers.get, None, 0, None, seats, Repeats())
    spared = [calls.spares([(b"authorization", b"Bearer " + key)]) for key in (b"1", b"2", b"3", b"4")]
    assert spared == [False, True, False, False]
    assert not calls.spares([])
    assert not calls.spares([(b"x-api-key", b"1"), (b"x-api-key", b"2")])


@pytest.mark.assures("threat D2")
def test_while_one_team_asks_for_all_there_is_others_are_served(tmp_path, showed):
    upstream = Upstream()
    upstream.scripts |= {"slow": [0.5, answer(OK)], "a": [answer(OK)]}
    catalog = {name: backend(upstream.url(name)) for name in ("slow", "a")}
    try:
        with serving(tmp_path, catalog, GATEWAY_MAX_INFLIGHT="40") as server, httpx2.Client(timeout=30) as client:
            loud, calm = (server.key(sensitivity="public", team=team) for team in ("loud", "calm"))

            def ask(client: httpx2.Client, key: str, model: str) -> httpx2.Response:
                body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
                headers = {"authorization": f"Bearer {key}"}
                return client.post(f"{server.base}/v1/chat/completions", json=body, headers=headers)

            assert ask(client, loud, "a").status_code == ask(client, calm, "a").status_code == 200
            over, told = threading.Event(), []

            def flood() -> None:
                with httpx2.Client(timeout=30) as own:
                    while not over.is_set():
                        answered = ask(own, loud, "slow")
                        told.append(answered)
                        time.sleep(0.05 if answered.status_code != 200 else 0)

            with ThreadPoolExecutor(38) as apart:  # 32 of them are served at once
                flooding = [apart.submit(flood) for _ in range(38)]
                try:
                    until = time.monotonic() + 10
                    while all(each.status_code == 200 for each in told) and time.monotonic() < until:
                        time.sleep(0.05)
                    others = [ask(client, calm, "a").status_code for _ in range(30)]
                finally:
                    over.set()
            for each in flooding:
                each.result()
            shed = server.metrics()['gateway_shed_total{reason="team"}']
    finally:
        upstream.stop()
    turned_away = [each for each in told if each.status_code != 200]
    assert others == [200] * 30
    assert any(each.status_code == 200 for each in told)
    assert {
        (each.status_code, json.loads(each.text)["error"]["code"], each.headers["retry-after"]) for each in turned_away
    } == {(429, "team_overloaded", "1")}
    assert shed == len(turned_away) > 0
    showed(
        "38 busy clients of one team where 40 calls are served at once, 30 requests of another",
        "30 served; 429 with `Retry-After` for the others",
    )
