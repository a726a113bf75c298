"""LlamaIndex, with its classes for servers that are like OpenAI's."""

import openai
import pydantic
from checks import CHAT_MODELS, KEY, URL, check, raised
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

BASE = {"api_base": f"{URL}/v1", "api_key": KEY, "max_retries": 0, "context_window": 4096}
ASK = [ChatMessage(role="user", content="What is 2+2?")]


class Person(pydantic.BaseModel):
    """A person."""

    name: str
    age: int


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def able(model, **more):
    return OpenAILike(model=model, is_chat_model=True, is_function_calling_model=True, **BASE, **more)


for model in CHAT_MODELS:

    @check(f"chat ({model})")
    def chat(model=model):
        answer = able(model, max_tokens=16).chat(ASK)
        assert answer.message.content
        assert answer.raw.usage.total_tokens > 0

    @check(f"streamed chat with usage ({model})")
    def streamed(model=model):
        options = {"stream_options": {"include_usage": True}}
        parts = list(able(model, max_tokens=16, additional_kwargs=options).stream_chat(ASK))
        assert parts[-1].message.content
        assert parts[-1].raw.usage.completion_tokens > 0


@check("tool call")
def tool_call():
    scripted = able("scripted")
    answer = scripted.predict_and_call([FunctionTool.from_defaults(weather)], user_msg="The weather?")
    assert str(answer) == "sunny in Paris"
    first = scripted.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg="The weather?")
    (call,) = scripted.get_tool_calls_from_response(first)
    result = ChatMessage(role="tool", content="sunny", additional_kwargs={"tool_call_id": call.tool_id})
    second = scripted.chat_with_tools([FunctionTool.from_defaults(weather)], chat_history=[*ASK, first.message, result])
    assert second.message.content == "The tool said: sunny"


@check("structured output")
def structured():
    assert able("scripted").as_structured_llm(Person).chat(ASK).raw == Person(name="Ada", age=36)


@check("embeddings, base64 unseen")
def embeddings():
    base = {name: value for name, value in BASE.items() if name != "context_window"}
    vectors = OpenAILikeEmbedding(model_name="plain", **base)
    assert vectors.get_text_embedding_batch(["a", "b"]) == [[0.25, -0.5, 1.0]] * 2


@check("404, 429 and 400")
def errors():
    for model, kind in (
        ("nobody", openai.NotFoundError),
        ("throttled", openai.RateLimitError),
        ("picky", openai.BadRequestError),
    ):
        raised(kind, lambda model=model: able(model).chat(ASK))
