"""The application: the OpenAI surface and health on one listener, metrics and policy state on the admin one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import __version__
from gateway.core.errors import Refusal, Refused
from gateway.http import errors
from gateway.http.ids import request_id
from gateway.http.routes import Admit, Endpoints, caller_of, serve

_SILENT = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)
"""The framework's own telemetry: a variable of the environment would have it send exceptions to whoever that names."""
_BARE: dict[str, Any] = {
    "docs_url": None,
    "redoc_url": None,
    "openapi_url": None,
    "redirect_slashes": False,
    "telemetry": _SILENT,
}
"""Nothing but our own routes; and no address is made out of a Host header."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Backends(Protocol):
    """The backends in force, and orders to them. An order is in force when its method returns; Refused: it is not."""

    def shown(self) -> Sequence[object]:
        """Every backend, as operators see it: values that can be JSON."""

    async def suspend(self, id: str, reason: str, by: str) -> None:
        """Nothing is sent to it until it is resumed. `by` is the id of the key that orders it, or `loopback`."""

    async def resume(self, id: str, reason: str, by: str) -> None:
        """What the catalog says of it holds again, and how its calls failed is forgotten."""


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an order."""

    reason: str = ""


class GatewayApp(FastAPI):
    """FastAPI, with routes that go past its middleware: calls of models, by path; all are POST."""

    def __init__(self, hot: Callable[[str, bytes], ASGIApp | None], lifespan: Lifespan) -> None:
        super().__init__(title="gateway", version=__version__, lifespan=lifespan, **_BARE)
        self._hot = hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves calls of models itself, the rest by FastAPI."""
        if scope["type"] == "http" and (hot := self._hot(scope["path"], scope["raw_path"])) is not None:
            if scope["method"] == "POST":
                await hot(scope, receive, send)
            else:
                await _answer(_not_allowed(scope["method"], "POST"), scope)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def public_app(
    hot: Callable[[str, bytes], ASGIApp | None],
    endpoints: Endpoints,
    admit: Admit,
    policy_summary: Callable[[], Mapping[str, object]],
    unready: Callable[[], str | None],
    lifespan: Lifespan,
) -> FastAPI:
    """What clients reach. `endpoints` serve what is not served here. `unready` says in a word why new requests are not
    welcome; None: they are."""

    async def health() -> Mapping[str, object]:
        """The process answers."""
        return {"status": "ok"}

    async def ready() -> Response:
        """New requests are welcome: 503 says why they are not. `stale` says that a newer policy did not load."""
        summary = dict(policy_summary())
        summary.pop("problems", None)  # they name files and rules: for the admin listener
        why = unready()
        told = {"status": why or "ready", "policy": summary}
        return Response(msgspec.json.encode(told), 503 if why else 200, media_type="application/json")

    app = GatewayApp(hot, lifespan)
    serve(app, "public", {**endpoints, ("GET", "/healthz"): health, ("GET", "/readyz"): ready}, admit)
    _add_error_answers(app)
    return app


def admin_app(
    metrics: Callable[[], Awaitable[bytes]],
    content_type: str,
    policy_summary: Callable[[], Mapping[str, object]],
    backends: Backends,
    admit: Admit,
    replicas: Callable[[], Sequence[object]],
) -> FastAPI:
    """What operators reach."""

    async def scrape() -> Response:
        """Prometheus metrics."""
        return Response(await metrics(), headers={"content-type": content_type})

    async def policies() -> Mapping[str, object]:
        """The policy in force, and why a newer one did not load."""
        return policy_summary()

    async def list_backends() -> object:
        """The backends in force: status, why not offered, suspensions."""
        return msgspec.to_builtins(backends.shown())

    async def list_replicas() -> object:
        """The replicas that are there: version, digest of the policy in force, last sign of life."""
        return msgspec.to_builtins(replicas())

    async def suspend(request: Request) -> object:
        """Suspends a backend, at once. The body may give a reason: {"reason": "..."}."""
        id = request.path_params["id"]
        await backends.suspend(id, await _reason(request), caller_of(request).key)
        return {"id": id, "suspended": True}

    async def resume(request: Request) -> object:
        """Ends a suspension, at once. One that was left alone since its calls failed is asked again."""
        id = request.path_params["id"]
        await backends.resume(id, await _reason(request), caller_of(request).key)
        return {"id": id, "suspended": False}

    app = FastAPI(title="gateway admin", version=__version__, **_BARE)
    endpoints: Endpoints = {
        ("GET", "/metrics"): scrape,
        ("GET", "/admin/policies"): policies,
        ("GET", "/admin/backends"): list_backends,
        ("GET", "/admin/replicas"): list_replicas,
        ("POST", "/admin/backends/{id:path}/suspend"): suspend,
        ("POST", "/admin/backends/{id:path}/resume"): resume,
    }
    serve(app, "admin", endpoints, admit)
    _add_error_answers(app)
    return app


async def _reason(request: Request) -> str:
    """The reason of an order. Raises Refused for a web page: nobody who only visits one may give orders here."""
    if "origin" in request.headers:
        raise Refused(Refusal.NOT_GRANTED, "orders are not taken from web pages")
    body = await request.body()
    try:
        return msgspec.json.decode(body, type=Order).reason if body else ""
    except msgspec.DecodeError:
        raise Refused(Refusal.INVALID_JSON, 'the body is empty or {"reason": "..."}') from None


def _add_error_answers(app: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return _answer(error, request.scope)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
            refusal = _not_allowed(request.method, ", ".join(allowed))
        else:
            refusal = Refused(Refusal.NOT_FOUND, "unknown path; the API is under /v1, for example /v1/chat/completions")
        return _answer(refusal, request.scope)

    async def fault(request: Request, _: Exception) -> Response:
        return _answer(Refused(Refusal.INTERNAL, "the gateway failed; tell its operator"), request.scope)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, fault)


def _not_allowed(method: str, allowed: str) -> Refused:
    return Refused(
        Refusal.METHOD_NOT_ALLOWED,
        f"{method} is not allowed here; allowed: {allowed}",
        headers=[(b"allow", allowed.encode())],
    )


def _answer(refused: Refused, scope: Scope) -> Response:
    surface = errors.spoken(scope["path"].encode(), scope["headers"])
    status, headers, body = errors.refusal(refused, request_id(), surface)
    return Response(
        body, status, {name.decode(): value.decode() for name, value in headers if name != b"content-length"}
    )
