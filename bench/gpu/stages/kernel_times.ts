import { type Peak, type Precision, precisions } from '../../../src/backend/device.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { kernelNames, kernels, kernelVariants } from '../../../src/kernels/catalogue.ts';
import type { KernelDefinition } from '../../../src/kernels/definition.ts';
import { type Contestant, measureKernel, type PassComparison } from '../../../src/kernels/measure.ts';
import type { PassWork } from '../../../src/kernels/work.ts';
import { type ChainedFigures, canChain, timeChained } from '../chained.ts';
import type { Context } from '../context.ts';
import { dataSheetOf } from '../data_sheets.ts';
import { figureText } from '../figures.ts';
import type { StageOutcome, TableRow } from '../outcome.ts';
import { rooflineSeconds, roofOf, shareText } from '../roofline.ts';
import { type BatchShape, shapeName } from '../sizes.ts';

/** One kernel at one size in every precision. */
interface KernelTimes {
  readonly name: string;
  readonly shape: BatchShape;
  /** Figures in the order of `precisions`. */
  readonly passes: readonly PassComparison[];
  /** Forward and backward within a recorded graph, by precision; of kernels that can follow themselves. */
  readonly inGraph: Readonly<Partial<Record<Precision, ChainedFigures>>>;
}

/** Every kernel of the catalogue, alone and within a recorded graph, in every precision, in turns. */
export async function timeKernels(context: Context): Promise<StageOutcome> {
  const { device, sizes, progress, keep } = context;
  progress('what the device does at best');
  const peak = await device.measurePeak();
  const contestants = context.precisions.map((precision) => ({ name: precision, device, peak, precision }));
  const floor = await measureFloor(contestants[0]);
  const results: KernelTimes[] = [];
  const outcome = (): StageOutcome => ({
    rows: results.flatMap((result) => rowsOf(context, result, peak)),
    data: {
      computed: { dataSheet: dataSheetOf(device.description) ?? null },
      measured: { peak, launchFloorSeconds: floor, precisions: context.precisions, kernels: results },
    },
  });
  for (const shape of sizes.timedShapes) {
    for (const definition of definitions(shape)) {
      progress(`${definition.name}, ${shapeName(shape)}`);
      results.push(await timeKernel(context, definition, shape, contestants));
    }
    keep(outcome());
  }
  return outcome();
}

/** A kernel of one number: what the measurement of a kernel takes by itself, in seconds. */
async function measureFloor(contestant: Contestant): Promise<number> {
  const one = kernels.relu({ shape: [1, 1, 1] });
  const [forward] = await measureKernel(one, [contestant], { batchSize: 1, runs: 20 });
  return forward.figures[0].medianSeconds;
}

/** The catalogue at a shape, without what does not take it. */
function definitions([, ...image]: BatchShape): KernelDefinition[] {
  return kernelNames.flatMap((name) => {
    try {
      return kernelVariants(name, image);
    } catch (error) {
      if (error instanceof ArgumentError) return [];
      throw error;
    }
  });
}

async function timeKernel(
  { device, sizes }: Context,
  definition: KernelDefinition,
  shape: BatchShape,
  contestants: readonly (Contestant & { readonly precision: Precision })[],
): Promise<KernelTimes> {
  const [batchSize, ...image] = shape;
  const runs = sizes.kernelRuns;
  const passes = await measureKernel(definition, contestants, { batchSize, runs });
  const inGraph: Partial<Record<Precision, ChainedFigures>> = {};
  if (canChain(definition, image)) {
    for (const { precision } of contestants) {
      inGraph[precision] = await timeChained(device, definition, image, {
        batchSize,
        precision,
        times: sizes.chained,
        runs,
      });
    }
  }
  return { name: definition.name, shape, passes, inGraph };
}

function rowsOf({ device, precisions: computed }: Context, result: KernelTimes, peak: Peak): TableRow[] {
  const sheet = dataSheetOf(device.description);
  const row = (
    precision: Precision,
    pass: string,
    work: PassWork,
    seconds: number,
    spread: number,
    launched: number | string,
  ): TableRow => ({
    kernel: result.name,
    size: shapeName(result.shape),
    in: precision,
    pass,
    us: figureText(seconds * 1e6),
    IQR: figureText(spread * 1e6),
    'GB/s': figureText(work.bytes / seconds / 1e9),
    'GFLOP/s': figureText(work.flops / seconds / 1e9),
    'of peak': shareText(rooflineSeconds(work, peak), seconds),
    'of sheet': shareText(sheet && rooflineSeconds(work, roofOf(sheet, precision)), seconds),
    kernels: launched,
  });
  const [forward, backward] = result.passes;
  const both = { flops: forward.flops + backward.flops, bytes: forward.bytes + backward.bytes };
  return precisions
    .filter((precision) => computed.includes(precision))
    .flatMap((precision, index) => {
      const alone = result.passes.map(({ pass, figures, ...work }) => {
        const { medianSeconds, interquartileSeconds, ran } = figures[index];
        return row(precision, pass, work, medianSeconds, interquartileSeconds, ran.length);
      });
      const chained = result.inGraph[precision];
      if (chained === undefined) return alone;
      const { medianSeconds, interquartileSeconds, kernels: count } = chained;
      return [...alone, row(precision, 'in graph', both, medianSeconds, interquartileSeconds, figureText(count))];
    });
}
