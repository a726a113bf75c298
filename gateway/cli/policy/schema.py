"""`gateway policy schema`"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters import policy_files
from gateway.cli.common import cannot_run, print_json, settings_of
from gateway.cli.policy.common import Format, print_problems
from gateway.policy.document import Mark, Problem, render
from gateway.policy.model import Bundle
from gateway.policy.reference import inserted
from gateway.policy.schema import schema as schema_of
from gateway.policy.schema import text, whole
from gateway.policy.tree import KINDS
from gateway.providers import BASE_URLS


def schema(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    kind: Annotated[str | None, typer.Option(help="One kind of file. [default: one document for all]")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write .schema/*.json and the reference in README.md.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Say which of them are stale; exit code 1 if any.")] = False,
    format: Annotated[Format, typer.Option(help="How --check prints.")] = Format.text,
) -> None:
    """Print JSON Schemas for the files of a policy tree, with its own words, backends and rules, for editors."""
    if write and check:
        cannot_run("--write and --check exclude each other")
    if kind is not None and kind not in KINDS:
        cannot_run(f"no kind of file `{kind}`; known: {', '.join(KINDS)}")
    directory = settings_of(policies=policies).policies
    bundle = _bundle(directory)
    if not (write or check):
        print_json(whole(bundle, BASE_URLS) if kind is None else schema_of(bundle, BASE_URLS, kind))
        return
    stale = _stale(directory, bundle)
    if write:
        for path, made in stale.items():
            _write(path, made)
        typer.echo(
            "\n".join(f"wrote {path}" for path in stale) or "nothing to write: all are as they would be made now"
        )
        return
    said = "is not what would be generated now; run `gateway policy schema --write`"
    print_problems([Problem(Mark(str(path)), "P006", said) for path in stale], {}, format)
    if stale:
        raise typer.Exit(1)


def _bundle(directory: Path) -> Bundle:
    """The tree by itself: what a machine adds to the catalog is no part of files that are shared."""
    try:
        parsed = policy_files.load(directory)
    except policy_files.Unreadable as error:
        cannot_run(str(error))
    if parsed.bundle is None:
        typer.echo(render(parsed.problems, parsed.sources), err=True)
        raise typer.Exit(1)
    return parsed.bundle


def _stale(directory: Path, bundle: Bundle) -> dict[Path, str]:
    """The generated files that are not as they would be made now, with their new text."""
    made = {directory / ".schema" / f"{kind}.json": text(schema_of(bundle, BASE_URLS, kind)) for kind in KINDS}
    readme = directory / "README.md"
    if (said := _read(readme)) is not None:
        made[readme] = inserted(said, bundle.vocabulary, BASE_URLS)
    return {path: now for path, now in made.items() if now != _read(path)}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, made: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    except OSError as error:
        cannot_run(f"cannot write {path}: {error.strerror}")
