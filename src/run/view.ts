// What a run directory has to show, read from its journal and what lies beside it, while the run goes on too.
import { lstat, open, stat } from 'node:fs/promises';
import { aName, check, checkOptions } from '../checks.ts';
import { FileError, messageOf } from '../errors.ts';
import { errorCode } from '../io/file_error.ts';
import { linesBackward } from '../io/lines_backward.ts';
import type { Method } from '../methods/method.ts';
import { methods as builtIn } from '../methods/registry.ts';
import type { RunState, RunSummary, RunView } from '../report/run_view.ts';
import { readRun, runFiles } from './directory.ts';
import { type JournalRecord, longestLine, parseRecord, readJournalFrom } from './journal.ts';
import { holderState } from './lock.ts';
import { ViewRecords } from './view_records.ts';

/** Bytes at the end of a journal that a summary looks at: the newest step, and in most runs the newest epoch. */
const tailBytes = 1 << 17;
/** Bytes of a line that tell it from another: of most lines all. */
const comparedBytes = 1 << 14;

/** A run directory that is looked at again and again: each look reads what has been written since the one before. */
export class WatchedRun {
  readonly directory: string;
  readonly #name: string;
  readonly #methods: readonly Method[];
  #records: ViewRecords;
  #offset = 0;
  /** The end of the last line that was read: there no more where the journal was cut and went on otherwise. */
  #read: Buffer = Buffer.alloc(0);
  /** Of the journal, to tell one that was put in the place of the one before. */
  #inode = 0;
  #changed: string | undefined;
  #state: RunState = 'interrupted';
  #problems: readonly string[] = [];

  constructor(directory: string, name: string, methods: readonly Method[] = builtIn) {
    this.directory = directory;
    this.#name = name;
    this.#methods = methods;
    this.#records = recordsOf(directory, methods);
  }

  /** Reads what is new; gives whether anything was. Throws FileError where there is no journal. */
  async look(): Promise<boolean> {
    const { size, ino, mtime } = await journalStat(this.directory);
    // A run that goes on cuts off what lies behind its checkpoint, and may have written more than that since.
    const goesOn = size >= this.#offset && ino === this.#inode && (await this.#isAsRead());
    if (!goesOn) await this.#beginAnew(ino);
    const before = { offset: this.#offset, state: this.#state };
    for await (const { record, bytes, next } of readJournalFrom(this.directory, this.#offset)) {
      this.#records.take(record);
      this.#read = bytes;
      this.#offset = next;
    }
    this.#read = Buffer.from(this.#read.subarray(-comparedBytes));
    this.#changed = mtime.toISOString();
    this.#problems = await configProblems(this.directory, this.#methods);
    this.#state = await stateOfRun(this.directory, this.#records.isFinished);
    return !goesOn || this.#offset !== before.offset || this.#state !== before.state;
  }

  async #beginAnew(inode: number): Promise<void> {
    this.#records = recordsOf(this.directory, this.#methods);
    this.#offset = 0;
    this.#read = Buffer.alloc(0);
    this.#inode = inode;
    // Told while a long journal is read.
    this.#state = (await readRunSummary(this.directory, this.#name, this.#methods)).state;
  }

  /** Whether what was read last still stands where it was. */
  async #isAsRead(): Promise<boolean> {
    const expected = this.#read;
    const file = await open(runFiles(this.directory).journal).catch(() => undefined);
    if (file === undefined) return false;
    try {
      const found = Buffer.alloc(expected.length);
      await file.read(found, 0, found.length, this.#offset - 1 - found.length);
      return found.equals(expected);
    } finally {
      await file.close();
    }
  }

  view(): RunView {
    const view = this.#records.view();
    return { ...view, ...this.#place(), problems: [...this.#problems, ...view.problems] };
  }

  #place() {
    return { name: this.#name, state: this.#state, ...(this.#changed !== undefined && { changed: this.#changed }) };
  }
}

/** Options of {@link readRunView}. */
export interface RunViewOptions {
  /** Of the run in what is shown; its directory when absent. */
  readonly name?: string;
  /** Among which that of the run is looked for; those of the package when absent. */
  readonly methods?: readonly Method[];
}

/**
 * What a run has to show, also while it goes on. Of a damaged run it is what can be read, and the problems say what cannot. Throws FileError
 * where there is no journal.
 */
export async function readRunView(directory: string, options: RunViewOptions = {}): Promise<RunView> {
  check('run', directory, aName);
  checkOptions('options', options, ['name', 'methods']);
  const { name = directory, methods = builtIn } = options;
  check('name', name, aName);
  const run = new WatchedRun(directory, name, methods);
  await run.look();
  return run.view();
}

/** What a list tells of a run: of a journal of any length no more than its first line and its end are read. Throws FileError. */
export async function readRunSummary(
  directory: string,
  name: string,
  methods: readonly Method[] = builtIn,
): Promise<RunSummary> {
  const { mtime } = await journalStat(directory);
  const records = recordsOf(directory, methods);
  for (const record of await endsOfJournal(directory)) records.take(record);
  const summary = records.summary();
  const problems = [...(await configProblems(directory, methods)), ...summary.problems];
  const state = await stateOfRun(directory, records.isFinished);
  return { ...summary, name, state, changed: mtime.toISOString(), problems };
}

/** The first record, and the last ones down to the newest epoch. */
async function endsOfJournal(directory: string): Promise<JournalRecord[]> {
  const first: JournalRecord[] = [];
  let begin = 0;
  for await (const { record, next } of readJournalFrom(directory, 0, longestLine)) {
    if (record !== undefined) first.push(record);
    begin = next;
    break;
  }
  const file = await open(runFiles(directory).journal);
  try {
    const last: JournalRecord[] = [];
    const { size } = await file.stat();
    for await (const { text } of linesBackward(file, tailBytes, Math.max(begin, size - tailBytes))) {
      const record = parseRecord(text);
      if (record !== undefined) last.push(record);
      if (record?.type === 'epoch') break;
    }
    return [...first, ...last.reverse()];
  } finally {
    await file.close();
  }
}

function recordsOf(directory: string, methods: readonly Method[]): ViewRecords {
  return new ViewRecords(directory, ({ run, method }) =>
    methods.find(({ command, name }) => command === run && name === method),
  );
}

async function journalStat(directory: string) {
  const { journal } = runFiles(directory);
  const found = await stat(journal).catch((error: unknown) => {
    const isNone = ['ENOENT', 'ENOTDIR'].includes(errorCode(error));
    throw new FileError(
      isNone
        ? `${directory} holds no journal: expected the directory of a run`
        : `cannot read ${journal}: ${String(error)}`,
    );
  });
  // A pipe would be waited at for ever.
  if (found.isFile()) return found;
  throw new FileError(`cannot read ${journal}: it is no file`);
}

/** A run that cannot be gone on with may be looked at all the same. */
async function configProblems(directory: string, methods: readonly Method[]): Promise<string[]> {
  const { config } = runFiles(directory);
  try {
    // It may lead out of the folder that is looked through.
    if ((await lstat(config).catch(() => undefined))?.isSymbolicLink()) return [`${config} is a link: it was not read`];
    await readRun(directory, methods);
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

async function stateOfRun(directory: string, isFinished: boolean): Promise<RunState> {
  const holder = await holderState(directory).catch(() => 'gone' as const);
  if (holder === 'runs') return 'running';
  if (isFinished) return 'finished';
  return holder === 'unseen' ? 'unseen' : 'interrupted';
}
