"""Whatever callers and upstreams name, the metrics have no more series for it."""

import os

import msgspec
import pytest
from support import doubles

from gateway.adapters.metrics import MAX_CALLERS, Metrics
from gateway.adapters.series import Series
from gateway.core.catalog import Backend
from gateway.core.decision import Candidate, Decision, Exclusion, Facts
from gateway.core.errors import FailureKind
from gateway.core.record import Call, Caller, End, Record, Tried
from gateway.core.usage import Usage

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
REQUESTS = 100_000 if FULL else 5_000
BACKEND = Backend("b", "openai", "u", "m", {"zone": "inhouse"})
FACTS = Facts("public", frozenset(), "general", "default", "t", "a", "k")
USED = Tried(1, "b", "openai", "m", "inhouse", "settled", Usage(10, output=5), 2_000_000, "v")


def records(number: int, start: int = 0):
    """Requests of as many keys, users, models, request ids and purposes as there are of them."""
    for n in range(start, start + number):
        caller = Caller(f"k{n}", "t", "a", person=f"p{n}")
        call = Call(f"req-{n}", caller, 0.0, 0.0, f"s{n}", f"u{n}", f"j{n}", f"c{n}")
        facts = msgspec.structs.replace(FACTS, key=f"k{n}", person=f"p{n}")
        found = Decision(f"dec-{n}", "d", f"model-{n}", facts, (Candidate(BACKEND, ("own",), 1),), ())
        denied = Decision(f"dec-{n}", "d", f"model-{n}", facts, (), (Exclusion("b", "policy", ("stop",), f"why {n}"),))
        tried = msgspec.structs.replace(USED, failure=FailureKind.THROTTLED if n % 3 == 0 else None)
        decision, calls = ((found, (tried,)), (denied, ()), (None, ()))[n % 3]
        status = (200, 403, 404)[n % 3]
        yield Record(
            call, decision, calls, End.COMPLETE, status, None, False, 1.0, 0.001, purpose=f"u{n}", project=f"j{n}"
        )


def series(metrics: Metrics) -> int:
    return sum(not line.startswith(b"#") for line in metrics.exposition().splitlines())


@pytest.mark.assures("threat D4")
def test_names_of_callers_make_no_series(showed):
    metrics = doubles.metrics(Series())
    metrics.take(list(records(30)))
    before = series(metrics)
    metrics.take(list(records(REQUESTS, 30)))
    assert series(metrics) == before
    teams = [
        msgspec.structs.replace(each, call=msgspec.structs.replace(each.call, caller=Caller("k", f"team-{n}", "a")))
        for n, each in enumerate(records(3 * MAX_CALLERS))
    ]
    metrics.take(teams)
    capped = series(metrics)
    metrics.take([msgspec.structs.replace(each, call=msgspec.structs.replace(each.call, caller=Caller("k", f"more-{n}", f"a{n}"))) for n, each in enumerate(teams)])  # fmt: skip
    assert series(metrics) == capped
    assert metrics.registry.get_sample_value("gateway_series_dropped_total") > len(teams)
    showed(
        f"{REQUESTS:,} keys, models, users and ids; {2 * len(teams):,} teams",
        f"{before} series before and after; {MAX_CALLERS} teams at most",
    )
