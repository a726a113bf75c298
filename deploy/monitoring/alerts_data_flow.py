"""Alerts about where data goes, and about the policy that says so."""

from deploy.monitoring.alert import Alert, Case
from deploy.monitoring.promql import happened

_CALL = 'gateway_calls_total{{instance="{}", backend="{}", provider="p", zone="{}", sensitivity="{}", outcome="ok"}}'
_CELL = 'gateway_policy_cell_permitted{{instance="{}", zone="{}", sensitivity="{}"}}'

FORBIDDEN = Alert(
    name="GatewayForbiddenCell",
    # A cell that the policy closed lately was open when the calls of this hour were made: no alarm for those.
    expr="sum by (sensitivity, zone) (gateway:calls:grown1h) > 0"
    " and on (sensitivity, zone) max by (sensitivity, zone) (max_over_time(gateway_policy_cell_permitted[1h])) == 0",
    lasts="0m",
    severity="critical",
    summary='{{ $value | printf "%.0f" }} calls with {{ $labels.sensitivity }} data to the zone {{ $labels.zone }},'
    " which the policy never permits",
    line="an incident: suspend the backends of the zone, then find the calls",
    means="Calls were sent that no request may make under the policy of the last hour. Each call is decided before it"
    " is sent, so this is a fault in the gateway, or somebody changed it.",
    look=(
        "*Calls by sensitivity and zone* of the dashboard Gateway data flow.",
        "`gateway spend --by zone,sensitivity,team --since 2h`; the log and the decisions of these requests.",
        "`gateway policy prove`: does the tree say what you think? `gateway audit verify`: was anything changed?",
    ),
    do=(
        "Stop it: `gateway backends suspend ID --reason ...` for each backend of the zone. It is live within a second.",
        "Keep the state directory (decisions, ledger, trail) as evidence. Tell whoever owns the data.",
    ),
    cases=(
        Case(
            why="one call, the first of its kind",
            series=(
                ("gateway_build_info", "1x100"),
                (_CALL.format("a", "m", "cn-vendors", "confidential"), "_x69 1x20"),
                (_CELL.format("a", "cn-vendors", "confidential"), "0x100"),
            ),
            at="72m",
            fires=(({"sensitivity": "confidential", "zone": "cn-vendors"}, "1"),),
        ),
        Case(
            why="the cell was closed ten minutes ago, and the calls are older",
            series=(
                (_CALL.format("a", "m", "us-vendors", "internal"), "0+1x60 60x40"),
                (_CELL.format("a", "us-vendors", "internal"), "1x60 0x40"),
            ),
            at="70m",
        ),
        Case(
            why="permitted on one of two replicas, and nothing sent where nothing may be",
            series=(
                (_CALL.format("a", "m", "us-vendors", "internal"), "0+1x100"),
                (_CELL.format("a", "us-vendors", "internal"), "1x100"),
                (_CELL.format("b", "us-vendors", "internal"), "0x100"),
                (_CELL.format("a", "us-vendors", "restricted"), "0x100"),
            ),
            at="90m",
        ),
    ),
)

BYPASS = Alert(
    name="GatewayBypass",
    expr=f"sum({happened('gateway_bypass_total', '1h')}) > 0",
    lasts="0m",
    severity="critical",
    summary='{{ $value | printf "%.0f" }} calls to backends that their decision did not name',
    line="an incident: stop the replica that shows it, and keep its state directory",
    means="A record holds a call to a backend that was not among the candidates of its decision, or has no decision at"
    " all. It is counted after the fact, from the record alone, so that it sees what the decision would hide.",
    look=(
        "`gateway_bypass_total` by instance: which replica.",
        "The log and the decisions of its requests of the last hour; the version it runs (`gateway_build_info`).",
    ),
    do=("Take the replica out, keep its state directory, and report it.",),
    cases=(
        Case(
            why="one call",
            series=(("gateway_bypass_total", "0x70 1x20"),),
            at="80m",
            fires=(({}, "1"),),
        ),
        Case(why="none", series=(("gateway_bypass_total", "0x90"),), at="80m"),
        Case(
            why="Prometheus was away for two hours, and what a gateway shows since is old",
            series=(("gateway_bypass_total", "5x30 _x120 5x20"), ("gateway_build_info", "1x30 _x120 1x20")),
            at="160m",
        ),
        Case(why="there is no gateway", series=(), at="80m"),
    ),
)

RELOAD = Alert(
    name="GatewayPolicyReloadFailed",
    expr="max by (instance) (gateway_policy_stale) > 0",
    lasts="2m",
    severity="warning",
    summary="{{ $labels.instance }} serves on with an older policy, since the newer tree does not load",
    line="`gateway policy check` names file and line; mend it or roll back",
    means="The policy tree was changed and does not load: a mistake in it, an invariant that no longer holds, a"
    " signature that is missing. The policy before it stays in force, so nothing is open that was not;"
    " nothing new is either.",
    look=(
        "`gateway policy check PATH` with the tree of that replica.",
        "`GET /admin/policies` of that replica: the problems; `policy_not_loaded` in its log.",
    ),
    do=("Mend the tree, or `gateway policy rollback`. What loads is live within a second.",),
    cases=(
        Case(
            why="it does not load on one of two",
            series=(
                ('gateway_policy_stale{instance="a"}', "0x20"),
                ('gateway_policy_stale{instance="b"}', "0x5 1x20"),
            ),
            at="10m",
            fires=(({"instance": "b"}, ""),),
        ),
        Case(
            why="mended within two minutes",
            series=(('gateway_policy_stale{instance="a"}', "0x5 1 0x20"),),
            at="8m",
        ),
    ),
)

DIGESTS = Alert(
    name="GatewayPolicyDigestsDiffer",
    expr="count(count by (digest) (gateway_policy_info == 1)) > 1",
    lasts="10m",
    severity="critical",
    summary='{{ $value | printf "%.0f" }} different policies are in force on replicas',
    line="find the replica whose tree is old, and bring it the tree",
    means="Replicas decide by different policies: what one forbids, another may permit. A rollout that takes minutes is"
    " ordinary; this has lasted for ten.",
    look=("*Policy by replica* of the dashboard Gateway data flow.", "Whether GatewayPolicyReloadFailed fires, too."),
    do=(
        "Bring the tree to the replica that lacks it (image, volume, checkout).",
        "It cannot be brought: take that replica out until it can.",
    ),
    cases=(
        Case(
            why="one of three is behind",
            series=(
                ('gateway_policy_info{instance="a", digest="x"}', "1x30"),
                ('gateway_policy_info{instance="b", digest="x"}', "1x30"),
                ('gateway_policy_info{instance="c", digest="y"}', "1x30"),
            ),
            at="20m",
            fires=(({}, "2"),),
        ),
        Case(
            why="a rollout of five minutes",
            series=(
                ('gateway_policy_info{instance="a", digest="x"}', "1x10 stale"),
                ('gateway_policy_info{instance="a", digest="y"}', "_x10 1x20"),
                ('gateway_policy_info{instance="b", digest="x"}', "1x15 stale"),
                ('gateway_policy_info{instance="b", digest="y"}', "_x15 1x20"),
            ),
            at="20m",
        ),
    ),
)

_STATUS = 'gateway_model_status{{instance="{}", model="{}"}}'

SUSPENDED = Alert(
    name="GatewaySuspendedModelReceives",
    # Calls of an hour, beside a status that was 0 for all of it: what ended just before the suspension is no alarm.
    expr="sum by (instance, backend) (gateway:calls:grown1h) > 0"
    " and on (instance, backend) label_replace("
    'max_over_time(gateway_model_status[1h]) == 0, "backend", "$1", "model", "(.*)")',
    lasts="0m",
    severity="critical",
    summary='{{ $labels.instance }} sent {{ $value | printf "%.0f" }} calls to {{ $labels.backend }}, out of use',
    line="suspend it on that replica too, or close it in the policy tree",
    means="A replica sends calls to a model that it knows to be out of use for the last hour. The policy tree has no"
    " rule that forbids it (the shipped one has: `status: [suspended, retired]`), or there is a fault in the gateway.",
    look=(
        "`gateway policy explain --model ID`: which rule permits it.",
        "*Models* of the dashboard Gateway data flow.",
    ),
    do=(
        "Forbid backends that are suspended or retired in the policy tree.",
        "They are forbidden, and it still receives: take the replica out, and report it.",
    ),
    cases=(
        Case(
            why="calls for an hour after the suspension",
            series=(
                (_CALL.format("a", "m", "us-vendors", "internal"), "0+1x150"),
                (_STATUS.format("a", "m"), "1x10 0x140"),
            ),
            at="80m",
            fires=(({"instance": "a", "backend": "m"}, "60"),),
        ),
        Case(
            why="its last call was just before",
            series=(
                (_CALL.format("a", "m", "us-vendors", "internal"), "0+1x60 60x90"),
                (_STATUS.format("a", "m"), "1x60 0x90"),
            ),
            at="119m",
        ),
        Case(
            why="out of use on another replica only",
            series=(
                (_CALL.format("a", "m", "us-vendors", "internal"), "0+1x150"),
                (_STATUS.format("a", "m"), "1x150"),
                (_STATUS.format("b", "m"), "0x150"),
            ),
            at="100m",
        ),
    ),
)

PASSPORT = Alert(
    name="GatewayPassportReviewDue",
    expr="(min by (model) (gateway_passport_review_timestamp_seconds) - time()) / 86400 < 14",
    lasts="1h",
    severity="warning",
    summary='the passport of {{ $labels.model }} is due for review in {{ $value | printf "%.0f" }} days',
    line="check its facts, then set `review_by` anew",
    means="What the catalog says of a model (who operates it, where, what it keeps) is to be checked within 14 days, or"
    " was to be checked already (below 0). Decisions are only as true as these facts.",
    look=("The model's entry in `catalog/`: its `source` and `review_by`.", "`gateway policy lint` (P207)."),
    do=("Check the facts with the operator's terms, correct them, and set `review_by` to the next date.",),
    cases=(
        Case(
            why="ten days are left; `time()` begins at 0 here",
            series=(('gateway_passport_review_timestamp_seconds{model="m"}', "871200x200"),),
            at="2h",
            fires=(({"model": "m"}, "10"),),
        ),
        Case(
            why="two months are left",
            series=(('gateway_passport_review_timestamp_seconds{model="m"}', "5184000x200"),),
            at="2h",
        ),
    ),
)

_LIFTED = 'gateway_breakglass_total{{instance="{}", rule="{}"}}'

BREAK_GLASS = Alert(
    name="GatewayBreakGlassUsed",
    expr=f"sum by (rule) ({happened('gateway_breakglass_total', '1h')}) > 0",
    lasts="0m",
    severity="critical",
    summary='{{ $value | printf "%.0f" }} calls were let past {{ $labels.rule }} by a break-glass exception',
    line="look at what was sent past the rule, and whether the exception is still needed",
    means="Somebody sends what a rule forbids, and an exception that two people approved lifts it, for four hours at"
    " most. That is allowed, and it is never to go unseen.",
    look=(
        "`breakglass_used` in the log: key, team, backend and decision of each call.",
        "exceptions/ of the policy tree: who asked, who approved, under which ticket, until when.",
        "*Break-glass in force* and *Calls let past a rule* of the dashboard Gateway data flow.",
    ),
    do=(
        "It is as agreed: acknowledge it. It ends an hour after the last such call.",
        "It is not, or no longer needed: delete the exception. It is live within a second.",
    ),
    cases=(
        Case(
            why="the first call of a rule, on one of two replicas",
            series=(
                ("gateway_build_info", "1x100"),
                (_LIFTED.format("a", "people"), "_x69 1x30"),
                (_LIFTED.format("b", "contracts"), "5x100"),
            ),
            at="72m",
            fires=(({"rule": "people"}, "1"),),
        ),
        Case(
            why="none for more than an hour",
            series=(
                ("gateway_build_info", "1x200"),
                (_LIFTED.format("a", "people"), "0+1x60 60x140"),
            ),
            at="150m",
        ),
    ),
)

ALERTS = (FORBIDDEN, BYPASS, RELOAD, DIGESTS, SUSPENDED, PASSPORT, BREAK_GLASS)
