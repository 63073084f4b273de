// The runs in a folder as they are now: looked for again and again, and read where something was written.
import { stat } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import type { RunSummary } from '../report/run_view.ts';
import { runFiles } from '../run/directory.ts';
import { type FoundRun, findRuns, isStillIn } from '../run/find_runs.ts';
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
  #finding: Promise<string | undefined> | undefined;

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

  /** Where a run lies, as long as it does; undefined for a name that no run was found under when the folder was last looked through. */
  async directoryOf(name: string): Promise<string | undefined> {
    if (!this.#found.has(name)) await this.#finding;
    const run = this.#found.get(name);
    return run !== undefined && (await isStillIn(this.folder, run)) ? run.directory : undefined;
  }

  /** The same, also of a run that has only just begun. */
  async find(name: string): Promise<string | undefined> {
    const known = await this.directoryOf(name);
    if (known !== undefined) return known;
    await this.#find();
    return this.directoryOf(name);
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

  /** What stands in the way, where something does. Who asks while the folder is looked through waits for that. */
  #find(): Promise<string | undefined> {
    this.#finding ??= this.#walk().finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  async #walk(): Promise<string | undefined> {
    try {
      this.#found = new Map((await findRuns(this.folder)).map((run) => [run.name, run]));
      return undefined;
    } catch (error) {
      this.#found = new Map();
      return messageOf(error);
    }
  }

  async #read({ name, directory }: FoundRun): Promise<void> {
    const known = this.#known.get(name);
    const stamp = await stampOf(directory);
    // Of one that runs, only its process tells that it does no more.
    if (known?.stamp === stamp && !['running', 'unseen'].includes(known.summary.state)) return;
    const { summary, isRead } = await this.#summaryOf(name, directory);
    const isNews = known === undefined || changeBetween(known.summary, summary) !== undefined;
    // What could not be read may be the next time, though it is as it was.
    this.#known.set(name, { stamp: isRead ? stamp : '', summary: isNews ? summary : known.summary });
  }

  async #summaryOf(name: string, directory: string): Promise<{ summary: RunSummary; isRead: boolean }> {
    try {
      return { summary: await readRunSummary(directory, name, this.#methods), isRead: true };
    } catch (error) {
      const problem = messageOf(error);
      return { summary: { name, state: 'interrupted', problems: [problem] }, isRead: false };
    }
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
