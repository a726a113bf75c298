"""Dashboards in Grafana's words: its own SDK makes the JSON, for the version that is named in pyproject.toml."""

import re

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import bargauge, common, piechart, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.monitoring.panels import (
    BUCKET,
    MUST_BE_ZERO,
    Cell,
    Column,
    Dashboard,
    Missing,
    Panel,
    Shown,
    Steps,
    Variable,
)

TAG = "gateway"
"""The dashboards that link to each other are those with this tag."""

_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")


def as_json(dashboard: Dashboard) -> str:
    """A dashboard as Grafana imports it."""
    made = (
        build.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.says)
        .tags([TAG])
        .timezone("utc")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time(dashboard.since, "now")
        .refresh("1m")
        .link(_to_the_others())
        .with_variable(build.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for variable in dashboard.variables:
        made.with_variable(_variable(variable))
    number = 0
    for row in dashboard.rows:
        number += 1
        made.with_row(build.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            made.with_panel(_panel(panel, number))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _to_the_others() -> build.DashboardLink:
    link = build.DashboardLink("Gateway").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(False).keep_time(False).include_vars(True)


def _variable(variable: Variable) -> build.QueryVariable:
    made = build.QueryVariable(variable.name).label(variable.label).query(variable.query).datasource(_SOURCE)
    made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    if variable.several:
        made.multi(True).include_all(True).all_value(".*")
        made.current(model.VariableOption(selected=True, text="All", value="$__all"))
    return made


def _panel(panel: Panel, number: int) -> build.Panel:
    made = (
        build.Panel()
        .id(number)
        .type("timeseries" if panel.kind == "bars" else panel.kind)
        .title(panel.title)
        .description(f"{panel.says}\n\n{panel.do}")
        .datasource(_SOURCE)
        .span(panel.width)
        .height(panel.height)
        .unit(panel.unit)
        .thresholds(_thresholds(panel.steps))
        .options(_options(panel))
    )
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        asked = prometheus.Dataquery().ref_id(letter).expr(query.expr).legend_format(query.legend).datasource(_SOURCE)
        asked = asked.instant() if query.now else asked.range()
        is_table = panel.kind == "table"
        made.with_target(asked.format(PromQueryFormat.TABLE if is_table else PromQueryFormat.TIME_SERIES))
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.most is not None or panel.kind == "bargauge":
        made.min(0)  # else Grafana has bars begin at the least value
    if panel.most is not None:
        made.max(panel.most)
    if interval := panel.interval or (BUCKET if panel.kind == "bars" else ""):
        made.interval(interval)
    if panel.empty:
        made.no_value(panel.empty)
    if panel.shown:
        made.mappings([_mapping(each) for each in panel.shown])
    match panel.kind:
        case "timeseries" | "bars":
            made.custom(_drawn(panel)).color_scheme(_colour(model.FieldColorModeId.PALETTE_CLASSIC))
            for line in panel.lines:
                made.override_by_name(line, _AS_A_LINE)
        case "piechart":
            made.color_scheme(_colour(model.FieldColorModeId.PALETTE_CLASSIC))
        case "state-timeline":
            made.custom(statetimeline.FieldConfig(line_width=0, fill_opacity=80))
            made.color_scheme(_colour(model.FieldColorModeId.THRESHOLDS))
        case "table":
            _make_table(made, panel)
        case "stat" | "bargauge":
            if panel.kind == "bargauge":  # else a bar that is alone has no name
                made.display_name(re.sub(r"\{\{(\w+)\}\}", r"${__field.labels.\1}", panel.queries[0].legend))
            made.color_scheme(_colour(model.FieldColorModeId.THRESHOLDS))
    return made


def _colour(mode: model.FieldColorModeId) -> build.FieldColor:
    return build.FieldColor().mode(mode)


def _thresholds(steps: Steps) -> build.ThresholdsConfig:
    made = [
        model.Threshold(value=None if index == 0 else value, color=colour)
        for index, (value, colour) in enumerate(steps)
    ]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def _mapping(shown: Shown | Missing) -> model.RangeMap | model.SpecialValueMap:
    result = model.ValueMappingResult(text=shown.text, color=shown.colour)
    if isinstance(shown, Missing):
        missing = model.DashboardSpecialValueMapOptions(match=model.SpecialValueMatch.NULL_AND_NAN, result=result)
        return model.SpecialValueMap(options=missing)
    return model.RangeMap(options=model.DashboardRangeMapOptions(from_val=shown.low, to=shown.high, result=result))


_FILLED = common.BigValueColorMode.BACKGROUND
_LAST = common.ReduceDataOptions(calcs=["lastNotNull"], values=False)
_TOOLTIP = common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING)
_SMALL = common.VizTextDisplayOptions(title_size=12, value_size=14)  # names have as much room as at 12
_BAR_PIXELS = {"left": 28, "top": 44}
"""How high a bar is at most, with a name above it or not: few bars would fill the panel."""
_AS_A_LINE = [
    model.DynamicConfigValue("custom.stacking", common.StackingConfig(mode=common.StackingMode.NONE)),
    model.DynamicConfigValue("custom.fillOpacity", 0),
    model.DynamicConfigValue("custom.lineWidth", 2),
    model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 6]}),
    model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "red"}),
]


def _options(panel: Panel) -> object:
    match panel.kind:
        case "timeseries" | "bars":
            return timeseries.Options(legend=_legend(panel.legend), tooltip=_TOOLTIP)
        case "stat":
            return stat.Options(
                reduce_options=_LAST,
                graph_mode=common.BigValueGraphMode.NONE if panel.queries[0].now else common.BigValueGraphMode.AREA,
                color_mode=_FILLED if panel.steps == MUST_BE_ZERO else common.BigValueColorMode.VALUE,
                text_mode=common.BigValueTextMode.AUTO
                if len(panel.queries) == 1
                else common.BigValueTextMode.VALUE_AND_NAME,
                justify_mode=common.BigValueJustifyMode.AUTO,
                orientation=common.VizOrientation.AUTO if len(panel.queries) == 1 else common.VizOrientation.HORIZONTAL,
            )
        case "bargauge":
            return bargauge.Options(
                reduce_options=_LAST,
                orientation=common.VizOrientation.HORIZONTAL,
                display_mode=common.BarGaugeDisplayMode.BASIC,
                value_mode=common.BarGaugeValueMode.TEXT,
                name_placement=common.BarGaugeNamePlacement(panel.names),
                show_unfilled=True,
                sizing=common.BarGaugeSizing.MANUAL,
                max_viz_height=_BAR_PIXELS[panel.names],
                text=_SMALL,
            )
        case "piechart":
            legend = piechart.PieChartLegendOptions(
                values=[piechart.PieChartLegendValues.VALUE, piechart.PieChartLegendValues.PERCENT],
                display_mode=common.LegendDisplayMode.TABLE,
                placement=common.LegendPlacement.RIGHT,
                show_legend=True,
            )
            return piechart.Options(
                reduce_options=_LAST, legend=legend, tooltip=_TOOLTIP, pie_type=piechart.PieChartType.DONUT
            )
        case "state-timeline":
            return statetimeline.Options(
                show_value=common.VisibilityMode.NEVER, merge_values=True, legend=_legend(), tooltip=_TOOLTIP
            )
        case "table":
            by = [common.TableSortByFieldState(display_name=each, desc=not panel.ascending) for each in panel.sort]
            return table.Options(show_header=True, cell_height=common.TableCellHeight.SM, sort_by=by or None)


def _legend(place: str = "bottom") -> common.VizLegendOptions:
    mode = common.LegendDisplayMode.TABLE if place == "right" else common.LegendDisplayMode.LIST
    return common.VizLegendOptions(display_mode=mode, placement=common.LegendPlacement(place), show_legend=True)


def _drawn(panel: Panel) -> common.GraphFieldConfig:
    bars = panel.kind == "bars"
    stacked = "normal" if bars else panel.stacked
    filled = stacked != "none"  # without lines: that of a series which is 0 would lie on the one below
    return common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE,
        line_width=0 if filled else 1,
        fill_opacity=80 if filled else 0,
        show_points=common.VisibilityMode.NEVER,
        stacking=common.StackingConfig(mode=common.StackingMode(stacked), group="A"),
        axis_soft_min=None if panel.signed else 0,
        axis_soft_max=1 if bars else None,
    )


_CELLS: dict[Cell, dict[str, str]] = {
    "plain": {"type": "auto"},
    "colour": {"type": "color-background", "mode": "basic"},
    "gauge": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
}


def _make_table(made: build.Panel, panel: Panel) -> None:
    if panel.matrix is not None:
        columns = {"fields": {}, "sort": [{"field": panel.matrix.column}]}
        made.with_transformation(model.DataTransformerConfig("sortBy", options=columns))
        wanted = {"columnField": panel.matrix.column, "rowField": panel.matrix.row, "valueField": "Value"}
        made.with_transformation(model.DataTransformerConfig("groupingToMatrix", options=wanted))
        corner = f"{panel.matrix.row}\\{panel.matrix.column}"
        made.with_transformation(
            model.DataTransformerConfig("sortBy", options={"fields": {}, "sort": [{"field": corner}]})
        )
        made.custom({"align": "center", "cellOptions": _CELLS["colour"]})
        plain = [model.DynamicConfigValue("custom.cellOptions", _CELLS["plain"])]
        made.override_by_name(corner, plain)
        return
    if len(panel.queries) > 1:
        made.with_transformation(model.DataTransformerConfig("merge", options={}))
    organised = {
        "excludeByName": {"Time": True},
        "includeByName": {},
        "indexByName": {column.field: index for index, column in enumerate(panel.columns)},
        "renameByName": {column.field: column.title for column in panel.columns},
    }
    made.with_transformation(model.DataTransformerConfig("organize", options=organised))
    for column in panel.columns:
        if properties := _column(column):
            made.override_by_name(column.title, properties)


def _column(column: Column) -> list[model.DynamicConfigValue]:
    set_: list[tuple[str, object]] = []
    if column.unit:
        set_.append(("unit", column.unit))
    if column.decimals is not None:
        set_.append(("decimals", column.decimals))
    if column.cell != "plain":
        set_.append(("custom.cellOptions", _CELLS[column.cell]))
        set_.append(("thresholds", _thresholds(column.steps).build()))
    if column.cell == "colour":
        set_.append(("custom.align", "center"))
    if column.cell == "gauge":
        set_ += [("min", 0), ("max", 1)]
    if column.width is not None:
        set_.append(("custom.width", column.width))
    if column.shown:
        set_.append(("mappings", [_mapping(each) for each in column.shown]))
    return [model.DynamicConfigValue(id_val, value) for id_val, value in set_]
