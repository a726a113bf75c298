"""The command line. Exit codes: 0 fine, 1 found problems, 2 cannot run."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from gateway.adapters.tables import Unreachable
from gateway.cli.deferred import defer


class _Commands(TyperGroup):
    """All commands. One that cannot reach what replicas share cannot run."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Unreachable as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands,
    help="A self-hosted, OpenAI-compatible gateway: policy decides, cost orders, the ledger is true.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = {
    "serve": ("serve:serve", "Run the server."),
    "quickstart": (
        "quickstart:quickstart",
        "Start a real local model and the gateway before it, and print how to call it.",
    ),
    "doctor": ("doctor:doctor", "Look for what is usually set up wrongly, and say what to do."),
    "scan": ("scan:scan", "Find what must not leave: what it is, where, and what found it."),
    "policy": ("policy:app", "Routing policy: check it, ask it, prove it, see what a change changes."),
    "backends": ("backends:app", "Backends: which are in force, and whether they are as the catalog says."),
    "keys": ("keys:app", "Keys of callers."),
    "budgets": ("budgets:app", "Budgets and rates, beside those of the policy tree."),
    "prices": ("prices:app", "The price book: what is in force, and whether others agree with it."),
    "spend": ("spend:app", "Show what was spent."),
    "audit": ("audit:app", "The trail of who did what, and whether it is as it was written."),
    "import": ("imports:app", "Carry over what another gateway was configured with."),
}
defer(app, __name__, COMMANDS)


def main() -> None:
    """The `gateway` command."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # there are none, and to look for them takes a while
    try:
        app()
    except BrokenPipeError:  # `gateway spend | head`
        sys.stderr.close()
