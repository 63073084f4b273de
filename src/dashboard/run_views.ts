// Runs that pages look at closely: each is read once for all of them, and then what is written to it.
import type { Method } from '../methods/method.ts';
import type { RunView } from '../report/run_view.ts';
import { WatchedRun } from '../run/view.ts';
import { compactView } from './compact.ts';
import { Rounds } from './rounds.ts';

/** Of a long journal, when what has been read of it is told first; each time after twice as long. */
const tellMillis = 300;
/** Runs that stay in memory when nobody watches them, for who comes back. */
const kept = 8;

/** A run, as far as it has been read. */
interface OpenRun {
  readonly run: WatchedRun;
  view?: RunView;
}

export class RunViews {
  readonly #directoryOf: (name: string) => Promise<string | undefined>;
  readonly #methods: readonly Method[];
  readonly #tell: () => void;
  readonly #rounds: Rounds;
  /** The one that was asked for last at the end. */
  readonly #open = new Map<string, OpenRun>();
  /** Names that are watched, those under which there is no run yet too. */
  readonly #wanted = new Map<string, number>();

  /** `tell` is called when a view is another than it was. */
  constructor(
    directoryOf: (name: string) => Promise<string | undefined>,
    methods: readonly Method[],
    millis: number,
    tell: () => void,
  ) {
    this.#directoryOf = directoryOf;
    this.#methods = methods;
    this.#tell = tell;
    this.#rounds = new Rounds(() => this.look(), millis);
  }

  /** Reads runs of these names from now on; what is given ends it. */
  watch(names: readonly string[]): () => void {
    for (const name of names) this.#wanted.set(name, (this.#wanted.get(name) ?? 0) + 1);
    if (names.length > 0) this.#rounds.start();
    return () => {
      for (const name of names) {
        const left = (this.#wanted.get(name) ?? 1) - 1;
        if (left > 0) this.#wanted.set(name, left);
        else this.#wanted.delete(name);
      }
      if (this.#wanted.size === 0) this.#rounds.stop();
    };
  }

  stop(): void {
    this.#wanted.clear();
    this.#rounds.stop();
  }

  /** By name, those that have been read. */
  of(names: readonly string[]): Readonly<Record<string, RunView>> {
    const views = names.map((name) => [name, this.#open.get(name)?.view] as const);
    return Object.fromEntries(views.filter(([, view]) => view !== undefined)) as Readonly<Record<string, RunView>>;
  }

  /** Looks once at every run that is watched. Never throws. */
  async look(): Promise<void> {
    for (const name of [...this.#wanted.keys()]) {
      try {
        // Asked for each time: what was a run may have become a link that leads elsewhere.
        const directory = await this.#directoryOf(name);
        if (directory === undefined) this.#forget(name);
        else await this.#look(name, directory);
      } catch {
        // It has gone: the list tells so.
        this.#forget(name);
      }
    }
  }

  #forget(name: string): void {
    if (this.#open.delete(name)) this.#tell();
  }

  async #look(name: string, directory: string): Promise<void> {
    const open = this.#open.get(name) ?? this.#begin(name, directory);
    this.#open.delete(name);
    this.#open.set(name, open);
    const tell = () => {
      open.view = compactView(open.run.view());
      this.#tell();
    };
    let timer: NodeJS.Timeout;
    const tellAgainIn = (millis: number) => {
      timer = setTimeout(() => {
        try {
          tell();
        } catch {
          // The end of the look meets it too.
        }
        tellAgainIn(2 * millis);
      }, millis);
    };
    tellAgainIn(tellMillis);
    try {
      const isNews = await open.run.look();
      if (isNews || open.view === undefined) tell();
    } finally {
      clearTimeout(timer!);
    }
  }

  #begin(name: string, directory: string): OpenRun {
    for (const other of [...this.#open.keys()].filter((key) => !this.#wanted.has(key)).slice(0, -kept))
      this.#open.delete(other);
    return { run: new WatchedRun(directory, name, this.#methods) };
  }
}
