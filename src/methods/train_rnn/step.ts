// A step of a language model's training: gradients of every group of columns, then the weights by SGD, then their average where that is kept.
import type { Command, DropoutDraw, Outcome, Program } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import type { ColumnRange, TextColumns } from '../../data/text/columns.ts';
import { languageBatch, meanLikelihood } from '../../learn/language_pass.ts';
import type { WalkStep } from '../../learn/text_walk.ts';
import { type Averaging, averageKept, laggingFactor } from './averaging.ts';
import type { LanguageTrainingSettings } from './settings.ts';

/** What a step works on. */
export interface LanguageStepOptions {
  /** Ends in the loss that weights follow. */
  readonly program: Program;
  readonly averages: Parameters;
  readonly train: TextColumns;
  readonly groups: readonly ColumnRange[];
  readonly settings: LanguageTrainingSettings;
  readonly walk: WalkStep;
  /** How averaged SGD stands; absent where plain SGD moves the weights. */
  readonly averaging?: Averaging;
  /** What the pass of a group drops by. */
  readonly drawOf: (group: number) => DropoutDraw;
}

/** Name of the hidden state of a group. */
export const trainState = (group: number) => `hidden.train.${group}`;

/** Draws of the passes of a step that has so many `updates` before it: they go on where an epoch is taken anew, whose masks are others then. */
export function languageDraws(
  { seed, epoch, updates }: Readonly<Record<'seed' | 'epoch' | 'updates', number>>,
  groups: number,
): LanguageStepOptions['drawOf'] {
  return (group) => ({ seed, epoch, step: updates * groups + group });
}

/** The commands of a step, for one `device.execute`. */
export function languageStep(options: LanguageStepOptions): Command[] {
  const { program, averages, groups, settings, walk, averaging } = options;
  const { parameters } = program;
  const own = walk.rateFactor;
  const factor = averaging === undefined || settings.currentRate ? own : laggingFactor(averaging, own);
  return [
    ...groups.map((_, group) => gradientsOf(options, group)),
    {
      kind: 'sgd',
      parameters,
      ...{
        learningRate: settings.lr * factor,
        momentum: 0,
        weightDecay: settings.wdecay,
        maxNorm: settings.clip,
      },
    },
    ...(averaging === undefined
      ? []
      : [{ kind: 'average', parameters, averages, decay: averageKept(averaging.steps + 1) } satisfies Command]),
  ];
}

/** What a step came to: the negative log-likelihood before it, and the norm of the gradient before clipping. */
export interface LanguageStepOutcome {
  readonly loss: number;
  readonly gradientNorm: number;
}

/** Reads the outcomes of {@link languageStep}'s commands; what a backend left out counts as NaN. */
export function languageStepOutcome(outcomes: readonly Outcome[], groups: number): LanguageStepOutcome {
  return {
    loss: meanLikelihood(outcomes.slice(0, groups)),
    gradientNorm: outcomes[groups].gradientNorm ?? Number.NaN,
  };
}

function gradientsOf({ program, train, groups, walk, drawOf }: LanguageStepOptions, group: number): Command {
  const state = trainState(group);
  const hidden = { from: walk.row === 0 ? undefined : state, to: state };
  const batch = languageBatch(train, walk, { hidden, dropout: drawOf(group) }, groups[group]);
  return { kind: 'gradients', program, batch, target: 'weights', accumulate: group > 0 };
}
