// A step of a search for recurrent cells (DARTS, arXiv:1806.09055, sections 2.3 and A.1.2): for every group of columns alpha by the gradient of
// validation words, first order or through an unrolled step; then the weights by SGD at the new alpha.
import type { Command, DirectBatch, DropoutDraw, Outcome, Program } from '../../backend/device.ts';
import { type ColumnRange, type TextColumns, textBatch } from '../../data/text/columns.ts';
import { validationSpan, type WalkStep } from '../../learn/text_walk.ts';
import { embeddingGroup, languageModelNames } from '../../network/language_model.ts';
import type { RecurrentSearchSettings } from './settings.ts';

/** What a step works on. */
export interface RecurrentStepOptions {
  /** Ends in the negative log-likelihood alone. */
  readonly likelihood: Program;
  /** Ends in the loss that weights follow. */
  readonly training: Program;
  readonly train: TextColumns;
  readonly validation: TextColumns;
  readonly groups: readonly ColumnRange[];
  readonly settings: RecurrentSearchSettings;
  readonly walk: WalkStep;
  readonly seed: number;
  readonly epoch: number;
  /** Steps before this one, in the run. */
  readonly updates: number;
}

/** Names of the hidden states of a group. */
export const trainState = (group: number) => `hidden.train.${group}`;
export const validationState = (group: number) => `hidden.validation.${group}`;

/** Passes of a group, which all draw masks of their own. */
const draws = ['validation', 'unrolledTrain', 'plus', 'minus', 'weights'] as const;

/** The commands of a step, for one `device.execute`. */
export function recurrentSearchStep(options: RecurrentStepOptions): Command[] {
  const { training, groups, settings, walk } = options;
  const commands = groups.flatMap((_, group) => [...alphaStep(options, group), weightGradients(options, group)]);
  const moved: Command = {
    kind: 'sgd',
    parameters: training.parameters,
    ...{
      learningRate: settings.lr * walk.rateFactor,
      momentum: 0,
      weightDecay: settings.wdecay,
      maxNorm: settings.clip,
    },
  };
  return [...commands, moved];
}

/** What a step came to: losses of the passes before the updates, means over the groups. */
export interface RecurrentStepOutcome {
  readonly loss: number;
  readonly validationLoss: number;
  readonly gradientNorm: number;
}

/** Reads the outcomes of {@link recurrentSearchStep}'s commands; what a backend left out counts as NaN. */
export function recurrentStepOutcome(outcomes: readonly Outcome[]): RecurrentStepOutcome {
  const groups = outcomes.slice(0, -1);
  const mean = (of: number) => {
    const losses = groups.filter((_, index) => index % 3 === of).map(likelihoodOf);
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  };
  return {
    loss: mean(2),
    validationLoss: mean(0),
    gradientNorm: outcomes[outcomes.length - 1].gradientNorm ?? Number.NaN,
  };
}

/** The negative log-likelihood of a pass, whatever stands beside it in the loss. */
export function likelihoodOf({ loss = Number.NaN, terms = [loss] }: Outcome): number {
  return terms[0];
}

function alphaStep(options: RecurrentStepOptions, group: number): Command[] {
  const { likelihood, settings, updates, groups } = options;
  const moved: Command = {
    kind: 'adam',
    parameters: likelihood.parameters,
    ...{ learningRate: settings.archLr, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: settings.archWdecay },
    step: updates * groups.length + group + 1,
  };
  return [alphaGradient(options, group), moved];
}

function alphaGradient(options: RecurrentStepOptions, group: number): Command {
  const { likelihood: program, settings, walk } = options;
  const validation = validationBatch(options, group);
  if (!settings.unrolled) return { kind: 'gradients', program, batch: validation, target: 'alpha' };
  const { from, train } = { from: stateBefore(options, group), train: trainBatch(options, group, 'unrolledTrain') };
  return {
    kind: 'hypergradient',
    program,
    // The state goes on from the weights' own pass.
    train: { ...train, hidden: { from } },
    validation,
    ...{
      learningRate: settings.lr * walk.rateFactor,
      momentum: 0,
      weightDecay: settings.wdecay,
      maxNorm: settings.clip,
    },
    unclamped: !settings.clampCoefficient,
    ...(!settings.newEmbedding && { heldGroups: [embeddingGroup] }),
    ...(!settings.sameMasks && { perturbed: [drawOf(options, group, 'plus'), drawOf(options, group, 'minus')] }),
  };
}

/** In the published code alpha's step of a group clears what earlier groups have left. */
function weightGradients(options: RecurrentStepOptions, group: number): Command {
  const { training: program, settings } = options;
  const batch = trainBatch(options, group, 'weights');
  return { kind: 'gradients', program, batch, target: 'weights', accumulate: settings.addGroups && group > 0 };
}

function trainBatch(options: RecurrentStepOptions, group: number, draw: (typeof draws)[number]): DirectBatch {
  const { train, groups, walk } = options;
  const { inputs, targets } = textBatch(train, walk.row, walk.steps, groups[group]);
  return {
    inputs: { [languageModelNames.words]: inputs },
    labels: targets,
    hidden: { from: stateBefore(options, group), to: trainState(group) },
    dropout: drawOf(options, group, draw),
  };
}

function stateBefore({ walk }: RecurrentStepOptions, group: number): string | undefined {
  return walk.row === 0 ? undefined : trainState(group);
}

function validationBatch(options: RecurrentStepOptions, group: number): DirectBatch {
  const { validation, groups, walk, settings } = options;
  const span = validationSpan(walk.row, validation.rows, settings.bptt);
  const { inputs, targets } = textBatch(validation, span.row, span.steps, groups[group]);
  const begins = walk.row === 0 || (settings.zeroAtWrap && wrapsAt(options, span.lap));
  return {
    inputs: { [languageModelNames.words]: inputs },
    labels: targets,
    hidden: { from: begins ? undefined : validationState(group), to: validationState(group) },
    dropout: drawOf(options, group, 'validation'),
  };
}

/** Whether the step before read the validation text of an earlier lap. */
function wrapsAt({ walk, validation, settings }: RecurrentStepOptions, lap: number): boolean {
  const before = walk.row - Math.trunc(settings.bptt / 2);
  return validationSpan(Math.max(0, before), validation.rows, settings.bptt).lap < lap;
}

function drawOf(
  { seed, epoch, updates, groups }: RecurrentStepOptions,
  group: number,
  draw: (typeof draws)[number],
): DropoutDraw {
  return { seed, epoch, step: (updates * groups.length + group) * draws.length + draws.indexOf(draw) };
}
