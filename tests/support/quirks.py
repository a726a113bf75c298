"""What providers do otherwise, as vectors: what a client sends, what is sent on, what comes back, what the client sees.

A file has sections that begin with `>>> NAME WORDS`: `client` (body), `sent` (body; `model` is `served` there unless
the word says another), `back` (raw bytes; the word is `stream` or `whole`), `shown` (raw bytes), `usage` (buckets),
`dropped` (names), `failed` (a kind of failure).
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "vectors" / "quirks"


@dataclass(frozen=True)
class Quirk:
    """One vector."""

    name: str
    model: str
    client: bytes
    sent: bytes
    streamed: bool
    back: bytes
    shown: bytes
    usage: dict[str, int]
    dropped: tuple[str, ...]
    failed: str

    @property
    def provider(self) -> str:
        return self.name.split("/")[0]


def load(path: Path) -> Quirk | None:
    raw = path.read_bytes()
    if not raw.startswith(b">>> client"):
        return None
    parts = {}
    for name, words, body in re.findall(rb">>> (\w+) ?([^\n]*)\n(.*?)(?=>>> |\Z)", raw, re.DOTALL):
        parts[name.decode()] = words.decode(), body
    usage = {name: int(figure) for name, figure in (each.split("=") for each in parts["usage"][0].split())}
    kind, back = parts["back"]
    return Quirk(
        f"{path.parent.name}/{path.stem}",
        parts["sent"][0] or "served",
        parts["client"][1].strip(),
        parts["sent"][1].strip(),
        kind == "stream",
        back,
        parts["shown"][1],
        usage,
        tuple(parts["dropped"][0].split()),
        parts["failed"][0],
    )


def all_quirks() -> list[Quirk]:
    found = (load(path) for path in sorted(ROOT.glob("*/*.txt")))
    return [each for each in found if each is not None]
