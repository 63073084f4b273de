// One DARTS search step on the CPU, ours and PyTorch's in turn. Options: --batch --channels --layers --threads --rounds,
// --unrolled (second order too), --tuned (PyTorch at its best too), --profile (our step by kernel, nothing else), --json FILE.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { openTorchPeer, type TorchForm, type TorchPeer } from '../peers/torch.ts';
import { count } from '../support/arguments.ts';
import { machine } from '../support/machine.ts';
import { alternate, type Measurement } from '../support/measure.ts';
import { figure, printTable, writeJson } from '../support/report.ts';
import { type Order, type OurStep, openOurStep, type StepOptions } from './ours.ts';
import { profilePasses } from './profile.ts';

interface StepResult extends Measurement {
  readonly order: Order;
  readonly peakBytes: number;
}

// Of one forward pass each: alpha 2 (forward, data), weights 3 (and weight gradients). First order: 2 + 3. Second: 3 for
// the unrolled step, 3 at the unrolled weights, twice 2 for the finite difference, 3 for the weight step.
const passes: Readonly<Record<Order, number>> = { 1: 5, 2: 13 };

/** Measures search steps and prints them as a table. Throws ArgumentError for a bad option. */
export async function benchStep(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      batch: { type: 'string' },
      channels: { type: 'string' },
      layers: { type: 'string' },
      threads: { type: 'string' },
      rounds: { type: 'string' },
      unrolled: { type: 'boolean', default: false },
      tuned: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  });
  const options: StepOptions = {
    batch: count('batch', values.batch, 64),
    channels: count('channels', values.channels, 16),
    layers: count('layers', values.layers, 8),
    threads: count('threads', values.threads, availableParallelism()),
  };
  const rounds = count('rounds', values.rounds, 3);
  const forms: TorchForm[] = values.tuned ? ['published', 'tuned'] : ['published'];
  const ours = await openOurStep(options);
  if (values.profile) {
    await profilePasses(ours.program);
    return ours.close();
  }
  const torch = await openTorchPeer((reason) => console.log(`PyTorch is left out: ${reason}`));
  try {
    const { batch, channels, layers, threads } = options;
    console.log(`search step: C ${channels}, ${layers} layers, batch ${batch}, 32x32x3, ${threads} threads`);
    console.log(`ours: ${ours.description}${torch ? `; PyTorch ${torch.version}` : ''}; ${rounds} rounds in turn\n`);
    const results: StepResult[] = [];
    for (const order of values.unrolled ? ([1, 2] as const) : ([1] as const)) {
      results.push(...(await measure(ours, torch, order, forms, options, rounds)));
    }
    printTable(results.map((result) => row(result, ours.macs, batch)));
    if (values.json) writeJson(values.json, { machine: machine(), torch: torch?.version, options, results });
  } finally {
    ours.close();
    await torch?.close();
  }
}

async function measure(
  ours: OurStep,
  torch: TorchPeer | undefined,
  order: Order,
  forms: readonly TorchForm[],
  options: StepOptions,
  rounds: number,
): Promise<StepResult[]> {
  const peaks = new Map<string, number>();
  const rivals = (torch ? forms : []).map((form) => {
    const name = `PyTorch, ${form}`;
    const run = async () => {
      const { seconds, peakBytes } = await torch!.time({ form, order, ...options });
      peaks.set(name, peakBytes);
      return seconds;
    };
    return { name, run };
  });
  const measured = await alternate([{ name: 'dartsmith', run: () => ours.time(order) }, ...rivals], rounds);
  return measured.map((result) => ({ ...result, order, peakBytes: peaks.get(result.name) ?? ours.peakBytes(order) }));
}

function row({ name, order, median, spread, ratio, peakBytes }: StepResult, macs: number, batch: number) {
  return {
    step: order === 1 ? 'first order' : 'second order',
    by: name,
    seconds: figure(median),
    spread: figure(spread),
    'images/s': figure(batch / median),
    // Counted alike for all: the arithmetic that a step needs, not what a form does beyond it.
    'GFLOP/s': figure((2 * macs * batch * passes[order]) / median / 1e9),
    'peak MB': figure(peakBytes / 1e6),
    'times ours': figure(ratio),
  };
}

if (import.meta.filename === process.argv[1]) await benchStep(process.argv.slice(2));
