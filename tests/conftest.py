"""Fixtures: the scripted upstream, one gateway for all tests that need no special one, and the real model."""

import contextlib
import gc
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest
from hypothesis import settings
from support import stores
from support.server import Server, backend, free_port, serving
from support.upstream import Upstream

from gateway.adapters import demo_model
from gateway.core.catalog import CAPABILITIES

pytest_plugins = ["support.assurance"]

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # gateways are started by the hundred: each would be compiled anew

gc.disable()  # until all tests are read: nothing of it is garbage

settings.register_profile("any machine", deadline=None)  # how long an example takes says nothing on a busy one
settings.load_profile("any machine")


PURE = ("core", "policy", "providers", "review", "routing", "sensitivity", "surfaces", "vectors", "mutation")
"""Rooms whose tests are many and short."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts gateways comes first: of tests that run side by side, short ones fill up the end."""
    items.sort(key=lambda item: item.path.relative_to(item.config.rootpath).parts[1] in PURE)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Who only hands tests out to others reads none."""
    if session.config.getoption("dist", "no") != "no":
        gc.enable()


def pytest_collection_finish() -> None:
    """Twenty thousand tests are never looked through again, and the rest as seldom as in a gateway: a fifth of the CPU."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


SCRIPTED = ("a", "b", "c")
"""Names of the scripted backends of the shared gateway. `a` and `b` form the group `pair`, all three the group `all`."""


@pytest.fixture(scope="session")
def shared_gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    timeout = {"connect": "1s", "first_byte": "1s", "idle": "1s", "total": "5s"}
    everything = ["chat", "tools", "vision", "json_schema", "logprobs"]
    catalog = {
        name: backend(
            upstream.url(name),
            timeout=timeout,
            capabilities=everything,
            aliases=["all", "pair"] if name != "c" else ["all"],
            max_output=1000,
        )
        for name in SCRIPTED
    }
    catalog["small"] = backend(upstream.url("small"), context=100)
    catalog["away"] = backend(
        upstream.url("away"), deployment="vendor_api", zone="us-vendors", trains_on_data="never", audience="anyone"
    )
    catalog["every"] = backend(
        upstream.url("every"), capabilities=list(CAPABILITIES), timeout=timeout, max_output=1000, context=100_000
    )
    catalog["keyless"] = backend(upstream.url("keyless"), api_key="env:GATEWAY_TEST_NO_SUCH_KEY")
    catalog["unpriced"] = {name: value for name, value in backend(upstream.url("unpriced")).items() if name != "price"}
    catalog["down"] = backend(f"http://127.0.0.1:{free_port()}/v1", timeout=timeout)
    with serving(tmp_path_factory.mktemp("gateway"), catalog) as server:
        yield server


@pytest.fixture(scope="session")
def key(shared_gateway: Server) -> str:
    return shared_gateway.key(sensitivity="public")


@pytest.fixture
def gateway(shared_gateway: Server, upstream: Upstream) -> Server:
    shared_gateway.ask_again(("down", *upstream.scripts))
    upstream.scripts.clear()
    upstream.seen.clear()
    return shared_gateway


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of a real Valkey server that tests share, one after the other."""
    with stores.valkey() as server:
        yield stores.url_of(server)


@pytest.fixture(scope="session")
def llama() -> Iterator[str]:
    """The base URL of a real llama.cpp server with real weights."""
    if demo_model.weights() is None:
        pytest.skip("the demo model is not installed (make test installs it where it can)")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.adapters.demo_model", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[stores.Server]:
    try:
        running = stores.postgres()
        found = running.__enter__()
    except Exception as error:  # noqa: BLE001  whatever it is, the reason is told
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
    yield found
    running.__exit__(None, None, None)
