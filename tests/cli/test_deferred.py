"""Commands that are imported when they are named."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import COMMANDS, app, policy, prices, spend

GROUPS = {(): COMMANDS, ("policy",): policy.COMMANDS, ("prices",): prices.COMMANDS, ("spend",): spend.COMMANDS}
EVERY = [(*group, name, said) for group, commands in GROUPS.items() for name, (_, said) in commands.items()]


def shown(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize(("words", "said"), [(each[:-1], each[-1]) for each in EVERY])
def test_what_a_list_says_of_a_command_is_how_its_own_help_begins(words, said):
    own = shown(*words)
    assert own.startswith(f"Usage: root {' '.join(words)} ")
    assert said.rstrip(".") in own


@pytest.mark.parametrize("group", GROUPS)
def test_a_list_names_every_command(group):
    listed = shown(*group)
    assert [name for name in GROUPS[group] if f"│ {name} " not in listed] == []


def test_a_group_of_one_command_stays_a_group():
    assert "COMMAND [ARGS]" in shown("policy", "drill")


def test_a_typing_error_is_told_with_what_was_meant():
    result = CliRunner().invoke(app, ["polcy"])
    assert (result.exit_code, "policy" in result.stderr) == (2, True)


def test_what_a_command_refuses_names_the_command():
    result = CliRunner().invoke(app, ["policy", "check", "--no-such"])
    assert (result.exit_code, "root policy check" in result.stderr) == (2, True)


LOADED = (
    "import json, sys; sys.argv = ['gateway', *sys.argv[1:]]\n"
    "from gateway.cli import main\n"
    "try: main()\n"
    "except SystemExit: print('', json.dumps(sorted(sys.modules)), sep='\\n')\n"
)
HEAVY = ("gateway.app", "gateway.sensitivity", "gateway.providers", "gateway.policy.parse", "aiohttp", "fastapi")


@pytest.mark.parametrize("command", ["--help", "keys list", "keys revoke k", "spend", "policy --help", "serve --help"])
def test_a_command_waits_for_nothing_that_it_does_not_need(command, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, *command.split()],
        env={"GATEWAY_STATE_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    assert "gateway.cli" in loaded
    assert [module for module in HEAVY if module in loaded] == []


def test_what_stands_for_a_command_never_runs():
    found = typer.main.get_command(app)
    with pytest.raises(AssertionError):
        found.commands["keys"].callback()
