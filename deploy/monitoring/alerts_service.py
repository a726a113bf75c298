"""Alerts about the service: is it there, do its backends answer, are its books up to date."""

from deploy.monitoring.alert import Alert, Case
from deploy.monitoring.promql import happened

DOWN = Alert(
    name="GatewayDown",
    expr='up{job="gateway"} == 0 or absent(up{job="gateway"})',
    lasts="2m",
    severity="critical",
    summary="{{ $labels.instance }} of the job gateway does not answer scrapes",
    line="is it running, and does the scrape token fit?",
    means="Prometheus cannot scrape a replica, or knows of none. Every other alert is blind for it.",
    look=("The targets page of Prometheus: refused, 401, or a timeout.", "The log of that replica, and `/healthz`."),
    do=("Start it again. 401: bring Prometheus the token that `GATEWAY_SCRAPE_TOKEN` has.",),
    cases=(
        Case(
            why="one of two",
            series=(('up{job="gateway", instance="a"}', "1x20"), ('up{job="gateway", instance="b"}', "1x5 0x20")),
            at="10m",
            fires=(({"job": "gateway", "instance": "b"}, ""),),
        ),
        Case(why="nobody", series=(), at="10m", fires=(({"job": "gateway"}, ""),)),
        Case(
            why="a scrape that failed",
            series=(('up{job="gateway", instance="a"}', "1x5 0 1x20"),),
            at="7m",
        ),
    ),
)

ERRORS = Alert(
    name="GatewayErrorRateHigh",
    expr="gateway:requests_failed:increase10m / gateway:requests:increase10m > 0.05"
    " and gateway:requests_failed:increase10m > 10",
    lasts="5m",
    severity="critical",
    summary="{{ $value | humanizePercentage }} of requests fail with a 5xx",
    line="see whose errors they are: one backend's, all backends', or ours",
    means="More than 5 % of the requests of ten minutes, and more than ten, ended with a 5xx. What is refused since a"
    " model has no price is not among them: that is GatewayUnpriced.",
    look=(
        "*Requests a second, by status*, *Errors by backend* and *Shed* of the dashboard Gateway service.",
        "502 and 504: backends. 503: nobody left to ask, overload, or the ledger. 500: us; the log has the reason.",
    ),
    do=(
        "One backend: `gateway backends suspend ID`; its requests go to the others that the policy permits.",
        "`no_credit`, `unauthorized`: pay, or bring the new key.",
        "503 `gateway_overloaded`: add replicas. `ledger_unavailable`: see GatewayLedgerLag.",
        "503 `state_unavailable`: see GatewayStateOld.",
    ),
    cases=(
        Case(
            why="a tenth, over two replicas",
            series=(
                ('gateway_requests_total{instance="a", status="200"}', "0+18x30"),
                ('gateway_requests_total{instance="a", status="502"}', "0+1x30"),
                ('gateway_requests_total{instance="b", status="503"}', "0+1x30"),
            ),
            at="25m",
            fires=(({}, "10%"),),
        ),
        Case(
            why="half of very few",
            series=(
                ('gateway_requests_total{status="200"}', "0+0.5x30"),
                ('gateway_requests_total{status="502"}', "0+0.5x30"),
            ),
            at="25m",
        ),
        Case(
            why="a tenth, refused since a model has no price",
            series=(
                ('gateway_requests_total{status="200"}', "0+18x30"),
                ('gateway_requests_total{status="503"}', "0+2x30"),
                ('gateway_unpriced_requests_total{outcome="refused"}', "0+2x30"),
            ),
            at="25m",
        ),
        Case(
            why="callers' own mistakes, and a restart",
            series=(
                ('gateway_requests_total{status="200"}', "0+20x15 0+20x15"),
                ('gateway_requests_total{status="403"}', "0+20x15 0+20x15"),
                ('gateway_requests_total{status="502"}', "0+0.2x15 0+0.2x15"),
            ),
            at="25m",
        ),
    ),
)

FIRST_TOKEN = Alert(
    name="GatewayFirstTokenSlow",
    expr="gateway:first_token_seconds:p95_15m > 10 and on (model) gateway:first_tokens:increase15m > 20",
    lasts="15m",
    severity="warning",
    summary='{{ $labels.model }} begins to answer after {{ $value | printf "%.1f" }} s (p95)',
    line="is its backend full, or its zone slow? prefer another meanwhile",
    means="Of the answers of a quarter of an hour, and more than 20, one in twenty began later than 10 s after the"
    " request came. Models that think long before they write are slow by nature: give those a bound of their own.",
    look=(
        "*First token*, *Queue* and *How full backends are* of the dashboard Gateway service.",
        "`gateway backends check ID`: how fast it is reached.",
    ),
    do=(
        "Own machines: fewer calls at once (`max_concurrent`), or more machines.",
        "A vendor: `prefer` another in the policy tree until it is over.",
    ),
    cases=(
        Case(
            why="most begin within 30 s only",
            series=(
                ('gateway_time_to_first_token_seconds_bucket{model="m", le="10.0"}', "0+1x40"),
                ('gateway_time_to_first_token_seconds_bucket{model="m", le="30.0"}', "0+10x40"),
                ('gateway_time_to_first_token_seconds_bucket{model="m", le="+Inf"}', "0+10x40"),
                ('gateway_time_to_first_token_seconds_count{model="m"}', "0+10x40"),
            ),
            at="35m",
            fires=(({"model": "m"}, "28.9"),),
        ),
        Case(
            why="slow, but a handful",
            series=(
                ('gateway_time_to_first_token_seconds_bucket{model="m", le="10.0"}', "0x40"),
                ('gateway_time_to_first_token_seconds_bucket{model="m", le="30.0"}', "0+1x40"),
                ('gateway_time_to_first_token_seconds_bucket{model="m", le="+Inf"}', "0+1x40"),
                ('gateway_time_to_first_token_seconds_count{model="m"}', "0+1x40"),
            ),
            at="35m",
        ),
    ),
)

LEFT_ALONE = Alert(
    name="GatewayBackendLeftAlone",
    # It is tried again every few seconds: one that is down is never 1 for as long as a minute.
    expr="max by (backend) (max_over_time(gateway_backend_state[1m])) == 0",
    lasts="5m",
    severity="warning",
    summary="{{ $labels.backend }} has failed for five minutes, on every replica",
    line="`gateway backends check` says what is wrong with it",
    means="No replica asks the backend, since its calls fail. Every few seconds one call finds out whether it is back."
    " Meanwhile its requests go to the others that the policy permits, or get 503.",
    look=(
        "*Asked or left alone* and *Errors by backend* of the dashboard Gateway service.",
        "`gateway backends check ID`: reached, key, model, context.",
    ),
    do=(
        "Own machine: start it again.",
        "A vendor: see its status page; `gateway backends suspend ID` spares the calls that find out.",
        "`POST /admin/backends/ID/resume` has it asked again at once.",
    ),
    cases=(
        Case(
            why="down on both replicas",
            series=(
                ('gateway_backend_state{backend="m", instance="a"}', "1x5 0x20"),
                ('gateway_backend_state{backend="m", instance="b"}', "1x5 0x20"),
            ),
            at="15m",
            fires=(({"backend": "m"}, ""),),
        ),
        Case(
            why="one replica reaches it",
            series=(
                ('gateway_backend_state{backend="m", instance="a"}', "0x20"),
                ('gateway_backend_state{backend="m", instance="b"}', "1x20"),
            ),
            at="15m",
        ),
        Case(
            why="it comes and goes",
            series=(('gateway_backend_state{backend="m"}', "0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1"),),
            at="15m",
        ),
    ),
)

LAG = Alert(
    name="GatewayLedgerLag",
    expr="max by (instance) (gateway_ledger_lag_seconds) > 60",
    lasts="5m",
    severity="critical",
    summary='the ledger is {{ $value | printf "%.0f" }} s behind on {{ $labels.instance }}',
    line="bring the database back before the journal is full: then paid work is refused",
    means="Calls wait in the journal of a replica, since the ledger does not take them. Nothing is lost. At 2 GB, or"
    " when its disk is full, requests are refused (503 `ledger_unavailable`).",
    look=(
        "The log: `ledger_store_away`, `ledger_entry_refused`.",
        "The database: is it reached, is its disk full? The size of `journal/` in the state directory.",
    ),
    do=(
        "Bring the database back; the journal empties itself, each call once.",
        "It stays away: give the disk of the state directory more room.",
    ),
    cases=(
        Case(
            why="it grows on one replica",
            series=(
                ('gateway_ledger_lag_seconds{instance="a"}', "0x30"),
                ('gateway_ledger_lag_seconds{instance="b"}', "0+60x30"),
            ),
            at="20m",
            fires=(({"instance": "b"}, "1200"),),
        ),
        Case(why="a pause", series=(('gateway_ledger_lag_seconds{instance="a"}', "0 90 120 0x20"),), at="5m"),
    ),
)

STATE = Alert(
    name="GatewayStateOld",
    # A scrape and an evaluation take up to half a minute, and who is careful has callers get 503 from one minute on.
    expr="max by (instance) (gateway_state_age_seconds) > 15",
    lasts="0m",
    severity="critical",
    summary='{{ $labels.instance }} last read keys and orders {{ $value | printf "%.0f" }} s ago',
    line="bring the database back: ten minutes after its last reading a replica serves nobody",
    means="A replica cannot read the keys, suspensions and budgets that replicas share in PostgreSQL, so it does not"
    " see that a key was revoked. It takes the keys that it knows until they were last read ten minutes ago"
    " (`GATEWAY_KEYS_MAX_AGE_SECONDS`). Then it answers every caller 503 `state_unavailable` and is not ready."
    " `+Inf`: it has started and never read them. From then on a scrape with a key of the scope `metrics`"
    " gets that 503, too, and this alert turns into GatewayDown; the token of `GATEWAY_SCRAPE_TOKEN` is always taken.",
    look=(
        "One replica or all? One: its network, its `GATEWAY_DATABASE_URL`. All: the database.",
        "The log: `state_away` (with the error), `state_not_read` (something that it finds there is not readable).",
    ),
    do=(
        "Bring the database back, or let its standby take over; replicas find it within seconds, without a restart.",
        "One replica: stop it; the others serve.",
    ),
    cases=(
        Case(
            why="one of two is cut off",
            series=(
                ('gateway_state_age_seconds{instance="a"}', "0.2x20"),
                ('gateway_state_age_seconds{instance="b"}', "0.2x5 30x20"),
            ),
            at="6m",
            fires=(({"instance": "b"}, "30"),),
        ),
        Case(
            why="one that has never read them",
            series=(('gateway_state_age_seconds{instance="a"}', "Inf Inf Inf"),),
            at="1m",
            fires=(({"instance": "a"}, "+Inf"),),
        ),
        Case(
            why="a failover of seconds", series=(('gateway_state_age_seconds{instance="a"}', "0.2 9 0.1x20"),), at="1m"
        ),
        Case(why="they are in files", series=(('gateway_state_age_seconds{instance="a"}', "0x20"),), at="10m"),
    ),
)

DROPPED = Alert(
    name="GatewaySeriesDropped",
    expr=f"sum({happened('gateway_series_dropped_total', '1h')}) > 0",
    lasts="0m",
    severity="warning",
    summary='{{ $value | printf "%.0f" }} times a label value had no room and was counted as `other`',
    line="too many teams, apps or other values: name fewer, or live with `other`",
    means="There are more values of labels (teams and apps, mostly) than a replica keeps series for. Sums are right;"
    " splits have a part under `other`. The ledger has them all.",
    look=("`gateway spend --by team,app`: how many there are, and whether apps are named by something that varies.",),
    do=("Name apps by what they are, not by a host or a run: `gateway keys create --app`.",),
    cases=(
        Case(
            why="five in an hour",
            series=(("gateway_series_dropped_total", "0x70 5x20"),),
            at="80m",
            fires=(({}, "5"),),
        ),
        Case(why="none", series=(("gateway_series_dropped_total", "0x90"),), at="80m"),
    ),
)

ADMIN_KEY = Alert(
    name="GatewayAdminKeyEnds",
    expr="min(gateway_admin_key_ends_timestamp_seconds) - time() < 7 * 86400",
    lasts="0m",
    severity="warning",
    summary="the last admin key ends in {{ $value | humanizeDuration }}",
    line="make a new admin key, before nobody may give orders",
    means="In a week no key for the admin listener is in force, or none is now (a time below 0): nobody may look at"
    " policies and backends there, or suspend one. Calls of models go on.",
    look=("`gateway keys list`: which keys have the scopes `admin:read` and `admin:write`, and when they end.",),
    do=(
        "`gateway keys rotate ID --expires 90d`, or `gateway keys create --scope admin:read --scope admin:write`.",
        "Until then `gateway backends suspend` works for whoever has a shell beside the gateway.",
    ),
    cases=(
        Case(
            why="in six days",
            series=(("gateway_admin_key_ends_timestamp_seconds", "518400x20"),),
            at="0m",
            fires=(({}, "6d 0h 0m 0s"),),
        ),
        Case(
            why="it has ended",
            series=(("gateway_admin_key_ends_timestamp_seconds", "60x20"),),
            at="3m",
            fires=(({}, "-2m 0s"),),
        ),
        Case(why="in a month", series=(("gateway_admin_key_ends_timestamp_seconds", "2592000x20"),), at="5m"),
        Case(why="never", series=(("gateway_admin_key_ends_timestamp_seconds", "1e300x20"),), at="5m"),
    ),
)

CLOCK = Alert(
    name="GatewayClockSetBack",
    expr="max by (instance) (gateway_clock_set_back_seconds) > 60",
    lasts="5m",
    severity="warning",
    summary="the clock of {{ $labels.instance }} was set back by {{ $value | humanizeDuration }}",
    line="put the clock right, then start the gateway again: until then its keys end too early",
    means="Whether the clock was wrong before it was set back or is wrong since, a gateway cannot know. So that no key"
    " that has ended is good again, it goes on from the later time: callers get a 401 so much before their keys end."
    " Replicas whose clocks were right take these keys.",
    look=(
        "The log: `clock_set_back`, with the seconds and when it was.",
        "`chronyc tracking` or `timedatectl` on the machine, and what it says about steps: is the clock right now?",
        "`gateway keys list`: which keys end within that time.",
    ),
    do=(
        "It is right now: start the gateway again, one replica after the other.",
        "It is wrong now: put it right first. A gateway that starts believes it, and would take keys that have ended.",
    ),
    cases=(
        Case(
            why="by an hour, on one of two",
            series=(
                ('gateway_clock_set_back_seconds{instance="a"}', "0x20"),
                ('gateway_clock_set_back_seconds{instance="b"}', "0x5 3600x20"),
            ),
            at="12m",
            fires=(({"instance": "b"}, "1h 0m 0s"),),
        ),
        Case(why="by a second", series=(("gateway_clock_set_back_seconds", "1x20"),), at="15m"),
        Case(why="and put right", series=(("gateway_clock_set_back_seconds", "0x5 3600x3 0x20"),), at="12m"),
    ),
)

ALERTS = (DOWN, ERRORS, FIRST_TOKEN, LEFT_ALONE, LAG, STATE, DROPPED, ADMIN_KEY, CLOCK)
