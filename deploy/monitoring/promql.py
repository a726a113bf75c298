"""Parts of queries that many panels and alerts share. A query is text; what is here keeps it right in one place."""

WHO = 'instance=~"$instance", team=~"$team", model=~"$model"'
"""Selects series that have a team and a model, by the variables of a dashboard."""
MODEL = 'instance=~"$instance", model=~"$model"'
"""Selects series that have a model."""
BACKEND = 'instance=~"$instance", backend=~"$model"'
"""Selects series that call the model a backend; both hold the same id."""
HERE = 'instance=~"$instance"'
"""Selects replicas."""

RANGE = "$__range"
"""All that a dashboard shows."""
RATE = "$__rate_interval"
"""A window that holds enough samples for a rate."""
BUCKET = "$__interval"
"""From one point of a graph to the next; not less than the `interval` of its panel."""


def grown(series: str, window: str) -> str:
    """By how much each series of a counter grew in a window, births included.

    `increase` alone misses what a series had counted when it was first scraped: a first denial, the first dollar of a
    team after a deployment. A series that was not there when the window began has grown by as much as it reached. Where
    it was reset since, `increase` is larger, and right. A scrape that failed when the window began is no birth.
    """
    born = f"(max_over_time({series}[{window}]) unless last_over_time({series}[10m] offset {window}))"
    return f"(increase({series}[{window}]) > {born} or {born} or increase({series}[{window}]))"


def happened(series: str, window: str) -> str:
    """The same for alerts: births count only if Prometheus looked at a gateway when the window began.

    Else a Prometheus that is new, or was away, would take all that a gateway ever counted for news.
    """
    looked = f"on () (count(last_over_time(gateway_build_info[10m] offset {window})) > 0)"
    first = f"last_over_time({series}[10m] offset {window})"
    born = f"(max_over_time({series}[{window}]) and {looked} unless {first})"
    return f"(increase({series}[{window}]) > {born} or {born} or increase({series}[{window}]))"


def total(series: str, by: str, window: str = RANGE) -> str:
    """By how much a counter grew in a window over all replicas, by labels; empty: in one sum, 0 where there is none."""
    if not by:
        return f"sum({grown(series, window)}) or vector(0)"
    return f"sum by ({by}) ({grown(series, window)})"


def counted(series: str, by: str = "") -> str:
    """How often something happened in each bar of a panel that has an `interval`, by labels, or in one sum. A
    Prometheus that was away takes nothing for news."""
    if not by:
        return f"round(sum({happened(series, BUCKET)})) or vector(0)"
    return f"round(sum by ({by}) ({happened(series, BUCKET)}))"


def rate(series: str, by: str = "") -> str:
    """How fast a counter grows over all replicas, each second; by labels, or in one sum, 0 where there is none."""
    if not by:
        return f"sum(rate({series}[{RATE}])) or vector(0)"
    return f"sum by ({by}) (rate({series}[{RATE}]))"


def alike(series: str, by: str = "") -> str:
    """What every replica shows alike: the largest is as good as each."""
    return f"max by ({by}) ({series})" if by else f"max({series})"


def quantile(share: float, histogram: str, selector: str, by: str = "") -> str:
    """A quantile of a histogram over all replicas. What had no value in the window is left out."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{{{selector}}}[{RATE}]))) >= 0"


def or_none(expr: str, label: str) -> str:
    """The same, and where it has nothing at all: one 0 under the name `none`."""
    return f'{expr} or label_replace(vector(0), "{label}", "none", "", "") unless on () {expr}'
