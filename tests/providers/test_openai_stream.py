"""The reader of streams and answers where servers differ. Recorded streams are in test_openai, each quirk in
test_quirks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.upstream import DONE, OK, USAGE, USAGE_EVENT, delta, event

from gateway.core.errors import FailureKind
from gateway.core.usage import Usage
from gateway.providers.finish import OURS
from gateway.providers.openai_answer import answer_of
from gateway.providers.openai_stream import Stream

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
    body = chunk(choice({"role": "assistant", "content": "a"}, "stop"), **beside) + DONE
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
    assert said.pop((0, "role")) == said.pop((1, "role")) == "assistant"
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
    begun = [
        (each["index"], bool(each["delta"].get("role"))) for one in shown if "choices" in one for each in one["choices"]
    ]
    assert all(role for at, (index, role) in enumerate(begun) if index not in dict(begun[:at]))
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


CALLS = {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("pieces", "named", "ends"),
    [
        ([choice(CALLS, "stop")], False, "tool_calls"),
        ([choice(CALLS), choice(finish="stop")], False, "tool_calls"),
        ([choice(CALLS), choice({"content": "a"}), choice(finish="end_turn")], False, "tool_calls"),
        ([choice(CALLS), choice(finish="tool_calls")], False, "tool_calls"),
        ([choice(CALLS), choice(finish="length")], False, "length"),
        ([choice(CALLS), choice(finish="stop")], True, "stop"),  # as OpenAI does where the client named the tool
        ([choice({"tool_calls": []}), choice(finish="stop")], False, "stop"),
        ([choice({"content": "a"}), choice(finish="stop")], False, "stop"),
    ],
)
def test_an_answer_that_calls_tools_says_so_at_its_end(pieces, named, ends):
    shown, stream, _ = play(*(chunk(each) for each in pieces), DONE, named=named)
    assert (finishes(shown), stream.failed, stream.unfinished) == ([(0, ends)], None, False)


def test_each_choice_has_its_own_calls():
    shown, _, _ = play(
        chunk(choice(CALLS), choice({"content": "a"}, "stop", index=1)), chunk(choice(finish="stop")), DONE
    )
    assert finishes(shown) == [(1, "stop"), (0, "tool_calls")]


@pytest.mark.parametrize("role", [{}, {"role": None}, {"role": ""}])
def test_the_first_delta_of_each_choice_has_the_role(role):
    shown, _, _ = play(
        chunk(choice({**role, "content": "a"}), choice({"role": "assistant", "content": "b"}, index=1)),
        chunk(choice({"content": "c"}, "stop"), choice({"content": "d"}, "stop", index=1)),
        DONE,
    )
    assert [[each["delta"].get("role") for each in one["choices"]] for one in shown] == [["assistant"] * 2, [None] * 2]


def test_a_choice_that_says_nothing_yet_is_left_alone():
    """Azure's findings about an answer come in choices without a delta."""
    filtered = chunk({"index": 0, "finish_reason": None, "content_filter_results": {}})
    body = chunk() + filtered + chunk(choice({"role": "assistant", "content": "a"}, "stop")) + DONE
    assert play(body)[2] == body


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_in_several_lines_becomes_one_line(end):
    lines = [
        b'data: {"id":"c","object":"chat.completion.chunk",',
        b'data:"created":1,"model":"m","choices":[{"index":0,',
    ]
    rest = b'data: "delta":{"role":"assistant","content":"a\\nb"},"finish_reason":"stop"}]}'
    shown, stream, out = play(end.join([*lines, rest]) + end + end, DONE)
    assert (out.count(b"\n"), shown[0]["choices"][0]["delta"]["content"], stream.failed) == (4, "a\nb", None)


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, 15),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": None}, 15),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 0}, 15),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, 15),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}, 40),  # with what was thought
    ],
)
@pytest.mark.parametrize("rides", ["alone", "along", "x_groq", "choice"])
def test_the_total_is_never_less_than_its_parts(usage, total, rides):
    last = choice(finish="stop")
    tail = {
        "alone": [chunk(last), chunk(usage=usage)],
        "along": [chunk(last, usage=usage)],
        "x_groq": [chunk(last, x_groq={"usage": usage})],
        "choice": [chunk({**last, "usage": usage})],
    }[rides]
    shown, _, _ = play(chunk(choice({"content": "a"})), *tail, DONE)
    assert [each["usage"] for each in shown if not each["choices"]] == [{**usage, "total_tokens": total}]


@pytest.mark.parametrize(
    ("chunks", "unfinished"),
    [
        ([chunk(choice({"content": "a"}))], True),
        ([chunk(choice({"content": "a"}), choice({"content": "b"}, "stop", index=1))], True),
        ([chunk(choice({"content": "a"}, ""))], False),
        ([chunk(choice({"content": "a"}, "stop"))], False),
    ],
)
def test_a_server_may_say_that_it_is_done_with_an_answer_that_has_no_end(chunks, unfinished):
    _, stream, out = play(*chunks, DONE)
    assert (stream.unfinished, stream.failed, out.endswith(DONE)) == (unfinished, None, True)


@pytest.mark.parametrize("before", [b"", chunk(), USAGE_EVENT])
def test_a_stream_without_any_choice_is_no_answer(before):
    _, stream, out = play(before + DONE)
    assert (stream.failed.kind, b"[DONE]" in out) == (FailureKind.BROKEN, False)
