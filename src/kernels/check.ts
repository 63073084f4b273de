import type { Device } from '../backend/device.ts';
import { aSignal, checkOptional, checkRecord } from '../checks.ts';
import { BackendError, throwIfAborted } from '../errors.ts';
import type { ReferenceResult } from '../reference/interpreter.ts';
import { errorGrowth, tolerance } from '../reference/tolerance.ts';
import { type KernelDefinition, referencePass } from './definition.ts';
import { drawBatch } from './draw.ts';
import { checkDevice, type Kernel, type KernelGradients, openKernel } from './open.ts';

/** Options of {@link checkKernel}. */
export interface CheckOptions {
  readonly batchSize: number;
  readonly signal?: AbortSignal;
}

/** A tensor that is not what the reference says. */
interface Fault {
  readonly tensor: string;
  readonly error: number;
  readonly tolerance: number;
}

/**
 * Draws tried before a kernel counts as wrong. An intermediate value that rounds to the other side of a ReLU's or a maximum's
 * kink moves a gradient by more than round-off, on rare draws; a kernel that is wrong is wrong on all.
 */
const draws = 3;

/**
 * Holds a kernel's output and all its gradients, on normal random numbers, against the reference. Errors may be as large as
 * float32 sums of that many terms make them (src/reference/tolerance.ts). Throws BackendError that names the tensor.
 */
export async function checkKernel(device: Device, definition: KernelDefinition, options: CheckOptions): Promise<void> {
  checkDevice(device);
  checkRecord('definition', definition, 'inputs and build');
  checkRecord('options', options, 'batchSize');
  const { batchSize, signal } = options;
  checkOptional('signal', signal, aSignal);
  let fault: Fault | undefined;
  for (let seed = 0; seed < draws; seed++) {
    using kernel = await openKernel(device, { ...definition, batchSize, seed });
    fault = await findFault(kernel, seed, signal);
    if (fault === undefined) return;
  }
  const { tensor, error, tolerance } = fault!;
  throw new BackendError(
    `${definition.name} on ${device.description} disagrees with the reference: ${tensor} is off by ${error.toExponential(1)} ` +
      `where round-off explains ${tolerance.toExponential(1)}`,
  );
}

async function findFault(kernel: Kernel<string>, seed: number, signal?: AbortSignal): Promise<Fault | undefined> {
  return (await compareKernel(kernel, seed, signal)).map(faultOf).find((found) => found !== undefined);
}

/** A tensor of a kernel beside what the reference says. */
export interface KernelTensor {
  /** For people, such as `the gradient of input x`. */
  readonly tensor: string;
  readonly actual: Float32Array;
  readonly expected: Float64Array;
  /** Absolute error that float32 sums of that many terms explain. */
  readonly tolerance: number;
}

/** A kernel's output and all its gradients on normal random numbers, which `seed` draws, and the reference's. */
export async function compareKernel(
  kernel: Kernel<string>,
  seed: number,
  signal?: AbortSignal,
): Promise<KernelTensor[]> {
  const { graph, batchSize, samples } = kernel;
  const batch = drawBatch(graph, samples, seed);
  const parameters: Record<string, Float32Array> = {};
  for (const name of kernel.parameters.names()) parameters[name] = (await kernel.parameters.get(name)).data;
  const actual = await kernel.backward(batch.inputs, batch.outputGradient, { ...batch, signal });
  throwIfAborted(signal);
  const expected = referencePass(graph, { ...batch, batchSize, parameters }, kernel.length);
  const growth = errorGrowth(graph, samples, expected, batchSize);
  return comparisons(kernel, actual, expected).map(({ direction, terms, ...comparison }) => ({
    ...comparison,
    tolerance: tolerance(comparison.expected, growth, direction, terms),
  }));
}

interface Comparison {
  readonly tensor: string;
  readonly actual: Float32Array;
  readonly expected: Float64Array;
  readonly direction: 'forward' | 'backward';
  /** Size of what cancels in its sums. */
  readonly terms?: number;
}

function comparisons(
  { graph }: Kernel<string>,
  actual: KernelGradients<string>,
  { outputs, inputGradients, gradients, summed }: ReferenceResult,
): Comparison[] {
  const output = outputs[graph.output];
  return [
    { tensor: 'the output', actual: actual.output, expected: output, direction: 'forward' },
    ...Object.entries(inputGradients).map(([name, expected]) => {
      const tensor = `the gradient of input ${name}`;
      return { tensor, actual: actual.inputs[name], expected, direction: 'backward' } as const;
    }),
    ...[...gradients].map(([name, expected]) => {
      const tensor = `the gradient of ${name}`;
      const terms = summed.get(name);
      return { tensor, actual: actual.parameters[name], expected, direction: 'backward', terms } as const;
    }),
  ];
}

function faultOf({ tensor, actual, expected, tolerance }: KernelTensor): Fault | undefined {
  const error = largestError(actual, expected);
  return error <= tolerance ? undefined : { tensor, error, tolerance };
}

/** Largest difference of two arrays; infinite where one is NaN or their lengths differ. */
export function largestError(actual: Float32Array, expected: ArrayLike<number>): number {
  let error = actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    if (!(difference <= error)) error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return error;
}
