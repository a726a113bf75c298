"""What is said of a set-up: each check, for what is well and for each thing that is not."""

import pytest

from gateway.core.catalog import Backend
from gateway.review.doctor import CHECKS, Database, Disk, Seen, Store, diagnose


def row(
    id: str, url: str = "https://x/v1", key: str | None = "env:A_KEY", price: object = True, **more: object
) -> Backend:
    return Backend(id, "openai", url, id, {"status": "active"} | more, key_ref=key, price=price)


GOOD = Seen(backends=(row("a"),))
KUBE = {"orchestrator": "kubernetes", "drain_seconds": 5}
OPEN = {"admin_host": "0.0.0.0", "admin_is_loopback": False}


def seen(**more: object) -> Seen:
    return Seen(**{"backends": (row("a"),), **more})


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_well_is_told_as_such_without_advice(check):
    (said,) = [each for each in diagnose(GOOD) if each.about == check]
    assert (said.level, said.advice) == ("ok", "")


ROWS = [
    ("names of settings", seen(settings=("GATEWAY_PORT",), unknown=("GATEWAY_PROT",)), "warning", "did you mean `GATEWAY_PORT`"),
    ("policies", seen(tree="a.yaml:1:2: bad"), "problem", "a.yaml:1:2: bad"),
    ("policies", seen(stale=True), "warning", "older tree"),
    ("backends", seen(backends=()), "problem", "no backend is offered: none has a price"),
    ("backends", seen(missing={"a": "A_KEY is not set"}), "problem", "no backend is offered: A_KEY is not set"),
    ("backends", seen(backends=(row("a", price=None),)), "problem", "none has a price and is in use"),
    ("backends", seen(backends=(row("a", status="retired"),)), "problem", "none has a price and is in use"),
    ("backends", seen(backends=(row("a"), row("b")), missing={"b": "the file that B_FILE names is missing or empty"}), "warning", "1 of 2 backends are offered; the file that B_FILE"),
    ("backends", seen(backends=(row("a"), row("b")), missing={"b": "B is not set"}), "ok", "1 of 2 backends are offered"),
    ("backends", seen(backends=tuple(row(f"{n}") for n in range(7)), missing={f"{n}": f"K{n} is not set" for n in range(7)}), "problem", "K4 is not set and 2 more"),
    ("backends", seen(tree="bad", backends=()), "warning", "not looked at"),
    ("keys in the clear", seen(backends=(row("a", "http://10.0.0.1:8000/v1"),)), "warning", "in the clear to a"),
    ("keys in the clear", seen(backends=(row("a", "http://127.0.0.1.evil.example/v1"),)), "ok", ""),
    ("keys in the clear", seen(backends=(row("a", "http://localhost.evil.example/v1"),)), "warning", "in the clear to a"),
    ("keys in the clear", seen(backends=(row("a", "http://localhost:8000/v1"), row("b", "http://[::1]:1/v1"))), "ok", ""),
    ("keys in the clear", seen(backends=(row("a", "http://10.0.0.1/v1", None),)), "ok", ""),
    ("keys in the clear", seen(backends=(row("a", "http://10.0.0.1/v1"),), missing={"a": "not set"}), "ok", ""),
    ("state directory", seen(disk=Disk(problem="cannot write to /x")), "problem", "cannot write to /x"),
    ("state directory", seen(disk=Disk(mode=0o755)), "problem", "mode 0755"),
    ("state directory", seen(disk=Disk(mode=0o770)), "ok", ""),
    ("state directory", seen(disk=Disk(filesystem="nfs4")), "problem", "nfs4"),
    ("room on disk", seen(disk=Disk(free_bytes=10**9)), "warning", "1.0 GB are free"),
    ("replicas", seen(disk=Disk(taken=True), ports={"GATEWAY_PORT": "free"}), "problem", "another gateway runs"),
    ("replicas", seen(disk=Disk(taken=True), ports={"GATEWAY_PORT": "ours"}), "ok", "a gateway runs on it"),
    ("ports", seen(ports={"GATEWAY_PORT": "Address already in use"}), "problem", "GATEWAY_PORT: Address already in use"),
    ("ports", seen(ports={"GATEWAY_PORT": "ours", "GATEWAY_ADMIN_PORT": "ours"}), "ok", "a gateway answers there"),
    ("database", seen(database=Database("it cannot be reached: no")), "problem", "it cannot be reached"),
    ("database", seen(database=Database(version=12)), "problem", "PostgreSQL 12 is too old"),
    ("database", seen(database=Database(version=18, may_create=False)), "problem", "may not make tables"),
    ("database", seen(database=Database(version=18, clock_seconds=-61.0)), "warning", "-61 s off"),
    ("database", seen(database=Database(version=18, milliseconds=80.0)), "warning", "80.0 ms"),
    ("database", seen(database=Database(version=18, milliseconds=0.4)), "ok", "PostgreSQL 18 answers in 0.4 ms"),
    ("database", seen(went="keys are in a database"), "problem", "keys are in a database"),
    ("database", seen(went="x", database=Database(version=18)), "ok", ""),
    ("optional parts", seen(hindered=("GATEWAY_OTEL_ENDPOINT is set: no",)), "problem", "no gateway starts: GATEWAY_OTEL"),
    ("keys of callers", seen(keys=None), "warning", "not looked at"),
    ("admin listener", seen(**OPEN, keys=None), "warning", "not looked at"),
    ("admin listener", seen(**OPEN, keys=None, scrape_token=True), "ok", "nothing else"),
    ("valkey", seen(store=Store("it cannot be used: no")), "problem", "it cannot be used"),
    ("valkey", seen(store=Store(version="Valkey 9", persists=False)), "warning", "keeps nothing on disk"),
    ("valkey", seen(store=Store(version="Valkey 9", milliseconds=50)), "warning", "50.0 ms"),
    ("keys of callers", seen(keys=0), "warning", "nobody can call"),
    ("admin listener", seen(**OPEN), "problem", "nothing guards it"),
    ("admin listener", seen(**OPEN, scrape_token=True), "ok", "nothing else"),
    ("admin listener", seen(**OPEN, admin_key=True, admin_made=True), "ok", "a key is wanted"),
    ("admin listener", seen(**OPEN, admin_made=True), "problem", "its last key has ended"),
    ("admin listener", seen(admin_made=True), "problem", "its last key has ended"),
    ("admin listener", seen(**KUBE), "warning", "does not reach it"),
    ("scrape token", seen(**OPEN, admin_key=True), "warning", "there is no scrape token"),
    ("end of the process", seen(orchestrator="kubernetes"), "warning", "before its proxies know"),
    ("end of the process", seen(**KUBE), "ok", "draining 5 s of 25 s"),
    ("end of the process", seen(**KUBE, grace_seconds=30), "warning", "terminationGracePeriodSeconds"),
    ("end of the process", seen(orchestrator="container"), "warning", "stop_grace_period"),
    ("end of the process", seen(orchestrator="container", grace_seconds=8), "ok", ""),
    ("open files", seen(descriptors=1024), "warning", "4000 calls take up to 8064"),
    ("open files", seen(descriptors=-1), "ok", "any number"),
    ("core dumps", seen(dumps=True), "ok", "forbids them for itself"),
    ("proxies", seen(proxies=("HTTPS_PROXY",)), "warning", "HTTPS_PROXY is set; calls to backends go directly"),
    ("clock", seen(now=0.0), "problem", "years behind"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "given", "level", "words"), ROWS)
def test_a_check_says_what_is_wrong_and_what_to_do(about, given, level, words):
    (said,) = [each for each in diagnose(given) if each.about == about]
    assert (said.level, words in said.words) == (level, True), said
    assert bool(said.advice) == (level != "ok") or "not looked at" in said.words


def test_every_check_has_a_row_that_is_not_well():
    assert {about for about, _, level, _ in ROWS if level != "ok"} | {"core dumps"} == {*CHECKS}
