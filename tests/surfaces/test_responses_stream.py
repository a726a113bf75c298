"""A chat stream becomes the events of a response, as the official SDK reads them, however its bytes are cut."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import NOT_GIVEN
from openai._models import construct_type
from openai._streaming import SSEDecoder
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from support.upstream import event
from support.vectors import all_recorded

from gateway.core.errors import Failed, FailureKind
from gateway.providers.finish import FAILED
from gateway.providers.openai import OpenAI
from gateway.surfaces.following import Following
from gateway.surfaces.responses import Responses

SURFACE = Responses()
STREAMS = [
    each for each in all_recorded() if each.streamed and each.status == 200 and not each.name.endswith("n2_stream")
]
SHELL = {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": False}
PATCH = {"type": "custom", "name": "apply_patch"}
DOCS = {"type": "namespace", "name": "mcp__docs", "description": "Docs.", "tools": [{**SHELL, "name": "search"}]}
STRICT = TypeAdapter(ResponseStreamEvent)
DONE = b"data: [DONE]\n\n"
USED = event({"id": "chatcmpl-a1", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def delta(finish: str | None = None, logprobs: object = None, **said: object) -> bytes:
    choice = {"index": 0, "delta": said, "finish_reason": finish, "logprobs": logprobs}
    return event({"id": "chatcmpl-a1", "created": 1800, "model": "real", "choices": [choice]})


def call(index: int, arguments: str = "", **more: object) -> bytes:
    id = more.pop("id", None)
    name = more.pop("name", None)
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return delta(tool_calls=[{"index": index, **({"id": id} if id else {}), "function": function, **more}])


def play(blocks: Iterable[bytes], **fields: object) -> bytes:
    """What the client sees of these upstream bytes."""
    chat = SURFACE.parse(json.dumps({"model": "m", "input": "hi", "stream": True, **fields}).encode(), 1700)
    reader = SURFACE.follow(OpenAI().reader(chat), chat)
    out = b"".join([reader.feed(block) for block in blocks])
    out += b"" if reader.done else reader.close()
    assert reader.done
    return out


def told(*blocks: bytes, **fields: object) -> list[dict]:
    return read(play(blocks, **fields))


def read(raw: bytes) -> list[dict]:
    """The events, after the rules that hold for every stream: the SDK's own types and its accumulating reader."""
    events = []
    state = ResponseStreamState(input_tools=NOT_GIVEN, text_format=NOT_GIVEN)
    for sent in SSEDecoder().iter_bytes(iter([raw])):
        data = json.loads(sent.data)
        assert sent.event == data["type"]
        STRICT.validate_python(data)
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=data))
        events.append(data)
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    assert [each["type"] for each in events[:2]] == ["response.created", "response.in_progress"]
    assert [each["type"] for each in events if each["type"] in TERMINAL] == [events[-1]["type"]]
    whole(events)
    return events


def whole(events: list[dict]) -> None:
    """Items begin in order, each with a place of its own, and end as the last event shows them; deltas add up."""
    added = [each for each in events if each["type"] == "response.output_item.added"]
    assert [each["output_index"] for each in added] == list(range(len(added)))
    done = {each["output_index"]: each["item"] for each in events if each["type"] == "response.output_item.done"}
    final = events[-1]["response"]["output"]
    assert [each["item"]["id"] for each in added] == [item["id"] for item in final]
    assert len({item["id"] for item in final}) == len(final)
    if events[-1]["type"] != "response.failed":
        assert [done[index] for index in range(len(final))] == final
    for ended in [each for each in events if each["type"].endswith((".done",)) and "item_id" in each]:
        kind = ended["type"].removesuffix("done") + "delta"
        place = {name: ended[name] for name in ("item_id", "content_index", "summary_index") if name in ended}
        pieces = [each["delta"] for each in events if each["type"] == kind and place.items() <= each.items()]
        if "part" not in ended:
            assert "".join(pieces) == next(
                ended[name] for name in ("text", "refusal", "arguments", "input") if name in ended
            )


def kinds(events: list[dict]) -> list[str]:
    """The types of events, each once in a row, without what they have in common."""
    names = [each["type"].removeprefix("response.") for each in events]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def last(events: list[dict]) -> dict:
    return events[-1]["response"]


def test_text_in_the_order_of_the_api():
    events = told(
        delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), delta("stop"), USED, DONE
    )
    assert kinds(events) == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert Response.model_validate(last(events)).output_text == "Hello"
    assert last(events)["usage"]["total_tokens"] == 7
    assert (last(events)["id"], last(events)["model"], last(events)["created_at"]) == ("resp_a1", "real", 1800)


def test_reasoning_then_text():
    stream = (delta(reasoning_content="h"), delta(reasoning="m"), delta(content="x"), delta("stop"), DONE)
    events = told(*stream)
    assert kinds(events)[2:8] == [
        *("output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done"),
        *("content_part.done", "output_item.done"),
    ]
    assert [item["type"] for item in last(events)["output"]] == ["reasoning", "message"]
    assert last(events)["output"][0]["content"] == [{"type": "reasoning_text", "text": "hm"}]
    events = told(*stream, reasoning={"summary": "auto"})
    assert kinds(events)[2:8] == [
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
    ]
    assert last(events)["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]


def test_calls_that_interleave_keep_their_places():
    events = told(
        delta(content="Look:"),
        call(0, '{"a"', id="c0", name="shell"),
        call(1, "{", id="c1", name="mcp__docs__search"),
        call(0, ":1}"),
        call(1, "}"),
        delta("tool_calls"),
        USED,
        DONE,
        tools=[SHELL, DOCS],
    )
    [_, first, second] = last(events)["output"]
    assert (first["call_id"], first["name"], first["arguments"]) == ("c0", "shell", '{"a":1}')
    assert (second["call_id"], second["name"], second["namespace"]) == ("c1", "search", "mcp__docs")
    assert kinds(events)[-6:] == [
        *("function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        *("function_call_arguments.done", "output_item.done", "completed"),
    ]


def test_free_text_for_a_custom_tool():
    events = told(
        call(0, '{"inp', id="c0", name="apply_patch"),
        call(0, 'ut":"*** x\\n"}'),
        delta("tool_calls"),
        DONE,
        tools=[PATCH],
    )
    assert kinds(events)[2:] == [
        *("output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done"),
        *("output_item.done", "completed"),
    ]
    assert last(events)["output"][0]["input"] == "*** x\n"


def test_arguments_that_come_before_the_name_wait_for_it():
    events = told(call(0, '{"a"', id="c0"), call(0, ":1}", name="shell"), call(3, "x"), delta("tool_calls"), DONE)
    assert [item["arguments"] for item in last(events)["output"]] == ['{"a":1}']


def test_text_after_a_call_is_another_message_and_the_call_may_go_on():
    events = told(
        delta(content="a"),
        call(0, '{"a"', id="c0", name="shell"),
        delta(content="b"),
        call(0, ":1}"),
        delta(refusal="c"),
        delta("stop"),
        DONE,
    )
    assert [item["type"] for item in last(events)["output"]] == ["message", "function_call", "message"]
    assert last(events)["output"][1]["arguments"] == '{"a":1}'
    assert [part["type"] for part in last(events)["output"][2]["content"]] == ["output_text", "refusal"]
    assert [each["content_index"] for each in events if each["type"] == "response.refusal.done"] == [1]


def test_logprobs_ride_on_the_text():
    likely = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    events = told(delta(content="x", logprobs={"content": [likely]}), delta("stop"), DONE)
    assert [each["logprobs"] for each in events if "logprobs" in each] == [[likely], [likely]]
    assert last(events)["output"][0]["content"][0]["logprobs"] == [likely]


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_is_not_whole_says_so(finish, reason):
    events = told(delta(content="x"), delta(finish), USED, DONE)
    assert events[-1]["type"] == "response.incomplete"
    assert last(events)["incomplete_details"] == {"reason": reason}
    assert last(events)["output"][0]["status"] == "incomplete"
    calls = told(call(0, "{}", id="a", name="x"), call(1, "{", id="b", name="y"), delta(finish), DONE)
    assert [item["status"] for item in last(calls)["output"]] == ["completed", "incomplete"]


def test_what_the_backend_wants_back_is_the_last_item():
    extra = {"google": {"thought_signature": "t"}}
    events = told(
        delta(reasoning_content="hm", thinking_blocks=[{"type": "thinking", "thinking": "h"}]),
        delta(thinking_blocks=[{"type": "thinking", "thinking": "m", "signature": "s"}]),
        delta(thinking_blocks=[{"type": "redacted_thinking", "data": "d"}]),
        delta(thinking_blocks=[{"type": "thinking", "thinking": "a", "signature": "1"}]),
        delta(
            thinking_blocks=[{"type": "thinking", "thinking": "b", "future": 1}, {"type": "thinking", "thinking": 7}]
        ),
        call(0, "{}", id="c0", name="shell", extra_content=extra),
        delta("tool_calls"),
        DONE,
        tools=[SHELL],
    )
    again = [{"role": "user", "content": "hi"}, *last(events)["output"]]
    turn = json.loads(bytes(SURFACE.parse(json.dumps({"model": "m", "input": again}).encode(), 0).fields["messages"]))[
        -1
    ]
    assert turn["thinking_blocks"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "thinking", "thinking": "a", "signature": "1"},
        {"type": "thinking", "thinking": "b", "future": 1},
        {"type": "thinking", "thinking": 7},
    ]
    assert turn["tool_calls"][0]["extra_content"] == extra


@pytest.mark.parametrize(
    ("stream", "code", "kind", "message"),
    [
        (
            (event({"error": {"message": "busy", "code": "rate_limit_exceeded", "type": "requests"}}),),
            *("rate_limit_exceeded", "rate_limit_exceeded", "busy"),
        ),
        ((delta(content="x"), event({"error": {"message": "m", "type": "t"}})), "server_error", "", "m"),
        ((delta(content="x"), event({"error": "broken"})), "server_error", "", "broken"),
        ((call(0, "{", id="c", name="n"), b"data: {\n\n"), "server_error", "", "no chunk"),
        ((delta(reasoning_content="x"), event({"choices": [{"finish_reason": 5}]})), "server_error", "", "no chunk"),
        ((delta(content="x"),), "server_error", "", "before the answer was complete"),
        ((), "server_error", "", "before the answer was complete"),
    ],
)
def test_a_stream_that_breaks_fails_and_nothing_follows(stream, code, kind, message):
    chat = SURFACE.parse(b'{"model":"m","input":"hi","stream":true}', 0)
    reader = SURFACE.follow(OpenAI().reader(chat), chat)
    out = b"".join([reader.feed(block) for block in stream])
    out += b"" if reader.done else reader.close()
    assert reader.failed is not None
    assert reader.feed(delta("stop") + DONE) + reader.close() == b""
    events = read(out)
    assert events[-1]["type"] == "response.failed"
    assert last(events)["status"] == "failed"
    assert all(item["status"] != "in_progress" for item in last(events)["output"])
    assert last(events)["error"]["code"] == code
    assert message in last(events)["error"]["message"]
    assert last(events)["error"]["type"].startswith(kind)


@pytest.mark.parametrize("kind", list(FailureKind))
def test_codex_tries_again_only_where_that_may_help(kind):
    chat = SURFACE.parse(b'{"model":"m","input":"hi","stream":true}', 0)
    out = SURFACE.follow(OpenAI().reader(chat), chat).broke_off(Failed(kind, 502, {}))
    error = json.loads(out.rsplit(b"data: ", 1)[1])["response"]["error"]
    again = {kind.THROTTLED: "rate_limit_exceeded", kind.CONTEXT_TOO_LONG: "context_length_exceeded"}
    final = (kind.REJECTED, kind.BLOCKED, kind.REVOKED, kind.CONTENT_FILTERED)
    assert error["code"] == again.get(kind, "invalid_prompt" if kind in final else "server_error")
    assert error["type"] == kind.code


def test_what_was_open_when_it_broke_off_is_shown_as_far_as_it_came():
    broken = event({"error": {"message": "m"}})
    assert last(told(delta(content="half"), broken))["output"][0]["content"][0]["text"] == "half"
    assert last(told(call(0, "{", id="c", name="n"), broken))["output"][0]["arguments"] == "{"


def test_a_lost_connection_is_a_failure():
    chat = SURFACE.parse(b'{"model":"m","input":"hi","stream":true}', 0)
    reader = SURFACE.follow(OpenAI().reader(chat), chat)
    out = reader.feed(delta(content="x"))
    error = {"message": "lost", "type": "server_error", "param": None, "code": "broken"}
    out += reader.broke_off(Failed(FailureKind.BROKEN, 502, error))
    assert last(read(out))["error"] == {"code": "server_error", "message": "lost", "type": "broken"}


def test_an_end_that_nobody_gives_a_reason_for_is_a_failure():
    failed = last(read(play([delta(content="x"), DONE])))
    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")


def test_comments_pass_and_bare_fields_do_not():
    out = play([b": ping\n\n", b"retry: 5\n\n", delta(content="x"), delta("stop"), DONE])
    assert out.startswith(b": ping\n\nevent: response.created\n")
    assert b"retry" not in out


def test_the_first_chunk_with_an_answer_names_it():
    head = event({"id": "", "choices": [], "prompt_filter_results": []})
    odd = event(
        {"id": "other", "model": "", "service_tier": "flex", "choices": [{"index": 0, "delta": {"content": "y"}}]}
    )
    events = told(head, delta(content="x"), odd, delta("stop"), DONE)
    assert (last(events)["id"], last(events)["service_tier"]) == ("resp_a1", "flex")
    assert last(events)["output"][0]["id"] == "msg_a1_0"


def test_nothing_follows_what_nobody_can_read_in_the_same_block():
    events = told(
        delta(content="x") + event({"choices": [{"finish_reason": 5}]}) + delta(content="z") + delta("stop") + DONE
    )
    assert last(events)["output"][0]["content"][0]["text"] == "x"


def test_only_the_first_choice_is_told():
    other = event({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]})
    events = told(delta(content="x"), other, delta("stop"), DONE)
    assert Response.model_validate(last(events)).output_text == "x"


def test_a_call_that_never_says_its_name_is_no_item():
    nameless = delta(tool_calls=[{"index": 0, "id": "c0"}])
    assert last(told(nameless, delta("tool_calls"), DONE))["output"] == []
    broken = event({"error": {"message": "m"}})
    assert last(told(nameless, broken))["output"] == []


def test_a_custom_call_without_text():
    events = told(call(0, id="c0", name="apply_patch"), delta("tool_calls"), DONE, tools=[PATCH])
    assert kinds(events)[2:5] == ["output_item.added", "custom_tool_call_input.done", "output_item.done"]


def test_a_reader_that_ends_without_a_word_has_failed():
    class Silent(Following):
        def _pass(self, events: bytes) -> bytes:
            self.done = True
            return b""

    chat = SURFACE.parse(b'{"model":"m","input":"hi","stream":true}', 0)
    reader = SURFACE.follow(Silent(OpenAI().reader(chat)), chat)
    assert read(reader.feed(delta(content="x")))[-1]["type"] == "response.failed"
    assert reader.failed is not None


def test_an_empty_answer_is_complete():
    assert last(told(delta("stop", role="assistant"), DONE))["output"] == []


@pytest.mark.parametrize("recorded", STREAMS, ids=[each.name for each in STREAMS])
def test_a_recorded_stream_says_the_same_cut_anywhere(recorded):
    out = play([recorded.body])
    events = read(out)
    assert events[-1]["type"] in ("response.completed", "response.incomplete")
    said = [json.loads(each.data) for each in SSEDecoder().iter_bytes(iter([recorded.body])) if each.data != "[DONE]"]
    text = "".join((each["choices"][0]["delta"].get("content") or "") for each in said if each["choices"])
    assert Response.model_validate(last(events)).output_text == text
    for offset in range(1, len(recorded.body), max(1, len(recorded.body) // 400)):
        assert play([recorded.body[:offset], recorded.body[offset:]]) == out
    assert play([recorded.body[at : at + 1] for at in range(len(recorded.body))]) == out


PIECES = st.sampled_from(
    [
        delta(content="ä"),
        delta(reasoning_content="r"),
        delta(refusal="no"),
        call(0, "{", id="c0", name="shell"),
        call(0, '"a"'),
        call(1, "{}", id="c1", name="apply_patch"),
        call(2, "?"),
        b": ping\n\n",
        event({"id": "chatcmpl-a1", "choices": []}),
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=12), st.sampled_from(["stop", "length", "tool_calls"]), st.integers(1, 40))
def test_whatever_order_a_backend_writes_in_the_events_hold_together(pieces, finish, size):
    stream = b"".join([*pieces, delta(finish), USED, DONE])
    out = play([stream[at : at + size] for at in range(0, len(stream), size)], tools=[SHELL, PATCH])
    assert out == play([stream], tools=[SHELL, PATCH])
    assert read(out)[-1]["type"] == ("response.incomplete" if finish == "length" else "response.completed")


@pytest.mark.parametrize(
    "made",
    [
        [[{"index": 0, "id": "a"}], [{"index": 0, "id": "b"}]],
        [[{"id": "a"}, {"id": "b"}]],
        [[{"index": None, "id": "a"}], [{"index": None, "id": "b"}]],
    ],
)
def test_another_id_is_another_call(made):
    functions = {"a": {"name": "shell", "arguments": '{"a":1}'}, "b": {"name": "shell", "arguments": {"b": 2}}}
    blocks = [delta(tool_calls=[{**each, "function": functions[each["id"]]} for each in calls]) for calls in made]
    items = last(told(*blocks, delta("tool_calls"), DONE))["output"]
    assert [(each["call_id"], each["arguments"]) for each in items] == [("a", '{"a":1}'), ("b", '{"b":2}')]


@pytest.mark.parametrize("reason", sorted(FAILED))
def test_an_answer_that_the_backend_broke_off_has_failed(reason):
    chat = SURFACE.parse(b'{"model":"m","input":"hi","stream":true}', 0)
    reader = SURFACE.follow(OpenAI().reader(chat), chat)
    events = read(reader.feed(delta(content="x") + delta(reason) + DONE))
    assert events[-1]["type"] == "response.failed"
    assert reader.failed is not None


def test_an_empty_finish_reason_is_none():
    events = told(delta("", content="x"), delta("", content="y"), delta("stop"), DONE)
    assert [item["content"][0]["text"] for item in last(events)["output"]] == ["xy"]
