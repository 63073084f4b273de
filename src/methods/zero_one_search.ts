// What the zero-one loss adds to a search in which alpha and weights learn in turn: a term of alpha's loss, and reports of both terms.
import type { Command, Outcome } from '../backend/device.ts';
import { weightStep, weightStepOutcome } from '../learn/weight_step.ts';
import { type ZeroOneSettings, zeroOneLoss } from '../learn/zero_one.ts';
import type {
  AlternatingOutcome,
  AlternatingParts,
  AlternatingSettings,
  AlternatingStep,
} from './alternating_parts.ts';
import type { Measure } from './method.ts';

type Settings = AlternatingSettings & ZeroOneSettings;

/** Under which lines for people tell of alpha's loss. */
export const searchLossGroup = 'search loss';

/** Both terms of alpha's loss, but for that of steps which every search reports; `optional` where a search may do without. */
export function zeroOneMeasures(optional: boolean): readonly Measure[] {
  const common = { group: searchLossGroup, unit: 'loss', better: 'lower', optional } as const;
  return [
    { name: 'zeroOneLoss', of: 'step', label: 'zero-one', ...common },
    { name: 'searchLoss', of: 'epoch', label: 'cross-entropy', ...common },
    { name: 'zeroOneLoss', of: 'epoch', label: 'zero-one', ...common },
  ];
}

/**
 * The parts of a search that report both terms, where alpha's commands are a pass, {@link zeroOneLoss} with its weight, and an update.
 * The training loss has the term at the new alpha, whence it has no gradient for the weights.
 */
export function zeroOneReports<S extends Settings>(
  settings: ZeroOneSettings,
): Required<Pick<AlternatingParts<S>, 'weights' | 'outcome' | 'means'>> {
  return {
    weights: (step) => [...weightStep({ ...step, batch: step.train }), reportedLoss(step)],
    outcome: ([pass, term], weights) => twoTerms(settings, pass, term, weights[2], weights),
    means: zeroOneMeans,
  };
}

/** Measures of epochs that are means of steps' measures. */
export const zeroOneMeans = { searchLoss: 'validationLoss', zeroOneLoss: 'zeroOneLoss' } as const;

/** What a step came to, from alpha's pass, the zero-one loss there and at the weights' pass, and the weights' outcomes. */
export function twoTerms(
  { auxLossWeight }: ZeroOneSettings,
  pass: Outcome,
  term: Outcome,
  termOfWeights: Outcome,
  weights: readonly Outcome[],
): AlternatingOutcome {
  const outcome = weightStepOutcome(weights);
  return {
    ...outcome,
    loss: outcome.loss + auxLossWeight * (termOfWeights.penalty ?? Number.NaN),
    measures: { validationLoss: pass.loss ?? Number.NaN, zeroOneLoss: term.penalty ?? Number.NaN },
  };
}

function reportedLoss({ program, settings }: AlternatingStep<Settings>): Command {
  return zeroOneLoss(program, settings.sepLoss, 0);
}
