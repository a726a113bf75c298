"""Recorded answers of real servers: one file each, as the recorder wrote it."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "vectors" / "openai"


@dataclass(frozen=True)
class Recorded:
    """One answer: the request's body as far as the recorder kept it, status, headers and raw body."""

    name: str
    request: dict
    status: int
    headers: dict
    body: bytes

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")


def load(path: Path) -> Recorded:
    head, _, body = path.read_bytes().partition(b"\n\n")
    lines = head.decode().split("\n")
    _, _, text = lines[0].partition(" ")
    try:
        request = json.loads(text.partition(" ")[2])
    except ValueError:
        request = {}  # the recorder cut long requests
    headers = dict(line.split(": ", 1) for line in lines[2:] if ": " in line)
    return Recorded(
        f"{path.parent.name}/{path.stem}",
        request,
        int(lines[1].removeprefix("HTTP ")),
        {name.lower(): value for name, value in headers.items()},
        body,
    )


def all_recorded() -> list[Recorded]:
    return [load(path) for path in sorted(ROOT.glob("*/*.txt"))]
