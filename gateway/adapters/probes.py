"""Asks backends about themselves: over connections of its own, without content, within a time. Nothing is followed, no
proxy is used, and a key goes only where the catalog sends it."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

from gateway import __version__
from gateway.adapters.secrets import Secret
from gateway.core.catalog import Backend
from gateway.review import served
from gateway.review.questions import MAX_BYTES, Answer, Carriage, Question, Silence, carriage, questions

SECONDS = 10.0
"""How long one backend may take for all its answers."""

_OWN_SHARE = 0.95
"""How much of the time a thread may use before it is given up: it can say best what took so long."""
_AT_ONCE = 8
_MAX_PAGES = 20
_BLOCK = 65_536
_LATE = Silence("no answer in time: is it up, and does a firewall let us through?")
_TOO_LONG = Silence("the list of models is too long")

T = TypeVar("T")


def probe(backend: Backend, key: Secret | None, seconds: float = SECONDS) -> dict[str, tuple[Answer | Silence, ...]]:
    """Asks a backend its `questions`. What did not come in time is missing, or a Silence."""
    return _Probe(backend, key, seconds).run()


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """The results of jobs, a few of them running at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(lambda job: job(), jobs))


def ask(
    question: Question, deadline: float, key: Secret | None = None, how: Carriage | None = None
) -> Answer | Silence:
    """Asks one question; the deadline is in monotonic seconds. A server that dribbles its head, or a resolver that does
    not answer, can take longer: see `within`."""
    try:
        parts = urlsplit(question.url)
        connection = _connection(parts.scheme, parts.hostname or "", parts.port, deadline)
        path = parts.path + (f"/{quote(question.tail, safe='')}" if question.tail else "")
        path += f"?{urlencode([question.query])}" if question.query else ""
        try:
            return _exchange(connection, path, question, deadline, _headers(question, key, how or Carriage()))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Silence(_words(error))


def within(seconds: float, job: Callable[[], T]) -> T | None:
    """The result of a job; None: it took longer, and is left to itself, which keeps no process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(job())
        except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():
            raise
        return None


class _Probe:
    """The questions to one backend, and the answers so far: they outlive a thread that is given up."""

    def __init__(self, backend: Backend, key: Secret | None, seconds: float) -> None:
        self._backend = backend
        self._key = key
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds * _OWN_SHARE
        self._how = carriage(backend)
        self._answers: dict[str, tuple[Answer | Silence, ...]] = {}
        self._listed = False

    def run(self) -> dict[str, tuple[Answer | Silence, ...]]:
        within(self._seconds, self._ask_all)
        answers = dict(self._answers)
        if not self._listed:
            answers["models"] = (*answers.get("models", ()), _LATE)
        return answers

    def _ask_all(self) -> None:
        first, *others = questions(self._backend)
        self._list(first)
        if isinstance(self._answers["models"][0], Answer):
            for question in others:
                self._answers[question.about] = (self._ask(question),)

    def _ask(self, question: Question) -> Answer | Silence:
        return ask(question, self._deadline, self._key, self._how)

    def _list(self, question: Question) -> None:
        """Asks for the list of models, all of its pages."""
        pages: list[Answer | Silence] = []
        query, size = None, 0
        for _ in range(_MAX_PAGES):
            page = self._ask(Question(question.about, question.url, query=query))
            pages.append(page)
            self._answers["models"] = tuple(pages)
            query = _next(page)
            size += 0 if isinstance(page, Silence) else len(page.body)
            if query is None or size > MAX_BYTES:
                break
        if query is not None:
            self._answers["models"] = (*pages, _TOO_LONG)
        self._listed = True


def _next(page: Answer | Silence) -> tuple[str, str] | None:
    if isinstance(page, Silence) or page.status != 200 or not page.whole:
        return None
    try:
        return served.next_page(page.body)
    except ValueError:
        return None


def _connection(scheme: str, host: str, port: int | None, deadline: float) -> http.client.HTTPConnection:
    if scheme == "https":
        trusted = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=_left(deadline), context=trusted)
    return http.client.HTTPConnection(host, port, timeout=_left(deadline))


def _headers(question: Question, key: Secret | None, how: Carriage) -> dict[str, str]:
    headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"gateway/{__version__}"}
    headers |= dict(how.beside)
    if question.body is not None:
        headers["Content-Type"] = "application/json"
    if key is not None and question.with_key:
        headers[how.header] = how.word + key.reveal()
    return headers


def _exchange(
    connection: http.client.HTTPConnection, path: str, question: Question, deadline: float, headers: dict[str, str]
) -> Answer:
    started = time.monotonic()
    connection.connect()
    connect_ms = round((time.monotonic() - started) * 1000)
    line: socket.socket = connection.sock
    line.settimeout(_left(deadline))
    connection.request("GET" if question.body is None else "POST", path, question.body, headers)
    with connection.getresponse() as response:
        at = time.time()
        blocks, size = [], 0
        while size <= MAX_BYTES:
            line.settimeout(_left(deadline))
            block = response.read1(_BLOCK)
            if not block:
                if response.length:  # what is still to come, if the head said so
                    raise http.client.IncompleteRead(b"")
                break
            blocks.append(block)
            size += len(block)
        given = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, given, b"".join(blocks), at, connect_ms, size <= MAX_BYTES)


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError when there are none."""
    if (seconds := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return seconds


def _words(error: OSError | http.client.HTTPException | ValueError) -> str:
    """What happened and what to do. Never the error's own text where a server may have written it."""
    match error:
        case TimeoutError() if "handshake" in str(error):
            return "no TLS connection comes about in time: is it `http://`?"
        case TimeoutError():
            return _LATE.words
        case socket.gaierror():
            return "its name is not found: is `base_url` right, and does DNS answer here?"
        case ConnectionRefusedError():
            return "the connection is refused: is the server up, and the port right?"
        case ssl.SSLCertVerificationError():
            why = error.verify_message
            return (
                f"its certificate is not trusted ({why}): mend it, or set SSL_CERT_FILE to the authority that signed it"
            )
        case ssl.SSLError():
            return "no TLS connection comes about: is it `http://`, or its TLS too old?"
        case ConnectionError() | http.client.HTTPException():
            return "the connection ends without an answer: does it speak HTTP, and is it `https://`?"
        case OSError():
            return f"it cannot be reached: {error.strerror or 'no route'}"
    return "its address cannot be used: is `base_url` right?"
