"""A small table of detectors, and chunk events as servers send them, for tests of what is done about findings."""

import json

from hypothesis import strategies as st

from gateway.sensitivity.detector import pattern
from gateway.sensitivity.scan import Scanner

ROWS = (
    pattern("t.key", "secret", r"sk-[A-Za-z0-9]{20,80}", trigger=r"sk-[A-Za-z0-9]{3}"),
    pattern("t.pem", "secret", r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----", trigger=r"-----BEGIN"),
    pattern("t.password", "secret", r"password: ([^\s,:]{8,40})", trigger=r"password: "),
    pattern(
        "t.email",
        "email",
        r"[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,20}",
        trigger=r"[A-Za-z0-9]@[A-Za-z0-9]",
    ),
    pattern("t.phone", "phone", r"\+?[0-9]{9,14}", trigger=r"[0-9]{9}"),
)
SCANNER = Scanner(ROWS)
KINDS = frozenset({"secret", "email", "phone"})
KEY = "sk-" + "Ab3" * 12
PEM = "-----BEGIN RSA PRIVATE KEY-----"


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def chunk(delta: dict, index: int = 0, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]} | more)


def said(raw: bytes) -> dict[tuple, str]:
    """What a client puts together from the events of a stream: each text by its choice and its field."""
    texts: dict[tuple, str] = {}

    def add(name: tuple, value: object) -> None:
        if isinstance(value, str):
            texts[name] = texts.get(name, "") + value

    for line in raw.split(b"\n"):
        if not line.startswith(b"data: {"):
            continue
        for choice in json.loads(line[6:]).get("choices", ()):
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    for call in value:
                        add((choice["index"], name, call["index"]), call["function"].get("arguments"))
                else:
                    add((choice["index"], name), value)
    return texts


FIELDS = ("content", "reasoning_content", "reasoning", "refusal", "arguments")


def delta(field: str, text: str) -> dict:
    if field == "arguments":
        return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
    return {field: text}


def field_of(field: str, index: int = 0) -> tuple:
    return (index, "tool_calls", 0) if field == "arguments" else (index, field)


@st.composite
def cuts_of(draw, text):
    """A text in pieces, some of them empty."""
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]
