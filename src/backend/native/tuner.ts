import { BackendError } from '../../errors.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Addon, Handle } from './addon.ts';
import { readTuning, tuningKey, tuningTablePath, writeTuning } from './tuning_table.ts';

/** Programs of less run mostly in caches, where one tuning is as fast as another. */
const worthBytes = 256 * 2 ** 20;

/** `DARTSMITH_TUNING`: a tuning's name, or `off` for the first without measuring. */
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
    const chosen = process.env[variable] ?? '';
    this.#open = this.#names.length > 0 && chosen === '';
    if (this.#names.length === 0 || chosen === '' || chosen === 'off') return;
    if (!this.#names.includes(chosen)) {
      throw new BackendError(`${variable} is '${chosen}': expected off or one of ${this.#names.join(', ')}`);
    }
    this.#keepTo(chosen);
  }

  /** Before a program runs: jobs run in the order in which they are started. */
  prepare(graph: Graph, batchSize: number): void {
    if (!this.#open || activationBytes(graph, batchSize) < worthBytes) return;
    this.#open = false;
    const known = readTuning(this.#key, this.#names);
    if (known === undefined) void this.#find();
    else this.#keepTo(known);
  }

  /** A device that is disposed of before that is tuned by nobody. */
  #keepTo(name: string): void {
    this.#addon.tune(this.#device, this.#names.indexOf(name)).promise.catch(() => {});
  }

  async #find(): Promise<void> {
    // Without memory for it, or of a device that is no more: whoever uses that is told.
    const found = await this.#addon.findTuning(this.#device).promise.catch(() => -1);
    if (found < 0) return; // another time
    const name = this.#names[found];
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

/** What `dartsmith doctor` says of the tuning of a device with that description. */
export function describeTuning(description: string, names: readonly string[]): string {
  const chosen = process.env[variable] ?? '';
  if (chosen !== '') return chosen === 'off' ? `${names[0]} (${variable}=off)` : `${chosen} (${variable})`;
  const known = readTuning(tuningKey(description), names);
  return known === undefined
    ? `${names[0]}; the first large program measures which is fastest here (a second, once)`
    : `${known}, the fastest here (${tuningTablePath()})`;
}

/** Of all nodes, were each kept. */
function activationBytes(graph: Graph, batchSize: number): number {
  const elements = graph.nodes.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return elements * batchSize * Float32Array.BYTES_PER_ELEMENT;
}
