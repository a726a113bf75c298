"""What a Prometheus would have of that house's gateways: made up, but it adds up. The bill is the sum of the calls."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

from deploy.monitoring.pictures.house import (
    BROKEN,
    DAY,
    DENIED,
    EDITED,
    EVERYBODY,
    FLOWS,
    FOUND,
    HOUR,
    LEVELS,
    LIMITS,
    MODELS,
    MONTH,
    MONTH_END,
    NOW,
    OUT_OF_USE,
    PRICES,
    ZONES,
    Flow,
    busy,
    may,
    throttled,
    timed_out,
    wandering,
)
from deploy.monitoring.pictures.series import DAY_BEFORE, HOURS_BEFORE, STEPS, TIMES, Series

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_OVERHEAD = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1)
_RATES = (1, 5, 10, 20, 40, 80, 160, 320, 640)
_BUCKETS = (("input_uncached", 2.2), ("cache_read", 3.4), ("cache_write", 0.4), ("reasoning", 0.5))
_WEIGHTS = "weights: "
_NONE = [0.0] * len(TIMES)

Steps = Sequence[float]
"""What is counted in each step between TIMES."""
By = dict[str, Steps]


def month() -> Series:
    """All series."""
    series = Series()
    asked, cost = _work(series)
    _failures(series, asked)
    _policy(series, asked)
    _ledger(series, cost)
    _speed(series, asked)
    return series


def _requests(flow: Flow) -> Steps:
    change = wandering(f"{flow.team}{flow.app}{flow.model}", 0.25)
    late = NOW - 6.5 * DAY
    return [
        flow.hourly * busy(at) * change(at) * (flow.growth if at > late else 1) * step / HOUR
        for at, step in zip(TIMES, STEPS, strict=True)
    ]


def _times(steps: Steps, factor: float) -> Steps:
    return [each * factor for each in steps]


def _work(series: Series) -> tuple[By, By]:
    """Requests by model, and cost by whoever may have a budget."""
    asked: By = defaultdict(lambda: _NONE)
    cost: By = defaultdict(lambda: _NONE)
    decided: dict[tuple[str, str, str], Steps] = defaultdict(lambda: _NONE)
    called: dict[tuple[str, str], Steps] = defaultdict(lambda: _NONE)
    billed: dict[tuple[str, ...], Steps] = defaultdict(lambda: _NONE)
    served: dict[tuple[str, str, str], Steps] = defaultdict(lambda: _NONE)
    written: dict[tuple[str, str, str], Steps] = defaultdict(lambda: _NONE)

    for flow in FLOWS:
        model = MODELS[flow.model]
        requests = _requests(flow)
        price = wandering(flow.app + flow.model, 0.12)
        spent = [many * flow.usd * price(at) for at, many in zip(TIMES, requests, strict=True)]
        who = (flow.team, flow.app, flow.model)
        served[who] = _sum(served[who], requests)
        written[who] = _sum(written[who], _times(requests, flow.output))
        billed[*who, flow.sensitivity] = spent
        asked[flow.model] = _sum(asked[flow.model], requests)
        for key in (EVERYBODY, flow.team, model.provider, model.zone, flow.model, _WEIGHTS + model.weights):
            cost[key] = _sum(cost[key], spent)
        decision = (flow.rule, flow.sensitivity, model.zone)
        decided[decision] = _sum(decided[decision], requests)
        called[flow.model, flow.sensitivity] = _sum(called[flow.model, flow.sensitivity], requests)
    for who, requests in served.items():
        labels = _who(who)
        series.count("gateway_requests", requests, {**labels, "status": "200"})
        for status, share in (("400", 0.004), ("502", 0.0008)):
            series.count("gateway_requests", _times(requests, share), {**labels, "status": status}, begin=HOURS_BEFORE)
        series.count("gateway_tokens", written[who], {**labels, "bucket": "output"})
        for bucket, times in _BUCKETS:
            tokens = _times(written[who], times)
            begin = 0 if bucket == "reasoning" else HOURS_BEFORE  # it is part of what a model wrote, all month
            series.count("gateway_tokens", tokens, {**labels, "bucket": bucket}, begin=begin)
    for (team, app, name, sensitivity), usd in billed.items():
        labels = {**_who((team, app, name)), "zone": MODELS[name].zone, "sensitivity": sensitivity}
        series.count("gateway_cost_usd", usd, labels, whole=False)
        series.count("gateway_cost_estimated_usd", _times(usd, 0.006), labels, whole=False)
    for (rule, sensitivity, zone), many in decided.items():
        labels = {"outcome": "permit", "rule": rule, "sensitivity": sensitivity, "zone": zone}
        series.count("gateway_policy_decisions", many, labels, begin=DAY_BEFORE)
    for (name, sensitivity), many in called.items():
        _calls(series, name, sensitivity, "ok", many)
        _calls(series, name, sensitivity, "server_error", _times(many, 0.0015))
    return asked, cost


def _sum(one: Steps, other: Steps) -> Steps:
    return [left + right for left, right in zip(one, other, strict=True)]


def _who(who: tuple[str, str, str]) -> dict[str, str]:
    team, app, name = who
    return {"team": team, "app": app, "model": name, "provider": MODELS[name].provider}


def _calls(series: Series, name: str, sensitivity: str, outcome: str, many: Steps) -> None:
    labels = {"backend": name, "provider": MODELS[name].provider, "zone": MODELS[name].zone}
    series.count("gateway_calls", many, {**labels, "sensitivity": sensitivity, "outcome": outcome}, begin=DAY_BEFORE)


def _failures(series: Series, asked: By) -> None:
    """What failed, and where requests went instead."""
    lost = [throttled(at) * many for at, many in zip(TIMES, asked["gpt-5.6-sol"], strict=True)]
    late = [timed_out(at) * many for at, many in zip(TIMES, asked["mistral-large-latest"], strict=True)]
    _calls(series, "gpt-5.6-sol", "public", "throttled", lost)
    _calls(series, "mistral-large-latest", "public", "timed_out", late)
    for begin, end, reason, many, usd in (
        ("gpt-5.6-sol", "claude-sonnet-5-5", "throttled", lost, 0),
        ("mistral-large-latest", "mistral-small-latest", "timed_out", late, 0.006),
        ("qwen-a", "lab", "overloaded", _times(asked["qwen-a"], 0.004), 0),
        ("claude-sonnet-5-5", "gpt-5.6-sol", "server_error", _times(asked["claude-sonnet-5-5"], 0.0015), 0.01),
    ):
        steps = {"from": begin, "to": end, "reason": reason}
        series.count("gateway_fallbacks", many, steps, begin=HOURS_BEFORE)
        wasted = {"from": begin, "reason": reason}
        series.count("gateway_fallback_cost_usd", _times(many, usd), wasted, whole=False, begin=HOURS_BEFORE)
    for reason in ("inflight", "delay", "connections", "slow", "backend", "bodies", "team"):
        many = _times(asked["qwen-a"], 0.0025) if reason == "backend" else _NONE
        series.count("gateway_shed", many, {"reason": reason}, begin=HOURS_BEFORE)


def _policy(series: Series, asked: By) -> None:
    """What was found and stopped, and what is in force."""
    everything = [sum(steps) for steps in zip(*asked.values(), strict=True)]
    for rule, daily in DENIED.items():
        many = [
            step / DAY * daily * busy(at) * (6 if rule == EDITED and at > NOW - 5 * HOUR else 1)
            for at, step in zip(TIMES, STEPS, strict=True)
        ]
        series.count("gateway_policy_denied", many, {"rule": rule}, begin=DAY_BEFORE)
        level = "internal" if rule == EDITED else "confidential"
        labels = {"outcome": "deny", "rule": rule, "sensitivity": level, "zone": "none"}
        series.count("gateway_policy_decisions", many, labels, begin=DAY_BEFORE)
    for kind, share in FOUND.items():
        series.count("gateway_classifier_results", _times(everything, share), {"kind": kind}, begin=DAY_BEFORE)
    on_trial, skipped = _times(everything, 0.003), _times(everything, 0.0004)
    series.count("gateway_policy_watched", on_trial, {"rule": "no-vendor-above-60-percent"}, begin=DAY_BEFORE)
    series.count("gateway_recognizer_skipped", skipped, {}, begin=DAY_BEFORE)
    past = [1.5 * busy(at) * step / HOUR for at, step in zip(TIMES, STEPS, strict=True)]
    series.count("gateway_breakglass", past, {"rule": BROKEN}, begin=DAY_BEFORE)
    series.gauge("gateway_breakglass_ends_timestamp_seconds", NOW + 5.6 * HOUR, {"rule": BROKEN})
    for name in ("bypass", "series_dropped", "budget_overshoot_usd", "classifier_failures"):
        series.count(f"gateway_{name}", _NONE, {})
    for outcome in ("refused", "left_out", "charged"):
        series.count("gateway_unpriced_requests", _NONE, {"outcome": outcome})
    for level in LEVELS:
        for zone in ZONES:
            cell = {"sensitivity": level, "zone": zone}
            series.gauge("gateway_policy_cell_permitted", may(level, zone), cell, begin=DAY_BEFORE)
    series.gauge("gateway_policy_info", 1, {"digest": "46b057627f03f363@2026-11-16"}, begin=DAY_BEFORE)
    series.gauge("gateway_policy_stale", 0, {}, begin=DAY_BEFORE)
    series.gauge("gateway_build_info", 1, {"version": "0.1.0"}, begin=DAY_BEFORE)
    for name, model in MODELS.items():
        facts = {"model": name, "provider": model.provider, "zone": model.zone, "operator": model.operator}
        series.gauge("gateway_model_info", 1, facts, begin=0)
        series.gauge("gateway_model_status", name != OUT_OF_USE, {"model": name}, begin=DAY_BEFORE)
        due = NOW + model.review_days * DAY
        series.gauge("gateway_passport_review_timestamp_seconds", due, {"model": name}, begin=DAY_BEFORE)


def _ledger(series: Series, cost: By) -> None:
    """The bill, and how budgets stand."""
    place = {at: index for index, at in enumerate(TIMES)}
    spent = {
        key: [*accumulate(usd if at > MONTH else 0.0 for at, usd in zip(TIMES, steps, strict=True))]
        for key, steps in cost.items()
    }
    bill = spent[EVERYBODY]
    midnights = {at - at % DAY: bill[place[at]] for at in reversed(TIMES)}

    def today(at: float) -> float:
        return bill[place[int(at)]] - midnights[int(at - at % DAY)]

    series.gauge("gateway_ledger_cost_usd", lambda at: bill[place[int(at)]], {"period": "month"}, begin=0)
    series.gauge("gateway_ledger_cost_usd", today, {"period": "today"}, begin=0)
    pace = _week(bill) / 7
    for bound, factor in (("low", 0.86), ("likely", 1), ("high", 1.21)):
        end = bill[-1] + pace * factor * (MONTH_END - NOW) / DAY
        series.gauge("gateway_ledger_projected_month_usd", end, {"bound": bound})
    for period in ("today", "month"):
        series.gauge("gateway_ledger_measured_ratio", 0.994, {"period": period})
    series.gauge("gateway_ledger_read_timestamp_seconds", lambda at: at - at % 60 - 7, {})
    for dimension, keys in (
        ("provider", {model.provider for model in MODELS.values()}),
        ("zone", set(ZONES)),
        ("model", set(MODELS)),
        ("weights_origin", {_WEIGHTS + model.weights for model in MODELS.values()}),
    ):
        most = max(spent[key][-1] for key in keys & spent.keys())
        series.gauge("gateway_concentration_ratio", most / bill[-1], {"dimension": dimension})
    for budget, per, accounts in LIMITS:
        for account, limit in accounts.items():
            labels = {"budget": budget, "per": per, "account": account, "window": "month"}
            _budget(series, labels, limit, spent[account], place)
    for name, rate in (("gateway_saved_usd", 0.21), ("gateway_lost_usd", 0.013)):
        series.count(name, _times(cost[EVERYBODY], rate), {"baseline": "requested"}, whole=False)


def _week(spent: Sequence[float]) -> float:
    """What was spent in the last seven days."""
    return spent[-1] - next(sum_ for at, sum_ in zip(TIMES, spent, strict=True) if at >= NOW - 7 * DAY)


def _budget(
    series: Series, labels: dict[str, str], limit: int, settled: Sequence[float], place: dict[int, int]
) -> None:
    series.gauge("gateway_budget_limit_usd", limit, labels, begin=0)
    series.gauge("gateway_budget_settled_usd", lambda at: settled[place[int(at)]], labels, begin=0)
    series.gauge("gateway_budget_reserved_usd", lambda at: limit * 0.012 * busy(at), labels, begin=0)
    series.gauge("gateway_budget_reset_timestamp_seconds", MONTH_END, labels)
    days = (limit - settled[-1]) / (_week(settled) / 7)
    if days < (MONTH_END - NOW) / DAY:
        series.gauge("gateway_budget_runway_days", days, labels)


def _speed(series: Series, asked: By) -> None:
    """How fast it was, and how full the machines were."""
    everything = [sum(steps) for steps in zip(*asked.values(), strict=True)]
    jitter = wandering("overhead", 0.15)
    series.histogram(
        "gateway_overhead_seconds", everything, {}, _OVERHEAD, lambda at: 0.0008 * jitter(at) * (1 + 0.4 * busy(at))
    )
    for name, many in asked.items():
        _speed_of(series, name, many)
    series.gauge("gateway_inflight_requests", lambda at: 120 * busy(at) * jitter(at), {}, split=True)
    series.gauge("gateway_ledger_lag_seconds", lambda at: 0.4 * jitter(3 * at) ** 2, {})
    for name, (marginal, loaded, even) in PRICES.items():
        for kind, usd in (("marginal", marginal), ("loaded", loaded)):
            series.gauge("gateway_local_price_usd_per_million_tokens", usd, {"model": name, "kind": kind})
        series.gauge("gateway_local_break_even_ratio", even, {"model": name})


def _speed_of(series: Series, name: str, many: Steps) -> None:
    model = MODELS[name]
    labels, drift = {"model": name, "provider": model.provider}, wandering(name, 0.12)

    def slower(at: float) -> float:
        return drift(at) * (1 + (0.9 if model.room else 0.15) * busy(at))

    def wanted(at: float) -> float:
        return model.load * busy(at) * drift(at)

    def state(at: float) -> float:
        refused = {"gpt-5.6-sol": throttled, "mistral-large-latest": timed_out}.get(name)
        return refused is None or refused(at) < 0.27 or at % 420 > 180

    first = "gateway_time_to_first_token_seconds"
    series.histogram(first, many, labels, _SECONDS, lambda at: model.first * slower(at))
    duration = "gateway_request_duration_seconds"
    series.histogram(duration, many, labels, _SECONDS, lambda at: 9 * model.first * slower(at))
    rate = "gateway_output_tokens_per_second"
    series.histogram(rate, many, labels, _RATES, lambda at: model.speed / slower(at) ** 0.7)
    backend = {"backend": name}
    room = model.room or 1000
    series.gauge("gateway_backend_inflight_calls", lambda at: min(room, wanted(at)), backend, split=True)
    series.gauge("gateway_backend_queued_calls", lambda at: max(0, 2 * (wanted(at) - room)), backend, split=True)
    if model.room:
        series.gauge("gateway_backend_limit_calls", model.room, backend, split=True)
    series.gauge("gateway_backend_state", state, backend)
