// One step on the CPU, ours and PyTorch's in turn in one run: first- and second-order search steps and a chain of separable
// convolutions at batch 16 and 64, NAS-Bench-201's step at 64, FairDARTS' at 128, those of StacNAS' stages, CDARTS' joint step and a
// score of DARTS-PT at 64, the evaluation network at 32; steps of a language model at 64. Options: --batch 16,64 --channels --layers
// --work first-order,second-order,nasbench201,fairdarts,search1,search2,cdarts,score,chain,evaluation,
// language-first-order,language-second-order,language-evaluation
// --threads --rounds, --instruction-set NAME (ours, the peak and, where it is avx2, PyTorch's), --profile (our step by kernel, nothing
// else), --precision (of --profile), --json FILE; in the same turns, --against FOLDER (another checkout of ours, built) and
// --memory-limit SIZE (ours within that much).
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Peak, type Precision, precisions } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { sizeParser } from '../../src/cli/options.ts';
import { invalid } from '../../src/errors.ts';
import { allowedProcessors } from '../../src/processors.ts';
import { type JsonLinesProcess, startJsonLines } from '../peers/json_lines.ts';
import { openTorchPeer, type TorchForm, type TorchPeer } from '../peers/torch.ts';
import { count } from '../support/arguments.ts';
import { machine } from '../support/machine.ts';
import { alternate, type Contestant, type Measurement } from '../support/measure.ts';
import { figure, printTable, writeJson } from '../support/report.ts';
import { isLanguageWork, type StepSizes, type Work, works } from '../support/work.ts';
import { arithmeticOf, openOurStep, type StepOptions } from './ours.ts';
import { profilePasses } from './profile.ts';

interface Timing {
  readonly seconds: number;
  readonly peakBytes: number;
}

/** One side of a comparison: how it takes a step. */
interface Side {
  readonly name: string;
  time(work: Work, sizes: StepSizes): Promise<Timing>;
  close(): Promise<void>;
}

interface StepResult extends Measurement {
  readonly work: Work;
  readonly sizes: StepSizes;
  /** Multiply-accumulates of the step for each image. */
  readonly macs: number;
  readonly peakBytes: number;
}

/** The published sizes of search and evaluation, and a chain as wide and deep as the latter. */
const search = { channels: 16, layers: 8, batches: '16,64' };
const wide = { channels: 36, layers: 20 };
/** Those of PTB. */
const language = { layers: 35, batches: '64', size: 10_000 };
const defaults: Readonly<
  Record<Work, { readonly channels: number; readonly layers: number; readonly batches: string; readonly size?: number }>
> = {
  'first order': search,
  'second order': search,
  nasbench201: { ...search, layers: 15, batches: '64' },
  fairdarts: { ...search, batches: '128' },
  search1: { ...search, layers: 14, batches: '64' },
  search2: { ...search, layers: 20, batches: '64' },
  cdarts: { ...search, batches: '64' },
  score: { ...search, batches: '64' },
  chain: { ...wide, batches: '16,64' },
  evaluation: { ...wide, batches: '32' },
  'language first order': { ...language, channels: 300 },
  'language second order': { ...language, channels: 300 },
  'language evaluation': { ...language, channels: 850 },
};

/** What its libraries go by. */
const torchWithoutAvx512 = { ATEN_CPU_CAPABILITY: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2', MKL_ENABLE_INSTRUCTIONS: 'AVX2' };

/** Measures steps and prints them as a table. Throws ArgumentError for a bad option. */
export async function benchStep(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      work: { type: 'string' },
      batch: { type: 'string' },
      channels: { type: 'string' },
      layers: { type: 'string' },
      threads: { type: 'string' },
      rounds: { type: 'string' },
      'instruction-set': { type: 'string' },
      profile: { type: 'boolean', default: false },
      precision: { type: 'string', default: 'fp32' },
      'memory-limit': { type: 'string' },
      json: { type: 'string' },
      against: { type: 'string' },
    },
  });
  const threads = count('threads', values.threads, allowedProcessors());
  const sizesOf = (work: Work, batch: number): StepSizes => {
    const { channels, layers, size } = defaults[work];
    return {
      batch,
      channels: count('channels', values.channels, channels),
      layers: count('layers', values.layers, layers),
      ...(size !== undefined && { size }),
      threads,
    };
  };
  const batchesOf = (work: Work) =>
    (values.batch ?? defaults[work].batches).split(',').map((text) => count('batch', text, 0));
  const chosen = chosenWorks(values.work);
  const instructionSet = values['instruction-set'];
  if (values.profile) {
    const work = values.work === undefined ? 'first order' : chosen[0];
    const sizes = sizesOf(work, batchesOf(work).at(-1)!);
    const ours = await openOurStep({ work, ...sizes, instructionSet, precision: precisionOf(values.precision) });
    await profilePasses(ours.program!);
    return ours.close();
  }
  const rounds = count('rounds', values.rounds, 3);
  if (instructionSet === 'avx2') Object.assign(process.env, torchWithoutAvx512);
  // Before anybody else is started.
  const { description, peak } = await measurePeak(threads, instructionSet);
  const torch = await openTorchPeer((reason) => console.log(`PyTorch is left out: ${reason}`));
  const { against, 'memory-limit': limit } = values;
  const limited = limit && { name: `within ${limit}`, memoryLimitBytes: sizeParser('--memory-limit')(limit) };
  const sides = [
    ourSide({ instructionSet }),
    ...(against ? [ourSide({ name: resolve(against), instructionSet }, resolve(against))] : []),
    ...(limited ? [ourSide({ instructionSet, ...limited })] : []),
    ourSide({ name: 'bf16', precision: 'bf16', instructionSet }),
    ...(torch ? torchSides(torch) : []),
  ];
  try {
    console.log(`dartsmith: ${description}${torch ? `; PyTorch ${torch.version}` : ''}; ${rounds} rounds in turn`);
    console.log(
      `this machine: ${figure(peak.flopsPerSecond / 1e9)} GFLOP/s, ${figure(peak.bytesPerSecond / 1e9)} GB/s\n`,
    );
    const results: StepResult[] = [];
    for (const work of chosen) {
      for (const batch of batchesOf(work)) results.push(...(await measure(sides, work, sizesOf(work, batch), rounds)));
    }
    printTable(results.map((result) => row(result, peak)));
    if (values.json) writeJson(values.json, { machine: machine(), torch: torch?.version, peak, results });
  } finally {
    for (const side of sides) await side.close();
  }
}

function chosenWorks(text: string | undefined): readonly Work[] {
  if (text === undefined) return works;
  return text.split(',').map((name) => {
    const work = works.find((candidate) => candidate.replaceAll(' ', '-') === name);
    if (work === undefined)
      throw invalid('--work', `names among ${works.map((work) => work.replaceAll(' ', '-')).join(', ')}`, name);
    return work;
  });
}

function precisionOf(text: string): Precision {
  const precision = precisions.find((name) => name === text);
  if (precision === undefined) throw invalid('--precision', `one of ${precisions.join(', ')}`, text);
  return precision;
}

async function measurePeak(threads: number, instructionSet?: string): Promise<{ description: string; peak: Peak }> {
  using device = await openDevice({ backend: 'cpu', threads, instructionSet });
  return { description: device.description, peak: await device.measurePeak() };
}

/** This checkout. */
const here = fileURLToPath(new URL('../..', import.meta.url));

/** How a side of ours takes its steps. */
interface OurForm extends Pick<StepOptions, 'precision' | 'instructionSet' | 'memoryLimitBytes'> {
  readonly name?: string;
}

/** Ours in a process of its own, a new one for each kind of step: what an earlier one held must not count. */
function ourSide({ name = 'fp32', ...own }: OurForm, checkout = here): Side {
  let server: JsonLinesProcess | undefined;
  let key = '';
  return {
    name: `dartsmith, ${name}`,
    time: async (work, sizes) => {
      const options: StepOptions = { work, ...sizes, ...own };
      if (key !== JSON.stringify(options)) {
        await server?.close();
        key = JSON.stringify(options);
        server = startJsonLines(process.execPath, ['--import', 'tsx', join(checkout, 'bench/step/server.ts'), key]);
      }
      return (await server?.ask({})) as unknown as Timing;
    },
    close: async () => server?.close(),
  };
}

function torchSides(torch: TorchPeer): Side[] {
  return (['published', 'tuned'] satisfies TorchForm[]).map((form) => ({
    name: `PyTorch, ${form}`,
    time: (work, sizes) => torch.time({ form, work, ...sizes }),
    close: () => torch.close(),
  }));
}

async function measure(sides: readonly Side[], work: Work, sizes: StepSizes, rounds: number): Promise<StepResult[]> {
  const peaks = new Map<string, number>();
  // A language model has one precision.
  const able = isLanguageWork(work) ? sides.filter(({ name }) => !name.includes('bf16')) : sides;
  const contestants = able.map(({ name, time }): Contestant => {
    const run = async () => {
      process.stderr.write(`${work}, batch ${sizes.batch}: ${name}\n`);
      const { seconds, peakBytes } = await time(work, sizes);
      peaks.set(name, peakBytes);
      return seconds;
    };
    return { name, run };
  });
  const macs = arithmeticOf(work, sizes);
  const measured = await alternate(contestants, rounds);
  return measured.map((result) => ({ ...result, work, sizes, macs, peakBytes: peaks.get(result.name) ?? 0 }));
}

function row({ name, work, sizes, macs, median, spread, ratio, peakBytes }: StepResult, peak: Peak) {
  // Counted alike for all: the arithmetic that a step needs, not what a form does beyond it.
  const flopsPerSecond = (2 * macs * sizes.batch) / median;
  return {
    step: work,
    batch: sizes.batch,
    by: name,
    seconds: figure(median),
    spread: figure(spread),
    'images/s': figure(sizes.batch / median),
    'GFLOP/s': figure(flopsPerSecond / 1e9),
    'of peak': `${figure((100 * flopsPerSecond) / peak.flopsPerSecond)}%`,
    'peak MB': figure(peakBytes / 1e6),
    'times ours': figure(ratio),
  };
}

if (import.meta.filename === process.argv[1]) await benchStep(process.argv.slice(2));
