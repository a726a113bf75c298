"""The policy on the hot path: every hop decided again, obligations done, what is running cut, conversations followed.

The relay alone, with stand-ins around it, so that any moment of a request can be held still.
"""

import asyncio
import json

import pytest
from support.doubles import (
    HANG,
    YES,
    Answering,
    Snapshot,
    Snapshots,
    Told,
    answering,
    backend,
    call,
    failing,
    streaming,
)
from support.house import House, turns_of_the_loop
from support.upstream import DONE, delta

from gateway.core.budget import Limit, Spend
from gateway.core.decision import Obligation, Project, Verdict
from gateway.core.record import End
from gateway.core.spender import Spender

A, B, C = backend("a"), backend("b"), backend("c")
NO = Verdict(("p",), ("stop",))
CUT = Verdict(("p",), ("off",), revokes=True)
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


# Every hop is decided again.


def by_attempt(**denied):
    return lambda of, facts, moment: NO if facts.attempt in denied.get(of, ()) else YES


async def test_a_rule_about_hops_takes_out_who_was_planned():
    house = House(Snapshot([A, B, C], by_attempt(b="2"), asks_hops=True), {"a": failing()})
    told = await house.ask()
    assert house.upstreams.called == ["a", "c"]
    assert told.headers["x-gateway-attempts"] == "2"
    assert [(each.backend, each.by, each.rules) for each in house.record.decision.excluded] == [
        ("b", "policy", ("stop",))
    ]


async def test_a_rule_about_hops_may_admit_somebody_later():
    house = House(Snapshot([A, B], by_attempt(a="1", b="2"), asks_hops=True), {"b": failing()})
    told = await house.ask()
    assert (house.upstreams.called, told.status) == (["b", "a"], 200)
    assert [tried.hop for tried in house.record.tried] == [1, 2]


async def test_nobody_is_called_twice_even_if_a_later_plan_names_it():
    house = House(Snapshot([A, B], asks_hops=True), {"a": failing(), "b": failing()})
    await house.ask()
    assert house.upstreams.called == ["a", "b"]


async def test_the_facts_of_a_hop_say_what_came_before_it():
    nowhere = backend("b", passport={"operator_origin": "us"})
    house = House(Snapshot([A, nowhere, C], asks_hops=True), {"a": failing(503), "b": failing(429)})
    await house.ask()
    seen = {(f.attempt, f.last_error, f.visited_regions, f.visited_operators) for f in house.policies.current.asked}
    assert seen == {
        ("1", "none", frozenset(), frozenset()),
        ("2", "overloaded", frozenset({"eu"}), frozenset({"eu"})),
        ("3", "throttled", None, frozenset({"eu", "us"})),  # nobody declared where b is
    }


async def test_a_policy_without_rules_about_hops_is_asked_about_each_all_the_same():
    house = House(Snapshot([A, B], by_attempt(b="2")), {"a": failing()})  # an exception may be for one hop only
    await house.ask()
    assert house.upstreams.called == ["a"]


async def test_a_request_that_is_served_at_once_asks_once():
    house = House(Snapshot([A, B], asks_hops=True))
    await house.ask()
    assert len(house.policies.current.asked) == 1


async def test_an_exception_that_runs_out_under_way_lets_nobody_through():
    snapshot = Snapshot([A, B], lambda of, facts, moment: YES if of == "a" or moment < 100 else NO)
    house = House(snapshot, {"a": failing()})

    def later(_):
        house.policies.now = 100

    house.upstreams.before = later
    told = await house.ask()
    assert (house.upstreams.called, told.status) == (["a"], 503)


async def test_a_newer_policy_that_denies_counts_at_the_next_hop():
    house = House(Snapshot([A, B, C]), {"a": failing()})
    newer = Snapshot([A, B, C], lambda of, facts, moment: NO if of == "b" else YES)
    house.upstreams.before = lambda _: setattr(house.policies, "current", newer)
    await house.ask()
    assert house.upstreams.called == ["a", "c"]


async def test_a_newer_policy_that_knows_a_backend_no_more_denies_it():
    house = House(Snapshot([A, B]), {"a": failing()})
    house.upstreams.before = lambda _: setattr(house.policies, "current", Snapshot([A]))
    await house.ask()
    assert house.upstreams.called == ["a"]


async def test_a_newer_policy_that_permits_more_does_not_count():
    house = House(Snapshot([A, B], lambda of, facts, moment: YES if of == "a" else NO), {"a": failing()})
    house.upstreams.before = lambda _: setattr(house.policies, "current", Snapshot([A, B]))
    await house.ask()
    assert house.upstreams.called == ["a"]


async def test_only_the_newer_policy_asks_about_hops_and_is_asked_about_this_one():
    house = House(Snapshot([A, B]), {"a": failing()})
    newer = Snapshot([A, B], by_attempt(b="2"), asks_hops=True)
    house.upstreams.before = lambda _: setattr(house.policies, "current", newer)
    await house.ask()
    assert house.upstreams.called == ["a"]


class Moving(Snapshots):
    """Another snapshot comes into force just after the first was taken."""

    def __init__(self, first, then):
        super().__init__(then)
        self._first = [first]

    @property
    def current(self):
        return self._first.pop() if self._first else self._then

    @current.setter
    def current(self, value):
        self._then = value


async def test_when_all_are_revoked_before_the_first_call_the_rules_are_named():
    house = House(Snapshot([A]))
    house.relay._policies = Moving(Snapshot([A, B]), Snapshot([A, B], lambda *_: NO))
    refused = await house.ask()
    assert (refused.refusal.status, refused.refusal.code) == (403, "policy_denied")
    assert "rules: stop" in refused.message
    assert house.upstreams.sent == house.books.intents == []


async def test_obligations_of_the_newer_policy_are_done_too():
    of = {
        "pinned": Verdict(("p",), (), (Obligation("max_output_tokens", 50),)),
        "newest": Verdict(("p",), (), (Obligation("max_output_tokens", 70), Obligation("strip_images"))),
    }
    house = House(Snapshot([A]))
    house.relay._policies = Moving(
        Snapshot([A], lambda *_: of["pinned"]), Snapshot([A], lambda *_: of["newest"], digest="e")
    )
    await house.ask(messages=[{"role": "user", "content": [IMAGE]}])
    ((_, body),) = house.upstreams.sent
    assert body["max_tokens"] == 50
    assert "image_url" not in json.dumps(body)


# Obligations.


def obliged(*do):
    return lambda *_: Verdict(("p",), (), do)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"max_tokens": 100}),
        ({"max_tokens": 500}, {"max_tokens": 100}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 500}, {"max_tokens": 100}),
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
    ],
)
async def test_a_limit_is_sent_and_bounds_what_is_reserved(given, sent):
    house = House(Snapshot([A], obliged(Obligation("max_output_tokens", 100))))
    await house.ask(**given)
    ((_, body),) = house.upstreams.sent
    assert {name: value for name, value in body.items() if name.startswith("max")} == sent
    assert house.books.intents[0].cost_pico_usd == (9 + min(sent.values())) * 1_000_000


async def test_images_go_out_and_need_no_eyes_any_more():
    blind = backend("blind", capabilities=frozenset({"chat"}))
    messages = [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, IMAGE]}]
    house = House(Snapshot([blind], obliged(Obligation("strip_images"))))
    assert (await house.ask(messages=messages)).status == 200
    ((_, body),) = house.upstreams.sent
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "what is it?"},
        {"type": "text", "text": "[image removed by policy]"},
    ]
    without = House(Snapshot([blind]))
    assert (await without.ask(messages=messages)).refusal.code == "unsupported_capability"


async def test_each_candidate_has_its_own_obligations():
    verdicts = {"a": Verdict(("p",), (), (Obligation("max_output_tokens", 5),)), "b": YES}
    house = House(Snapshot([A, B], lambda of, *_: verdicts[of]), {"a": failing()})
    await house.ask()
    assert [body.get("max_tokens") for _, body in house.upstreams.sent] == [5, None]


async def test_what_nobody_here_can_discharge_is_not_sent():
    house = House(Snapshot([A], obliged(Obligation("whisper"))))
    refused = await house.ask()
    assert refused.refusal.code == "policy_denied"
    assert house.upstreams.sent == []


# Rules in trial, and broken ones.


async def test_rules_in_trial_are_recorded_and_those_that_warn_are_told():
    watched = Verdict(("p",), (), watched=("quiet", "loud", "louder"))
    house = House(Snapshot([A, B], lambda *_: watched, warns={"loud", "louder"}), {"a": failing()})
    told = await house.ask()
    assert told.headers["x-gateway-policy-warning"] == "loud, louder"
    assert [tried.watched for tried in house.record.tried] == [("quiet", "loud", "louder")] * 2


async def test_without_rules_that_warn_there_is_no_header():
    house = House(Snapshot([A], lambda *_: Verdict(("p",), (), watched=("quiet",))))
    assert "x-gateway-policy-warning" not in (await house.ask()).headers


async def test_the_use_of_an_exception_is_recorded_with_the_call():
    broken = {"a": Verdict(("p",), (), broken=("stop",)), "b": YES}
    house = House(Snapshot([A, B], lambda of, *_: broken[of]), {"a": failing()})
    await house.ask()
    assert [tried.broken for tried in house.record.tried] == [("stop",), ()]


# What is running is cut.


def cutting(id="a"):
    return Snapshot([A, B, C], lambda of, facts, moment: CUT if of == id else YES, digest="newest")


async def put_in_force(house, snapshot):
    house.policies.current = snapshot
    house.relay.running.policy_changed()
    await turns_of_the_loop()


async def test_a_stream_is_cut_with_an_error_and_without_done():
    answer = streaming(delta("hello "), HANG)
    house = House(Snapshot([A]), {"a": answer})
    task, told = house.start(stream=True)
    await turns_of_the_loop()
    assert told.body == delta("hello ")
    await put_in_force(house, cutting())
    assert task.done()
    error = json.loads(told.body.removeprefix(delta("hello ")).removeprefix(b"data: "))["error"]
    assert (error["code"], error["type"], error["param"]) == ("policy_revoked", "permission_error", None)
    assert told.ended
    assert answer.closed
    assert (house.record.end, house.record.status, house.record.code) == (End.REVOKED, 200, "policy_revoked")
    (row,) = house.books.rows
    assert (row.state, row.usage_source, row.outcome, row.failure) == (
        "settled",
        "estimated",
        "revoked",
        "policy_revoked",
    )
    assert row.output >= 2
    assert not task.cancelled()


async def test_a_stream_to_a_slow_client_is_cut_too():
    answer = streaming(delta("one "), delta("two "), HANG)
    house = House(Snapshot([A]), {"a": answer})
    told = Told()
    told.slow = asyncio.Event()
    task = asyncio.create_task(house.ask(told=told, stream=True))
    await turns_of_the_loop()
    await put_in_force(house, cutting())
    assert task.done()
    assert b"policy_revoked" in told.body
    assert answer.closed


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("answer", [HANG, answering(HANG), streaming(HANG)], ids=["no head", "head", "no event"])
async def test_what_has_not_begun_is_answered_403(streamed, answer):
    house = House(Snapshot([A, B]), {"a": answer if answer == HANG else type(answer)(200, answer.headers, [HANG])})
    task, told = house.start(stream=streamed)
    await turns_of_the_loop()
    await put_in_force(house, cutting())
    refused = task.result()
    assert (refused.refusal.status, refused.refusal.code) == (403, "policy_denied")
    assert "rules: off" in refused.message
    assert "dec-1" in refused.message
    assert (house.upstreams.called, told.started) == (["a"], False)
    assert all(opened.closed for opened in house.upstreams.opened)
    (row,) = house.books.rows
    assert (row.state, row.failure, row.outcome, row.status) == ("uncertain", "policy_revoked", "revoked", 403)
    assert row.cost_pico_usd == house.books.intents[0].cost_pico_usd


async def test_a_call_whose_denial_does_not_revoke_goes_on():
    answer = streaming(delta("hello "), HANG)
    house = House(Snapshot([A]), {"a": answer})
    task, _ = house.start(stream=True)
    await turns_of_the_loop()
    await put_in_force(house, Snapshot([A], lambda *_: NO))
    await put_in_force(house, Snapshot([]))
    await put_in_force(house, cutting("b"))
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_call_is_cut_once_however_often_the_policy_changes():
    house = House(Snapshot([A]), {"a": streaming(delta("hello "), HANG)})
    task, _ = house.start(stream=True)
    await turns_of_the_loop()
    house.policies.current = cutting()
    for _ in range(3):
        house.relay.running.policy_changed()
    await turns_of_the_loop()
    assert task.done()
    assert house.record.end is End.REVOKED


async def test_a_client_that_hangs_up_while_it_is_cut_has_hung_up():
    house = House(Snapshot([A]), {"a": streaming(delta("hello "), HANG)})
    task, told = house.start(stream=True)
    await turns_of_the_loop()
    house.policies.current = cutting()
    house.relay.running.policy_changed()
    asyncio.get_running_loop().call_soon(lambda: (setattr(told, "gone", True), task.cancel()))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert house.record.end is End.CLIENT_GONE


async def test_an_answer_that_is_complete_when_it_would_be_cut_is_complete():
    class Lingering(Answering):
        async def pass_on(self, take):
            await super().pass_on(take)
            return await asyncio.get_running_loop().create_future()  # the last event is in, the task not yet awake

    house = House(Snapshot([A]), {"a": Lingering(200, streaming().headers, [delta("hi"), delta("", "stop"), DONE])})
    task, told = house.start(stream=True)
    await turns_of_the_loop()
    await put_in_force(house, cutting())
    assert task.done()
    assert told.body == delta("hi") + delta("", "stop") + DONE
    assert house.record.end is End.COMPLETE


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_that_waits_for_the_ledger_is_not_cut_any_more(streamed):
    house = House(Snapshot([A]))
    house.books.sealing = asyncio.get_running_loop().create_future()
    task, told = house.start(stream=streamed)
    await turns_of_the_loop()
    await put_in_force(house, cutting())
    assert not task.done()
    house.books.sealing.set_result(None)
    await task
    assert (told.ended, house.record.end) == (True, End.COMPLETE)


async def test_a_cut_hangs_up_before_it_waits_for_anything():
    answer = streaming(delta("hello "), HANG)
    house = House(Snapshot([A]), {"a": answer})
    house.books.sealing = asyncio.get_running_loop().create_future()
    task, _ = house.start(stream=True)
    await turns_of_the_loop()
    await put_in_force(house, cutting())
    assert answer.closed
    house.books.sealing.set_result(None)
    await task


# Every call has its permit.


async def test_each_call_has_a_permit_of_its_own():
    house = House(Snapshot([A, B], digest="d1"), {"a": failing()})
    await house.ask()
    assert [(p.request_id, p.hop, p.backend.id, p.policy_digest) for p in house.upstreams.permits] == [
        ("req-1", 1, "a", "d1"),
        ("req-1", 2, "b", "d1"),
    ]


# Conversations.

FIRST = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "the file of J. Doe"}]
SECOND = [*FIRST, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and now?"}]


def label(told):
    return told.headers["x-gateway-sensitivity"]


async def test_who_continues_a_conversation_inherits_its_label():
    house = House(Snapshot([A]))
    assert label(await house.ask(messages=FIRST, of=call(1, sensitivity_hint="confidential"))) == "confidential"
    rewritten = [dict(reversed(message.items())) for message in SECOND]
    assert label(await house.ask(messages=rewritten, of=call(2, caller={"projects": ("other",)}))) == "confidential"
    further = [*SECOND, {"role": "user", "content": "more"}]
    assert label(await house.ask(messages=further, of=call(3))) == "confidential"
    assert label(await house.ask(messages=SECOND[1:], of=call(4))) == "public"


async def test_a_conversation_that_is_raised_on_the_way_is_so_from_there_on():
    house = House(Snapshot([A]))
    await house.ask(messages=FIRST, of=call(1, sensitivity_hint="internal"))
    await house.ask(messages=SECOND, of=call(2, sensitivity_hint="restricted"))
    assert label(await house.ask(messages=[*SECOND, FIRST[1]], of=call(3))) == "restricted"
    assert label(await house.ask(messages=[*FIRST, FIRST[1]], of=call(4))) == "internal"


async def test_the_label_of_a_conversation_is_kept_also_when_it_was_denied():
    house = House(Snapshot([A], lambda _, facts, moment: YES if facts.sensitivity == "public" else NO))
    assert (await house.ask(messages=FIRST, of=call(1, sensitivity_hint="restricted"))).refusal.code == "policy_denied"
    assert (await house.ask(messages=SECOND, of=call(2))).refusal.code == "policy_denied"
    assert (await house.ask(messages=FIRST[:1], of=call(3))).status == 200


async def test_the_floor_of_a_key_is_not_remembered_but_what_raises_it_is():
    house = House(Snapshot([A], projects={"hr": Project("hr", floor="restricted")}))
    await house.ask(messages=FIRST, of=call(1, floor="confidential"))
    assert house.conversations.empty
    await house.ask(messages=FIRST, of=call(2, floor="confidential", caller={"projects": ("hr",)}))
    assert label(await house.ask(messages=SECOND, of=call(3))) == "restricted"


async def test_nothing_is_hashed_while_nothing_is_raised(monkeypatch):
    house = House(Snapshot([A]))
    monkeypatch.setattr(house.conversations, "prefixes", lambda *_: pytest.fail("looked at the text"))
    await house.ask(messages=FIRST)


async def test_a_conversation_is_hashed_once_a_request(monkeypatch):
    house = House(Snapshot([A]))
    made = []
    prefixes = house.conversations.prefixes
    monkeypatch.setattr(house.conversations, "prefixes", lambda *asked: made.append(1) or prefixes(*asked))
    await house.ask(messages=FIRST, of=call(1, sensitivity_hint="restricted"))
    await house.ask(messages=SECOND, of=call(2, sensitivity_hint="restricted"))
    assert len(made) == 2


# Limits are reserved before a call is sent.

CHEAP = backend("cheap", aliases=("small",), max_output=10)
USD = 10**12


def limited(house, *limits):
    house.budgets.enforce([Limit(f"l#{i}", "l", terms) for i, terms in enumerate(limits)], {})
    return house


def names(snapshot, **more):
    snapshot.names |= more
    return snapshot


async def test_what_a_limit_has_no_room_for_is_not_sent_and_is_402_with_the_figures():
    house = limited(House(Snapshot([A])), Spend("key", "day", 5))
    refused = await house.ask()
    assert (refused.refusal.status, refused.refusal.code) == (402, "budget_exceeded")
    assert (
        "(limit `l` per key and day: 0 USD spent and 0 reserved of 0.000000000005, until 1970-01-02T00:00Z; "
        "this call needs 0.001009)" in refused.message
    )
    assert refused.details == {
        "budgets": [
            {
                "limit": "l",
                "per": "key",
                "account": "k",
                "window": "day",
                "limit_usd": "0.000000000005",
                "settled_usd": "0",
                "reserved_usd": "0",
                "needed_usd": "0.001009",
                "resets_at": "1970-01-02T00:00Z",
            }
        ]
    }
    assert refused.retry_after == 86_400  # the clock stands at midnight
    assert house.upstreams.sent == []
    assert house.record.end is End.REFUSED
    assert [each.by for each in house.record.decision.excluded] == ["budget"]


@pytest.mark.parametrize(
    ("pico_usd", "max_tokens", "helps"),
    [(900 * 10**6, 1000, True), (11 * 10**6, 1000, True), (9 * 10**6, 1000, False), (9 * 10**6, 1, False)],
)
async def test_a_smaller_limit_is_advised_only_where_it_would_do(pico_usd, max_tokens, helps):
    house = limited(House(Snapshot([A])), Spend("key", "day", pico_usd))
    refused = await house.ask(max_tokens=max_tokens)
    assert refused.refusal.status == 402
    assert ("with a smaller `max_tokens` less" in refused.message) is helps


async def test_a_candidate_that_fits_is_asked_instead():
    dear, cheap = backend("a", max_output=10**6), backend("b", max_output=1)
    house = limited(House(Snapshot([dear, cheap])), Spend("organisation", "day", 10**9))
    told = await house.ask()
    assert told.status == 200
    assert [id for id, _ in house.upstreams.sent] == ["b"]


async def test_near_the_end_of_a_budget_answers_are_cut_to_what_it_affords_and_the_client_is_told():
    house = limited(House(Snapshot([backend("a", max_output=10**6)])), Spend("organisation", "day", 10**10))
    told = await house.ask()
    [(_, sent)] = house.upstreams.sent
    headers = told.headers
    assert sent["max_tokens"] == int(headers["x-gateway-output-limit"])
    assert 4096 < sent["max_tokens"] <= 5000  # half of what is left, at 10**6 a token, less the prompt
    [standing] = house.budgets.standings(Spender(), 0.0)
    assert standing.reserved_pico_usd == 0


async def test_a_limit_of_the_clients_own_is_never_raised_by_what_a_budget_affords():
    house = limited(House(Snapshot([backend("a", max_output=10**6)])), Spend("organisation", "day", 10**12))
    told = await house.ask(max_tokens=100)
    [(_, sent)] = house.upstreams.sent
    assert sent["max_tokens"] == 100
    assert "x-gateway-output-limit" not in told.headers


async def test_a_limit_takes_what_a_call_came_to_and_gives_the_rest_back():
    house = limited(House(Snapshot([A])), Spend("key", "day", 3 * 10**9))
    for _ in range(3):
        assert (await house.ask()).status == 200
    spent = sum(record.cost_pico_usd for record in house.books.records)
    assert 0 < spent < 10**9
    [standing] = house.budgets.standings(Spender("k"), 0.0)
    assert (standing.spent_pico_usd, standing.reserved_pico_usd) == (spent, 0)


async def test_failed_calls_give_back_and_uncertain_ones_stay():
    house = limited(House(Snapshot([A, B]), {"a": failing(), "b": failing()}), Spend("organisation", "day", 10**10))
    await house.ask()
    assert len(house.upstreams.sent) == 2
    [standing] = house.budgets.standings(Spender(), 0.0)
    assert (standing.spent_pico_usd, standing.reserved_pico_usd) == (0, 0)


async def test_beyond_a_limit_the_alias_is_served():
    snapshot = names(Snapshot([A, CHEAP]), small=(CHEAP,))
    house = limited(House(snapshot), Spend("key", "day", 5, downgrade="small"))
    told = await house.ask("a")
    assert told.status == 200
    assert [id for id, _ in house.upstreams.sent] == ["cheap"]
    assert [(each.backend, each.by) for each in house.record.decision.excluded] == [("a", "budget")]


async def test_beyond_a_limit_what_policy_denies_is_not_served_either():
    snapshot = names(Snapshot([A, CHEAP], lambda of, *_: NO if of == "cheap" else YES), small=(CHEAP,))
    house = limited(House(snapshot), Spend("key", "day", 5, downgrade="small"))
    refused = await house.ask("a")
    assert refused.refusal.status == 402
    assert house.upstreams.sent == []


@pytest.mark.parametrize(
    ("models", "served"),
    [
        ((), "cheap"),
        (("a", "small"), "cheap"),
        (("a", "cheap"), "cheap"),  # he may name it himself
        (("a", "both"), "shared"),
        (("a",), None),
        (("a", "gone"), None),
    ],
)
async def test_a_downgrade_reaches_nobody_whom_the_key_may_not(models, served):
    shared = backend("shared", max_output=10)
    snapshot = names(Snapshot([A, CHEAP, shared]), small=(CHEAP, shared), both=(A, shared))
    house = limited(House(snapshot), Spend("key", "day", 5, downgrade="small"))
    told = await house.ask("a", of=call(caller={"models": frozenset(models)}))
    assert house.upstreams.called == ([served] if served else [])
    assert (told.status if served else told.refusal.status) == (200 if served else 402)


async def test_a_downgrade_that_fails_goes_on_to_nobody_whom_the_key_may_not():
    shared, dear = backend("shared", max_output=10), backend("dear")
    snapshot = names(Snapshot([dear, CHEAP, shared], asks_hops=True), small=(CHEAP, shared), both=(dear, shared))
    house = limited(House(snapshot, {"shared": failing()}), Spend("key", "day", 5, downgrade="small"))
    await house.ask("dear", of=call(caller={"models": frozenset({"dear", "both"})}))
    assert house.upstreams.called == ["shared"]


async def test_another_limit_still_holds_for_the_alias():
    snapshot = names(Snapshot([A, CHEAP]), small=(CHEAP,))
    house = limited(House(snapshot), Spend("key", "day", 5, downgrade="small"), Spend("organisation", "month", 5))
    assert (await house.ask("a")).refusal.status == 402
    assert house.upstreams.sent == []


async def test_at_the_edge_of_a_limit_parallel_requests_do_not_pass_it():
    house = limited(House(Snapshot([A]), {"a": HANG}), Spend("organisation", "day", 10**10))
    asked = [house.start()[0] for _ in range(200)]
    await turns_of_the_loop()
    under_way = len(house.upstreams.sent)
    refused = [task.result() for task in asked if task.done()]
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    most = house.books.records[-1].cost_pico_usd  # nobody knows what became of it, so its upper bound stands
    assert under_way == 10**10 // most
    assert len(refused) == 200 - under_way
    assert {each.refusal.status for each in refused} == {402}


async def test_a_limit_on_trial_is_watched():
    house = House(Snapshot([A]))
    house.budgets.enforce([Limit("l#1", "trial", Spend("key", "day", 5), enforced=False)], {})
    assert (await house.ask()).status == 200
    assert house.record.tried[0].watched == ("trial",)
