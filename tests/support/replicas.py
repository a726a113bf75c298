"""Several gateways on one PostgreSQL and one Valkey, each with a state directory of its own."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from support import stores
from support.server import ROOT, Server

POLICY = """
policy: base
owner: me
mode: enforce
rules:
  - {{id: own, permit: {{to: {{deployment: self_hosted}}}}}}
  - {{id: all-of-us, limit: {{usd: {usd}, per: organisation, window: month, then: deny}}}}
"""


def tree(directory: Path, usd: float) -> Path:
    """A policy tree that lets everything go to machines of our own, up to so many USD a month."""
    (directory / "policies").mkdir(parents=True)
    (directory / "vocabulary.yaml").write_text((ROOT / "routing_policies" / "vocabulary.yaml").read_text())
    (directory / "policies" / "base.yaml").write_text(POLICY.format(usd=usd))
    return directory


@contextlib.contextmanager
def replicas(
    count: int, directory: Path, policies: Path, catalog: Mapping[str, dict], database: str, **settings: str
) -> Iterator[tuple[list[Server], object]]:
    """So many gateways, all of them serving, and the Valkey server between them."""
    with contextlib.ExitStack() as stack:
        valkey = stack.enter_context(stores.valkey())
        shared = {"GATEWAY_VALKEY_URL": stores.url_of(valkey), "GATEWAY_DATABASE_URL": database, **settings}
        servers = [Server(directory / f"{number}", policies, dict(catalog), **shared) for number in range(count)]
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield servers, valkey


def named(servers: list[Server]) -> str:
    """The gateways, as nginx takes them: it goes on asking one that failed."""
    return "".join(f"server 127.0.0.1:{server.port} max_fails=0;" for server in servers)
