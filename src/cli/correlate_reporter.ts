// Shows how the trainings of an edge's candidates go on: a line an epoch on stderr, and on a terminal a line that moves.
import type { Measure } from '../methods/method.ts';
import type { CorrelationProgress } from '../run/correlate.ts';
import { candidateLine, candidateText, isStep, type StepProgress, stepsLeft } from './correlate_progress.ts';
import { createLiveLine } from './live_line.ts';
import { createPaint, isLiveTerminal, takesColour } from './paint.ts';
import { epochLine, isLastStep } from './progress.ts';
import { type ReporterStreams, unreadableLine } from './reporter.ts';

/** Shows trainings as they go on. */
export interface CorrelateReporter {
  progress(progress: CorrelationProgress): void;
  /** A line for people. */
  notice(text: string): void;
  /** Leaves the terminal as other programs expect it. Call it however the trainings ended, and before their result is printed. */
  close(): void;
}

/** The reporter that suits where stdout goes; with `json` no line moves there. `measures` are those of a training, `now` gives milliseconds. */
export function createCorrelateReporter(
  json: boolean,
  { stdout, stderr }: ReporterStreams,
  environment: NodeJS.ProcessEnv,
  measures: readonly Measure[],
  now: () => number = () => performance.now(),
): CorrelateReporter {
  const live = json || !isLiveTerminal(stdout, environment) ? undefined : createLiveLine(stdout);
  const paint = createPaint(live !== undefined && takesColour(stdout, environment));
  // Of what goes to stderr, which may be a file.
  const plain = createPaint(false);
  const write = (text: string) => stderr.write(`${text}\n`);
  const notice = (text: string) => (live === undefined ? write(text) : live.aside(() => write(text)));
  // All trainings are of the same images.
  const told = new Set<string>();
  const began = now();
  let stepsDone = 0;
  const draw = (progress: StepProgress) => {
    stepsDone++;
    // By the time that all took so far: validations, and what lies between trainings, are in it.
    const secondsLeft = ((now() - began) / 1000 / stepsDone) * stepsLeft(progress);
    const last = isLastStep(progress.event);
    live?.draw((room) => candidateLine(progress, secondsLeft, { measures, room, paint }), last);
  };
  return {
    progress(progress) {
      const { event } = progress;
      if (isStep(progress)) draw(progress);
      else if (event.type === 'start') {
        for (const text of event.notices.filter((one) => !told.has(one))) notice(text);
        for (const text of event.notices) told.add(text);
        live?.draw(() => candidateText(progress), true);
      } else if (event.type === 'epoch') notice(`${candidateText(progress)}  ${epochLine(event, measures, plain)}`);
      else if (event.type === 'unreadable') notice(unreadableLine(event));
    },
    notice,
    close: () => live?.close(),
  };
}
