"""`gateway policy`"""

import typer

from gateway.cli.policy import check, explain, schema

app = typer.Typer(help="Routing policy: check it, ask it, prove it, see what a change changes.", no_args_is_help=True)
app.command("check")(check.check)
app.command("explain")(explain.explain_request)
app.command("schema")(schema.schema)
