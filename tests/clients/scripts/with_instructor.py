"""Instructor, around OpenAI's SDK."""

import instructor
import openai
import pydantic
from checks import ASK, KEY, URL, check, raised
from instructor.core import InstructorRetryException

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
ADA = {"name": "Ada", "age": 36}


class Person(pydantic.BaseModel):
    name: str
    age: int


for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA, instructor.Mode.RESPONSES_TOOLS):
    able = instructor.from_openai(client, mode=mode)

    @check(f"structured output ({mode.value})")
    def structured(able=able):
        person, answer = able.create_with_completion(model="scripted", messages=ASK, response_model=Person)
        assert person.model_dump() == ADA
        assert answer.usage.total_tokens > 0


for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    able = instructor.from_openai(client, mode=mode)

    @check(f"streamed structured output ({mode.value})")
    def streamed(able=able):
        parts = list(able.create_partial(model="scripted", messages=ASK, response_model=Person))
        assert parts[-1].model_dump() == ADA


@check("404 for an unknown model")
def unknown_model():
    able = instructor.from_openai(client)
    ask = {"model": "nobody", "messages": ASK, "response_model": Person}
    error = raised((openai.NotFoundError, InstructorRetryException), lambda: able.create(**ask))
    assert "model_not_found" in str(error)
