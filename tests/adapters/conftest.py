"""Fixtures: the stores of the ledger."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stores import Place, Server, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    try:
        running = postgres()
        found = running.__enter__()
    except Exception as error:  # noqa: BLE001  whatever it is, the reason is told
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
    yield found
    running.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A ledger in each of the stores."""
    return Place(tmp_path, request.getfixturevalue("server").url() if request.param == "postgres" else "")


@pytest.fixture
def shared(server: Server, tmp_path: Path) -> Place:
    """A ledger in PostgreSQL."""
    return Place(tmp_path, server.url())
