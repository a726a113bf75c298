"""The names that a key may use, as OpenAI's clients ask for them, and as Anthropic's do."""

import asyncio
import time
from typing import Any

import msgspec
from fastapi import Request, Response

from gateway.core.catalog import AUTO
from gateway.core.decision import Project
from gateway.core.errors import unknown_model
from gateway.core.record import Caller
from gateway.http.errors import ANTHROPIC, spoken
from gateway.http.ids import request_id
from gateway.http.routes import MODELS, Endpoints, caller_of
from gateway.ports import Policies, Policy
from gateway.sensitivity.classify import classify, facts_of


def models_endpoints(policies: Policies, created: int) -> Endpoints:
    """GET /v1/models and /v1/models/{id}, under every root."""

    async def list_models(request: Request) -> Response:
        """The names that this key may use."""
        names = await asyncio.to_thread(usable, policies.current, caller_of(request), policies.moment())
        if _is_anthropics(request):
            data = [_described(name, created) for name in names]
            ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
            return _json(request, {"data": data, "has_more": False, **ends})
        return _json(request, {"object": "list", "data": [_model(name, created) for name in names]})

    async def get_model(request: Request) -> Response:
        """One name, or 404 if this key may not use it."""
        name = request.path_params["name"]
        if name not in await asyncio.to_thread(usable, policies.current, caller_of(request), policies.moment()):
            raise unknown_model()
        return _json(request, _described(name, created) if _is_anthropics(request) else _model(name, created))

    lists = {("GET", path): list_models for path in MODELS}
    return {**lists, **{("GET", path + "/{name:path}"): get_model for path in MODELS}}


def usable(policy: Policy, caller: Caller, moment: float) -> list[str]:
    """The names that a caller may use and that could ever serve it: for some label from its floor up, some granted
    purpose and project, and whatever is found in a request."""
    permitted: set[str] = set()
    for project in caller.projects:
        declared = policy.projects.get(project) or Project(project)
        label = classify(caller.floor, None, declared.floor)
        for purpose in caller.purposes:
            permitted |= policy.ever(facts_of(caller, label, purpose, declared), moment)
    permitted -= policy.not_offered.keys()
    found = [
        name
        for name, backends in policy.names.items()
        if (not caller.models or name in caller.models)
        and any(backend.id in permitted and backend.price is not None for backend in backends)
    ]
    return sorted(found, key=lambda name: (name != AUTO, name))


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "gateway"}


def _described(name: str, created: int) -> dict[str, Any]:
    """A model as Anthropic's clients read it."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
    return {"type": "model", "id": name, "display_name": name, "created_at": at}


def _is_anthropics(request: Request) -> bool:
    return ANTHROPIC.decode() in request.headers


def _json(request: Request, data: object) -> Response:
    surface, id = spoken(request.url.path.encode(), request.headers.raw), request_id()
    headers = {name.decode(): id for name in surface.id_headers}
    return Response(msgspec.json.encode(data), media_type="application/json", headers=headers)
