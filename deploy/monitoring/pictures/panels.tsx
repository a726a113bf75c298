// A panel of a dashboard, drawn with Grafana's own components; see README.md for what stands in for the others.
import {
  type DataFrame,
  type FieldConfigSource,
  fieldMatchers,
  FieldMatcherID,
  FieldType,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type GrafanaTheme2,
  renderTextPanelMarkdown,
  type TimeRange,
  VizOrientation,
} from '@grafana/data';
import { BarGauge, BigValue, Table, TimeSeries, VizRepeater } from '@grafana/ui';
import React from 'react';
import { Pie, Timeline } from './standins';

export interface Drawn {
  panel: any;
  frames: DataFrame[];
  range: TimeRange;
  theme: GrafanaTheme2;
  width: number;
  height: number;
  replace: (text: string) => string;
}

export function Panel(drawn: Drawn) {
  const { panel, frames } = drawn;
  if (panel.type === 'text') {
    const html = renderTextPanelMarkdown(drawn.replace(panel.options.content));
    return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />;
  }
  if (!frames.some((frame) => frame.length > 0)) {
    return <div className="empty">{panel.fieldConfig?.defaults?.noValue ?? 'No data'}</div>;
  }
  switch (panel.type) {
    case 'timeseries':
      return <Lines {...drawn} />;
    case 'stat':
      return <Stat {...drawn} />;
    case 'bargauge':
      return <Gauges {...drawn} />;
    case 'table':
      return <Rows {...drawn} />;
    case 'piechart':
      return <Pie {...drawn} />;
    case 'state-timeline':
      return <Timeline {...drawn} />;
    default:
      throw new Error(`a panel that cannot be drawn: ${panel.type}`);
  }
}

function Lines({ panel, frames, range, width, height }: Drawn) {
  const times = frames.filter((frame) => frame.fields.some((field) => field.type === FieldType.time));
  return (
    <TimeSeries
      frames={times}
      timeRange={range}
      timeZone="utc"
      width={width}
      height={height}
      legend={{ calcs: [], displayMode: 'list', placement: 'bottom', showLegend: true, ...panel.options?.legend } as any}
      options={panel.options}
      fields={{
        x: fieldMatchers.get(FieldMatcherID.firstTimeField).get({}),
        y: fieldMatchers.get(FieldMatcherID.byTypes).get(new Set([FieldType.number, FieldType.enum])),
      }}
    />
  );
}

function valuesOf({ panel, frames, theme, replace }: Drawn, sparkline: boolean) {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig as FieldConfigSource,
    reduceOptions: { calcs: ['lastNotNull'], values: false, ...panel.options?.reduceOptions },
    replaceVariables: replace,
    theme,
    data: frames,
    sparkline,
    percentChange: panel.options?.showPercentChange,
    timeZone: 'utc',
  });
}

function Stat(drawn: Drawn) {
  const { panel, width, height, theme } = drawn;
  const options = { graphMode: 'area', colorMode: 'value', justifyMode: 'auto', textMode: 'auto', wideLayout: true, ...panel.options };
  if (options.textMode === 'auto' && panel.fieldConfig?.defaults?.displayName) {
    options.textMode = 'value_and_name';
  }
  const values = valuesOf(drawn, options.graphMode !== 'none');
  return (
    <VizRepeater
      getValues={() => values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={drawn.frames}
      renderCounter={1}
      width={width}
      height={height}
      itemSpacing={3}
      autoGrid
      orientation={options.orientation ?? VizOrientation.Auto}
      renderValue={({ value, alignmentFactors, width, height, count }) => (
          <BigValue
            value={value.display}
            count={count}
            sparkline={value.sparkline as any}
            colorMode={options.colorMode}
            graphMode={options.graphMode}
            justifyMode={options.justifyMode}
            textMode={options.textMode}
            alignmentFactors={alignmentFactors}
            text={options.text}
            width={width}
            height={height}
            theme={theme}
            percentChangeColorMode={options.percentChangeColorMode}
            disableWideLayout={!options.wideLayout}
          />
      )}
    />
  );
}

function Gauges(drawn: Drawn) {
  const { panel, width, height, theme } = drawn;
  const options = { displayMode: 'gradient', valueMode: 'color', namePlacement: 'auto', showUnfilled: true, ...panel.options };
  const values = valuesOf(drawn, false);
  const orientation = options.orientation ?? VizOrientation.Auto;
  return (
    <VizRepeater
      getValues={() => values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={drawn.frames}
      renderCounter={1}
      width={width}
      height={height}
      itemSpacing={10}
      minVizWidth={options.minVizWidth ?? 8}
      minVizHeight={options.minVizHeight ?? 16}
      maxVizHeight={options.maxVizHeight ?? 300}
      orientation={orientation}
      renderValue={({ value, alignmentFactors, width, height, count, orientation }) => {
        const alone = count === 1 && !panel.fieldConfig?.defaults?.displayName;
        const field = { ...value.field, min: value.field.min ?? 0, max: value.field.max ?? 100 };
        return (
          <BarGauge
            value={alone ? { ...value.display, title: undefined } : value.display}
            field={field}
            display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0) as any}
            width={width}
            height={height}
            orientation={orientation}
            text={options.text}
            theme={theme}
            itemSpacing={8}
            lcdCellWidth={6}
            displayMode={options.displayMode}
            alignmentFactors={alignmentFactors}
            showUnfilled={options.showUnfilled}
            valueDisplayMode={options.valueMode}
            namePlacement={options.namePlacement}
            isOverflow={false}
          />
        );
      }}
    />
  );
}

function Rows({ panel, frames, range, width, height }: Drawn) {
  const options = { showHeader: true, cellHeight: 'sm', ...panel.options };
  return (
    <Table
      data={frames[options.frameIndex ?? 0]}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      showTypeIcons={false}
      resizable
      initialSortBy={options.sortBy}
      footerOptions={options.footer}
      enablePagination={options.footer?.enablePagination}
      cellHeight={options.cellHeight}
      fieldConfig={panel.fieldConfig}
      timeRange={range}
    />
  );
}
