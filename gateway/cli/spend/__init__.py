"""`gateway spend`"""

import typer

from gateway.cli.spend import forecast, reconcile, show

app = typer.Typer(invoke_without_command=True)
app.callback()(show.spend)
app.command("forecast")(forecast.forecast)
app.command("reconcile")(reconcile.reconcile)
