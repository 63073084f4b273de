// A run's view, built record by record from its journal. Whatever a record holds, nothing here throws: what makes no sense is left out and
// told as a problem, so that one damaged line hides nothing else.
import { isRecord } from '../checks.ts';
import { FileError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import type { Method } from '../methods/method.ts';
import type {
  DecisionView,
  GenotypeView,
  LogLine,
  ProgressView,
  RunSummary,
  RunView,
  Series,
  StageView,
} from '../report/run_view.ts';
import type { HistoryEntry, HistoryFrame } from '../select/history.ts';
import { runNames } from './config.ts';
import { decisionsOf } from './decisions.ts';
import { entryOf, frameOfRecord } from './history.ts';
import type { DecisionRecord, JournalRecord, ResultRecord, StartRecord } from './journal.ts';
import { headOf, mainMeasure, measuredIn, scoresIn } from './measured.ts';
import { SeriesCollector } from './series.ts';

/** Points that a series has at least, where it had as many. */
const seriesPoints = 1000;
const mostProblems = 20;

/** A stage while it is read. */
interface OpenStage {
  readonly name: string;
  epochs: number;
  steps: number;
  readonly before: StageView['before'];
  frame?: HistoryFrame;
  readonly entries: HistoryEntry[];
  readonly genotypes: GenotypeView[];
  readonly decisions: DecisionView[];
}

/** Collects what the records of a run tell. */
export class ViewRecords {
  /** How to find the method that a start names. */
  readonly #methodOf: (start: StartRecord) => Method | undefined;
  readonly #directory: string;
  readonly #series = { step: new Map<string, SeriesCollector>(), epoch: new Map<string, SeriesCollector>() };
  readonly #stages: OpenStage[] = [];
  readonly #decisions: DecisionRecord[] = [];
  readonly #log: LogLine[] = [];
  readonly #problems: string[] = [];
  #start: StartRecord | undefined;
  #method: Method | undefined;
  #steps = 0;
  #epochs = 0;
  #progress: ProgressView | undefined;
  #score: RunSummary['score'];
  #result: RunView['result'];

  constructor(directory: string, methodOf: (start: StartRecord) => Method | undefined) {
    this.#directory = directory;
    this.#methodOf = methodOf;
  }

  /** Takes the next record; undefined for a line that is none. */
  take(record: JournalRecord | undefined): void {
    try {
      if (record === undefined) this.#problem('a line of the journal is damaged and was left out');
      else this.#take(record);
    } catch (error) {
      this.#problem(error instanceof Error ? error.message : String(error));
    }
  }

  /** Whether the last that was told is the run's end. */
  get isFinished(): boolean {
    return this.#result !== undefined;
  }

  /** What a list tells of the run, but for what its files tell. */
  summary(): Omit<RunSummary, 'name' | 'state' | 'changed'> {
    const start: Partial<StartRecord> = this.#start ?? {};
    const { run, method, dataset, space, seed, device, time } = start;
    const told = { command: run, method, dataset, space, seed, device, started: time };
    return { ...told, progress: this.#progress, score: this.#score, problems: [...this.#problems] };
  }

  /** All that the run has to show, but for what its files tell. */
  view(): Omit<RunView, 'name' | 'state' | 'changed'> {
    const summary = this.summary();
    return {
      ...summary,
      ...(this.#method && { title: this.#method.title, paper: this.#method.paper }),
      series: [...this.#series.step.values(), ...this.#series.epoch.values()].map((series) => series.series()),
      stages: this.#stages.map(stageView),
      ...this.#scores(),
      settings: this.#start?.settings ?? {},
      versions: this.#start?.versions ?? {},
      log: [...this.#log],
      ...(this.#result && { result: this.#result }),
    };
  }

  #take(record: JournalRecord): void {
    if (record.type === 'start') this.#begin(record);
    else this.#takeOf(this.#stageOf(record), record);
  }

  #takeOf(stage: OpenStage, record: Exclude<JournalRecord, StartRecord>): void {
    const { type } = record;
    if (type === 'stage') this.#tell(`stage ${(record.stage ?? 0) + 1}: ${record.name}`);
    else if (type === 'step') this.#measure('step', ++this.#steps, record, stage);
    else if (type === 'epoch') this.#measure('epoch', ++this.#epochs, record, stage);
    else if (type === 'layout') stage.frame = frameOfRecord(record, this.#directory);
    else if (type === 'alpha' && stage.frame) stage.entries.push(entryOf(record, stage.frame, this.#directory));
    else if (type === 'genotype') stage.genotypes.push({ epoch: record.epoch + 1, genotype: checked(record.genotype) });
    else if (type === 'decision') this.#decide(record, stage);
    else if (type === 'result') this.#finish(record);
  }

  #finish(record: ResultRecord): void {
    // A result that makes no sense ends the run all the same.
    this.#result = { scores: scoresIn(record) };
    this.#tell('the run has ended');
    this.#result = { ...this.#result, genotype: checked(record.genotype) };
  }

  #begin(record: StartRecord): void {
    const { stage = 0, epoch, step, time, resumed, device, notices } = record;
    const isFirst = this.#start === undefined;
    this.#start ??= record;
    this.#method ??= this.#methodOf(record);
    // One that goes on has told its end for nothing.
    this.#result = undefined;
    if (isFirst && stage === 0) this.#openStage(record.stageName ?? record.run, record);
    const what = runNames[record.run] ?? 'run';
    this.#tell(
      resumed ? `the ${what} goes on at epoch ${epoch}, step ${step}, on ${device}` : `the ${what} begins on ${device}`,
      time,
    );
    for (const notice of Array.isArray(notices) ? notices : []) this.#tell(String(notice), time);
  }

  #stageOf(record: Exclude<JournalRecord, StartRecord>): OpenStage {
    const { stage = 0 } = record;
    const isNext = record.type === 'stage' && stage === this.#stages.length;
    if (isNext) return this.#openStage(record.name, record);
    const found = this.#stages[stage] ?? this.#stages.at(-1);
    return found ?? this.#openStage(this.#start?.run ?? 'run', {});
  }

  #openStage(
    name: string,
    { epochs = 0, steps = 0 }: { readonly epochs?: number; readonly steps?: number },
  ): OpenStage {
    const before = { step: this.#steps, epoch: this.#epochs };
    const stage: OpenStage = { name: String(name), epochs, steps, before, entries: [], genotypes: [], decisions: [] };
    this.#stages.push(stage);
    return stage;
  }

  #measure(of: Series['of'], x: number, record: JournalRecord, stage: OpenStage): void {
    for (const { name, value } of measuredIn(record)) {
      this.#seriesOf(of, name).add(x, value);
      if (of !== 'epoch' || name !== mainMeasure(this.#method)) continue;
      const { title, unit } = headOf(this.#method, of, name);
      this.#score = { title, unit, value };
    }
    this.#progress = progressOf(record, stage, this.#stages.length > 1);
  }

  #seriesOf(of: Series['of'], name: string): SeriesCollector {
    const known = this.#series[of].get(name);
    if (known !== undefined) return known;
    const made = new SeriesCollector(headOf(this.#method, of, name), seriesPoints);
    this.#series[of].set(name, made);
    return made;
  }

  #decide(record: DecisionRecord, stage: OpenStage): void {
    const { decision, epoch } = record;
    if (!isRecord(decision)) throw new FileError(`the journal of ${this.#directory} is damaged: a decision is none`);
    const told = typeof decision['told'] === 'string' ? decision['told'] : JSON.stringify(decision);
    stage.decisions.push({ epoch: epoch + 1, told });
    this.#decisions.push(record);
    this.#tell(told);
  }

  #scores(): Pick<RunView, 'scores'> {
    const criterion = this.#start?.run === 'select' ? this.#start.settings['projCrit'] : undefined;
    if (criterion !== 'acc' && criterion !== 'loss') return {};
    try {
      return { scores: { criterion, decisions: decisionsOf(this.#decisions, this.#directory) } };
    } catch {
      // They are told as they stand, all the same.
      return {};
    }
  }

  #tell(text: string, time?: string): void {
    this.#log.push({ epoch: this.#epochs, text, ...(time !== undefined && { time }) });
  }

  #problem(text: string): void {
    if (this.#problems.length < mostProblems && !this.#problems.includes(text)) this.#problems.push(text);
  }
}

function checked(genotype: Genotype): Genotype {
  checkGenotype(genotype);
  return genotype;
}

function stageView({ frame, entries, ...stage }: OpenStage): StageView {
  const told = { ...stage, genotypes: [...stage.genotypes], decisions: [...stage.decisions] };
  return frame === undefined || entries.length === 0 ? told : { ...told, history: { ...frame, entries: [...entries] } };
}

/** Where a run is behind a step or an epoch. */
function progressOf(record: JournalRecord, stage: OpenStage, staged: boolean): ProgressView {
  const {
    epoch,
    epochs = stage.epochs,
    step,
    steps = stage.steps,
    secondsLeft,
  } = record as Partial<Record<'epoch' | 'epochs' | 'step' | 'steps' | 'secondsLeft', number>>;
  const isEpoch = step === undefined;
  return {
    ...(staged && { stage: stage.name }),
    epoch: (epoch ?? 0) + (isEpoch ? 1 : 0),
    epochs,
    step: isEpoch ? 0 : step + 1,
    steps,
    ...(typeof secondsLeft === 'number' && { secondsLeft }),
  };
}
