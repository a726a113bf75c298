"""The optional recogniser, Presidio, in a process of its own. What it finds is told, and decides nothing.

It sees what the first call of a request sends, so nothing that was taken out before. No request waits for it: a text
that it has no time for is left out.
"""

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

import msgspec

from gateway.adapters.worker import Worker, answer
from gateway.core.catalog import Endpoint
from gateway.core.permit import Permit
from gateway.ports import Headers, Opened, Upstreams
from gateway.sensitivity.walk import walk

MOST_BYTES = 100_000
"""A larger body is left out: it would take the process ten seconds."""
MOST_SECONDS = 60.0
"""To load the model may take ten seconds on a busy machine, and a text as long."""

Counts = tuple[tuple[str, int], ...]
"""How many there are of each kind. Kinds are Presidio's own, in lower case."""

_NICE = 19  # everybody goes first
_LEAST_SCORE = 0.4  # what Presidio gives to a number of the right form when a word near it says what it is
_CODE = "from gateway.adapters.recognizer import main; main()"
_OUTWARDS = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"}
)


def missing() -> str | None:
    """What has to be installed before there can be a recogniser; None: nothing. Loads none of it."""
    if find_spec("presidio_analyzer") is None:
        return "it needs the `presidio-analyzer` package: pip install 'gateway[presidio]'"
    if not _models():
        return "it needs a spaCy model to find names with: python -m spacy download en_core_web_sm"
    return None


class Recognizer:
    """The server's side: one text at a time, and one that waits.

    `found` is told the id of a request and what was found in it; `skipped`, of each text that was left out, why: empty
    when it was too large or came too soon, else what went wrong.
    """

    def __init__(self, found: Callable[[str, Counts], None], skipped: Callable[[str], None]) -> None:
        self._found = found
        self._skipped = skipped
        self._worker = Worker(_CODE, MOST_SECONDS)
        self._working: asyncio.Task[None] | None = None
        self._waiting: tuple[str, bytes] | None = None

    def start(self) -> None:
        """Starts the process, which stops the loop for some 15 ms: no request should have to wait for that."""
        self._working = asyncio.create_task(self._work("", b"{}"))

    def offer(self, id: str, body: bytes) -> None:
        """Takes the body of a request, if there is time for it. Never waits and never raises."""
        if len(body) > MOST_BYTES or self._waiting is not None:
            self._skipped("")
        elif self._working is None:
            self._working = asyncio.create_task(self._work(id, body))
        else:
            self._waiting = id, body

    async def close(self) -> None:
        """Ends the process, if there is one, whatever it is at."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        await self._worker.close()

    async def _work(self, id: str, body: bytes) -> None:
        await self._look(id, body)
        while (waiting := self._waiting) is not None:
            self._waiting = None
            await self._look(*waiting)
        self._working = None

    async def _look(self, id: str, body: bytes) -> None:
        try:
            [told] = await self._worker.ask(lambda: [body])
            answer = _ANSWER.decode(told)
        except Exception as error:  # noqa: BLE001  whatever it is, no request depends on it
            answer = _Answer(error=str(error) or type(error).__name__)
        if answer.error:
            self._skipped(answer.error)
        elif id:  # else it was only started
            self._found(id, answer.kinds)


_NO_HEADERS: Headers = []


class Recognized:
    """The `Upstreams` port. What the first call of a request sends is offered to the recogniser beside it."""

    def __init__(self, upstreams: Upstreams, recognizer: Recognizer) -> None:
        self._upstreams = upstreams
        self._recognizer = recognizer

    async def open(
        self, permit: Permit, endpoint: Endpoint, body: bytes, *, streamed: bool, headers: Headers = _NO_HEADERS
    ) -> Opened:
        """As the port says."""
        if permit.hop == 1:
            self._recognizer.offer(permit.request_id, body)
        return await self._upstreams.open(permit, endpoint, body, streamed=streamed, headers=headers)


class _Answer(msgspec.Struct, frozen=True):
    """What the process says of one body. `error`: what went wrong, without any text."""

    kinds: Counts = ()
    error: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)


def _models() -> Sequence[str]:
    """The spaCy models that are installed, the one to use first: an English one, a large one."""
    names = {point.name for point in entry_points(group="spacy_models")}
    return sorted(names, key=lambda name: (not name.startswith("en_"), name))


def main() -> None:
    """The process's side."""
    sys.addaudithook(_stay_inside)
    logging.disable()  # what a library logs may quote a text
    analyzers: list[Callable[[str], Sequence[Any]]] = []

    def find(question: list[bytes]) -> list[bytes]:
        try:
            if not analyzers:
                analyzers.append(_analyzer(_models()[0]))
            return [msgspec.json.encode(_Answer(_counts(analyzers[0](_text(question[0])))))]
        except Exception as error:  # noqa: BLE001  the server is told, and the next text may go well
            return [msgspec.json.encode(_Answer(error=type(error).__name__))]

    answer(find, _NICE)


def _stay_inside(event: str, _: tuple[object, ...]) -> None:
    """Presidio looks up domains of e-mail addresses in a list, and would fetch that. Without, it uses one it has."""
    if event in _OUTWARDS:
        raise OSError("the recogniser opens no connections")


def _analyzer(model: str) -> Callable[[str], Sequence[Any]]:
    from presidio_analyzer import AnalyzerEngine  # an extra, and seconds to load: only in this process
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    language = model[:2]
    named = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    nlp = NlpEngineProvider(nlp_configuration=named).create_engine()
    engine = AnalyzerEngine(nlp_engine=nlp, supported_languages=[language])
    return lambda text: engine.analyze(text=text, language=language, score_threshold=_LEAST_SCORE)


def _text(body: bytes) -> str:
    """All texts of a body, a line or more each, as the scanner sees them."""
    return "\n".join(leaf.text for leaf in walk(msgspec.json.decode(body)).leaves if not leaf.framing)


def _counts(results: Sequence[Any]) -> Counts:
    return tuple(sorted(Counter(result.entity_type.lower() for result in results).items()))
