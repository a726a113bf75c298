"""The dashboard for security: what went where, what was stopped, and whether the policy is in force everywhere."""

from deploy.monitoring.panels import (
    BAD,
    COUNT,
    INSTANCE,
    MODEL,
    NEUTRAL,
    OK,
    QUIET,
    WARN,
    Column,
    Dashboard,
    Matrix,
    Missing,
    Panel,
    Query,
    Row,
    Shown,
    must_be_zero,
)
from deploy.monitoring.promql import HERE, alike, counted, grown, or_none, rate, total
from deploy.monitoring.promql import MODEL as BY_MODEL

_CALLS = f"gateway_calls_total{{{HERE}}}"
_CELL = "sensitivity, zone"
_LEVELS = ("public", "internal", "confidential", "restricted", "unknown")
_PERMITTED = f"max by ({_CELL}) (max_over_time(gateway_policy_cell_permitted[$__range]))"
_IN_CELL = f"sum by ({_CELL}) ({grown(_CALLS, '$__range')})"
_FORBIDDEN_CALLS = f"round(sum({_IN_CELL} and on ({_CELL}) ({_PERMITTED} == 0))) or vector(0)"
_OUT_OF_USE = "max by (model) (max_over_time(gateway_model_status[$__range])) == 0"
_SUSPENDED = f'label_replace({_OUT_OF_USE}, "backend", "$1", "model", "(.*)")'


def _in_order(expr: str) -> str:
    """Levels with a number before them, so that a table sorts them from harmless to grave."""
    for number, level in enumerate(_LEVELS, 1):
        expr = f'label_replace({expr}, "sensitivity", "{number} {level}", "sensitivity", "{level}")'
    return expr


_HEAT = _in_order(
    f"((round({_IN_CELL}) or 0 * {_PERMITTED}) * on ({_CELL}) (2 * {_PERMITTED} - 1)"
    f" - on ({_CELL}) 0.001 * (1 - {_PERMITTED}) or round({_IN_CELL}))"
)
"""Calls in each cell. Where the policy never permitted one, they count below zero, and none is -0.001: so one number
says both how many there were and whether there may be any. A cell that is neither proved open nor shut is as an open
one."""

_CELLS = (
    Shown(-0.5, -0.0001, "never", OK),
    Shown(0, 0, "0", QUIET),
)

_ZERO = Row(
    "Must be zero",
    (
        must_be_zero(
            "Calls in forbidden cells",
            "Calls of a sensitivity to a zone that the policy never permitted in this range.",
            "Not 0: data went where it must not. Runbook: GatewayForbiddenCell.",
            _FORBIDDEN_CALLS,
        ),
        must_be_zero(
            "Past the policy",
            "Calls to a backend that its request's decision did not name.",
            "Not 0: treat it as an incident. Runbook: GatewayBypass.",
            f"round({total(f'gateway_bypass_total{{{HERE}}}', '')})",
        ),
        must_be_zero(
            "To suspended models",
            "Calls to a model that was out of use for all of this range.",
            "Not 0: a replica does not know of the suspension. Runbook: GatewaySuspendedModelReceives.",
            f"round(sum(sum by (backend) ({grown(_CALLS, '$__range')}) and on (backend) ({_SUSPENDED}))) or vector(0)",
        ),
        must_be_zero(
            "Not scanned",
            "Requests that the scanner failed on: they count as unknown, which forbids most.",
            "Not 0: the log says `not_scanned`, and why.",
            f"round({total(f'gateway_classifier_failures_total{{{HERE}}}', '')})",
        ),
        must_be_zero(
            "Replicas on an older policy",
            "Replicas that a newer policy tree did not load on.",
            "Not 0: `GET /admin/policies` says why. Runbook: GatewayPolicyReloadFailed.",
            f"sum(gateway_policy_stale{{{HERE}}}) or vector(0)",
        ),
        must_be_zero(
            "Further policies in force",
            "Policies in force beside the first: 0 while all replicas agree.",
            "Not 0 for more than some minutes: see *Policy by replica*. Runbook: GatewayPolicyDigestsDiffer.",
            f"count(count by (digest) (gateway_policy_info{{{HERE}}} == 1)) - 1",
        ),
    ),
)

_FLOW = Row(
    "What went where",
    (
        Panel(
            title="Calls by sensitivity and zone (red: never permitted)",
            says="Calls in this range. `never`: the policy permits no such call, and there was none. Red, below zero: "
            "so many calls that it never permitted.",
            do="Red is an incident: runbook GatewayForbiddenCell. A cell that is open and always 0 could be closed.",
            kind="table",
            unit=COUNT,
            decimals=0,
            width=14,
            height=9,
            steps=((-1e9, BAD), (-0.5, OK), (0, QUIET), (1, NEUTRAL)),
            shown=_CELLS,
            queries=(Query(_HEAT, now=True),),
            matrix=Matrix("sensitivity", "zone"),
        ),
        Panel(
            title="Calls a second, by zone",
            says="How much goes to each zone.",
            do="Traffic to a zone that is new, or far more than usual: `gateway spend --by zone,team` says whose.",
            kind="timeseries",
            unit="ops",
            width=10,
            height=9,
            stacked="normal",
            queries=(Query(rate(_CALLS, "zone"), "{{zone}}"),),
        ),
        Panel(
            title="Denials, by rule",
            says="Requests of this range that a rule denied; several rules may deny one.",
            do="A rule at the top is doing its work, or too broad: `gateway policy explain` with the decision's id.",
            kind="bargauge",
            unit=COUNT,
            decimals=0,
            names="top",
            empty="no denials in this range",
            queries=(
                Query(
                    f"sort_desc(topk(12, round({total(f'gateway_policy_denied_total{{{HERE}}}', 'rule')})))",
                    "{{rule}}",
                    now=True,
                ),
            ),
        ),
        Panel(
            title="Denials over time, by rule",
            says="When rules denied. A bar is 5 minutes, or more in a long range.",
            do="A step after an edit of the policy is that edit. Without one, somebody tries what they may not.",
            kind="bars",
            unit=COUNT,
            decimals=0,
            queries=(Query(counted(f"gateway_policy_denied_total{{{HERE}}}", "rule"), "{{rule}}"),),
            empty="no denials in this range",
        ),
        Panel(
            title="What was found in requests",
            says="Requests of this range by the kind of what the scanner found; `none`: nothing.",
            do="Secrets and cards that people send: tell the team. Everything `none`: is the scanner's input "
            "what you think?",
            kind="bargauge",
            unit=COUNT,
            decimals=0,
            queries=(
                Query(
                    f"sort_desc(round({total(f'gateway_classifier_results_total{{{HERE}}}', 'kind')}))",
                    "{{kind}}",
                    now=True,
                ),
            ),
        ),
        Panel(
            title="Scanner and recogniser",
            says="Requests that the scanner failed on, and that the optional recogniser did not look at. A bar is 5 "
            "minutes, or more in a long range.",
            do="Failures are in the log. Skipped: the recogniser has too little time or processor.",
            kind="bars",
            unit=COUNT,
            decimals=0,
            queries=(
                Query(counted(f"gateway_classifier_failures_total{{{HERE}}}"), "not scanned"),
                Query(counted(f"gateway_recognizer_skipped_total{{{HERE}}}"), "recogniser skipped"),
            ),
        ),
    ),
)

_INFO = 'topk by (model) (1, max by (model, provider, zone, operator) (gateway_model_info{model=~"$model"}))'

_FORCE = Row(
    "What is in force",
    (
        Panel(
            title="Policy by replica",
            says="The digest of the policy that each replica has in force, and whether a newer tree did not load "
            "there.",
            do="All digests are the same but for moments. `gateway policy rollback` puts an earlier tree in force.",
            kind="table",
            unit=COUNT,
            width=12,
            height=7,
            queries=(
                Query(f"max by (instance, digest) (gateway_policy_info{{{HERE}}} == 1)", now=True),
                Query(f"max by (instance) (gateway_policy_stale{{{HERE}}})", now=True),
            ),
            columns=(
                Column(field="instance", title="Replica"),
                Column(field="digest", title="Policy", width=260),
                Column(
                    field="Value #B",
                    title="Newer tree",
                    cell="colour",
                    steps=((0, OK), (1, BAD)),
                    shown=(Shown(0, 0, "none", OK), Shown(1, 1, "did not load", BAD)),
                ),
                Column(field="Value #A", title="In force", shown=(Shown(1, 1, "yes", QUIET),), width=80),
            ),
        ),
        Panel(
            title="Break-glass in force",
            says="Exceptions that are in force now, and how long each still is. `none`: there is none.",
            do="Know each: who asked, who approved (`exceptions/` of the policy tree). It ends by itself.",
            kind="table",
            unit=COUNT,
            width=6,
            height=7,
            queries=(
                Query(
                    or_none(
                        f"(({alike('gateway_breakglass_ends_timestamp_seconds', 'rule')} - time()) / 3600)", "rule"
                    ),
                    now=True,
                ),
            ),
            columns=(
                Column(field="rule", title="Rule"),
                Column(
                    field="Value",
                    title="Ends in",
                    unit="suffix: h",
                    cell="colour",
                    steps=((-1e9, OK), (1e-9, WARN)),
                    decimals=1,
                    shown=(Shown(0, 0, "-", OK),),
                ),
            ),
        ),
        Panel(
            title="Calls let past a rule",
            says="Calls in this range that only a break-glass exception permitted, by rule.",
            do="Each is meant to be looked at afterwards: `gateway audit show` and the decisions of that time.",
            kind="bargauge",
            unit=COUNT,
            decimals=0,
            width=6,
            height=7,
            names="top",
            steps=((0, OK), (1, WARN)),
            queries=(
                Query(
                    or_none(f"round({total(f'gateway_breakglass_total{{{HERE}}}', 'rule')})", "rule"),
                    "{{rule}}",
                    now=True,
                ),
            ),
        ),
        Panel(
            title="Models",
            says="Each model of the catalog: whether it is in use on all replicas, who operates it where, and how long "
            "until its passport is to be reviewed.",
            do="Review what is due within 14 days, then set `review_by`. `gateway backends suspend` takes one "
            "out at once.",
            kind="table",
            unit=COUNT,
            width=24,
            height=13,
            sort=("Status", "Review in"),
            ascending=True,
            queries=(
                Query(
                    f"min by (model) (gateway_model_status{{{BY_MODEL}}})"
                    f" * on (model) group_left (provider, zone, operator) {_INFO}",
                    now=True,
                ),
                Query(
                    '(min by (model) (gateway_passport_review_timestamp_seconds{model=~"$model"}) - time()) / 86400',
                    now=True,
                ),
            ),
            columns=(
                Column(field="model", title="Model"),
                Column(
                    field="Value #A",
                    title="Status",
                    cell="colour",
                    steps=((0, BAD), (1, OK)),
                    shown=(Shown(0, 0, "out of use", BAD), Shown(1, 1, "in use", OK)),
                ),
                Column(field="provider", title="Provider"),
                Column(field="zone", title="Zone"),
                Column(field="operator", title="Operator"),
                Column(
                    field="Value #B",
                    title="Review in",
                    unit="suffix: d",
                    decimals=0,
                    cell="colour",
                    steps=((-1e9, BAD), (0, WARN), (14, OK)),
                    shown=(Missing("no date", QUIET),),
                ),
            ),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="gateway-data-flow",
    file="data-flow",
    title="Gateway data flow",
    says="For security: what went where, what was stopped, and whether the policy is in force everywhere.",
    since="now-24h",
    rows=(_ZERO, _FLOW, _FORCE),
    variables=(INSTANCE, MODEL),
)
