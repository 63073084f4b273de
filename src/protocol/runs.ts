// The runs of a protocol, one after another on one device: what has a result is not run again, what was begun goes on.
import { join } from 'node:path';
import type { Device } from '../backend/device.ts';
import { throwIfAborted } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import type { SearchResult, TrainResult } from '../run/events.ts';
import { deviceFor } from '../run/runtime.ts';
import type { ProtocolEvent, ProtocolPart, ProtocolPlace } from './events.ts';
import { type Failure, readFailure, writeFailure } from './failures.ts';
import type { ProtocolOptions } from './options.ts';
import { finishPart, isOutcome, type Part, type PartRuntime, resultOfPart } from './part.ts';

/** Which run of an arm. */
export type PartPlace = Pick<ProtocolPlace, 'arm' | 'seed' | 'part'>;

/** Does the runs of a protocol; holds a device from the first one that is to be done. */
export class ProtocolRuns {
  readonly #directory: string;
  readonly #options: ProtocolOptions;
  readonly #methods: readonly Method[];
  readonly #emit: (event: ProtocolEvent) => void;
  readonly #runs: number;
  #index = 0;
  #device: Device | undefined;

  /** `runs` are all that there will be. */
  constructor(
    directory: string,
    options: ProtocolOptions,
    methods: readonly Method[],
    runs: number,
    emit: (event: ProtocolEvent) => void,
  ) {
    this.#directory = directory;
    this.#options = options;
    this.#methods = methods;
    this.#runs = runs;
    this.#emit = emit;
  }

  /** Where a run lies. */
  folder(arm: string, seed: number, part: ProtocolPart): string {
    return join(this.#directory, arm, `seed-${seed}`, part);
  }

  /** What a run comes to: it is begun, or gone on with, unless it is known. Rejects with what stopped it. */
  async finish<Result extends SearchResult | TrainResult>(
    place: PartPlace,
    { command, options }: Omit<Part, 'directory'>,
  ): Promise<Result | Failure> {
    throwIfAborted(this.#options.signal);
    const at = { ...place, index: this.#index++, runs: this.#runs };
    const part = { command, options, directory: this.folder(place.arm, place.seed, place.part) };
    const known = (await readFailure(part.directory, place.part)) ?? (await resultOfPart(part, this.#methods));
    if (known !== undefined) return known as Result | Failure;
    try {
      const runtime = await this.#runtime();
      const emit = this.#emit;
      // Of the command: its result is this.
      return (await finishPart(part, runtime, this.#methods, (event) => emit({ ...at, type: 'run', event }))) as Result;
    } catch (error) {
      if (!isOutcome(error)) throw error;
      const failure = { part: place.part, reason: error.message };
      await writeFailure(part.directory, failure);
      return failure;
    }
  }

  /** Why a run came to nothing, where it is known to have. */
  failed(arm: string, seed: number, part: ProtocolPart): Promise<Failure | undefined> {
    return readFailure(this.folder(arm, seed, part), part);
  }

  /** Counts runs that there is nothing to do for. */
  pass(runs: number): void {
    this.#index += runs;
  }

  async #runtime(): Promise<PartRuntime> {
    const { workers, signal, checkpointSeconds, tensorboard } = this.#options;
    this.#device ??= await deviceFor(this.#options);
    return {
      device: this.#device,
      ...(workers !== undefined && { workers }),
      ...(signal !== undefined && { signal }),
      ...(checkpointSeconds !== undefined && { checkpointSeconds }),
      ...(tensorboard !== undefined && { tensorboard }),
    };
  }

  [Symbol.dispose](): void {
    if (this.#options.device === undefined) this.#device?.dispose();
  }
}
