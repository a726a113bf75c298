"""The surface of /v1/responses: what the relay sees of a request, and the official client in front of it."""

import json

import httpx2
import pytest
from openai import APIError, BadRequestError, OpenAI
from support.upstream import DONE, event

from gateway.core.errors import Refused
from gateway.providers.openai import OpenAI as Dialect
from gateway.surfaces.responses import Responses

SURFACE = Responses()
SHELL = {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": False}


def asked(**fields: object) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


def test_the_clients_own_bytes_travel_for_native_backends():
    chat = SURFACE.parse(b'{"model":"m","input":"hi","x":{"b": 1.0,"a":2}}', 9)
    assert chat.native is not None
    assert (chat.native.surface, chat.native.only, chat.arrived) == ("responses", "", 9)
    assert {name: bytes(raw) for name, raw in chat.native.fields.items()}["x"] == b'{"b": 1.0,"a":2}'


def test_a_request_needs_what_it_needs_in_chat():
    chat = SURFACE.parse(asked(tools=[SHELL], stream=True, max_output_tokens=7), 0)
    assert chat.needs == {"chat", "tools"}
    assert (chat.streamed, chat.wants_usage, chat.output_limit) == (True, True, 7)


def test_what_only_native_backends_read_counts_too():
    items = [{"role": "user", "content": "hi"}, {"type": "compaction", "encrypted_content": "x" * 50_000}]
    chat = SURFACE.parse(asked(input=items), 0)
    assert chat.native is not None
    assert chat.native.only == "has an input item of type `compaction`"
    assert chat.attached_bytes >= 50_000


def test_left_out_tools_can_be_told():
    assert SURFACE.drops(SURFACE.parse(asked(tools=[SHELL, {"type": "web_search"}]), 0)) == ("web_search",)
    assert SURFACE.drops(SURFACE.parse(asked(), 0)) == ()


@pytest.mark.parametrize(
    ("fields", "hosted"),
    [
        ({"plugins": [{"id": "web"}]}, True),
        ({"web_search_options": {}}, True),
        ({"data_sources": [{}]}, True),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, True),
        ({"tools": [{"type": "shell"}], "plugins": []}, False),
        ({"tools": [SHELL]}, False),
    ],
)
def test_what_runs_at_the_provider_wants_a_backend_that_says_so(fields, hosted):
    chat = SURFACE.parse(asked(**fields), 0)
    assert chat.native is not None
    assert chat.native.hosted is hosted


def test_reasoning_that_is_an_id_alone_goes_to_nobody():
    chat = SURFACE.parse(
        asked(input=[{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "a"}]), 0
    )
    assert chat.native is not None
    assert json.loads(bytes(chat.native.fields["input"])) == [{"role": "user", "content": "a"}]


@pytest.mark.parametrize("name", ["api_base", "models"])
def test_nothing_sends_the_call_elsewhere(name):
    with pytest.raises(Refused) as refused:
        SURFACE.parse(asked(**{name: "x"}), 0)
    assert refused.value.refusal.code == "forbidden_parameter"


@pytest.mark.parametrize(
    "name", ["Input", "Instructions", "API_base", "in\u017ftructions", "Previous_Response_Id", "Conversation"]
)
def test_a_name_that_some_servers_would_take_for_another_is_refused(name):
    with pytest.raises(Refused) as refused:
        SURFACE.parse(asked(instructions="be brief", **{name: "x"}), 0)
    assert refused.value.refusal.code == "forbidden_parameter"
    assert refused.value.param == name.casefold()


@pytest.mark.parametrize("where", ["tools", "reasoning", "metadata", "other"])
@pytest.mark.parametrize("what", [b'{"type":"web_search","a\xff":1}', b'["\xff"]', b'"\xff"'])
def test_a_body_that_is_no_text_is_refused_wherever_that_shows(where, what):
    with pytest.raises(Refused) as refused:
        SURFACE.parse(b'{"model":"m","input":"hi","%b":%b}' % (where.encode(), what), 0)
    assert (refused.value.refusal.code, refused.value.message) == (
        "invalid_json",
        "the request body is not valid UTF-8",
    )


def served(request: httpx2.Request) -> httpx2.Response:
    """A gateway in small: the surface in front of a chat backend that says hello, or breaks."""
    try:
        chat = SURFACE.parse(request.read(), 0)
    except Refused as refused:
        told = {"message": refused.message, "type": "x", "param": refused.param, "code": refused.refusal.code}
        return httpx2.Response(400, content=SURFACE.error(400, told, "r"))
    if not chat.streamed:
        choice = {"message": {"content": "Hello"}, "finish_reason": "stop"}
        return httpx2.Response(200, content=SURFACE.answer(json.dumps({"id": "a", "choices": [choice]}).encode(), chat))
    broken = chat.view.model == "broken"
    end = (
        event({"error": {"message": "busy", "code": "server_error"}})
        if broken
        else event({"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    )
    stream = event({"id": "a", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}) + end + DONE
    reader = SURFACE.follow(Dialect().reader(chat), chat)
    return httpx2.Response(200, content=reader.feed(stream), headers={"content-type": "text/event-stream"})


@pytest.fixture
def client():
    with OpenAI(
        base_url="http://g/v1",
        api_key="k",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(served)),
    ) as made:
        yield made


def test_the_official_client_reads_an_answer(client):
    assert client.responses.create(model="m", input="hi").output_text == "Hello"


def test_the_official_client_reads_a_stream(client):
    with client.responses.stream(model="m", input="hi") as stream:
        text = "".join([each.delta for each in stream if each.type == "response.output_text.delta"])
        assert text == stream.get_final_response().output_text == "Hello"


def test_the_official_client_sees_a_failure(client):
    events = list(client.responses.create(model="broken", input="hi", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.message == "busy"


def test_the_official_client_sees_a_refusal(client):
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input="hi", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"
    assert isinstance(refused.value, APIError)
