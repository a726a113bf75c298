"""`gateway spend`"""

import typer

from gateway.cli.deferred import defer
from gateway.cli.spend import show

app = typer.Typer(invoke_without_command=True)
app.callback()(show.spend)
COMMANDS = {
    "forecast": ("forecast:forecast", "Show where the month will end, and how long each limit lasts."),
    "reconcile": ("reconcile:reconcile", "Compare the ledger with a provider's invoice, per model and day."),
}
defer(app, __name__, COMMANDS)
