"""`gateway serve`"""

import gc
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import Policies, StateDir, cannot_run, settings_of
from gateway.http.told import Told


def serve(
    host: Annotated[str | None, typer.Option(help="Address that clients reach (GATEWAY_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port that clients reach (GATEWAY_PORT).")] = None,
    admin_port: Annotated[int | None, typer.Option(help="Port of metrics and admin (GATEWAY_ADMIN_PORT).")] = None,
    policies: Policies = None,
    extra_catalog: Annotated[
        Path | None, typer.Option(help="A further folder of catalog files (GATEWAY_EXTRA_CATALOG).")
    ] = None,
    state_dir: StateDir = None,
    workers: Annotated[int | None, typer.Option(help="Processes (GATEWAY_WORKERS).")] = None,
) -> None:
    """Run the server."""
    before = Told()
    settings = settings_of(
        host=host,
        port=port,
        admin_port=admin_port,
        policies=policies,
        extra_catalog=extra_catalog,
        state_dir=state_dir,
        workers=workers,
    )
    # nearly all that is made until it serves stays: to look through it again and again is a tenth of a start
    gc.disable()
    from gateway.app import CannotStart, run  # the web framework is loaded only to serve

    try:
        run(settings, before)
    except CannotStart as error:
        cannot_run(f"cannot start: {error}")
