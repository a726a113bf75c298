"""What a caller, an upstream or an owner of a key writes steers no log, no terminal and no spreadsheet."""

import csv
import io
import json
import re
import time

import pytest
from support.calling import post
from support.upstream import OK, answer
from typer.testing import CliRunner

from gateway.cli import app

EVIL = '=cmd|\' /C calc\'!A0\r\n{"event":"forged"}\x1b[2J\x9b31m\u2028\u2029\u202e\x7f\x00\x08'
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def evil(at: int) -> str:
    """Text that means no good, and can be in an argument of a command."""
    return f"{EVIL}{at}".replace("\x00", "")


@pytest.mark.assures("threat L1")
def test_nothing_that_anyone_writes_steers_what_operators_read(gateway, upstream, showed):
    key = gateway.key(team=evil(1), app=evil(2), sensitivity="public")
    plain = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
    upstream.scripts["a"] = [answer({**OK, "id": EVIL, "model": EVIL})]
    upstream.scripts["b"] = [answer({"error": {"message": EVIL, "type": EVIL, "code": EVIL}}, status=400)]
    line = EVIL.encode("latin-1", "replace").translate(None, b"\r\n\x00")
    for header in ("x-request-id", "x-gateway-sensitivity", "x-gateway-purpose", "x-gateway-project", "user-agent"):
        post(gateway, key, plain, [(header, line)])
    for body in (
        plain | {"user": EVIL, "metadata": {EVIL: EVIL}, "service_tier": EVIL},
        plain | {"model": EVIL},
        plain | {EVIL: EVIL},
        plain | {"model": "b"},
        plain | {"provider": {"only": [EVIL]}},
    ):
        post(gateway, key, body)
    before = len(gateway.log.read_text().splitlines())
    post(gateway, key, plain)
    deadline = time.monotonic() + 10
    while (log := gateway.log.read_text()).count("cmd|") < 12 and time.monotonic() < deadline:
        time.sleep(0.1)  # lines are written in batches
    assert STEERING.findall(log) == []
    lines = [json.loads(each) for each in log.splitlines() if each.startswith("{")]
    assert [each for each in lines if each.get("event") == "forged"] == []
    # what has control characters in a header is refused before anybody reads it
    assert len([each for each in lines if each.get("team") == evil(1)]) >= 5
    assert before <= len(log.splitlines())
    gateway.ledger()

    def said_by(*command: str) -> str:
        result = CliRunner().invoke(app, [*command, "--state-dir", str(gateway.state)])
        assert result.exit_code == 0, result.output
        return result.stdout

    tables = [said_by("spend", "--by", "team,app"), said_by("keys", "list")]
    assert [STEERING.findall(each) for each in tables] == [[], []]
    assert any("cmd|" in each for each in tables)
    said = said_by("spend", "--by", "team,app", "--format", "csv")
    rows = list(csv.reader(io.StringIO(said)))
    assert STEERING.findall(said) == []
    cells = [cell for row in rows for cell in row if "cmd|" in cell]
    assert len(cells) == 2
    assert [
        cell
        for row in rows
        for cell in row
        if cell[:1] in tuple("=+-@\t\r") and not cell[1:].replace(".", "").isdigit()
    ] == []
    showed(
        "CRLF, ESC, CSI, `=cmd`, U+2028, U+202E in 14 strings", "one JSON line each; tables and csv without any of it"
    )
