// Values of series as people read them.
import type { Series, SeriesUnit } from './run_view.ts';

/** A value with its unit where it has one: 93.4%, 12 s. */
export function valueText(value: number, unit: SeriesUnit): string {
  if (unit === 'share') return `${(100 * value).toFixed(1)}%`;
  if (unit === 'seconds') return durationText(value);
  if (unit === 'samples a second') return `${short(value)}/s`;
  if (Math.abs(value) >= 1e6) return value.toExponential(2);
  return unit === 'perplexity' ? value.toFixed(1) : short(value);
}

/** 1.5 s, 12 s, 3 min 4 s, 5 h 6 min. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return seconds < 10 ? `${Number(seconds.toPrecision(2))} s` : `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
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
