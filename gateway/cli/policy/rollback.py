"""`gateway policy rollback`"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters import git_tree, policy_files
from gateway.adapters.audit import Audit, whoever
from gateway.cli.common import cannot_run, noting, print_json, settings_of
from gateway.cli.policy.common import Plain
from gateway.core.steering import plain
from gateway.policy.digest import digest_of
from gateway.policy.document import render

_DIGEST = re.compile(r"([0-9a-f]{16})(\+[0-9a-f]{6})?(@[0-9-]{10})?\Z")
"""As /readyz, decisions and metrics have it: behind the tree's own may stand what is suspended by order, and a day."""


def roll_back(
    to: Annotated[str, typer.Argument(metavar="DIGEST|REF", help="A digest that was in force, or a git ref.")],
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    format: Annotated[Plain, typer.Option(help="How to print.")] = Plain.text,
) -> None:
    """Make the files of a tree what they were, if they would still load: for you, or CI, to commit.

    Exit code 1: the tree of then would not load today; nothing is changed.
    """
    settings = settings_of(policies=policies)
    directory, extra = settings.policies, settings.extra_catalog
    try:
        found = _sought(to, directory, extra)
        checked = policy_files.check_tree(found.files, found.lock, _names(to, found), extra)
        changed = git_tree.uncommitted(directory)
        if checked.bundle is None:
            typer.echo(render(checked.problems, checked.sources), err=True)
            typer.echo(f"\nthe tree of {found.id[:10]} would not load today; nothing is changed", err=True)
            raise typer.Exit(1)
        if changed:
            cannot_run(plain(f"{directory} has changes that are not committed ({_few(changed)}); commit or undo them"))
        there = policy_files.digest_on_disk(directory, extra)
        if there != checked.bundle.digest:
            with noting(), _noted(settings.state_dir, checked.bundle.digest, there, directory):
                git_tree.restore(directory, found.id)
        now = policy_files.digest_on_disk(directory, extra)
    except (policy_files.Unreadable, git_tree.Unreadable) as error:
        cannot_run(plain(str(error)))
    if now != checked.bundle.digest:
        cannot_run(
            f"{directory} has digest {now} now, not {checked.bundle.digest}: files that git ignores, or changes as it "
            "writes them (line ends, filters), keep it from being what was committed"
        )
    if format is Plain.json:
        print_json({"digest": now, "before": there, "commit": found.id, "changed": there != now})
    elif there == now:
        typer.echo(f"{directory} is at digest {now} already; nothing is changed")
    else:
        typer.echo(plain(f"{directory} is at digest {now} again, as in commit {found.id[:10]} (it was at {there})"))
        typer.echo("see what that changes with `gateway policy diff --base HEAD`, then commit it")
        if settings.policy_key is not None:
            typer.echo("servers take it once it is signed: `gateway policy sign`")


def _noted(state_dir: Path, digest: str, before: str, directory: Path) -> contextlib.AbstractContextManager[object]:
    """Notes the act where a gateway is, or undoes it; where CI is there is no trail."""
    if not state_dir.is_dir():
        return contextlib.nullcontext()

    def undo() -> None:
        try:
            git_tree.restore(directory, "HEAD")  # nothing was there that is not committed
        except git_tree.Unreadable as error:
            said = f"{directory} may be at digest {digest}, which is not noted: undo it with `git restore {directory}`"
            cannot_run(plain(f"{said} ({error})"))

    return Audit(state_dir).during(whoever(), "policy_rolled_back", digest, f"it was {before}", undo=undo)


def _sought(to: str, directory: Path, extra: Path | None) -> git_tree.Commit:
    """The latest commit whose tree has a digest; else that of a ref. Exits with 2 when there is none."""
    if (digest := _DIGEST.match(to)) is None:
        return git_tree.read(directory, to)
    found = (each for each in git_tree.history(directory) if digest[1] in _digests(each, extra))
    if (commit := next(found, None)) is None:
        cannot_run(
            f"no commit of the present branch has {directory} at digest {digest[1]}; fetch more of its history, or "
            "name a commit"
        )
    return commit


def _digests(commit: git_tree.Commit, extra: Path | None) -> Iterator[str]:
    """A tree's digest by itself, and with the extra catalog of this machine."""
    yield digest_of(commit.files)
    if extra is not None:
        yield digest_of(commit.files | policy_files.read_extra(extra))


def _names(to: str, commit: git_tree.Commit) -> dict[str, str]:
    place = f"{to}:" if commit.path == "." else f"{to}:{commit.path}/"
    return {name: f"{place}{name}" for name in commit.files}


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
