"""OpenAI's Agents SDK, over Responses (its default) and over chat completions."""

import agents
import openai
import pydantic
from checks import CHAT_MODELS, KEY, URL, check, raised

BASE = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}
agents.set_tracing_disabled(True)
SETTINGS = agents.ModelSettings(max_tokens=64, include_usage=True)


class Person(pydantic.BaseModel):
    name: str
    age: int


@agents.function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def agent(kind, model, **more):
    """An agent with connections of its own: they belong to one event loop."""
    own = kind(model, openai.AsyncOpenAI(**BASE))
    return agents.Agent(name="a", model=own, model_settings=SETTINGS, **more)


for api, kind in (("responses", agents.OpenAIResponsesModel), ("chat", agents.OpenAIChatCompletionsModel)):
    for model in CHAT_MODELS:

        @check(f"one turn ({api}, {model})")
        def turn(kind=kind, model=model):
            answer = agents.Runner.run_sync(agent(kind, model), "Hi")
            assert answer.final_output
            assert answer.context_wrapper.usage.output_tokens > 0

    @check(f"tool call ({api})")
    def tool_call(kind=kind):
        answer = agents.Runner.run_sync(agent(kind, "scripted", tools=[weather]), "Hi")
        assert answer.final_output == "The tool said: sunny in Paris"

    @check(f"streamed tool call with usage ({api})")
    async def streamed_tool_call(kind=kind):
        answer = agents.Runner.run_streamed(agent(kind, "scripted", tools=[weather]), "Hi")
        assert [event async for event in answer.stream_events()]
        assert answer.final_output == "The tool said: sunny in Paris"
        assert answer.context_wrapper.usage.output_tokens > 0

    @check(f"structured output ({api})")
    def structured(kind=kind):
        answer = agents.Runner.run_sync(agent(kind, "scripted", output_type=Person), "Who?")
        assert answer.final_output == Person(name="Ada", age=36)

    @check(f"404, 429 and 400 ({api})")
    def errors(kind=kind):
        for model, error in (
            ("nobody", openai.NotFoundError),
            ("throttled", openai.RateLimitError),
            ("picky", openai.BadRequestError),
        ):
            raised(error, lambda model=model: agents.Runner.run_sync(agent(kind, model), "Hi"))
