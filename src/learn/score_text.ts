// How well a language model predicts a text: passes over it in turn, the hidden state handed on.
import type { Device, Program } from '../backend/device.ts';
import { columnsOf, type TextColumns } from '../data/text/columns.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { languageBatch } from './language_pass.ts';
import { type TextScore, textScore } from './text_score.ts';
import { walkScore } from './text_walk.ts';

/** Columns that a validation text is scored in, as published. */
const scoredColumns = 10;

/** A validation text in those columns. Throws DataError for one that is too short. */
export function scoredText(valid: Int32Array): TextColumns {
  if (valid.length >= 2 * scoredColumns) return columnsOf(valid, scoredColumns);
  throw new DataError(
    `the validation text has ${valid.length} tokens: expected at least ${2 * scoredColumns}, two in each of the ${scoredColumns} columns that it is scored in`,
  );
}

/** What a score is taken of. */
export interface ScoreTextOptions {
  readonly device: Device;
  /** Of a graph that ends in the negative log-likelihood, for the text's columns. */
  readonly program: Program;
  readonly text: TextColumns;
  readonly bptt: number;
  /** Name of the hidden state that is handed on. */
  readonly state: string;
  readonly signal?: AbortSignal;
  /** Told how many of the passes are done. */
  readonly onPasses?: (done: number, passes: number) => void;
}

/** Passes that cross into the backend at once. */
const passesAtOnce = 16;

/** Scores a text with running statistics and nothing dropped; the hidden state begins with zeros. Rejects with AbortedError. */
export async function scoreText(options: ScoreTextOptions): Promise<TextScore> {
  const { device, program, text, bptt, state, signal, onPasses } = options;
  const spans = walkScore(text.rows, bptt);
  let total = 0;
  for (let first = 0; first < spans.length; first += passesAtOnce) {
    throwIfAborted(signal);
    const some = spans.slice(first, first + passesAtOnce);
    const outcomes = await device.execute(
      some.map((span, index) => {
        const hidden = { ...(first + index > 0 && { from: state }), to: state };
        return { kind: 'evaluate', program, batch: languageBatch(text, span, { hidden }), statistics: 'running' };
      }),
      { signal },
    );
    for (const [index, { loss = Number.NaN }] of outcomes.entries()) total += some[index].steps * loss;
    onPasses?.(first + some.length, spans.length);
  }
  return textScore(total, text.rows);
}
