"""`gateway policy drill`"""

import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters.decisions import read
from gateway.cli.common import StateDir, cannot_run, print_json, settings_of, table
from gateway.cli.policy.common import written as bundle_of
from gateway.policy.document import suggestion
from gateway.review.drill import Left, Name, Traffic, drill, target, traffic
from gateway.review.example import written
from gateway.review.words import code, escaped, row

_DAY_SECONDS = 86_400.0
_MOST_SHOWN = 5

app = typer.Typer(help="Rehearse what an order would do, before it is given.", no_args_is_help=True)


class Format(StrEnum):
    """How a drill is printed. `markdown` is made to be pasted."""

    text = "text"
    json = "json"
    markdown = "markdown"


class _Result(msgspec.Struct, frozen=True):
    suspended: tuple[str, ...]
    names: tuple[Name, ...]
    days: int
    traffic: tuple[Traffic, ...]

    @property
    def breaks(self) -> bool:
        """Whether somebody would be left with nobody."""
        return any(name.lost for name in self.names)


@app.callback()
def _drill() -> None:
    """Keeps `suspend` a command of its own, since further drills may follow."""


@app.command()
def suspend(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="A backend, or provider:NAME, zone:NAME, origin:NAME (of the operator)."),
    ],
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    days: Annotated[int, typer.Option(min=1, help="So many days of recorded requests are asked again.")] = 7,
    state_dir: StateDir = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.text,
) -> None:
    """Say who would break if backends were suspended. Exit code 1: some requests would have nobody left."""
    bundle, _ = bundle_of(policies)
    ids = target(bundle, what)
    if not ids:
        known = {backend.id for backend in bundle.backends}
        cannot_run(f"`{what}` is no backend, and stands for none{suggestion(what, known)}")
    directory = settings_of(state_dir=state_dir).state_dir
    recorded = read(directory, time.time() - days * _DAY_SECONDS) if directory.is_dir() else iter(())
    result = _Result(ids, drill(bundle, ids), days, traffic(bundle, ids, recorded))
    if format is Format.json:
        print_json(result)
    else:
        typer.echo("\n".join(_markdown(result) if format is Format.markdown else _text(result)))
    if result.breaks:
        raise typer.Exit(1)


def _text(result: _Result) -> Iterator[str]:
    yield f"suspending {', '.join(result.suspended)}"
    for name in result.names:
        yield f"\n{name.name}: {_who(name)}"
        for left in name.lost[:_MOST_SHOWN]:
            yield f"    nobody is left for {_class(left)}"
            yield f"        for example `request: {written(left.example)}`"
        if len(name.lost) > _MOST_SHOWN:
            yield f"    ... and {len(name.lost) - _MOST_SHOWN} more (--format json has all)"
    yield ""
    if result.traffic:
        yield f"recorded requests of the last {result.days} days:"
        yield table(["team", "all", "another backend", "nobody"], _rows(result))
        yield ""
    yield _summary(result)


def _markdown(result: _Result) -> Iterator[str]:
    yield f"### Suspending {', '.join(map(code, result.suspended))}"
    yield f"\n{_summary(result)}\n"
    yield row(["model", "who is left", "nobody is left for"])
    yield row(["---"] * 3)
    for name in result.names:
        lost = [f"{escaped(_class(left))} ({code(written(left.example))})" for left in name.lost[:_MOST_SHOWN]]
        lost += ["…"] if len(name.lost) > _MOST_SHOWN else []
        yield row([code(name.name), escaped(_who(name)), "<br>".join(lost) or "-"])
    if result.traffic:
        yield f"\nRecorded requests of the last {result.days} days:\n"
        yield row(["team", "all", "another backend", "nobody"])
        yield row(["---", "---:", "---:", "---:"])
        yield from (row(map(escaped, cells)) for cells in _rows(result))


def _who(name: Name) -> str:
    """Who may serve a name, before and after."""
    if not name.before:
        return "nobody serves it now either"
    said = f"{len(name.after)} of {len(name.before)} backends left" if name.after else "no backend left"
    if 0 < len(name.after) <= _MOST_SHOWN:
        said += f": {', '.join(name.after)}"
    return said + (f" (takes over: {', '.join(name.substitutes)})" if name.substitutes else "")


def _class(left: Left) -> str:
    words = [f"{attribute} {word}" for attribute, word in left.words.items()]
    words += [f"needs {left.needs}"] if left.needs else []
    return "; ".join(words) or "any request"


def _rows(result: _Result) -> list[list[str]]:
    return [[each.team, str(each.requests), str(each.elsewhere), str(each.nobody)] for each in result.traffic]


def _summary(result: _Result) -> str:
    broken = sum(bool(name.lost) for name in result.names)
    names = f"{broken} of {len(result.names)} model names would have requests that nobody serves"
    if not broken:
        names = "every request that could be served still can be"
    if not result.traffic:
        return f"{names}; no requests of the last {result.days} days are recorded here"
    return f"{names}; {sum(each.nobody for each in result.traffic)} recorded requests would have nobody"
