"""LangChain's OpenAI package."""

import openai
import pydantic
from checks import CHAT_MODELS, KEY, URL, check, raised
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

BASE = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}
ASK = [HumanMessage("What is 2+2?")]


class Person(pydantic.BaseModel):
    """A person."""

    name: str
    age: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


for model in CHAT_MODELS:

    @check(f"chat ({model})")
    def chat(model=model):
        answer = ChatOpenAI(model=model, max_tokens=16, **BASE).invoke(ASK)
        assert answer.text
        assert answer.usage_metadata["total_tokens"] > 0

    @check(f"streamed chat with usage ({model})")
    def streamed(model=model):
        parts = list(ChatOpenAI(model=model, max_tokens=16, stream_usage=True, **BASE).stream(ASK))
        whole = sum(parts[1:], parts[0])
        assert whole.text
        assert whole.usage_metadata["output_tokens"] > 0


for api, responses in (("chat", False), ("responses", True)):
    scripted = ChatOpenAI(model="scripted", use_responses_api=responses, **BASE)

    @check(f"tool call ({api})")
    def tool_call(scripted=scripted):
        able = scripted.bind_tools([weather])
        first = able.invoke(ASK)
        (call,) = first.tool_calls
        result = weather.invoke(call)
        assert isinstance(result, ToolMessage)
        assert able.invoke([*ASK, first, result]).text == "The tool said: sunny in Paris"

    @check(f"streamed tool call ({api})")
    def streamed_tool_call(scripted=scripted):
        parts = list(scripted.bind_tools([weather]).stream(ASK))
        assert sum(parts[1:], parts[0]).tool_calls[0]["args"] == {"city": "Paris"}

    @check(f"structured output ({api})")
    def structured(scripted=scripted):
        assert scripted.with_structured_output(Person).invoke(ASK) == Person(name="Ada", age=36)


@check("structured output by a tool")
def structured_by_tool():
    able = ChatOpenAI(model="scripted", **BASE).with_structured_output(Person, method="function_calling")
    assert able.invoke(ASK) == Person(name="Ada", age=36)


@check("streamed response")
def streamed_response():
    parts = list(ChatOpenAI(model="scripted", use_responses_api=True, **BASE).stream(ASK))
    assert sum(parts[1:], parts[0]).text == "Hello from the scripted model."


@check("embeddings, base64 unseen")
def embeddings():
    # It would count tokens with a vocabulary from the internet.
    able = OpenAIEmbeddings(model="plain", check_embedding_ctx_length=False, **BASE)
    assert able.embed_documents(["a", "b"]) == [[0.25, -0.5, 1.0]] * 2


@check("404, 429 and 400")
def errors():
    for model, kind in (
        ("nobody", openai.NotFoundError),
        ("throttled", openai.RateLimitError),
        ("picky", openai.BadRequestError),
    ):
        raised(kind, lambda model=model: ChatOpenAI(model=model, **BASE).invoke(ASK))
