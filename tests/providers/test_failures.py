"""What error answers mean, whatever their shape."""

import json

import pytest

from gateway.core.chat import parse
from gateway.core.errors import FailureKind
from gateway.providers import DIALECTS
from gateway.providers.failures import MAX_MESSAGE, classify, scrub

K = FailureKind


@pytest.mark.parametrize(
    ("status", "body", "kind", "shown"),
    [
        (429, {"error": {"message": "slow", "code": "rate_limit_exceeded", "type": "requests"}}, K.THROTTLED, 429),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, K.NO_CREDIT, 502),
        (402, {"error": {"message": "Insufficient Balance"}}, K.NO_CREDIT, 502),
        (401, {"error": {"message": "Incorrect API key provided: sk-abc"}}, K.UNAUTHORIZED, 502),
        (403, {"error": {"message": "no access"}}, K.UNAUTHORIZED, 502),
        (403, {"error": {"message": "flagged", "code": "content_policy_violation"}}, K.CONTENT_FILTERED, 403),
        (400, {"error": {"message": "Content Exists Risk"}}, K.CONTENT_FILTERED, 400),
        (400, {"error": {"message": "This model's maximum context length is 8 tokens"}}, K.CONTEXT_TOO_LONG, 400),
        (413, {"error": {"message": "prompt is too long"}}, K.CONTEXT_TOO_LONG, 413),
        (413, {"error": {"message": "the body is too big"}}, K.TOO_LARGE, 413),
        (413, {"type": "error", "error": {"type": "request_too_large", "message": "over 32 MB"}}, K.TOO_LARGE, 413),
        (404, {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}, K.MODEL_MISSING, 502),
        (404, {"error": {"message": "nothing here"}}, K.REJECTED, 404),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, K.REJECTED, 422),
        (500, {"error": {"message": "boom"}}, K.SERVER_ERROR, 500),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, K.OVERLOADED, 503),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, K.OVERLOADED, 529),
        (504, {"error": "gateway timeout"}, K.TIMED_OUT, 504),
        (200, {"error": {"message": "late", "code": 502}}, K.SERVER_ERROR, 502),
        (400, [{"error": {"code": 400, "message": "INVALID_ARGUMENT", "status": "X"}}], K.REJECTED, 400),
        (400, {"code": "bad", "error": "a string"}, K.REJECTED, 400),
        (
            400,
            {
                "error": {
                    "type": "invalid_request_error",
                    "message": "Your credit balance is too low to access the API.",
                }
            },
            K.NO_CREDIT,
            502,
        ),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}}, K.MODEL_MISSING, 502),
        (200, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, K.OVERLOADED, 503),
        (200, {"type": "error", "error": {"type": "timeout_error", "message": "late"}}, K.TIMED_OUT, 504),
        (200, {"type": "error", "error": {"type": "authentication_error", "message": "x"}}, K.UNAUTHORIZED, 502),
        (200, {"type": "error", "error": {"type": "api_error", "message": "overloaded_error"}}, K.SERVER_ERROR, 502),
        # a message may quote the prompt: it decides nothing where the status does not fit
        (400, {"error": {"message": "invalid tool name: insufficient balance"}}, K.REJECTED, 400),
        (500, {"error": {"message": "maximum context length"}}, K.SERVER_ERROR, 500),
    ],
)
def test_an_error_means(status, body, kind, shown):
    failed = classify(status, json.dumps(body).encode())
    assert (failed.kind, failed.status) == (kind, shown)
    assert {"message", "type", "param", "code"} <= failed.error.keys()


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"null", b"[]", b"7", b'"x"', b"\xff", b"[" * 5000])
def test_any_body_gives_an_envelope(body):
    failed = classify(502, body)
    assert failed.kind is K.SERVER_ERROR
    assert isinstance(failed.error["message"], str)


def test_what_concerns_our_account_is_not_shown():
    failed = classify(401, b'{"error": {"message": "Incorrect API key provided: sk-proj-abc123 of org-acme42"}}')
    assert "sk-proj" not in json.dumps(failed.error)
    assert "org-acme" not in json.dumps(failed.error)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("key sk-proj-abcdefgh1234 is bad", "key *** is bad"),
        ("org-acme4242 has no access", "*** has no access"),
        ("AIzaSyA1234567890abc", "***"),
        ("task-force and desk-top", "task-force and desk-top"),
        ("x" * 5000, "x" * MAX_MESSAGE),
    ],
)
def test_scrub(said, shown):
    assert scrub(said) == shown


def test_a_key_is_shown_nowhere_in_an_error():
    told = {
        "message": "x",
        "type": "sk-proj-abcdefgh1",
        "code": "sk-proj-abcdefgh1",
        "param": "Bearer sk-proj-abcdefgh1",
    }
    assert "abcdefgh" not in json.dumps(classify(400, json.dumps({"error": told}).encode()).error)


@pytest.mark.parametrize("status", [204, 302, 600, 999])
def test_a_status_that_is_no_error_s_is_not_told(status):
    assert classify(status, b"{}").status == 502


def test_retry_after_is_kept_as_it_came():
    assert (
        classify(429, b"{}", {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}).retry_after
        == "Wed, 21 Oct 2026 07:28:00 GMT"
    )


def said(message="x", **more):
    return {"error": {"message": message, **more}}


def zai(code):
    return said(code=code)


def minimax(code, message="m"):
    return {"base_resp": {"status_code": code, "status_msg": message}}


GEMINI_QUOTA = [
    said(
        "You exceeded your current quota, please check your plan and billing details.",
        code=429,
        status="RESOURCE_EXHAUSTED",
        details=[{"@type": "x/google.rpc.RetryInfo", "retryDelay": "34s"}],
    )
]
AZURE_FILTER = said("filtered", code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"})
FLAGGED = said("flagged", code=403, metadata={"reasons": ["violence"], "flagged_input": "..."})
LONG_BEDROCK = {"message": "Input is too long for requested model."}
TOO_MANY_AT_ONCE = said(
    "Request too large for model on tokens per minute (TPM)", type="tokens", code="rate_limit_exceeded"
)
NO_QUOTA_QWEN = said("You exceeded your current quota", code="insufficient_quota", type="insufficient_quota")


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind", "shown"),
    [
        ("openai", 429, said(code="rate_limit_exceeded"), K.THROTTLED, 429),
        ("openai", 500, said(), K.SERVER_ERROR, 500),
        ("openai", 503, said(), K.OVERLOADED, 503),
        ("openai", 400, said(code="context_length_exceeded"), K.CONTEXT_TOO_LONG, 400),
        ("openai", 400, said(code="content_policy_violation"), K.CONTENT_FILTERED, 400),
        ("openai", 429, said(code="insufficient_quota", type="insufficient_quota"), K.NO_CREDIT, 502),
        ("azure", 429, said(code="429"), K.THROTTLED, 429),
        ("azure", 429, said(code="RateLimitReached"), K.THROTTLED, 429),
        ("azure", 408, said(), K.TIMED_OUT, 408),
        ("azure", 400, AZURE_FILTER, K.CONTENT_FILTERED, 400),
        ("azure", 403, said(), K.UNAUTHORIZED, 502),
        ("bedrock", 429, {"message": "slow"}, K.THROTTLED, 429),
        ("bedrock", 424, {"message": "x"}, K.SERVER_ERROR, 502),
        ("bedrock", 408, {"message": "x"}, K.TIMED_OUT, 408),
        ("bedrock", 503, {"message": "x"}, K.OVERLOADED, 503),
        ("bedrock", 400, LONG_BEDROCK, K.CONTEXT_TOO_LONG, 400),
        ("bedrock", 403, {"message": "x"}, K.UNAUTHORIZED, 502),
        ("gemini", 429, GEMINI_QUOTA, K.THROTTLED, 429),
        ("gemini", 429, [said("Your prepayment credits are depleted.", code=429)], K.NO_CREDIT, 502),
        ("gemini", 500, [said(status="INTERNAL")], K.SERVER_ERROR, 500),
        ("gemini", 503, [said(status="UNAVAILABLE")], K.OVERLOADED, 503),
        (
            "gemini",
            400,
            [said("The input token count (9) exceeds the maximum number of tokens allowed (8).", code=400)],
            K.CONTEXT_TOO_LONG,
            400,
        ),
        ("gemini", 400, [said("API key not valid. Please pass a valid API key.", code=400)], K.UNAUTHORIZED, 502),
        ("openrouter", 200, said(code=429), K.THROTTLED, 429),
        ("openrouter", 200, said(code=402), K.NO_CREDIT, 502),
        ("openrouter", 200, said(code=408), K.TIMED_OUT, 408),
        ("openrouter", 502, said(code=502), K.SERVER_ERROR, 502),
        ("openrouter", 403, FLAGGED, K.CONTENT_FILTERED, 403),
        ("mistral", 422, {"detail": [{"type": "extra_forbidden"}]}, K.REJECTED, 422),
        ("mistral", 400, {"object": "error", "message": "Prompt is too large for model"}, K.CONTEXT_TOO_LONG, 400),
        ("mistral", 402, {"message": "x"}, K.NO_CREDIT, 502),
        ("deepseek", 402, said("Insufficient Balance"), K.NO_CREDIT, 502),
        ("deepseek", 400, said("Content Exists Risk"), K.CONTENT_FILTERED, 400),
        ("deepseek", 429, said(), K.THROTTLED, 429),
        ("qwen", 429, said(code="Throttling.RateQuota"), K.THROTTLED, 429),
        ("qwen", 429, said(code="limit_requests", type="limit_requests"), K.THROTTLED, 429),
        ("qwen", 429, NO_QUOTA_QWEN, K.THROTTLED, 429),
        ("qwen", 400, {"code": "Arrearage", "message": "x"}, K.NO_CREDIT, 502),
        ("qwen", 403, said(code="AllocationQuota.FreeTierOnly"), K.NO_CREDIT, 502),
        (
            "qwen",
            400,
            said("Range of input length should be [1, 8]", code="invalid_parameter_error"),
            K.CONTEXT_TOO_LONG,
            400,
        ),
        ("qwen", 400, said(code="data_inspection_failed"), K.CONTENT_FILTERED, 400),
        ("qwen", 503, said(code="ModelServingError"), K.OVERLOADED, 503),
        ("moonshot", 429, said(type="rate_limit_reached_error"), K.THROTTLED, 429),
        ("moonshot", 429, said(type="engine_overloaded_error"), K.OVERLOADED, 429),
        ("moonshot", 429, said(type="exceeded_current_quota_error"), K.NO_CREDIT, 502),
        ("moonshot", 403, said(type="exceeded_current_quota_error"), K.NO_CREDIT, 502),
        ("moonshot", 400, said("Your request exceeded model token limit: 8"), K.CONTEXT_TOO_LONG, 400),
        ("moonshot", 400, said(type="content_filter"), K.CONTENT_FILTERED, 400),
        ("zai", 429, zai("1302"), K.THROTTLED, 429),
        ("zai", 429, zai("1303"), K.THROTTLED, 429),
        ("zai", 429, zai("1305"), K.OVERLOADED, 429),
        ("zai", 429, zai("1312"), K.OVERLOADED, 429),
        ("zai", 429, zai("1113"), K.NO_CREDIT, 502),
        ("zai", 429, zai("1304"), K.NO_CREDIT, 502),
        ("zai", 429, zai("1308"), K.NO_CREDIT, 502),
        ("zai", 429, zai("1310"), K.NO_CREDIT, 502),
        ("zai", 400, zai("1261"), K.CONTEXT_TOO_LONG, 400),
        ("zai", 400, zai("1301"), K.CONTENT_FILTERED, 400),
        ("zai", 500, zai("1234"), K.SERVER_ERROR, 500),
        ("zai", 500, zai("1230"), K.SERVER_ERROR, 500),
        ("zai", 400, zai("1211"), K.MODEL_MISSING, 502),
        ("mistral", 429, {"message": "Service tier capacity exceeded", "code": "1304"}, K.THROTTLED, 429),
        ("minimax", 200, minimax(1002), K.THROTTLED, 429),
        ("minimax", 200, minimax(1039), K.THROTTLED, 429),
        ("minimax", 200, minimax(1000), K.SERVER_ERROR, 502),
        ("minimax", 200, minimax(1001), K.TIMED_OUT, 504),
        ("minimax", 200, minimax(1013), K.SERVER_ERROR, 502),
        ("minimax", 200, minimax(1024), K.SERVER_ERROR, 502),
        ("minimax", 200, minimax(1033), K.SERVER_ERROR, 502),
        ("minimax", 200, minimax(2013), K.REJECTED, 400),
        ("minimax", 200, minimax(1026), K.CONTENT_FILTERED, 400),
        ("minimax", 200, minimax(1027), K.CONTENT_FILTERED, 400),
        ("minimax", 200, minimax(1008), K.NO_CREDIT, 502),
        ("minimax", 200, minimax(1004), K.UNAUTHORIZED, 502),
        ("minimax", 200, minimax(2049), K.UNAUTHORIZED, 502),
        ("minimax", 200, minimax(9999), K.SERVER_ERROR, 502),
        ("qianfan", 429, said(code="rpm_rate_limit_exceeded"), K.THROTTLED, 429),
        ("qianfan", 403, said("the account is in arrears", code="account_overdue"), K.NO_CREDIT, 502),
        ("qianfan", 400, said("the input has sensitive content"), K.CONTENT_FILTERED, 400),
        ("tokenhub", 429, {"Response": {"Error": {"Code": "LimitExceeded", "Message": "x"}}}, K.THROTTLED, 429),
        ("tokenhub", 200, {"Response": {"Error": {"Code": "LimitExceeded", "Message": "x"}}}, K.THROTTLED, 429),
        ("tokenhub", 200, {"Response": {"Error": {"Code": "ResourceInsufficient", "Message": "x"}}}, K.NO_CREDIT, 502),
        ("tokenhub", 403, {"Response": {"Error": {"Code": "ResourceInsufficient"}}}, K.NO_CREDIT, 502),
        ("tokenhub", 500, {"Response": {"Error": {"Code": "InternalError"}}}, K.SERVER_ERROR, 500),
        ("xai", 429, {"code": "rate", "error": "slow down"}, K.THROTTLED, 429),
        (
            "xai",
            400,
            {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: x"},
            K.UNAUTHORIZED,
            502,
        ),
        ("xai", 403, {"code": "denied", "error": "Your team has used all available credits"}, K.NO_CREDIT, 502),
        ("xai", 400, {"code": "x", "error": "maximum context length is 8"}, K.CONTEXT_TOO_LONG, 400),
        ("openai-compatible", 401, b"<html>401 Authorization Required</html>", K.UNAUTHORIZED, 502),
        ("groq", 498, said(code="capacity_exceeded"), K.THROTTLED, 429),
        ("groq", 413, TOO_MANY_AT_ONCE, K.CONTEXT_TOO_LONG, 413),
        ("groq", 502, said(), K.SERVER_ERROR, 502),
        ("vllm", 400, said("maximum context length is 8", type="BadRequestError", code=400), K.CONTEXT_TOO_LONG, 400),
        ("vllm", 400, {"object": "error", "message": "bad", "type": "BadRequestError", "code": 400}, K.REJECTED, 400),
        (
            "sglang",
            400,
            {
                "object": "error",
                "message": "The input (9 tokens) is longer than the model's context length (8 tokens).",
            },
            K.CONTEXT_TOO_LONG,
            400,
        ),
        ("tgi", 429, {"error": "Model is overloaded", "error_type": "overloaded"}, K.OVERLOADED, 429),
        (
            "tgi",
            422,
            {"error": "`inputs` tokens + `max_new_tokens` must be <= 8", "error_type": "validation"},
            K.CONTEXT_TOO_LONG,
            422,
        ),
        ("ollama", 503, {"error": "server busy, please try again"}, K.OVERLOADED, 503),
        ("ollama", 500, {"error": "boom"}, K.SERVER_ERROR, 500),
        ("llamacpp", 400, said(type="exceed_context_size_error", code=400), K.CONTEXT_TOO_LONG, 400),
        ("llamacpp", 503, said("Loading model", type="unavailable_error", code=503), K.OVERLOADED, 503),
        ("lmstudio", 400, {"error": "no model loaded"}, K.REJECTED, 400),
    ],
)
def test_an_error_of_a_provider_means(provider, status, body, kind, shown):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    dialect = DIALECTS[provider]["chat"]
    if status != 200:
        failed = dialect.failure(status, {}, raw)
    else:
        chat = parse(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
        failed = dialect.answer(raw, chat).failed
        reader = dialect.reader(chat)
        reader.feed(b"data: " + raw + b"\n\n")
        assert reader.failed == failed
    assert (failed.kind, failed.status) == (kind, shown)
    assert failed.error.keys() >= {"message", "type", "param", "code"}
    assert all(failed.error[name] is None or isinstance(failed.error[name], str) for name in ("type", "param", "code"))


def test_a_code_that_is_no_status_survives():
    assert classify(429, json.dumps(zai("1302")).encode()).error["code"] == "1302"
    assert classify(429, json.dumps(said(code="429")).encode()).error["code"] is None


def test_the_kind_of_an_amazon_error_is_in_a_header():
    failed = classify(400, b'{"message": "x"}', {"x-amzn-errortype": "ThrottlingException:http://internal"})
    assert failed.kind is K.THROTTLED


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"retry-after": "7", "retry-after-ms": "100"}, {}, "7"),
        ({"retry-after-ms": "1500"}, {}, "2"),
        ({"retry-after-ms": "1"}, {}, "1"),
        ({"retry-after-ms": "soon"}, {}, None),
        ({}, GEMINI_QUOTA, "34"),
        ({}, said(details=[{"retryDelay": "0.2s"}]), "1"),
        ({}, said(details=[{"retryDelay": "1e9s"}, {"retryDelay": 7}, "x"]), None),
        ({}, said(details="x"), None),
    ],
)
def test_the_wait_is_found_wherever_it_is(headers, body, expected):
    assert classify(429, json.dumps(body).encode(), headers).retry_after == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "2", "retry-after-ms": "1500"}, 1500),
        ({"retry-after-ms": "0.5"}, 1),
        ({"retry-after": "2"}, None),
    ],
)
def test_a_wait_in_milliseconds_is_kept(headers, expected):
    assert classify(429, b"{}", headers).retry_after_ms == expected


def test_what_azures_filters_found_is_told_without_texts():
    found = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"hate": {"filtered": True, "severity": "high"}, "jailbreak": {"detected": False}},
    }
    texts = {"message": "your prompt was: x", "odd name": 1, "list": ["x"], "deep": {"a": {"b": {"c": {"d": "e"}}}}}
    error = classify(400, json.dumps(said(code="content_filter", innererror={**found, **texts})).encode()).error
    assert error["innererror"] == {**found, "deep": {"a": {"b": {}}}}
    assert "innererror" not in classify(400, json.dumps(said(innererror="x")).encode()).error


@pytest.mark.parametrize(("code", "told"), [(None, "request_too_large"), ("too_big", "too_big")])
def test_a_body_that_is_too_large_is_no_context_that_is_too_long(code, told):
    assert classify(413, json.dumps(said(code=code)).encode()).error["code"] == told
    proxied = classify(413, b"<html>413 Request Entity Too Large</html>").error
    assert (proxied["type"], proxied["code"]) == ("invalid_request_error", "request_too_large")
    assert "JSON" not in proxied["message"]


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect use of sk-proj-0123456789abcdef.",
        "no such key AIzaSyA0123456789abcdef",
        "org-0123456789abcdef has no access",
        "xai-0123456789abcdef is out of quota",
    ],
)
def test_a_message_shows_no_key_and_no_account(said):
    shown = classify(400, json.dumps({"error": {"message": said}}).encode()).error["message"]
    assert ("0123456789" in shown, "***" in shown) == (False, True)
