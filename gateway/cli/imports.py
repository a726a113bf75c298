"""`gateway import`"""

import os
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters import policy_files
from gateway.cli.common import Policies, cannot_run, print_json, settings_of
from gateway.policy.document import Document, render
from gateway.policy.model import Bundle
from gateway.policy.parse import Parsed
from gateway.providers import BASE_URLS
from gateway.review import litellm as theirs
from gateway.review.litellm import reading, written
from gateway.review.litellm.reading import Section
from gateway.review.litellm.values import Imported, Own, Unreadable

app = typer.Typer(help="Carry over what another gateway was configured with.", no_args_is_help=True)
_WORDS = ("deployments", "regions", "statuses")
_LAID = {written.CATALOG: "catalog/litellm.imported.yaml", written.BUDGETS: "policies/litellm-budgets.imported.yaml"}
"""Where files stand while they are checked, so that those of an import before are not hidden by them."""


class Shown(StrEnum):
    """How the command prints its result."""

    text = "text"
    json = "json"


@app.callback()
def _of() -> None:
    """Carry over what another gateway was configured with."""


@app.command()
def litellm(
    config: Annotated[Path, typer.Argument(help="The proxy's config.yaml.", metavar="CONFIG.yaml")],
    keys: Annotated[
        list[Path] | None,
        typer.Option(
            "--keys", help="LiteLLM's answer to GET /key/list?return_full_object=true, as a file; one for each page."
        ),
    ] = None,
    into: Annotated[Path, typer.Option(help="A new or empty folder for what is made.")] = Path("imported"),
    policies: Policies = None,
    format: Annotated[Shown, typer.Option(help="How to print.")] = Shown.text,
) -> None:
    """Make catalog rows, budgets and commands for keys of a LiteLLM config. Nothing else is touched.

    What cannot be carried over is listed, with what to do instead. Exit code 1: there is something on that list, or
    what was made does not go with the policy tree.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        cannot_run(f"{into} is there and not empty; give a new folder with --into")
    whole, listed = _config(config), _keys(keys or [])
    settings = settings_of(policies=policies)
    try:
        tree = policy_files.read_tree(settings.policies)
        shown = {name: str(settings.policies / name) for name in tree}
        parsed = policy_files.parse_tree(tree, shown, settings.extra_catalog)
        if parsed.bundle is None:
            cannot_run(f"{settings.policies} does not load; see `gateway policy check {settings.policies}`")
        imported = theirs.imported(whole, listed, _own(parsed.bundle, tree, whole), _today())
        files = written.files_of(imported)
        laid = {_LAID[name]: text.encode() for name, text in files.items() if name in _LAID}
        shown |= {_LAID[name]: str(into / name) for name in files if name in _LAID}
        checked = policy_files.parse_tree({**tree, **laid}, shown, settings.extra_catalog)
    except policy_files.Unreadable as error:
        cannot_run(str(error))
    _write(into, files)
    _print(imported, files, into, checked, format)
    if imported.notes or checked.bundle is None:
        raise typer.Exit(1)


def _config(path: Path) -> Section:
    config = _read(path)
    parts = []
    try:
        for name in reading.included_in(config):
            parts.append(_read(path.parent / name))
            if reading.included_in(parts[-1]):
                cannot_run(f"{path.parent / name} includes further files; name them all in {path}")
        return reading.together(config, parts)
    except Unreadable as error:
        cannot_run(f"{path}: {error}")


def _read(path: Path) -> Section:
    try:
        return reading.config_in(_bytes(path))
    except Unreadable as error:
        cannot_run(f"{path}: {error}")


def _keys(paths: list[Path]) -> list[Section]:
    found: list[Section] = []
    pages = 1
    for path in paths:
        try:
            listed, of = reading.keys_in(_bytes(path))
        except Unreadable as error:
            cannot_run(f"{path}: {error}")
        found += listed
        pages = max(pages, of)
    if pages > max(1, len(paths)):
        cannot_run(f"there are {pages} pages of keys; give each as a file with --keys (&page=1, &page=2, ...)")
    return found


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(reading.MAX_BYTES + 1)
    except OSError as error:
        cannot_run(f"cannot read {path}: {error.strerror}")


def _own(bundle: Bundle, tree: Mapping[str, bytes], config: Section) -> Own:
    prices = Document("prices.yaml", tree["prices.yaml"]).data if "prices.yaml" in tree else None
    set_there = config.get("environment_variables")
    variables = set_there.items() if isinstance(set_there, dict) else ()
    return Own(
        backends=bundle.backends,
        base_urls=BASE_URLS,
        book=prices["models"] if isinstance(prices, dict) else {},
        words={section: bundle.vocabulary.words(section) for section in _WORDS},
        environment={**os.environ, **{name: value for name, value in variables if isinstance(value, str)}},
    )


def _write(into: Path, files: Mapping[str, str]) -> None:
    try:
        for name, text in files.items():
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            if name == written.COMMANDS:
                path.chmod(0o755)
    except OSError as error:
        cannot_run(f"cannot write {error.filename}: {error.strerror}")


def _print(imported: Imported, files: Mapping[str, str], into: Path, checked: Parsed, format: Shown) -> None:
    counts = {"rows": len(imported.rows), "limits": len(imported.ceilings), "commands": len(imported.commands)}
    if format is Shown.json:
        told = {"into": str(into), "written": list(files), **counts, "keys_from": imported.names, "open": imported.open}
        problems = [str(problem) for problem in checked.problems] if checked.bundle is None else []
        print_json({**told, "notes": msgspec.to_builtins(imported.notes), "problems": problems})
        return
    typer.echo(f"wrote {', '.join(str(into / name) for name in files)}")
    typer.echo(", ".join(f"{count} {what}" for what, count in counts.items()))
    for line in written.said_in_short(imported):
        typer.echo(line)
    if checked.bundle is None:
        typer.echo("laid over the policy tree, it does not load:")
        typer.echo(render(checked.problems, checked.sources))


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
