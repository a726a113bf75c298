"""GET /v1/gateway/usage: what the holder of a key has spent, and what is left to it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
from fastapi import Request, Response

from gateway.core.budget import Standing, utc
from gateway.core.price import usd
from gateway.core.rate import Pace
from gateway.http.routes import Endpoints, caller_of
from gateway.ports import Budgets, Policies

_T = TypeVar("_T")
Spent = Callable[[str, float], Awaitable[Mapping[str, object]]]
"""What the ledger says of a key (its id) at a moment (Unix seconds): values that can be JSON."""


def usage_endpoints(policies: Policies, budgets: Budgets, spent: Spent) -> Endpoints:
    """The route. A key sees its own spending, the budgets of it, its team, app and projects, and its rates."""

    async def usage(request: Request) -> Response:
        """Spending of this key, its budgets and its rates."""
        caller, moment = caller_of(request), policies.moment()
        pace, spend, standings = await asyncio.gather(
            _heard(budgets.pace(caller.spender(caller.projects[0]), moment)),
            spent(caller.key, moment),
            asyncio.gather(
                *(_heard(budgets.standings(caller.spender(project), moment)) for project in caller.projects)
            ),
        )
        known = {(each.limit.id, each.value): each for found in standings for each in found}
        told = {
            "object": "gateway.usage",
            "key": caller.key,
            "team": caller.team,
            "app": caller.app,
            "spend": spend,
            "budgets": [
                _budget(each)
                for each in known.values()
                if each.limit.terms.per != "organisation"  # what all spend is not everybody's to know
            ],
            "rate_limits": None if pace is None else _rates(pace),
        }
        return Response(msgspec.json.encode(told), media_type="application/json")

    return {("GET", "/v1/gateway/usage"): usage}


async def _heard(told: Awaitable[_T] | _T) -> _T:
    """What a store says, at once or later."""
    return await told if isinstance(told, Awaitable) else told


def _budget(standing: Standing) -> dict[str, object]:
    terms, ceiling = standing.limit.terms, standing.ceiling_pico_usd or 0
    left = ceiling - standing.spent_pico_usd - standing.reserved_pico_usd
    return {
        "per": terms.per,
        "account": standing.value,
        "window": terms.window,
        "limit_usd": usd(ceiling),
        "settled_usd": usd(standing.spent_pico_usd),
        "reserved_usd": usd(standing.reserved_pico_usd),
        "remaining_usd": usd(max(0, left)),
        "resets_at": utc(standing.resets),
        "enforced": standing.limit.enforced,
        "state": standing.state,
    }


def _rates(pace: Pace) -> dict[str, object]:
    return {
        unit: {"per_minute": left.a_minute, "remaining": left.remaining, "resets_in_seconds": round(left.resets, 3)}
        for unit, left in (("requests", pace.requests), ("tokens", pace.tokens))
        if left is not None
    }
