import type { Precision } from '../../../src/backend/device.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { type KernelName, kernelNames, kernelVariants } from '../../../src/kernels/catalogue.ts';
import { compareKernel, largestError } from '../../../src/kernels/check.ts';
import type { KernelDefinition } from '../../../src/kernels/definition.ts';
import { drawBatch } from '../../../src/kernels/draw.ts';
import { type KernelGradients, openKernel } from '../../../src/kernels/open.ts';
import { distance } from '../compare.ts';
import { type Context, openOracle } from '../context.ts';
import { type Check, type StageOutcome, within } from '../outcome.ts';
import { type BatchShape, shapeName } from '../sizes.ts';
import { allowedDistance } from '../tolerances.ts';

/** Draws tried in fp32, as in src/kernels/check.ts: a kink is met on rare draws, a wrong kernel is wrong on all. */
const draws = 3;

/** A kernel at one size in one precision. */
interface Subject {
  readonly title: string;
  readonly definition: KernelDefinition;
  readonly batchSize: number;
  readonly precision: Precision;
}

/** Every kernel of the catalogue in every precision: at small sizes against the float64 reference, at large ones the CPU. */
export async function checkKernels(context: Context): Promise<StageOutcome> {
  const { sizes, progress, keep } = context;
  const checks: Check[] = [];
  for (const shape of sizes.referenceShapes) {
    progress(`${shapeName(shape)} against the float64 reference`);
    for (const subject of subjects(context, shape)) checks.push(await againstReference(context, subject));
    keep({ checks });
  }
  for (const shape of sizes.comparedShapes) {
    progress(`${shapeName(shape)} against the CPU engine`);
    for (const subject of subjects(context, shape, ['fp32'])) {
      checks.push(...(await againstCpu(context, subject)));
    }
    keep({ checks });
  }
  return { checks };
}

function subjects({ precisions }: Context, shape: BatchShape, chosen: readonly Precision[] = precisions): Subject[] {
  return kernelNames.flatMap((name) =>
    variantsOf(name, shape).flatMap((definition) =>
      chosen.map((precision) => {
        const title = `${definition.name}, ${shapeName(shape)}, ${precision}`;
        // The statistics of a searched cell want columns.
        const batchSize = definition.length === undefined ? shape[0] : Math.max(4, shape[0]);
        return { title, definition, batchSize, precision };
      }),
    ),
  );
}

/** None of a kernel that does not take the shape: an odd one cannot be halved. */
function variantsOf(name: KernelName, [, ...image]: BatchShape): KernelDefinition[] {
  try {
    return kernelVariants(name, image);
  } catch (error) {
    if (error instanceof ArgumentError) return [];
    throw error;
  }
}

async function againstReference({ device }: Context, subject: Subject): Promise<Check> {
  const { title, definition, batchSize, precision } = subject;
  let check: Check | undefined;
  for (let seed = 0; seed < draws; seed++) {
    using kernel = await openKernel(device, { ...definition, batchSize, seed, precision });
    const distances = allowedDistance(kernel.graph, precision);
    const tensors = await compareKernel(kernel, seed);
    const found = tensors.map(({ tensor, actual, expected, tolerance }) => {
      if (precision === 'fp32') return within(`${title}: ${tensor}`, largestError(actual, expected), tolerance);
      const allowed = tensor === 'the output' ? distances.forward : distances.backward;
      return within(`${title}: ${tensor}`, distance(actual, expected), allowed);
    });
    check = worstOf(found);
    if (check.passed || precision !== 'fp32') break;
  }
  return check!;
}

/** All precisions at once: the CPU engine runs each kernel only once, in fp32. */
async function againstCpu(
  { device, precisions }: Context,
  { title, definition, batchSize }: Subject,
): Promise<Check[]> {
  using oracle = await openOracle();
  const right = await gradients(oracle, definition, batchSize, 'fp32');
  const checks: Check[] = [];
  for (const precision of precisions) {
    const { graph, tensors } = await gradients(device, definition, batchSize, precision);
    const allowed = allowedDistance(graph, precision);
    const found = Object.entries(right.tensors).map(([tensor, expected]) =>
      within(
        `${title.replace(/fp32$/, precision)} against the CPU: ${tensor}`,
        distance(tensors[tensor], expected),
        tensor === 'the output' ? allowed.forward : allowed.backward,
      ),
    );
    checks.push(worstOf(found));
  }
  return checks;
}

async function gradients(
  device: Context['device'],
  definition: KernelDefinition,
  batchSize: number,
  precision: Precision,
) {
  using kernel = await openKernel(device, { ...definition, batchSize, precision });
  const { inputs, outputGradient, labels, dropout } = drawBatch(kernel.graph, kernel.samples, 0);
  const result = await kernel.backward(inputs, outputGradient, { labels, dropout });
  return { graph: kernel.graph, tensors: byName(result) };
}

function byName({ output, inputs, parameters }: KernelGradients<string>): Record<string, Float32Array> {
  const named = Object.entries({ ...inputs, ...parameters });
  return {
    'the output': output,
    ...Object.fromEntries(named.map(([name, values]) => [`the gradient of ${name}`, values])),
  };
}

/** The check that is furthest along to its limit, or beyond. */
function worstOf(checks: readonly Check[]): Check {
  const share = ({ error = 0, allowed = 0 }: Check) => (error === 0 ? 0 : error / allowed);
  return checks.reduce((worst, check) => (share(check) > share(worst) ? check : worst));
}
