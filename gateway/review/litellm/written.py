"""What was imported, as text: the files of a policy tree, commands to run, and notes to read."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import msgspec

from gateway.core.steering import plain
from gateway.review.litellm.budgets import usd
from gateway.review.litellm.entries import missing_in
from gateway.review.litellm.values import Command, Imported, Note, Row

CATALOG = "catalog/litellm.yaml"
BUDGETS = "policies/litellm-budgets.yaml"
COMMANDS = "keys.sh"
NOTES = "NOTES.md"

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._@/:-]*\Z")
_SPAN = re.compile(r"[0-9]+(\.[0-9]+)?s\Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_FIELDS = ("provider", "base_url", "api_key", "model", "aliases")
_CATALOG_HEAD = """\
# yaml-language-server: $schema=../.schema/catalog.json
# Made of a LiteLLM config by `gateway import litellm`. Read it, then put it into catalog/ of your policy tree.
# LiteLLM does not know who runs a model, where, and under which terms. A fact that is not written is unknown, and what
# is unknown is held against the request: no `permit` of the shipped policies counts on it, so nothing is sent to a row
# until its facts are filled in. The words are in vocabulary.yaml.
"""
_BUDGETS_HEAD = """\
# yaml-language-server: $schema=../.schema/policies.json
# Made of the budgets of a LiteLLM config by `gateway import litellm`. What has no room left is answered 402.
policy: litellm-budgets
owner: finance
mode: enforce

rules:
"""
_COMMANDS_HEAD = """\
#!/bin/sh
# Made by `gateway import litellm`. LiteLLM keeps only hashes of its keys, so new ones are made: each is printed once.
# Run it where the gateway runs (GATEWAY_STATE_DIR), and hand the keys out.
set -eu
"""


def files_of(imported: Imported) -> dict[str, str]:
    """Every file by its path. What there is nothing for is not written."""
    files = {CATALOG: _catalog(imported.rows)}
    if imported.ceilings:
        files[BUDGETS] = _budgets(imported)
    if imported.commands:
        files[COMMANDS] = _COMMANDS_HEAD + "".join(f"{_command(each)}\n" for each in imported.commands)
    files[NOTES] = _notes(imported, list(files))
    return files


def said_in_short(imported: Imported) -> Iterator[str]:
    """The lines of a summary: what is to be done before it is used, and what was not carried over."""
    if imported.names:
        yield f"keys of backends are taken from: {', '.join(imported.names)}"
    if imported.open:
        ids = ", ".join(map(plain, imported.open))
        of = f"{len(imported.open)} of {len(imported.rows)} rows"
        yield f"facts to fill in, or no shipped permit counts: {of} ({ids})"
    if imported.notes:
        yield f"not carried over as it was ({len(imported.notes)}):"
    for note in imported.notes:
        yield f"  {_said(note, '')}"


def _catalog(rows: Iterable[Row]) -> str:
    blocks = [_row(row) for row in rows]
    return _CATALOG_HEAD + ("backends:\n" + "\n".join(blocks) if blocks else "backends: {}\n")


def _row(row: Row) -> str:
    lines = [f"  {_scalar(row.id)}:"]
    lines += [f"    # {plain(said)}" for said in row.said]
    order = [*_FIELDS, *(field for field in row.fields if field not in _FIELDS)]
    lines += [f"    {field}: {_flow(row.fields[field])}" for field in order if field in row.fields]
    if "price" not in row.fields:
        lines.append("    # price: nobody knows, so it is not asked")
    if missing := missing_in(row.fields):
        lines.append(f"    # to fill in: {', '.join(missing)}")
    return "\n".join(lines) + "\n"


def _budgets(imported: Imported) -> str:
    text, seen = _BUDGETS_HEAD, dict[str, int]()
    for ceiling in imported.ceilings:
        base = "litellm-" + ceiling.key.rpartition(".")[2].replace("_", "-")
        seen[base] = seen.get(base, 0) + 1
        text += f"  - id: {base}{f'-{seen[base]}' if seen[base] > 1 else ''}\n    why: {ceiling.key} of the config.\n"
        text += f"    limit: {{usd: {usd(ceiling.usd)}, per: {ceiling.per}, window: {ceiling.window}}}\n"
    return text


def _command(command: Command) -> str:
    return shlex.join([plain(word) for word in command.words])


def _notes(imported: Imported, files: list[str]) -> str:
    lines = [
        "# From LiteLLM",
        "",
        f"Written: {', '.join(f'`{name}`' for name in files)}.",
        "",
        "## Before you use it",
        "",
    ]
    if imported.names:
        variables = ", ".join(f"`{name}`" for name in imported.names)
        lines.append(f"- Set the variables that keys of backends are taken from: {variables}.")
    if imported.open:
        ids = ", ".join(_code(id) for id in imported.open)
        lines.append(f"- Fill in what LiteLLM does not know of these rows (each says what): {ids}.")
    lines.append("- Copy the files into your policy tree, and run `gateway policy check` and `gateway policy explain`.")
    if imported.commands:
        lines.append(f"- Read `{COMMANDS}`, run it where the gateway runs, and hand the keys out.")
    lines += ["", "## Not carried over as it was", ""]
    lines += [f"- {_said(note, '`')}" for note in imported.notes] or ["Nothing: all of it was carried over."]
    lines += ["", "## Carried over", ""]
    lines += [", ".join(_code(key) for key in imported.carried) + "."] if imported.carried else ["Nothing."]
    return "\n".join(lines) + "\n"


def _said(note: Note, quote: str) -> str:
    where = f" ({', '.join(plain(each) for each in note.where)})" if note.where else ""
    key = plain(note.key).replace("`", "'")
    return f"{quote}{key}{quote}{where}: {plain(note.why)}. {plain(note.do)}"


def _code(text: str) -> str:
    return f"`{plain(text).replace('`', chr(39))}`"


def _flow(value: object) -> str:
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case Decimal():
            return usd(value)
        case str():
            return _scalar(value)
    return msgspec.json.encode(value).decode()


def _scalar(text: str) -> str:
    """Text as YAML reads it back, in quotes only where it must be."""
    if _SPAN.match(text) or _DAY.match(text):
        return text
    if _PLAIN.match(text) and not text.endswith(":") and text.lower() not in _WORDS:
        return text
    return msgspec.json.encode(text).decode()
