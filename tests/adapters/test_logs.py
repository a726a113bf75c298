"""The log."""

import json
import os
import re

import pytest

from gateway.adapters.logs import Log
from gateway.core.decision import Decision, Exclusion, Facts
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.trace import trace_of
from gateway.core.usage import NOTHING, Usage


def test_lines_are_json_and_control_characters_are_escaped(tmp_path):
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    log = Log(descriptor)
    call = Call(
        "req-1", Caller("k", "t\x1b[31m", "a\r\nb"), 0.0, 1.5, client_request_id="x\u2028y\x9b31m\x7f\u202e\u2066z \xe9"
    )
    log.take([Record(call, None, (), End.REFUSED, 400, "invalid_json", False, 0.01, 0.01)] * 2)
    log.event("stopped", why="ok")
    os.close(descriptor)
    raw = path.read_bytes()
    lines = [json.loads(line) for line in raw.splitlines()]
    assert [line["event"] for line in lines] == ["request", "request", "stopped"]
    assert (lines[0]["request_id"], lines[0]["status"], lines[0]["end"], lines[0]["cost_pico_usd"]) == (
        "req-1",
        400,
        "refused",
        0,
    )
    assert lines[0]["client_request_id"] == call.client_request_id
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", raw.decode()) == []
    assert len(raw.decode().splitlines()) == 3


def test_a_closed_descriptor_stops_nobody(tmp_path):
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    os.close(descriptor)
    Log(descriptor).event("started")


def test_what_finds_no_room_tears_one_line_at_most():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # as some parents leave it
    log, call = Log(writing), Call("req-1", Caller("k", "t", "a"), 0.0, 1.5)
    log.take([Record(call, None, (), End.COMPLETE, 200, None, False, 0.01, 0.01)] * 1000)
    read = os.read(reading, 1 << 20)
    log.event("stopped")
    read += os.read(reading, 1 << 20)
    *whole, torn, last = read.splitlines()
    assert 0 < len(whole) < 1000
    assert {json.loads(line)["event"] for line in whole} == {"request"}
    assert not torn.endswith(b"}")
    assert json.loads(last)["event"] == "stopped"
    for each in (reading, writing):
        os.close(each)


def test_an_exception_that_was_used_has_a_warning_of_its_own(tmp_path):
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    decision = Decision("dec-1", "digest", "auto", Facts(*[None] * 7), (), ())
    tried = [
        Tried(hop, backend, "p", "m", "z", "settled", NOTHING, 0, "v", None, ("quiet",), broken)
        for hop, backend, broken in [(1, "a", ("stop", "halt")), (2, "b", ())]
    ]
    call = Call("req-1", Caller("k", "t", "a"), 0.0, 1.5)
    Log(descriptor).take([Record(call, decision, tuple(tried), End.COMPLETE, 200, None, False, 0.01, 0.01)])
    os.close(descriptor)
    request, broken = (json.loads(line) for line in path.read_bytes().splitlines())
    assert (request["event"], request["watched"]) == ("request", ["quiet"])
    assert broken == {
        "time": 1.5,
        "event": "breakglass_used",
        "level": "warning",
        "request_id": "req-1",
        "decision_id": "dec-1",
        "policy_digest": "digest",
        "key": "k",
        "team": "t",
        "backend": "a",
        "rules": ["stop", "halt"],
    }


@pytest.mark.parametrize(
    ("event", "fields", "level"),
    [
        ("started", {}, "info"),
        ("ledger_store_away", {"error": "OSError"}, "warning"),
        ("ledger_stopped", {"error": "OSError"}, "error"),
        ("library", {"level": "debug"}, "debug"),
    ],
)
def test_an_event_has_a_level(tmp_path, event, fields, level):
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    Log(descriptor).event(event, **fields)
    os.close(descriptor)
    assert json.loads((tmp_path / "log").read_bytes())["level"] == level


@pytest.mark.parametrize(
    ("end", "status", "level"),
    [
        (End.COMPLETE, 200, "info"),
        (End.REFUSED, 403, "info"),
        (End.FAILED, 502, "warning"),
        (End.FAULT, 500, "error"),
    ],
)
def test_a_request_says_what_was_asked_what_answered_and_what_denied(tmp_path, end, status, level):
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    facts = Facts(*[None] * 7)
    excluded = (Exclusion("a", "policy", ("stop", "halt"), "words"), Exclusion("b", "policy", ("halt",), "words"))
    tried = Tried(1, "b", "openai", "gpt", "us", "settled", Usage(10, 1, output=5, reasoning=2), 7, "v")
    call = Call("req-1", Caller("k", "t", "a"), 0.0, 1.5, trace=trace_of("req-1", None, 0.0))
    served = Record(
        call, Decision("dec-1", "d", "auto", facts, (), excluded), (tried,), end, status, None, False, 0.01, 0.01
    )
    Log(descriptor).take([served])
    os.close(descriptor)
    line = json.loads((tmp_path / "log").read_bytes())
    assert (line["level"], line["requested"], line["provider"], line["model"], line["zone"]) == (
        level,
        "auto",
        "openai",
        "gpt",
        "us",
    )
    assert (line["tokens"], line["input_tokens"], line["output_tokens"]) == (18, 11, 7)
    assert (line["denied_by"], line["trace_id"]) == (["halt", "stop"], call.trace.hex)


def test_a_name_that_is_no_text_is_told_all_the_same(tmp_path):
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    Log(descriptor).event("act_not_noted", error="cannot read b\udcff", size=3)
    os.close(descriptor)
    assert json.loads(path.read_bytes()) | {"time": 0} == {
        "time": 0,
        "level": "error",
        "event": "act_not_noted",
        "error": "cannot read b\udcff",
        "size": 3,
    }
