"""What a key may be used for. A scope is a row here; which route wants which stands in `http.routes`."""

from collections.abc import Mapping
from typing import Literal

Scope = Literal["inference", "models", "usage", "metrics", "admin:read", "admin:write"]

SCOPES: Mapping[Scope, str] = {
    "inference": "call models",
    "models": "list the models that it may use",
    "usage": "see its own spending and limits",
    "metrics": "scrape /metrics",
    "admin:read": "look at policies and backends on the admin listener",
    "admin:write": "suspend and resume backends on the admin listener",
}
"""Every scope, with what it allows. None implies another."""

DEFAULT_SCOPES: tuple[Scope, ...] = ("inference", "models", "usage")
"""Those of a key that says nothing: what an application needs."""

ADMIN_SCOPES: frozenset[str] = frozenset(scope for scope in SCOPES if scope.startswith("admin:"))
