"""Pydantic AI, over chat completions, Responses and Messages."""

import pydantic
from checks import CHAT_MODELS, KEY, URL, check, raised
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

OPENAI = OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)
ANTHROPIC = AnthropicProvider(base_url=URL, api_key=KEY)


class Person(pydantic.BaseModel):
    name: str
    age: int


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


for model in CHAT_MODELS:

    @check(f"chat ({model})")
    def chat(model=model):
        answer = Agent(OpenAIChatModel(model, provider=OPENAI)).run_sync("Hi", model_settings={"max_tokens": 64})
        assert answer.output
        assert answer.usage.output_tokens > 0

    @check(f"streamed chat with usage ({model})")
    async def streamed(model=model):
        agent = Agent(OpenAIChatModel(model, provider=OPENAI))
        async with agent.run_stream("Hi", model_settings={"max_tokens": 64}) as answer:
            assert [part async for part in answer.stream_text(delta=True)]
            assert answer.usage.output_tokens > 0


MODELS = (
    ("chat", OpenAIChatModel("scripted", provider=OPENAI)),
    ("responses", OpenAIResponsesModel("scripted", provider=OPENAI)),
    ("messages", AnthropicModel("scripted", provider=ANTHROPIC)),
    ("native messages", AnthropicModel("native", provider=ANTHROPIC)),
)

for api, able in MODELS:

    @check(f"tool call ({api})")
    def tool_call(able=able):
        assert Agent(able, tools=[weather]).run_sync("Hi").output == "The tool said: sunny in Paris"

    @check(f"streamed tool call ({api})")
    async def streamed_tool_call(able=able):
        async with Agent(able, tools=[weather]).run_stream("Hi") as answer:
            assert await answer.get_output() == "The tool said: sunny in Paris"

    @check(f"structured output by a tool ({api})")
    def structured_by_tool(able=able):
        assert Agent(able, output_type=Person).run_sync("Who?").output == Person(name="Ada", age=36)


for api, able in MODELS[:2]:

    @check(f"structured output ({api})")
    def structured(able=able):
        assert Agent(able, output_type=NativeOutput(Person)).run_sync("Who?").output == Person(name="Ada", age=36)


@check("404, 429 and 400")
def errors():
    for model, status in (("nobody", 404), ("throttled", 429), ("picky", 400)):
        agent = Agent(OpenAIChatModel(model, provider=OPENAI))
        assert raised(ModelHTTPError, lambda agent=agent: agent.run_sync("Hi")).status_code == status
