// The page that chromium takes a picture of: one dashboard, laid out as Grafana lays it out.
import { createTheme, type DataFrame, ThemeContext } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { configured, transformed } from './fields';
import { Panel } from './panels';
import { evaluate, interpolate, labelValues, rangeAt, type Source } from './queries';

const COLUMNS = 24;
const CELL = 30;
const GAP = 8;
const SIDE = 16;
const HEADER = 52;

interface Asked {
  dashboard: any;
  prometheus: string;
  /** The moment at which the dashboard is looked at, in milliseconds. */
  now: number;
  scrapeMs: number;
  width: number;
}

interface Ready {
  panel: any;
  frames: DataFrame[];
  problem?: string;
}

async function variablesOf(source: Source, list: any[]): Promise<void> {
  for (const variable of list) {
    const options: string[] =
      variable.type === 'query'
        ? await labelValues(source, variable.query?.query ?? variable.query)
        : String(variable.query ?? '').split(',').map((each) => each.trim());
    const current = [variable.current?.value ?? []].flat();
    const all = current.includes('$__all') || (variable.includeAll && current.length === 0);
    const chosen = all ? options : current.length ? current : options.slice(0, 1);
    source.chosen[variable.name] = all ? 'All' : chosen.join(', ');
    const escaped = chosen.map((each: string) => each.replace(/[.*+?^${}()|[\]\\]/g, '\\\\$&'));
    source.variables[variable.name] =
      all && variable.allValue
        ? variable.allValue
        : variable.multi || variable.includeAll
          ? `(${escaped.join('|')})`
          : (chosen[0] ?? '');
  }
}

/** Panels of folded rows are not shown; those of open rows stand beside them. */
function place(panel: any, width: number) {
  const column = (width - 2 * SIDE + GAP) / COLUMNS;
  const { x, y, w, h } = panel.gridPos;
  return {
    left: Math.round(SIDE + x * column),
    top: HEADER + y * (CELL + GAP),
    width: Math.round(w * column - GAP),
    height: h * CELL + (h - 1) * GAP,
  };
}

const theme = createTheme({ colors: { mode: 'dark' } });

function Dashboard({ asked, source, panels }: { asked: Asked; source: Source; panels: Ready[] }) {
  const { dashboard, width } = asked;
  const replace = (text: string) => interpolate(text, { ...source.variables, __range: 'range' });
  const bottom = Math.max(...panels.map(({ panel }) => panel.gridPos.y + panel.gridPos.h));
  const shown = (dashboard.templating?.list ?? []).filter((each: any) => each.type !== 'datasource' && each.hide !== 2);
  return (
    <div style={{ position: 'relative', width, height: HEADER + bottom * (CELL + GAP) + SIDE - GAP }} id="dashboard">
      <div style={{ position: 'absolute', left: SIDE, right: SIDE, top: 12, display: 'flex', gap: 24, alignItems: 'baseline' }}>
        <span style={{ fontSize: 20, fontWeight: 500 }}>{dashboard.title}</span>
        {shown.map((variable: any) => (
          <span key={variable.name} style={{ color: theme.colors.text.secondary }}>
            {variable.label ?? variable.name}: {source.chosen[variable.name]}
          </span>
        ))}
        <span style={{ marginLeft: 'auto', color: theme.colors.text.secondary }}>
          {source.range.from.format('YYYY-MM-DD HH:mm')} to {source.range.to.format('YYYY-MM-DD HH:mm')} UTC
        </span>
      </div>
      {panels.map(({ panel, frames, problem }, index) => {
        const at = place(panel, width);
        if (panel.type === 'row') {
          return (
            <div key={index} style={{ position: 'absolute', ...at, fontSize: 16, fontWeight: 500, paddingTop: 4 }}>
              {replace(panel.title)}
            </div>
          );
        }
        return (
          <div key={index} style={{ position: 'absolute', left: at.left, top: at.top }}>
            <PanelChrome
              width={at.width}
              height={at.height}
              title={replace(panel.title ?? '')}
              description={panel.description}
              displayMode={panel.transparent ? 'transparent' : 'default'}
              hoverHeader={!panel.title}
              statusMessage={problem}
              padding="md"
            >
              {(width, height) => (
                <div style={{ width, height, overflow: 'hidden' }}>
                  {problem ?? (
                    <Panel {...{ panel, frames, theme, width, height, replace }} range={source.range} />
                  )}
                </div>
              )}
            </PanelChrome>
          </div>
        );
      })}
    </div>
  );
}

/** Draws a dashboard; what could not be drawn is told, panel by panel, and so is what is empty. */
async function draw(asked: Asked): Promise<{ problems: string[]; empty: string[] }> {
  const { dashboard, prometheus, now, scrapeMs } = asked;
  const source: Source = {
    prometheus,
    scrapeMs,
    range: rangeAt(now, dashboard.time?.from ?? 'now-6h', dashboard.time?.to ?? 'now'),
    variables: {},
    chosen: {},
  };
  const list = (dashboard.templating?.list ?? []).filter((variable: any) => variable.type !== 'datasource');
  await variablesOf(source, list);
  const replace = (text: string) => interpolate(text, source.variables);
  const panels: Ready[] = await Promise.all(
    dashboard.panels.map(async (panel: any): Promise<Ready> => {
      if (panel.type === 'row' || panel.type === 'text') {
        return { panel, frames: [] };
      }
      if (panel.repeat) {
        return { panel, frames: [], problem: 'repeated panels are not supported' };
      }
      const points = panel.maxDataPoints ?? place(panel, asked.width).width;
      try {
        const seen = panel.timeFrom
          ? { ...source, range: rangeAt(now, panel.timeFrom.startsWith('now') ? panel.timeFrom : `now-${panel.timeFrom}`, 'now') }
          : source;
        const frames = await evaluate(seen, panel.targets ?? [], points, panel.interval);
        return { panel, frames: configured(await transformed(frames, panel.transformations, replace), panel, theme, replace) };
      } catch (problem) {
        return { panel, frames: [], problem: String(problem) };
      }
    })
  );
  document.body.innerHTML = '<div id="root"></div>';
  const root = createRoot(document.getElementById('root')!);
  const show = (content?: React.ReactNode) =>
    root.render(
      <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        {content}
      </ThemeContext.Provider>
    );
  show(); // the styles name the fonts, and components measure texts with them: too early, it would be with others
  await new Promise((drawn) => setTimeout(drawn, 100));
  const fonts = await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
  if (fonts.some((found) => found.length === 0)) {
    throw new Error('the fonts could not be loaded');
  }
  show(<Dashboard asked={asked} source={source} panels={panels} />);
  return {
    problems: panels.filter(({ problem }) => problem).map(({ panel, problem }) => `${panel.title}: ${problem}`),
    empty: panels
      .filter(({ panel, frames, problem }) => !problem && panel.targets?.length && !frames.some((frame) => frame.length))
      .map(({ panel }) => panel.title),
  };
}

(window as any).draw = draw;
