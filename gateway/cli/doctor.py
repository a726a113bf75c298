"""`gateway doctor`"""

import os
import sqlite3
import time
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from gateway.adapters import looks, policy_files
from gateway.adapters.keys import Keys
from gateway.adapters.secrets import not_offered
from gateway.cli.common import Policies, StateDir, cannot_run, print_json, settings_of
from gateway.core.catalog import Backend
from gateway.core.steering import plain
from gateway.review.doctor import Seen, diagnose
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
    tree, backends = _tree(settings)
    keys, admin_key = _keys(settings)
    policy = looks.answer(settings.host, settings.port, "/readyz").get("policy")
    return Seen(
        settings=names(),
        unknown=tuple(unknown_names()),
        tree=tree,
        stale=isinstance(policy, dict) and bool(policy.get("stale")),
        backends=backends,
        missing=not_offered(backends),
        keys=keys,
        admin_key=admin_key,
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
        disk=looks.disk(settings.state_dir),
        database=looks.database(settings.ledger_url) if settings.ledger_url else None,
        store=looks.store(settings.valkey_url.get_secret_value()) if settings.valkey_url is not None else None,
        descriptors=looks.descriptors(),
        dumps=looks.dumps(),
        proxies=looks.proxies(os.environ),
        now=time.time(),
    )


def _tree(settings: Settings) -> tuple[str, tuple[Backend, ...]]:
    """Why the tree does not load, in its first words; and its backends."""
    try:
        parsed = policy_files.load(settings.policies, settings.extra_catalog, settings.policy_key)
    except policy_files.Unreadable as error:
        return str(error), ()
    if parsed.bundle is None:
        return next((str(each) for each in parsed.problems if each.severity == "error"), "it has problems"), ()
    return "", parsed.bundle.backends


def _keys(settings: Settings) -> tuple[int, bool]:
    """How many keys are in force, and whether one of them is for the admin listener. Nothing is made to find out."""
    if not (settings.state_dir / "keys.sqlite").exists():
        return 0, False
    try:
        keys = Keys(settings.state_dir)
    except (sqlite3.DatabaseError, OSError) as error:
        cannot_run(f"cannot read the keys in {settings.state_dir}: {error}")
    now = time.time()
    found = sum(row.in_force(now) for row in keys.rows()), keys.admin_in_force
    keys.close()
    return found
