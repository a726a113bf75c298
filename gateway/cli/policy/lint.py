"""`gateway policy lint`"""

import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.policy.common import Format, load, print_problems
from gateway.policy.lint import lint as hints
from gateway.review.coverage import uncovered


def lint(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    info: Annotated[bool, typer.Option("--info/--no-info", help="Also print what is only worth knowing.")] = True,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.text,
) -> None:
    """Lint a policy tree: rules that change nothing, backends and requests out of reach, rules that no test guards."""
    parsed = load(policies)
    found = list(parsed.problems)
    if parsed.bundle is not None:
        now = time.time()
        found += hints(parsed.bundle, time.strftime("%Y-%m-%d", time.gmtime(now)), now)
        found += uncovered(parsed.bundle)
    shown = [problem for problem in found if info or problem.severity != "info"]
    print_problems(shown, parsed.sources, format)
    counts = {kind: sum(problem.severity == kind for problem in found) for kind in ("error", "warning", "info")}
    if format is Format.text:
        typer.echo(f"\n{counts['error']} errors, {counts['warning']} warnings, {counts['info']} notes")
    if counts["error"] or counts["warning"]:
        raise typer.Exit(1)
