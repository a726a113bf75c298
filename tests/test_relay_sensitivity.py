"""What a request holds decides where it may go, in which form, and what of the answer comes back."""

import base64
import json
import random

import pytest
from support.doubles import (
    SCANNING,
    YES,
    Snapshot,
    Told,
    answering,
    backend,
    call,
    failing,
    streaming,
)
from support.house import House as Relaying
from support.upstream import DONE, OK, delta

from gateway import relay
from gateway.adapters.elsewhere import Failure
from gateway.adapters.scanning import Scanning
from gateway.core.decision import Obligation, Project, Verdict
from gateway.core.errors import Refusal, Refused
from gateway.core.findings import NOTHING_FOUND, Found
from gateway.core.record import End
from gateway.surfaces import CHAT

A, B = backend("a"), backend("b")
KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
MAIL = "bob.miller@example.org"
ASKS = f"Here is the key {KEY}, and write to {MAIL} please."
NO = Verdict(("p",), ("raw",))
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def raw_never(*tags, do=()):
    """A policy that lets nothing with these tags out unless they are taken out."""

    def verdict(of, facts, _moment):
        if facts.tags is None:
            return NO
        if facts.redaction == "none" and facts.tags & {*tags}:
            return Verdict(("p",), ("raw",), redact=tags)
        return Verdict(("p",), (), tuple(do))

    return verdict


class House(Relaying):
    """A relay with everything around it, and the real scanner."""

    def __init__(self, snapshot, answers=None, scanning=SCANNING) -> None:
        super().__init__(snapshot, answers, scanning=scanning)

    async def ask(self, text="hi", *, of=None, body=None, messages=None, **fields):
        asked = {"model": "auto", "messages": messages or [{"role": "user", "content": text}], **fields}
        told = Told()
        try:
            await self.relay.serve(CHAT, of or call(), body or json.dumps(asked).encode(), told)
        except Refused as refused:
            return refused
        return told

    @property
    def facts(self):
        return self.policies.current.asked

    @property
    def sent(self):
        return self.upstreams.sent[-1][1]


# The label.


@pytest.mark.parametrize(
    ("text", "label", "tags"),
    [
        ("What is the capital of France?", "public", set()),
        (f"write to {MAIL}", "confidential", {"pii"}),
        (f"the token is {KEY}", "restricted", {"secret"}),
        (ASKS, "restricted", {"secret", "pii"}),
    ],
)
async def test_what_stands_in_a_text_is_a_fact(text, label, tags):
    house = House(Snapshot([A]))
    told = await house.ask(text)
    assert (house.facts[0].sensitivity, house.facts[0].tags) == (label, frozenset(tags))
    assert (house.facts[0].source_sensitivity, house.facts[0].redaction) == (label, "none")
    assert told.headers["x-gateway-sensitivity"] == house.record.sensitivity == label


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "system", "content": ASKS}, {"role": "user", "content": "hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ASKS}]}]},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"q": ASKS})}}]}]},
        {"messages": [{"role": "tool", "tool_call_id": "c", "content": ASKS}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": ASKS, "parameters": {"type": "object", "properties": {"x": {"enum": [ASKS]}}}}}]},
        {"metadata": {"note": ASKS}},
        {"user": MAIL},
        {"something_new": [[{"deep": ASKS}]]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"description": ASKS}}}},
    ],
    ids=["system", "part", "arguments", "result", "tools", "metadata", "user", "unknown", "schema"],
)  # fmt: skip
async def test_it_is_found_wherever_it_stands(fields):
    house = House(Snapshot([backend("a", capabilities=frozenset({"chat", "tools", "json_schema"}))]))
    await house.ask(**fields)
    assert house.facts[0].tags & {"pii", "secret"}


async def test_whoever_says_less_is_recorded():
    house = House(Snapshot([A]))
    await house.ask(ASKS, of=call(sensitivity_hint="public"))
    classified = house.record.classified
    assert classified.conflict
    assert classified.provenance == (("key", "public"), ("header", "public"), ("scanner", "restricted"))
    assert dict(classified.kinds)["email"] == 1


@pytest.mark.parametrize(
    ("caller", "project", "label"),
    [
        ({}, None, "confidential"),
        ({"opaque_as": "public"}, None, "public"),
        ({"opaque_as": "internal"}, "restricted", "restricted"),
        ({}, "public", "public"),
    ],
)
async def test_what_nobody_can_read_counts_as_its_owners_say(caller, project, label):
    projects = {"default": Project("default", opaque_as=project)}
    house = House(Snapshot([A], projects=projects))
    await house.ask(messages=[{"role": "user", "content": [IMAGE]}], of=call(caller=caller))
    assert house.facts[0].sensitivity == label
    assert house.record.classified.provenance[-1] == ("attachment", label)


class Blind:
    """A scanner that has failed."""

    found = Found(known=False)

    def scan(self, policy, team, chat, body):
        return self

    def redacted(self, chat, tags):
        return None


async def test_where_the_scanner_fails_nothing_is_known():
    house = House(Snapshot([A], raw_never("secret")), scanning=Blind())
    refused = await house.ask()
    assert refused.refusal is Refusal.POLICY_DENIED
    assert (house.facts[0].sensitivity, house.facts[0].tags, house.facts[0].source_sensitivity) == (None, None, None)
    assert house.record.sensitivity == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"auto","messages":[{"role":"user","content":"hi","content":"%b"}]}' % ASKS.encode(),
        b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"x":{"a":1,"a":2}}',
        b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"x":"\\ud800"}',
    ],
    ids=["twice in a message", "twice anywhere", "half a character"],
)
async def test_a_body_that_could_be_read_in_two_ways_is_refused(body):
    house = House(Snapshot([A]))
    refused = await house.ask(body=body)
    assert (refused.refusal, house.upstreams.sent) == (Refusal.INVALID_JSON, [])


async def test_a_label_that_comes_from_the_text_alone_is_not_handed_on_with_the_conversation():
    house = House(Snapshot([A], raw_never("secret")))
    await house.ask(ASKS)
    assert house.conversations.empty


# What is taken out.


async def test_what_may_not_leave_raw_leaves_redacted_and_comes_back():
    answer = {**OK, "choices": [{"index": 0, "message": {"role": "assistant", "content": "use [SECRET_1] now"}, "finish_reason": "stop"}]}  # fmt: skip
    house = House(Snapshot([A], raw_never("secret")), {"a": answering(json.dumps(answer).encode())})
    told = await house.ask(ASKS)
    assert house.sent["messages"][0]["content"] == ASKS.replace(KEY, "[SECRET_1]")
    assert json.loads(told.body)["choices"][0]["message"]["content"] == f"use {KEY} now"
    assert house.facts[-1].redaction == "done"
    assert (house.facts[-1].sensitivity, house.facts[-1].tags) == ("confidential", {"pii"})
    assert house.facts[-1].source_sensitivity == "restricted"
    assert told.headers["x-gateway-sensitivity"] == house.record.sensitivity == "confidential"
    assert [(each.tags, each.facts.redaction) for each in house.record.decision.redactions] == [(("secret",), "done")]


async def test_a_stream_gives_back_what_was_taken_however_it_is_cut():
    parts = ["use [SE", "CRET_", "1", "] now", "!"]
    steps = [*(delta(part) for part in parts), delta("", "stop"), DONE]
    house = House(Snapshot([A], raw_never("secret")), {"a": streaming(*steps)})
    told = await house.ask(ASKS, stream=True)
    events = [json.loads(line[6:]) for line in told.body.decode().split("\n\n") if line.startswith("data: {")]
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in events) == f"use {KEY} now!"
    assert told.body.endswith(DONE)
    assert house.record.end is End.COMPLETE


async def test_each_backend_gets_the_form_that_it_may_have():
    def verdict(of, facts, _moment):
        return YES if of == "a" else raw_never("secret", "pii")(of, facts, 0)

    house = House(Snapshot([A, B], verdict), {"a": failing()})
    told = await house.ask(ASKS)
    (_, first), (_, second) = house.upstreams.sent
    assert first["messages"][0]["content"] == ASKS
    assert second["messages"][0]["content"] == ASKS.replace(KEY, "[SECRET_1]").replace(MAIL, "[EMAIL_1]")
    assert told.headers["x-gateway-sensitivity"] == "public"
    assert house.facts[-1].attempt == "2"  # the form in which it goes on knows what came before, too
    assert [tried.hop for tried in house.record.tried] == [1, 2]


async def test_what_cannot_be_taken_out_does_not_leave():
    house = House(Snapshot([A], raw_never("secret")))
    refused = await house.ask(x={KEY: "a secret for a name"})
    assert (refused.refusal, house.upstreams.sent) == (Refusal.POLICY_DENIED, [])
    assert "raw" in refused.message


async def test_a_policy_that_also_denies_the_redacted_form_denies():
    def verdict(of, facts, _moment):
        return Verdict(("p",), ("raw",), redact=("secret",)) if facts.redaction == "none" else NO

    refused = await House(Snapshot([A], verdict)).ask(ASKS)
    assert refused.refusal is Refusal.POLICY_DENIED


async def test_a_backend_that_may_have_it_raw_gets_it_raw():
    house = House(Snapshot([A], lambda *_: Verdict(("p",), (), redact=("secret",))))
    await house.ask(ASKS)
    assert house.sent["messages"][0]["content"] == ASKS
    assert house.record.decision.redactions == ()


# What comes back.

GUARDED = Verdict(("p",), (), (Obligation("scan_answer", tags=("secret",)),))


async def test_an_answer_that_shows_what_it_may_not_is_not_shown():
    answer = {**OK, "choices": [{"index": 0, "message": {"role": "assistant", "content": f"it is {KEY}"}, "finish_reason": "stop"}]}  # fmt: skip
    house = House(Snapshot([A, B], lambda *_: GUARDED), {"a": answering(json.dumps(answer).encode())})
    told = await house.ask()
    assert (told.status, json.loads(told.body)["error"]["code"]) == (403, "answer_blocked")
    assert KEY.encode() not in told.body
    assert house.upstreams.called == ["a"]  # another backend would not make it better
    (row,) = house.books.rows
    assert (row.state, row.cost_pico_usd > 0) == ("settled", True)  # it was written, so it is owed


@pytest.mark.parametrize("size", [1, 3, 40])
async def test_a_stream_is_broken_off_before_it_shows_any_of_it(size):
    text = f"Of course, the key is {KEY} and so on"
    steps = [delta(text[at : at + size]) for at in range(0, len(text), size)] + [delta("", "stop"), DONE]
    house = House(Snapshot([A], lambda *_: GUARDED), {"a": streaming(*steps)})
    told = await house.ask(stream=True)
    assert KEY[:6].encode() not in told.body
    assert b'"code":"answer_blocked"' in told.body
    assert not told.body.endswith(DONE)
    assert (house.record.end, house.record.code) == (End.BLOCKED, "answer_blocked")
    assert house.upstreams.opened[0].closed
    assert house.record.tried[0].cost_pico_usd > 0


async def test_a_harmless_stream_passes_the_guard_byte_for_byte():
    steps = [delta("hello "), delta("world"), delta("", "stop"), DONE]
    house = House(Snapshot([A], lambda *_: GUARDED), {"a": streaming(*steps)})
    told = await house.ask(stream=True)
    assert told.body == b"".join(steps)
    assert house.record.end is End.COMPLETE


async def test_what_was_taken_from_the_caller_may_come_back_past_the_guard():
    answer = {**OK, "choices": [{"index": 0, "message": {"role": "assistant", "content": "[SECRET_1]"}, "finish_reason": "stop"}]}  # fmt: skip
    verdict = raw_never("secret", do=[Obligation("scan_answer", tags=("secret",))])
    house = House(Snapshot([A], verdict), {"a": answering(json.dumps(answer).encode())})
    told = await house.ask(ASKS)
    assert json.loads(told.body)["choices"][0]["message"]["content"] == KEY


async def test_no_text_is_kept():
    house = House(Snapshot([A], raw_never("secret")))
    await house.ask(ASKS)
    kept = repr((house.books.rows, house.books.intents, house.record, house.policies.current.asked))
    assert KEY not in kept
    assert MAIL not in kept
    assert "Here is" not in kept
    assert NOTHING_FOUND.known


# What is large: its words are in another process, and all else is the same.


@pytest.fixture
async def large(monkeypatch):
    """Makes every request a large one, and scans by processes that are this test's own."""
    monkeypatch.setattr(relay, "is_large", lambda _: True)
    scanning = Scanning(lambda why: None)
    scanning._keep(SCANNING._look(Snapshot([])))
    yield scanning
    await scanning.close()


async def test_a_request_of_very_many_parts_is_a_large_one():
    asked = []

    class Elsewhere(Scanning):
        async def outlined(self, surface, body, arrived, team=None):
            asked.append((surface, team))
            raise Refused(Refusal.SHEDDING, "come again")

    house = House(Snapshot([A]), scanning=Elsewhere(lambda why: None))
    assert (await house.ask("hi", x=[{}] * 50_000)).refusal is Refusal.SHEDDING
    assert asked == [("chat", call().caller.team)]


@pytest.mark.parametrize("size", [1_000, 3_000_000])
async def test_a_picture_arrives_as_it_was_sent_though_its_bytes_look_like_a_key(large, size):
    noise = base64.b64encode(b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(size)).decode()
    picture = noise[:400] + "/AKIAQ3EGWZ5N7R2TLKJH/+/" + noise[400:]
    house = House(Snapshot([A], raw_never("secret")), scanning=large)
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    told = await house.ask([{"type": "text", "text": f"the key is {KEY}"}, part])
    assert told.status == 200
    assert house.sent["messages"][0]["content"] == [{"type": "text", "text": "the key is [SECRET_1]"}, part]
    assert house.facts[0].sensitivity == "restricted"
    assert house.facts[-1].tags == frozenset()


@pytest.mark.assures("fault 21")
async def test_a_large_request_is_decided_redacted_and_answered_like_any_other(large, showed):
    answer = {**OK, "choices": [{"index": 0, "message": {"role": "assistant", "content": "use [SECRET_1] now"}, "finish_reason": "stop"}]}  # fmt: skip
    told, houses = [], []
    for scanning in (SCANNING, large):
        house = House(Snapshot([A], raw_never("secret")), {"a": answering(json.dumps(answer).encode())}, scanning)
        told.append(await house.ask(ASKS, max_tokens=5, n=2))
        houses.append(house)
    there, here = houses[1].record, houses[0].record
    assert houses[1].sent == houses[0].sent
    assert houses[1].sent["messages"][0]["content"] == ASKS.replace(KEY, "[SECRET_1]")
    assert told[1].body == told[0].body
    assert told[1].headers["x-gateway-sensitivity"] == told[0].headers["x-gateway-sensitivity"]
    for name in ("classified", "sensitivity", "demand", "end", "status"):
        assert getattr(there, name) == getattr(here, name)
    assert there.tried[0].cost_pico_usd == here.tried[0].cost_pico_usd
    assert there.decision.redactions == here.decision.redactions
    showed("a request whose words are in another process", "the same bytes, label, money and decision")


async def test_a_large_request_that_is_wrong_is_refused_like_any_other(large):
    house = House(Snapshot([A]), scanning=large)
    refused = await house.ask(body=b'{"model":"auto","messages":[{"role":"user","content":"hi","content":"ho"}]}')
    assert refused.refusal is Refusal.INVALID_JSON
    refused = await house.ask(body=b'{"model":"auto"} ')
    assert (refused.refusal, refused.param) == (Refusal.MISSING_PARAMETER, "messages")
    assert house.upstreams.sent == []


async def test_a_label_follows_a_conversation_that_has_become_large(large, monkeypatch):
    house = House(Snapshot([A]), scanning=large)
    first = [{"role": "user", "content": "hello"}]
    monkeypatch.setattr(relay, "is_large", lambda _: False)
    await house.ask(messages=first, of=call(sensitivity_hint="confidential"))
    monkeypatch.setattr(relay, "is_large", lambda _: True)
    await house.ask(messages=[*first, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and?"}])
    assert house.record.sensitivity == "confidential"


async def test_where_its_process_fails_a_large_request_is_sent_nowhere(large):
    house = House(Snapshot([A]), scanning=large)
    large._large._worker._most_seconds = 0.0
    refused = await house.ask("hi")
    assert (refused.refusal, house.upstreams.sent) == (Refusal.INTERNAL, [])
    assert house.record.end is End.REFUSED


async def test_where_its_process_dies_while_it_judges_a_large_request_is_told_that_it_is_our_fault(large, monkeypatch):
    async def dies(*_):
        raise Failure("the process ended half-way")

    house = House(Snapshot([A]), scanning=large)
    monkeypatch.setattr(large._large, "judged", dies)
    refused = await house.ask("hi")
    assert (refused.refusal, refused.retry_after, house.upstreams.sent) == (Refusal.INTERNAL, 2, [])
    assert house.record.end is End.REFUSED
