import { BackendError } from '../../errors.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Addon, Handle } from './addon.ts';
import { readTuning, tuningKey, tuningTablePath, writeTuning } from './tuning_table.ts';

/** Programs of less run mostly in caches, where one tuning is as fast as another. */
const worthBytes = 256 * 2 ** 20;

/** A tuning's name, or `off` for the first without measuring. */
const variable = 'DARTSMITH_TUNING';

/**
 * Has a device go about memory in the way that is fastest on this machine: as the table says, else as is measured, once, before the first
 * large program runs. No result depends on it.
 */
export class Tuner {
  readonly #addon: Addon;
  readonly #device: Handle;
  readonly #key: string;
  readonly #names: readonly string[];
  #open: boolean;

  /** Throws BackendError where `DARTSMITH_TUNING` names none. */
  constructor(addon: Addon, device: Handle, description: string) {
    this.#addon = addon;
    this.#device = device;
    this.#key = tuningKey(description);
    this.#names = addon.tunings(device);
    const chosen = chosenTuning(this.#names);
    this.#open = chosen === undefined && this.#names.length > 0;
    if (chosen !== undefined) void this.#keepTo(chosen);
  }

  /** Before a program runs: jobs run in the order in which they are started. */
  prepare(graph: Graph, batchSize: number): void {
    if (!this.#open || !gains(graph, batchSize)) return;
    this.#open = false;
    const known = readTuning(this.#key, this.#names);
    void (known === undefined ? this.#find() : this.#keepTo(known));
  }

  async #keepTo(name: string): Promise<void> {
    try {
      await this.#addon.tune(this.#device, this.#names.indexOf(name)).promise;
    } catch {
      // Of a device that is no more.
    }
  }

  async #find(): Promise<void> {
    let name: string | undefined;
    try {
      name = this.#names[await this.#addon.findTuning(this.#device).promise];
    } catch {
      return; // no memory for it, or a process that ends
    }
    if (name === undefined) return; // another time
    try {
      await writeTuning(this.#key, name);
    } catch (error) {
      const help = `set XDG_CACHE_HOME to a folder that can be written, or ${variable}=${name}`;
      process.emitWarning(
        `what was measured of this machine is not kept, and is measured again (a second): ${(error as Error).message}; ${help}`,
        { code: 'DARTSMITH_NOT_KEPT' },
      );
    }
  }
}

/** What `dartsmith doctor` says of the tuning of a device with that description. Throws BackendError as a tuner does. */
export function describeTuning(description: string, names: readonly string[]): string {
  const chosen = chosenTuning(names);
  if (chosen !== undefined) return `${chosen} (${variable})`;
  const known = readTuning(tuningKey(description), names);
  return known === undefined
    ? `${names[0]}; the first large program measures which is fastest here (a second, once)`
    : `${known}, the fastest here (${tuningTablePath()})`;
}

/** What `DARTSMITH_TUNING` says. */
function chosenTuning(names: readonly string[]): string | undefined {
  const chosen = process.env[variable] ?? '';
  if (chosen === '' || names.length === 0) return undefined;
  if (chosen === 'off') return names[0];
  if (names.includes(chosen)) return chosen;
  throw new BackendError(`${variable} is '${chosen}': expected off or one of ${names.join(', ')}`);
}

/** Separables are what a tuning is for. */
function gains({ nodes }: Graph, batchSize: number): boolean {
  const elements = nodes.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const bytes = elements * batchSize * Float32Array.BYTES_PER_ELEMENT;
  return bytes >= worthBytes && nodes.some((node) => node.op === 'conv2d' && node.groups > 1);
}
