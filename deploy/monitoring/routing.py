"""The dashboard of routing: which rules decide, who serves, and where requests go when a backend fails."""

from deploy.monitoring.panels import (
    BAD,
    BUCKET,
    COUNT,
    INSTANCE,
    MODEL,
    OK,
    TEAM,
    USD,
    WARN,
    Column,
    Dashboard,
    Panel,
    Query,
    Row,
)
from deploy.monitoring.promql import BACKEND, HERE, WHO, alike, counted, grown, rate, total

_DECIDED = f"gateway_policy_decisions_total{{{HERE}}}"
_PERMITTED = f'gateway_policy_decisions_total{{{HERE}, outcome="permit"}}'
_DENIED = f'gateway_policy_decisions_total{{{HERE}, outcome="deny"}}'
_FALLBACKS = f"gateway_fallbacks_total{{{HERE}}}"
_NO_FALLBACKS = "no fallbacks in this range"
_CHOICES = f"gateway_choices_total{{{HERE}}}"
_CHEAPEST = f'gateway_choices_total{{{HERE}, choice="cheapest"}}'
_FALLBACK_COST = f"gateway_fallback_cost_usd_total{{{HERE}}}"

_CHOICE = Row(
    "Who decides, and who serves",
    (
        Panel(
            title="Cheapest eligible",
            says="Share of answered requests that the cheapest backend served of those that policy let serve, as costs "
            "were expected.",
            do="Low without fallbacks: a `prefer` rule orders by something else, or the cheap backends are full.",
            kind="stat",
            unit="percentunit",
            decimals=1,
            width=5,
            height=5,
            queries=(
                Query(
                    f"({total(_CHEAPEST, '')}) / (sum({grown(_CHOICES, '$__range')}) > 0)",
                    "cheapest",
                    now=True,
                ),
            ),
        ),
        Panel(
            title="First choice kept",
            says="Share of permitted requests that went no further than the first candidate.",
            do="Below 99 %: the fallback table below says which backend fails and why.",
            kind="stat",
            unit="percentunit",
            decimals=1,
            width=5,
            height=5,
            steps=((0, BAD), (0.95, WARN), (0.99, OK)),
            queries=(
                Query(
                    f"clamp_min(1 - ({total(_FALLBACKS, '')}) / (sum({grown(_PERMITTED, '$__range')}) > 0), 0)",
                    "first choice",
                    now=True,
                ),
            ),
        ),
        Panel(
            title="Fallbacks",
            says="Steps to the next backend in this range.",
            do="They cost time always and money sometimes: see their table below.",
            kind="stat",
            unit=COUNT,
            decimals=0,
            width=5,
            height=5,
            queries=(Query(f"round({total(_FALLBACKS, '')})", "fallbacks", now=True),),
        ),
        Panel(
            title="Cost of answers nobody got",
            says="What failed calls cost whose request then went to another backend.",
            do="A backend that fails late and bills is a reason to ask it last: `prefer` in the policy tree.",
            kind="stat",
            unit=USD,
            decimals=2,
            width=5,
            height=5,
            queries=(Query(total(_FALLBACK_COST, ""), "cost", now=True),),
        ),
        Panel(
            title="Answered by another model",
            says="Answers that name another model than was asked for and `reports_as` allows.",
            do="Not 0: the provider swapped the model, or renamed it. Verify, then add the name or suspend the "
            "backend. The log has the name (`misnamed`).",
            kind="stat",
            unit=COUNT,
            decimals=0,
            width=4,
            height=5,
            steps=((0, OK), (1e-9, WARN)),
            queries=(Query(f"round({total(f'gateway_model_mismatch_total{{{BACKEND}}}', '')})", "answers", now=True),),
        ),
        Panel(
            title="Permitted requests, by rule",
            says="Which rule let the first candidate in, as shares.",
            do="A rule that decides nothing for weeks is a candidate to delete: `gateway policy lint`.",
            kind="timeseries",
            unit="percentunit",
            stacked="percent",
            queries=(Query(rate(_PERMITTED, "rule"), "{{rule}}"),),
        ),
        Panel(
            title="Requests, by model that served",
            says="Requests a second by the model that answered; `none`: nobody did.",
            do="Traffic that moves without an edit of the policy moved because a backend failed or was full.",
            kind="timeseries",
            unit="reqps",
            stacked="normal",
            queries=(Query(rate(f"gateway_requests_total{{{WHO}}}", "model"), "{{model}}"),),
        ),
        Panel(
            title="Share by rule",
            says="Permitted requests of this range by the rule that let the first candidate in.",
            do="Compare with what the policy is meant to do: most traffic should go by its usual rules.",
            kind="piechart",
            unit=COUNT,
            decimals=0,
            queries=(Query(total(_PERMITTED, "rule"), "{{rule}}", now=True),),
        ),
        Panel(
            title="Concentration",
            says="The largest share of this month's cost that one value of a dimension has, from the ledger.",
            do="Near 100 %: one vendor's price or outage is yours. Bound it by a `limit` with `share`.",
            kind="bargauge",
            unit="percentunit",
            decimals=0,
            most=1,
            steps=((0, OK), (0.7, WARN), (0.9, BAD)),
            queries=(Query(alike("gateway_concentration_ratio", "dimension"), "{{dimension}}", now=True),),
        ),
    ),
)

_FLOW = Row(
    "Fallback flow",
    (
        Panel(
            title="From, to, why",
            says="Steps from a backend whose call failed to the next one, by the kind of failure.",
            do="`throttled`: ask for a higher limit. `timed_out`: see first token in Gateway service. "
            "`unauthorized`, `no_credit`, `model_missing`: only you can mend it.",
            kind="table",
            unit=COUNT,
            sort=("Steps",),
            empty=_NO_FALLBACKS,
            queries=(Query(f"round(sum by (from, to, reason) ({grown(_FALLBACKS, '$__range')}))", now=True),),
            columns=(
                Column(field="from", title="From"),
                Column(field="to", title="To"),
                Column(field="reason", title="Reason"),
                Column(field="Value", title="Steps", decimals=0),
            ),
        ),
        Panel(
            title="What it cost",
            says="USD for calls whose answer nobody got, by the backend that failed and how.",
            do="`broken` and `timed_out` may be billed in full: shorten `timeout`, or ask others first.",
            kind="table",
            unit=USD,
            sort=("Cost",),
            empty=_NO_FALLBACKS,
            queries=(Query(f"sum by (from, reason) ({grown(_FALLBACK_COST, '$__range')})", now=True),),
            columns=(
                Column(field="from", title="From"),
                Column(field="reason", title="Reason"),
                Column(field="Value", title="Cost", decimals=4),
            ),
        ),
        Panel(
            title="Fallbacks over time, by reason",
            says="How many requests went on to the next backend, and why. A bar is 5 minutes, or more in a long range.",
            do="A spike of one reason is one backend's trouble; several at once is the network, or us.",
            kind="bars",
            unit=COUNT,
            decimals=0,
            queries=(Query(counted(_FALLBACKS, "reason"), "{{reason}}"),),
            empty=_NO_FALLBACKS,
        ),
        Panel(
            title="Share of requests denied",
            says="Requests that the policy denies, as a share of those that it decides.",
            do="Denials that rise after an edit of the policy: `gateway policy diff` says whom it shut out.",
            kind="timeseries",
            unit="percentunit",
            interval=BUCKET,
            queries=(Query(f"({rate(_DENIED)}) / (sum(rate({_DECIDED}[$__rate_interval])) > 0)", "denied"),),
        ),
        Panel(
            title="Rules on trial",
            says="Answers that a rule in trial would have stopped. A bar is 5 minutes, or more in a long range.",
            do="When it would stop only what it is meant to, put it in force: `gateway policy rollout`.",
            kind="bars",
            unit=COUNT,
            decimals=0,
            queries=(Query(counted(f"gateway_policy_watched_total{{{HERE}}}", "rule"), "{{rule}}"),),
            empty="no rule in trial would have stopped anything",
        ),
        Panel(
            title="Tokens a second, by bucket",
            says="Tokens that were read and written. Buckets are disjoint, so they add up.",
            do="`cache_read` that is small beside `input_uncached` for long prompts: caching does not work.",
            kind="timeseries",
            unit="short",
            stacked="normal",
            queries=(Query(rate(f"gateway_tokens_total{{{WHO}}}", "bucket"), "{{bucket}}"),),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="gateway-routing",
    file="routing",
    title="Gateway routing",
    says="Which rules decide, who serves, and where requests go when a backend fails.",
    since="now-6h",
    rows=(_CHOICE, _FLOW),
    variables=(INSTANCE, TEAM, MODEL),
)
