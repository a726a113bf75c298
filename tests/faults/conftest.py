"""Fixtures: one gateway for all faults of upstreams, in the event loop that all these tests share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.fault_house import TIMEOUT, House, counting_tasks, house, row
from support.faults import FaultUpstream, authority_file, tls
from support.server import free_port


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    directory = tmp_path_factory.mktemp("faults")
    upstream = FaultUpstream()
    ports = {
        "x-known": upstream.listen(context=tls(directory)),
        "x-expired": upstream.listen(context=tls(directory, days=(-3, -1))),
        "x-early": upstream.listen(context=tls(directory, days=(1, 3))),
        "x-other-name": upstream.listen(context=tls(directory, "other.example")),
        "x-own": upstream.listen(context=tls(directory, known=False)),
        "x-dropped": upstream.listen_to_drop(),
        "x-held": upstream.listen_to_hold(),
        "x-plain": upstream.port,
    }
    urls = {name: f"https://localhost:{port}/{name}/v1" for name, port in ports.items()}
    urls["x-refused"] = f"http://127.0.0.1:{free_port()}/x-refused/v1"
    urls["x-nowhere"] = "http://no-such-host.invalid/x-nowhere/v1"
    soon = {**TIMEOUT, "connect": "1s"}
    rows = {name: row(url, region="eu", aliases=[f"after:{name}"], timeout=soon) for name, url in urls.items()}
    rows["z-good"] = row(upstream.url("z-good"), region="eu", aliases=[f"after:{name}" for name in urls])
    patient = {"connect": "5s", "first_byte": "30s", "idle": "30s", "total": "60s"}
    rows |= {name: row(upstream.url(name), region="eu", timeout=patient) for name in ("l0", "l1")}
    settings = {"SSL_CERT_FILE": str(authority_file(directory)), **counting_tasks(directory)}
    async with house(directory, rows, upstream, **settings) as built:
        yield built
        await built.lets_go()
    upstream.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def unharmed(running: House) -> AsyncIterator[None]:
    """After the tests of a module the gateway is as it was: as quick, with as many descriptors and tasks, and not much
    larger."""
    await running.still()
    before = await running.measured()
    yield
    await running.recovers(before)


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(running: House, unharmed: None) -> AsyncIterator[House]:
    """The shared gateway. After each test the books agree, and all backends answer again."""
    await running.begin()
    yield running
    await running.well()
    await running.agree()
