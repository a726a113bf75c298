"""Calls to backends, by aiohttp. One pool for all; blocks come out as they came in."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway import __version__
from gateway.adapters.secrets import Secret
from gateway.core.catalog import Backend
from gateway.core.errors import Failed, FailureKind
from gateway.ports import UpstreamError

_IDLE_CONNECTION_SECONDS = 60.0
_MESSAGES = {
    FailureKind.UNREACHABLE: "the backend cannot be reached",
    FailureKind.TIMED_OUT: "the backend did not answer in time",
    FailureKind.BROKEN: "the backend broke off its answer",
}


def _lost(kind: FailureKind) -> UpstreamError:
    code = f"upstream_{kind.code}"
    error: dict[str, object] = {"message": _MESSAGES[kind], "type": "server_error", "param": None, "code": code}
    return UpstreamError(Failed(kind, kind.status, error))


class AiohttpUpstreams:
    """The `Upstreams` port. `secret` finds the key of a backend; keys leave in the Authorization header only."""

    def __init__(self, secret: Callable[[str], Secret | None]) -> None:
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None
        self._targets: dict[str, tuple[Backend, URL, CIMultiDict[str], aiohttp.ClientTimeout]] = {}

    async def start(self) -> None:
        """Opens the pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # we ask for no encoding, and relay what comes
            trust_env=False,  # a proxy in the environment must not redirect prompts
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    async def stop(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    async def open(self, backend: Backend, path: str, body: bytes) -> "AiohttpOpened":
        """Sends the body; returns when status and headers are in. Raises UpstreamError when they do not come."""
        url, headers, timeout = self._target(backend, path)
        session = self._session
        if session is None:
            raise RuntimeError("the upstream pool is not started")
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout_at(started + backend.timeouts.first_byte):
                response = await session.request(
                    "POST", url, data=body, headers=headers, timeout=timeout, allow_redirects=False
                )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError, ssl.SSLError):
            raise _lost(FailureKind.UNREACHABLE) from None
        except TimeoutError:
            raise _lost(FailureKind.TIMED_OUT) from None
        except (aiohttp.ClientError, OSError):
            raise _lost(FailureKind.BROKEN) from None  # sent, then lost: it may be billed
        return AiohttpOpened(response, backend, started, loop)

    def _target(self, backend: Backend, path: str) -> tuple[URL, CIMultiDict[str], aiohttp.ClientTimeout]:
        known = self._targets.get(backend.id)
        if known is None or known[0] is not backend:
            headers: CIMultiDict[str] = CIMultiDict(
                {
                    "Content-Type": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"gateway/{__version__}",
                }
            )
            if backend.key_ref is not None and (secret := self._secret(backend.key_ref)) is not None:
                headers["Authorization"] = f"Bearer {secret.reveal()}"
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=backend.timeouts.connect)
            known = self._targets[backend.id] = (backend, URL(backend.base_url + path), headers, timeout)
        return known[1], known[2], known[3]


class AiohttpOpened:
    """An answer under way. Each read waits `idle` at most, and all of them together `total`."""

    __slots__ = ("_content", "_deadline", "_idle", "_loop", "_response", "headers", "status")

    def __init__(
        self, response: aiohttp.ClientResponse, backend: Backend, started: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._response = response
        self._content = response.content
        self._idle = backend.timeouts.idle
        self._deadline = started + backend.timeouts.total
        self._loop = loop
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The next block as it came, b"" at the end."""
        return await self._in_time(self._content.readany)

    async def read_all(self, limit: int) -> bytes:
        """All that is left."""
        first = await self.read()
        blocks, size = [first], len(first)
        while not self._content.at_eof():
            block = await self.read()
            blocks.append(block)
            size += len(block)
            if size > limit:
                raise _lost(FailureKind.BROKEN)
        return first if len(blocks) == 1 else b"".join(blocks)

    async def _in_time(self, read: Callable[[], Any]) -> bytes:
        try:
            async with asyncio.timeout_at(min(self._loop.time() + self._idle, self._deadline)):
                block: bytes = await read()
                return block
        except TimeoutError:
            raise _lost(FailureKind.TIMED_OUT) from None
        except (aiohttp.ClientError, OSError):
            raise _lost(FailureKind.BROKEN) from None

    def close(self) -> None:
        """Ends the call. A connection whose answer is complete goes back to the pool, any other is dropped."""
        if self._content.at_eof():
            self._response.release()
        else:
            self._response.close()
