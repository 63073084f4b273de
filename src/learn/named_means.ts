import { isRecord } from '../checks.ts';
import { FileError } from '../errors.ts';

/** Where sums lie among the values of a run's state, so that they survive a kill. */
const valueName = 'means';

/** A sum of numbers times weights, and the sum of those. */
type Sum = readonly [sum: number, weight: number];

/** Means over an epoch of what only some of its steps have, by name. */
export class NamedMeans {
  readonly #values: Record<string, unknown>;

  /** `values` are those of a run's state. */
  constructor(values: Record<string, unknown>) {
    this.#values = values;
    values[valueName] = {};
  }

  /** Takes in a step of a weight, such as its number of images. */
  add(weight: number, measures: Readonly<Record<string, number>>): void {
    const sums = this.#sums;
    const added = Object.entries(measures).map(([name, value]): [string, Sum] => {
      const [sum, weights] = sums[name] ?? [0, 0];
      return [name, [sum + value * weight, weights + weight]];
    });
    this.#values[valueName] = { ...sums, ...Object.fromEntries(added) };
  }

  /** Ends an epoch: the next one counts anew. */
  end(): Record<string, number> {
    const means = Object.entries(this.#sums).map(([name, [sum, weight]]) => [name, sum / weight] as const);
    this.#values[valueName] = {};
    return Object.fromEntries(means);
  }

  get #sums(): Readonly<Record<string, Sum>> {
    const sums = this.#values[valueName];
    if (isRecord(sums) && Object.values(sums).every(isSum)) return sums as Readonly<Record<string, Sum>>;
    throw new FileError(`the checkpoint is damaged: expected sums for the metadata ${valueName}`);
  }
}

function isSum(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every((number) => typeof number === 'number');
}
