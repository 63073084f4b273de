// How much of a deviation is the network's doing: what the CPU engine differs from itself by when the same arithmetic is done
// in another order, and when activations are rounded. Deep networks grow round-off by a factor that nobody can derive.
import type { Device, Precision } from '../../src/backend/device.ts';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { distance } from './compare.ts';
import { openOracle } from './context.ts';
import { type Check, within } from './outcome.ts';
import type { PassOptions, PassTensors } from './pass.ts';
import { leastDeviation, leastReducedDeviation, reducedFactor, yardstickFactor } from './tolerances.ts';

/** Runs the same pass on a device. */
export type Pass = (device: Device, options: PassOptions) => Promise<PassTensors>;

/** What a pass is held against. */
export interface Yardstick {
  /** From the CPU engine in fp32. */
  readonly right: PassTensors;
  /** Largest distance from it of the CPU engine in other orders of summation, by tensor. */
  readonly roundoff: Readonly<Record<string, number>>;
  /** Distance from it of the CPU engine in bf16. */
  readonly rounded: Readonly<Record<string, number>>;
}

/** Runs the pass on the CPU engine in every way there is. */
export async function measureYardstick(pass: Pass): Promise<Yardstick> {
  using oracle = await openOracle();
  const right = await pass(oracle, {});
  const others = [await pass(oracle, { fusion: 'off' })];
  const last = instructionSets().at(-1);
  using plain = await openDevice({ backend: 'cpu', instructionSet: last });
  others.push(await pass(plain, {}));
  const distances = others.map((other) => distancesOf(other, right));
  const roundoff = Object.fromEntries(
    Object.keys(right).map((name) => [name, Math.max(...distances.map((known) => known[name]))]),
  );
  return { right, roundoff, rounded: distancesOf(await pass(oracle, { precision: 'bf16' }), right) };
}

/** How a pass on the device in question was made. */
export interface PassTitle {
  readonly title: string;
  readonly precision: Precision;
  /** Tensors that are only shown in a reduced precision. */
  readonly shown?: readonly string[];
}

/** One check a tensor of a pass. */
export function checkPass(
  tensors: PassTensors,
  { title, precision, shown = [] }: PassTitle,
  { right, roundoff, rounded }: Yardstick,
): Check[] {
  const errors = distancesOf(tensors, right);
  return Object.keys(right).map((tensor) => {
    const name = `${title}, ${precision}: ${tensor}`;
    const exact = leastDeviation + yardstickFactor * roundoff[tensor];
    if (precision === 'fp32') return within(name, errors[tensor], exact);
    if (!shown.includes(tensor)) {
      const least = leastReducedDeviation(precision, tensor.includes('gradient'));
      return within(name, errors[tensor], exact + least + reducedFactor[precision] * rounded[tensor]);
    }
    const note = `off by ${errors[tensor].toExponential(1)}; that of the CPU engine in bf16 is by ${rounded[tensor].toExponential(1)}`;
    return { name: `${name}, finite`, passed: tensors[tensor].every(Number.isFinite), note };
  });
}

function distancesOf(tensors: PassTensors, right: PassTensors): Record<string, number> {
  return Object.fromEntries(Object.keys(right).map((name) => [name, distance(tensors[name], right[name])]));
}
