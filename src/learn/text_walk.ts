// How a text is walked through: which rows a step of an epoch has, and how a text is scored. A step's length is drawn from a stream of its
// own, so that an epoch is a function of seed and number and may be entered anywhere.
import { anInteger, check, checkRecord } from '../checks.ts';
import { normal, type StreamKey, uniform } from '../random/philox.ts';

/** Rows of a text that a pass has. */
export interface RowSpan {
  /** The first input. */
  readonly row: number;
  /** T: inputs in turn. */
  readonly steps: number;
}

/** A step of an epoch. */
export interface WalkStep extends RowSpan {
  /** L, as it was drawn: what the next step begins behind, and what the learning rate follows; `steps` may be cut by the end of the text. */
  readonly length: number;
  /** The learning rate's factor: L / bptt. */
  readonly rateFactor: number;
}

/** How lengths are drawn. */
export interface WalkSettings {
  /** The usual length; at least 2. */
  readonly bptt: number;
  /** How much longer than bptt a step may be; in a search, whose steps have no such lengths, absent. */
  readonly maxSeqLenDelta?: number;
}

/** A step of a search on the text that alpha is learned from. */
export interface ValidationSpan extends RowSpan {
  /** How often the text ended before: where it changes, the step begins anew and the hidden state may be set to zero. */
  readonly lap: number;
}

/** With which probability a step has the usual length, before it is disturbed; else half of it. */
const usualShare = 0.95;
const deviation = 5;
const shortestTraining = 5;

/** A text must have so many rows to be learned from: a step of two at least, and the row behind it. */
export const fewestWalkedRows = 3;

/**
 * The steps of an epoch over `rows` rows, in their order (AWD-LSTM, arXiv:1708.02182, as published): a step of T ≥ 2 rows at i = 0, then at
 * i + L, while i < rows - 2. Throws ArgumentError for numbers that make no sense.
 */
export function walkEpoch(
  rows: number,
  settings: WalkSettings,
  { seed, epoch }: Pick<StreamKey, 'seed' | 'epoch'>,
): WalkStep[] {
  check('rows', rows, anInteger(fewestWalkedRows));
  checkSettings(settings);
  const walk: WalkStep[] = [];
  for (let row = 0; row < rows - 2; row += walk[walk.length - 1].length) {
    const length = drawLength(settings, { seed, purpose: 'textLength', epoch, step: walk.length });
    const steps = Math.min(length, rows - 1 - row);
    walk.push({ row, steps, length, rateFactor: length / settings.bptt });
  }
  return walk;
}

/** The longest T that a walk may have. */
export function longestStep({ bptt, maxSeqLenDelta = 0 }: WalkSettings): number {
  return bptt + maxSeqLenDelta;
}

/** L of a step: of a search bptt or half of it, of a training a normal number about that, within bounds. */
function drawLength({ bptt, maxSeqLenDelta }: WalkSettings, stream: StreamKey): number {
  const base = uniform(stream, 1)[0] < usualShare ? bptt : bptt / 2;
  if (maxSeqLenDelta === undefined) return Math.trunc(base);
  // From the stream's second block: the first one made the uniform number.
  const length = Math.trunc(base + deviation * normal(stream, 1, 2)[0]);
  return Math.min(Math.max(shortestTraining, length), bptt + maxSeqLenDelta);
}

/** Of a search's step at `row` the rows of the other text, which has as many columns and `rows` rows. Throws ArgumentError. */
export function validationSpan(row: number, rows: number, bptt: number): ValidationSpan {
  check('row', row, anInteger(0));
  check('rows', rows, anInteger(2));
  check('bptt', bptt, anInteger(1));
  const begin = row % (rows - 1);
  return { row: begin, steps: Math.min(bptt, rows - 1 - begin), lap: Math.floor(row / (rows - 1)) };
}

/** The passes that score a text: all its rows in turn, bptt at a time. Throws ArgumentError. */
export function walkScore(rows: number, bptt: number): RowSpan[] {
  check('rows', rows, anInteger(2));
  check('bptt', bptt, anInteger(1));
  return Array.from({ length: Math.ceil((rows - 1) / bptt) }, (_, pass) => {
    const row = pass * bptt;
    return { row, steps: Math.min(bptt, rows - 1 - row) };
  });
}

function checkSettings(settings: WalkSettings): void {
  checkRecord('settings', settings, 'bptt');
  // Half of 1 would be a step of no rows, and no epoch would end.
  check('bptt', settings.bptt, anInteger(2));
  if (settings.maxSeqLenDelta !== undefined) check('maxSeqLenDelta', settings.maxSeqLenDelta, anInteger(0));
}
