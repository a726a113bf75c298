"""`gateway prices`"""

import typer

from gateway.cli.deferred import defer

app = typer.Typer(help="The price book: what is in force, and whether others agree with it.", no_args_is_help=True)
COMMANDS = {
    "list": ("listing:list_prices", "List the prices in force, and what machines of our own cost."),
    "verify": ("verify:verify", "Compare the price book with genai-prices."),
    "update": ("update:update", "Write what genai-prices says into prices.yaml."),
}
defer(app, __name__, COMMANDS)
