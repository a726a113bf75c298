"""Every route of both listeners, as a table: what it is, and what a key must be for to use it.

The apps are made from it, so nothing is served that has no row here. A request is authorised by the row of the route
that it matched, never by the text of its URL.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import msgspec
from fastapi import Depends, FastAPI, Request

from gateway.core.record import Caller
from gateway.core.scopes import Scope
from gateway.http import calls
from gateway.http.paths import DEPLOYMENTS, PATHS, ROOTS

Listener = Literal["public", "admin"]


class Route(msgspec.Struct, frozen=True):
    """One row. `scope` None: anybody may, by HEAD, too. `{name}` in a path is one segment, `{name:path}` some."""

    listener: Listener
    method: Literal["GET", "POST"]
    path: str
    scope: Scope | None


MODELS = tuple(f"{root}/models" for root in ROOTS)
"""Lists of models; one model is below."""

CALLS = tuple(Route("public", "POST", root + path, calls.SCOPE) for root in (*ROOTS, DEPLOYMENTS) for path in PATHS)
"""Calls of models, under every root by which clients know them. They are served past the framework (`http.paths`)."""

ROUTES = (
    *CALLS,
    *(Route("public", "GET", path, "models") for path in MODELS),
    *(Route("public", "GET", path + "/{name:path}", "models") for path in MODELS),
    Route("public", "GET", "/v1/gateway/usage", "usage"),
    Route("public", "GET", "/healthz", None),
    Route("public", "GET", "/readyz", None),
    Route("admin", "GET", "/metrics", "metrics"),
    Route("admin", "GET", "/admin/policies", "admin:read"),
    Route("admin", "GET", "/admin/backends", "admin:read"),
    Route("admin", "GET", "/admin/replicas", "admin:read"),
    Route("admin", "POST", "/admin/backends/{id:path}/suspend", "admin:write"),
    Route("admin", "POST", "/admin/backends/{id:path}/resume", "admin:write"),
)

Endpoint = Callable[..., Awaitable[object]]
Endpoints = Mapping[tuple[str, str], Endpoint]
"""What serves routes, by method and path."""

Admit = Callable[[Request, Scope], Caller]
"""Gives the caller whom a scope lets in. Raises Refused."""

_CALLER = "gateway.caller"


class WrongRoutes(Exception):
    """Routes and rows differ: a bug of ours, found before anybody is served."""


def serve(app: FastAPI, listener: Listener, endpoints: Endpoints, admit: Admit) -> None:
    """Gives an app its routes: one for each row, calls of models apart. Raises WrongRoutes if there is another."""
    rows = {(row.method, row.path): row for row in ROUTES if row.listener == listener and row not in CALLS}
    if differ := sorted(rows.keys() ^ endpoints.keys()):
        raise WrongRoutes(f"not both a row and an endpoint on the {listener} listener: {differ}")
    if app.routes:
        raise WrongRoutes(f"routes without a row: {app.routes}")
    for (method, path), row in rows.items():
        guards = [] if row.scope is None else [Depends(_guard(row.scope, admit))]
        methods: list[str] = (
            [method] if row.scope is not None else [method, "HEAD"]
        )  # what looks whether we live asks so
        # without models of what comes and goes, which the framework takes a tenth of a second to make
        app.add_api_route(path, endpoints[method, path], methods=methods, dependencies=guards, response_model=None)


def _guard(scope: Scope, admit: Admit) -> Callable[[Request], Awaitable[None]]:
    async def guard(request: Request) -> None:
        request.scope[_CALLER] = admit(request, scope)

    return guard


def caller_of(request: Request) -> Caller:
    """Whom the guard of a route let in."""
    caller: Caller = request.scope[_CALLER]
    return caller
