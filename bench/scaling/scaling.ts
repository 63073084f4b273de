// How a first-order search step grows with batch, channels, cells and threads. Options: --rounds, --json FILE, --svg FILE
// (default bench/scaling.svg).
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { median } from '../../src/kernels/statistics.ts';
import { allowedProcessors } from '../../src/processors.ts';
import { costOf } from '../../src/report/cost.ts';
import { openOurStep } from '../step/ours.ts';
import { count } from '../support/arguments.ts';
import { machine } from '../support/machine.ts';
import { figure, printTable, writeJson } from '../support/report.ts';
import { passes, type StepSizes } from '../support/work.ts';
import { type Chart, chartsToSvg } from './chart.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    json: { type: 'string' },
    svg: { type: 'string', default: 'bench/scaling.svg' },
  },
});
const rounds = count('rounds', values.rounds, 3);
const base: StepSizes = { batch: 16, channels: 16, layers: 8, threads: allowedProcessors() };
const sweeps: Readonly<Record<Exclude<keyof StepSizes, 'size'>, readonly number[]>> = {
  batch: [1, 2, 4, 8, 16, 32, 64, 128],
  channels: [4, 8, 16, 32, 64],
  layers: [2, 4, 8, 12, 16, 20],
  threads: Array.from({ length: allowedProcessors() }, (_, i) => i + 1),
};

/** Median seconds of a step after one to warm up, and its multiply-accumulates an image. */
async function measure(sizes: StepSizes): Promise<{ seconds: number; macs: number }> {
  const ours = await openOurStep({ work: 'first order', ...sizes });
  await ours.time();
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await ours.time());
  ours.close();
  return { seconds: median(times), macs: costOf(ours.program!.graph).multiplyAccumulates };
}

const charts: Chart[] = [];
for (const [name, sizes] of Object.entries(sweeps)) {
  const points = [];
  for (const size of sizes) {
    const options = { ...base, [name]: size };
    points.push({ size, batch: options.batch, ...(await measure(options)) });
  }
  console.log(`\nfirst-order step by ${name} (otherwise ${JSON.stringify(base)})`);
  printTable(
    points.map(({ size, seconds, macs, batch }) => ({
      [name]: size,
      ms: figure(seconds * 1e3),
      'images/s': figure(batch / seconds),
      'GFLOP/s': figure((2 * macs * batch * passes['first order']) / seconds / 1e9),
    })),
  );
  charts.push({
    title: `step by ${name}`,
    xLabel: name,
    points: points.map(({ size, seconds }) => [size, seconds * 1e3]),
  });
}
writeFileSync(values.svg, chartsToSvg(charts, 'milliseconds'));
if (values.json) writeJson(values.json, { machine: machine(), base, charts });
