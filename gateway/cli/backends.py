"""`gateway backends`"""

import time
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer

from gateway.adapters import local_servers, policy_files, probes
from gateway.adapters.audit import whoever
from gateway.adapters.secrets import find, not_offered
from gateway.adapters.suspensions import Shown, Suspensions, shown
from gateway.cli.common import Policies, StateDir, cannot_run, noting, print_json, settings_of, shared_of, table
from gateway.core.catalog import OUT_OF_USE, Backend, names
from gateway.core.day import SECONDS, date_of
from gateway.core.steering import plain
from gateway.policy.document import render, suggestion
from gateway.policy.parse import Parsed
from gateway.review import discovered
from gateway.review.backends import Checked, judge, not_asked
from gateway.review.discovered import Found
from gateway.review.served import Served
from gateway.settings import Settings

app = typer.Typer(
    help="Backends: which are in force, and whether they are as the catalog says; switching one off at once.",
    no_args_is_help=True,
)


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
    with noting():
        orders.suspend(id, by=whoever(), reason=reason)
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
    with noting():
        ended = orders.resume(id, by=whoever(), reason=reason)
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
        cannot_run(_no_policies(settings))
    if parsed.bundle is None:
        typer.echo(render(parsed.problems, parsed.sources), err=True)
        raise typer.Exit(1)
    rows = _shown(parsed.bundle.backends, settings)
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


@app.command()
def hosts(
    policies: Policies = None,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """List the hosts and ports that the catalog names, whether or not their keys are here: for a firewall."""
    settings = settings_of(policies=policies)
    parsed = _read(settings)
    if parsed is None:
        cannot_run(_no_policies(settings))
    if parsed.bundle is None:
        typer.echo(render(parsed.problems, parsed.sources), err=True)
        raise typer.Exit(1)
    urls = [urlsplit(backend.base_url) for backend in parsed.bundle.backends]
    found = sorted({(url.hostname or "", url.port or (443 if url.scheme == "https" else 80)) for url in urls})
    if format is Format.json:
        print_json([{"host": host, "port": port} for host, port in found])
    else:
        typer.echo(table(["host", "port"], [[host, str(port)] for host, port in found]))


@app.command()
def check(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which; all, when none is given.")] = None,
    state_dir: StateDir = None,
    policies: Policies = None,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """Ask each backend whether it is as the catalog says. Sends its key, and no content.

    Looked at are connection and health, the key, the model, its context and capabilities, and the clock. A backend that
    is not offered, or out of use, is not asked; one that is out of use is when it is named. Exit code 1: a problem.
    """
    settings = settings_of(state_dir=state_dir, policies=policies)
    parsed = _read(settings)
    if parsed is None:
        cannot_run(_no_policies(settings))
    if parsed.bundle is None:
        cannot_run(f"the policies do not load:\n{render(parsed.problems, parsed.sources)}")
    backends = {backend.id: backend for backend in parsed.bundle.backends}
    for id in ids or ():
        if id not in backends:
            cannot_run(f"no backend `{plain(id)}` in the catalog{suggestion(id, backends)}")
    wanted = dict.fromkeys(ids or backends)
    rows = {row.id: row for row in _shown(parsed.bundle.backends, settings)}
    checks = [partial(_check, backends[id], rows[id], named=bool(ids)) for id in wanted]
    _print_checked(probes.at_once(checks), format)


def _check(backend: Backend, row: Shown, *, named: bool) -> Checked:
    out_of_use = row.status in OUT_OF_USE and not named
    if row.not_offered or out_of_use:
        return not_asked(backend, row.not_offered or f"it is {row.status}", named=named)
    key = find(backend.key_ref) if backend.key_ref is not None else None
    return judge(backend, probes.probe(backend, key))


def _print_checked(checked: Sequence[Checked], format: Format) -> None:
    """Prints what was found out, and ends with exit code 1 where there is a problem."""
    worst = Counter(each.worst for each in checked)
    if format is Format.json:
        print_json([{**msgspec.to_builtins(each), "worst": each.worst} for each in checked])
    else:
        lines = [
            [each.id, finding.about, finding.level, finding.words] for each in checked for finding in each.findings
        ]
        typer.echo(table(["backend", "what", "level", "finding"], lines))
        typer.echo(f"\n{worst['ok']} ok, {worst['warning']} with warnings, {worst['problem']} with problems")
    if worst["problem"]:
        raise typer.Exit(1)


@app.command()
def discover(
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="HOST[:PORT]", help="Look there, too. May be given often.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="A new file for the rows; else they are printed.")
    ] = None,
    policies: Policies = None,
) -> None:
    """Look for model servers on the usual ports, and print a catalog row for each of their models. Sends no content.

    Rows go under catalog/ of the policy tree. What no server tells is left out, with a comment that says what to fill
    in. Models that the catalog has at this address already are left out. Exit code 1: nothing new was found.
    """
    settings = settings_of(policies=policies)
    if write is not None and write.exists():
        cannot_run(f"{write} is there already; name a new file")
    try:
        places = local_servers.places(host or (), {settings.port, settings.admin_port})
    except ValueError as error:
        cannot_run(f"--host: {error}")
    catalog = _catalog(settings)
    taken = set(names(catalog))
    known = {(backend.base_url.replace("//localhost:", "//127.0.0.1:"), backend.model) for backend in catalog}
    rows: dict[str, tuple[Found, Served]] = {}
    for each in local_servers.discover(places):
        if isinstance(each, str):
            typer.echo(each, err=True)
            continue
        models = tuple(model for model in each.models if (each.base_url, model.id) not in known)
        new = discovered.named(msgspec.structs.replace(each, models=models), taken | rows.keys())
        rows |= {name: (each, model) for name, model in new.items()}
        typer.echo(_said(each, new), err=True)
    if not rows:
        typer.echo("nothing new was found", err=True)
        raise typer.Exit(1)
    text = discovered.as_yaml(rows, date_of(int(time.time() // SECONDS)))
    if write is None:
        typer.echo(text, nl=False)
        return
    try:
        with write.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        cannot_run(f"cannot write {write}: {error.strerror}")
    typer.echo(f"wrote {write}", err=True)


def _said(found: Found, new: dict[str, Served]) -> str:
    said = f"{found.provider} at {found.host}:{found.port}: {', '.join(new) or 'all are in the catalog already'}"
    if found.relayed:
        said += f"; left out, since it passes them on to a hosted service: {plain(', '.join(found.relayed))}"
    return said


def _catalog(settings: Settings) -> tuple[Backend, ...]:
    """The backends of the catalog; none, with a word, where it does not load: rows may be wanted for the first tree."""
    parsed = _read(settings)
    if parsed is None or parsed.bundle is None:
        typer.echo("the policies here do not load, so names may clash with those of the catalog", err=True)
        return ()
    return parsed.bundle.backends


def _why(row: Shown) -> str:
    said = []
    if (order := row.suspension) is not None:
        since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(order.time))
        said.append(f"suspended {since} by {order.by}" + (f": {order.reason}" if order.reason else ""))
    if row.not_offered:
        said.append(row.not_offered)
    return "; ".join(said) or "-"


def _no_policies(settings: Settings) -> str:
    return f"no policies at {settings.policies}; set GATEWAY_POLICIES or --policies"


def _shown(backends: tuple[Backend, ...], settings: Settings) -> tuple[Shown, ...]:
    orders = _open(settings)
    rows = shown(backends, not_offered(backends), orders.in_force)
    orders.close()
    return rows


def _open(settings: Settings) -> Suspensions:
    """The orders, as they are now."""
    orders = Suspensions(settings.state_dir, shared_of(settings))
    orders.news()
    return orders


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
