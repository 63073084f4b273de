// What the trainings of an edge's candidates look like while they go on.
import type { Measure } from '../methods/method.ts';
import type { CorrelationProgress } from '../run/correlate.ts';
import type { StepEvent } from '../run/events.ts';
import type { Paint } from './paint.ts';
import { progressLine } from './progress.ts';

/** A step of a candidate's training. */
export type StepProgress = CorrelationProgress & { readonly event: StepEvent };

/** Whether a candidate's training has taken a step. */
export function isStep(progress: CorrelationProgress): progress is StepProgress {
  return progress.event.type === 'step';
}

/** `candidate 2/7 skip_connect`: epochs and steps count from 1 for people, and so do candidates. */
export function candidateText({ index, candidates, candidate }: Omit<CorrelationProgress, 'event'>): string {
  return `candidate ${index + 1}/${candidates} ${candidate}`;
}

/** One line of at most `room` columns: which candidate, how far its training is, and the seconds left for all of them. */
export function candidateLine(
  progress: StepProgress,
  secondsLeft: number,
  { measures, room, paint }: { readonly measures: readonly Measure[]; readonly room: number; readonly paint: Paint },
): string {
  const which = candidateText(progress);
  return `${which}  ${progressLine({ ...progress.event, secondsLeft }, measures, room - which.length - 2, paint)}`;
}

/** Steps until all trainings are done: those that are still to come have as many as this one. */
export function stepsLeft({ event, waiting }: StepProgress): number {
  const { epoch, epochs, step, steps } = event;
  return (waiting + 1) * epochs * steps - (epoch * steps + step + 1);
}
