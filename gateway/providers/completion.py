"""A chat completion in our own words, for backends that do not write one themselves."""

from collections.abc import Iterable, Mapping

import msgspec

from gateway.core.chat import ChatRequest
from gateway.core.errors import Failed
from gateway.core.usage import Usage
from gateway.providers.usage import usage_object

DONE = b"data: [DONE]\n\n"


class Chunks:
    """Writes the events of one streamed completion. The first delta of a choice has the role, as clients expect."""

    def __init__(self, chat: ChatRequest, id: str, model: str) -> None:
        self._head = {"id": id, "object": "chat.completion.chunk", "created": chat.arrived, "model": model}
        self._wants_usage = chat.wants_usage
        self._begun: set[int] = set()

    def delta(self, delta: Mapping[str, object], choice: int = 0, logprobs: object = None) -> bytes:
        """Some members of a message, such as `content`, `reasoning_content` or `tool_calls`, with the `logprobs` object
        of their tokens."""
        if choice not in self._begun:
            self._begun.add(choice)
            delta = {"role": "assistant", "content": "", **delta}
        return self._chunk([{"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": None}])

    def finish(self, reason: str, choice: int = 0) -> bytes:
        """The end of a choice, by one of OpenAI's reasons."""
        before = b"" if choice in self._begun else self.delta({}, choice)
        return before + self._chunk([{"index": choice, "delta": {}, "logprobs": None, "finish_reason": reason}])

    def end(self, usage: Usage | None) -> bytes:
        """The end of the stream: the usage, if the client asked for it and somebody told, and [DONE]."""
        if not self._wants_usage or usage is None:
            return DONE
        return _data({**self._head, "choices": [], "usage": usage_object(usage)}) + DONE

    def _chunk(self, choices: list[object]) -> bytes:
        more = {"usage": None} if self._wants_usage else {}
        return _data({**self._head, "choices": choices, **more})


def error_event(failed: Failed) -> bytes:
    """A failure in a stream. No [DONE] may follow."""
    return _data({"error": failed.error})


def completion(
    chat: ChatRequest,
    id: str,
    model: str,
    choices: Iterable[tuple[Mapping[str, object], str]],
    usage: Usage | None,
    more: Mapping[str, object] | None = None,
    logprobs: Mapping[int, object] | None = None,
) -> bytes:
    """A buffered completion: a message without its role, and a reason for its end, for each choice. `more` are further
    members, `logprobs` the objects of the choices that have one, by index."""
    whole = [
        {
            "index": index,
            "message": {"role": "assistant", "content": None, "refusal": None, **message},
            "logprobs": (logprobs or {}).get(index),
            "finish_reason": reason,
        }
        for index, (message, reason) in enumerate(choices)
    ]
    head = {"id": id, "object": "chat.completion", "created": chat.arrived, "model": model}
    told = {"usage": usage_object(usage)} if usage is not None else {}
    return msgspec.json.encode({**head, "choices": whole, **told, **(more or {})})


def _data(members: Mapping[str, object]) -> bytes:
    return b"data: " + msgspec.json.encode(members) + b"\n\n"
