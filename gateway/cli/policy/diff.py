"""`gateway policy diff`"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters import git_tree, policy_files
from gateway.cli.common import cannot_run, print_json, settings_of
from gateway.cli.policy.common import Format, print_problems
from gateway.core.steering import plain
from gateway.policy.diff import diff, unapproved
from gateway.policy.document import Mark, Problem, render
from gateway.policy.model import Bundle
from gateway.policy.parse import Parsed
from gateway.review import difference

_BASE = "main"


class Report(StrEnum):
    """How a difference is printed. `github`: annotations of a pull request; `markdown`: a comment in it."""

    text = "text"
    json = "json"
    markdown = "markdown"
    github = "github"


class Side(msgspec.Struct, frozen=True):
    """One version of a tree: what to call it, and the bundle. Its files are called `prefix` and their path."""

    name: str
    bundle: Bundle
    prefix: str = ""


Tree = Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")]
Base = Annotated[
    str | None,
    typer.Option(
        help="Compare with this: a git ref, or a folder with a tree. (default: that of no_new_access, else main)"
    ),
]


def compare(
    policies: Tree = None,
    base: Base = None,
    head: Annotated[
        str | None, typer.Option(help="The newer side, given likewise. (default: the tree as it lies there)")
    ] = None,
    approved_by: Annotated[list[str] | None, typer.Option(help="Who has approved what is newly allowed.")] = None,
    format: Annotated[Report, typer.Option(help="How to print.")] = Report.text,
) -> None:
    """Show what a change changes: who may now send what to whom and could not before, and the other way round."""
    old, new = sides(policies, base, head)
    found = diff(old.bundle, new.bundle)
    broken = unapproved(found, old.bundle, new.bundle, approved_by or ())
    match format:
        case Report.text:
            typer.echo(difference.text(found, broken, old.name, new.name))
        case Report.markdown:
            typer.echo(difference.markdown(found, broken, old.name, new.name))
        case Report.json:
            print_json(difference.data(found, broken, old.name, new.name))
        case Report.github:
            remarks = difference.problems(found, broken)
            print_problems(_in_the_work_tree(remarks, old, new), {}, Format.github)
    if broken:
        raise typer.Exit(1)


def _in_the_work_tree(remarks: Iterable[Problem], old: Side, new: Side) -> Iterator[Problem]:
    """Remarks at the files of a pull request. What stands on the older side only has no line there any more."""
    for remark in remarks:
        file, mark = remark.mark.file, remark.mark
        if old.prefix and file.startswith(old.prefix):
            mark = Mark(file.removeprefix(old.prefix))
        elif new.prefix:
            mark = msgspec.structs.replace(mark, file=file.removeprefix(new.prefix))
        yield msgspec.structs.replace(remark, mark=mark)


def sides(policies: Path | None, base: str | None, head: str | None = None) -> tuple[Side, Side]:
    """Both versions of the tree. Exits with 2 when one cannot be read, with 1 when it would not load."""
    settings = settings_of(policies=policies)
    directory, extra = settings.policies, settings.extra_catalog
    new = _side(head or str(directory), directory, extra)
    if base is None:
        base = next((each.base for each in new.bundle.invariants if each.kind == "no_new_access"), _BASE)
    return _side(base, directory, extra), new


def _side(where: str, directory: Path, extra: Path | None) -> Side:
    """A folder that holds a tree, or is the one spoken of; else a git ref of the repository that this one is in."""
    folder = Path(where)
    try:
        if folder == directory or (folder / "vocabulary.yaml").is_file():
            return Side(where, _loaded(where, policy_files.parse_files(folder, extra)))
        found = git_tree.read(directory, where)
        prefix = f"{where}:"
        place = prefix if found.path == "." else f"{prefix}{found.path}/"
        parsed = policy_files.parse_tree(found.files, {name: f"{place}{name}" for name in found.files}, extra)
    except (policy_files.Unreadable, git_tree.Unreadable) as error:
        cannot_run(plain(str(error)))
    name = f"{where} ({found.id[:10]})"
    return Side(name, _loaded(name, parsed), prefix)


def _loaded(name: str, parsed: Parsed) -> Bundle:
    if parsed.bundle is None:
        typer.echo(render(parsed.problems, parsed.sources), err=True)
        typer.echo(f"\n{plain(name)} would not load, so there is nothing to compare", err=True)
        raise typer.Exit(1)
    return parsed.bundle
