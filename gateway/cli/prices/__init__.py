"""`gateway prices`"""

import typer

from gateway.cli.prices import listing, update, verify

app = typer.Typer(help="The price book: what is in force, and whether others agree with it.", no_args_is_help=True)
app.command("list")(listing.list_prices)
app.command("verify")(verify.verify)
app.command("update")(update.update)
