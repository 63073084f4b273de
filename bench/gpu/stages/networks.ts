import { deviceTensors, expectedTensors, prepareGraph } from '../../../test/helpers/kernel_case.ts';
import { smoothSupernet, tinySupernet } from '../../../test/helpers/tiny_supernet.ts';
import { distance } from '../compare.ts';
import { type Context, openOracle } from '../context.ts';
import { type Check, type StageOutcome, within } from '../outcome.ts';
import { gradientsOf, hypergradientOf, type PassTensors, supernetOf } from '../pass.ts';
import { leastDeviation, yardstickFactor } from '../tolerances.ts';
import { checkPass, measureYardstick, type Pass } from '../yardstick.ts';

/** Loss and gradients of supernets: a tiny one against the float64 reference, the real one against the CPU engine. */
export async function checkSupernet(context: Context): Promise<StageOutcome> {
  context.progress('a tiny supernet against the float64 reference');
  const checks = await againstReference(context);
  context.keep({ checks });
  const graph = supernetOf(context.sizes.network);
  const { batch } = context.sizes.network;
  checks.push(
    ...(await againstCpu(context, 'supernet', (device, options) => gradientsOf(device, graph, batch, options))),
  );
  return { checks };
}

/** The hypergradient of a network without kinks and of the real supernet, against the CPU engine's. */
export async function checkHypergradient(context: Context): Promise<StageOutcome> {
  const { batch } = context.sizes.network;
  const networks = [
    ['smooth supernet', smoothSupernet(), 6],
    ['supernet', supernetOf(context.sizes.network), batch],
  ] as const;
  const checks: Check[] = [];
  for (const [title, graph, batchSize] of networks) {
    const pass: Pass = (device, options) => hypergradientOf(device, graph, batchSize, options);
    checks.push(...(await againstCpu(context, title, pass, ['hypergradient'])));
    context.keep({ checks });
  }
  return { checks };
}

/** A device may be so many times as far from the truth as the CPU engine is. */
async function againstReference({ device }: Context): Promise<Check[]> {
  const prepared = prepareGraph(tinySupernet(), 6);
  using oracle = await openOracle();
  const [cpu, actual] = [await deviceTensors(oracle, prepared), await deviceTensors(device, prepared)];
  const groups = new Map<string, { actual: number[]; cpu: number[]; expected: number[] }>();
  for (const [tensor, { values }] of expectedTensors(prepared)) {
    const name = tensor.startsWith('gradient') ? 'gradients' : tensor === 'loss' ? 'loss' : 'output and statistics';
    const group = groups.get(name) ?? { actual: [], cpu: [], expected: [] };
    groups.set(name, group);
    group.expected.push(...values);
    group.actual.push(...(actual.get(tensor) ?? []));
    group.cpu.push(...(cpu.get(tensor) ?? []));
  }
  return [...groups].map(([name, { actual, cpu, expected }]) => {
    const known = distance(Float32Array.from(cpu), expected);
    const error = distance(Float32Array.from(actual), expected);
    return within(`tiny supernet, fp32: ${name}`, error, leastDeviation + yardstickFactor * known);
  });
}

async function againstCpu(
  context: Context,
  network: string,
  pass: Pass,
  shown: readonly string[] = [],
): Promise<Check[]> {
  const { device, precisions, progress } = context;
  progress(`${network}: the CPU engine, in several ways`);
  const yardstick = await measureYardstick(pass);
  const checks: Check[] = [];
  for (const precision of precisions) {
    for (const fusion of ['on', 'off'] as const) {
      const title = `${network}, fusion ${fusion}`;
      progress(`${title}, ${precision}`);
      const tensors: PassTensors = await pass(device, { precision, fusion });
      checks.push(...checkPass(tensors, { title, precision, shown }, yardstick));
    }
  }
  return checks;
}
