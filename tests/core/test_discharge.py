"""What obligations do to a request: no more than they say, never less, and nothing that is not in the table."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chat import parse
from gateway.core.decision import Obligation
from gateway.core.discharge import demanded, discharged, undoable
from gateway.policy.obligations import OBLIGATIONS

LIMIT, STRIP = Obligation("max_output_tokens", 100), Obligation("strip_images")
NOTE = {"type": "text", "text": "[image removed by policy]"}


def chat(messages=None, **fields):
    body = {"model": "m", "messages": messages or [{"role": "user", "content": "hi"}], **fields}
    return parse(json.dumps(body).encode())


def done(request, *do, limit_field="max_tokens"):
    changed = discharged(request, do, limit_field)
    return changed, json.loads(changed.with_fields({}))


def test_every_obligation_that_acts_can_be_done():
    assert undoable(Obligation(name, 1) for name, row in OBLIGATIONS.items() if row.acts and row.when is not None) == []


def test_what_is_not_in_the_table_cannot_be_done():
    assert undoable((LIMIT, Obligation("whisper"), STRIP)) == ["whisper"]
    with pytest.raises(KeyError):
        discharged(chat(), (Obligation("whisper"),), "max_tokens")
    with pytest.raises(KeyError):
        demanded(chat().demand, (Obligation("whisper"),))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"max_tokens": 100}),
        ({"max_tokens": None}, {"max_tokens": 100}),
        ({"max_tokens": 0}, {"max_tokens": 100}),  # to some it means no limit
        ({"max_tokens": 99}, {"max_tokens": 99}),
        ({"max_tokens": 100}, {"max_tokens": 100}),
        ({"max_tokens": 101}, {"max_tokens": 100}),
        ({"max_completion_tokens": 7}, {"max_completion_tokens": 7}),
        ({"max_completion_tokens": 10**6}, {"max_completion_tokens": 100}),
        ({"max_tokens": 5, "max_completion_tokens": 500}, {"max_tokens": 5, "max_completion_tokens": 100}),
        ({"max_tokens": 500, "max_completion_tokens": 5}, {"max_tokens": 100, "max_completion_tokens": 5}),
        ({"max_tokens": None, "max_completion_tokens": 5}, {"max_tokens": None, "max_completion_tokens": 5}),
        # what some servers read beside or before these must not open a way around
        ({"n_predict": -1}, {"n_predict": 100, "max_tokens": 100}),
        ({"n_predict": 5000, "max_tokens": 5}, {"n_predict": 100, "max_tokens": 5}),
        ({"max_new_tokens": "5000"}, {"max_new_tokens": 100, "max_tokens": 100}),
        ({"max_output_tokens": [1]}, {"max_output_tokens": 100, "max_tokens": 100}),
        ({"n_predict": 5}, {"n_predict": 5, "max_tokens": 100}),
        ({"n_predict": None}, {"n_predict": None, "max_tokens": 100}),
    ],
)
def test_the_smaller_limit_is_sent_under_the_clients_own_name(given, sent):
    changed, body = done(chat(**given), LIMIT)
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == sent
    assert changed.output_limit == changed.demand.output_limit <= 100


def test_without_a_limit_of_the_clients_the_name_is_the_dialects():
    _, body = done(chat(), LIMIT, limit_field="max_completion_tokens")
    assert body["max_completion_tokens"] == 100
    assert "max_tokens" not in body


def test_a_request_that_is_within_its_limit_is_the_same():
    request = chat(max_tokens=5)
    assert discharged(request, (LIMIT,), "max_tokens") is request


figures = st.none() | st.integers(0, 10**6)


@given(figures, figures, st.integers(1, 10**6), st.sampled_from(["max_tokens", "max_completion_tokens"]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_limit_is_ever_raised_or_exceeded(max_tokens, max_completion_tokens, most, limit_field):
    request = chat(max_tokens=max_tokens, max_completion_tokens=max_completion_tokens, x=1)
    changed, body = done(request, Obligation("max_output_tokens", most), limit_field=limit_field)
    least = most if request.output_limit is None else min(most, request.output_limit)
    unread = (max_tokens, max_completion_tokens)  # whichever a server reads
    assert all(0 < body[name] <= most for name in ("max_tokens", "max_completion_tokens") if body.get(name) is not None)
    assert changed.output_limit == least or 0 in unread
    assert demanded(request.demand, (Obligation("max_output_tokens", most),)).output_limit == least
    assert parse(changed.with_fields({})).output_limit == changed.output_limit
    assert (body["x"], body["messages"]) == (1, [{"role": "user", "content": "hi"}])


def image(**more):
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, **more}


@pytest.mark.parametrize(
    "part",
    [
        image(),
        {"image_url": "http://x/y.png"},  # some servers go by the member alone
        {"type": "text", "text": "x", "image_url": "http://x/y.png"},
        {"type": "input_image", "image_url": "http://x"},
        {"type": "image", "source": {"data": "AAAA"}},
        {"type": "video_url", "video_url": {"url": "http://x"}},
        {"type": "file", "file": {"file_data": "JVBERi0="}},
        {"type": "hologram"},
    ],
    ids=lambda part: part.get("type", "no type"),
)
@pytest.mark.parametrize("role", ["user", "tool", "assistant"])
def test_what_may_show_something_is_taken_out(part, role):
    before = {"role": role, "content": [{"type": "text", "text": "look"}, part, {"type": "text", "text": "there"}]}
    changed, body = done(chat([{"role": "system", "content": "s"}, before]), STRIP)
    assert body["messages"] == [
        {"role": "system", "content": "s"},
        {"role": role, "content": [{"type": "text", "text": "look"}, NOTE, {"type": "text", "text": "there"}]},
    ]
    assert "vision" not in changed.needs
    assert changed.text_bytes < 100


@pytest.mark.parametrize(
    "content",
    [
        "an image in words",
        None,
        [],
        [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}],
        [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, {"type": "refusal", "refusal": "no"}],
    ],
)
def test_what_shows_nothing_is_left_alone(content):
    request = chat([{"role": "assistant", "content": content}])
    assert discharged(request, (STRIP,), "max_tokens") is request


def test_all_else_keeps_its_bytes():
    raw = (
        b'{"model":"m","temperature":1.50,"messages":[{"role":"user","name":"\\u0061","content":'
        b'[{"type":"text","text":"\\u0061","x":1.0},{"type":"image_url","image_url":{"url":"u"}}]}]}'
    )
    sent = discharged(parse(raw), (STRIP,), "max_tokens").with_fields({})
    assert sent == raw.replace(
        b'{"type":"image_url","image_url":{"url":"u"}}', b'{"type":"text","text":"[image removed by policy]"}'
    )


def test_a_demand_needs_no_eyes_once_images_are_out():
    demand = chat([{"role": "user", "content": [image()]}], n=2).demand
    assert demand.needs == {"chat", "vision"}
    assert demanded(demand, (STRIP,)) == msgspec.structs.replace(demand, needs=frozenset({"chat"}))


def test_all_obligations_are_done_together():
    changed, body = done(chat([{"role": "user", "content": [image()]}]), LIMIT, STRIP)
    assert (body["max_tokens"], body["messages"][0]["content"]) == (100, [NOTE])
    assert (changed.output_limit, changed.needs) == (100, {"chat"})
