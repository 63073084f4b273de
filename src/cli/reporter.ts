import { emptyCells } from '../genotype/genotype.ts';
import type { Measure, Method } from '../methods/method.ts';
import { methods as builtInMethods } from '../methods/registry.ts';
import { runFiles } from '../run/directory.ts';
import type {
  DecisionEvent,
  EpochEvent,
  RunEvent,
  SearchResult,
  StageEvent,
  StartEvent,
  StepEvent,
  TrainResult,
  UnreadableEvent,
} from '../run/events.ts';
import { formatShare } from './format.ts';
import { createLiveLine, roomOf, type TerminalStream } from './live_line.ts';
import { createPaint, isLiveTerminal, takesColour } from './paint.ts';
import {
  type Advance,
  epochLine,
  genotypeLines,
  isLastStep,
  isListedStep,
  progressLine,
  resultTexts,
  stepLine,
  waitingLine,
} from './progress.ts';
import { quoted } from './shell.ts';
import { stageText, startLines } from './start.ts';

/** Shows a search as it goes on. */
export interface Reporter {
  event(event: RunEvent): void;
  /** A line for people on stderr. */
  notice(text: string): void;
  result(result: SearchResult | TrainResult): void;
  /** Leaves the terminal as other programs expect it. Call it however the search ended. */
  close(): void;
}

/** The streams that a reporter writes to. */
export interface ReporterStreams {
  readonly stdout: TerminalStream & { readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown };
}

/** The reporter that suits the options and where stdout goes: JSON Lines, a live terminal, or plain lines. */
export function createReporter(
  json: boolean,
  streams: ReporterStreams,
  environment: NodeJS.ProcessEnv,
  methods: readonly Method[] = builtInMethods,
): Reporter {
  if (json) return createJsonReporter(streams);
  return isLiveTerminal(streams.stdout, environment)
    ? createLiveReporter(streams, methods, takesColour(streams.stdout, environment))
    : createPlainReporter(streams, methods);
}

function createJsonReporter({ stdout, stderr }: ReporterStreams): Reporter {
  const notice = (text: string) => stderr.write(`${text}\n`);
  return {
    event(event) {
      stdout.write(`${JSON.stringify(event)}\n`);
      if (event.type === 'start') startLines(event).forEach(notice);
      else if (event.type === 'stage') notice(stageText(event));
      else if (event.type === 'unreadable') notice(unreadableLine(event));
    },
    notice,
    result(result) {
      stdout.write(`${JSON.stringify({ type: 'result', ...result })}\n`);
      noticesOf(result).forEach(notice);
    },
    close() {},
  };
}

/** Columns of text that goes to no terminal. */
const plainRoom = 100;

function createPlainReporter({ stdout, stderr }: ReporterStreams, methods: readonly Method[]): Reporter {
  const print = (text: string) => stdout.write(`${text}\n`);
  const plain = createPaint(false);
  const notice = (text: string) => stderr.write(`${text}\n`);
  let measures: readonly Measure[] = [];
  const begin = (event: StartEvent) => {
    measures = measuresOf(event, methods);
    startLines(event).forEach(notice);
  };
  return {
    event(event) {
      if (event.type === 'start') begin(event);
      else if (event.type === 'stage') notice(stageText(event));
      else if (event.type === 'step' && isListedStep(event)) print(stepLine(event, measures));
      else if (event.type === 'epoch') print(epochLine(event, measures, plain));
      else if (event.type === 'genotype') genotypeLines(event.genotype, plainRoom).forEach(print);
      else if (event.type === 'decision') print(decisionLine(event));
      else if (event.type === 'unreadable') notice(unreadableLine(event));
    },
    notice,
    result(result) {
      summary(result).forEach(print);
      noticesOf(result).forEach(notice);
    },
    close() {},
  };
}

function createLiveReporter(
  { stdout, stderr }: ReporterStreams,
  methods: readonly Method[],
  colour: boolean,
): Reporter {
  const live = createLiveLine(stdout);
  const paint = createPaint(colour);
  const print = (lines: readonly string[]) => live.aside(() => stdout.write(`${lines.join('\n')}\n`));
  const notice = (text: string) => live.aside(() => stderr.write(`${text}\n`));
  let steps = 0;
  let measures: readonly Measure[] = [];
  const wait = (advance: Advance) => {
    if (advance.epoch < advance.epochs) live.draw((room) => waitingLine(advance, room, paint), true);
  };
  const begin = (event: StartEvent) => {
    startLines(event).forEach(notice);
    steps = event.steps;
    measures = measuresOf(event, methods);
    const { epoch, step } = event.resumed ?? { epoch: 0, step: 0 };
    wait({ epoch, epochs: event.epochs, done: step, steps });
  };
  const beginStage = (event: StageEvent) => {
    notice(stageText(event));
    steps = event.steps;
    wait({ epoch: 0, epochs: event.epochs, done: 0, steps });
  };
  const finishEpoch = (event: EpochEvent) => {
    wait({ epoch: event.epoch + 1, epochs: event.epochs, done: 0, steps });
    print([epochLine(event, measures, paint)]);
  };
  const draw = (event: StepEvent) => live.draw((room) => progressLine(event, measures, room, paint), isLastStep(event));
  return {
    event(event) {
      if (event.type === 'start') begin(event);
      else if (event.type === 'stage') beginStage(event);
      else if (event.type === 'step') draw(event);
      else if (event.type === 'epoch') finishEpoch(event);
      else if (event.type === 'genotype') print(genotypeLines(event.genotype, roomOf(stdout)));
      else if (event.type === 'decision') print([decisionLine(event)]);
      else if (event.type === 'unreadable') notice(unreadableLine(event));
    },
    notice,
    result(result) {
      live.close();
      print(summary(result));
      noticesOf(result).forEach(notice);
    },
    close: () => live.close(),
  };
}

/** A choice in its own words, or as it is. */
export function decisionLine({ decision }: Pick<DecisionEvent, 'decision'>): string {
  return `decided: ${decision['told'] ?? JSON.stringify(decision)}`;
}

/** What the events of a run tell, by its method. */
function measuresOf({ method }: StartEvent, methods: readonly Method[]): readonly Measure[] {
  return methods.find(({ name }) => name === method)?.measures ?? [];
}

/** The outcome and what to do with it. */
function summary(result: SearchResult | TrainResult): string[] {
  if (isTrainResult(result)) return trainSummary(result);
  const { genotype, architectures, directory, training } = result;
  if (directory === undefined) return [...resultTexts(result), ...(training ? trainSummary(training) : [])];
  // All cells of a network would fill the screen.
  const texts =
    genotype.cells === undefined
      ? resultTexts(result)
      : [`genotype of ${genotype.cells.length} cells: ${runFiles(directory).genotype}`];
  const run = quoted(directory);
  // There is no network to train then; a notice says so.
  if (emptyCells(genotype).length > 0) {
    return [...texts, `run:  ${directory}`, `next: dartsmith select ${run} --by darts --out genotype.txt`];
  }
  if (training !== undefined) return [...texts, `run:  ${directory}`, '', ...trainSummary(training)];
  const last = Object.keys(architectures ?? {}).at(-1);
  return [
    ...texts,
    `run:  ${directory}${last === undefined ? '' : ` (its genotype is ${last})`}`,
    `next: dartsmith draw ${run} --out cells.png`,
    `      dartsmith train --arch ${run}${genotype.recurrent === undefined ? '' : ' --data-dir FOLDER'}`,
  ];
}

function noticesOf(result: SearchResult | TrainResult): readonly string[] {
  return 'notices' in result ? (result.notices ?? []) : [];
}

/** A line for people about a file that cannot be read. */
export function unreadableLine({ file, reason }: UnreadableEvent): string {
  return `cannot read ${file} (${reason}): another image stands in for it, and no test counts it`;
}

/** What a language model's training came to. */
function textSummary(result: TrainResult): string[] {
  const { testPerplexity = Number.NaN, testExactPerplexity = Number.NaN, testBitsPerWord = Number.NaN } = result;
  const { bestEpoch = 0, bestValidationPerplexity = Number.NaN, directory } = result;
  const told = [
    `test perplexity ${testPerplexity.toFixed(2)} as published, exact ${testExactPerplexity.toFixed(2)}, ${testBitsPerWord.toFixed(3)} bits a word`,
    `with the weights of epoch ${bestEpoch + 1}, validation perplexity ${bestValidationPerplexity.toFixed(2)}`,
  ];
  return directory === undefined ? told : [...told, ...nextAfterTraining(directory)];
}

function nextAfterTraining(directory: string): string[] {
  return [
    `run:  ${directory}`,
    `next: dartsmith test --arch ${quoted(directory)}`,
    `      dartsmith export --arch ${quoted(directory)} --out network.onnx`,
  ];
}

function trainSummary(result: TrainResult): string[] {
  return result.testPerplexity === undefined ? imageSummary(result) : textSummary(result);
}

function imageSummary({
  testAccuracy,
  testTop5,
  testLoss,
  unreadableImages,
  directory,
  ...best
}: TrainResult): string[] {
  const shares = (accuracy: number, top5?: number) =>
    `${formatShare(accuracy)}${top5 === undefined ? '' : `, top-5 ${formatShare(top5)}`}`;
  const { bestTestAccuracy, bestTestTop5 } = best;
  const told = [
    `test accuracy ${shares(testAccuracy, testTop5)}, loss ${testLoss.toFixed(4)}`,
    ...(bestTestAccuracy === undefined
      ? []
      : [`best of all epochs ${shares(bestTestAccuracy, bestTestTop5)}, chosen by the test images`]),
    ...(unreadableImages === 0 ? [] : [`image files that cannot be read: ${unreadableImages}`]),
  ];
  return directory === undefined ? told : [...told, ...nextAfterTraining(directory)];
}

function isTrainResult(result: SearchResult | TrainResult): result is TrainResult {
  return 'testAccuracy' in result || 'testPerplexity' in result;
}
