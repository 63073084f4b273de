// Networks that CDARTS retrains, as NNI has them, on a backend against what PyTorch gave in float64.
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import type { BackendName, Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { Genotype } from '../../src/genotype/genotype.ts';
import { genotypes } from '../../src/genotype/published.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { spaces } from '../../src/space/space.ts';
import { cdartsBatch, cdartsRetrained, type cdartsRetrainedNames, cdartsWeight, checksums } from './cdarts_goldens.ts';
import { fromTorch, toTorch } from './exchange.ts';
import { expectGolden, gathered } from './golden_cases.ts';
import { batchSize, classes, gradClip, rates, training } from './goldens.ts';

type Golden = (typeof cdartsRetrainedNames)[number];
type Tensors = Map<string, TorchTensor>;

const candidates = spaces['cdarts'].candidates as readonly string[];
/** Candidates by index and input of each node, as make_cdarts.py has them. */
function genotypeOf(
  cells: Readonly<Record<'normal' | 'reduce', readonly (readonly (readonly number[])[])[]>>,
): Genotype {
  const cell = (nodes: readonly (readonly (readonly number[])[])[]) => ({
    nodes: nodes.map((edges) => edges.map(([input, index]) => ({ operation: candidates[index], input }))),
    concat: [2, 3, 4, 5],
  });
  return { normal: cell(cells.normal), reduce: cell(cells.reduce) };
}

const retrained: Readonly<Record<Golden, Genotype>> = {
  cdarts_retrained: genotypes['CDARTS_CIFAR'],
  cdarts_retrained_others: genotypeOf({
    normal: [
      [
        [0, 1],
        [1, 5],
      ],
      [
        [0, 0],
        [2, 4],
      ],
      [
        [1, 2],
        [3, 6],
      ],
      [
        [0, 3],
        [4, 1],
      ],
    ],
    reduce: [
      [
        [0, 1],
        [1, 5],
      ],
      [
        [1, 6],
        [2, 1],
      ],
      [
        [0, 4],
        [1, 2],
      ],
      [
        [3, 0],
        [4, 5],
      ],
    ],
  }),
};

/** Tests of both networks on a backend, of the CPU with one of its instruction sets. */
export function describeRetrainedGoldens(backend: BackendName, instructionSet?: string): void {
  describe.each(Object.entries(retrained) as [Golden, Genotype][])(
    `PyTorch's golden %s on ${instructionSet ?? backend}`,
    (golden, genotype) => {
      let device: Device;
      beforeAll(async () => {
        device = await openDevice({ backend, threads: 2, instructionSet });
      });
      afterAll(() => device?.dispose());

      it('holds of both heads and of training steps', async () => {
        const { channels: initChannels, layers, size, steps } = cdartsRetrained;
        const { graph, logits } = buildDerivedNetwork({
          ...{ genotype, skeleton: 'cdarts', inputShape: [size, size, 3], classes, initChannels, layers },
          ...{ auxiliaryWeight: training.auxiliaryWeight, labelSmoothing: training.labelSmoothing },
        });
        const heads = { logits, auxiliary: headOf(graph) };
        using parameters = await device.createParameters(graph, { seed: 0 });
        await writeStart(parameters);
        using program = device.compile(graph, { batchSize, parameters });
        const read = Object.values(heads);
        const ours: Tensors = new Map();
        const note = (names: readonly string[], outputs: ReadonlyMap<number, Float32Array> | undefined) => {
          for (const [place, node] of read.entries()) {
            ours.set(names[place], { shape: [batchSize, classes], data: Float64Array.from(outputs!.get(node)!) });
          }
        };
        const first = await gathered(device, cdartsBatch(golden, 'train', 0), size);
        const tested = await program.evaluate({ batch: first, statistics: 'running', read });
        note(['testLogits', 'testAuxiliary'], tested.outputs);
        first.dataset.dispose();
        const [losses, norms]: [number[], number[]] = [[], []];
        for (let step = 0; step < steps; step++) {
          const batch = await gathered(device, cdartsBatch(golden, 'train', step), size);
          const pass = await program.gradients({ batch, target: 'weights', read });
          if (step === 0) {
            note(['logits', 'auxiliary'], pass.outputs);
            for (const [name, sums] of await sumsOf(parameters, 'gradient')) ours.set(name, sums);
          }
          const [{ gradientNorm }] = await device.execute([{ kind: 'sgd', parameters, ...rates, maxNorm: gradClip }]);
          losses.push(pass.loss!);
          norms.push(gradientNorm!);
          batch.dataset.dispose();
        }
        ours.set('loss', { shape: [steps], data: Float64Array.from(losses) });
        ours.set('gradientNorm', { shape: [steps], data: Float64Array.from(norms) });
        for (const group of ['weight', 'buffer'] as const) {
          for (const [name, sums] of await sumsOf(parameters, group)) ours.set(name, sums);
        }
        expectGolden(golden, ours);
      });
    },
  );
}

/** The node of the auxiliary head's logits. */
function headOf({ nodes }: Graph): number {
  return nodes.find((node) => node.op === 'linear' && node.weight.startsWith('aux_head.'))!.id;
}

async function writeStart(parameters: Parameters): Promise<void> {
  for (const [name, { spec, size }] of parameters.map.places) {
    if (spec.role !== 'weight') continue;
    const { shape } = toTorch({ shape: spec.shape, data: new Float64Array(size) }, spec.layout);
    await parameters.set(name, Float32Array.from(fromTorch(cdartsWeight(`R.${name}`, shape), spec.layout).data));
  }
}

async function sumsOf(parameters: Parameters, group: 'gradient' | 'weight' | 'buffer'): Promise<Tensors> {
  const tensors: Tensors = new Map();
  for (const [name, { spec }] of parameters.map.places) {
    if (spec.role !== (group === 'buffer' ? 'buffer' : 'weight')) continue;
    const values = group === 'gradient' ? await parameters.gradient(name) : await parameters.get(name);
    tensors.set(`R.${name}`, toTorch(values, spec.layout));
  }
  return checksums(group, tensors);
}
