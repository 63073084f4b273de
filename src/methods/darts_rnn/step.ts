// A step of a search for recurrent cells (DARTS, arXiv:1806.09055, sections 2.3 and A.1.2): for every group of columns alpha by the gradient of
// validation words, first order or through an unrolled step; then the weights by SGD at the new alpha.
import type { Command, DirectBatch, DropoutDraw, Outcome, Program } from '../../backend/device.ts';
import type { ColumnRange, TextColumns } from '../../data/text/columns.ts';
import { languageBatch, meanLikelihood } from '../../learn/language_pass.ts';
import { validationSpan, type WalkStep } from '../../learn/text_walk.ts';
import { embeddingGroup } from '../../network/language_model.ts';
import type { RecurrentSearchSettings } from './settings.ts';

/** What a step works on. */
export interface RecurrentStepOptions {
  /** Ends in the negative log-likelihood alone. */
  readonly likelihood: Program;
  /** Ends in the loss that weights follow. */
  readonly training: Program;
  /** The same on parameters of its own, where {@link sumsApart} asks for it: they hold the gradients that groups add up to. */
  readonly summing?: Program;
  readonly train: TextColumns;
  readonly validation: TextColumns;
  readonly groups: readonly ColumnRange[];
  readonly settings: RecurrentSearchSettings;
  readonly walk: WalkStep;
  /** The step of the epoch before it; absent for the first one. */
  readonly before?: WalkStep;
  /** Steps before this one, in the run. */
  readonly updates: number;
  /** What the passes of a group drop by. */
  readonly drawOf: (group: number, pass: SearchPass) => DropoutDraw;
}

/** Names of the hidden states of a group. */
export const trainState = (group: number) => `hidden.train.${group}`;
export const validationState = (group: number) => `hidden.validation.${group}`;

/** Passes of a group, which all draw masks of their own; in first order those of `validation` and `weights`. */
export const searchPasses = ['validation', 'unrolled', 'plus', 'minus', 'weights'] as const;

/** One of {@link searchPasses}. */
export type SearchPass = (typeof searchPasses)[number];

/** Draws of the passes of a step that has so many `updates` before it. */
export function searchDraws(
  { seed, epoch, updates }: Readonly<Record<'seed' | 'epoch' | 'updates', number>>,
  groups: number,
): RecurrentStepOptions['drawOf'] {
  return (group, pass) => ({
    seed,
    epoch,
    step: (updates * groups + group) * searchPasses.length + searchPasses.indexOf(pass),
  });
}

/**
 * Whether a step needs {@link RecurrentStepOptions.summing}: alpha's second-order step of a group leaves nothing of the gradients that
 * earlier groups have added.
 */
export function sumsApart({ unrolled, addGroups }: RecurrentSearchSettings, groups: number): boolean {
  return unrolled && addGroups && groups > 1;
}

/** The commands of a step, for one `device.execute`. */
export function recurrentSearchStep(options: RecurrentStepOptions): Command[] {
  const { training, summing = training, groups, settings, walk } = options;
  const commands = groups.flatMap((_, group) => [...alphaStep(options, group), ...weightGradients(options, group)]);
  const moved: Command = {
    kind: 'sgd',
    parameters: summing.parameters,
    ...{
      learningRate: settings.lr * walk.rateFactor,
      momentum: 0,
      weightDecay: settings.wdecay,
      maxNorm: settings.clip,
    },
  };
  return [...commands, moved, ...(summing === training ? [] : [copied(summing, training)])];
}

/** What a step came to: losses of the passes before the updates, means over the groups. */
export interface RecurrentStepOutcome {
  readonly loss: number;
  readonly validationLoss: number;
  readonly gradientNorm: number;
}

/** Reads the outcomes of {@link recurrentSearchStep}'s commands; what a backend left out counts as NaN. */
export function recurrentStepOutcome(commands: readonly Command[], outcomes: readonly Outcome[]): RecurrentStepOutcome {
  const of = (isOne: (command: Command) => boolean) => outcomes.filter((_, index) => isOne(commands[index]));
  const [{ gradientNorm = Number.NaN }] = of(({ kind }) => kind === 'sgd');
  return {
    loss: meanLikelihood(of((command) => command.kind === 'gradients' && command.target === 'weights')),
    validationLoss: meanLikelihood(of(isAlphaGradient)),
    gradientNorm,
  };
}

/** Whether a command leaves the gradient of alpha. */
export function isAlphaGradient(command: Command): boolean {
  return command.kind === 'hypergradient' || (command.kind === 'gradients' && command.target === 'alpha');
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
  const { likelihood: program, settings, walk, drawOf } = options;
  const validation = validationBatch(options, group);
  if (!settings.unrolled) return { kind: 'gradients', program, batch: validation, target: 'alpha' };
  const { from, train } = { from: stateBefore(options, group), train: trainBatch(options, group, 'unrolled') };
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
    perturbed: [drawOf(group, 'plus'), drawOf(group, settings.sameMasks ? 'plus' : 'minus')],
  };
}

/** In the published code alpha's step of a group clears what earlier groups have left. */
function weightGradients(options: RecurrentStepOptions, group: number): Command[] {
  const { training, summing = training, settings } = options;
  const batch = trainBatch(options, group, 'weights');
  const accumulate = settings.addGroups && group > 0;
  const pass: Command = { kind: 'gradients', program: summing, batch, target: 'weights', accumulate };
  return summing === training ? [pass] : [copied(training, summing), pass, copied(summing, training)];
}

/** Everything but gradients. */
function copied({ parameters }: Program, { parameters: target }: Program): Command {
  return { kind: 'copy', parameters, target };
}

function trainBatch(options: RecurrentStepOptions, group: number, pass: SearchPass): DirectBatch {
  const { train, groups, walk, drawOf } = options;
  const hidden = { from: stateBefore(options, group), to: trainState(group) };
  return languageBatch(train, walk, { hidden, dropout: drawOf(group, pass) }, groups[group]);
}

function stateBefore({ before }: RecurrentStepOptions, group: number): string | undefined {
  return before === undefined ? undefined : trainState(group);
}

function validationBatch(options: RecurrentStepOptions, group: number): DirectBatch {
  const { validation, groups, walk, before, settings, drawOf } = options;
  const spanAt = ({ row }: WalkStep) => validationSpan(row, validation.rows, settings.bptt);
  const span = spanAt(walk);
  const begins = before === undefined || (settings.zeroAtWrap && spanAt(before).lap < span.lap);
  const state = validationState(group);
  const hidden = { from: begins ? undefined : state, to: state };
  return languageBatch(validation, span, { hidden, dropout: drawOf(group, 'validation') }, groups[group]);
}
