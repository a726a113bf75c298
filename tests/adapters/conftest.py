"""Fixtures: the stores of the ledger, and of what replicas agree on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stores import Agreeing, Place, Server


@pytest.fixture(scope="session")
def server(postgres_server: Server) -> Server:
    """The PostgreSQL server."""
    return postgres_server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A ledger in each of the stores."""
    return Place(tmp_path, request.getfixturevalue("postgres_server").url() if request.param == "postgres" else "")


@pytest.fixture
def shared(postgres_server: Server, tmp_path: Path) -> Place:
    """A ledger in PostgreSQL."""
    return Place(tmp_path, postgres_server.url())


@pytest.fixture(params=["sqlite", "postgres"])
def agreeing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agreeing]:
    """Opens keys, suspensions or budgets: of a state directory, and of a database."""
    url = request.getfixturevalue("postgres_server").url() if request.param == "postgres" else ""
    found = Agreeing(tmp_path, url)
    yield found
    found.close()
