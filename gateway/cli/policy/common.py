"""What the policy commands share: reading a tree, and printing problems so that people and machines can act on them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

import typer

from gateway import __version__
from gateway.adapters import policy_files
from gateway.cli.common import cannot_run, print_json, settings_of
from gateway.policy.document import Problem, Severity, render
from gateway.policy.model import Bundle
from gateway.policy.parse import Parsed

_COMMAND: Mapping[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}
_LEVEL: Mapping[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}


class Format(StrEnum):
    """How a command prints. `github`: annotations of a pull request; `sarif`: for code scanning."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"


class Plain(StrEnum):
    """How a command prints that has nothing to annotate."""

    text = "text"
    json = "json"


def load(policies: Path | None) -> Parsed:
    """The tree that a command speaks of, with its problems. Exits with 2 when it cannot be read."""
    settings = settings_of(policies=policies)
    try:
        return policy_files.load(settings.policies, settings.extra_catalog, settings.policy_key)
    except policy_files.Unreadable as error:
        cannot_run(str(error))


def good(policies: Path | None) -> Bundle:
    """The bundle that a command speaks of. Exits with 1, and says why, when the tree would not load."""
    parsed = load(policies)
    if parsed.bundle is None:
        typer.echo(render(parsed.problems, parsed.sources), err=True)
        raise typer.Exit(1)
    return parsed.bundle


def written(policies: Path | None, *, alone: bool = False) -> tuple[Bundle, dict[str, str]]:
    """The bundle as it is written, with the texts of its files: not proved, its tests not run.

    For commands that say more about a tree that may not be in force yet. `alone`: without the extra catalog of this
    machine. Exits with 2 when it cannot be read, with 1 when it is not well-formed.
    """
    settings = settings_of(policies=policies)
    try:
        parsed = policy_files.parse_files(settings.policies, None if alone else settings.extra_catalog)
    except policy_files.Unreadable as error:
        cannot_run(str(error))
    if parsed.bundle is None:
        typer.echo(render(parsed.problems, parsed.sources), err=True)
        raise typer.Exit(1)
    return parsed.bundle, parsed.sources


def print_problems(problems: Iterable[Problem], sources: Mapping[str, str], format: Format) -> None:
    """Prints problems in one of the forms."""
    found = sorted(set(problems))
    if format is Format.json:
        print_json([_data(problem) for problem in found])
    elif format is Format.sarif:
        print_json(_sarif(found))
    elif format is Format.github:
        for problem in found:
            typer.echo(_annotation(problem))
    elif found:
        typer.echo(render(found, dict(sources)))


def _annotation(problem: Problem) -> str:
    """A problem as a workflow command. What stands in a policy file must not become a command of its own."""
    mark, message = problem.mark, problem.message
    for character, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        message = message.replace(character, escaped)
    file = mark.file.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return (
        f"::{_COMMAND[problem.severity]} file={file},line={mark.line},col={mark.column},title={problem.code}::{message}"
    )


def _data(problem: Problem) -> dict[str, object]:
    mark = problem.mark
    return {
        "file": mark.file,
        "line": mark.line,
        "column": mark.column,
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
    }


def _sarif(problems: list[Problem]) -> dict[str, object]:
    """A SARIF 2.1.0 log with one run."""
    results = [
        {
            "ruleId": problem.code,
            "level": _LEVEL[problem.severity],
            "message": {"text": problem.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": problem.mark.file},
                        "region": {"startLine": problem.mark.line, "startColumn": problem.mark.column},
                    }
                }
            ],
        }
        for problem in problems
    ]
    driver = {
        "name": "gateway policy",
        "version": __version__,
        "rules": [{"id": code} for code in sorted({problem.code for problem in problems})],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
