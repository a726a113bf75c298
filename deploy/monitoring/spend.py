"""The dashboard of money: what the month costs, how budgets stand, who spends it on what."""

from deploy.monitoring.panels import (
    BAD,
    INSTANCE,
    MODEL,
    NEUTRAL,
    OK,
    TEAM,
    USD,
    USD_AXIS,
    WARN,
    Column,
    Dashboard,
    Kind,
    Missing,
    Panel,
    Query,
    Row,
    Steps,
    Variable,
    must_be_zero,
)
from deploy.monitoring.promql import HERE, WHO, alike, grown, total

_COST = f"gateway_cost_usd_total{{{WHO}}}"
_REQUESTS = f"gateway_requests_total{{{WHO}}}"
_OUTPUT = f'gateway_tokens_total{{{WHO}, bucket=~"output|reasoning"}}'
_SAVED = total(f"gateway_saved_usd_total{{{HERE}}}", "baseline")
_LOST = total(f"gateway_lost_usd_total{{{HERE}}}", "baseline")
_ACCOUNT = "budget, per, account, window"
_CHOSEN = '{budget="$budget", account="$account"}'
_FULL: Steps = ((0, OK), (0.8, WARN), (1, BAD))
_NO_BUDGET = "no budgets yet: gateway budgets set"
_ALL_TEAMS = "Team and model do not narrow it: the ledger's own sum over everybody."


def _budget(series: str) -> str:
    return alike(f"gateway_budget_{series}", _ACCOUNT)


def _projected(bound: str) -> str:
    return alike(f'gateway_ledger_projected_month_usd{{bound="{bound}"}}')


_BILL = Row(
    "The bill, as the ledger has it (UTC)",
    (
        Panel(
            title="Month to date",
            says=f"What all calls of this calendar month cost, reported or bounded. {_ALL_TEAMS}",
            do="It is what the providers will bill: check it by `gateway spend reconcile` when their invoice comes.",
            kind="stat",
            unit=USD,
            decimals=2,
            width=5,
            height=6,
            queries=(Query(alike('gateway_ledger_cost_usd{period="month"}'), "month to date", now=True),),
        ),
        Panel(
            title="Today",
            says=f"What calls since midnight cost. {_ALL_TEAMS}",
            do="Where it is unusual, see who moved it under *Top movers*.",
            kind="stat",
            unit=USD,
            decimals=2,
            width=4,
            height=6,
            queries=(Query(alike('gateway_ledger_cost_usd{period="today"}'), "today", now=True),),
        ),
        Panel(
            title="Projected month end",
            says="What the month will most likely cost, at the pace so far.",
            do="Above the plan? Lower a budget (`gateway budgets set`) or prefer cheaper models in the policy tree.",
            kind="stat",
            unit=USD,
            decimals=2,
            width=5,
            height=6,
            queries=(Query(_projected("likely"), "likely", now=True),),
            empty="not known yet",
        ),
        Panel(
            title="Month end, range",
            says="Four times in five the month ends between these two. They are there after some days.",
            do="Far apart: spending jumps from day to day. Plan with the higher one.",
            kind="stat",
            unit=USD,
            decimals=2,
            width=4,
            height=6,
            queries=tuple(Query(_projected(bound), bound, now=True) for bound in ("low", "high")),
            empty="not known yet",
        ),
        Panel(
            title="Measured share",
            says="Which share of this month's cost providers reported; the rest is our estimate or a bound.",
            do="Below 95 %: see which models under *Estimated cost*. Usage is lost where streams break or "
            "clients leave.",
            kind="stat",
            unit="percentunit",
            decimals=1,
            width=3,
            height=6,
            steps=((0, BAD), (0.95, WARN), (0.99, OK)),
            queries=(Query(alike('gateway_ledger_measured_ratio{period="month"}'), "measured", now=True),),
        ),
        Panel(
            title="Ledger read",
            says="How long ago the figures of this row were read from the ledger. Once a minute is usual.",
            do="Above 5 minutes the ledger cannot be read, and the figures are old: see *Ledger lag* of Gateway "
            "service.",
            kind="stat",
            unit="s",
            decimals=0,
            width=3,
            height=6,
            steps=((0, OK), (180, WARN), (300, BAD)),
            queries=(Query(f"time() - {alike('gateway_ledger_read_timestamp_seconds')}", "age", now=True),),
        ),
    ),
)

_ZERO = Row(
    "Must be zero",
    (
        must_be_zero(
            "Booked beyond limits",
            "What was booked beyond limits in force, in this range.",
            "Not 0: a budget was no wall. Runbook: GatewayBudgetOvershoot.",
            total(f"gateway_budget_overshoot_usd_total{{{HERE}}}", ""),
            unit=USD,
            width=12,
        ),
        must_be_zero(
            "Without a price",
            "Requests to a model that has no price: refused, or charged at the dearest.",
            "Not 0: give the model a price (`gateway prices list` shows which lack one).",
            f"round({total(f'gateway_unpriced_requests_total{{{HERE}}}', '')})",
            width=12,
        ),
    ),
)

_BUDGETS = Row(
    "Budgets",
    (
        Panel(
            title="How full budgets are",
            says="Each account of each budget: settled and reserved beside its limit, how many days it lasts at this "
            "pace (`to the end`: as long as its window), and when the window ends.",
            do="Above 80 %, or with less than 3 days left: raise it, or tell the team, before calls get 402.",
            kind="table",
            unit="short",
            width=24,
            height=13,
            sort=("Used",),
            empty=_NO_BUDGET,
            queries=(
                Query(
                    f"({_budget('settled_usd')} + {_budget('reserved_usd')}) / ({_budget('limit_usd')} > 0)", now=True
                ),
                Query(_budget("settled_usd"), now=True),
                Query(_budget("reserved_usd"), now=True),
                Query(_budget("limit_usd"), now=True),
                Query(_budget("runway_days"), now=True),
                Query(f"({_budget('reset_timestamp_seconds')} - time()) / 86400", now=True),
            ),
            columns=(
                Column(field="budget", title="Budget"),
                Column(field="account", title="Account"),
                Column(field="window", title="Window"),
                Column(field="Value #A", title="Used", unit="percentunit", cell="gauge", steps=_FULL, decimals=0),
                Column(field="Value #B", title="Settled", unit=USD, decimals=2),
                Column(field="Value #C", title="Reserved", unit=USD, decimals=2),
                Column(field="Value #D", title="Limit", unit=USD, decimals=2),
                Column(
                    field="Value #E",
                    title="Days left",
                    unit="suffix: d",
                    cell="colour",
                    decimals=1,
                    steps=((0, BAD), (3, WARN), (7, OK)),
                    shown=(Missing("to the end", OK),),
                ),
                Column(field="Value #F", title="Resets in", unit="suffix: d", decimals=1),
                Column(field="per", title="Per"),
            ),
        ),
        Panel(
            title="Budget $budget, account $account",
            says="One budget over time: what is reserved for calls under way stands on what is settled; dashed: "
            "the limit.",
            do="Reserved that stays high: calls that hang. Settled that climbs towards the line: act before it "
            "is there.",
            kind="timeseries",
            unit=USD_AXIS,
            width=24,
            height=9,
            stacked="normal",
            lines=("limit",),
            empty=_NO_BUDGET,
            queries=(
                Query(alike(f"gateway_budget_settled_usd{_CHOSEN}"), "settled"),
                Query(alike(f"gateway_budget_reserved_usd{_CHOSEN}"), "reserved"),
                Query(alike(f"gateway_budget_limit_usd{_CHOSEN}"), "limit"),
            ),
        ),
    ),
)


def _split(title: str, label: str, kind: Kind, do: str) -> Panel:
    """The cost of the range by one label."""
    series = grown(_COST, "$__range")
    by = f"sum by ({label}) ({series})"
    return Panel(
        title=title,
        says=f"Cost in this range by {label}.",
        do=do,
        kind=kind,
        unit=USD,
        width=8,
        height=8,
        decimals=2,
        queries=(Query(f"sort_desc(topk(12, {by}))" if kind == "bargauge" else by, f"{{{{{label}}}}}", now=True),),
    )


_SPLIT = Row(
    "Where it goes",
    (
        Panel(
            title="Cost per hour, by model",
            says="What each model costs, as a pace in USD an hour.",
            do="A step that nobody announced: find its team below, then its requests by `gateway spend --by team,app`.",
            kind="timeseries",
            unit=USD_AXIS,
            width=24,
            height=8,
            stacked="normal",
            queries=(Query(f"3600 * sum by (model) (rate({_COST}[$__rate_interval]))", "{{model}}"),),
        ),
        _split("By team", "team", "bargauge", "Agree on a budget with those at the top that have none."),
        _split(
            "By app",
            "app",
            "bargauge",
            "One app that dominates is the first to look at for caching or a smaller model.",
        ),
        _split("By model", "model", "bargauge", "See whether cheaper ones are eligible: `gateway policy explain`."),
        _split("By provider", "provider", "bargauge", "Compare with *Concentration* of Gateway routing."),
        _split("By zone", "zone", "piechart", "Own machines cost whether used or not: fill them first."),
        _split(
            "By sensitivity", "sensitivity", "piechart", "Confidential work may only go to few, and dearer, backends."
        ),
    ),
)

_PER = Row(
    "What a unit costs",
    (
        Panel(
            title="Cost per request",
            says="Cost of the calls to a model, divided by the requests that it served. Each point is of six hours.",
            do="It rises with longer prompts, longer answers and failed attempts that were billed.",
            kind="timeseries",
            unit=USD_AXIS,
            decimals=4,
            legend="right",
            queries=(
                Query(
                    f"sum by (model) (rate({_COST}[6h])) / (sum by (model) (rate({_REQUESTS}[6h])) > 0)",
                    "{{model}}",
                ),
            ),
        ),
        Panel(
            title="Cost per 1k output tokens",
            says="All that calls to a model cost, inputs too, divided by the thousands of tokens that it wrote. Each"
            " point is of six hours.",
            do="Compare models by it: it has caches, long prompts and thinking in it, which price lists have not.",
            kind="timeseries",
            unit=USD_AXIS,
            decimals=4,
            legend="right",
            queries=(
                Query(
                    f"1000 * sum by (model) (rate({_COST}[6h])) / (sum by (model) (rate({_OUTPUT}[6h])) > 0)",
                    "{{model}}",
                ),
            ),
        ),
    ),
)

_SAVINGS = Row(
    "Savings and estimates",
    (
        Panel(
            title="Saved, net",
            says="What requests of this range cost less than on what they are compared with, less what others cost"
            " more. `requested`: the model that the caller named.",
            do="Negative: routing costs more than it saves. See *Savings* for since when.",
            kind="stat",
            unit=USD,
            decimals=2,
            width=6,
            steps=((-1e9, BAD), (0, OK)),
            queries=(
                Query(
                    f"({_SAVED} or 0 * {_LOST}) - ({_LOST} or 0 * {_SAVED})",
                    "{{baseline}}",
                    now=True,
                ),
            ),
        ),
        Panel(
            title="Estimated cost",
            says="The part of this range's cost that nobody reported, for the teams and models chosen.",
            do="More than 5 % of the cost: choose models one by one to find whose usage does not arrive.",
            kind="stat",
            unit=USD,
            decimals=2,
            width=6,
            queries=(Query(total(f"gateway_cost_estimated_usd_total{{{WHO}}}", ""), "estimated", now=True),),
        ),
        Panel(
            title="Savings",
            says="USD an hour that routing saves (above 0) or loses (below), by what it is compared with.",
            do="Below 0 for long: fallbacks to dear models, or a preference that no longer pays.",
            kind="timeseries",
            unit=USD_AXIS,
            signed=True,
            queries=(
                Query(
                    f"3600 * sum by (baseline) (rate(gateway_saved_usd_total{{{HERE}}}[$__rate_interval]))",
                    "saved, {{baseline}}",
                ),
                Query(
                    f"-3600 * sum by (baseline) (rate(gateway_lost_usd_total{{{HERE}}}[$__rate_interval]))",
                    "lost, {{baseline}}",
                ),
            ),
        ),
    ),
)


def _movers(label: str) -> Panel:
    this = f"sum by ({label}) ({grown(_COST, '7d')})"
    last = f"(sum by ({label}) (increase({_COST}[7d] offset 7d)) or 0 * {this})"
    return Panel(
        title=f"Top movers by {label}",
        says=f"The last seven days beside the seven before, by {label}: those that rose most come first.",
        do="Ask the first few whether it was meant. A new name with high cost has often no budget yet.",
        kind="table",
        unit=USD,
        decimals=2,
        sort=("Change",),
        queries=(
            Query(f"sort_desc({this} - {last})", now=True),
            Query(this, now=True),
            Query(last, now=True),
        ),
        columns=(
            Column(field=label, title=label.capitalize()),
            Column(field="Value #A", title="Change", cell="colour", steps=((-1e9, OK), (0, NEUTRAL), (1, WARN))),
            Column(field="Value #B", title="Last 7 days"),
            Column(field="Value #C", title="7 days before"),
        ),
    )


DASHBOARD = Dashboard(
    uid="gateway-spend",
    file="spend",
    title="Gateway spend",
    says="What the month costs, how budgets stand, and who spends it on what.",
    since="now/M",
    rows=(_BILL, _BUDGETS, _ZERO, _SPLIT, _PER, _SAVINGS, Row("Week on week", (_movers("team"), _movers("model")))),
    variables=(
        INSTANCE,
        TEAM,
        MODEL,
        Variable(name="budget", label="Budget", query="label_values(gateway_budget_limit_usd, budget)", several=False),
        Variable(
            name="account",
            label="Account",
            query='label_values(gateway_budget_limit_usd{budget="$budget"}, account)',
            several=False,
        ),
    ),
)
