// Shows how a protocol goes on: a line a run on stderr, and on a terminal a line that moves.
import type { Measure, Method } from '../methods/method.ts';
import type { ProtocolEvent, ProtocolPlace } from '../protocol/events.ts';
import { createLiveLine } from './live_line.ts';
import { createPaint, isLiveTerminal, takesColour } from './paint.ts';
import { isLastStep, progressLine } from './progress.ts';
import { type ReporterStreams, unreadableLine } from './reporter.ts';

/** Shows a protocol as it goes on. */
export interface ProtocolReporter {
  event(event: ProtocolEvent): void;
  /** A line for people. */
  notice(text: string): void;
  /** Leaves the terminal as other programs expect it. Call it however the protocol ended, and before its table is printed. */
  close(): void;
}

/** The reporter that suits where stdout goes; `quiet` where nothing but a result may go there. */
export function createProtocolReporter(
  quiet: boolean,
  { stdout, stderr }: ReporterStreams,
  environment: NodeJS.ProcessEnv,
  methods: readonly Method[],
): ProtocolReporter {
  const live = quiet || !isLiveTerminal(stdout, environment) ? undefined : createLiveLine(stdout);
  const paint = createPaint(live !== undefined && takesColour(stdout, environment));
  const write = (text: string) => stderr.write(`${text}\n`);
  const notice = (text: string) => (live === undefined ? write(text) : live.aside(() => write(text)));
  // Runs are of the same data.
  const told = new Set<string>();
  let measures: readonly Measure[] = [];
  const once = (text: string) => {
    if (told.has(text)) return;
    told.add(text);
    notice(text);
  };
  const run = ({ event, ...place }: Extract<ProtocolEvent, { type: 'run' }>) => {
    const which = placeText(place);
    if (event.type === 'start') {
      measures = methods.find(({ name }) => name === event.method)?.measures ?? [];
      event.notices.forEach(once);
      notice(event.resumed === undefined ? which : `${which}, resumed`);
    } else if (event.type === 'step') {
      const line = (room: number) => `${which}  ${progressLine(event, measures, room - which.length - 2, paint)}`;
      live?.draw(line, isLastStep(event));
    } else if (event.type === 'unreadable') notice(unreadableLine(event));
  };
  return {
    event(event) {
      if (event.type === 'run') run(event);
      else if (event.type === 'failed') notice(`${event.arm}, seed ${event.seed}: ${event.reason}`);
    },
    notice,
    close: () => live?.close(),
  };
}

/** `run 3/26  darts, seed 0: train`; runs count from 1 for people. */
export function placeText({ index, runs, arm, seed, part }: ProtocolPlace): string {
  return `run ${String(index + 1).padStart(String(runs).length)}/${runs}  ${arm}, seed ${seed}: ${part}`;
}
