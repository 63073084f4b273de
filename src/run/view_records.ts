// A run's view, built record by record from its journal. Whatever a record holds, nothing here throws: what makes no sense is left out and
// told as a problem, so that one damaged line hides nothing else.
import { isRecord } from '../checks.ts';
import { FileError, messageOf } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import type { Method, RunCommand } from '../methods/method.ts';
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
import type { DecisionRecord, JournalRecord, ResultRecord } from './journal.ts';
import { headOf, mainMeasure, measuredIn, scoresIn } from './measured.ts';
import { SeriesCollector } from './series.ts';
import { type SoundRecord, type SoundStart, soundRecord } from './sound_record.ts';

/** Points that a series has at least, where it had as many. */
const seriesPoints = 1000;
const mostProblems = 20;
/** All of it goes to a page, and no run has more: what is left out is told of in a line. */
const most = { measures: 200, decisions: 10_000, 'lines of the log': 10_000 };
/** Letters of a decision, a problem and a measure's name. */
const longestText = 2000;

/** Records that are of a stage. */
type ToldRecord = Exclude<SoundRecord, { readonly type: 'start' }>;

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
  readonly #methodOf: (start: SoundStart) => Method | undefined;
  readonly #directory: string;
  readonly #series = { step: new Map<string, SeriesCollector>(), epoch: new Map<string, SeriesCollector>() };
  readonly #stages: OpenStage[] = [];
  readonly #decisions: DecisionRecord[] = [];
  readonly #log: LogLine[] = [];
  readonly #problems: string[] = [];
  #start: SoundStart | undefined;
  #method: Method | undefined;
  #steps = 0;
  #epochs = 0;
  #progress: ProgressView | undefined;
  #score: RunSummary['score'];
  #result: RunView['result'];

  constructor(directory: string, methodOf: (start: SoundStart) => Method | undefined) {
    this.#directory = directory;
    this.#methodOf = methodOf;
  }

  /** Takes the next record; undefined for a line that is none. */
  take(record: JournalRecord | undefined): void {
    try {
      if (record === undefined) this.#problem('a line of the journal is damaged and was left out');
      else this.#take(soundRecord(record, (problem) => this.#problem(problem)));
    } catch (error) {
      this.#problem(messageOf(error));
    }
  }

  /** Whether the last that was told is the run's end. */
  get isFinished(): boolean {
    return this.#result !== undefined;
  }

  /** What a list tells of the run, but for what its files tell. */
  summary(): Omit<RunSummary, 'name' | 'state' | 'changed'> {
    const { run, method, dataset, space, seed, device, time } = this.#start ?? {};
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

  #take(record: SoundRecord): void {
    if (record.type === 'start') this.#begin(record);
    else this.#takeOf(this.#stageOf(record), record);
  }

  #takeOf(stage: OpenStage, record: ToldRecord): void {
    const { type } = record;
    if (type === 'stage') this.#tell(`stage ${(record.stage ?? 0) + 1}: ${stage.name}`);
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

  #begin(record: SoundStart): void {
    const { run = 'run', stage = 0, epoch, step = 0, time, resumed, device = 'a device', notices = [] } = record;
    const isFirst = this.#start === undefined;
    this.#start ??= record;
    this.#method ??= this.#methodOf(record);
    // One that goes on has told its end for nothing.
    this.#result = undefined;
    if (isFirst && stage === 0) this.#openStage(record.stageName ?? run, record);
    const what = Object.hasOwn(runNames, run) ? runNames[run as RunCommand] : 'run';
    this.#tell(
      resumed ? `the ${what} goes on at epoch ${epoch}, step ${step}, on ${device}` : `the ${what} begins on ${device}`,
      time,
    );
    for (const notice of notices) this.#tell(notice, time);
  }

  #stageOf(record: ToldRecord): OpenStage {
    const { stage = 0 } = record;
    const isNext = record.type === 'stage' && stage === this.#stages.length;
    if (isNext) return this.#openStage(record.name ?? `stage ${stage + 1}`, record);
    const found = this.#stages[stage] ?? this.#stages.at(-1);
    return found ?? this.#openStage(this.#start?.run ?? 'run', {});
  }

  #openStage(
    name: string,
    { epochs = 0, steps = 0 }: { readonly epochs?: number; readonly steps?: number },
  ): OpenStage {
    const before = { step: this.#steps, epoch: this.#epochs };
    const stage: OpenStage = { name, epochs, steps, before, entries: [], genotypes: [], decisions: [] };
    this.#stages.push(stage);
    return stage;
  }

  #measure(of: Series['of'], x: number, record: JournalRecord, stage: OpenStage): void {
    for (const { name, value } of measuredIn(record)) {
      this.#seriesOf(of, name)?.add(x, value);
      if (of !== 'epoch' || name !== mainMeasure(this.#method)) continue;
      const { title, unit } = headOf(this.#method, of, name);
      this.#score = { title, unit, value };
    }
    this.#progress = progressOf(record, stage, this.#stages.length > 1);
  }

  #seriesOf(of: Series['of'], name: string): SeriesCollector | undefined {
    const known = this.#series[of].get(name);
    if (known !== undefined) return known;
    if (name.length > longestText) this.#problem(`a measure has a name of ${name.length} letters and was left out`);
    if (name.length > longestText || !this.#hasRoom(this.#series[of].size, 'measures')) return undefined;
    const made = new SeriesCollector(headOf(this.#method, of, name), seriesPoints);
    this.#series[of].set(name, made);
    return made;
  }

  #decide(record: DecisionRecord, stage: OpenStage): void {
    const { decision, epoch } = record;
    if (!isRecord(decision)) throw new FileError(`the journal of ${this.#directory} is damaged: a decision is none`);
    if (!this.#hasRoom(stage.decisions.length, 'decisions')) return;
    const told = clipped(typeof decision['told'] === 'string' ? decision['told'] : JSON.stringify(decision));
    stage.decisions.push({ epoch: epoch + 1, told });
    this.#decisions.push(record);
    this.#tell(told);
  }

  #scores(): Pick<RunView, 'scores'> {
    const criterion = this.#start?.run === 'select' ? this.#start.settings?.['projCrit'] : undefined;
    if (criterion !== 'acc' && criterion !== 'loss') return {};
    try {
      return { scores: { criterion, decisions: decisionsOf(this.#decisions, this.#directory) } };
    } catch {
      // They are told as they stand, all the same.
      return {};
    }
  }

  #tell(text: string, time?: string): void {
    if (!this.#hasRoom(this.#log.length, 'lines of the log')) return;
    this.#log.push({ epoch: this.#epochs, text, ...(time !== undefined && { time }) });
  }

  #hasRoom(taken: number, of: keyof typeof most): boolean {
    const hasRoom = taken < most[of];
    if (!hasRoom) this.#problem(`more than ${most[of]} ${of}: the rest was left out`);
    return hasRoom;
  }

  #problem(text: string): void {
    const told = clipped(text);
    if (this.#problems.length < mostProblems && !this.#problems.includes(told)) this.#problems.push(told);
  }
}

function clipped(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text;
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
function progressOf(record: object, stage: OpenStage, staged: boolean): ProgressView {
  const {
    epoch,
    epochs = stage.epochs,
    step,
    steps = stage.steps,
    secondsLeft,
  } = record as Partial<Record<'epoch' | 'epochs' | 'step' | 'steps' | 'secondsLeft', unknown>>;
  const isEpoch = step === undefined;
  return {
    ...(staged && { stage: stage.name }),
    epoch: countOf(epoch) + (isEpoch ? 1 : 0),
    epochs: countOf(epochs),
    step: isEpoch ? 0 : countOf(step) + 1,
    steps: countOf(steps),
    ...(Number.isFinite(secondsLeft) && { secondsLeft: Number(secondsLeft) }),
  };
}

/** 0 for what is none. */
function countOf(value: unknown): number {
  return Number.isSafeInteger(value) ? Math.max(0, Number(value)) : 0;
}
