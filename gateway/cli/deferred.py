"""Commands that are imported when they are named: `keys list` should not wait for the detectors."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand
from typer.main import get_command, get_group


def defer(app: typer.Typer, package: str, commands: Mapping[str, tuple[str, str]]) -> None:
    """Adds commands and groups by name: where each is in the package (`module:attribute`), and what a list of commands
    says of it, which is how its own help begins."""
    for name, (where, help) in commands.items():
        _add(app, name, f"{package}.{where}", help)


def _add(app: typer.Typer, name: str, where: str, help: str) -> None:
    class Deferred(TyperCommand):
        """Knows its name and its place, and becomes the command itself when that is called."""

        def make_context(self, *arguments: Any, **more: Any) -> Any:
            return _loaded(name, where).make_context(*arguments, **more)

    app.command(name, cls=Deferred, help=help)(_never)


def _loaded(name: str, where: str) -> Any:
    module, _, attribute = where.partition(":")
    found: typer.Typer | Callable[..., None] = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return get_group(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)


def _never() -> NoReturn:
    raise AssertionError("the command itself is run in place of this")
