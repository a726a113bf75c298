"""Which paths are calls of models, and through which surface. Every client finds its own where it expects it."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from starlette.types import ASGIApp

from gateway.http.calls import Calls
from gateway.surfaces import SURFACES

PATHS: Mapping[str, str] = {
    "/chat/completions": "chat",
    "/responses": "responses",
    "/messages": "messages",
    "/messages/count_tokens": "count_tokens",
    "/completions": "completions",
    "/embeddings": "embeddings",
    "/moderations": "moderations",
    "/images/generations": "images",
    "/rerank": "rerank",
}
"""Below each of the roots, by surface."""

ROOTS = ("/v1", "", "/openai/v1")
"""OpenAI's; for clients whose base URL is the bare root; Azure's since its version 1."""

DEPLOYMENTS = "/openai/deployments/{model}"
"""Azure's older root, which names the model."""

_DEPLOYMENT = re.compile(DEPLOYMENTS.replace("{model}", "(?P<model>[^/]+)") + r"(?P<path>/.+)\Z")
"""As it was sent: a `/` in the name of a model is `%2F` there."""


class Paths:
    """Finds what serves a path."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._fixed = {
            root + path: calls.through(SURFACES[surface]) for root in ROOTS for path, surface in PATHS.items()
        }

    def __call__(self, path: str, raw_path: bytes) -> ASGIApp | None:
        """What serves a path, which came as `raw_path`; None: it is no call of a model."""
        found = self._fixed.get(path)
        if (
            found is None
            and (match := _DEPLOYMENT.match(raw_path.decode("latin-1")))
            and (surface := PATHS.get(match["path"]))
        ):
            return self._calls.through(SURFACES[surface], unquote(match["model"]))
        return found
