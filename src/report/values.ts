// Values of series as people read them.
import type { Series, SeriesUnit } from './run_view.ts';

/** A value with its unit where it has one: 93.4%, 12 s. */
export function valueText(unit: SeriesUnit, value: number): string {
  switch (unit) {
    case 'share':
      return `${(100 * value).toFixed(1)}%`;
    case 'seconds':
      return `${short(value)} s`;
    case 'samples a second':
      return `${short(value)}/s`;
    case 'perplexity':
      return value < 1e6 ? value.toFixed(1) : value.toExponential(2);
    default:
      return short(value);
  }
}

/** Four digits that count. */
export function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** What a score among the results of a run is, by its name: that of a series of the run, or one that ends alike. */
export function unitOfScore(name: string, series: readonly Pick<Series, 'name' | 'unit'>[]): SeriesUnit {
  const known = series.find((one) => one.name === name)?.unit;
  if (known !== undefined) return known;
  if (/(accuracy|top5)$/i.test(name)) return 'share';
  if (/perplexity$/i.test(name)) return 'perplexity';
  return /loss$/i.test(name) ? 'loss' : 'rate';
}
