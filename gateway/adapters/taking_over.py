"""How a state directory and a database that replicas share meet: a new database gets a pepper, and what the first
directory that meets it has in files. A directory that has met one says so in a file; its others are then read no more.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.adapters import budget_store, keys, suspensions
from gateway.adapters.audit import Audit
from gateway.adapters.sqlite_files import SqliteTables
from gateway.adapters.tables import Tables, Unreachable

NAME = "shared"
"""The file that says that a directory has met a database."""

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows of files, by table."""

_FILES = (
    (keys.FILE, keys.MIGRATIONS, ("keys", "former")),
    (suspensions.FILE, suspensions.MIGRATIONS, ("orders",)),
    (budget_store.FILE, budget_store.MIGRATIONS, ("budgets", "rates")),
)
_COUNTED = {"keys": ("keys",), "suspension_orders": ("orders",), "budgets": ("budgets", "rates")}
_IDENTITY = {
    "keys": ("id",),
    "orders": ("backend", "time"),
    "budgets": ("per", "whose", "window"),
    "rates": ("per", "whose", "unit"),
}
_NEW = "SELECT COUNT(*) FROM secrets WHERE name = ?"
_TAKEN = "Taken over"
_SAID = """{how} at {when}: keys, suspensions and budgets are in the database of GATEWAY_DATABASE_URL since then.
{files} and pepper in this directory are as they were and are no longer read: what was
revoked or ended since is not in them. Remove this file to go back to them, or to have a new database take them over.
"""


def meet(tables: Tables, directory: Path, by: str, tell: Callable[..., None]) -> None:
    """Sees that the database has a pepper. One that is new takes over what a directory has that has met none before.

    It is noted as done by `by`, and told as `state_shared`. Raises Unreachable.
    """
    try:
        marker = directory / NAME
        [(made,)] = tables.ask(_NEW, [keys.PEPPER])
        how = "Shared"
        if not made:
            rows = {} if marker.exists() else _rows(directory)
            if any(rows.values()):
                how = _TAKEN if _take_over(tables, directory, by, tell) else how
            else:
                _begin(tables)
        if not marker.exists():
            when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
            marker.write_text(_SAID.format(how=how, when=when, files=", ".join(name for name, *_ in _FILES)))
    except OSError as error:
        raise Unreachable(f"the database at GATEWAY_DATABASE_URL is not used: {error}") from error


def left(tables: Tables, directory: Path) -> Mapping[str, int]:
    """How much a directory has in files that the database does not have, by kind; `revoked_keys` are those that are
    revoked in the files alone. Raises Unreachable."""
    marker = directory / NAME
    if marker.exists() and marker.read_text().startswith(_TAKEN):
        return {}  # what the database does not have of it was removed there
    rows = _rows(directory)
    count = {table: _missing(tables, table, rows.get(table, ())) for table in _IDENTITY}
    found = {kind: sum(count[table] for table in of) for kind, of in _COUNTED.items()}
    if revoked := {line["id"] for line in rows.get("keys", ()) if line["revoked"] is not None}:
        found["revoked_keys"] = sum(id in revoked for (id,) in tables.ask("SELECT id FROM keys WHERE revoked IS NULL"))
    return {kind: number for kind, number in found.items() if number}


def went(directory: Path) -> str:
    """Why files of a directory may not be used by themselves; empty: they may."""
    if not (directory / NAME).exists():
        return ""
    return (
        f"keys, suspensions and budgets of {directory} are in a database; set GATEWAY_DATABASE_URL, or remove"
        f" {directory / NAME} to go back to its files, in which nothing is revoked that was revoked since"
    )


def _begin(tables: Tables) -> None:
    tables.begin()
    try:
        _set_pepper(tables, keys.new_pepper())
        tables.commit()
    except BaseException:
        tables.undo()
        raise


def _take_over(tables: Tables, directory: Path, by: str, tell: Callable[..., None]) -> bool:
    with Audit(directory).during(by, "state_shared", db=tables) as noted:
        rows = _rows(directory)  # whoever changes them holds the trail: a key that was revoked just now stays revoked
        counts = {kind: sum(len(rows.get(table, ())) for table in of) for kind, of in _COUNTED.items()}
        noted.detail = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in counts.items())
        if first := _set_pepper(tables, keys.pepper_of(directory)):
            for table, lines in rows.items():
                for line in lines:
                    _insert(tables, table, line)
        else:
            noted.outcome = "another gateway was first"
    if first:
        tell("state_shared", **counts)
    return first


def _set_pepper(tables: Tables, pepper: bytes) -> bool:
    """False: there is one already."""
    added = "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
    return tables.change(added, [keys.PEPPER, pepper]) == 1


def _insert(tables: Tables, table: str, line: Mapping[str, Any]) -> None:
    tables.change(f"INSERT INTO {table} ({_quoted(line)}) VALUES ({', '.join('?' * len(line))})", list(line.values()))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _missing(tables: Tables, table: str, lines: Sequence[Mapping[str, Any]]) -> int:
    names = _IDENTITY[table]
    if not lines:
        return 0
    known = set(tables.ask(f"SELECT {_quoted(names)} FROM {table}"))
    return sum(tuple(line[name] for name in names) not in known for line in lines)


def _rows(directory: Path) -> Rows:
    """All rows of the files, in their order; orders get new numbers."""
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    for name, migrations, tables in _FILES:
        if (directory / name).exists():
            file = SqliteTables(directory / name, migrations)
            for table in tables:
                names = [each for (each,) in file.ask("SELECT name FROM pragma_table_info(?)", [table])]
                lines = file.ask(f"SELECT * FROM {table} ORDER BY rowid")
                found[table] = [_without_number(dict(zip(names, line, strict=True))) for line in lines]
            file.close()
    return found


def _without_number(line: dict[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in line.items() if name != "number"}
