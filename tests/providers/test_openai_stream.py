"""The reader of streams and answers where servers differ. Recorded streams are in test_openai, each quirk in
test_quirks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.upstream import DONE, OK, USAGE, delta, event

from gateway.core.errors import FailureKind
from gateway.core.usage import Usage
from gateway.providers.finish import OURS
from gateway.providers.openai_stream import Stream, answer_of

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(*choices: dict, **more) -> bytes:
    return event({**HEAD, "choices": list(choices), **more})


def choice(delta: dict | None = None, finish: str | None = None, index: int = 0) -> dict:
    return {"index": index, "delta": delta or {}, "finish_reason": finish}


def play(*blocks: bytes, **how) -> tuple[list[dict], Stream, bytes]:
    stream = Stream(how.pop("wants_usage", True), how.pop("continuous", False), **how)
    out = b"".join(stream.feed(block) for block in blocks)
    out += b"" if stream.done else stream.close()
    return [json.loads(each[6:]) for each in out.decode().split("\n\n") if each.startswith("data: {")], stream, out


def finishes(shown: list[dict]) -> list[tuple[int, str]]:
    return [
        (each["index"], each["finish_reason"]) for chunk in shown for each in chunk["choices"] if each["finish_reason"]
    ]


@pytest.mark.parametrize("spelled", sorted(OURS))
def test_our_own_reasons_keep_their_bytes(spelled):
    body = delta("a") + delta("", spelled) + DONE
    assert play(body)[2] == body


@pytest.mark.parametrize(
    ("spelled", "ours"), [("end_turn", "stop"), ("MAX_TOKENS", "length"), ("tool_use", "tool_calls")]
)
def test_a_foreign_reason_becomes_ours_streamed_and_whole(spelled, ours):
    shown, stream, _ = play(delta("a") + delta("", spelled) + DONE)
    assert (finishes(shown), stream.failed) == ([(0, ours)], None)
    answer = answer_of(json.dumps({**OK, "choices": [{**OK["choices"][0], "finish_reason": spelled}]}).encode())
    assert json.loads(answer.body)["choices"][0]["finish_reason"] == ours


@pytest.mark.parametrize("spelled", ["error", "network_error", "insufficient_system_resource"])
def test_a_reason_that_is_a_failure_is_one_and_what_it_used_is_kept(spelled):
    _, stream, out = play(delta("a") + delta("", spelled, usage=USAGE) + DONE)
    assert (stream.failed.kind, stream.usage) == (FailureKind.SERVER_ERROR, Usage(input_uncached=10, output=5))
    assert b"[DONE]" not in out
    answer = answer_of(json.dumps({**OK, "choices": [{**OK["choices"][0], "finish_reason": spelled}]}).encode())
    assert (answer.failed.kind, answer.usage, answer.body) == (stream.failed.kind, stream.usage, b"")


def test_each_choice_ends_once():
    shown, _, _ = play(
        chunk(choice({"content": "a"}), choice({"content": "b"}, index=1)),
        chunk(choice(finish="end_turn", index=1)),
        chunk(choice(finish="stop"), choice(finish="stop", index=1)),
        chunk(choice(finish="stop")),
        DONE,
    )
    assert finishes(shown) == [(1, "stop"), (0, "stop")]


def test_a_late_delta_of_an_ended_choice_does_not_undo_its_end():
    _, stream, out = play(chunk(choice({"content": "a"}, "stop")), chunk(choice({"content": ""})))
    assert (stream.failed, out.endswith(DONE)) == (None, True)


def test_an_empty_reason_is_none_until_the_server_says_that_it_is_done():
    calls = [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    shown, stream, out = play(chunk(choice({"content": "a"}, "")), chunk(choice({"tool_calls": calls}, "")), DONE)
    assert (finishes(shown), stream.failed, out.endswith(DONE)) == ([(0, "tool_calls")], None, True)
    assert finishes(play(chunk(choice({"content": "a"}, "")), chunk(choice(finish="length")), DONE)[0]) == [
        (0, "length")
    ]
    assert play(chunk(choice({"content": "a"}, "")))[1].failed is not None


def test_an_empty_reason_of_a_whole_answer_is_what_it_must_be():
    def ended(message: dict) -> str:
        body = {**OK, "choices": [{"index": 0, "message": message, "finish_reason": ""}]}
        return json.loads(answer_of(json.dumps(body).encode()).body)["choices"][0]["finish_reason"]

    assert ended({"content": "a"}) == "stop"
    assert (
        ended({"content": None, "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]})
        == "tool_calls"
    )


@pytest.mark.parametrize(
    "beside",
    [
        {"choices": [{**choice(finish="stop"), "usage": USAGE}]},
        {"choices": [choice(finish="stop")], "x_groq": {"id": "r", "usage": USAGE}},
        {"choices": [choice(finish="stop")], "usage": USAGE},
    ],
)
@pytest.mark.parametrize("wants_usage", [True, False])
def test_usage_is_found_where_it_stands_and_told_once(beside, wants_usage):
    shown, stream, _ = play(chunk(choice({"content": "a"})), event({**HEAD, **beside}), DONE, wants_usage=wants_usage)
    assert stream.usage == Usage(input_uncached=10, output=5)
    assert [each["usage"] for each in shown if not each["choices"]] == ([USAGE] if wants_usage else [])


@pytest.mark.parametrize(
    "beside", [{"x_groq": {"id": "r"}}, {"x_groq": None}, {"x_groq": 7}, {"x_groq": {"usage": None}}, {"timings": 7}]
)
def test_what_says_nothing_of_usage_is_untouched(beside):
    body = chunk(choice({"content": "a"}, "stop"), **beside) + DONE
    assert (play(body)[2], play(body)[1].usage) == (body, None)


def test_usage_on_every_chunk_is_told_once_and_the_last_one_counts():
    more = {**USAGE, "completion_tokens": 9, "total_tokens": 19}
    shown, stream, _ = play(
        chunk(choice({"content": "a"}), usage=USAGE), chunk(choice({"content": "b"}, "stop"), usage=more), DONE
    )
    assert stream.usage == Usage(input_uncached=10, output=9)
    assert [each.get("usage") for each in shown] == [None, None, more]


@pytest.mark.parametrize(
    ("timings", "details", "cached"),
    [
        ({"cache_n": 6}, {}, 6),
        ({"cache_n": 6}, {"prompt_tokens_details": {"cached_tokens": 2}}, 2),
        ({"cache_n": 99}, {}, 10),
        ({}, {}, 0),
    ],
)
def test_what_came_out_of_a_cache_may_stand_in_the_timings(timings, details, cached):
    usage = {**USAGE, **details}
    expected = Usage(input_uncached=10 - cached, cache_read=cached, output=5)
    assert play(chunk(choice({"content": "a"}, "stop")), chunk(usage=usage, timings=timings), DONE)[1].usage == expected
    assert answer_of(json.dumps({**OK, "usage": usage, "timings": timings}).encode()).usage == expected


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"object": "error", "message": "m", "code": 400}, FailureKind.REJECTED),
        ({"code": "Throttling.RateQuota", "message": "m", "request_id": "r"}, FailureKind.THROTTLED),
        ({"Response": {"Error": {"Code": "LimitExceeded", "Message": "m"}}}, FailureKind.THROTTLED),
        ({"choices": [], "base_resp": {"status_code": 1002, "status_msg": "m"}}, FailureKind.THROTTLED),
        ({"error": "boom"}, FailureKind.SERVER_ERROR),
    ],
)
def test_a_failure_that_comes_as_a_success_is_one(data, kind):
    _, stream, out = play(delta("a"), event(data), DONE)
    assert (stream.failed.kind, b"[DONE]" in out) == (kind, False)
    assert answer_of(json.dumps(data).encode()).failed == stream.failed


def test_codes_of_a_provider_count_in_streams_too():
    codes = {"1113": FailureKind.NO_CREDIT}
    wrong = {"error": {"code": "1113", "message": "m"}}
    assert play(event(wrong), codes=codes)[1].failed.kind is FailureKind.NO_CREDIT
    assert answer_of(json.dumps(wrong).encode(), codes=codes).failed.kind is FailureKind.NO_CREDIT


def test_thoughts_in_tags_that_nothing_ends_are_not_lost():
    shown, _, _ = play(chunk(choice({"content": "<think>hm <"})), DONE, tags=True)
    assert "".join(each["choices"][0]["delta"].get("reasoning_content", "") for each in shown) == "hm <"
    assert shown[-1]["id"] == "c"


def test_choices_have_their_own_thoughts():
    shown, _, _ = play(
        chunk(choice({"content": "<think>a"}), choice({"content": "b"}, index=1)),
        chunk(choice({"content": "</think>c"}, "stop"), choice({"content": "<think>d"}, "stop", index=1)),
        DONE,
        tags=True,
    )
    said: dict[tuple[int, str], str] = {}
    for each in (choice for chunk in shown for choice in chunk["choices"]):
        for name, value in each["delta"].items():
            said[each["index"], name] = said.get((each["index"], name), "") + value
    assert said == {(0, "reasoning_content"): "a", (0, "content"): "c", (1, "content"): "b<think>d"}


WORDS = st.sampled_from([None, "", "stop", "length", "end_turn", "STOP", "tool_use", "odd"])
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.none()
        | st.sampled_from(["", "a", "<think>", "</think>", "<thi"])
        | st.just([{"type": "text", "text": "a"}]),
        "tool_calls": st.none()
        | st.just([])
        | st.just([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]),
    },
)
CHUNKS = st.lists(st.tuples(st.integers(0, 1), DELTAS, WORDS), max_size=6)


@given(CHUNKS, st.booleans(), st.booleans(), st.integers(0, 500))
def test_any_stream_keeps_the_rules(pieces, tags, done, cut):
    body = b"".join(chunk(choice(said, why, index)) for index, said, why in pieces) + (DONE if done else b"")
    shown, stream, out = play(body[:cut], body[cut:], tags=tags)
    assert stream.done
    assert (stream.failed is None) == out.endswith(DONE)
    ended = finishes([each for each in shown if "choices" in each])
    assert len({index for index, _ in ended}) == len(ended)
    assert {why for _, why in ended} <= OURS
    assert play(body, tags=tags)[2] == out


NONSENSE = [
    b'{"choices": [{"index": 0, "%b": {"content": 7}}]}',
    b'{"choices": [{"index": 0, "%b": {"content": {"a": 1}}}]}',
    b'{"choices": [{"index": 0, "%b": {"tool_calls": 7}}]}',
    b'{"choices": [{"index": 0, "%b": {"content": "\xff\xfe"}}]}',
]


@pytest.mark.parametrize("told", NONSENSE)
def test_what_no_client_reads_is_a_failure_streamed_and_whole(told):
    assert answer_of(told.replace(b"%b", b"message")).failed.kind is FailureKind.BROKEN
    for cut in (0, 9):
        reader = Stream(wants_usage=True, continuous=False)
        event = b"data: " + told.replace(b"%b", b"delta") + b"\n\n"
        out = reader.feed(event[:cut]) + reader.feed(event[cut:])
        assert reader.failed.kind is FailureKind.BROKEN
        assert told not in out
        out.decode()


@pytest.mark.parametrize("message", [b"null", b""])
def test_a_choice_without_a_message_is_a_failure(message):
    body = b'{"choices": [{"index": 0, "message": %b}]}' % message if message else b'{"choices": [{"index": 0}]}'
    assert answer_of(body).failed.kind is FailureKind.BROKEN


def test_content_that_is_absent_is_none():
    assert answer_of(b'{"choices": [{"index": 0, "message": {"content": null, "tool_calls": null}}]}').failed is None
