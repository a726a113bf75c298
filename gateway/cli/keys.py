"""`gateway keys`"""

import time
from typing import Annotated

import msgspec
import typer

from gateway.adapters import state
from gateway.adapters.keys import Keys
from gateway.cli.budgets import WINDOWS, amount_of, open_store, window_of
from gateway.cli.common import Format, Policies, StateDir, cannot_run, print_json, settings_of, table
from gateway.core.labels import DEFAULT_LEVEL, LEVELS
from gateway.core.rate import UNITS

app = typer.Typer(help="Keys of callers.", no_args_is_help=True)
Output = Annotated[Format, typer.Option("--format", help="How to print.")]


def _open(state_dir: object) -> Keys:
    try:
        return Keys(state.prepare(settings_of(state_dir=state_dir).state_dir))
    except state.StateTaken as error:
        cannot_run(str(error))


@app.command()
def create(
    team: Annotated[str, typer.Option(help="The team that owns the key.")],
    app: Annotated[str, typer.Option(help="The application that will use it.")],
    project: Annotated[
        list[str] | None, typer.Option(help="A project it may name; the first is the default. [default: default]")
    ] = None,
    purpose: Annotated[
        list[str] | None, typer.Option(help="A purpose it may name; the first is the default. [default: general]")
    ] = None,
    sensitivity: Annotated[
        str, typer.Option(help=f"Lowest label of its requests: {', '.join(LEVELS)}.")
    ] = DEFAULT_LEVEL,
    person: Annotated[
        str | None, typer.Option(help="What kind of person it is for, in export law. [default: unknown]")
    ] = None,
    opaque_as: Annotated[
        str | None,
        typer.Option(
            help=f"Level that its images, sounds and files count as: {', '.join(LEVELS)}."
            " [default: as --sensitivity, at least confidential]"
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget-usd", metavar="USD", help="What it may spend in each window.")
    ] = None,
    per: Annotated[str, typer.Option("--per", help=f"The budget's window: {', '.join(WINDOWS)} (UTC).")] = "month",
    rpm: Annotated[int | None, typer.Option("--rpm", min=1, help="Requests a minute.")] = None,
    tpm: Annotated[int | None, typer.Option("--tpm", min=1, help="Tokens a minute.")] = None,
    state_dir: StateDir = None,
    policies: Policies = None,
    format: Output = Format.table,
) -> None:
    """Create a key. It is shown once and can never be shown again."""
    for level in (sensitivity, opaque_as or sensitivity):
        if level not in LEVELS:
            cannot_run(f"unknown level `{level}`; known: {', '.join(LEVELS)}")
    purposes = purpose or ["general"]
    _check_words({"purpose": purposes, "person": [person] if person else []}, policies)
    ceiling = None if budget is None else amount_of(budget)
    window_of(per)
    keys = _open(state_dir)
    id, key = keys.create(
        team=team,
        app=app,
        projects=project or ["default"],
        purposes=purposes,
        floor=sensitivity,
        person=person or None,
        opaque_as=opaque_as or None,
    )
    if ceiling is not None or rpm or tpm:
        store = open_store(settings_of(state_dir=state_dir))
        if ceiling is not None:
            store.set_budget("key", id, per, ceiling, soft=False)
        for unit, a_minute in zip(UNITS, (rpm, tpm), strict=True):
            if a_minute is not None:
                store.set_rate("key", id, unit, a_minute)
        store.close()
    if format is Format.json:
        print_json({"id": id, "key": key})
    else:
        typer.echo(
            f"{key}\n\nid {id}, team {team}, app {app}. Keep it now: it is not stored and cannot be shown again."
        )


def _check_words(words: dict[str, list[str]], policies: object) -> None:
    """A word that no policy knows would be denied everywhere; better to say so now."""
    from gateway.adapters import policy_files  # half a second, which only `create` needs

    settings = settings_of(policies=policies)
    try:
        parsed = policy_files.parse_files(settings.policies, settings.extra_catalog)
    except policy_files.Unreadable:
        return  # no policies on this machine: nothing to check against
    if parsed.bundle is None:
        return
    for what, given in words.items():
        known = parsed.bundle.vocabulary.words(f"{what}s")
        if unknown := [word for word in given if word not in known]:
            cannot_run(f"unknown {what} {', '.join(unknown)}; known (vocabulary.yaml): {', '.join(sorted(known))}")


@app.command("list")
def list_keys(state_dir: StateDir = None, format: Output = Format.table) -> None:
    """List keys, without the keys themselves."""
    rows = _open(state_dir).rows()
    if format is Format.json:
        print_json(msgspec.to_builtins(rows))
        return
    typer.echo(
        table(
            ["id", "key", "team", "app", "projects", "purposes", "floor", "opaque as", "person", "created", "state"],
            [
                [
                    row.id,
                    row.shown,
                    row.team,
                    row.app,
                    ",".join(row.projects),
                    ",".join(row.purposes),
                    row.floor,
                    row.opaque_as or "",
                    row.person or "",
                    time.strftime("%Y-%m-%d", time.gmtime(row.created)),
                    "in force" if row.revoked is None else time.strftime("revoked %Y-%m-%d", time.gmtime(row.revoked)),
                ]
                for row in rows
            ],
        )
    )


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")], state_dir: StateDir = None
) -> None:
    """Revoke a key. A running server stops taking it within a second."""
    if not _open(state_dir).revoke(id):
        typer.echo(f"no key `{id}` in force; `gateway keys list` shows them", err=True)
        raise typer.Exit(1)
    typer.echo(f"revoked {id}")
