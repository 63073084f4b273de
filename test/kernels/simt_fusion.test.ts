// Fused CUDA kernels against the same graphs run node by node, on the stand-in: random graphs, every kind of pass, given
// mixing weights with zeros, outputs that are read, gradients of inputs.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device, Outcome, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { difference, distanceToKink, imagesOf, labelsOf, type RandomNet, randomNet } from '../helpers/random_net.ts';

// As in fusion.test.ts, where they are explained.
const relativeTolerance = 1e-5;
const kinkDistance = 2e-6;
const seeds = Array.from({ length: 20 }, (_, i) => 7 * i + 1);

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'simt' });
});
afterAll(() => device.dispose());

type Results = Map<string, Float32Array>;
type Roles = readonly ('weight' | 'alpha')[];
type Run = (program: Program) => Promise<Outcome>;

const batchOf = (net: RandomNet, seed: number) => ({ inputs: { images: imagesOf(net, seed) }, labels: labelsOf(net) });

/** All that a pass leaves, by name: loss, outputs, buffers, gradients of inputs and of the parameters in `roles`. */
async function resultsOf(net: RandomNet, seed: number, fusion: 'on' | 'off', roles: Roles, run: Run): Promise<Results> {
  using parameters = await device.createParameters(net.graph, { seed });
  using program = device.compile(net.graph, { batchSize: net.batchSize, parameters, fusion });
  const { loss, outputs, inputGradients } = await run(program);
  const results: Results = new Map([['loss', Float32Array.of(loss ?? Number.NaN)]]);
  for (const [id, values] of outputs ?? []) results.set(`output ${id}`, values);
  for (const [name, values] of Object.entries(inputGradients ?? {})) results.set(`input gradient ${name}`, values);
  for (const name of parameters.names('buffer')) results.set(name, (await parameters.get(name)).data);
  for (const role of roles) {
    for (const name of parameters.names(role))
      results.set(`gradient of ${name}`, (await parameters.gradient(name)).data);
  }
  return results;
}

/** Fails unless both forms agree, or a relu stands at its kink. */
async function expectAgreement(
  net: RandomNet,
  seed: number,
  title: string,
  roles: Roles,
  run: Run,
  mixing?: WholeTables,
): Promise<void> {
  const fused = await resultsOf(net, seed, 'on', roles, run);
  const plain = await resultsOf(net, seed, 'off', roles, run);
  expect([...fused.keys()]).toEqual([...plain.keys()]);
  const { name, relative } = difference(fused, plain);
  if (relative < relativeTolerance) return;
  const given = mixing && { alphas: Float64Array.from(mixing['alphas']) };
  const distance = await distanceToKink(device, net, seed, given);
  expect(distance, `${title}: ${name} differs by ${relative}`).toBeLessThan(kinkDistance);
}

/** Mixing weights of whole tables. */
type WholeTables = Readonly<Record<string, Float32Array>>;

interface Selection {
  readonly kind: string;
  readonly roles: Roles;
  readonly mixing?: WholeTables;
  readonly run: Run;
}

/** The kinds of pass; each graph gets one. */
function selections(net: RandomNet, seed: number): Selection[] {
  const { graph } = net;
  const batch = batchOf(net, seed);
  const both: Roles = ['weight', 'alpha'];
  const length = graph.parameters.find(({ role }) => role === 'alpha')!.rowLengths!.reduce((sum, n) => sum + n, 0);
  const mixing = { alphas: Float32Array.from({ length }, (_, i) => ((i + seed) % 3 === 0 ? 0 : 0.5 / (1 + (i % 4)))) };
  const read = graph.nodes.filter(({ op }) => op === 'globalAvgPool' || op === 'linear').map(({ id }) => id);
  const outputGradient = new Float32Array(0);
  return [
    { kind: 'weights', roles: ['weight'], run: (program) => program.gradients({ batch, target: 'weights' }) },
    { kind: 'alpha', roles: ['alpha'], run: (program) => program.gradients({ batch, target: 'alpha' }) },
    { kind: 'both', roles: both, run: (program) => program.gradients({ batch, target: 'both', read }) },
    {
      kind: 'both, mixing weights given, some zero',
      roles: both,
      mixing,
      run: (program) => program.gradients({ batch, target: 'both', mixing, read }),
    },
    { kind: 'the images', roles: both, run: (program) => program.vjp({ batch, outputGradient }) },
  ];
}

it.each(seeds)('random graph %i, fused and unfused, agrees on all that a pass leaves', async (seed) => {
  const net = randomNet(seed);
  const kinds = selections(net, seed);
  const { kind, roles, mixing, run } = kinds[seed % kinds.length];
  await expectAgreement(net, seed, `gradients of ${kind}`, roles, run, mixing);
});

/** Nodes that the output depends on. */
function liveNodes(graph: Graph): Node[] {
  const live = new Set([graph.output]);
  for (const node of graph.nodes.toReversed()) {
    if (!live.has(node.id)) continue;
    for (const input of node.op === 'mixed' ? node.inputs.slice(1) : node.inputs) live.add(input);
  }
  return graph.nodes.filter(({ id }) => live.has(id));
}

it('an output that fusion leaves without a value is read from an unfused pass', async () => {
  const net = randomNet(3);
  const nodes = liveNodes(net.graph).filter(({ op }) => op === 'batchNorm' || op === 'conv2d');
  const read = nodes.map(({ id }) => id);
  const run: Run = (program) => program.evaluate({ batch: batchOf(net, 3), statistics: 'batch', read });
  const fused = await resultsOf(net, 3, 'on', [], run);
  const plain = await resultsOf(net, 3, 'off', [], run);
  expect(fused.size).toBeGreaterThan(read.length);
  for (const [name, values] of plain) expectSameBits(fused.get(name) ?? new Float32Array(0), values, name);
});
