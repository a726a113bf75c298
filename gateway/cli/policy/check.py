"""`gateway policy check`"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.policy.common import Format, load, print_problems


def check(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.text,
) -> None:
    """Check a policy tree: everything that the server checks before it loads it, tests and proofs included."""
    parsed = load(policies)
    print_problems(parsed.problems, parsed.sources, format)
    if parsed.bundle is None:
        if format is Format.text:
            count = len(parsed.problems)
            typer.echo(f"\n{count} problem{'s' if count != 1 else ''}; the tree would not load")
        raise typer.Exit(1)
    if format is Format.text:
        bundle = parsed.bundle
        typer.echo(f"ok: {len(bundle.rules)} rules, {len(bundle.backends)} backends, digest {bundle.digest}")
