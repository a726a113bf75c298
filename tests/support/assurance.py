"""What the tests of faults and threats showed: a test names its rows, and says how much it did and what came of it."""

from collections.abc import Callable

import pytest


class Showed:
    """What the tests of one run showed, by row."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[str, str, str]]] = {}

    def add(self, row: str, test: str, amount: str, result: str) -> None:
        self.rows.setdefault(row, []).append((test, amount, result))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SHOWED] = Showed()


_SHOWED = pytest.StashKey[Showed]()


@pytest.fixture
def showed(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Notes what a test with `@pytest.mark.assures(row, ...)` did (`amount`) and what came of it (`result`), in words for
    the table of docs/assurance.md. Called at the end, after everything was asserted."""
    marker = request.node.get_closest_marker("assures")
    assert marker is not None, "say which rows it is for: @pytest.mark.assures('fault 4')"

    def note(amount: str, result: str) -> None:
        for row in marker.args:
            request.config.stash[_SHOWED].add(row, request.node.name, amount, result)

    return note
