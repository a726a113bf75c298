"""The real clients are run by `make clients`; here: what they need is there, and the scripted model keeps the shapes."""

import ast
import json
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest
from clients import model
from clients.run import CLIENTS, SCRIPTS, Client, Result, Turn, catalog, command_of, row, told, turned
from support.message_events import message
from support.server import ROOT

CALL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": CALL}]
ASK = [{"role": "user", "content": "hi"}]


def test_every_client_has_its_script_and_no_script_is_left_over():
    shared = {"checks.py", "checks.mjs"}
    assert {client.script for client in CLIENTS} | shared == {path.name for path in SCRIPTS.iterdir() if path.is_file()}
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)


@pytest.mark.parametrize("script", sorted({client.script for client in CLIENTS}))
def test_scripts_can_be_read(script):
    path = SCRIPTS / script
    if script.endswith(".py"):
        ast.parse(path.read_text())
        return
    reader = ["sh", "-n"] if script.endswith(".sh") else ["node", "--check"]
    if shutil.which(reader[0]) is None:
        pytest.skip(f"{reader[0]} is not installed")
    read = subprocess.run([*reader, path], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


def test_every_client_is_in_the_table_in_the_version_that_is_pinned():
    rows = [line.split(" | ") for line in (ROOT / "docs" / "clients.md").read_text().splitlines()]
    named = [(cells[0].removeprefix("| "), cells[1]) for cells in rows if len(cells) > 4][1:]
    assert [each for each in named if each[0] != "---"] == [(client.name, client.version) for client in CLIENTS]


def test_every_package_is_pinned():
    assert [name for client in CLIENTS for name in client.packages if not name[1:].count("@") + name.count("==")] == []
    assert Client("", "", ("@ai-sdk/openai@4.0.1", "zod@4")).version == "4.0.1"
    assert Client("", "", ("pydantic-ai-slim[openai]==2.1",)).version == "2.1"


def test_a_row_says_what_failed_and_why():
    client = CLIENTS[0]
    good, bad = Result("chat"), Result("models", "KeyError: a|b")
    assert row(client, [good]).startswith(f"| {client.name} | {client.version} | ok (1) | chat | ")
    assert " | 1 of 2 ok; models: KeyError: a\\|b | chat | " in row(client, [good, bad])


@pytest.mark.parametrize(
    ("text", "end", "results"),
    [
        ('noise\n{"check": "chat"}\n{"check":"x","failed":"no"}\n', "", [Result("chat"), Result("x", "no")]),
        ("", "", [Result("the script itself", "it told nothing: ")]),
        ("Traceback", "it ended with 1", [Result("the script itself", "it ended with 1: Traceback")]),
    ],
)
def test_what_a_script_tells(text, end, results):
    assert told(text, end) == results


@pytest.mark.parametrize(
    ("text", "end", "good"),
    [
        (f"The tool said: Output:\n{model.RAN}", "", True),
        (f"$ {model.COMMAND}\n{model.RAN}", "", False),
        (f"The tool said: {model.RAN}", "it ended with 1", False),
    ],
)
def test_an_agent_must_tell_what_its_command_printed(text, end, good):
    (result,) = turned(Turn("m"), text, end, b"")
    assert (not result.failed) is good


def test_what_an_agent_sends_for_the_cache_must_arrive():
    turn = Turn("m", ("cache key", r'"key": ?"[0-9a-f]{4}"'))
    for body, good in ((b'{"key": "01ab"}', True), (b'{"key": "[SECRET_1]"}', False), (b"{}", False)):
        result = turned(turn, f"The tool said: {model.RAN}", "", body)[1]
        assert (result.check, not result.failed) == ("cache key (m)", good)


def test_scripts_for_node_stand_beside_their_packages(tmp_path):
    (client,) = [client for client in CLIENTS if client.name == "openai-node"]
    assert command_of(client, tmp_path) == ["node", str(tmp_path / client.script)]
    assert (tmp_path / "checks.mjs").is_file()


@pytest.fixture(scope="module")
def scripted():
    server = model.ScriptedModel()
    yield server
    server.stop()


def test_the_real_model_is_offered_only_where_it_is(scripted):
    assert "smol" not in catalog(scripted, None)
    assert catalog(scripted, "http://127.0.0.1:1/v1")["smol"]["provider"] == "llamacpp"


def test_it_remembers_what_it_was_asked_and_refuses_where_it_should(scripted):
    for name, status in (("throttled", 429), ("picky", 400)):
        request = urllib.request.Request(f"{scripted.url(name)}/chat/completions", data=b'{"a": 1}')
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        assert (refused.value.code, scripted.last) == (status, b'{"a": 1}')
        refused.value.close()


def test_a_tool_is_called_once_and_its_result_told():
    (choice,) = model.completion({"messages": ASK, "tools": TOOLS})["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}
    after = [*ASK, {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
    (choice,) = model.completion({"messages": after, "tools": TOOLS})["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", "The tool said: sunny")


def test_a_message_reads_the_same_streamed():
    tools = [{"name": "weather", "input_schema": CALL["parameters"]}]
    for body in ({"model": "m", "messages": ASK}, {"model": "m", "messages": ASK, "tools": tools}):
        whole = model.message(body)
        seen = message(b"".join(model.message_events(whole)))
        for block in seen["content"]:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block["input"])
        assert seen == whole


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"age": {"type": "integer"}, "x": {}}, "required": ["age"]}, {"age": 36}),
        ({"type": "object", "properties": {"n": {"enum": ["a", "b"]}}, "required": ["n"]}, {"n": "a"}),
        ({"properties": {"command": {"type": "array"}}}, {"command": ["sh", "-c", model.COMMAND]}),
        ({"type": "array"}, []),
    ],
)
def test_a_schema_is_filled(schema, value):
    assert model.filled(schema) == value


def test_of_many_tools_the_shell_is_chosen():
    assert model.chosen([("read", {}), ("Bash", {})]) == ("Bash", {})
    assert model.chosen([("weather", {})]) == ("weather", {})
    assert model.chosen([]) is None
