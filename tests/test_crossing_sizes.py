"""Large requests and large answers on every surface: memory stays in proportion, and others hardly wait."""

import json
import os
import threading
import time
from statistics import quantiles
from typing import Self

import psutil
import pytest
from support import crossing
from support.crossing import KINDS, PATHS, WIRES, bearer, body_of, post, script_of, wire_of
from support.server import serving
from support.upstream import STREAM_END, STREAM_HEAD, chunk

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
BODY_BYTES = 31_900_000
"""Just below the largest body that is taken."""

PIECES = 1_000_000 if FULL else 100_000
DELTA_BYTES = 2_000_000
ALL = [
    (surface, kind)
    for surface in PATHS
    for kind in KINDS
    if wire_of(kind, surface) == surface or kind in WIRES or kind == "chat"
]
BODIES = ALL if FULL else [("chat", "chat"), ("messages", "chat"), ("responses", "claude")]
ANSWERS = (
    ALL if FULL else [("chat", "chat"), ("messages", "chat"), ("messages", "own-messages"), ("responses", "claude")]
)
MANY = ALL if FULL else [("chat", "chat"), ("messages", "chat")]


@pytest.fixture(scope="module")
def house(upstream, tmp_path_factory):
    timeout = {"connect": "5s", "first_byte": "30s", "idle": "30s", "total": "60s"}
    with serving(
        tmp_path_factory.mktemp("sizes"), crossing.catalog(upstream, timeout=timeout, context=2**31)
    ) as server:
        server.own = server.key(sensitivity="public")
        yield server


@pytest.fixture(autouse=True)
def scripts(upstream):
    upstream.scripts.clear()
    upstream.seen.clear()
    upstream.scripts["gemini"] = script_of("gemini", streamed=False)  # whom the others ask
    return upstream.scripts


class Beside:
    """Measures, until it ends: how long small requests take, and how much memory the gateway has."""

    def __init__(self, house) -> None:
        self.house = house
        self.process = psutil.Process(house.process.pid)
        self.took: list[float] = []
        self.peak = 0
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask), threading.Thread(target=self._look)]

    def __enter__(self) -> Self:
        self.before = self.process.memory_info().rss
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._done.is_set():
            began = time.perf_counter()
            told = post(self.house.base, PATHS["chat"], body_of("chat", "gemini"), bearer(self.house.own))
            self.took.append(time.perf_counter() - began)
            assert told.status == 200
            time.sleep(0.01)

    def _look(self) -> None:
        while not self._done.is_set():
            self.peak = max(self.peak, self.process.memory_info().rss)
            time.sleep(0.01)

    @property
    def grown(self) -> int:
        return max(0, self.peak - self.before)

    @property
    def worst(self) -> float:
        return quantiles(self.took, n=100)[-1] if len(self.took) > 1 else self.took[0]


def text_of(size: int) -> str:
    """Plain words in which nothing is to be found."""
    return ("the quick brown fox jumps over the lazy dog and " * (size // 48 + 1))[:size]


def waits_little(idle: Beside, beside: Beside) -> None:
    """What is measured within one run: twice as long, and a tenth of a second for what one turn of the loop may take on
    a machine that is shared."""
    assert beside.worst < 2 * idle.worst + 0.1, (idle.worst, beside.worst, max(beside.took), len(beside.took))


@pytest.mark.parametrize(("surface", "kind"), BODIES)
@pytest.mark.alone
def test_a_body_of_the_largest_size(house, scripts, upstream, surface, kind):
    scripts[kind] = script_of(wire_of(kind, surface), streamed=False)
    body = json.dumps(body_of(surface, kind, text_of(BODY_BYTES))).encode()
    with Beside(house) as idle:
        time.sleep(0.5)
    with Beside(house) as beside:
        told = post(house.base, PATHS[surface], body, bearer(house.own))
        time.sleep(0.5)
    assert told.status == 200, told.body[:500]
    assert len(upstream.requests(kind)[0].body) > BODY_BYTES * 0.99
    assert beside.grown < 12 * len(body)
    if wire_of(kind, surface) == surface:
        waits_little(idle, beside)
    else:  # what is translated is so on the event loop, in one go: others wait for that once (docs/performance.md)
        assert max(beside.took) < 2


def spoken(wire: str, pieces: list[str]) -> list:
    """A stream that says these pieces, as a script. It comes as fast as it is taken."""
    whole = crossing.events_of(wire)
    rest = json.dumps(crossing.TEXT[len(crossing.BEGINNING) :])[1:-1].encode()
    at = next(at for at, each in enumerate(whole) if rest in each)
    events = [*whole[:at], *(whole[at].replace(rest, piece.encode()) for piece in pieces), *whole[at + 1 :]]
    return [STREAM_HEAD, *(chunk(b"".join(events[at : at + 200])) for at in range(0, len(events), 200)), STREAM_END]


def check_answer(house, scripts, surface: str, kind: str, pieces: list[str]) -> None:
    scripts[kind] = spoken(wire_of(kind, surface), pieces)
    size = sum(len(step) for step in scripts[kind])
    with Beside(house) as idle:
        time.sleep(0.5)
    with Beside(house) as beside:
        told = post(house.base, PATHS[surface], body_of(surface, kind, stream=True), bearer(house.own))
    assert told.status == 200
    last = told.body if surface == "responses" else told.body[told.body.rindex(b"\n\n", 0, -2000) + 2 :]
    assert crossing.looks_finished(surface, last)
    assert told.body.count(pieces[0].encode()) >= len(pieces)
    assert beside.grown < 8 * size
    if len(beside.took) > 20:
        waits_little(idle, beside)
    assert max(beside.took) < 2


@pytest.mark.parametrize(("surface", "kind"), ANSWERS)
@pytest.mark.alone
def test_one_large_delta(house, scripts, surface, kind):
    check_answer(house, scripts, surface, kind, [text_of(DELTA_BYTES)])


@pytest.mark.parametrize(("surface", "kind"), MANY)
@pytest.mark.alone
def test_many_small_deltas(house, scripts, surface, kind):
    check_answer(house, scripts, surface, kind, ["ab "] * PIECES)
