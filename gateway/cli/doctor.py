"""`gateway doctor`"""

import os
import sqlite3
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters import looks, otel, policy_files, recognizer
from gateway.adapters.keys import Keys
from gateway.adapters.secrets import not_offered
from gateway.adapters.taking_over import went
from gateway.cli.common import Policies, StateDir, cannot_run, print_json, settings_of
from gateway.core.catalog import Backend
from gateway.core.steering import plain
from gateway.review.discovered import FOLDER
from gateway.review.doctor import Database, Seen, diagnose
from gateway.settings import Settings, names, unknown_names


class Format(StrEnum):
    """How the command prints its result."""

    table = "table"
    json = "json"


def doctor(
    state_dir: StateDir = None,
    policies: Policies = None,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """Look for what is usually set up wrongly, and say what to do. Changes nothing, and sends nothing to backends.

    Exit code 1: a problem; warnings alone are 0. 2: the settings do not load. `gateway backends check` asks backends.
    """
    settings = settings_of(state_dir=state_dir, policies=policies)
    found = diagnose(seen(settings))
    if format is Format.json:
        print_json(msgspec.to_builtins(found))
    else:
        for each in found:
            typer.echo(f"{each.level:<8} {each.about:<20} {plain(each.words)}")
            if each.advice:
                typer.echo(f"{'':<29} -> {plain(each.advice)}")
    if any(each.level == "problem" for each in found):
        raise typer.Exit(1)


def seen(settings: Settings) -> Seen:
    """All that can be looked at from here."""
    disk = looks.disk(settings.state_dir)
    tree, backends = _tree(settings, _catalog(settings, runs_here=disk.taken))
    database = looks.database(settings.ledger_url) if settings.ledger_url else None
    keys, admin_key, admin_made = _keys(settings, database)
    policy = looks.answer(settings.host, settings.port, "/readyz").get("policy")
    return Seen(
        settings=names(),
        unknown=tuple(unknown_names()),
        tree=tree,
        stale=isinstance(policy, dict) and bool(policy.get("stale")),
        backends=backends,
        missing=not_offered(backends),
        hindered=tuple(_hindered(settings)),
        keys=keys,
        went="" if settings.ledger_url else went(settings.state_dir),
        admin_key=admin_key,
        admin_made=admin_made,
        admin_host=settings.admin_host,
        admin_is_loopback=settings.admin_is_loopback,
        scrape_token=settings.scrape_token is not None,
        drain_seconds=settings.drain_seconds,
        grace_seconds=settings.grace_seconds,
        max_inflight=settings.max_inflight,
        orchestrator=looks.orchestrator(os.environ),
        ports={
            "GATEWAY_PORT": looks.port(settings.host, settings.port, "/healthz"),
            "GATEWAY_ADMIN_PORT": looks.port(settings.admin_host, settings.admin_port, "/admin/policies"),
        },
        disk=disk,
        database=database,
        store=looks.store(settings.valkey_url.get_secret_value()) if settings.valkey_url is not None else None,
        descriptors=looks.descriptors(),
        dumps=looks.dumps(),
        proxies=looks.proxies(os.environ),
        now=time.time(),
    )


def _catalog(settings: Settings, *, runs_here: bool) -> Path | None:
    """The further catalog: the one that is set, or the one that `gateway quickstart`, which runs here, has written."""
    written = settings.state_dir / FOLDER
    mine = settings.extra_catalog is None and settings.policy_key is None and runs_here and written.is_dir()
    return written if mine else settings.extra_catalog


def _hindered(settings: Settings) -> Iterator[str]:
    """Why what the settings ask for cannot be had."""
    if settings.otel_endpoint and (why := otel.hindrance()):
        yield f"GATEWAY_OTEL_ENDPOINT is set: {why}"
    if settings.recognizer and (why := recognizer.missing()):
        yield f"GATEWAY_RECOGNIZER is `{settings.recognizer}`: {why}"


def _tree(settings: Settings, catalog: Path | None) -> tuple[str, tuple[Backend, ...]]:
    """Why the tree does not load, in its first words; and its backends."""
    try:
        parsed = policy_files.load(settings.policies, catalog, settings.policy_key)
    except policy_files.Unreadable as error:
        return str(error), ()
    if parsed.bundle is None:
        return next((str(each) for each in parsed.problems if each.severity == "error"), "it has problems"), ()
    return "", parsed.bundle.backends


def _keys(settings: Settings, database: Database | None) -> tuple[int | None, bool, bool]:
    """How many keys are in force, None: nobody can say; whether one of them is for the admin listener, and whether one
    ever was. Nothing is made to find out. A database that no gateway has used yet will take over those of the
    directory."""
    if database is not None and database.problem:
        return None, False, False
    if database is not None and database.keys is not None:
        return database.keys, database.admin_key, database.admin_made
    if not (settings.state_dir / "keys.sqlite").exists():
        return 0, False, False
    try:
        keys = Keys(settings.state_dir)
    except (sqlite3.DatabaseError, OSError) as error:
        cannot_run(f"cannot read the keys in {settings.state_dir}: {error}")
    now = time.time()
    found = sum(row.in_force(now) for row in keys.rows()), keys.admin_in_force, keys.guards_admin
    keys.close()
    return found
