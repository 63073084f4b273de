// Searches as animations: the likely cell, epoch by epoch.
import { aNumber, check, checkOptional, checkOptions, oneOf } from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import { animatedGif } from './animated_gif.ts';
import { animatedSvg } from './animated_svg.ts';
import { animationOf } from './animation.ts';
import { framesOf } from './frames.ts';
import type { RunView } from './run_view.ts';
import { aRunView } from './view_rule.ts';

/** What an animation can be written as. */
export const animationFormats = ['svg', 'gif'] as const;

/** One of {@link animationFormats}. */
export type AnimationFormat = (typeof animationFormats)[number];

/** Options of {@link drawAnimation}. */
export interface DrawAnimationOptions {
  readonly format?: AnimationFormat;
  /** All stages of the run, one behind the other, when absent. */
  readonly stage?: string;
  /** Epochs a second, from 0.1 to 50; when absent as many as show the whole in about 15 s, 2 at least and 25 at most. */
  readonly fps?: number;
}

const usualSeconds = 15;
/** A GIF has a picture a frame, 15 kB each; an SVG what is new in it. */
const mostFrames: Readonly<Record<AnimationFormat, number>> = { svg: 1000, gif: 200 };

/**
 * The cells of a run's genotypes over its epochs, with nodes that never move, as an animation that loops and stays at its end for a while. What is new is
 * emphasised. SVG needs no script; GIF needs sharp. Throws ArgumentError for a run without genotypes, BackendError where GIF or PNG cannot be written.
 */
export async function drawAnimation(view: RunView, options: DrawAnimationOptions = {}): Promise<string | Uint8Array> {
  check('view', view, aRunView);
  checkOptions('options', options, ['format', 'stage', 'fps']);
  const { format = 'svg', stage, fps } = options;
  check('format', format, oneOf(animationFormats));
  checkOptional('fps', fps, aNumber(0.1, 50));
  const stages = view.stages.map(({ name }) => name);
  if (stage !== undefined && !stages.includes(stage)) {
    throw invalid('stage', `one of ${view.name}'s (${stages.join(', ')})`, stage);
  }
  const frames = framesOf(view, stage, mostFrames[format]);
  if (frames.length === 0) throw new ArgumentError(`${view.name} has no genotype to animate: ${whyNone(view, stage)}`);
  const epochs = frames.reduce((sum, frame) => sum + frame.epochs, 0);
  const usual = Math.min(25, Math.max(2, epochs / usualSeconds));
  const animation = animationOf(view.name, frames, fps ?? usual);
  return format === 'svg' ? animatedSvg(animation) : animatedGif(animation);
}

function whyNone({ command, stages }: RunView, stage: string | undefined): string {
  if (command === 'train') return 'it is a training, whose architecture stays as it is';
  if (stage !== undefined && stages.length > 1) return `none came of its stage ${stage} yet`;
  return 'no epoch is done yet';
}
