import type { Command } from 'commander';
import { type BackendName, backendNames } from '../backend/device.ts';
import { describeBackends, openDevice } from '../backend/open.ts';
import { invalid, throwIfAborted } from '../errors.ts';
import { type KernelName, kernelNames } from '../kernels/catalogue.ts';
import { checkKernel } from '../kernels/check.ts';
import { type Contestant, measureKernel } from '../kernels/measure.ts';
import { invalidWord } from '../suggest.ts';
import { type BenchCase, type BenchShape, checkBatchSize, planCases } from './bench_cases.ts';
import { type BenchProgress, createBenchProgress } from './bench_progress.ts';
import { type BenchResult, benchLines, describeBench } from './bench_report.ts';
import { wrapped } from './format.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import { integerParser } from './options.ts';

interface BenchFlags {
  readonly backend?: readonly BackendName[];
  readonly shape?: BenchShape;
  readonly runs?: number;
  readonly threads?: number;
  readonly json?: boolean;
}

/** The first cell of the published search on CIFAR-10: batch 64, 16 channels. */
const publishedShape: BenchShape = [64, 32, 32, 16];

/** Of a tensor: 4 GiB. */
const maxElements = 2 ** 30;

const examples = `
Kernels: ${wrapped(kernelNames.join(', '), 70)}.
Each is what 'dartsmith/kernels' exports under that name, in the forms that the
published networks use.

Before a kernel is timed, its output and all gradients are checked once against
a float64 reference, on 8x8 images (smaller where the shape is), a few of them,
with all channels: the reference is slow. A kernel that disagrees ends the
command.

Timed is a training pass: forward, then backward for the gradients of every
input and parameter. Only kernels count, as the backend measures them, not the
copies of inputs and results. Columns: median and IQR (interquartile range) in
milliseconds; GB/s counts each input, output, parameter and gradient once,
GFLOP/s a multiply-add twice; 'of peak' is the larger share of what the device
did at best, in arithmetic or in reading memory, in the same run (above 100%
where caches serve). With several backends they take turns, and the last column
is the time of each divided by that of the first.

Examples:
  dartsmith bench
  dartsmith bench separable mixedEdge --shape 64x16x16x32
  dartsmith bench relu --backend ${backendNames.slice(0, 2).join(',')} --runs 50
  dartsmith bench --threads 1 --json > kernels.json`;

/** Adds `dartsmith bench`. */
export function addBenchCommand(program: Command): void {
  const list = backendNames.join(', ');
  program
    .command('bench')
    .summary('time single kernels on the backends of this machine')
    .description('Times kernels of the catalogue, each alone, and compares backends side by side.')
    .argument('[kernel...]', 'names of kernels, listed below (default: all)')
    .option(
      '--backend <names>',
      `of ${list}; several with commas, or the option again (default: all that can be used here)`,
      readBackends,
    )
    .option('--shape <NxHxWxC>', 'batch, height, width, channels (default: 64x32x32x16)', readShape)
    .option('--runs <number>', 'runs that count (default: 20)', integerParser('--runs', 1))
    .option('--threads <number>', 'CPU threads (default: all cores)', integerParser('--threads', 1))
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples)
    .action(bench);
}

async function bench(words: readonly string[], flags: BenchFlags): Promise<void> {
  const { json, runs = 20, shape = publishedShape } = flags;
  const { cases, skipped } = planCases(words.map(readKernel), shape);
  const progress = createBenchProgress(process.stderr, process.env, cases.length);
  const interrupt = listenForInterrupt(({ notice }) => progress.notice(notice));
  const contestants: Contestant[] = [];
  try {
    await openContestants(flags, contestants, progress, interrupt.signal);
    for (const { name, reason } of skipped) progress.notice(`${name} is left out: ${reason}`);
    const results: BenchResult[] = [];
    for (const benchCase of cases) {
      results.push(
        ...(await runCase(benchCase, contestants, { batchSize: shape[0], runs }, progress, interrupt.signal)),
      );
    }
    progress.close();
    const report = describeBench({ shape, runs, contestants, results, skipped });
    process.stdout.write(`${json ? JSON.stringify(report) : benchLines(report).join('\n')}\n`);
  } catch (error) {
    throw worded(error);
  } finally {
    progress.close();
    interrupt[Symbol.dispose]();
    for (const { device } of contestants) device.dispose();
  }
}

/** Opens every backend and measures its peak; those opened so far are in `contestants` when one fails. */
async function openContestants(
  { backend, threads }: BenchFlags,
  contestants: Contestant[],
  progress: BenchProgress,
  signal: AbortSignal,
): Promise<void> {
  for (const name of backend ?? (await usableBackends())) {
    const device = await openDevice({ backend: name, threads });
    progress.show(`measuring what ${device.description} does at best`);
    try {
      contestants.push({ name, device, peak: await device.measurePeak() });
    } catch (error) {
      device.dispose();
      throw error;
    }
    throwIfAborted(signal);
  }
}

async function runCase(
  { kernel, definition, checked }: BenchCase,
  contestants: readonly Contestant[],
  { batchSize, runs }: { readonly batchSize: number; readonly runs: number },
  progress: BenchProgress,
  signal: AbortSignal,
): Promise<BenchResult[]> {
  progress.begin(definition.name);
  for (const { device } of contestants) {
    await checkKernel(device, checked, { batchSize: checkBatchSize(checked), signal });
  }
  const onRound = (round: number) => progress.step(`run ${round} of ${runs}`);
  const comparisons = await measureKernel(definition, contestants, { batchSize, runs, signal, onRound });
  return comparisons.map(({ figures, ...comparison }) => {
    const backends = Object.fromEntries(contestants.map(({ name }, index) => [name, figures[index]]));
    return { kernel, name: definition.name, ...comparison, backends };
  });
}

/**
 * The backends that can be used here and that time their kernels, best first; where there is none, the one whose error says
 * what to do. Not the simulator of the CUDA kernels, which is for tests and thousands of times as slow: that has to be named.
 */
async function usableBackends(): Promise<readonly BackendName[]> {
  const usable = (await describeBackends()).filter(
    (backend) => backend.usable && !['tfjs', 'simt'].includes(backend.name),
  );
  const names = backendNames.filter((name) => usable.some((backend) => backend.name === name));
  return names.length > 0 ? names : ['cpu'];
}

function readKernel(word: string): KernelName {
  const name = kernelNames.find((known) => known === word);
  if (name !== undefined) return name;
  throw invalidWord('KERNEL', kernelNames, word);
}

/** One `--backend`, after those before it. */
function readBackends(text: string, before: readonly BackendName[] = []): readonly BackendName[] {
  const names = text.split(',').map((word) => {
    const name = backendNames.find((known) => known === word.trim());
    if (name === undefined) throw invalidWord('--backend', backendNames, word.trim());
    return name;
  });
  return [...new Set([...before, ...names])];
}

function readShape(text: string): BenchShape {
  const sizes = /^(\d+)x(\d+)x(\d+)x(\d+)$/i.exec(text)?.slice(1).map(Number) ?? [];
  const [batch, height, width, channels] = sizes;
  const elements = sizes.reduce((product, size) => product * size, 1);
  if (sizes.length === 4 && elements >= 1 && elements <= maxElements) return [batch, height, width, channels];
  throw invalid('--shape', 'NxHxWxC (batch, height, width, channels; at least 1 each, 2^30 in all)', text);
}
