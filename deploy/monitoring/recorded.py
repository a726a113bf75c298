"""What Prometheus works out once and keeps. Dashboards do not need it; alerts do."""

from deploy.monitoring.alert import Recorded
from deploy.monitoring.promql import happened

RECORDED = (
    Recorded(
        name="gateway:cost_usd:increase1h",
        expr="sum(increase(gateway_cost_usd_total[1h]))",
        why="USD in an hour, over all replicas: compared with itself a week ago.",
    ),
    Recorded(
        name="gateway:cost_estimated_usd:increase1h",
        expr="sum(increase(gateway_cost_estimated_usd_total[1h]))",
        why="The part of it that nobody reported.",
    ),
    Recorded(
        name="gateway:requests:increase10m",
        expr="sum(increase(gateway_requests_total[10m]))",
        why="Requests in ten minutes.",
    ),
    Recorded(
        name="gateway:requests_failed:increase10m",
        expr='clamp_min(sum(increase(gateway_requests_total{status=~"5.."}[10m]))'
        ' - (sum(increase(gateway_unpriced_requests_total{outcome="refused"}[10m])) or vector(0)), 0)',
        why="Requests in ten minutes that ended with a 5xx, but for a price that is missing: GatewayUnpriced.",
    ),
    Recorded(
        name="gateway:first_tokens:increase15m",
        expr="sum by (model) (increase(gateway_time_to_first_token_seconds_count[15m]))",
        why="Answers in a quarter of an hour, by model: how much its quantile stands on.",
    ),
    Recorded(
        name="gateway:first_token_seconds:p95_15m",
        expr="histogram_quantile(0.95, sum by (le, model) (rate(gateway_time_to_first_token_seconds_bucket[15m])))",
        why="First token of 95 of 100 answers, by model.",
    ),
    Recorded(
        name="gateway:calls:grown1h",
        expr=f"sum by (instance, backend, sensitivity, zone) ({happened('gateway_calls_total', '1h')})",
        why="Calls in an hour, the first of a kind included: one call that must not be is enough.",
    ),
)
