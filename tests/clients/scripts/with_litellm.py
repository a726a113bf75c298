"""LiteLLM as a client, in OpenAI's and in Anthropic's form."""

import os

from checks import ASK, CHAT_MODELS, KEY, URL, check, raised

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the internet for one at import

import litellm

litellm.telemetry = False
OPENAI = {"api_base": f"{URL}/v1", "api_key": KEY, "num_retries": 0}
ANTHROPIC = {"api_base": URL, "api_key": KEY, "num_retries": 0}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Weather.", "parameters": PARAMETERS}}]

WAYS = [(f"openai/{model}", OPENAI) for model in CHAT_MODELS] + [("anthropic/native", ANTHROPIC)]

for model, base in WAYS:

    @check(f"chat ({model})")
    def chat(model=model, base=base):
        answer = litellm.completion(model=model, messages=ASK, max_tokens=16, **base)
        assert answer.choices[0].message.content
        assert answer.usage.total_tokens > 0

    @check(f"streamed chat with usage ({model})")
    def streamed(model=model, base=base):
        options = {"include_usage": True}
        parts = list(
            litellm.completion(model=model, messages=ASK, max_tokens=16, stream=True, stream_options=options, **base)
        )
        assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
        assert parts[-1].usage.completion_tokens > 0


for model, base in (("openai/scripted", OPENAI), ("anthropic/native", ANTHROPIC), ("anthropic/scripted", ANTHROPIC)):

    @check(f"tool call ({model})")
    def tool_call(model=model, base=base):
        asked = {"model": model, "tools": TOOLS, "max_tokens": 64, **base}
        first = litellm.completion(messages=ASK, **asked).choices[0].message
        (call,) = first.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        second = litellm.completion(messages=[*ASK, first, result], **asked)
        assert second.choices[0].message.content == "The tool said: sunny"


@check("response")
def response():
    answer = litellm.responses(model="openai/scripted", input="Hi", **OPENAI)
    assert answer.output[0].content[0].text == "Hello from the scripted model."


@check("streamed response")
def streamed_response():
    events = list(litellm.responses(model="openai/scripted", input="Hi", stream=True, **OPENAI))
    assert events[-1].type == "response.completed"


@check("embeddings")
def embeddings():
    answer = litellm.embedding(model="openai/plain", input=["a"], **OPENAI)
    assert answer.data[0]["embedding"] == [0.25, -0.5, 1.0]


@check("404, 429 and 400")
def errors():
    for model, kind in (
        ("nobody", litellm.NotFoundError),
        ("throttled", litellm.RateLimitError),
        ("picky", litellm.BadRequestError),
    ):
        for way, base in (("openai", OPENAI), ("anthropic", ANTHROPIC)):
            raised(kind, lambda name=f"{way}/{model}", base=base: litellm.completion(model=name, messages=ASK, **base))
