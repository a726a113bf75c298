"""The Gemini dialect as the relay sees it."""

import json
from pathlib import Path

import pytest
from support.vectors import load

from gateway.core.catalog import Backend, Endpoint
from gateway.core.chat import parse
from gateway.core.errors import FailureKind, Refusal, Refused
from gateway.providers.gemini import Gemini
from gateway.wire import Dialect

ROOT = Path(__file__).resolve().parents[1] / "vectors" / "gemini"
GEMINI: Dialect = Gemini()
VERTEX: Dialect = Gemini(None, vertex=True)


def backend(model: str = "gemini-2.5-flash") -> Backend:
    return Backend("b", "gemini", "http://u/v1beta", model, {})


def chat(**fields: object):
    return parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}).encode())


@pytest.mark.parametrize(
    ("dialect", "model", "streamed", "endpoint"),
    [
        (GEMINI, "gemini-2.5-pro", False, Endpoint("/models/gemini-2.5-pro:generateContent", "x-goog-api-key")),
        (
            GEMINI,
            "gemini-2.5-pro",
            True,
            Endpoint("/models/gemini-2.5-pro:streamGenerateContent?alt=sse", "x-goog-api-key"),
        ),
        (GEMINI, "tunedModels/a b", False, Endpoint("/tunedModels/a%20b:generateContent", "x-goog-api-key")),
        (VERTEX, "gemini-2.5-pro", False, Endpoint("/models/gemini-2.5-pro:generateContent", "Authorization")),
    ],
)
def test_the_address_names_model_and_way_and_stays_the_same_object(dialect, model, streamed, endpoint):
    made = dialect.endpoint(chat(stream=streamed), backend(model))
    assert made == endpoint
    assert dialect.endpoint(chat(stream=streamed, seed=1), backend(model)) is made


def test_what_it_is():
    assert (GEMINI.takes, GEMINI.limit_field, GEMINI.passes) == ("chat", "max_completion_tokens", ())


def test_what_can_be_said_is_said():
    asked = chat(temperature=0.5)
    assert GEMINI.lacks(asked, backend()) == ""
    assert json.loads(GEMINI.encode(asked, backend()))["generationConfig"] == {"temperature": 0.5}
    assert GEMINI.drops(asked, backend("gemini-3.8-flash")) == ("temperature",)


def test_what_cannot_be_said_is_refused_in_the_same_words():
    asked = chat(logit_bias={"1": 2})
    assert GEMINI.lacks(asked, backend()) == "does not take `logit_bias`"
    with pytest.raises(Refused) as refused:
        GEMINI.encode(asked, backend())
    assert (refused.value.refusal, refused.value.message) == (
        Refusal.UNSUPPORTED,
        "backend `b` does not take `logit_bias`",
    )


@pytest.mark.parametrize(
    ("name", "kind", "code", "wait"),
    [
        ("err_list", FailureKind.REJECTED, "invalid_argument", None),
        ("err_rate", FailureKind.THROTTLED, "rate_limit_exceeded", "34"),
        ("err_key", FailureKind.UNAUTHORIZED, "upstream_unauthorized", None),
        ("err_context", FailureKind.CONTEXT_TOO_LONG, "context_length_exceeded", None),
        ("err_model", FailureKind.MODEL_MISSING, "upstream_model_missing", None),
        ("err_overloaded", FailureKind.OVERLOADED, "unavailable", None),
        ("err_region", FailureKind.UNAUTHORIZED, "upstream_unauthorized", None),
        ("err_credit", FailureKind.NO_CREDIT, "upstream_no_credit", None),
    ],
)
def test_errors(name, kind, code, wait):
    vector = load(ROOT / f"{name}.txt")
    failed = GEMINI.failure(vector.status, vector.headers, vector.body)
    assert (failed.kind, failed.error["code"], failed.retry_after) == (kind, code, wait)


def test_answers_whole_and_streamed():
    whole, streamed = load(ROOT / "text.txt"), load(ROOT / "text_stream.txt")
    assert GEMINI.answer(whole.body, chat()).failed is None
    reader = GEMINI.reader(chat(stream=True))
    out = reader.feed(streamed.body) + reader.close()
    assert out.endswith(b"data: [DONE]\n\n")
    assert reader.done
