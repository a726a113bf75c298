"""Alerts about money."""

from deploy.monitoring.alert import Alert, Case
from deploy.monitoring.promql import happened

_BUDGET = {"budget": "b", "per": "team", "account": "search", "window": "month"}
_LABELS = 'budget="b", per="team", account="search", window="month"'

RUNWAY = Alert(
    name="GatewayBudgetRunwayShort",
    # A window of a day or an hour that fills has always less than three days left: that is its ordinary life.
    expr='min by (budget, per, account, window) (gateway_budget_runway_days{window!~"hour|day|[0-9]+h|[123]d"}) < 3',
    lasts="15m",
    severity="warning",
    summary="budget {{ $labels.budget }} of {{ $labels.account }} is spent in"
    ' {{ $value | printf "%.1f" }} days at this pace',
    line="raise the budget, lower the use, or tell its owner before calls get 402",
    means="At the pace of late, the budget reaches its limit in less than three days, and before its window ends. From"
    " then on its calls are refused (402 `budget_exceeded`), or go to the alias of `downgrade` where the rule says so.",
    look=(
        "*How full budgets are* and *Top movers* of the dashboard Gateway spend.",
        "`gateway spend forecast`, and `gateway spend --by team,app --since 7d` for who spends it.",
    ),
    do=(
        (
            "It is meant: raise it (`gateway budgets set --team NAME --usd N --per month`, or the `limit` in the "
            "policy tree)."
        ),
        "It is not: lower what the app sends, or prefer a cheaper model for it.",
    ),
    cases=(
        Case(
            why="two replicas show the same",
            series=tuple(
                (f'gateway_budget_runway_days{{{_LABELS}, instance="{each}"}}', "2.5x30") for each in ("a", "b")
            ),
            at="20m",
            fires=((_BUDGET, "2.5"),),
        ),
        Case(
            why="enough is left, and a day's budget that fills is no news",
            series=(
                (f"gateway_budget_runway_days{{{_LABELS}}}", "3.5x30"),
                ('gateway_budget_runway_days{budget="d", per="team", account="search", window="day"}', "0.2x30"),
            ),
            at="20m",
        ),
        Case(
            why="it is not reached in the window, so there is no series any more",
            series=((f"gateway_budget_runway_days{{{_LABELS}}}", "2x5 stale"),),
            at="25m",
        ),
    ),
)

BURN = Alert(
    name="GatewaySpendBurnDoubled",
    expr="gateway:cost_usd:increase1h > 5 and gateway:cost_usd:increase1h > 2 * (gateway:cost_usd:increase1h "
    "offset 1w)",
    lasts="15m",
    severity="warning",
    summary='{{ $value | printf "%.2f" }} USD in the last hour, more than twice the same hour last week',
    line="find who moved it; a budget stops what must not go on",
    means="The last hour cost more than twice what the same hour cost a week ago, and more than 5 USD. Where nothing is"
    " known of last week, nothing is said.",
    look=(
        "*Cost per hour, by model* and *By team* of the dashboard Gateway spend, over the last 6 hours.",
        "`gateway spend --by team,app,model --since 2h`.",
    ),
    do=(
        "A loop or a leaked key: `gateway keys revoke ID`, or a budget for an hour.",
        "A launch, or a batch: tell whoever owns the budget, and let the alert pass.",
    ),
    cases=(
        Case(
            why="thrice the pace of last week",
            series=(('gateway_cost_usd_total{team="t"}', "0+6x340 2058+18x7"),),
            at="172h",
            step="30m",
            fires=(({}, "36.00"),),
        ),
        Case(
            why="twice of very little",
            series=(('gateway_cost_usd_total{team="t"}', "0+0.03x340 10.5+0.3x7"),),
            at="172h",
            step="30m",
        ),
        Case(
            why="the same pace, over a restart",
            series=(('gateway_cost_usd_total{team="t"}', "0+6x340 0+6x7"),),
            at="172h",
            step="30m",
        ),
        Case(
            why="nothing is known of last week",
            series=(('gateway_cost_usd_total{team="t"}', "0+60x10"),),
            at="4h",
            step="30m",
        ),
    ),
)

OVERSHOOT = Alert(
    name="GatewayBudgetOvershoot",
    expr=f"sum({happened('gateway_budget_overshoot_usd_total', '1h')}) > 0",
    lasts="0m",
    severity="critical",
    summary='{{ $value | printf "%.4f" }} USD were booked beyond limits in force',
    line="a budget was no wall: find the call, then report it",
    means="A call was booked for more than a limit in force had room for. Reservations are made so that this cannot be:"
    " a provider reported more than the worst case that was reserved, or there is a fault in the gateway.",
    look=(
        "*How full budgets are* of the dashboard Gateway spend: which account is above its limit.",
        "`gateway spend --by team,app,model --since 2h`; the entries of that hour whose usage is not what was sent.",
    ),
    do=(
        "The provider reports what it cannot have used: `gateway backends suspend ID`, and ask it.",
        "A price or a `max_output` in the catalog is wrong: correct it.",
        "Neither: report it, with the entry.",
    ),
    cases=(
        Case(
            why="a cent, once",
            series=(("gateway_budget_overshoot_usd_total", "0x10 0.01x20"),),
            at="20m",
            fires=(({}, "0.0100"),),
        ),
        Case(
            why="a replica that had it when it was first scraped",
            series=(
                ('gateway_budget_overshoot_usd_total{instance="a"}', "0x70"),
                ('gateway_budget_overshoot_usd_total{instance="b"}', "_x65 0.02x5"),
                ('gateway_build_info{instance="a"}', "1x70"),
            ),
            at="68m",
            fires=(({}, "0.0200"),),
        ),
        Case(
            why="none, and what is long past; a scrape that failed is no news",
            series=(
                ('gateway_build_info{instance="a"}', "1x200"),
                ('gateway_budget_overshoot_usd_total{instance="a"}', "0x200"),
                ('gateway_budget_overshoot_usd_total{instance="b"}', "1x100 _ 1x100"),
            ),
            at="161m",
        ),
    ),
)

UNPRICED = Alert(
    name="GatewayUnpriced",
    expr=f"sum({happened('gateway_unpriced_requests_total', '15m')}) > 0",
    lasts="5m",
    severity="warning",
    summary='{{ $value | printf "%.0f" }} requests to models without a price in 15 minutes',
    line="give the model a price: `gateway prices list` shows which lack one",
    means="Requests named a model whose price is not known. They were refused, or charged as the dearest model where"
    " the policy says `unpriced: allow`.",
    look=("`gateway prices list`: which backends have no price.",),
    do=(
        "Write the price into `prices.yaml` or the catalog; `gateway prices update` knows most.",
        "Nobody should use the model: `gateway backends suspend ID`.",
    ),
    cases=(
        Case(
            why="one in three minutes",
            series=(("gateway_unpriced_requests_total", "0x10 1+1x40"),),
            at="30m",
            fires=(({}, "15"),),
        ),
        Case(why="long ago", series=(("gateway_unpriced_requests_total", "0x10 9x90"),), at="60m"),
        Case(why="a restart", series=(("gateway_unpriced_requests_total", "9x60 0x30"),), at="70m"),
    ),
)

ESTIMATED = Alert(
    name="GatewayEstimatedShareHigh",
    expr="gateway:cost_estimated_usd:increase1h / (gateway:cost_usd:increase1h > 1) > 0.05",
    lasts="30m",
    severity="warning",
    summary="{{ $value | humanizePercentage }} of the last hour's cost was estimated, not reported",
    line="find the backend that reports no usage, or whose answers break off",
    means="More than 5 % of an hour's cost is our own estimate or a bound, since no provider reported it. The ledger is"
    " then above the bill, rarely below it. Hours that cost less than 1 USD are not looked at.",
    look=(
        "*Estimated cost* of the dashboard Gateway spend, model by model.",
        "*Errors by backend* of Gateway service: `broken` and `timed_out` leave calls that nobody reports.",
    ),
    do=(
        "A server of our own that reports no usage in streams: update it, or set what the catalog says of its kind.",
        "Clients that leave early: nothing to mend, but their share is theirs.",
        "`gateway spend reconcile FILE --book` sets it right when the invoice is there.",
    ),
    cases=(
        Case(
            why="a tenth",
            series=(
                ('gateway_cost_usd_total{team="t"}', "0+1x120"),
                ('gateway_cost_estimated_usd_total{team="t"}', "0+0.1x120"),
            ),
            at="100m",
            fires=(({}, "10%"),),
        ),
        Case(
            why="a tenth of very little",
            series=(
                ('gateway_cost_usd_total{team="t"}', "0+0.01x120"),
                ('gateway_cost_estimated_usd_total{team="t"}', "0+0.001x120"),
            ),
            at="100m",
        ),
        Case(why="all is reported", series=(('gateway_cost_usd_total{team="t"}', "0+1x120"),), at="100m"),
    ),
)

ALERTS = (RUNWAY, BURN, OVERSHOOT, UNPRICED, ESTIMATED)
