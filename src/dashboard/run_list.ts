// The runs in a folder as they are now: looked for again and again, and read where something was written.
import { stat } from 'node:fs/promises';
import type { Method } from '../methods/method.ts';
import type { RunSummary } from '../report/run_view.ts';
import { runFiles } from '../run/directory.ts';
import { type FoundRun, findRuns } from '../run/find_runs.ts';
import { readRunSummary } from '../run/view.ts';
import { changeBetween } from './changes.ts';
import { Rounds } from './rounds.ts';

/** Runs that are read at a time. */
const width = 8;
/** How often a first look, of many runs, tells how far it is. */
const tellMillis = 150;

/** A run that was read, and what tells whether it must be again. */
interface KnownRun {
  readonly stamp: string;
  readonly summary: RunSummary;
}

/** What a list holds. */
export interface ListedRuns {
  readonly runs: Readonly<Record<string, RunSummary>>;
  readonly problem?: string;
}

export class RunList {
  readonly folder: string;
  readonly #methods: readonly Method[];
  readonly #tell: () => void;
  readonly #rounds: Rounds;
  #found: ReadonlyMap<string, FoundRun> = new Map();
  #known = new Map<string, KnownRun>();
  #listed: ListedRuns = { runs: {} };
  #told = 0;
  #looking: Promise<void> | undefined;

  /** `tell` is called when something is another than it was. */
  constructor(folder: string, methods: readonly Method[], millis: number, tell: () => void) {
    this.folder = folder;
    this.#methods = methods;
    this.#tell = tell;
    this.#rounds = new Rounds(() => this.look(), millis);
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): void {
    this.#rounds.stop();
  }

  get listed(): ListedRuns {
    return this.#listed;
  }

  /** How many runs there are. */
  async count(): Promise<number> {
    await this.#find();
    return this.#found.size;
  }

  /** Where a run lies; undefined for a name that no run was found under. */
  async directoryOf(name: string): Promise<string | undefined> {
    if (!this.#found.has(name)) await this.#find();
    return this.#found.get(name)?.directory;
  }

  /** Looks once, or waits for who does. Never throws: what is wrong is told in the list. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const problem = await this.#find();
    for (const name of this.#known.keys()) if (!this.#found.has(name)) this.#known.delete(name);
    const waiting = [...this.#found.values()];
    const work = async () => {
      for (let run = waiting.pop(); run !== undefined; run = waiting.pop()) {
        await this.#read(run);
        if (performance.now() - this.#told > tellMillis) this.#list(problem);
      }
    };
    await Promise.all(Array.from({ length: width }, work));
    this.#list(problem);
  }

  /** What stands in the way, where something does. */
  async #find(): Promise<string | undefined> {
    try {
      this.#found = new Map((await findRuns(this.folder)).map((run) => [run.name, run]));
      return undefined;
    } catch (error) {
      this.#found = new Map();
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #read({ name, directory }: FoundRun): Promise<void> {
    const known = this.#known.get(name);
    const stamp = await stampOf(directory);
    // Of one that runs, only its process tells that it does no more.
    if (known?.stamp === stamp && !['running', 'unseen'].includes(known.summary.state)) return;
    const summary = await readRunSummary(directory, name, this.#methods).catch(
      (error: unknown): RunSummary => ({ name, state: 'interrupted', problems: [String((error as Error).message)] }),
    );
    const isNews = known === undefined || changeBetween(known.summary, summary) !== undefined;
    this.#known.set(name, { stamp, summary: isNews ? summary : known.summary });
  }

  #list(problem: string | undefined): void {
    this.#told = performance.now();
    const read = [...this.#found.keys()].flatMap((name) => this.#known.get(name)?.summary ?? []);
    const runs = Object.fromEntries(read.map((summary) => [summary.name, summary]));
    const listed = { runs, ...(problem !== undefined && { problem }) };
    if (changeBetween(this.#listed, listed) === undefined) return;
    this.#listed = listed;
    this.#tell();
  }
}

/** Changes when the journal does, and when a process takes hold of the run. */
async function stampOf(directory: string): Promise<string> {
  const of = async (path: string) => {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  };
  const { journal } = runFiles(directory);
  return `${await of(journal).catch(() => '')};${await of(directory).catch(() => '')}`;
}
