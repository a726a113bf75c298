// From the queries of a panel to data frames, as Grafana's Prometheus data source makes them.
import {
  type DataFrame,
  dateTime,
  type Field,
  FieldType,
  rangeUtil,
  type TimeRange,
} from '@grafana/data';

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
  hide?: boolean;
  format?: 'time_series' | 'table';
  interval?: string;
}

/** Where the data is, for which time, and what the dashboard's variables stand for. */
export interface Source {
  /** Address of a Prometheus, without a slash at the end. */
  prometheus: string;
  range: TimeRange;
  variables: Record<string, string>;
  /** What a reader sees of that. */
  chosen: Record<string, string>;
  /** How often the data source says that Prometheus scrapes, in milliseconds. */
  scrapeMs: number;
}

interface Series {
  metric: Record<string, string>;
  value?: [number, string];
  values?: Array<[number, string]>;
}

const DEFAULT_POINTS = 1000;

/** Puts the values of variables into a text; a variable that nobody knows is an error. */
export function interpolate(text: string, variables: Record<string, string>): string {
  return text.replace(/\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]/g, (found, braced, plain, boxed) => {
    const name = braced ?? plain ?? boxed;
    if (/^\d+$/.test(name)) {
      return found; // the reference to a group of a regular expression, as in label_replace
    }
    if (!(name in variables)) {
      throw new Error(`nothing is known of the variable ${found} in: ${text}`);
    }
    return variables[name];
  });
}

async function ask(source: Source, path: string, parameters: Record<string, string>): Promise<any> {
  const answer = await fetch(`${source.prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const told = await answer.json();
  if (told.status !== 'success') {
    throw new Error(`Prometheus refuses ${parameters.query ?? path}: ${told.error}`);
  }
  return told.data;
}

/** What `label_values(...)` of a variable stands for. */
export async function labelValues(source: Source, query: string): Promise<string[]> {
  const [, selector, label] = /^label_values\(\s*(?:(.+),\s*)?(\w+)\s*\)$/s.exec(query.trim()) ?? [];
  if (!label) {
    throw new Error(`a variable that is not label_values(...) is not supported: ${query}`);
  }
  const { from, to } = source.range;
  return ask(source, `label/${label}/values`, {
    ...(selector ? { 'match[]': interpolate(selector, source.variables) } : {}),
    start: String(from.unix()),
    end: String(to.unix()),
  });
}

/** The frames of a panel's queries. `points`: how many pixels there are for them. */
export async function evaluate(
  source: Source,
  targets: Target[],
  points: number = DEFAULT_POINTS,
  minInterval: string = ''
): Promise<DataFrame[]> {
  const shown = targets.filter((target) => !target.hide);
  const tables = shown.filter((target) => target.format === 'table').length;
  const frames: DataFrame[][] = await Promise.all(
    shown.map(async (target) => {
      const least = Math.max(source.scrapeMs, rangeUtil.intervalToMs(target.interval || minInterval || '0s'));
      const { intervalMs } = rangeUtil.calculateInterval(source.range, points, `${least}ms`);
      const series = target.instant ? await instant(source, target, intervalMs) : await range(source, target, intervalMs);
      if (target.format === 'table') {
        return [asTable(target, series, tables > 1)];
      }
      return series.map((each) => asFrame(target, each));
    })
  );
  return frames.flat();
}

function withIntervals(source: Source, expr: string, intervalMs: number): string {
  const { from, to } = source.range;
  const rate = Math.max(intervalMs + source.scrapeMs, 4 * source.scrapeMs);
  const rangeSeconds = Math.round((to.valueOf() - from.valueOf()) / 1000);
  return interpolate(expr, {
    ...source.variables,
    __interval: `${Math.round(intervalMs / 1000)}s`,
    __interval_ms: String(intervalMs),
    __rate_interval: `${Math.round(rate / 1000)}s`,
    __range: `${rangeSeconds}s`,
    __range_s: String(rangeSeconds),
  });
}

async function instant(source: Source, target: Target, intervalMs: number): Promise<Series[]> {
  const told = await ask(source, 'query', {
    query: withIntervals(source, target.expr, intervalMs),
    time: String(source.range.to.unix()),
  });
  return told.resultType === 'scalar' ? [{ metric: {}, value: told.result }] : told.result;
}

async function range(source: Source, target: Target, intervalMs: number): Promise<Series[]> {
  const step = intervalMs / 1000;
  const told = await ask(source, 'query_range', {
    query: withIntervals(source, target.expr, intervalMs),
    start: String(Math.floor(source.range.from.unix() / step) * step),
    end: String(Math.floor(source.range.to.unix() / step) * step),
    step: String(step),
  });
  return told.result;
}

function nameOf(target: Target, labels: Record<string, string>): string | undefined {
  const legend = target.legendFormat ?? '';
  if (legend && legend !== '__auto') {
    return legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '');
  }
  return Object.keys(labels).length ? undefined : target.expr;
}

function pointsOf(series: Series): Array<[number, string]> {
  return series.values ?? (series.value ? [series.value] : []);
}

function asFrame(target: Target, series: Series): DataFrame {
  const { __name__: metric, ...labels } = series.metric;
  const points = pointsOf(series);
  const name = nameOf(target, labels);
  return {
    refId: target.refId,
    name,
    length: points.length,
    meta: { type: 'timeseries-multi' as any, custom: { resultType: target.instant ? 'vector' : 'matrix' } },
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: points.map(([at]) => at * 1000) },
      {
        name: metric ?? 'Value',
        type: FieldType.number,
        config: name ? { displayNameFromDS: name } : {},
        labels,
        values: points.map(([, value]) => Number(value)),
      },
    ],
  };
}

/** All series of a query in one frame, a column for each label. */
function asTable(target: Target, series: Series[], several: boolean): DataFrame {
  const labels = [...new Set(series.flatMap((each) => Object.keys(each.metric)))].sort();
  const rows = series.flatMap((each) => pointsOf(each).map(([at, value]) => ({ at, value, metric: each.metric })));
  const column = (name: string, type: FieldType, values: unknown[]): Field => ({
    name,
    type,
    config: {},
    values,
  });
  return {
    refId: target.refId,
    length: rows.length,
    fields: [
      column('Time', FieldType.time, rows.map((row) => row.at * 1000)),
      ...labels.map((label) => column(label, FieldType.string, rows.map((row) => row.metric[label] ?? ''))),
      column(several ? `Value #${target.refId}` : 'Value', FieldType.number, rows.map((row) => Number(row.value))),
    ],
  };
}

/** The time that a dashboard shows, seen at a moment. */
export function rangeAt(now: number, from: string, to: string): TimeRange {
  const bound = (text: string, end: boolean) => {
    const [, amount, unit, round] = /^now(?:-(\d+)([smhdwM]))?(?:\/([dwM]))?$/.exec(text) ?? [];
    if (!text.startsWith('now') || (text.length > 3 && !unit && !round)) {
      throw new Error(`a time that is not supported: ${text}`);
    }
    const at = dateTime(now).utc();
    if (unit) {
      at.subtract(Number(amount), unit as any);
    }
    return round ? (end ? at.endOf(round as any) : at.startOf(round as any)) : at;
  };
  return { from: bound(from, false), to: bound(to, true), raw: { from, to } };
}
