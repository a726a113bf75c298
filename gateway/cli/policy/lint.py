"""`gateway policy lint`"""

import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters import decisions
from gateway.cli.common import StateDir, cannot_run, moment_of, settings_of
from gateway.cli.policy.common import Format, load, print_problems
from gateway.policy.lint import Past
from gateway.policy.lint import lint as hints
from gateway.review import replay
from gateway.review.coverage import uncovered


def lint(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    since: Annotated[
        str, typer.Option(help="How far back to count requests that nobody may serve: 90m, 24h, 30d, 8w.")
    ] = "30d",
    state_dir: StateDir = None,
    info: Annotated[bool, typer.Option("--info/--no-info", help="Also print what is only worth knowing.")] = True,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.text,
) -> None:
    """Lint a policy tree: rules that change nothing, backends and requests out of reach, rules that no test guards.

    Where the state directory has decisions, it also says how many requests there were that nobody may serve.
    """
    start = moment_of(since)
    directory = settings_of(policies=policies, state_dir=state_dir).state_dir
    if state_dir is not None and not directory.is_dir():
        cannot_run(f"no state directory at {directory}")
    parsed = load(policies)
    found = list(parsed.problems)
    if parsed.bundle is not None:
        now = time.time()
        past = None
        if directory.is_dir():
            said = time.strftime("%Y-%m-%d", time.gmtime(start))
            past = Past(replay.past(decisions.read(directory, start), parsed.bundle), said)
        found += hints(parsed.bundle, time.strftime("%Y-%m-%d", time.gmtime(now)), now, past)
        found += uncovered(parsed.bundle)
    shown = [problem for problem in found if info or problem.severity != "info"]
    print_problems(shown, parsed.sources, format)
    counts = {kind: sum(problem.severity == kind for problem in found) for kind in ("error", "warning", "info")}
    if format is Format.text:
        typer.echo(f"\n{counts['error']} errors, {counts['warning']} warnings, {counts['info']} notes")
    if counts["error"] or counts["warning"]:
        raise typer.Exit(1)
