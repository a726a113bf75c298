"""A scripted model on loopback that answers by what it is asked, so that clients can go whole rounds with it.

`/chat/v1` speaks chat completions, completions and embeddings, `/native/v1` speaks Anthropic Messages, `/throttled/v1`
answers 429 and `/picky/v1` answers 400. A tool that is offered is called; its result is told back in text, so that who
sees the text knows that the tool ran. A JSON schema is filled in. Shapes are those of `tests/vectors`.
"""

import base64
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.upstream import DONE, OK, STREAM_END, STREAM_HEAD, USAGE, USAGE_EVENT, answer, chunk, delta, event

COMMAND = "seq -s + 1 4"
RAN = "1+2+3+4"
"""What the command prints: it is not in the command, so it is seen only where a client ran it."""

SHELLS = ("exec_command", "shell_command", "shell", "Bash", "bash", "run_shell_command")
"""What coding agents call the tool that runs a command. They offer it among many."""

HELLO = "Hello from the scripted model."
VALUES = {"city": "Paris", "name": "Ada", "age": 36, "cmd": COMMAND, "command": COMMAND}
VECTOR = (0.25, -0.5, 1.0)
TOKENS = 17
"""What it counts for any request of Anthropic's clients."""


def filled(schema: dict) -> object:
    """The least value that fits a JSON schema, with known members by their name."""
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        names = [name for name in properties if name in schema.get("required", ()) or name in VALUES]
        return {name: _member(name, properties[name]) for name in names}
    if "enum" in schema:
        return schema["enum"][0]
    return {"array": [], "integer": 1, "number": 1, "boolean": False}.get(kind, "said by the model")


def _member(name: str, schema: dict) -> object:
    value = VALUES.get(name)
    if value is None:
        return filled(schema)
    return ["sh", "-c", value] if schema.get("type") == "array" else value


def chosen(tools: list[tuple[str, dict]]) -> tuple[str, dict] | None:
    """The tool that is called: of many the shell, of few the first."""
    shells = [tool for tool in tools if tool[0] in SHELLS]
    return (shells or tools or [None])[0]


def told(result: object) -> str:
    text = result if isinstance(result, str) else " ".join(part.get("text", "") for part in result or ())
    return f"The tool said: {text}"


class ScriptedModel:
    """The server, in threads of its own. `last` is the body of the last request."""

    def __init__(self) -> None:
        self.last = b""

        class Asked(_Asked):
            model = self

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{name}/v1"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: ScriptedModel

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        self.model.last = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(self.model.last)
        name, _, path = self.path.lstrip("/").partition("/v1/")
        if name == "throttled":
            self.wfile.write(answer(_error("slow down", "rate_limit_exceeded"), 429, retry_after="7"))
        elif name == "picky":
            self.wfile.write(answer(_error("the scripted model does not like this", "invalid_value"), 400))
        elif path == "embeddings":
            self.wfile.write(answer(embedded(body)))
        elif path == "completions":
            choice = {"index": 0, "text": HELLO, "logprobs": None, "finish_reason": "stop"}
            self.wfile.write(answer({**OK, "object": "text_completion", "choices": [choice]}))
        elif path == "messages/count_tokens":
            self.wfile.write(answer({"input_tokens": TOKENS}))
        else:
            whole = message(body) if path == "messages" else completion(body)
            if not body.get("stream"):
                self.wfile.write(answer(whole))
                return
            asks = bool((body.get("stream_options") or {}).get("include_usage"))
            events = message_events(whole) if path == "messages" else chunks(whole, usage=asks)
            self.wfile.write(b"".join([STREAM_HEAD, *(chunk(each) for each in events), STREAM_END]))


def _error(text: str, code: str) -> dict:
    return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": code}}


def embedded(body: dict) -> dict:
    """Embeddings in the form that was asked for."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    packed = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()
    vector = packed if body.get("encoding_format") == "base64" else list(VECTOR)
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def completion(body: dict) -> dict:
    """The chat completion for a request."""
    last = body["messages"][-1]
    offered = body.get("tools") if body.get("tool_choice") != "none" else None
    tools = [(tool["function"]["name"], tool["function"].get("parameters", {})) for tool in offered or ()]
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    if last["role"] == "tool":
        said = {"role": "assistant", "content": told(last["content"])}
    elif tool := chosen(tools):
        call = {"name": tool[0], "arguments": json.dumps(filled(tool[1]))}
        calls = [{"id": "call_1", "type": "function", "function": call}]
        said = {"role": "assistant", "content": None, "tool_calls": calls}
    else:
        said = {"role": "assistant", "content": json.dumps(filled(schema)) if schema else HELLO}
    finish = "tool_calls" if "tool_calls" in said else "stop"
    return {**OK, "choices": [{"index": 0, "message": said, "finish_reason": finish}]}


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def _piece(said: dict) -> bytes:
    return delta(choices=[{"index": 0, "delta": said, "finish_reason": None}])


def chunks(whole: dict, *, usage: bool) -> Iterator[bytes]:
    """The same as a stream."""
    (choice,) = whole["choices"]
    said = choice["message"]
    yield _piece({"role": "assistant", "content": None if "tool_calls" in said else ""})
    for index, call in enumerate(said.get("tool_calls", ())):
        function = call["function"]
        yield _piece({"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]})
        for half in _halves(function["arguments"]):
            yield _piece({"tool_calls": [{"index": index, "function": {"arguments": half}}]})
    if said["content"]:
        for half in _halves(said["content"]):
            yield _piece({"content": half})
    yield delta(finish=choice["finish_reason"])
    if usage:
        yield USAGE_EVENT
    yield DONE


def message(body: dict) -> dict:
    """The Anthropic message for a request. `say`, which no API has, is said: it shows what came through."""
    tools = [(tool["name"], tool.get("input_schema", {})) for tool in body.get("tools", ())]
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    content = body["messages"][-1]["content"]
    results = [block for block in content if block["type"] == "tool_result"] if isinstance(content, list) else []
    if results:
        block = {"type": "text", "text": told(results[-1].get("content"))}
    elif tool := chosen(tools):
        block = {"type": "tool_use", "id": "toolu_1", "name": tool[0], "input": filled(tool[1])}
    else:
        block = {"type": "text", "text": json.dumps(filled(schema)) if schema else body.get("say", HELLO)}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [block],
        "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": USAGE["prompt_tokens"], "output_tokens": USAGE["completion_tokens"]},
    }


def message_events(whole: dict) -> Iterator[bytes]:
    """The same as a stream."""
    (block,) = whole["content"]
    usage = whole["usage"]
    started = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield _named("message_start", message=started)
    if block["type"] == "tool_use":
        empty, kind, member = {**block, "input": {}}, "input_json_delta", "partial_json"
        text = json.dumps(block["input"])
    else:
        empty, kind, member, text = {**block, "text": ""}, "text_delta", "text", block["text"]
    yield _named("content_block_start", index=0, content_block=empty)
    for half in _halves(text):
        yield _named("content_block_delta", index=0, delta={"type": kind, member: half})
    yield _named("content_block_stop", index=0)
    yield _named("message_delta", delta={"stop_reason": whole["stop_reason"], "stop_sequence": None}, usage=usage)
    yield _named("message_stop")


def _named(type: str, **members: object) -> bytes:
    return f"event: {type}\n".encode() + event({"type": type, **members})
