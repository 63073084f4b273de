// What goes into a pass of a language model, and what comes out.
import type { DirectBatch, Outcome } from '../backend/device.ts';
import { type ColumnRange, type TextColumns, textBatch } from '../data/text/columns.ts';
import { languageModelNames } from '../network/language_model.ts';
import type { RowSpan } from './text_walk.ts';

/** Rows of a text, of all its columns or some, as a batch. Throws ArgumentError for rows that are not there. */
export function languageBatch(
  text: TextColumns,
  { row, steps }: RowSpan,
  rest: Pick<DirectBatch, 'hidden' | 'dropout'>,
  range?: ColumnRange,
): DirectBatch {
  const { inputs, targets } = textBatch(text, row, steps, range);
  return { inputs: { [languageModelNames.words]: inputs }, labels: targets, ...rest };
}

/** The negative log-likelihood of a pass, whatever stands beside it in the loss; NaN where a backend left it out. */
export function likelihoodOf({ loss = Number.NaN, terms = [loss] }: Outcome): number {
  return terms[0];
}

/** The mean of that over passes. */
export function meanLikelihood(outcomes: readonly Outcome[]): number {
  return outcomes.reduce((sum, outcome) => sum + likelihoodOf(outcome), 0) / outcomes.length;
}
