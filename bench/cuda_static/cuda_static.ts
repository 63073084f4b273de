// What can be known of the CUDA kernels without a GPU: registers, spills, shared memory and occupancy of every kernel on every
// architecture, and how long a search step takes at the least on an A100, an H100, an H200 and an RTX 4090, from the launches that
// the engine makes, their counted bytes and FLOPs, and the data sheets. Everything here is computed, nothing measured.
// Options: --precision fp32,tf32,bf16 --batch --channels --layers (of the published search) --jobs N --json FILE.
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { type Precision, precisions } from '../../src/backend/device.ts';
import { invalid } from '../../src/errors.ts';
import { presets } from '../../src/methods/darts/settings.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { allowedProcessors } from '../../src/processors.ts';
import { count } from '../support/arguments.ts';
import { machine } from '../support/machine.ts';
import { figure, printTable, type Row, writeJson } from '../support/report.ts';
import { compileAll, reportCode, reportSpills } from './check.ts';
import { type CompiledKernel, cudaSources, findToolkit, type Toolkit } from './compile.ts';
import { type Gpu, gpus } from './hardware.ts';
import { type Occupancy, occupancies } from './occupancy.ts';
import { rooflineOf, sumOf, workOf } from './roofline.ts';
import {
  believedFactor,
  calibrate,
  calibrationError,
  measuredTiles,
  type StepTimes,
  secondsANode,
  stepTimes,
  tilePaces,
} from './time_model.ts';
import { type Launch, type StepTrace, traceStep } from './trace.ts';

/** Images as of CIFAR-10. */
const shape = [32, 32, 3] as const;
const classes = 10;

interface TracedStep extends StepTrace {
  readonly order: 'first' | 'second';
  readonly precision: Precision;
}

/** Prints all of it. Throws ArgumentError for a bad option. */
export async function benchCudaStatic(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      precision: { type: 'string', default: precisions.join(',') },
      batch: { type: 'string' },
      channels: { type: 'string' },
      layers: { type: 'string' },
      jobs: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const sizes = {
    batch: count('batch', values.batch, published.batch),
    channels: count('channels', values.channels, published.channels),
    layers: count('layers', values.layers, published.layers),
  };
  const chosen = values.precision.split(',').map(precisionOf);
  const jobs = count('jobs', values.jobs, allowedProcessors());

  console.log('Computed, not measured: no kernel ran. What is assumed stands beside each table.\n');
  const steps = await traceSteps(chosen, sizes);
  const toolkit = findToolkit();
  const kernels = toolkit === undefined ? [] : await compileAll(toolkit, jobs);
  const resources = toolkit === undefined ? [] : printResources(toolkit, kernels, steps);
  if (toolkit === undefined) console.log('no nvcc on the PATH: registers, spills and occupancy are left out\n');
  printRates();
  for (const step of steps.filter(({ order }) => order === 'first')) printStep(step, sizes.batch);
  const summary = steps.map(summaryOf);
  console.log('\nA search step as one graph launch, computed:');
  printTable(summary.map(summaryRow));
  console.log(
    `"latency" adds nothing to the times beside it: kernel nodes at ${secondsANode * 1e6} us each, an assumption.`,
  );
  const model = toolkit === undefined ? undefined : printModel(kernels, steps, sizes);
  if (values.json)
    writeJson(values.json, {
      machine: machine(),
      nvcc: toolkit?.version,
      sizes,
      gpus,
      resources,
      summary,
      model,
      steps,
    });
}

type Sizes = Readonly<Record<'batch' | 'channels' | 'layers', number>>;

/** Of the published search, whose times an H100 has measured. */
const published: Sizes = {
  batch: presets.paper.settings.batchSize,
  channels: presets.paper.settings.initChannels,
  layers: presets.paper.settings.layers,
};

async function traceSteps(chosen: readonly Precision[], { batch, channels, layers }: Sizes): Promise<TracedStep[]> {
  const { graph } = buildSupernet({ inputShape: shape, classes, initChannels: channels, layers });
  const steps: TracedStep[] = [];
  for (const order of ['first', 'second'] as const) {
    for (const precision of chosen) {
      const options = { graph, shape, classes, batchSize: batch, precision, unrolled: order === 'second' };
      steps.push({ ...(await traceStep(options)), order, precision });
    }
  }
  return steps;
}

function precisionOf(text: string): Precision {
  const precision = precisions.find((name) => name === text);
  if (precision === undefined) throw invalid('--precision', `names among ${precisions.join(', ')}`, text);
  return precision;
}

/** Dynamic shared memory of each kernel where a step needs most of it. */
function sharedOf(steps: readonly TracedStep[]): Map<string, number> {
  const result = new Map<string, number>();
  for (const { kernel, dynamicSharedBytes } of steps.flatMap(({ launches }) => launches)) {
    result.set(kernel, Math.max(result.get(kernel) ?? 0, dynamicSharedBytes));
  }
  return result;
}

interface KernelReport extends CompiledKernel {
  /** Undefined where no step of the setting launches the kernel. */
  readonly dynamicSharedBytes?: number;
  readonly occupancy: Occupancy;
}

function printResources(toolkit: Toolkit, kernels: readonly CompiledKernel[], steps: readonly TracedStep[]) {
  const shared = sharedOf(steps);
  const known = new Set(kernels.map(({ kernel }) => kernel));
  for (const kernel of shared.keys()) {
    if (!known.has(kernel) && kernel !== 'clear' && kernel !== 'copy') {
      throw new Error(`expected ${kernel}, which a step launches, among the compiled kernels`);
    }
  }
  const launches = kernels.map((kernel) => ({ kernel, dynamicSharedBytes: shared.get(kernel.kernel) ?? 0 }));
  const reports = occupancies(toolkit, launches).map(
    (occupancy, i): KernelReport => ({ ...kernels[i], dynamicSharedBytes: shared.get(kernels[i].kernel), occupancy }),
  );
  for (const architecture of cudaSources().architectures) {
    console.log(
      `sm_${architecture}, nvcc ${toolkit.version}; blocks of 256 threads on a multiprocessor, by cuda_occupancy.h:`,
    );
    printTable(reports.filter((report) => report.architecture === architecture).map(resourceRow));
    console.log();
  }
  for (const { kernel, architecture, occupancy } of reports) {
    if (occupancy.blocks === 0) console.log(`${kernel} does not fit on sm_${architecture}: ${occupancy.limitedBy}`);
  }
  reportSpills(kernels);
  console.log();
  reportCode(kernels);
  console.log();
  return reports;
}

function resourceRow({ kernel, occupancy, ...report }: KernelReport): Row {
  return {
    kernel,
    registers: report.registers,
    'stack B': report.stackBytes,
    'spill stores B': report.spillStoreBytes,
    'spill loads B': report.spillLoadBytes,
    // A kernel that no step of the setting launches has no size of its own there.
    'shared B':
      report.dynamicSharedBytes === undefined ? '-' : String(report.staticSharedBytes + report.dynamicSharedBytes),
    blocks: occupancy.blocks,
    occupancy: `${Math.round(100 * occupancy.share)}%`,
    'limited by': occupancy.limitedBy,
  };
}

function printRates(): void {
  console.log('Rates of the data sheets (dense, no sparsity), by which all times are computed:');
  printTable(
    gpus.map(({ name, bytesPerSecond, flopsPerSecond, productFlopsPerSecond: products, source }) => ({
      GPU: name,
      'GB/s': bytesPerSecond / 1e9,
      'fp32 TFLOP/s': flopsPerSecond / 1e12,
      'tf32 products': products.tf32 / 1e12,
      'bf16 products': products.bf16 / 1e12,
      source,
    })),
  );
  console.log(`
A step takes the longer of its bytes over GB/s and its arithmetic: FLOP over the fp32 rate plus product FLOP over the rate of
the step's precision (fp32 products are multiply-adds of the fp32 units). Bytes are each tensor that the kernel must read or
write, once, as the engine counts them, and its scratch memory twice (written, read). Not counted: what caches are
expected to serve (the halo of a tile, a tile that several members read), poolings that combine computes
again (memory-bound by far). Scratch for weight gradients is counted in passes for alpha too, which do not touch it.`);
}

interface Total {
  readonly launches: readonly Launch[];
  readonly name: string;
}

/** By what the engine ran them for: one kernel may do several steps' work. */
function byPart(launches: readonly Launch[]): Total[] {
  const groups = new Map<string, Launch[]>();
  for (const launch of launches) {
    const group = groups.get(launch.part) ?? [];
    groups.set(launch.part, group);
    group.push(launch);
  }
  return [...groups].map(([name, group]) => ({ name, launches: group }));
}

function secondsOf(launches: readonly Launch[], gpu: Gpu, precision: Precision) {
  return sumOf(launches.map((launch) => rooflineOf(launch, gpu, precision)));
}

function printStep({ order, precision, launches, kernelNodes }: TracedStep, batch: number): void {
  const [, h100] = gpus;
  console.log(`\n${order}-order step, ${precision}, batch ${batch}: ${kernelNodes} kernel nodes; computed`);
  const groups = byPart(launches).sort(
    (a, b) => secondsOf(b.launches, h100, precision).seconds - secondsOf(a.launches, h100, precision).seconds,
  );
  printTable([...groups, { name: 'all', launches }].map((group) => stepRow(group, precision)));
}

/** What is below a thousandth counts as nothing in a sum of this size. */
function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toFixed(value >= 10 ? 1 : 3));
}

function stepRow({ name, launches }: Total, precision: Precision): Row {
  const { bytes, flops, productFlops } = workOf(launches);
  const times = gpus.map((gpu) => ({ gpu, ...secondsOf(launches, gpu, precision) }));
  const [, h100] = times;
  return {
    step: name,
    times: launches.length,
    MB: rounded(bytes / 1e6),
    'of it scratch': rounded(launches.reduce((sum, { scratchBytes }) => sum + scratchBytes, 0) / 1e6),
    GFLOP: rounded(flops / 1e9),
    'product GFLOP': rounded(productFlops / 1e9),
    'FLOP/B': rounded((flops + productFlops) / Math.max(bytes, 1)),
    ...Object.fromEntries(times.map(({ gpu, seconds }) => [`${gpu.name} ms`, rounded(seconds * 1e3)])),
    'H100 memory ms': rounded(h100.memorySeconds * 1e3),
    'H100 arithmetic ms': rounded(h100.arithmeticSeconds * 1e3),
  };
}

interface Summary {
  readonly order: string;
  readonly precision: Precision;
  readonly kernelNodes: number;
  readonly bytes: number;
  readonly flops: number;
  readonly seconds: Readonly<Record<string, number>>;
}

function summaryOf({ order, precision, kernelNodes, launches }: TracedStep): Summary {
  const { bytes, flops, productFlops } = workOf(launches);
  const seconds = gpus.map((gpu) => [gpu.name, secondsOf(launches, gpu, precision).seconds] as const);
  return { order, precision, kernelNodes, bytes, flops: flops + productFlops, seconds: Object.fromEntries(seconds) };
}

function summaryRow({ order, precision, kernelNodes, bytes, flops, seconds }: Summary): Row {
  return {
    order,
    precision,
    'kernel nodes': kernelNodes,
    GB: figure(bytes / 1e9),
    GFLOP: figure(flops / 1e9),
    ...Object.fromEntries(gpus.map(({ name }) => [`${name} ms`, figure(seconds[name] * 1e3)])),
    'latency ms': figure(kernelNodes * secondsANode * 1e3),
  };
}

/** What a step of first order is to take by the model on an H100, in seconds. */
const modelGoals: Readonly<Record<Precision, number>> = { fp32: 20e-3, tf32: 16e-3, bf16: 16e-3 };

/** The model of time for steps of first order on all GPUs, printed; undefined, which is told too, where nothing calibrates it. */
function printModel(kernels: readonly CompiledKernel[], steps: readonly TracedStep[], sizes: Sizes) {
  const first = steps.filter(({ order }) => order === 'first');
  const exact = first.find(({ precision }) => precision === 'fp32');
  if (exact === undefined || !isDeepStrictEqual(sizes, published)) {
    console.log('\nno model of time: what it is calibrated by was measured of the published search in fp32');
    return undefined;
  }
  const [, h100] = gpus;
  const paces = tilePaces(exact.launches);
  const fetchCycles = calibrate(paces, h100);
  const error = calibrationError(paces, h100);
  const times = first.flatMap((step) =>
    gpus.map((gpu) => ({ precision: step.precision, gpu: gpu.name, ...stepTimes(step, kernels, gpu, fetchCycles) })),
  );
  const backward = measuredTiles['separable backward'] * 1e3;
  const believed = Math.max(error, 1 / error) <= believedFactor;
  console.log(`
By machine code (time_model.ts): separables by the instructions of their loops, at what a scheduler issues by simulation and
${figure(fetchCycles)} cycles for each that is fetched, which gives the tiles' forward time on an H100; their backward phase it did not see: ${figure(error * backward)} ms
where ${backward} were measured, ${believed ? 'believed' : 'NOT believed'} (a factor of ${believedFactor}). All else by its bytes; nodes one after another at ${secondsANode * 1e6} us, an assumption.`);
  printTable(times.map(timesRow));
  for (const { precision, gpu, step } of times) {
    const goal = modelGoals[precision];
    if (gpu !== h100.name) continue;
    const verdict = step <= goal ? 'met' : 'NOT met';
    console.log(
      `goal: ${precision} by the model on an ${gpu} within ${goal * 1e3} ms: ${figure(step * 1e3)} ms, ${verdict}`,
    );
  }
  return { fetchCycles, calibrationError: error, times };
}

function timesRow({ precision, gpu, ...times }: StepTimes & { precision: Precision; gpu: string }): Row {
  const ms = (seconds: number) => figure(seconds * 1e3);
  return {
    'first order': precision,
    GPU: gpu,
    'separables forward ms': ms(times.separableForward),
    'backward ms': ms(times.separableBackward),
    'the rest ms': ms(times.rest),
    'nodes ms': ms(times.nodes),
    'step ms': ms(times.step),
  };
}

if (import.meta.filename === process.argv[1]) await benchCudaStatic(process.argv.slice(2));
