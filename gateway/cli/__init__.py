"""The command line. Exit codes: 0 fine, 1 found problems, 2 cannot run."""

import sys

import typer

from gateway.cli import audit, backends, budgets, imports, keys, policy, prices, quickstart, scan, serve, spend

app = typer.Typer(
    help="A self-hosted, OpenAI-compatible gateway: policy decides, cost orders, the ledger is true.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("quickstart")(quickstart.quickstart)
app.add_typer(policy.app, name="policy")
app.add_typer(backends.app, name="backends")
app.add_typer(keys.app, name="keys")
app.add_typer(budgets.app, name="budgets")
app.add_typer(prices.app, name="prices")
app.command("scan")(scan.scan)
app.add_typer(spend.app, name="spend")
app.add_typer(audit.app, name="audit")
app.add_typer(imports.app, name="import")


def main() -> None:
    """The `gateway` command."""
    try:
        app()
    except BrokenPipeError:  # `gateway spend | head`
        sys.stderr.close()
