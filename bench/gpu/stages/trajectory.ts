import type { Device } from '../../../src/backend/device.ts';
import { instructionSets, openDevice } from '../../../src/backend/open.ts';
import { type Context, openOracle } from '../context.ts';
import { type Check, type StageOutcome, within } from '../outcome.ts';
import type { PassOptions } from '../pass.ts';
import { type Order, openSearch, orders } from '../search_steps.ts';
import { leastDeviation, yardstickFactor } from '../tolerances.ts';

/**
 * Some search steps beside the CPU engine's. What a step differs by, later ones grow: allowed is what the CPU engine has by
 * then differed from itself by in other orders of summation. Reduced precisions go ways of their own; those are shown.
 */
export async function checkTrajectory(context: Context): Promise<StageOutcome> {
  const { device, sizes, precisions, progress, keep } = context;
  const checks: Check[] = [];
  const data: Record<string, readonly number[]> = {};
  using oracle = await openOracle();
  using plain = await openDevice({ backend: 'cpu', instructionSet: instructionSets().at(-1) });
  for (const order of orders) {
    const losses = (on: Device, options: PassOptions = {}) => lossesOf(on, sizes, order, options);
    progress(`${order}: the CPU engine`);
    const right = await losses(oracle);
    const others = [await losses(oracle, { fusion: 'off' }), await losses(plain)];
    data[`${order}, cpu`] = right;
    for (const precision of precisions) {
      progress(`${order}: ${precision}`);
      const actual = await losses(device, { precision });
      data[`${order}, ${precision}`] = actual;
      checks.push(
        ...(precision === 'fp32'
          ? compare(order, actual, right, others)
          : [{ name: `${order}, ${precision}: every loss is a number`, passed: actual.every(Number.isFinite) }]),
      );
      keep({ checks, data });
    }
  }
  return { checks, data };
}

async function lossesOf(
  device: Device,
  sizes: Context['sizes'],
  order: Order,
  options: PassOptions,
): Promise<number[]> {
  using search = await openSearch(device, sizes.trajectory, options);
  const losses: number[] = [];
  for (let step = 0; step < sizes.trajectorySteps; step++) losses.push(await search.step(order, step));
  return losses;
}

function compare(
  order: Order,
  actual: readonly number[],
  right: readonly number[],
  others: readonly (readonly number[])[],
): Check[] {
  let yardstick = 0;
  return right.map((loss, step) => {
    const apart = (losses: readonly number[]) => Math.abs(losses[step] - loss) / loss;
    yardstick = Math.max(yardstick, ...others.map(apart));
    const allowed = leastDeviation + yardstickFactor * yardstick;
    return within(`${order}, fp32: loss of step ${step + 1}`, apart(actual), allowed);
  });
}
