"""`gateway scan`"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway.adapters import policy_files
from gateway.adapters.desk import Look
from gateway.cli.common import Format, Policies, cannot_run, print_json, settings_of, table
from gateway.core.findings import Leaf, Place, Scan
from gateway.core.labels import join
from gateway.core.terms import BUILT_IN, ScannerTerms
from gateway.sensitivity.classify import found_in

_LOWEST = "public"


def scan(
    file: Annotated[str, typer.Argument(help="What to scan: a text, or a request body in JSON; - reads from input.")],
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help='Lines of {"id", "text"[, "body"]} in, {"id", "label", "findings"} out.')
    ] = False,
    policies: Policies = None,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """Find what must not leave: what it is, where, and what found it. Exit code 1 if there is anything."""
    look = Look(_terms(policies))
    if jsonl:
        _answer_lines(look, sys.stdin.buffer if file == "-" else _opened(file))
        return
    data = sys.stdin.buffer.read() if file == "-" else _opened(file).read()
    document = _document(data)
    scan = look.scanner.scan(document)
    found = found_in(scan, look.kinds)
    rows = [_row(look, scan, place) for place in scan.places if place.finding.kind in look.kinds]
    label = join(_LOWEST, found.level or _LOWEST) if found.known else "unknown"
    if format is Format.json:
        print_json({"label": label, "tags": sorted(found.tags), "opaque": found.opaque, "findings": rows})
    else:
        if rows:
            head = ["where", "kind", "level", "tag", "detector", "read as"]
            typer.echo(table(head, [[str(row[name]) for name in head] for row in rows]) + "\n")
        tags = f", tags {', '.join(sorted(found.tags))}" if found.tags else ""
        opaque = "; some part is an image, a sound or a file, which nobody here can read" if found.opaque else ""
        typer.echo(f"label {label}{tags}{opaque}")
    if rows or not found.known:
        raise typer.Exit(1)


def _terms(policies: Path | None) -> ScannerTerms:
    """What the policy tree says of the scanner; where there is no tree, what is built in."""
    settings = settings_of(policies=policies)
    try:
        parsed = policy_files.parse_files(settings.policies, settings.extra_catalog)
    except policy_files.Unreadable as error:
        if policies is not None:
            cannot_run(str(error))
        return BUILT_IN
    if parsed.bundle is None:
        cannot_run("the policy tree does not load; `gateway policy check` says why")
    return parsed.bundle.sensitivity


def _opened(file: str) -> Any:
    try:
        return Path(file).open("rb")
    except OSError as error:
        cannot_run(f"cannot read {file}: {error.strerror}")


def _document(data: bytes) -> object:
    """A request body where it is one, else a text."""
    if data[:1] in (b"{", b"["):
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    return data.decode("utf-8", "replace")


def _row(look: Look, scan: Scan, place: Place) -> dict[str, object]:
    leaf, finding = scan.leaves[place.leaf], place.finding
    kind = look.kinds[finding.kind]
    return {
        "where": _where(leaf, finding.start, finding.end),
        "kind": kind.name,
        "level": kind.level or "",
        "tag": kind.tag or "",
        "detector": finding.detector,
        "read as": finding.seen,
    }


def _where(leaf: Leaf, start: int, end: int) -> str:
    """A place in words: the member of a body, line and column from 1, and how long it is."""
    before = leaf.text[:start]
    line, column = before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in leaf.path).lstrip(".")
    return f"{path + ' ' if path else ''}{line}:{column}+{end - start}"


def _answer_lines(look: Look, lines: Iterable[bytes]) -> None:
    """Answers line by line. Nothing of a text is in an answer."""
    for line in lines:
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line)
            id, document = item["id"], item["body"] if "body" in item else item["text"]
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError):
            cannot_run('each line is an object with "id" and "text" or "body"')
        scan = look.scanner.scan(document)
        found = found_in(scan, look.kinds)
        said = [
            {"type": place.finding.kind.upper(), "start": place.finding.start, "end": place.finding.end}
            for place in scan.places
            if place.finding.kind in look.kinds
        ]
        label = (found.level or _LOWEST) if found.known else "unknown"
        sys.stdout.write(msgspec.json.encode({"id": id, "label": label, "findings": said}).decode() + "\n")
