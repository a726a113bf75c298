// What a panel's fieldConfig and transformations make of its frames.
import {
  applyFieldOverrides,
  type DataFrame,
  fieldMatchers,
  FieldConfigOptionsRegistry,
  FieldType,
  type GrafanaTheme2,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { cloneDeep, merge, set } from 'lodash';
import { firstValueFrom } from 'rxjs';

// Some of them stand there by a second name, too.
const known = new Map(Object.values(standardTransformers).map((each: any) => [each.id, each]));
standardTransformersRegistry.setInit(() =>
  [...known.values()].map(({ id, name, ...rest }) => ({
    id,
    name,
    editor: () => null,
    transformation: { id, name, ...rest },
  }))
);

/** What Grafana's panels assume where a dashboard says nothing. */
const ASSUMED: Record<string, any> = {
  timeseries: {
    color: { mode: 'palette-classic' },
    custom: {
      drawStyle: 'line',
      lineInterpolation: 'linear',
      lineWidth: 1,
      fillOpacity: 0,
      gradientMode: 'none',
      spanNulls: false,
      showPoints: 'auto',
      pointSize: 5,
      stacking: { mode: 'none', group: 'A' },
      axisPlacement: 'auto',
      axisColorMode: 'text',
      axisBorderShow: false,
      axisCenteredZero: false,
      barAlignment: 0,
      barWidthFactor: 0.6,
      scaleDistribution: { type: 'linear' },
      thresholdsStyle: { mode: 'off' },
      hideFrom: { tooltip: false, viz: false, legend: false },
    },
  },
  piechart: { color: { mode: 'palette-classic' } },
  table: { custom: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false } },
};

const THRESHOLDS = { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 80, color: 'red' }] };

/** The frames after the panel's transformations. */
export async function transformed(
  frames: DataFrame[],
  transformations: any[] | undefined,
  replace: (text: string) => string
): Promise<DataFrame[]> {
  const wanted = (transformations ?? []).filter((each) => !each.disabled);
  for (const { id } of wanted) {
    if (!standardTransformersRegistry.getIfExists(id)) {
      throw new Error(`a transformation that @grafana/data does not have: ${id}`);
    }
  }
  return firstValueFrom(transformDataFrame(wanted, frames, { interpolate: (text: string) => replace(text) } as any));
}

/** A name with the labels of its field in it; Grafana knows more such words, which nobody here uses. */
function named(text: string, labels: Record<string, string>): string {
  const made = text.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => labels[label] ?? '');
  if (made.includes('${__')) {
    throw new Error(`a name that is not understood: ${text}`);
  }
  return made;
}

/** The frames with units, thresholds, mappings and overrides, ready to be drawn. */
export function configured(
  frames: DataFrame[],
  panel: any,
  theme: GrafanaTheme2,
  replace: (text: string) => string
): DataFrame[] {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const base = merge({ thresholds: THRESHOLDS, color: { mode: 'thresholds' } }, ASSUMED[panel.type] ?? {}, defaults);
  base.thresholds = cloneDeep(defaults.thresholds ?? THRESHOLDS); // a merge would mix the steps of both
  const rules = overrides.map((rule: any) => {
    const matcher = fieldMatchers.getIfExists(rule.matcher.id);
    if (!matcher) {
      throw new Error(`an override that @grafana/data cannot match: ${rule.matcher.id}`);
    }
    return { matches: matcher.get(rule.matcher.options), properties: rule.properties };
  });
  const own = frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => {
      const config = merge(cloneDeep(base), field.config);
      if (field.type !== FieldType.number) {
        for (const name of ['decimals', 'min', 'max']) {
          delete config[name];
        }
      }
      for (const { matches, properties } of rules) {
        if (matches(field, frame, frames)) {
          for (const { id, value } of properties) {
            set(config, id, cloneDeep(value));
          }
        }
      }
      for (const step of config.thresholds.steps) {
        step.value ??= -Infinity;
      }
      if (config.displayName) {
        config.displayName = replace(named(config.displayName, field.labels ?? {}));
      }
      return { ...field, config };
    }),
  }));
  return applyFieldOverrides({
    data: own,
    fieldConfig: { defaults: {}, overrides: [] },
    fieldConfigRegistry: new FieldConfigOptionsRegistry(),
    replaceVariables: replace,
    theme,
    timeZone: 'utc',
  });
}
