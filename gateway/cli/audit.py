"""`gateway audit`"""

import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters import audit, decisions
from gateway.cli.common import Format, StateDir, cannot_run, moment_at, print_json, print_rows, settings_of, table
from gateway.core.chain import Finding, Head, Walk
from gateway.core.steering import plain

app = typer.Typer(
    help="The trail of who did what, and whether it is as it was written. What is kept of decisions is looked at, too.",
    no_args_is_help=True,
)
Output = Annotated[Format, typer.Option("--format", help="How to print.")]
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class Verified(msgspec.Struct, frozen=True):
    """What a walk over all of a trail found. `seen` are those of the digests asked for that hold, `forgets` says if
    decisions went for their age, and with them what was sealed then."""

    acts: Head
    decisions: Head
    findings: tuple[Finding, ...]
    seen: frozenset[bytes]
    forgets: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing was changed, as far as anybody can tell."""
        return not any(finding.breaks for finding in self.findings)


@app.command()
def show(
    since: Annotated[str | None, typer.Option(help="From then on: 7d, or a date (UTC). [default: all]")] = None,
    state_dir: StateDir = None,
    format: Output = Format.table,
) -> None:
    """Show who did what, oldest first."""
    start = 0.0 if since is None else moment_at(since, "--since")
    rows = [record for record in audit.read(_directory(state_dir)) if record.time >= start]
    if format is Format.table:
        head = ["time (UTC)", "who", "act", "object", "outcome", "detail"]
        typer.echo(table(head, [_row(record) for record in rows]))
    else:
        print_rows([msgspec.structs.asdict(row) for row in rows], audit.Record.__struct_fields__, format)


@app.command()
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="DIGEST", help="One that `audit head` printed before. May be given often."),
    ] = None,
    state_dir: StateDir = None,
    format: Output = Format.table,
) -> None:
    """Look whether the trail is as it was written: nothing changed, removed, put elsewhere or cut off.

    Whoever can write all of the state directory can write all of it anew; a head that is kept elsewhere shows that,
    too. Exit code 1: it is broken, and where.
    """
    if bad := [each for each in head or () if not _DIGEST.match(each)]:
        cannot_run(f"cannot read --head {plain(bad[0])}; `gateway audit head` prints 64 hex digits")
    directory = _directory(state_dir)
    found = verified(directory, [bytes.fromhex(each) for each in head or ()])
    why = "what was there then was cut off, or all was written anew"
    if found.forgets:
        why += f"; or it is of decisions that went for their age: a head of those holds {decisions.KEPT_DAYS} days"
    missing = [
        Finding(audit.NAME, 0, "truncated", f"no head {each}: {why}")
        for each in head or ()
        if bytes.fromhex(each) not in found.seen
    ]
    found = msgspec.structs.replace(found, findings=(*found.findings, *missing))
    if format is Format.table:
        for finding in found.findings:
            place = f"{finding.file}:{finding.line}" if finding.line else finding.file
            typer.echo(f"{place} {finding.kind}: {finding.words}")
        typer.echo(
            f"{'whole' if found.holds else 'BROKEN'}: {found.acts.number} acts,"
            f" {found.decisions.number} batches of decisions"
        )
    else:
        print_json({"whole": found.holds, **_heads(found), "findings": msgspec.to_builtins(found.findings)})
    if not found.holds:
        raise typer.Exit(1)


@app.command("head")
def show_head(state_dir: StateDir = None, format: Output = Format.table) -> None:
    """Print the digests of all that is in the trail now, to be kept elsewhere. Exit code 1: it is broken already."""
    found = verified(_directory(state_dir))
    if not found.holds:
        typer.echo("the trail is broken; `gateway audit verify` says where", err=True)
        raise typer.Exit(1)
    if format is Format.table:
        typer.echo(f"acts       {found.acts}\ndecisions  {found.decisions}")
    else:
        print_json(_heads(found))


def verified(directory: Path, heads: Collection[bytes] = ()) -> Verified:
    """Walks all of the trail of a state directory, and looks for these digests."""
    acts, kept = Walk(heads), Walk(heads)
    begun: dict[str, str] = {}
    forgotten: set[str] = set()
    there = decisions.kept(directory)
    for record in audit.follow(directory, acts):
        if record.act == "decisions_begun":
            begun[record.object] = record.detail
        elif record.act == "decisions_forgotten":
            forgotten.add(record.object)
    decisions.follow(directory, kept, begun, forgotten, there)
    findings = (*sorted(acts.findings), *sorted(kept.findings))
    return Verified(acts.head, kept.head, findings, frozenset(acts.seen | kept.seen), bool(forgotten))


def _heads(found: Verified) -> dict[str, object]:
    return {
        name: {"number": head.number, "digest": head.digest.hex()}
        for name, head in (("acts", found.acts), ("decisions", found.decisions))
    }


def _row(record: audit.Record) -> list[str]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.time))
    words = (record.actor, record.act, record.object, record.outcome, record.detail)
    return [when, *(plain(word) or "-" for word in words)]


def _directory(state_dir: Path | None) -> Path:
    directory = settings_of(state_dir=state_dir).state_dir
    if not (directory / audit.NAME).exists() and not (directory / decisions.NAME).exists():
        cannot_run(f"no audit trail in {directory}; set GATEWAY_STATE_DIR or --state-dir")
    return directory
