"""Policy and sensitivity hold on every surface and path: none of them is a way around."""

import base64
import json
import shutil
import time

import pytest
from support import crossing
from support.crossing import KINDS, PATHS, TOOLS, WIRES, bearer, body_of, error_of, failure_of, post, script_of, wire_of
from support.server import ROOT, backend, serving
from support.upstream import DONE, answer, event, stream

from gateway.core.catalog import CAPABILITIES
from gateway.http import paths

KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
MAIL = "bob.miller@example.org"
IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"pixels" * 20).decode()
RULES = """\
policy: crossing
owner: tests
rules:
  - {id: watched, require: {when: {purpose: legal}, do: [scan_answer: [secret]]}}
  - {id: blind, require: {when: {purpose: bulk}, do: [strip_images]}}
  - {id: short, require: {when: {purpose: support}, do: [max_output_tokens: 7]}}
"""
WATCHED, BLIND, SHORT = ({"x-gateway-purpose": purpose} for purpose in ("legal", "bulk", "support"))
EVERY_PATH = [
    (surface, root + path)
    for path, surface in paths.PATHS.items()
    for root in (*paths.ROOTS, "/openai/deployments/away")
]


@pytest.fixture(scope="module")
def house(upstream, tmp_path_factory):
    directory = tmp_path_factory.mktemp("policy")
    tree = directory / "tree"
    shutil.copytree(ROOT / "routing_policies", tree)
    (tree / "policies" / "crossing.yaml").write_text(RULES)
    rows = crossing.catalog(upstream, max_output=20_000)
    every = {"provider": "vllm", "capabilities": list(CAPABILITIES), "max_output": 1000, "price": crossing.PRICE}
    vendor = {"deployment": "vendor_api", "zone": "us-vendors", "trains_on_data": "never", "audience": "anyone"}
    rows["every"] = backend(upstream.url("every"), **every)
    rows["away"] = backend(upstream.url("away"), **every, **vendor)
    with serving(directory, rows, tree) as server:
        yield server


@pytest.fixture(scope="module")
def key(house):
    made = house.cli(
        *("keys", "create", "--team", "t", "--app", "a", "--sensitivity", "public", "--format", "json"),
        *(
            "--opaque-as",
            "public",
            "--purpose",
            "general",
            "--purpose",
            "legal",
            "--purpose",
            "bulk",
            "--purpose",
            "support",
        ),
    )
    return json.loads(made.stdout)["key"]


@pytest.fixture(autouse=True)
def scripts(upstream, house):
    house.ask_again(upstream.scripts)
    upstream.scripts.clear()
    upstream.seen.clear()
    return upstream.scripts


# -- who may be asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("surface", "path"), EVERY_PATH)
def test_no_path_and_no_key_header_leads_to_a_forbidden_backend(house, key, upstream, surface, path):
    for headers in (bearer(key), {"x-api-key": key}, {"api-key": key}):
        told = post(house.base, path, body_of(surface, "away", f"write to {MAIL}"), headers)
        error_of(surface, told)
        assert told.status == 403, told.body
        assert b"confidential-stays-home" in told.body
    assert upstream.seen == []


@pytest.mark.parametrize(("surface", "path"), EVERY_PATH)
def test_every_path_leads_to_a_permitted_one(house, key, scripts, upstream, surface, path):
    scripts["away"] = [answer({"error": {"message": "asked"}}, 400)]
    told = post(house.base, path, body_of(surface, "away", "hello"), {"api-key": key})
    assert (told.status, len(upstream.seen)) == (400, 1)
    error_of(surface, told)


@pytest.mark.parametrize("surface", paths.PATHS.values())
def test_a_hint_narrows_and_never_adds(house, key, upstream, surface):
    for hint in ({"only": ["away"]}, {"only": ["vllm"], "ignore": ["every"]}):
        told = post(
            house.base,
            "/v1" + next(p for p, s in paths.PATHS.items() if s == surface),
            body_of(surface, "away", f"write to {MAIL}", provider=hint),
            bearer(key),
        )
        assert told.status == 403
    assert upstream.seen == []


# -- what is found ----------------------------------------------------------------------------------------------------

HI = {"role": "user", "content": "hi"}
SAYS = f"please write to {MAIL} about it"
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": SAYS}}]}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}
CALLED = {"type": "function_call", "call_id": "c", "name": "look", "arguments": json.dumps({"q": "x"})}
TOOL = TOOLS["messages"][0]
PLACES = {
    "messages": {
        "system": {"system": SAYS},
        "system block": {"system": [{"type": "text", "text": SAYS, "cache_control": {"type": "ephemeral"}}]},
        "text": {"messages": [{"role": "user", "content": [{"type": "text", "text": SAYS}]}]},
        "input of a tool": {"messages": [HI, USE, {"role": "user", "content": [{**RESULT, "content": "x"}]}]},
        "result": {"messages": [HI, {**USE, "content": [{**USE["content"][0], "input": {}}]}, {"role": "user", "content": [{**RESULT, "content": SAYS}]}]},
        "block of a result": {"messages": [HI, {**USE, "content": [{**USE["content"][0], "input": {}}]}, {"role": "user", "content": [{**RESULT, "content": [{"type": "text", "text": SAYS}]}]}]},
        "document": {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": SAYS}}]}]},
        "thinking": {"messages": [HI, {"role": "assistant", "content": [{"type": "thinking", "thinking": SAYS, "signature": "c2ln"}, {"type": "text", "text": "x"}]}, HI]},
        "description": {"tools": [{**TOOL, "description": SAYS}]},
        "schema": {"tools": [{**TOOL, "input_schema": {"type": "object", "properties": {"q": {"type": "string", "description": SAYS}}}}]},
        "metadata": {"metadata": {"user_id": SAYS}},
        "stop": {"stop_sequences": [SAYS]},
        "unknown field": {"brand_new": {"deep": [[SAYS]]}},
        "name of an unknown field": {"brand_new": {SAYS: 1}},
        "unknown block": {"messages": [{"role": "user", "content": [{"type": "brand_new", "said": SAYS}]}]},
        "mcp server": {"mcp_servers": [{"type": "url", "url": "https://example.org/x", "name": SAYS}]},
        "server tool": {"tools": [{"type": "web_search_20250305", "name": "web_search", "user_location": {"type": "approximate", "city": SAYS}}]},
    },
    "responses": {
        "instructions": {"instructions": SAYS},
        "input": {"input": SAYS},
        "text": {"input": [{"role": "user", "content": [{"type": "input_text", "text": SAYS}]}]},
        "developer": {"input": [{"type": "message", "role": "developer", "content": SAYS}]},
        "arguments": {"input": [{**CALLED, "arguments": json.dumps({"q": SAYS})}, {"type": "function_call_output", "call_id": "c", "output": "x"}]},
        "output": {"input": [CALLED, {"type": "function_call_output", "call_id": "c", "output": SAYS}]},
        "block of an output": {"input": [CALLED, {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": SAYS}]}]},
        "reasoning": {"input": [HI, {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": SAYS}]}, HI]},
        "description": {"tools": [{**TOOLS["responses"][0], "description": SAYS}]},
        "schema": {"tools": [{**TOOLS["responses"][0], "parameters": {"type": "object", "properties": {"q": {"enum": [SAYS]}}}}]},
        "grammar": {"tools": [{"type": "custom", "name": "patch", "description": SAYS, "format": {"type": "text"}}]},
        "format": {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "description": SAYS}}}},
        "metadata": {"metadata": {"note": SAYS}},
        "client metadata": {"client_metadata": {"note": SAYS}},
        "user": {"safety_identifier": MAIL},
        "unknown field": {"brand_new": [[{"deep": SAYS}]]},
        "server tool": {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://example.org", "server_description": SAYS}]},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("surface", "place"), [(surface, place) for surface, places in PLACES.items() for place in places]
)
def test_it_is_found_wherever_it_stands(house, key, scripts, upstream, surface, place):
    """Natively, where all of it goes on as it came; and a forbidden backend does not see it."""
    kind = f"own-{surface}"
    scripts[kind] = script_of(surface, streamed=False)
    told = post(house.base, PATHS[surface], body_of(surface, kind) | PLACES[surface][place], bearer(key))
    assert (told.status, told.headers.get("x-gateway-sensitivity")) == (200, "confidential"), told.body
    assert upstream.seen[0].head.startswith(f"POST /{kind}{PATHS[surface]} ".encode())
    upstream.seen.clear()
    told = post(house.base, PATHS[surface], body_of(surface, "away") | PLACES[surface][place], bearer(key))
    assert told.status == 403
    assert upstream.seen == []


# -- what is taken out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["buffered", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", PATHS)
def test_a_secret_is_taken_out_and_comes_back(house, key, scripts, upstream, surface, kind, streamed):
    wire = WIRES.get(kind, "chat")  # no word may change in a request that passes through, so none does
    scripts[kind] = script_of(
        wire, streamed=streamed, calls=True, text="use [SECRET_1] now", arguments={"key": "[SECRET_1]", "n": 1}
    )
    body = body_of(surface, kind, f"the key is {KEY}", tools=TOOLS[surface], **({"stream": True} if streamed else {}))
    if surface == "chat" and streamed:
        body["stream_options"] = {"include_usage": True}
    told = post(house.base, PATHS[surface], body, bearer(key))
    assert told.status == 200, told.body
    got = crossing.read(surface, told, streamed=streamed)
    assert (got.text, got.calls) == (f"use {KEY} now", [("look", {"key": KEY, "n": 1})])
    assert b"[SECRET_1]" not in told.body
    (seen,) = upstream.seen
    assert KEY.encode() not in seen.head + seen.body
    assert b"[SECRET_1]" in seen.body
    assert wire_of(kind, surface) == wire or f"/{wire_of(kind, surface)} ".encode() not in seen.head


MARK, LONG = {"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
BEFORE, AFTER = KEY[:20], KEY[20:]


def block(text: str, mark: dict | None = None) -> dict:
    return {"type": "text", "text": text, **(mark or {})}


def marked(padding: str) -> dict:
    """A request with a secret in a marked block, and with another across two blocks of which the last is marked."""
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": f"by {KEY}"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [block(f"it is {KEY}"), block("and so on")]}
    return {
        "system": [block("be brief"), block(f"the key is {KEY}", LONG)],
        "tools": [{**TOOL, "description": f"takes {KEY}", **LONG}],
        "messages": [
            {"role": "user", "content": [block("hi"), block(f"go on{padding}", MARK)]},
            {"role": "assistant", "content": [block("I look."), use | MARK]},
            {"role": "user", "content": [result | MARK, block("one"), block(f"two {KEY}")]},
        ],
    }


def without_key(value: object) -> object:
    return json.loads(json.dumps(value).replace(KEY, "[SECRET_1]"))


@pytest.mark.parametrize("padding", ["", " word" * 1000, " word" * 250_000], ids=["small", "middling", "large"])
@pytest.mark.parametrize("headers", [{}, WATCHED], ids=["redacted", "redacted and watched"])
def test_what_the_cache_keeps_is_marked_still_when_something_is_taken_out(
    house, key, scripts, upstream, padding, headers
):
    scripts["claude-messages"] = script_of("messages", streamed=False)
    came = marked(padding)
    told = post(house.base, PATHS["messages"], body_of("messages", "claude-messages") | came, bearer(key) | headers)
    assert told.status == 200, told.body
    (seen,) = upstream.seen
    sent = json.loads(seen.body)
    expected = without_key(came)
    assert {name: sent[name] for name in expected} == expected


def test_a_mark_stays_where_a_secret_ended_that_went_on_in_the_next_block(house, key, scripts, upstream):
    scripts["claude-messages"] = script_of("messages", streamed=False)
    said = [block(f"it is {BEFORE}"), block(f"{AFTER}", MARK), block(": what is it for?")]
    body = body_of("messages", "claude-messages") | {"messages": [{"role": "user", "content": said}], **MARK}
    told = post(house.base, PATHS["messages"], body, bearer(key))
    assert told.status == 200, told.body
    (seen,) = upstream.seen
    sent = json.loads(seen.body)
    assert AFTER.encode() not in seen.body
    assert sent["messages"][0]["content"] == [block("it is [SECRET_1]", MARK), block(": what is it for?")]
    assert sent["cache_control"] == MARK["cache_control"]


HALVES = [f"it is {BEFORE}", f"{AFTER} : for you"]
APART = {
    "messages": {
        "system": {"system": [block(each) for each in HALVES]},
        "user": {"messages": [{"role": "user", "content": [block(each) for each in HALVES]}]},
        "answer": {"messages": [HI, {"role": "assistant", "content": [block(each) for each in HALVES]}, HI]},
        "result": {"messages": [HI, USE | {"content": [USE["content"][0] | {"input": {}}]}, {"role": "user", "content": [RESULT | {"content": [block(each) for each in HALVES]}]}]},
    },
    "responses": {
        "instructions": {"instructions": HALVES[0], "input": [{"role": "developer", "content": HALVES[1]}, HI]},
        "developer": {"input": [HI, {"role": "developer", "content": [{"type": "input_text", "text": each} for each in HALVES]}]},
        "user": {"input": [{"role": "user", "content": [{"type": "input_text", "text": each} for each in HALVES]}]},
        "answer": {"input": [HI, {"role": "assistant", "content": [{"type": "output_text", "text": each} for each in HALVES]}, HI]},
        "output": {"input": [CALLED, {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": each} for each in HALVES]}]},
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", ["chat", "claude", "gemini", "oai"])
@pytest.mark.parametrize(("surface", "place"), [(surface, each) for surface in APART for each in APART[surface]])
def test_a_secret_in_two_parts_does_not_leave_in_two_halves(house, key, scripts, upstream, surface, place, kind):
    """In the chat they are one text with a gap between them, in which nothing is found."""
    scripts[kind] = script_of(WIRES.get(kind, "chat"), streamed=False)
    apart = APART[surface][place]
    told = post(house.base, PATHS[surface], apart | body_of(surface, kind) | apart, bearer(key))
    assert told.status == 200, told.body
    (seen,) = upstream.seen
    assert AFTER.encode() not in seen.body
    assert b"[SECRET_1]" in seen.body


@pytest.mark.parametrize("kind", ["chat", "gemini", "oai"])
def test_who_keeps_no_cache_by_marks_is_sent_none(house, key, scripts, upstream, kind):
    scripts[kind] = script_of(WIRES.get(kind, "chat"), streamed=False)
    assert post(house.base, PATHS["messages"], body_of("messages", kind) | marked(""), bearer(key)).status == 200
    assert b"cache_control" not in upstream.seen[0].body
    assert b"[SECRET_1]" in upstream.seen[0].body


@pytest.mark.parametrize("kind", ["chat", "claude"])
def test_marks_that_a_client_of_chat_wrote_stay_where_something_is_taken_out(house, key, scripts, upstream, kind):
    scripts[kind] = script_of(WIRES.get(kind, "chat"), streamed=False)
    said = [block(f"the key is {KEY}", LONG), block(f"and {BEFORE}"), block(AFTER, MARK), block(": x")]
    body = body_of("chat", kind) | {"messages": [{"role": "user", "content": said}]}
    told = post(house.base, PATHS["chat"], body, bearer(key))
    assert told.status == 200, told.body
    sent = json.loads(upstream.seen[0].body)["messages"][0]["content"]
    left = [block("the key is [SECRET_1]", LONG), block("and [SECRET_1]"), block("", MARK), block(": x")]
    assert sent == (left if kind == "chat" else [left[0], block("and [SECRET_1]", MARK), left[3]])


NATIVE_ONLY = {
    "messages": {"tools": [{"type": "bash_20250124", "name": "bash"}]},
    "responses": {"context_management": [{"type": "compaction"}]},
}


@pytest.mark.parametrize("surface", NATIVE_ONLY)
def test_what_cannot_be_said_otherwise_is_not_sent_with_a_secret_in_it(house, key, scripts, upstream, surface):
    kind = f"own-{surface}"
    scripts[kind] = script_of(surface, streamed=False)
    assert (
        post(house.base, PATHS[surface], body_of(surface, kind, "hi", **NATIVE_ONLY[surface]), bearer(key)).status
        == 200
    )
    upstream.seen.clear()
    told = post(house.base, PATHS[surface], body_of(surface, kind, f"it is {KEY}", **NATIVE_ONLY[surface]), bearer(key))
    _, message = error_of(surface, told)
    assert (told.status, upstream.seen) == (400, [])
    assert "cannot be asked in the client's own protocol" in message
    assert KEY not in message


@pytest.mark.parametrize("surface", NATIVE_ONLY)
def test_what_cannot_be_taken_out_is_not_sent(house, key, scripts, upstream, surface):
    """The name of a member cannot become a placeholder."""
    schema = {"type": "object", "properties": {KEY: {"type": "string"}}}
    tool = {**TOOLS[surface][0], "input_schema" if surface == "messages" else "parameters": schema}
    told = post(house.base, PATHS[surface], body_of(surface, f"own-{surface}", tools=[tool]), bearer(key))
    error_of(surface, told)
    assert (told.status, upstream.seen) == (403, [])
    assert KEY.encode() not in told.body


THOUGHT = {"type": "thinking", "thinking": f"they gave me {KEY}", "signature": "c2lnbmVk"}


@pytest.mark.parametrize("kind", ["claude", "claude-messages", "own-messages"])
def test_a_secret_in_signed_thinking_does_not_leave(house, key, scripts, upstream, kind):
    scripts[kind] = script_of(WIRES.get(kind, "chat"), streamed=False)
    said = [HI, {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "x"}]}, HI]
    post(house.base, PATHS["messages"], body_of("messages", kind) | {"messages": said}, bearer(key))
    assert all(KEY.encode() not in seen.body for seen in upstream.seen)


# -- what comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["buffered", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", PATHS)
def test_an_answer_is_cut_before_it_shows_a_secret(house, key, scripts, upstream, surface, kind, streamed):
    more = {"stream": True} if streamed else {}
    for said, called in ((f"it is {KEY}.", False), ("x", True)):
        scripts[kind] = script_of(
            WIRES.get(kind, "chat"), streamed=streamed, calls=called, text=said, arguments={"key": KEY}
        )
        told = post(house.base, PATHS[surface], body_of(surface, kind, **more), {**bearer(key), **WATCHED})
        assert KEY[:8].encode() not in told.body
        if streamed and told.status == 200:
            failure = failure_of(surface, told.body)
            assert "policy" in failure["message"]
        else:
            kind_of_error, message = error_of(surface, told)
            assert (told.status, kind_of_error) == (403, "permission_error")
            assert "policy" in message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", PATHS)
def test_a_harmless_answer_passes_the_guard_whole(house, key, scripts, surface, kind):
    scripts[kind] = script_of(WIRES.get(kind, "chat"), streamed=True, calls=True)
    body = body_of(surface, kind, tools=TOOLS[surface], stream=True)
    if surface == "chat":
        body["stream_options"] = {"include_usage": True}
    got = crossing.read(surface, post(house.base, PATHS[surface], body, {**bearer(key), **WATCHED}), streamed=True)
    assert (got.text, got.calls) == (crossing.TEXT, [("look", crossing.ARGUMENTS)])


def completion(text: str, finish: str | None) -> dict:
    return {"object": "text_completion", "choices": [{"index": 0, "text": text, "finish_reason": finish}]}


@pytest.mark.parametrize("streamed", [False, True], ids=["buffered", "streamed"])
def test_a_legacy_completion_is_watched_and_redacted_too(house, key, scripts, upstream, streamed):
    def play(text: str) -> list:
        if not streamed:
            return [answer(completion(text, "stop"))]
        pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
        played = stream(*(event(completion(each, None)) for each in pieces), event(completion("", "stop")), DONE)
        return [*played[:-20], 0.2, *played[-20:]] if len(played) > 40 else played  # so that something goes out before

    def ask(text: str, **headers: str) -> crossing.Told:
        body = body_of("completions", "every", text, **({"stream": True} if streamed else {}))
        return post(house.base, "/v1/completions", body, {**bearer(key), **headers})

    scripts["every"] = play(f"it is {KEY}.")
    told = ask("hi", **WATCHED)
    assert KEY[:8].encode() not in told.body
    assert (told.status, told.json["error"]["code"]) == (
        403,
        "answer_blocked",
    )  # of a stream, too: nothing was shown yet
    scripts["every"] = play(f"this is a long story, and {'so on and ' * 40} it is {KEY}.")
    told = ask("hi", **WATCHED)
    assert KEY[:8].encode() not in told.body
    if streamed:
        assert told.status == 200
        assert failure_of("completions", told.body)["code"] == "answer_blocked"
    scripts["every"] = play("use [SECRET_1] now")
    told = ask(f"the key is {KEY}")
    assert KEY.encode() not in upstream.seen[-1].body
    said = crossing.data_of(told.body) if streamed else [(None, told.json)]
    assert "".join(each["choices"][0]["text"] for _, each in said) == f"use {KEY} now"


@pytest.mark.parametrize("surface", ["images", "rerank"])
def test_what_cannot_be_watched_is_not_asked(house, key, upstream, surface):
    path = "/v1" + next(path for path, name in paths.PATHS.items() if name == surface)
    told = post(house.base, path, body_of(surface, "every"), {**bearer(key), **WATCHED})
    assert "cannot be scanned" in error_of(surface, told)[1]
    assert (told.status, upstream.seen) == (400, [])


# -- what is done to a request ----------------------------------------------------------------------------------------

IMAGES = {
    "chat": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}]}]},
    "messages": {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}}]}]},
    "responses": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}"}]}]},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", IMAGES)
def test_images_are_taken_out(house, key, scripts, upstream, surface, kind):
    scripts[kind] = script_of(wire_of(kind, surface), streamed=False)
    body = body_of(surface, kind) | IMAGES[surface]
    assert post(house.base, PATHS[surface], body, bearer(key)).status == 200
    assert IMAGE.encode() in upstream.seen[0].body  # so the next lines can fail
    scripts[kind] = script_of(WIRES.get(kind, "chat"), streamed=False)
    told = post(house.base, PATHS[surface], body, {**bearer(key), **BLIND})
    assert told.status == 200, told.body
    assert IMAGE[:20].encode() not in upstream.seen[1].body
    assert b"removed by policy" in upstream.seen[1].body


LIMITS = {"chat": "max_tokens", "messages": "max_tokens", "responses": "max_output_tokens"}


def limit_in(sent: dict) -> int:
    """The limit of an answer in a body of any wire."""
    sent = sent.get("generationConfig", sent)
    names = ("max_tokens", "max_output_tokens", "maxOutputTokens", "max_completion_tokens")
    return min(sent[name] for name in names if name in sent)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surface", PATHS)
def test_an_answer_is_limited_natively_too(house, key, scripts, upstream, surface, kind):
    scripts[kind] = script_of(wire_of(kind, surface), streamed=False)
    for more in ({}, {LIMITS[surface]: 50}, {LIMITS[surface]: 3}):
        upstream.seen.clear()
        told = post(house.base, PATHS[surface], body_of(surface, kind) | more, {**bearer(key), **SHORT})
        assert told.status == 200, told.body
        expected = 3 if more.get(LIMITS[surface]) == 3 else 7
        assert limit_in(upstream.seen[0].json) == expected


def test_a_budget_shortens_answers_natively_too(house, scripts, upstream):
    poor = house.key(app="poor", sensitivity="public", **{"budget-usd": "0.02"})
    time.sleep(1.2)  # a budget is live within a second
    for surface, kind in [(s, k) for s in PATHS for k in ("own-messages", "own-responses", "claude")]:
        upstream.seen.clear()
        scripts[kind] = script_of(wire_of(kind, surface), streamed=False)
        told = post(house.base, PATHS[surface], body_of(surface, kind) | {LIMITS[surface]: 15_000}, bearer(poor))
        assert told.status == 200, told.body
        assert limit_in(upstream.seen[0].json) == int(told.headers["x-gateway-output-limit"]) < 15_000


# -- conversations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", PATHS)
@pytest.mark.parametrize("first", PATHS)
def test_a_label_follows_a_conversation_from_surface_to_surface(house, key, scripts, upstream, first, then):
    opening = f"we met at number {first} {then}"
    scripts["chat"] = script_of("chat", streamed=False)
    raised = {**bearer(key), "x-gateway-sensitivity": "confidential"}
    assert post(house.base, PATHS[first], body_of(first, "chat", opening), raised).status == 200
    turns = [
        {"role": "user", "content": opening},
        {"role": "assistant", "content": "Hej"},
        {"role": "user", "content": "go on"},
    ]
    more = {"input": turns} if then == "responses" else {"messages": turns}
    upstream.seen.clear()
    told = post(house.base, PATHS[then], body_of(then, "away") | more, bearer(key))
    assert (told.status, upstream.seen) == (403, [])
