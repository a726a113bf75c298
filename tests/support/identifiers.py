"""What the tables of identifiers are tested with: each row by itself, so that no other row answers for it."""

from gateway.sensitivity.lexicon import Lexicon
from gateway.sensitivity.shapes import DENIALS, Identifier, Table
from gateway.sensitivity.sight import Sight


def finds(row: Identifier, text: str, key: str = "") -> bool:
    """Whether a row finds anything in a text."""
    table = Table((row,), Lexicon((row.words, DENIALS)))
    return any(True for _ in table.find(Sight(text, key)))


def wrong(rows: tuple[Identifier, ...], cases: dict[str, tuple[str, str]]) -> list[str]:
    """The rows that miss their own case, that find what they must not, or that have no case at all."""
    by_id = {row.id: row for row in rows}
    assert len(by_id) == len(rows), "an id twice"
    return [
        *(f"{name} misses {has!r}" for name, (has, _) in cases.items() if not finds(by_id[name], has)),
        *(f"{name} finds {has_not!r}" for name, (_, has_not) in cases.items() if finds(by_id[name], has_not)),
        *(f"{name} has no case" for name in by_id.keys() - cases.keys()),
    ]
