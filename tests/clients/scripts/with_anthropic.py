"""Anthropic's Python SDK: before a backend that speaks Messages itself, and before chat backends."""

import anthropic
import pydantic
from checks import ASK, CHAT_MODELS, KEY, URL, check, raised

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)

TOOLS = [
    {
        "name": "weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


class Person(pydantic.BaseModel):
    name: str
    age: int


for model in ("native", *CHAT_MODELS):

    @check(f"message ({model})")
    def message(model=model):
        answer = client.messages.create(model=model, messages=ASK, max_tokens=16)
        assert answer.content[0].text
        assert answer.usage.input_tokens > 0
        assert answer.stop_reason in ("end_turn", "max_tokens")

    @check(f"streamed message with usage ({model})")
    def streamed(model=model):
        with client.messages.stream(model=model, messages=ASK, max_tokens=16) as stream:
            text = "".join(stream.text_stream)
            whole = stream.get_final_message()
        assert text == whole.content[0].text != ""
        assert whole.usage.output_tokens > 0

    @check(f"count of tokens ({model})")
    def count_tokens(model=model):
        assert client.messages.count_tokens(model=model, messages=ASK).input_tokens > 0


for model in ("native", "scripted"):

    @check(f"tool use ({model})")
    def tool_use(model=model):
        first = client.messages.create(model=model, messages=ASK, max_tokens=64, tools=TOOLS)
        (call,) = [block for block in first.content if block.type == "tool_use"]
        assert (first.stop_reason, call.input) == ("tool_use", {"city": "Paris"})
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        turns = [*ASK, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        second = client.messages.create(model=model, messages=turns, max_tokens=64, tools=TOOLS)
        assert second.content[0].text == "The tool said: sunny"

    @check(f"streamed tool use ({model})")
    def streamed_tool_use(model=model):
        with client.messages.stream(model=model, messages=ASK, max_tokens=64, tools=TOOLS) as stream:
            whole = stream.get_final_message()
        assert whole.content[-1].input == {"city": "Paris"}

    @check(f"structured output ({model})")
    def structured(model=model):
        answer = client.messages.parse(model=model, messages=ASK, max_tokens=64, output_format=Person)
        assert answer.parsed_output == Person(name="Ada", age=36)


@check("unknown fields reach a server that speaks Messages")
def unknown_fields():
    answer = client.messages.create(model="native", messages=ASK, max_tokens=16, extra_body={"say": "as it came"})
    assert answer.content[0].text == "as it came"


@check("models")
def models():
    assert {"native", "scripted"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("native").id == "native"


@check("404 for an unknown model")
def unknown_model():
    raised(anthropic.NotFoundError, lambda: client.messages.create(model="nobody", messages=ASK, max_tokens=9))


@check("401 for a wrong key")
def wrong_key():
    other = client.with_options(api_key="gw-wrong")
    raised(anthropic.AuthenticationError, lambda: other.messages.create(model="native", messages=ASK, max_tokens=9))


@check("429 with Retry-After")
def throttled():
    error = raised(
        anthropic.RateLimitError, lambda: client.messages.create(model="throttled", messages=ASK, max_tokens=9)
    )
    assert int(error.response.headers["retry-after"]) > 0


@check("400 of the model's server")
def picky():
    error = raised(anthropic.BadRequestError, lambda: client.messages.create(model="picky", messages=ASK, max_tokens=9))
    assert error.body["error"]["type"] == "invalid_request_error"
