"""What is seen of a machine and of real stores; none of it changes anything, and nothing of a URL is told."""

import fcntl
import socket
import time

import pytest
from support.server import free_port
from support.stores import NO_VALKEY, valkey

from gateway.adapters import looks, state
from gateway.adapters.keys import Keys
from gateway.adapters.stores import shared_of


def test_a_state_directory_that_is_not_there_is_not_made(tmp_path):
    seen = looks.disk(tmp_path / "none" / "state")
    assert (seen.problem, seen.mode, seen.taken, (tmp_path / "none").exists()) == ("", 0o700, False, False)
    assert seen.free_bytes > 0


def test_a_state_directory_is_seen_as_it_is(tmp_path):
    tmp_path.chmod(0o755)
    assert looks.disk(tmp_path).mode == 0o755
    with (tmp_path / "lock").open("w") as lock:
        assert not looks.disk(tmp_path).taken
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert looks.disk(tmp_path).taken
    assert looks.disk(tmp_path / "lock").problem == f"cannot write to {tmp_path / 'lock'}"


def test_whose_a_port_is(gateway):
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        assert "in use" in looks.port("127.0.0.1", taken.getsockname()[1], "/healthz")
    assert looks.port("127.0.0.1", free_port(), "/healthz") == "free"
    assert looks.port("127.0.0.1", gateway.port, "/healthz") == "ours"
    assert looks.port("127.0.0.1", gateway.admin_port, "/admin/policies") == "ours"
    assert looks.port("192.0.2.1", 80, "/healthz") not in ("free", "ours")
    assert looks.answer("127.0.0.1", gateway.port, "/readyz")["status"] == "ready"


def test_a_database_is_asked(postgres_server):
    seen = looks.database(postgres_server.url())
    assert (seen.problem, seen.may_create) == ("", True)
    assert seen.version >= 13
    assert abs(seen.clock_seconds) < 5
    assert 0 < seen.milliseconds < 1000


def test_a_database_in_which_nothing_may_be_made_is_seen(postgres_server):
    url = postgres_server.url()
    postgres_server.ask("CREATE ROLE narrow LOGIN")  # who owns nothing may not make tables in `public`, since 15
    seen = looks.database(url.replace("postgres:@", "narrow:@"))
    assert (seen.problem, seen.may_create) == ("", False)


def test_keys_in_a_database_are_counted_and_nothing_is_made_for_it(postgres_server, tmp_path):
    url = postgres_server.url()
    seen = looks.database(url)
    assert (seen.problem, seen.keys, seen.admin_key) == ("", None, False)  # no gateway has been here
    assert looks.database(url).keys is None
    keys = Keys(state.prepare(tmp_path / "a"), shared_of(tmp_path / "a", url, "me", print))
    ids = [keys.create(team="t", app="a")[0] for _ in range(3)]
    keys.create(team="t", app="a", expires=1.0)
    keys.revoke(ids[0])
    seen = looks.database(url)
    assert (seen.keys, seen.admin_key, seen.admin_made) == (2, False, False)
    ended, _ = keys.create(team="t", app="a", scopes=["admin:read"])
    seen = looks.database(url)
    assert (seen.keys, seen.admin_key, seen.admin_made) == (3, True, True)
    keys.revoke(ended)
    keys.close()
    seen = looks.database(url)
    assert (seen.keys, seen.admin_key, seen.admin_made) == (2, False, True)


@pytest.mark.parametrize("scheme", ["postgresql", "valkey"])
def test_a_store_that_is_not_there_is_told_without_its_password(scheme):
    url = f"{scheme}://user:hush-hush@127.0.0.1:{free_port()}/0"
    seen = looks.database(url) if scheme == "postgresql" else looks.store(url)
    assert seen.problem.startswith("it cannot be")
    assert "hush" not in seen.problem


@pytest.mark.skipif(bool(NO_VALKEY), reason=NO_VALKEY)
@pytest.mark.parametrize(("config", "persists"), [({}, False), ({"appendonly": "yes"}, True), ({"save": "60 1"}, True)])
def test_a_valkey_is_asked(config, persists):
    with valkey(**config) as server:
        seen = looks.store(f"valkey://127.0.0.1:{server.port}/0")
    assert (seen.problem, seen.persists) == ("", persists)
    assert seen.version.startswith("Valkey ")


@pytest.mark.skipif(bool(NO_VALKEY), reason=NO_VALKEY)
def test_a_valkey_whose_configuration_is_not_told_is_not_said_to_keep_nothing():
    with valkey(**{"rename-command": 'CONFIG ""'}) as server:
        seen = looks.store(f"valkey://127.0.0.1:{server.port}/0")
    assert (seen.problem, seen.persists) == ("", True)


@pytest.mark.parametrize("scheme", ["postgresql", "valkey"])
def test_a_store_that_never_answers_is_not_waited_for(scheme):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://user:hush-hush@127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        seen = looks.database(url) if scheme == "postgresql" else looks.store(url)
    assert seen.problem.startswith("it cannot be")
    assert time.monotonic() - began < 10


@pytest.mark.skipif(bool(NO_VALKEY), reason=NO_VALKEY)
def test_a_valkey_that_forgets_is_told_as_the_gateway_would():
    with valkey(maxmemory="100mb", **{"maxmemory-policy": "allkeys-lru"}) as server:
        assert "allkeys-lru" in looks.store(f"valkey://127.0.0.1:{server.port}/0").problem


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"kubernetes"}), ({}, {"", "container"})],
)
def test_what_runs_it(environment, expected):
    assert looks.orchestrator(environment) in expected


def test_proxies_are_named_and_not_shown():
    given = {"HTTPS_PROXY": "http://u:p@x", "http_proxy": "y", "no_proxy": "z", "ALL_PROXY": ""}
    assert looks.proxies(given) == ("HTTPS_PROXY", "http_proxy")


def test_the_limits_of_this_process_are_read():
    assert looks.descriptors() == -1 or looks.descriptors() > 0
    assert looks.dumps() in (True, False)
