"""`gateway backends`"""

import getpass
import os
import time
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from gateway.adapters import policy_files, state
from gateway.adapters.secrets import not_offered
from gateway.adapters.suspensions import Shown, Suspensions, shown
from gateway.cli.common import Policies, StateDir, cannot_run, print_json, settings_of, table
from gateway.core.catalog import Backend
from gateway.policy.document import render, suggestion
from gateway.policy.parse import Parsed
from gateway.settings import Settings

app = typer.Typer(help="Backends: which are in force, and switching one off at once.", no_args_is_help=True)


class Format(StrEnum):
    """How a command prints its result."""

    table = "table"
    json = "json"


Id = Annotated[str, typer.Argument(metavar="ID", help="The backend's name in the catalog.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept, and logged.")]


@app.command()
def suspend(id: Id, reason: Reason = "", state_dir: StateDir = None, policies: Policies = None) -> None:
    """Suspend a backend. A running server stops sending to it within a second, until it is resumed."""
    settings = settings_of(state_dir=state_dir, policies=policies)
    backend = _find(id, settings)
    orders = _open(settings)
    orders.suspend(id, by=_whoever(), reason=reason)
    orders.close()
    typer.echo(f"suspended {id}")
    if backend is not None:
        instead = (
            f"{backend.substitute} answers to its names, where the policy permits"
            if backend.substitute
            else "it has no substitute"
        )
        typer.echo(f"{instead}; `gateway backends resume {id}` ends it")


@app.command()
def resume(id: Id, reason: Reason = "", state_dir: StateDir = None) -> None:
    """End a suspension. What the catalog says of the backend holds again."""
    orders = _open(settings_of(state_dir=state_dir))
    ended = orders.resume(id, by=_whoever(), reason=reason)
    known = orders.in_force
    orders.close()
    if not ended:
        typer.echo(f"`{id}` is not suspended by order{suggestion(id, known)}", err=True)
        raise typer.Exit(1)
    typer.echo(f"resumed {id}")


@app.command("list")
def list_backends(
    state_dir: StateDir = None,
    policies: Policies = None,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """List the backends of the catalog, with the status in force and why one is not offered."""
    settings = settings_of(state_dir=state_dir, policies=policies)
    parsed = _read(settings)
    if parsed is None:
        cannot_run(f"no policies at {settings.policies}; set GATEWAY_POLICIES or --policies")
    if parsed.bundle is None:
        typer.echo(render(parsed.problems, parsed.sources), err=True)
        raise typer.Exit(1)
    orders = _open(settings)
    rows = shown(parsed.bundle.backends, not_offered(parsed.bundle.backends), orders.in_force)
    orders.close()
    if format is Format.json:
        print_json(msgspec.to_builtins(rows))
        return
    head = ["id", "provider", "model", "zone", "status", "why not offered", "substitute"]
    typer.echo(
        table(
            head,
            [
                [
                    row.id,
                    *(word or "-" for word in (row.provider, row.model, row.zone)),
                    row.status or "unknown",
                    _why(row),
                    row.substitute or "-",
                ]
                for row in rows
            ],
        )
    )


def _why(row: Shown) -> str:
    said = []
    if (order := row.suspension) is not None:
        since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(order.time))
        said.append(f"suspended {since} by {order.by}" + (f": {order.reason}" if order.reason else ""))
    if row.not_offered:
        said.append(row.not_offered)
    return "; ".join(said) or "-"


def _open(settings: Settings) -> Suspensions:
    try:
        return Suspensions(state.prepare(settings.state_dir))
    except state.StateTaken as error:
        cannot_run(str(error))


def _read(settings: Settings) -> Parsed | None:
    """The tree; None: it cannot be read. Tests and proofs are not asked: an order does not wait for them."""
    try:
        return policy_files.parse_files(settings.policies, settings.extra_catalog)
    except policy_files.Unreadable:
        return None


def _find(id: str, settings: Settings) -> Backend | None:
    """The backend in the catalog; None, with a warning, while the tree is broken: the brake must work just then."""
    parsed = _read(settings)
    if parsed is None or parsed.bundle is None:
        typer.echo(f"the policies here do not load, so whether there is a backend `{id}` was not checked", err=True)
        return None
    backends = {backend.id: backend for backend in parsed.bundle.backends}
    if id not in backends:
        cannot_run(f"no backend `{id}` in the catalog{suggestion(id, backends)}")
    return backends[id]


def _whoever() -> str:
    try:
        return f"cli {getpass.getuser()}"
    except (OSError, KeyError):  # a user id without a name, as containers have
        return f"cli uid {os.getuid()}"
