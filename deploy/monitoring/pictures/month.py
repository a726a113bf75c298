"""A month of a gateway's series, made up, but adding up: what a Prometheus would have of four dozen people's work.

`python month.py FILE` writes them as OpenMetrics, for `promtool tsdb create-blocks-from openmetrics`. The same every time.
"""

import math
import random
import sys
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

NOW = 1795793400
"""The moment that the pictures show: Friday, 27 November 2026, 15:30 UTC."""
HOUR, DAY = 3600, 86400
MONTH = NOW - NOW % DAY - 26 * DAY
FIRST = MONTH - 7 * DAY
TIMES = array("q", [*range(FIRST, NOW - 25 * HOUR, 600), *range(NOW - 25 * HOUR, NOW - 7 * HOUR, 60), *range(NOW - 7 * HOUR, NOW + 1, 15)])
RECENT = bisect_left(TIMES, NOW - 7 * HOUR)
"""Where the last hours begin, which alone have what only six hours of are shown."""
REPLICAS = (("gateway-0:8081", 0.53), ("gateway-1:8081", 0.47))
STEPS = [0, *(after - before for before, after in zip(TIMES, TIMES[1:], strict=False))]


class Model(NamedTuple):
    """A backend of the catalog. `first` is the median time to its first token in seconds, `speed` tokens a second."""

    provider: str
    zone: str
    operator: str
    first: float
    speed: float
    review_days: float = 120


MODELS = {
    "gpt-5.6-sol": Model("openai", "us-vendors", "us", 0.9, 92, 71),
    "gpt-5.6-luna": Model("openai", "us-vendors", "us", 0.38, 160, 71),
    "claude-opus-5-5": Model("anthropic", "us-vendors", "us", 1.1, 70, 96),
    "claude-sonnet-5-5": Model("anthropic", "us-vendors", "us", 0.7, 110, 96),
    "mistral-large-latest": Model("mistral", "eu-vendors", "eu", 0.55, 95, 9),
    "mistral-small-latest": Model("mistral", "eu-vendors", "eu", 0.3, 170, 9),
    "deepseek-v4-flash": Model("deepseek", "cn-vendors", "cn", 0.8, 75, 40),
    "qwen-a": Model("vllm", "inhouse", "eu", 0.45, 48, 66),
    "lab": Model("vllm", "inhouse", "eu", 0.25, 85, 66),
    "grok-4.7": Model("xai", "us-vendors", "us", 0.8, 80, -3),
}
OUT_OF_USE = "grok-4.7"


class Flow(NamedTuple):
    """What an app asks of a model: requests an hour when it is busiest, USD and output tokens for each."""

    team: str
    app: str
    model: str
    sensitivity: str
    rule: str
    hourly: float
    usd: float
    output: int
    growth: float = 1.0
    """By how much this week has more than the weeks before."""


PUBLIC, VETTED, OWN = "public-to-anyone", "operators-that-never-train", "own-machines"
FLOWS = (
    Flow("engineering", "assistant", "claude-sonnet-5-5", "internal", VETTED, 420, 0.021, 620),
    Flow("engineering", "assistant", "claude-opus-5-5", "internal", VETTED, 55, 0.085, 900),
    Flow("engineering", "review-bot", "qwen-a", "confidential", OWN, 180, 0.0062, 480),
    Flow("engineering", "review-bot", "gpt-5.6-luna", "internal", VETTED, 240, 0.0021, 400),
    Flow("support", "answers", "gpt-5.6-luna", "internal", VETTED, 900, 0.0012, 260),
    Flow("support", "answers", "mistral-small-latest", "public", PUBLIC, 500, 0.0005, 240),
    Flow("support", "answers", "qwen-a", "confidential", OWN, 650, 0.0031, 280, 1.25),
    Flow("research", "notebooks", "gpt-5.6-sol", "public", PUBLIC, 70, 0.11, 1500, 1.9),
    Flow("research", "batch", "deepseek-v4-flash", "public", PUBLIC, 400, 0.004, 900, 0.7),
    Flow("research", "batch", "lab", "internal", OWN, 800, 0.0008, 700),
    Flow("legal", "contracts", "qwen-a", "restricted", OWN, 40, 0.014, 1100),
    Flow("hr", "screening", "qwen-a", "confidential", OWN, 25, 0.005, 420),
    Flow("marketing", "copy", "mistral-large-latest", "public", PUBLIC, 160, 0.009, 700),
    Flow("marketing", "copy", "gpt-5.6-sol", "public", PUBLIC, 22, 0.04, 800, 0.6),
    Flow("data", "enrichment", "lab", "internal", OWN, 1400, 0.0004, 120),
    Flow("data", "enrichment", "gpt-5.6-luna", "internal", VETTED, 350, 0.0009, 150, 1.3),
)
BUDGETS = (("teams", "team", "month"), ("providers", "provider", "month"), ("house", "organisation", "month"))
LIMITS = {
    "engineering": 4500, "support": 1000, "research": 3400, "legal": 250, "hr": 100, "marketing": 700, "data": 250,
    "openai": 4500, "anthropic": 4500, "mistral": 900, "deepseek": 500, "house": 12000,
}  # fmt: skip
DENIED = {"confidential-stays-home": 26, "people-and-contracts-stay-home": 14, "no-cn-operated-apis-for-eu-projects": 9, "secrets-go-nowhere-raw": 4}
FOUND = {"none": 0.86, "email": 0.06, "person": 0.05, "phone": 0.02, "iban": 0.006, "api_key": 0.002, "card": 0.0015}
LEVELS = ("public", "internal", "confidential", "restricted", "unknown")
ZONES = ("inhouse", "eu-vendors", "us-vendors", "cn-vendors")
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
OVERHEAD = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1)
RATES = (1, 5, 10, 20, 40, 80, 160, 320, 640)


def busy(at: float) -> float:
    """How busy people are, 0..1: mornings and afternoons of working days, a lunch between, little at night."""
    hour = at % DAY / HOUR
    weekday = (at // DAY + 3) % 7
    work = math.exp(-(((hour - 10) / 2.2) ** 2)) + 0.95 * math.exp(-(((hour - 14.8) / 2.4) ** 2))
    return 0.04 + 0.96 * min(work, 1) * (0.08 if weekday >= 5 else 1)


def throttled(at: float) -> float:
    """Which share of the calls to gpt-5.6-sol is refused for being too many."""
    since = (at - (NOW - 3.4 * HOUR)) / HOUR
    return 0.0 if not 0 < since < 0.6 else 0.3 * math.sin(math.pi * since / 0.6)


def timed_out(at: float) -> float:
    """Which share of the calls to mistral-large-latest gets no answer in time."""
    return 0.5 if NOW - 1.2 * HOUR < at < NOW - 1.05 * HOUR else 0.001


def wandering(seed: str, by: float) -> Callable[[float], float]:
    """Slow changes around 1."""
    chance = random.Random(seed)
    waves = [(chance.uniform(0.2, 9) * HOUR, chance.uniform(0, 7)) for _ in range(5)]
    return lambda at: 1 + by * sum(math.sin(at / length + shift) for length, shift in waves) / 2


class Series:
    """All that is written, family by family."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, list[tuple[str, Iterable[float], int]]]] = {}

    def add(self, name: str, kind: str, labels: dict[str, str], values: Iterable[float], start: int = 0, suffix: str = "") -> None:
        """One series: a value for each of TIMES from `start` on."""
        shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
        self._families.setdefault(name, (kind, []))[1].append((f"{name}{suffix}{{{shown}}}", values, start))

    def count(self, name: str, labels: dict[str, str], grows: Iterable[float], *, whole: bool = True, start: int = 0) -> None:
        """A counter of each replica, from what all of them together count in each step."""
        sums = array("d", accumulate(grows))
        for replica, share in REPLICAS:
            values = [math.floor(each * share) if whole else each * share for each in sums]
            self.add(name, "counter", {"instance": replica, **labels}, values, start, "_total")

    def gauge(self, name: str, labels: dict[str, str], values: Callable[[float], float], *, start: int = 0, alike: bool = True) -> None:
        """A gauge: of one replica, if all show the same; else a share of it for each."""
        for replica, share in REPLICAS[:1] if alike else REPLICAS:
            shown = [values(at) if alike else round(values(at) * share) for at in TIMES[start:]]
            self.add(name, "gauge", {"instance": replica, **labels}, shown, start)

    def histogram(self, name: str, labels: dict[str, str], bounds: tuple[float, ...], grows: list[float], median: Callable[[float], float], spread: float) -> None:
        """The last hours of a histogram whose values lie around a median, as a log-normal does."""
        start = RECENT
        for bound in (*bounds, math.inf):
            share = (1 if bound == math.inf else 0.5 * math.erfc(-math.log(bound / median(at)) / spread / math.sqrt(2)) for at in TIMES[start:])
            values = [*accumulate(many * part for many, part in zip(grows[start:], share, strict=True))]
            le = "+Inf" if bound == math.inf else str(float(bound))
            self.add(name, "histogram", {"instance": REPLICAS[0][0], **labels, "le": le}, values, start, "_bucket")
        self.add(name, "histogram", {"instance": REPLICAS[0][0], **labels}, values, start, "_count")
        self.add(name, "histogram", {"instance": REPLICAS[0][0], **labels}, [0.0] * len(values), start, "_sum")

    def write(self, path: Path) -> None:
        """Writes all of it."""
        with path.open("w") as file:
            for name, (kind, series) in self._families.items():
                file.write(f"# TYPE {name} {kind}\n")
                for shown, values, start in series:
                    file.writelines(f"{shown} {value:.12g} {at}\n" for at, value in zip(TIMES[start:], values, strict=True))
            file.write("# EOF\n")


def requests_of(flow: Flow) -> list[float]:
    """Requests in each step."""
    change = wandering(f"{flow.team}{flow.app}{flow.model}", 0.25)
    return [
        flow.hourly * busy(at) * max(0.1, change(at)) * (flow.growth if at > NOW - 6.5 * DAY else 1) * step / HOUR
        for at, step in zip(TIMES, STEPS, strict=True)
    ]


def added(one: list[float], other: list[float]) -> list[float]:
    """Two series of steps in one."""
    return [left + right for left, right in zip(one, other, strict=True)] if one else [*other]


def since(begin: int, grows: list[float]) -> list[float]:
    """What was counted since a moment, at each time."""
    return [*accumulate(grew if at > begin else 0 for at, grew in zip(TIMES, grows, strict=True))]


def work(series: Series) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Requests, tokens and cost of all flows; gives requests by model, and cost by whoever has a budget."""
    asked: dict[str, list[float]] = defaultdict(list)
    cost: dict[str, list[float]] = defaultdict(list)
    decided: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    called: dict[tuple[str, str], list[float]] = defaultdict(list)
    for flow in FLOWS:
        model = MODELS[flow.model]
        requests = requests_of(flow)
        price = wandering(flow.app + flow.model, 0.12)
        spent = [many * flow.usd * max(0.3, price(at)) for at, many in zip(TIMES, requests, strict=True)]
        who = {"team": flow.team, "app": flow.app, "model": flow.model, "provider": model.provider}
        money = {**who, "zone": model.zone, "sensitivity": flow.sensitivity}
        series.count("gateway_requests", {**who, "status": "200"}, requests)
        series.count("gateway_requests", {**who, "status": "400"}, [each * 0.004 for each in requests[RECENT:]], start=RECENT)
        series.count("gateway_requests", {**who, "status": "502"}, [each * 0.0008 for each in requests[RECENT:]], start=RECENT)
        series.count("gateway_cost_usd", money, spent, whole=False)
        series.count("gateway_cost_estimated_usd", money, [each * 0.006 for each in spent], whole=False)
        series.count("gateway_tokens", {**who, "bucket": "output"}, [each * flow.output for each in requests])
        for bucket, times in (("input_uncached", 2.2), ("cache_read", 3.4), ("cache_write", 0.4), ("reasoning", 0.5)):
            series.count("gateway_tokens", {**who, "bucket": bucket}, [each * flow.output * times for each in requests[RECENT:]], start=RECENT)
        asked[flow.model] = added(asked[flow.model], requests)
        for key in ("house", flow.team, model.provider):
            cost[key] = added(cost[key], spent)
        decided[flow.rule, flow.sensitivity, model.zone] = added(decided[flow.rule, flow.sensitivity, model.zone], requests)
        called[flow.model, flow.sensitivity] = added(called[flow.model, flow.sensitivity], requests)
    for (rule, sensitivity, zone), many in decided.items():
        series.count("gateway_policy_decisions", {"outcome": "permit", "rule": rule, "sensitivity": sensitivity, "zone": zone}, many)
    for (name, sensitivity), many in called.items():
        where = {"backend": name, "provider": MODELS[name].provider, "zone": MODELS[name].zone, "sensitivity": sensitivity}
        series.count("gateway_calls", {**where, "outcome": "ok"}, many)
        series.count("gateway_calls", {**where, "outcome": "server_error"}, [each * 0.0015 for each in many])
    return asked, cost


def failures(series: Series, asked: dict[str, list[float]]) -> None:
    """What failed, and where requests went instead."""
    lost = [throttled(at) * many for at, many in zip(TIMES, asked["gpt-5.6-sol"], strict=True)]
    late = [timed_out(at) * many for at, many in zip(TIMES, asked["mistral-large-latest"], strict=True)]
    for name, outcome, many in (("gpt-5.6-sol", "throttled", lost), ("mistral-large-latest", "timed_out", late)):
        model = MODELS[name]
        where = {"backend": name, "provider": model.provider, "zone": model.zone, "sensitivity": "public"}
        series.count("gateway_calls", {**where, "outcome": outcome}, many)
    for begin, end, reason, many, usd in (
        ("gpt-5.6-sol", "claude-sonnet-5-5", "throttled", lost, 0.0),
        ("mistral-large-latest", "mistral-small-latest", "timed_out", late, 0.006),
        ("qwen-a", "lab", "overloaded", [each * 0.004 for each in asked["qwen-a"]], 0.0),
        ("claude-sonnet-5-5", "gpt-5.6-sol", "server_error", [each * 0.0015 for each in asked["claude-sonnet-5-5"]], 0.0),
    ):
        series.count("gateway_fallbacks", {"from": begin, "to": end, "reason": reason}, many[RECENT:], start=RECENT)
        if usd:
            series.count("gateway_fallback_cost_usd", {"from": begin, "reason": reason}, [each * usd for each in many[RECENT:]], whole=False, start=RECENT)
    series.count("gateway_shed", {"reason": "backend"}, [each * 0.0012 for each in asked["qwen-a"][RECENT:]], start=RECENT)
    for reason in ("inflight", "delay", "connections", "slow", "bodies"):
        series.count("gateway_shed", {"reason": reason}, [0.0] * (len(TIMES) - RECENT), start=RECENT)


def policy(series: Series, asked: dict[str, list[float]]) -> None:
    """What was found and stopped, and what is in force."""
    everything = [sum(steps) for steps in zip(*asked.values(), strict=True)]
    recent = bisect_left(TIMES, NOW - 25 * HOUR)
    for rule, daily in DENIED.items():
        edited = rule == "no-cn-operated-apis-for-eu-projects"
        many = [step / DAY * daily * 3 * busy(at) * (4 if edited and at > NOW - 5 * HOUR else 1) for at, step in zip(TIMES, STEPS, strict=True)]
        series.count("gateway_policy_denied", {"rule": rule}, many[recent:], start=recent)
        denied = {"outcome": "deny", "rule": rule, "sensitivity": "internal" if edited else "confidential", "zone": "none"}
        series.count("gateway_policy_decisions", denied, many[recent:], start=recent)
    for kind, share in FOUND.items():
        series.count("gateway_classifier_results", {"kind": kind}, [each * share for each in everything[recent:]], start=recent)
    nothing = [0.0] * (len(TIMES) - recent)
    series.count("gateway_classifier_failures", {}, nothing, start=recent)
    series.count("gateway_recognizer_skipped", {}, [each * 0.0004 for each in everything[recent:]], start=recent)
    series.count("gateway_policy_watched", {"rule": "no-vendor-above-60-percent"}, [each * 0.003 for each in everything[recent:]], start=recent)
    series.count("gateway_breakglass", {"rule": "no-unlimited-retention"}, [1.5 * busy(at) * step / HOUR for at, step in zip(TIMES[recent:], STEPS[recent:], strict=True)], start=recent)
    for name in ("gateway_bypass", "gateway_series_dropped", "gateway_unpriced_requests", "gateway_budget_overshoot_usd"):
        series.count(name, {}, [0.0] * len(TIMES))
    for level in LEVELS:
        for zone in ZONES:
            may = zone == "inhouse" or level == "public" or (level == "internal" and zone != "cn-vendors")
            series.gauge("gateway_policy_cell_permitted", {"sensitivity": level, "zone": zone}, lambda _, may=may: may, start=recent)
    for replica, _ in REPLICAS:
        series.add("gateway_policy_info", "gauge", {"instance": replica, "digest": "46b057627f03f363@2026-11-23"}, [1] * len(nothing), recent)
        series.add("gateway_policy_stale", "gauge", {"instance": replica}, nothing, recent)
        series.add("gateway_build_info", "gauge", {"instance": replica, "version": "0.1.0"}, [1] * len(nothing), recent)
    series.gauge("gateway_breakglass_ends_timestamp_seconds", {"rule": "no-unlimited-retention"}, lambda _: NOW + 5.6 * HOUR, start=recent)
    for name, model in MODELS.items():
        facts = {"model": name, "provider": model.provider, "zone": model.zone, "operator": model.operator}
        series.gauge("gateway_model_info", facts, lambda _: 1)
        series.gauge("gateway_model_status", {"model": name}, lambda _, name=name: name != OUT_OF_USE, start=recent)
        series.gauge("gateway_passport_review_timestamp_seconds", {"model": name}, lambda _, due=NOW + model.review_days * DAY: due, start=recent)


def ledger(series: Series, cost: dict[str, list[float]]) -> None:
    """The bill, and how budgets stand."""
    month = {key: since(MONTH, steps) for key, steps in cost.items()}
    places = {at: place for place, at in enumerate(TIMES)}
    day_before = {at - at % DAY: month["house"][place] for at, place in reversed(places.items())}
    series.gauge("gateway_ledger_cost_usd", {"period": "month"}, lambda at: month["house"][places[at]])
    series.gauge("gateway_ledger_cost_usd", {"period": "today"}, lambda at: month["house"][places[at]] - day_before[at - at % DAY])
    spent = month["house"][-1]
    for bound, factor in (("low", 1.06), ("likely", 1.09), ("high", 1.16)):
        series.gauge("gateway_ledger_projected_month_usd", {"bound": bound}, lambda _, factor=factor: spent * factor, start=RECENT)
    for period in ("today", "month"):
        series.gauge("gateway_ledger_measured_ratio", {"period": period}, lambda _: 0.994, start=RECENT)
    series.gauge("gateway_ledger_read_timestamp_seconds", {}, lambda at: at - at % 60 - 7, start=RECENT)
    providers = max(month[model.provider][-1] for model in MODELS.values() if model.provider in month)
    for dimension, share in (("provider", providers / spent), ("zone", 0.87), ("model", 0.38), ("weights_origin", 0.89)):
        series.gauge("gateway_concentration_ratio", {"dimension": dimension}, lambda _, share=share: share, start=RECENT)
    for budget, per, window in BUDGETS:
        members = {"team": {flow.team for flow in FLOWS}, "provider": {model.provider for model in MODELS.values()}}.get(per, {"house"})
        for account in sorted(members & LIMITS.keys() & month.keys()):
            labels = {"budget": budget, "per": per, "account": account, "window": window}
            settled, limit = month[account], LIMITS[account]
            pace = max(1e-9, (settled[-1] - settled[bisect_left(TIMES, NOW - 7 * DAY)]) / 7)
            series.gauge("gateway_budget_limit_usd", labels, lambda _, limit=limit: limit)
            series.gauge("gateway_budget_settled_usd", labels, lambda at, settled=settled: settled[places[at]])
            series.gauge("gateway_budget_reserved_usd", labels, lambda at, limit=limit: limit * 0.012 * busy(at))
            series.gauge("gateway_budget_reset_timestamp_seconds", labels, lambda _: MONTH + 30 * DAY, start=RECENT)
            if (days := (limit - settled[-1]) / pace) < (MONTH + 30 * DAY - NOW) / DAY:
                series.gauge("gateway_budget_runway_days", labels, lambda _, days=days: days, start=RECENT)
    for name, rate in (("gateway_saved_usd", 0.21), ("gateway_lost_usd", 0.013)):
        series.count(name, {"baseline": "requested"}, [each * rate for each in cost["house"]], whole=False)


def speed(series: Series, asked: dict[str, list[float]]) -> None:
    """How fast all of it was, and how full the machines were."""
    everything = [sum(steps) for steps in zip(*asked.values(), strict=True)]
    jitter = wandering("overhead", 0.15)
    series.histogram("gateway_overhead_seconds", {}, OVERHEAD, everything, lambda at: 0.0008 * jitter(at) * (1 + 0.4 * busy(at)), 0.6)
    for name, many in asked.items():
        model, by = MODELS[name], {"model": name, "provider": MODELS[name].provider}
        own = model.zone == "inhouse"
        drift = wandering(name, 0.12)
        fuller = lambda at, own=own, drift=drift: drift(at) * (1 + (0.9 if own else 0.15) * busy(at))  # noqa: E731
        series.histogram("gateway_time_to_first_token_seconds", by, SECONDS, many, lambda at, m=model, f=fuller: m.first * f(at), 0.45)
        series.histogram("gateway_request_duration_seconds", by, SECONDS, many, lambda at, m=model, f=fuller: 9 * m.first * f(at), 0.6)
        series.histogram("gateway_output_tokens_per_second", by, RATES, many, lambda at, m=model, f=fuller: m.speed / f(at) ** 0.7, 0.25)
        room = {"qwen-a": 32, "lab": 48}.get(name)
        waits = lambda at, own=own: 28 * busy(at) * (1 if own else 0.4)  # noqa: E731
        running = lambda at, w=waits, d=drift, room=room: min(room or 99, w(at) * d(at) * (1.15 if room == 32 else 0.7))  # noqa: E731
        series.gauge("gateway_backend_inflight_calls", {"backend": name}, running, start=RECENT, alike=False)
        series.gauge("gateway_backend_queued_calls", {"backend": name}, lambda at, d=drift, room=room: max(0, 40 * (busy(at) * d(at) - 0.9)) if room == 32 else 0, start=RECENT, alike=False)
        if room:
            series.gauge("gateway_backend_limit_calls", {"backend": name}, lambda _, room=room: room, start=RECENT)
        refused = {"gpt-5.6-sol": throttled, "mistral-large-latest": timed_out}.get(name, lambda _: 0.0)
        series.gauge("gateway_backend_state", {"backend": name}, lambda at, r=refused: r(at) < 0.27 or at % 420 > 180, start=RECENT)
    series.gauge("gateway_inflight_requests", {}, lambda at: 120 * busy(at) * jitter(at), start=RECENT, alike=False)
    for replica, share in REPLICAS:
        series.add("gateway_ledger_lag_seconds", "gauge", {"instance": replica}, [share * abs(jitter(3 * at)) for at in TIMES[RECENT:]], RECENT)
    series.gauge("gateway_budget_series_dropped", {}, lambda _: 0, start=RECENT)
    for name, marginal, loaded, even in (("qwen-a", 0.9, 2.59, 0.46), ("lab", 0.21, 0.65, 0.74)):
        for kind, usd in (("marginal", marginal), ("loaded", loaded)):
            series.gauge("gateway_local_price_usd_per_million_tokens", {"model": name, "kind": kind}, lambda _, usd=usd: usd, start=RECENT)
        series.gauge("gateway_local_break_even_ratio", {"model": name}, lambda _, even=even: even, start=RECENT)


def main() -> None:
    """Writes the month into the file that the command names."""
    series = Series()
    asked, cost = work(series)
    failures(series, asked)
    policy(series, asked)
    ledger(series, cost)
    speed(series, asked)
    series.write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
