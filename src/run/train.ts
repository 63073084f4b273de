import type { TrainEvent, TrainResult } from './events.ts';
import type { TrainOptions } from './options.ts';
import type { Run } from './run.ts';
import { startMethod } from './start.ts';

/** A training that goes on. */
export type TrainRun = Run<TrainEvent, TrainResult>;

/**
 * Trains the derived network of a genotype from scratch and scores it on the test images (arXiv:1806.09055, section 3.2).
 * Starts at once, off the event loop, and throws nothing itself: every error, of options too, comes through the run.
 */
export function train(options: TrainOptions): TrainRun {
  // Of a training: its events and its result are these.
  return startMethod('train', options) as TrainRun;
}
