import type { Peak, Precision } from '../../../src/backend/device.ts';
import { alternate, type Measurement, timed } from '../../support/measure.ts';
import type { Context } from '../context.ts';
import { dataSheetOf } from '../data_sheets.ts';
import { figureText } from '../figures.ts';
import type { StageOutcome, TableRow } from '../outcome.ts';
import { noRivals, openRivals, type Rival } from '../rivals.ts';
import { roofOf, shareText } from '../roofline.ts';
import { type Order, openSearch, orders } from '../search_steps.ts';
import { type PassProfiles, profilePasses, stepWork, totalsOf } from '../step_work.ts';

/** Somebody who takes steps; ours has a precision. */
interface Side extends Rival {
  readonly precision?: Precision;
  /** Kernels of the recorded graph of the last step; absent for others. */
  kernels?(): number;
}

/** One side's steps of one order. */
interface StepTimes extends Measurement {
  readonly order: Order;
  readonly precision?: Precision;
  readonly kernels?: number;
}

/** Whole first- and second-order search steps: ours in every precision and the rivals', in turns. */
export async function timeSteps(context: Context): Promise<StageOutcome> {
  const { device, sizes, progress, keep } = context;
  progress('what the device does at best');
  const peak = await device.measurePeak();
  const ours = await openSides(context);
  const { profiles } = ours;
  const rivals = context.rivals ? await openRivals(context, sizes) : noRivals;
  const leftOut: Record<string, string> = { ...rivals.leftOut };
  const results: StepTimes[] = [];
  const outcome = (): StageOutcome => ({
    leftOut,
    rows: results.map((result) => rowOf(context, result, profiles, peak)),
    data: {
      computed: { dataSheet: dataSheetOf(device.description) ?? null, ...rooflines(context, profiles, peak) },
      measured: { peak, size: sizes.step, steps: results, kernelsOfPasses: summarise(profiles) },
    },
  });
  try {
    for (const [index, order] of orders.entries()) {
      // The orders after this one get their share of the time.
      const own = context.secondsLeft() / (orders.length - index);
      const end = performance.now() / 1000 + own - secondsOfRounds;
      const left = () => end - performance.now() / 1000;
      const sides: Side[] = [];
      for (const side of [...ours.sides, ...rivals.rivals]) {
        const reason = await warmUp(side, order, left(), context);
        if (reason === undefined) sides.push(side);
        else leftOut[`${side.name}, ${order}`] = reason;
        keep(outcome());
      }
      // Ours fails the stage: there is nothing to compare with.
      if (!ours.sides.every((side) => sides.includes(side))) throw new Error(firstFault(leftOut, ours.sides, order));
      const contestants = sides.map((side) => ({
        name: side.name,
        run: () => {
          progress(`${order}: ${side.name}`);
          return side.time(order);
        },
      }));
      const begun = performance.now();
      let rounds = 0;
      const measured = await alternate(contestants, sizes.stepRounds, {
        warm: true,
        // Another round takes as long as one so far.
        isEnough: () => left() + secondsOfRounds < (performance.now() - begun) / 1000 / ++rounds,
      });
      measured.forEach((result, index) => {
        const { precision, kernels } = sides[index];
        results.push({ ...result, order, precision, kernels: kernels?.() });
      });
      keep(outcome());
    }
    return outcome();
  } finally {
    await rivals.close();
  }
}

async function openSides({ device, sizes, precisions, progress }: Context) {
  const profiles: Partial<Record<Precision, PassProfiles>> = {};
  const sides: Side[] = [];
  for (const precision of precisions) {
    progress(`kernels of a step, one by one: ${precision}`);
    const search = await openSearch(device, sizes.step, { precision });
    profiles[precision] = await profilePasses(search.program);
    let step = 0;
    let kernels = 0;
    sides.push({
      name: `dartsmith, ${precision}`,
      precision,
      time: async (order) => {
        const seconds = await timed(() => search.step(order, step++));
        kernels = device.recordedKernels;
        return seconds;
      },
      kernels: () => kernels,
    });
  }
  return { sides, profiles };
}

/** Kept for the rounds of an order when its first steps are taken. */
const secondsOfRounds = 30;

/** Takes the first step, which plans and compiles. Gives why the side is left out, or undefined. */
async function warmUp(
  side: Side,
  order: Order,
  secondsLeft: number,
  { progress }: Context,
): Promise<string | undefined> {
  if (secondsLeft < 5) return 'there was no time left';
  progress(`${order}, first step: ${side.name}`);
  try {
    await side.time(order, secondsLeft);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
}

function firstFault(leftOut: Readonly<Record<string, string>>, sides: readonly Side[], order: Order): string {
  const [name] = sides.map((side) => `${side.name}, ${order}`).filter((known) => known in leftOut);
  return `${name}: ${leftOut[name]}`;
}

type Profiles = Readonly<Partial<Record<Precision, PassProfiles>>>;

function rowOf({ device, sizes }: Context, result: StepTimes, profiles: Profiles, peak: Peak): TableRow {
  const { name, order, precision = 'fp32', median, spread, ratio, kernels } = result;
  const passes = profiles[precision] ?? profiles.fp32!;
  const work = stepWork(order, passes, peak);
  const sheet = dataSheetOf(device.description);
  return {
    step: order,
    by: name,
    ms: figureText(median * 1e3),
    IQR: figureText(spread * 1e3),
    'images/s': figureText(sizes.step.batch / median),
    'GB/s': figureText(work.bytes / median / 1e9),
    'GFLOP/s': figureText(work.flops / median / 1e9),
    'of peak': shareText(work.seconds, median),
    'of sheet': shareText(sheet && stepWork(order, passes, roofOf(sheet, precision)).seconds, median),
    'times ours': figureText(ratio),
    kernels: kernels ?? '-',
  };
}

/** Least seconds of steps, under the measured roof and under that of the data sheet. */
function rooflines({ device, precisions }: Context, profiles: Profiles, peak: Peak) {
  const sheet = dataSheetOf(device.description);
  const least = (precision: Precision, roof: Peak | undefined) =>
    roof && Object.fromEntries(orders.map((order) => [order, stepWork(order, profiles[precision]!, roof)]));
  const all = (roof: (precision: Precision) => Peak | undefined) =>
    Object.fromEntries(precisions.map((precision) => [precision, least(precision, roof(precision)) ?? null]));
  return {
    underMeasuredRoof: all(() => peak),
    underDataSheet: all((precision) => sheet && roofOf(sheet, precision)),
  };
}

function summarise(profiles: Profiles) {
  return Object.fromEntries(
    Object.entries(profiles).map(([precision, passes]) => [
      precision,
      Object.fromEntries(Object.entries(passes).map(([target, profile]) => [target, totalsOf(profile)])),
    ]),
  );
}
