"""Everything that a serving gateway writes is a line of JSON."""

import json
import logging
import os
import sys
import threading
import time
import warnings
from pathlib import Path

import httpx2
import pytest
from support.server import backend, serving

from gateway.adapters.library_log import Lines, install
from gateway.adapters.logs import Log

CANARY = "Zanzibar quokka whispers"
FAULTS = f"""
import asyncio, gc, logging, sys, threading, warnings

_config = logging.basicConfig


class Dropped:
    def __del__(self):
        raise ValueError("{CANARY}")


async def lost():
    raise ValueError("{CANARY}")


async def serve(self, surface, call, body, reply, passed=None):
    warnings.warn("an old way", DeprecationWarning, stacklevel=1)
    logging.getLogger("aiohttp.client").warning("odd: %s", "said\\nand {CANARY}")
    threading.Thread(target=lambda: {{}}["{CANARY}"]).start()
    task = asyncio.create_task(lost())
    await asyncio.sleep(0.01)
    del task
    Dropped()
    gc.collect()
    asyncio.get_running_loop().call_soon(lambda: int("{CANARY}"))
    await asyncio.sleep(0.01)
    raise ValueError("cannot read " + body.decode())


def config(**said):
    import gateway.relay
    gateway.relay.Relay.serve = serve
    _config(**said)


logging.basicConfig = config
"""


@pytest.fixture
def written(tmp_path):
    """A log, and what is in it by now."""
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)

    def read() -> list[dict]:
        return [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]

    yield Log(descriptor), read
    os.close(descriptor)


def caught(act):
    try:
        act()
    except (ValueError, RuntimeError, OSError, SystemExit):
        return sys.exc_info()


def chained():
    try:
        int(CANARY)
    except ValueError as error:
        raise RuntimeError(CANARY) from error


def test_a_fault_and_what_libraries_say_are_lines_of_json_without_text(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(FAULTS)
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    with serving(tmp_path, {"m": backend("http://127.0.0.1:1")}, PYTHONPATH=path, PYTHONWARNINGS="always") as server:
        head = {"authorization": f"Bearer {server.key()}"}
        body = {"model": "m", "messages": [{"role": "user", "content": CANARY}]}
        assert httpx2.post(f"{server.base}/v1/chat/completions", json=body, headers=head).status_code == 500
        time.sleep(0.3)
    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"time", "level", "event"} <= set.intersection(*(set(line) for line in lines))
    assert "quokka" not in text
    assert [line["event"] for line in lines if line["event"] in ("started", "stopped")] == ["started", "stopped"]
    said = {(line["event"], line.get("logger", "")): line for line in lines}
    assert said["library", "DeprecationWarning"]["message"] == "an old way"
    assert said["library", "aiohttp.client"]["message"] == "odd: said"
    asyncio_said = {line["message"] for line in lines if line.get("logger") == "asyncio"}
    assert any("never retrieved" in each for each in asyncio_said)
    assert len(asyncio_said) >= 2
    uncaught = [line for line in lines if line["event"] == "uncaught"]
    assert sorted(line["exception"][0] for line in uncaught) == ["builtins.KeyError", "builtins.ValueError"]
    (fault,) = [line for line in lines if line.get("logger") == "uvicorn.error" and "exception" in line]
    assert (fault["level"], fault["exception"]) == ("error", ["builtins.ValueError"])
    assert any(place.endswith(" serve") for place in fault["traceback"])


def odd_error():
    raise OSError(5, {CANARY: object()})


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: int(CANARY), {"exception": ["builtins.ValueError"]}),
        (chained, {"exception": ["builtins.RuntimeError", "builtins.ValueError"]}),
        (
            lambda: Path("/no/such").read_bytes(),
            {"exception": ["builtins.FileNotFoundError"], "error": "No such file or directory"},
        ),
        (odd_error, {"exception": ["builtins.OSError"]}),
    ],
)
def test_an_exception_is_its_types_and_its_places(written, act, told):
    log, read = written
    Lines(log).emit(logging.LogRecord("a.b", logging.ERROR, "f", 1, "it failed %s", ("here",), caught(act)))
    (line,) = read()
    assert {name: line[name] for name in told} == told
    assert (line["level"], line["logger"], line["message"]) == ("error", "a.b", "it failed here")
    assert any(place.split(":")[0] == __file__ for place in line["traceback"])
    assert CANARY not in json.dumps(line)


class Wordless:
    """What a library may hand to the log."""

    def __str__(self):
        raise ValueError(CANARY)


def test_a_message_is_one_line_bounded_and_never_stops_anybody(written):
    log, read = written
    said = (("x" * 9000, ()), ("first\nsecond", ()), ("%d", ("no number",)), ("bad \ud800", ()), (Wordless(), ()))
    for message, arguments in said:
        Lines(log).emit(logging.LogRecord("a", logging.DEBUG, "f", 1, message, arguments, None))
    assert [(line["level"], line["message"][:10], len(line["message"])) for line in read()] == [
        ("debug", "x" * 10, 500),
        ("debug", "first", 5),
        ("debug", "%d", 2),
        ("debug", "bad \N{REPLACEMENT CHARACTER}", 5),
        ("debug", "a Wordless", 10),
    ]


def test_a_warning_and_a_thread_that_dies_are_lines(written, monkeypatch):
    log, read = written
    for owner, name in (
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
        (warnings, "showwarning"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    install(log)
    threading.excepthook(threading.ExceptHookArgs((*caught(lambda: int(CANARY)), threading.current_thread())))
    threading.excepthook(threading.ExceptHookArgs((*caught(sys.exit), threading.current_thread())))  # it may
    sys.excepthook(*caught(chained))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning(UserWarning("careful"), UserWarning, "f.py", 3)
    lines = read()
    assert [(line["event"], line["level"]) for line in lines] == [("uncaught", "error")] * 2 + [("library", "warning")]
    assert (lines[2]["message"], lines[2]["at"]) == ("careful", "f.py:3")
    assert CANARY not in json.dumps(lines)
