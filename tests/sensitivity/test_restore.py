"""Placeholders become what they stand for, however an answer is cut; whatever has none keeps its bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cutting import offsets
from support.findable import FIELDS, chunk, cuts_of, delta, event, field_of, said
from support.vectors import all_recorded

from gateway.sensitivity.restore import Restorer, restored_answer, restored_text

RECORDED = [each for each in all_recorded() if each.status == 200 and not each.name.endswith("/models")]
STREAMS = [each for each in RECORDED if each.streamed]
TAKEN = {
    "[EMAIL_1]": "jane@example.com",
    "[EMAIL_10]": "bob@example.org",
    "[SECRET_1]": 'a"b\\c\nd',
    "[CREDIT_CARD_2]": "[EMAIL_1]",
}
LONGEST = max(map(len, TAKEN))
DONE = b"data: [DONE]\n\n"
USAGE = event({"id": "c", "choices": [], "usage": {"total_tokens": 1}})


def played(blocks: list[bytes], taken=TAKEN) -> bytes:
    restorer = Restorer(taken)
    return b"".join(map(restorer.feed, blocks)) + restorer.close()


def stream(field: str, pieces: list[str], end: bytes = chunk({}, finish="stop") + USAGE + DONE) -> list[bytes]:
    return [*(chunk(delta(field, piece)) for piece in pieces), end]


@pytest.mark.parametrize(
    ("text", "restored"),
    [
        ("", ""),
        ("[EMAIL_1]", "jane@example.com"),
        ("a [EMAIL_1][EMAIL_10] b", "a jane@example.combob@example.org b"),
        ("[[EMAIL_1]]", "[jane@example.com]"),
        ("[EMAIL_2] [email_1] [EMAIL_01] [EMAIL 1] EMAIL_1", "[EMAIL_2] [email_1] [EMAIL_01] [EMAIL 1] EMAIL_1"),
        ("[CREDIT_CARD_2]", "[EMAIL_1]"),
        ("[SECRET_1]", 'a"b\\c\nd'),
        ("[EMAIL_[EMAIL_1]1]", "[EMAIL_jane@example.com1]"),
    ],
)
def test_a_text(text, restored):
    assert restored_text(text, TAKEN) == restored
    assert json.loads(restored_text(json.dumps({"x": text}), TAKEN, in_json=True)) == {"x": restored}
    for field in FIELDS[:-1]:
        assert said(played(stream(field, list(text)))).get(field_of(field), "") == restored
    raw = list(json.dumps({"x": text}))
    assert json.loads(said(played(stream("arguments", raw)))[field_of("arguments")]) == {"x": restored}


def test_an_answer():
    call = {"id": "[EMAIL_1]", "type": "function", "function": {"name": "f", "arguments": '{"to":"[SECRET_1]"}'}}
    message = {"role": "assistant", "content": "to [EMAIL_1]", "reasoning": "[EMAIL_10]", "tool_calls": [call]}
    body = {"id": "[EMAIL_1]", "created": 1, "choices": [{"index": 0, "message": message, "logprobs": None}], "x": 1.5}
    restored = json.loads(restored_answer(json.dumps(body).encode(), TAKEN))
    said = restored["choices"][0]["message"]
    assert (said["content"], said["reasoning"]) == ("to jane@example.com", "bob@example.org")
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"to": 'a"b\\c\nd'}
    assert (said["tool_calls"][0]["id"], restored["id"], restored["x"]) == ("[EMAIL_1]", "[EMAIL_1]", 1.5)


def test_an_answer_without_a_placeholder_is_the_same_bytes():
    body = b'{ "choices" : [ {"message": {"content": "[EMAIL_3] [", "x": null} } ] }'
    assert restored_answer(body, TAKEN) is body
    assert restored_answer(b"no json", TAKEN) == b"no json"


@pytest.mark.parametrize("recorded", RECORDED, ids=[each.name for each in RECORDED])
@pytest.mark.parametrize("taken", [{}, TAKEN], ids=["nothing taken", "nothing said of it"])
def test_recorded_answers_pass_byte_for_byte(recorded, taken):
    if not recorded.streamed:
        assert restored_answer(recorded.body, taken) == recorded.body
        return
    body = recorded.body
    assert played([body], taken) == body
    assert played([body[at : at + 1] for at in range(len(body))], taken) == body


@pytest.mark.parametrize("recorded", STREAMS, ids=[each.name for each in STREAMS])
def test_recorded_streams_pass_cut_anywhere(recorded):
    body = recorded.body
    for at in offsets(body):
        assert played([body[:at], body[at:]]) == body


def test_events_without_a_change_keep_their_bytes():
    same = [
        chunk({"role": "assistant", "content": ""}),
        b": ping\n\n",
        b'data: {"choices":[{"index":0 , "delta":{"content":null}}]}\r\n\r\n',
        b'event: x\ndata: {"choices":[\ndata: {"delta":{"content":"a"}}]}\n\n',
        chunk({"content": "see [1] or [EMAIL_2]"}),
        USAGE,
        event({"odd": 1}),
    ]
    for each in same:
        assert played([each]) == each
    assert played(same) == b"".join(same)


@pytest.mark.parametrize(
    "end",
    [
        b"",
        DONE,
        USAGE + DONE,
        event({"error": {"message": "broke off"}}),
        chunk({}, finish="length") + DONE,
        b"data: {garbage\n\n",
    ],
)
@pytest.mark.parametrize("field", ["content", "reasoning", "arguments"])
def test_what_never_became_a_placeholder_is_given_out_before_the_end(field, end):
    before = chunk(delta(field, "see "))
    out = played([before, chunk(delta(field, "[EMAIL_1")), end])
    assert out.startswith(before)
    assert out.endswith(end)
    assert said(out.removesuffix(end)) == {field_of(field): "see [EMAIL_1"}


def test_the_end_of_a_choice_may_bring_the_end_of_a_text():
    out = played([chunk({"content": "[EMA"}), chunk({"content": "IL_1] [EMA"}, finish="stop"), DONE])
    assert said(out) == {(0, "content"): "jane@example.com [EMA"}
    assert out.count(b"data:") == 3


def test_one_choice_ends_and_the_other_goes_on():
    out = played(
        [
            chunk({"content": "[EMAIL"}, 0),
            chunk({"content": "[EMAIL"}, 1),
            chunk({}, 1, finish="stop"),
            chunk({"content": "_1]"}, 0),
            chunk({}, 0, finish="stop"),
            DONE,
        ]
    )
    assert said(out) == {(0, "content"): "jane@example.com", (1, "content"): "[EMAIL"}


def test_several_choices_in_one_event():
    choices = [{"index": at, "delta": {"content": "[EMAIL_1"}} for at in range(2)]
    more = [{"index": 1, "delta": {"content": "0]"}}, {"index": 0, "delta": {"content": "]"}, "finish_reason": "stop"}]
    out = played([event({"choices": choices}), event({"choices": more}), DONE])
    assert said(out) == {(0, "content"): "jane@example.com", (1, "content"): "bob@example.org"}


def test_never_more_than_a_placeholder_is_held_back():
    restorer = Restorer(TAKEN)
    text, out = "[[EMAIL_1[SECRET_[CREDIT_CARD_2" * 8, b""
    for at, letter in enumerate(text):
        out += restorer.feed(chunk({"content": letter}))
        assert at + 1 - len(said(out).get((0, "content"), "")) <= LONGEST
    assert said(out + restorer.close()) == {(0, "content"): text}


def test_endless_texts_are_not_all_held():
    restorer = Restorer(TAKEN)
    for at in range(5000):
        restorer.feed(event({"choices": [{"index": 0, "delta": {f"f{at}": "["}}]}))
    assert len(restorer._held) < 4200


def test_a_bracket_may_be_written_as_an_escape():
    assert said(played([rb'data: {"choices":[{"index":0,"delta":{"content":"\u005BEMAIL_1]"}}]}' + b"\n\n"])) == {
        (0, "content"): "jane@example.com"
    }


def test_a_text_too_deep_to_change_passes():
    deep: object = "[EMAIL_1]"
    for _ in range(100):
        deep = [deep]
    raw = event({"choices": [{"index": 0, "delta": {"content": deep}}]})
    assert played([raw]) == raw


texts = st.lists(
    st.sampled_from([*TAKEN, "[", "]", "[EMAIL_", "1]", "[EMAIL_3]", "a ", "\n", '"', "é", "\\"]), max_size=10
).map("".join)


@given(st.data(), st.lists(st.tuples(st.sampled_from(FIELDS), st.integers(0, 1), texts), max_size=4))
@settings(max_examples=150, deadline=None)
def test_every_text_comes_back_however_it_is_cut(data, written):
    whole: dict[tuple, str] = {}
    queues = []
    for field, index, text in written:
        if field_of(field, index) in whole:
            continue
        raw = json.dumps({"x": text}, ensure_ascii=False) if field == "arguments" else text
        whole[field_of(field, index)] = restored_text(raw, TAKEN, in_json=field == "arguments")
        queues.append([chunk(delta(field, piece), index) for piece in data.draw(cuts_of(raw))])
    events = []
    while queues := [queue for queue in queues if queue]:
        events.append(data.draw(st.sampled_from(queues)).pop(0))
    raw = b"".join([*events, chunk({}, 0, "stop"), chunk({}, 1, "stop"), USAGE, DONE])
    at = data.draw(st.integers(0, len(raw)))
    out = played([raw[:at], raw[at:]])
    assert {name: text for name, text in said(out).items() if text} == {
        name: text for name, text in whole.items() if text
    }
    assert out.endswith(USAGE + DONE)
    assert out.count(b'"finish_reason": "stop"') == 2
