"""`gateway policy replay`"""

from enum import StrEnum
from typing import Annotated

import typer

from gateway.adapters import decisions
from gateway.cli.common import StateDir, cannot_run, moment_of, print_json, settings_of
from gateway.cli.policy.diff import Base, Tree, sides
from gateway.review import traffic
from gateway.review.replay import replay


class Report(StrEnum):
    """How a replay is printed. `markdown` is made for a pull request."""

    text = "text"
    json = "json"
    markdown = "markdown"


def replay_traffic(
    policies: Tree = None,
    base: Base = None,
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 30d, 8w.")] = "7d",
    state_dir: StateDir = None,
    format: Annotated[Report, typer.Option(help="How to print.")] = Report.text,
) -> None:
    """Decide past traffic again under a changed tree: who would be denied, what would it cost, what would go where.

    Facts and figures of past requests are read, never their text: it is not kept.
    """
    start = moment_of(since)
    directory = settings_of(policies=policies, state_dir=state_dir).state_dir
    if not directory.is_dir():
        cannot_run(f"no state directory at {directory}; set GATEWAY_STATE_DIR or --state-dir")
    old, new = sides(policies, base)
    found = replay(decisions.read(directory, start), old.bundle, new.bundle)
    match format:
        case Report.text:
            typer.echo(traffic.text(found, old.name, new.name, since))
        case Report.markdown:
            typer.echo(traffic.markdown(found, old.name, new.name, since))
        case Report.json:
            print_json(traffic.data(found, old.name, new.name))
