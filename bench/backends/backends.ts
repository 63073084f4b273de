// Backends side by side in one run: cpu, TensorFlow.js on each of its platforms that loads here, cuda where there is a GPU; on
// the kernel set and on a whole search step. Options: --batch --channels --layers --rounds --threads, --filter TEXT (kernels
// whose name contains it), --without NAMES (contestants to leave out, such as 'tfjs cpu'), --json FILE.
import { parseArgs } from 'node:util';
import type { Device } from '../../src/backend/device.ts';
import { describeBackends, openDevice } from '../../src/backend/open.ts';
import { openTfjsDevice } from '../../src/backend/tfjs/device.ts';
import { describePlatforms } from '../../src/backend/tfjs/platform.ts';
import { drawBatch } from '../../src/kernels/draw.ts';
import { openSearch } from '../gpu/search_steps.ts';
import type { NetworkSize } from '../gpu/sizes.ts';
import { type KernelCase, kernelCases } from '../kernels/cases.ts';
import { count } from '../support/arguments.ts';
import { machine } from '../support/machine.ts';
import { alternate, type Contestant, type Measurement, timed } from '../support/measure.ts';
import { figure, printTable, writeJson } from '../support/report.ts';

/** A device that takes part. */
interface Side {
  /** Such as `cpu` or `tfjs wasm`. */
  readonly name: string;
  readonly device: Device;
}

/** Something that all sides do, measured in turns. */
interface Result {
  readonly work: string;
  readonly measurements: readonly Measurement[];
}

/** Measures backends and prints one table. Throws ArgumentError for a bad option. */
export async function benchBackends(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      batch: { type: 'string' },
      channels: { type: 'string' },
      layers: { type: 'string' },
      rounds: { type: 'string' },
      threads: { type: 'string' },
      filter: { type: 'string', default: '' },
      without: { type: 'string', default: '' },
      json: { type: 'string' },
    },
  });
  const batch = count('batch', values.batch, 4);
  const rounds = count('rounds', values.rounds, 3);
  const threads = values.threads === undefined ? undefined : count('threads', values.threads, 1);
  const size = {
    ...{ batch, image: [32, 32, 3] as const },
    ...{ channels: count('channels', values.channels, 4), layers: count('layers', values.layers, 3) },
  };
  const without = values.without.split(',').map((name) => name.trim());
  const sides = await openSides(threads, without);
  const results: Result[] = [];
  const add = (result: Result) => {
    results.push(result);
    console.error(
      `${result.work}: ${result.measurements.map(({ name, median }) => `${name} ${figure(1e3 * median)} ms`).join(', ')}`,
    );
  };
  try {
    for (const kernelCase of kernelCases().filter(({ name }) => name.includes(values.filter))) {
      add({ work: kernelCase.name, measurements: await measureKernel(sides, kernelCase, batch, rounds) });
    }
    const work = `search step, first order, C ${size.channels}, ${size.layers} cells`;
    add({ work, measurements: await measureStep(sides, size, rounds) });
    for (const { name, device } of sides) console.log(`${name}: ${device.description}`);
    printTable(results.map(row));
    if (values.json) writeJson(values.json, { machine: machine(), batch, results });
  } finally {
    for (const { device } of sides) device.dispose();
  }
}

/** All that can be used here; the CPU engine first, whom the others are compared with. */
async function openSides(threads: number | undefined, without: readonly string[]): Promise<Side[]> {
  const sides: Side[] = [{ name: 'cpu', device: await openDevice({ backend: 'cpu', threads }) }];
  const cuda = (await describeBackends()).some(({ name, usable }) => name === 'cuda' && usable);
  if (cuda) sides.push({ name: 'cuda', device: await openDevice({ backend: 'cuda' }) });
  for (const { platform, usable } of await describePlatforms()) {
    if (usable) sides.push({ name: `tfjs ${platform}`, device: await openTfjsDevice({ platform }) });
  }
  return sides.filter(({ name }) => !without.includes(name));
}

/** Forward and backward of one application of a kernel. */
async function measureKernel(
  sides: readonly Side[],
  { graph, repeats }: KernelCase,
  batch: number,
  rounds: number,
): Promise<Measurement[]> {
  const { inputs, labels } = drawBatch(graph, batch, 0);
  const open: Disposable[] = [];
  const contestants: Contestant[] = [];
  for (const { name, device } of sides) {
    const parameters = await device.createParameters(graph, { seed: 0 });
    const program = device.compile(graph, { batchSize: batch, parameters });
    open.push(program, parameters);
    const pass = () => program.gradients({ batch: { inputs, labels }, target: 'both' });
    contestants.push({ name, run: async () => (await timed(pass)) / repeats });
  }
  const measurements = await alternate(contestants, rounds);
  for (const each of open) each[Symbol.dispose]();
  return measurements;
}

async function measureStep(sides: readonly Side[], size: NetworkSize, rounds: number): Promise<Measurement[]> {
  const searches = await Promise.all(sides.map(({ device }) => openSearch(device, size)));
  const contestants = searches.map((search, i): Contestant => {
    let step = 0;
    return { name: sides[i].name, run: () => timed(() => search.step('first order', step++)) };
  });
  const measurements = await alternate(contestants, rounds);
  for (const search of searches) search[Symbol.dispose]();
  return measurements;
}

/** Medians in milliseconds; behind the first also how many times as long it takes. */
function row({ work, measurements }: Result) {
  const cells = measurements.flatMap(({ name, median, ratio }, index) => [
    [`${name} ms`, figure(1e3 * median)] as const,
    ...(index === 0 ? [] : [[`times ${measurements[0].name}`.concat(' '.repeat(index - 1)), figure(ratio)] as const]),
  ]);
  return { work, ...Object.fromEntries(cells) };
}

if (import.meta.filename === process.argv[1]) await benchBackends(process.argv.slice(2));
