"""Where the ledger is kept: in PostgreSQL if there is a URL, else in a file of the state directory."""

from pathlib import Path

from gateway.adapters.journal import Durability
from gateway.adapters.ledger_rows import Store
from gateway.adapters.ledger_sqlite import SqliteStore


def store_of(state_dir: Path, database_url: str = "", durability: Durability = "process") -> Store:
    """The store, ready to be written to. Nothing is connected to before it is."""
    if database_url:
        # a tenth of a second that only those pay who need it
        from gateway.adapters.ledger_postgres import PostgresStore

        return PostgresStore(database_url)
    return SqliteStore(state_dir / "ledger.sqlite", durability)
