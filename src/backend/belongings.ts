import { invalid, unexpected } from '../errors.ts';
import type { DeviceDataset, Program } from './device.ts';
import type { Parameters } from './parameters.ts';

/** What a device makes and commands name. */
interface Made {
  readonly program: Program;
  readonly parameters: Parameters;
  readonly dataset: DeviceDataset;
}

type Kind = keyof Made;

/** Everything that devices of this process made: so an object of another device is told from one that is nobody's. */
const made: Readonly<Record<Kind, WeakSet<object>>> = {
  program: new WeakSet(),
  parameters: new WeakSet(),
  dataset: new WeakSet(),
};

const nouns: Readonly<Record<Kind, string>> = { program: 'a program', parameters: 'parameters', dataset: 'a dataset' };

/** What a device made, and what it keeps for each: a handle of the engine, say. */
export class Belongings<Kept extends Record<Kind, unknown> = Record<Kind, unknown>> {
  readonly #kept = { program: new WeakMap(), parameters: new WeakMap(), dataset: new WeakMap() } as {
    readonly [K in Kind]: WeakMap<object, Kept[K]>;
  };

  /** Enters an object that the device made. */
  add<K extends Kind>(kind: K, object: Made[K], kept: Kept[K]): void {
    made[kind].add(object);
    this.#kept[kind].set(object, kept);
  }

  /** What is kept for an object of the device's own. */
  of<K extends Kind>(kind: K, object: Made[K]): Kept[K] {
    return this.#kept[kind].get(object)!;
  }

  /** Throws ArgumentError unless a value is a program, parameters or a dataset of this device. */
  check(kind: Kind, name: string, value: unknown): void {
    const expectation = `${nouns[kind]} of this device`;
    if (typeof value !== 'object' || value === null || !made[kind].has(value)) throw invalid(name, expectation, value);
    if (!this.#kept[kind].has(value)) throw unexpected(name, expectation, `${nouns[kind]} of another`);
  }
}
