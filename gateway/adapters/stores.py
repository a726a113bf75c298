"""Where things are kept: in PostgreSQL if there is a URL, else in files of the state directory."""

from collections.abc import Callable
from pathlib import Path

from gateway.adapters.journal import Durability
from gateway.adapters.ledger_rows import Store
from gateway.adapters.ledger_sqlite import SqliteStore
from gateway.adapters.state import StateTaken
from gateway.adapters.tables import Tables
from gateway.adapters.taking_over import meet, went


def store_of(state_dir: Path, database_url: str = "", durability: Durability = "process") -> Store:
    """The store of the ledger, ready to be written to. Nothing is connected to before it is."""
    if database_url:
        # a tenth of a second that only those pay who need it
        from gateway.adapters.ledger_postgres import PostgresStore

        return PostgresStore(database_url)
    return SqliteStore(state_dir / "ledger.sqlite", durability)


def shared_of(state_dir: Path, database_url: str, by: str, tell: Callable[..., None]) -> Tables | None:
    """The tables that replicas share; None: there are none, and files of the state directory are used.

    Nothing is connected to before they are asked. `by` does what is done when directory and database first meet, and
    `tell` is told of it (see `taking_over.meet`). Raises StateTaken for files that are no longer to be used.
    """
    if not database_url:
        if why := went(state_dir):
            raise StateTaken(why)
        return None
    # a tenth of a second that only those pay who need it
    from gateway.adapters.tables_postgres import PostgresTables

    return PostgresTables(database_url, lambda tables: meet(tables, state_dir, by, tell))
