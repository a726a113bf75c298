// Stand-ins for the panels that Grafana does not publish as components: drawn with what it does publish, and with the
// same fieldConfig (units, colours, mappings, stacking).
import { FieldType, formattedValueToString, getFieldDisplayName, getFieldDisplayValues } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder, VizLayout, VizLegend, type VizLegendItem } from '@grafana/ui';
import React from 'react';
import type { Drawn } from './panels';

function legendOf(panel: any, items: VizLegendItem[]) {
  const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', ...panel.options?.legend };
  return legend.showLegend ? (
    <VizLayout.Legend placement={legend.placement}>
      <VizLegend placement={legend.placement} displayMode={legend.displayMode} items={items} />
    </VizLayout.Legend>
  ) : null;
}

/** Rows over time, a coloured cell for each stretch of one value: a state timeline. */
export function Timeline({ panel, frames, range, theme, width, height }: Drawn) {
  const rows = frames.flatMap((frame) => {
    const time = frame.fields.find((field) => field.type === FieldType.time);
    return frame.fields
      .filter((field) => field !== time && field.type !== FieldType.time && time)
      .map((field) => ({ name: getFieldDisplayName(field, frame, frames), field, times: time!.values as number[] }));
  });
  const legend = new Map<string, VizLegendItem>();
  for (const { field } of rows) {
    for (const value of field.values) {
      const { color, ...shown } = field.display!(value);
      const label = formattedValueToString(shown as any);
      if (value != null && field.config.mappings?.length) {
        legend.set(label, { label, color, yAxis: 1 });
      }
    }
  }
  const draw = (u: any) => {
    const { ctx, bbox } = u;
    const each = bbox.height / rows.length;
    const gap = each * (1 - (panel.options?.rowHeight ?? 0.9));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.textBaseline = 'middle';
    ctx.font = `12px ${theme.typography.fontFamily}`;
    rows.forEach(({ field, times }, row) => {
      const step = times.length > 1 ? Math.min(...times.slice(1).map((at, index) => at - times[index])) : 60_000;
      const values = field.values;
      for (let start = 0; start < values.length; ) {
        let end = start + 1;
        const merged = panel.options?.mergeValues !== false;
        while (merged && end < values.length && values[end] === values[start] && times[end] - times[end - 1] <= step * 1.5) {
          end++;
        }
        const from = u.valToPos(times[start], 'x', true);
        const to = u.valToPos(times[end - 1] + step, 'x', true);
        const shown = field.display!(values[start]);
        const color = shown.color;
        if (values[start] != null && color) {
          const top = bbox.top + each * row + gap / 2;
          ctx.fillStyle = color;
          ctx.globalAlpha = (field.config.custom?.fillOpacity ?? 70) / 100;
          ctx.fillRect(from, top, Math.max(1, to - from), each - gap);
          ctx.globalAlpha = 1;
          const label = formattedValueToString(shown);
          if (panel.options?.showValue !== 'never' && ctx.measureText(label).width + 12 < to - from) {
            ctx.fillStyle = theme.colors.getContrastText(color, 3);
            ctx.fillText(label, Math.max(from, bbox.left) + 6, top + (each - gap) / 2);
          }
        }
        start = end;
      }
    });
    ctx.restore();
  };
  const builder = new UPlotConfigBuilder('utc');
  const from = range.from.valueOf();
  const to = range.to.valueOf();
  builder.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [from, to],
  } as any);
  builder.addScale({
    scaleKey: 'y',
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Up,
    range: () => [0, rows.length],
  } as any);
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone: 'utc', theme, grid: { show: false } });
  builder.addAxis({
    scaleKey: 'y',
    placement: AxisPlacement.Left,
    theme,
    grid: { show: false },
    ticks: { show: false },
    splits: () => rows.map((_, row) => rows.length - row - 0.5),
    values: (_: unknown, splits: number[]) => splits.map((at) => rows[Math.round(rows.length - at - 0.5)].name),
  } as any);
  builder.addSeries({ scaleKey: 'y', theme, pathBuilder: () => null, pointsBuilder: () => undefined, show: true } as any);
  builder.addHook('draw', draw);
  return (
    <VizLayout width={width} height={height} legend={legend.size ? legendOf(panel, [...legend.values()]) : null}>
      {(width: number, height: number) => (
        <UPlotChart config={builder} data={[[from, to], [null, null]] as any} width={width} height={height} />
      )}
    </VizLayout>
  );
}

/** A ring of arcs in the colours of the series. */
export function Pie({ panel, frames, theme, width, height, replace }: Drawn) {
  const values = getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: { calcs: ['lastNotNull'], values: false, ...panel.options?.reduceOptions },
    replaceVariables: replace,
    theme,
    data: frames,
    timeZone: 'utc',
  })
    .filter((value) => value.display.numeric > 0)
    .sort((one, other) => other.display.numeric - one.display.numeric);
  const total = values.reduce((sum, value) => sum + value.display.numeric, 0);
  const shown: string[] = panel.options?.legend?.values ?? [];
  const items = values.map(({ display }) => ({
    label: display.title ?? '',
    color: display.color,
    yAxis: 1,
    getDisplayValues: () => [
      ...(shown.includes('value') ? [{ title: 'Value', text: formattedValueToString(display), numeric: display.numeric }] : []),
      ...(shown.includes('percent')
        ? [{ title: 'Percent', text: `${Math.round((100 * display.numeric) / total)}%`, numeric: display.numeric / total }]
        : []),
    ],
  }));
  return (
    <VizLayout width={width} height={height} legend={legendOf(panel, items)}>
      {(width: number, height: number) => {
        const outer = Math.min(width, height) / 2 - 4;
        const inner = panel.options?.pieType === 'donut' ? outer * 0.6 : 0;
        let done = 0;
        const at = (share: number, radius: number) => {
          const turn = 2 * Math.PI * share - Math.PI / 2;
          return `${radius * Math.cos(turn)} ${radius * Math.sin(turn)}`;
        };
        return (
          <svg width={width} height={height} viewBox={`${-width / 2} ${-height / 2} ${width} ${height}`}>
            {values.map(({ display }, index) => {
              const from = done;
              done += Math.min(0.99999, display.numeric / total);
              const large = done - from > 0.5 ? 1 : 0;
              const path = `M ${at(from, outer)} A ${outer} ${outer} 0 ${large} 1 ${at(done, outer)} L ${at(done, inner)} A ${inner} ${inner} 0 ${large} 0 ${at(from, inner)} Z`;
              return <path key={index} d={path} fill={display.color} stroke={theme.colors.background.primary} />;
            })}
          </svg>
        );
      }}
    </VizLayout>
  );
}
