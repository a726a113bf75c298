"""OpenAI's Python SDK, 2 and 3."""

import openai
import pydantic
from checks import ASK, CHAT_MODELS, KEY, URL, check, raised

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Person(pydantic.BaseModel):
    name: str
    age: int


for model in CHAT_MODELS:

    @check(f"chat ({model})")
    def chat(model=model):
        answer = client.chat.completions.create(model=model, messages=ASK, max_tokens=16)
        assert answer.choices[0].message.content
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0

    @check(f"streamed chat with usage ({model})")
    def streamed(model=model):
        options = {"include_usage": True}
        parts = list(
            client.chat.completions.create(
                model=model, messages=ASK, max_tokens=16, stream=True, stream_options=options
            )
        )
        assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
        assert parts[-1].usage.completion_tokens > 0
        assert [part.choices[0].finish_reason for part in parts if part.choices][-1] in ("stop", "length")


@check("tool call")
def tool_call():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    first = client.chat.completions.create(model="scripted", messages=ASK, tools=tools).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert call.function.arguments == '{"city": "Paris"}'
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    second = client.chat.completions.create(model="scripted", messages=[*ASK, first.message, result], tools=tools)
    assert second.choices[0].message.content == "The tool said: sunny"


@check("streamed tool call")
def streamed_tool_call():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    with client.chat.completions.stream(model="scripted", messages=ASK, tools=tools) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Paris"}')


@check("structured output")
def structured():
    answer = client.chat.completions.parse(model="scripted", messages=ASK, response_format=Person)
    assert answer.choices[0].message.parsed == Person(name="Ada", age=36)


@check("embeddings, base64 unseen")
def embeddings():
    answer = client.embeddings.create(model="plain", input=["a", "b"])
    assert [each.embedding for each in answer.data] == [[0.25, -0.5, 1.0]] * 2


@check("embeddings as numbers")
def embeddings_as_numbers():
    answer = client.embeddings.create(model="plain", input="a", encoding_format="float")
    assert answer.data[0].embedding == [0.25, -0.5, 1.0]


@check("models")
def models():
    assert {"auto", "scripted"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("scripted").id == "scripted"


@check("404 for an unknown model")
def unknown_model():
    error = raised(openai.NotFoundError, lambda: client.chat.completions.create(model="nobody", messages=ASK))
    assert error.code == "model_not_found"


@check("401 for a wrong key")
def wrong_key():
    other = client.with_options(api_key="gw-wrong")
    raised(openai.AuthenticationError, lambda: other.chat.completions.create(model="scripted", messages=ASK))


@check("429 with Retry-After")
def throttled():
    error = raised(openai.RateLimitError, lambda: client.chat.completions.create(model="throttled", messages=ASK))
    assert int(error.response.headers["retry-after"]) > 0


@check("400 of the model's server")
def picky():
    error = raised(openai.BadRequestError, lambda: client.chat.completions.create(model="picky", messages=ASK))
    assert "does not like" in error.message


for model in CHAT_MODELS:

    @check(f"response ({model})")
    def response(model=model):
        answer = client.responses.create(model=model, input="What is 2+2?", max_output_tokens=16)
        assert answer.output_text
        assert answer.usage.total_tokens > 0

    @check(f"streamed response ({model})")
    def streamed_response(model=model):
        events = list(client.responses.create(model=model, input="What is 2+2?", max_output_tokens=16, stream=True))
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert events[0].type == "response.created"
        assert events[-1].type in ("response.completed", "response.incomplete")
        assert events[-1].response.usage.output_tokens > 0


@check("stream of a response, as the SDK puts it together")
def response_put_together():
    with client.responses.stream(model="scripted", input="What is 2+2?") as stream:
        assert stream.until_done().get_final_response().output_text == "Hello from the scripted model."


@check("response with a tool call")
def response_tool_call():
    tools = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}]
    first = client.responses.create(model="scripted", input=ASK, tools=tools)
    (call,) = [item for item in first.output if item.type == "function_call"]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = client.responses.create(model="scripted", input=[*ASK, *first.output, result], tools=tools)
    assert second.output_text == "The tool said: sunny"


@check("structured response")
def structured_response():
    answer = client.responses.parse(model="scripted", input="Who?", text_format=Person)
    assert answer.output_parsed == Person(name="Ada", age=36)


@check("chat as Azure's client asks for it")
def azure():
    other = openai.AzureOpenAI(azure_endpoint=URL, api_key=KEY, api_version="2024-10-21", max_retries=0)
    answer = other.chat.completions.create(model="scripted", messages=ASK)
    assert answer.choices[0].message.content == "Hello from the scripted model."


@check("completion")
def completion():
    assert client.completions.create(model="plain", prompt="Once").choices[0].text == "Hello from the scripted model."
