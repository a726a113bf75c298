"""The dashboard of the service: how fast it is, which backends fail, and what its own machines cost."""

from deploy.monitoring.panels import (
    BAD,
    COUNT,
    INSTANCE,
    MODEL,
    OK,
    TEAM,
    USD,
    WARN,
    Dashboard,
    Panel,
    Query,
    Row,
    Shown,
    Steps,
    must_be_zero,
)
from deploy.monitoring.promql import BACKEND, HERE, WHO, alike, counted, quantile, rate, total
from deploy.monitoring.promql import MODEL as BY_MODEL

_REQUESTS = f"gateway_requests_total{{{WHO}}}"
_FAILED = f'gateway_requests_total{{{WHO}, status=~"5.."}}'
_CALLS = f"gateway_calls_total{{{BACKEND}}}"
_CALLS_FAILED = f'gateway_calls_total{{{BACKEND}, outcome!="ok"}}'
_STATES = (Shown(0, 0, "left alone", BAD), Shown(1, 1, "asked", OK))
_NO_MACHINE = "no own machine with a price"
_LAG: Steps = ((0, OK), (10, WARN), (60, BAD))

_NOW = Row(
    "Now",
    (
        Panel(
            title="Requests a second",
            says="Requests that ended, over all replicas.",
            do="A fall to 0 while clients are there: see *Replicas*, then what is before the gateway.",
            kind="stat",
            unit="reqps",
            width=5,
            height=5,
            queries=(Query(rate(_REQUESTS), "requests"),),
        ),
        Panel(
            title="Failed",
            says="Share of the requests of the last 5 minutes that ended with a 5xx, those without a price included.",
            do="Above 1 %: *Errors by backend* says whose, *Shed* whether it is us.",
            kind="stat",
            unit="percentunit",
            decimals=2,
            width=5,
            height=5,
            steps=((0, OK), (0.01, WARN), (0.05, BAD)),
            queries=(
                Query(
                    f"(sum(rate({_FAILED}[5m])) or vector(0)) / (sum(rate({_REQUESTS}[5m])) > 0) or vector(0)",
                    "failed",
                    now=True,
                ),
            ),
        ),
        Panel(
            title="Overhead p99",
            says="The gateway's own time to the first byte, for 99 of 100 requests.",
            do="Above 50 ms: too little processor, or many large bodies. Add a replica.",
            kind="stat",
            unit="s",
            width=5,
            height=5,
            steps=((0, OK), (0.05, WARN), (0.25, BAD)),
            queries=(Query(quantile(0.99, "gateway_overhead_seconds", HERE), "p99"),),
        ),
        Panel(
            title="Under way",
            says="Requests under way on all replicas.",
            do="Near `GATEWAY_MAX_INFLIGHT` times replicas, new ones are turned away: add replicas.",
            kind="stat",
            unit=COUNT,
            decimals=0,
            width=4,
            height=5,
            queries=(Query(f"sum(gateway_inflight_requests{{{HERE}}})", "under way"),),
        ),
        Panel(
            title="Replicas",
            says="Replicas that answer scrapes, by version.",
            do="Fewer than you started: `up` of the job says which. Two versions for long: a rollout is stuck.",
            kind="stat",
            unit=COUNT,
            decimals=0,
            width=5,
            height=5,
            queries=(Query(f"count by (version) (gateway_build_info{{{HERE}}})", "{{version}}", now=True),),
        ),
    ),
)

_SPEED = Row(
    "How fast",
    (
        Panel(
            title="Overhead",
            says="The gateway's own time to the first byte: everything but waiting for a backend.",
            do="p50 that rises with traffic: processor. p99 alone: large bodies, or one busy replica.",
            kind="timeseries",
            unit="s",
            queries=(
                Query(quantile(0.5, "gateway_overhead_seconds", HERE), "p50"),
                Query(quantile(0.99, "gateway_overhead_seconds", HERE), "p99"),
            ),
        ),
        Panel(
            title="First token, p95",
            says="Arrival to first content, for 95 of 100 requests, by model.",
            do="One model: its backend is full. All: see *Overhead*. Own machines: see *Queue*.",
            kind="timeseries",
            unit="s",
            queries=(Query(quantile(0.95, "gateway_time_to_first_token_seconds", BY_MODEL, "model"), "{{model}}"),),
        ),
        Panel(
            title="First token, p50",
            says="Arrival to first content, for half of the requests, by model.",
            do="What users feel. Compare models before you prefer one.",
            kind="timeseries",
            unit="s",
            queries=(Query(quantile(0.5, "gateway_time_to_first_token_seconds", BY_MODEL, "model"), "{{model}}"),),
        ),
        Panel(
            title="Tokens a second, p50",
            says="How fast streams are written, for half of them, by model.",
            do="Own machines that slow down are given too many calls: lower `max_concurrent`.",
            kind="timeseries",
            unit="short",
            queries=(Query(quantile(0.5, "gateway_output_tokens_per_second", BY_MODEL, "model"), "{{model}}"),),
        ),
        Panel(
            title="Duration, p95",
            says="Arrival to last byte, for 95 of 100 requests, by model.",
            do="Long answers are long: read it beside *First token*.",
            kind="timeseries",
            unit="s",
            queries=(Query(quantile(0.95, "gateway_request_duration_seconds", BY_MODEL, "model"), "{{model}}"),),
        ),
        Panel(
            title="Requests a second, by status",
            says="Requests by the class of their status.",
            do="4xx are callers' (402 budget, 403 policy, 429 rate). 5xx are ours or a backend's.",
            kind="timeseries",
            unit="reqps",
            stacked="normal",
            queries=(
                Query(
                    f"sum by (class) (label_replace(rate({_REQUESTS}[$__rate_interval]),"
                    ' "class", "${1}xx", "status", "(.).."))',
                    "{{class}}",
                ),
            ),
        ),
    ),
)

_BACKENDS = Row(
    "Backends",
    (
        Panel(
            title="Asked or left alone",
            says="Whether each backend is asked. One of whose last calls half failed is left alone for some seconds.",
            do="Left alone for minutes: `gateway backends check ID` says what is wrong with it.",
            kind="state-timeline",
            unit="short",
            width=12,
            height=9,
            steps=((0, BAD), (1, OK)),
            shown=_STATES,
            queries=(Query(f"min by (backend) (gateway_backend_state{{{BACKEND}}})", "{{backend}}"),),
        ),
        Panel(
            title="Errors by backend",
            says="Failed calls, by backend and kind of failure. A bar is 5 minutes, or more in a long range.",
            do="`unauthorized`, `no_credit`, `model_missing` are yours to mend; `throttled` asks for a higher limit.",
            kind="bars",
            unit=COUNT,
            decimals=0,
            width=12,
            height=9,
            queries=(Query(f"{counted(_CALLS_FAILED, 'backend, outcome')} > 0", "{{backend}}: {{outcome}}"),),
            empty="no errors in this range",
        ),
        Panel(
            title="Error rate by backend",
            says="Share of the calls to a backend that failed in this range.",
            do="The worst first. What fails often and is cheap costs more than it saves.",
            kind="bargauge",
            unit="percentunit",
            decimals=1,
            most=1,
            steps=((0, OK), (0.01, WARN), (0.05, BAD)),
            queries=(
                Query(
                    f"sort_desc(topk(12, ({total(_CALLS_FAILED, 'backend')} or 0 * {total(_CALLS, 'backend')})"
                    f" / ({total(_CALLS, 'backend')} > 0)))",
                    "{{backend}}",
                    now=True,
                ),
            ),
        ),
        Panel(
            title="How full backends are",
            says="Calls under way as a share of how many a backend may have at once, where that is bounded.",
            do="At 100 % for long: add machines, or let others share by `prefer`.",
            kind="timeseries",
            unit="percentunit",
            most=1,
            queries=(
                Query(
                    f"sum by (backend) (gateway_backend_inflight_calls{{{BACKEND}}})"
                    f" / sum by (backend) (gateway_backend_limit_calls{{{BACKEND}}})",
                    "{{backend}}",
                ),
            ),
        ),
        Panel(
            title="Queue",
            says="Calls that wait for room at a backend.",
            do="A queue that does not drain adds to every first token, and ends in 429 `overloaded`.",
            kind="timeseries",
            unit="short",
            stacked="normal",
            queries=(Query(f"sum by (backend) (gateway_backend_queued_calls{{{BACKEND}}})", "{{backend}}"),),
        ),
        Panel(
            title="Shed",
            says="What was turned away, since it was too much, by reason. A bar is 5 minutes, or more in a long range.",
            do="`backend`: too few machines. `inflight`, `delay`, `bodies`: too few replicas. `connections`, "
            "`slow`: clients. `team`: one team asks for more than its part.",
            kind="bars",
            unit=COUNT,
            decimals=0,
            queries=(Query(counted(f"gateway_shed_total{{{HERE}}}", "reason"), "{{reason}}"),),
        ),
    ),
)

_LOSSES = Row(
    "Lost or late",
    (
        must_be_zero(
            "Series dropped",
            "What was counted under `other` in this range, since there were too many label values.",
            "Not 0: splits by team and app are not whole. Runbook: GatewaySeriesDropped.",
            f"round({total(f'gateway_series_dropped_total{{{HERE}}}', '')})",
            width=6,
            height=8,
        ),
        Panel(
            title="Not told to the collector",
            says="Spans that no collector got, and requests that it was not told of, in this range. 0 without one.",
            do="Not 0: the log says `otel_not_sent`, and why. Ledger and dashboards are whole all the same.",
            kind="stat",
            unit=COUNT,
            decimals=0,
            width=6,
            steps=((0, OK), (1e-9, WARN)),
            queries=(Query(f"round({total(f'gateway_otel_dropped_total{{{HERE}}}', '')})", "lost", now=True),),
        ),
        Panel(
            title="Ledger lag",
            says="Age of the oldest call that is in a replica's journal and not yet in the ledger.",
            do="It grows while the database is away; nothing is lost until the journal is full. Runbook: "
            "GatewayLedgerLag.",
            kind="timeseries",
            unit="s",
            steps=_LAG,
            queries=(Query(f"max by (instance) (gateway_ledger_lag_seconds{{{HERE}}})", "{{instance}}"),),
        ),
    ),
)

_FLEET = Row(
    "Fleet: machines of our own",
    (
        Panel(
            title="Price of own machines, marginal",
            says="USD for a million tokens, if the machine runs anyway: what cost routing compares.",
            do="From `gpu_hour` and `tokens_per_second` in the catalog: renew them when power, rent or "
            "throughput change.",
            kind="bargauge",
            unit=USD,
            decimals=2,
            width=8,
            height=6,
            empty=_NO_MACHINE,
            queries=(
                Query(
                    alike('gateway_local_price_usd_per_million_tokens{kind="marginal"}', "model"), "{{model}}", now=True
                ),
            ),
        ),
        Panel(
            title="Price of own machines, loaded",
            says="USD for a million tokens with everything that the machine costs, at the use that is declared for it.",
            do="Compare with vendors in `gateway prices list` before you buy more.",
            kind="bargauge",
            unit=USD,
            decimals=2,
            width=8,
            height=6,
            empty=_NO_MACHINE,
            queries=(
                Query(
                    alike('gateway_local_price_usd_per_million_tokens{kind="loaded"}', "model"), "{{model}}", now=True
                ),
            ),
        ),
        Panel(
            title="Break-even",
            says="From which use on (share of its capacity) an own machine is cheaper than the cheapest vendor.",
            do="Above 100 % it never pays. Well below the use that it has, a second one may.",
            kind="bargauge",
            unit="percentunit",
            width=8,
            height=6,
            decimals=0,
            empty=_NO_MACHINE,
            steps=((0, OK), (0.7, WARN), (1, BAD)),
            queries=(Query(alike("gateway_local_break_even_ratio", "model"), "{{model}}", now=True),),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="gateway-service",
    file="service",
    title="Gateway service",
    says="How fast it is, which backends fail, and what machines of our own cost.",
    since="now-6h",
    rows=(_NOW, _SPEED, _BACKENDS, _LOSSES, _FLEET),
    variables=(INSTANCE, TEAM, MODEL),
)
