// Values as people read them.
import type { ProgressView, RunSummary, SeriesUnit } from '../../report/run_view.ts';
import { valueText } from '../../report/values.ts';

/** What says most comes first. */
export const unitOrder: readonly SeriesUnit[] = ['share', 'perplexity', 'loss', 'rate', 'samples a second', 'seconds'];

/** A value beside an axis, where there is less room, and the unit stands once. */
export function axisText(value: number, unit: SeriesUnit): string {
  if (unit === 'share') return `${Number((100 * value).toPrecision(6))}%`;
  if (unit === 'seconds') return `${Number(value.toPrecision(6))} s`;
  return valueText(value, 'rate');
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
