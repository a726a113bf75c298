"""`gateway keys`"""

import contextlib
import time
from typing import Annotated, NoReturn

import msgspec
import typer

from gateway.adapters.keys import KeyRow, Keys, new_id
from gateway.cli.budgets import WINDOWS, amount_of, open_store, window_of
from gateway.cli.common import (
    Format,
    Policies,
    StateDir,
    cannot_run,
    end_at,
    noting,
    print_json,
    settings_of,
    shared_of,
    span_of,
    table,
)
from gateway.core.catalog import names
from gateway.core.labels import DEFAULT_LEVEL, LEVELS
from gateway.core.rate import UNITS
from gateway.core.scopes import DEFAULT_SCOPES, SCOPES
from gateway.core.steering import plain

app = typer.Typer(help="Keys of callers.", no_args_is_help=True)
Output = Annotated[Format, typer.Option("--format", help="How to print.")]


def _open(state_dir: object) -> Keys:
    settings = settings_of(state_dir=state_dir)
    return Keys(settings.state_dir, shared_of(settings))


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
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"What it is for: {', '.join(SCOPES)}. [default: {', '.join(DEFAULT_SCOPES)}]"),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--models", metavar="NAME", help="A model name that it may use. [default: all]"),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="When it ends: 30d, or a date (UTC), its last day.")
    ] = None,
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
    scopes = list(dict.fromkeys(scope or DEFAULT_SCOPES))
    if unknown := [each for each in scopes if each not in SCOPES]:
        cannot_run(f"unknown scope {', '.join(unknown)}; known: {', '.join(SCOPES)}")
    _check_words({"purpose": purposes, "person": [person] if person else []}, models or [], policies)
    ceiling = None if budget is None else amount_of(budget)
    window_of(per)
    ends = None if expires is None else end_at(expires, "--expires")
    id = new_id()
    with noting():
        if ceiling is not None or rpm or tpm:  # before the key: it is never without them
            with contextlib.closing(open_store(settings_of(state_dir=state_dir))) as store:
                if ceiling is not None:
                    store.set_budget("key", id, per, ceiling, soft=False)
                for unit, a_minute in zip(UNITS, (rpm, tpm), strict=True):
                    if a_minute is not None:
                        store.set_rate("key", id, unit, a_minute)
    with noting(), contextlib.closing(_open(state_dir)) as keys:
        _, key = keys.create(
            team=team,
            app=app,
            projects=project or ["default"],
            purposes=purposes,
            floor=sensitivity,
            person=person or None,
            opaque_as=opaque_as or None,
            scopes=scopes,
            models=models or [],
            expires=ends,
            id=id,
        )
    if format is Format.json:
        print_json({"id": id, "key": key})
    else:
        said = plain(f"id {id}, team {team}, app {app}")
        typer.echo(f"{key}\n\n{said}. Keep it now: it is not stored and cannot be shown again.")


def _check_words(words: dict[str, list[str]], models: list[str], policies: object) -> None:
    """A word that no policy knows would be denied everywhere, as would a model; better to say so now."""
    from gateway.adapters import policy_files  # half a second, which only `create` needs
    from gateway.policy.document import suggestion

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
    served = names(parsed.bundle.backends)
    for model in models:
        if model not in served:
            cannot_run(f"no model `{plain(model)}` in the catalog{suggestion(model, served)}")


@app.command("list")
def list_keys(state_dir: StateDir = None, format: Output = Format.table) -> None:
    """List keys, without the keys themselves."""
    with contextlib.closing(_open(state_dir)) as keys:
        rows = keys.rows()
    if format is Format.json:
        print_json(msgspec.to_builtins(rows))
        return
    now = time.time()
    typer.echo(
        table(
            [
                "id",
                "key",
                "team",
                "app",
                "projects",
                "purposes",
                "floor",
                "opaque as",
                "person",
                "scopes",
                "models",
                "created",
                "state",
            ],
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
                    ",".join(row.scopes),
                    ",".join(row.models),
                    _day(row.created),
                    _state(row, now),
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
    with noting(), contextlib.closing(_open(state_dir)) as keys:
        revoked = keys.revoke(id)
    if not revoked:
        _not_in_force(id)
    typer.echo(f"revoked {id}")


@app.command()
def rotate(
    id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    overlap: Annotated[str, typer.Option(help="How long the secret before it is taken, too: 24h, or 0.")] = "24h",
    expires: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="When the key ends from now on: 30d, or a date (UTC). [default: as it was]"),
    ] = None,
    state_dir: StateDir = None,
    format: Output = Format.table,
) -> None:
    """Give a key a new secret. Its id, budgets and grants stay. The new secret is shown once."""
    seconds = span_of(overlap, "--overlap")
    ends = None if expires is None else end_at(expires, "--expires")
    with noting(), contextlib.closing(_open(state_dir)) as keys:
        key = keys.rotate(id, seconds, ends)
        if key is None:
            _not_in_force(id)
        if format is Format.json:
            print_json({"id": id, "key": key})
            return
        typer.echo(key)  # first: it cannot be had again, whatever comes of the next question
        old = next((row.overlaps for row in keys.rows() if row.id == id), None)
    until = "no more" if old is None else time.strftime("until %Y-%m-%d %H:%M UTC", time.gmtime(old))
    typer.echo(f"\nid {id}. Keep it now: it cannot be shown again. The secret before it is taken {until}.")


def _not_in_force(id: str) -> NoReturn:
    typer.echo(f"no key `{plain(id)}` in force; `gateway keys list` shows them", err=True)
    raise typer.Exit(1)


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _state(row: KeyRow, now: float) -> str:
    if row.revoked is not None:
        return f"revoked {_day(row.revoked)}"
    if not row.in_force(now):
        return f"expired {_day(row.expires or now)}"
    said = "in force" if row.expires is None else f"until {_day(row.expires)}"
    return said if row.overlaps is None else f"{said}, old secret until {_day(row.overlaps)}"
