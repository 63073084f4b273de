// Values as people read them.
import type { ProgressView, RunSummary, SeriesUnit } from '../../report/run_view.ts';

/** What says most comes first. */
export const unitOrder: readonly SeriesUnit[] = ['share', 'perplexity', 'loss', 'rate', 'samples a second', 'seconds'];

/** A value of a unit, short. */
export function valueText(value: number, unit: SeriesUnit): string {
  if (unit === 'share') return `${(100 * value).toFixed(1)} %`;
  if (unit === 'seconds') return durationText(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** The same beside an axis, where there is less room. */
export function axisText(value: number, unit: SeriesUnit): string {
  if (unit === 'share') return `${Number((100 * value).toPrecision(6))} %`;
  return unit === 'seconds' ? `${Number(value.toPrecision(6))} s` : valueText(value, unit);
}

/** What stands beside an axis. */
export function unitText(unit: SeriesUnit): string {
  if (unit === 'share') return '%';
  return unit === 'loss' || unit === 'rate' ? '' : unit;
}

/** 2026-01-02T03:04:05Z in the reader's time: 2026-01-02 03:04. */
export function timeText(time: string | undefined): string {
  const date = new Date(time ?? '');
  if (Number.isNaN(date.getTime())) return '';
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

export function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return seconds < 10 ? `${Number(seconds.toPrecision(2))} s` : `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How far a run is, in a line. */
export function progressText({ stage, epoch, epochs, step, steps }: ProgressView): string {
  const of = stage === undefined ? '' : `${stage}: `;
  return `${of}epoch ${epoch}/${epochs}${step > 0 ? `, step ${step}/${steps}` : ''}`;
}

/** The same as a share from 0 to 1. */
export function progressShare({ epoch, epochs, step, steps }: ProgressView): number {
  const share = (epoch + (steps > 0 ? step / steps : 0)) / epochs;
  return Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
}

export function scoreText({ score }: RunSummary): string {
  return score === undefined ? '' : valueText(score.value, score.unit);
}

/** Any value of a record, in a line. */
export function plainText(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function momentText(epoch: number): string {
  return epoch === 0 ? 'before the first step' : `after epoch ${epoch}`;
}
