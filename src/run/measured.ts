// The measures in records of steps and epochs, with what people call them: those that the run's method describes, and, of a method that is
// not known here, whatever numbers there are.
import { isRecord } from '../checks.ts';
import type { Measure, Method } from '../methods/method.ts';
import type { Series, SeriesUnit } from '../report/run_view.ts';
import { inWords } from '../words.ts';

/** What a value is of. */
export type SeriesHead = Omit<Series, 'x' | 'y'>;

/** A measure's value at one step or epoch. */
export interface MeasuredValue {
  readonly name: string;
  readonly value: number;
}

/** Fields that say where a record stands, not what was measured. */
const places = new Set(['type', 'stage', 'epoch', 'epochs', 'step', 'steps', 'secondsLeft']);

/** What every method's records have beside its own measures. */
const common: Readonly<Record<string, SeriesUnit>> = {
  imagesPerSecond: 'samples a second',
  wordsPerSecond: 'samples a second',
  seconds: 'seconds',
};

/** No measure is larger; sums of many of them are finite. */
const largest = 1e300;

/** The numbers that a record of a step or an epoch tells. */
export function measuredIn(record: object): readonly MeasuredValue[] {
  // Every step of a run comes by here: a loop takes a third of the time that lists of lists do.
  const measured: MeasuredValue[] = [];
  for (const name of Object.keys(record)) {
    const value: unknown = record[name as keyof typeof record];
    if (typeof value === 'number' && Math.abs(value) <= largest && !places.has(name)) measured.push({ name, value });
  }
  return measured;
}

/** What a name in records of steps or epochs stands for. */
export function headOf(method: Method | undefined, of: Series['of'], name: string): SeriesHead {
  const measure = method?.measures.find((known) => known.of === of && known.name === name);
  const unit = measure?.unit ?? common[name] ?? 'rate';
  const better = measure?.better;
  return { name, of, title: titleOf(name, measure), unit, ...(better !== undefined && { better }) };
}

/** A training is validated on test images, unless it keeps others for that. */
function titleOf(name: string, measure: Measure | undefined): string {
  const title = inWords(name);
  return measure?.group === 'test' ? title.replace('validation', 'test') : title;
}

/** The measure of epochs that says at a glance how a run does. */
export function mainMeasure(method: Method | undefined): string | undefined {
  const scores = method?.measures.filter(({ of, better }) => of === 'epoch' && better !== undefined) ?? [];
  const ofValidation = scores.filter(({ name, unit }) => name.startsWith('validation') && unit !== 'loss');
  const shares = scores.filter(({ name }) => name.endsWith('Accuracy'));
  return (ofValidation[0] ?? shares.at(-1) ?? scores.at(-1))?.name;
}

/** The numbers among the fields of a result. */
export function scoresIn(result: unknown): Readonly<Record<string, number>> {
  if (!isRecord(result)) return {};
  return Object.fromEntries(measuredIn(result).map(({ name, value }) => [name, value]));
}
