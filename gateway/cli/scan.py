"""`gateway scan`"""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.core.labels import join
from gateway.sensitivity.detectors import DETECTORS
from gateway.sensitivity.kinds import KINDS
from gateway.sensitivity.scan import Scanner


def scan(
    file: Annotated[Path, typer.Argument(help="The text to scan, - for standard input.")], jsonl: bool = False
) -> None:
    """Find what must not leave in a text: what, where and why."""
    scanner = Scanner(DETECTORS)
    for line in sys.stdin.buffer:
        item = msgspec.json.decode(line)
        scan = scanner.scan(item["body"] if "body" in item else item["text"])
        found = [each.finding for each in scan.places]
        levels = [KINDS[each.kind].level for each in found]
        label = join("public", *(level for level in levels if level))
        said = [{"type": each.kind.upper(), "start": each.start, "end": each.end} for each in found]
        sys.stdout.write(msgspec.json.encode({"id": item["id"], "label": label, "findings": said}).decode() + "\n")
