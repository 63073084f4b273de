// The published auxiliary head begins with a ReLU in place: whoever reads the cell's output behind it reads it rectified.
import { describe, expect, it } from 'vitest';
import type { GenotypeCell } from '../../../src/genotype/genotype.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { normal } from '../../../src/random/philox.ts';
import { type ReferenceResult, runReference } from '../../../src/reference/interpreter.ts';

const cell: GenotypeCell = {
  nodes: [
    [
      { operation: 'sep_conv_3x3', input: 0 },
      { operation: 'skip_connect', input: 1 },
    ],
  ],
  concat: [2],
};

function network(layers: number): { graph: Graph; logits: number } {
  const genotype = { normal: cell, reduce: cell };
  // Reduced twice to the 6x6 pixels that the head wants at least.
  const side = 24;
  return buildDerivedNetwork({
    ...{ genotype, inputShape: [side, side, 1], classes: 3, initChannels: 2, layers, auxiliaryWeight: 0.4 },
  });
}

/** The graph as PyTorch runs it: nodes behind the head's ReLU read that in place of the cell's output. */
function inPlace(graph: Graph): Graph {
  const pool = graph.nodes.find((node) => node.op === 'avgPool' && node.kernel[0] === 5)!;
  const [relu] = pool.inputs;
  const [cellOutput] = graph.nodes[relu].inputs;
  const nodes = graph.nodes.map((node) =>
    node.id <= relu ? node : { ...node, inputs: node.inputs.map((id) => (id === cellOutput ? relu : id)) },
  );
  return { ...graph, nodes };
}

function run(graph: Graph): ReferenceResult {
  const parameters = new Map(
    graph.parameters.map(({ name, shape }, index) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const drawn = normal({ seed: 7, purpose: 'weights', epoch: 0, step: index }, size);
      return [name, Float64Array.from(drawn, (value) => (name.endsWith('running_var') ? 1 : value / 2))] as const;
    }),
  );
  const images = graph.nodes.find(({ op }) => op === 'input')!;
  const pixels = 2 * images.shape.reduce((product, length) => product * length, 1);
  const input = normal({ seed: 7, purpose: 'split', epoch: 0, step: 0 }, pixels);
  return runReference(graph, {
    ...{
      batchSize: 2,
      parameters,
      inputs: { images: Float64Array.from(input) },
      labels: Int32Array.of(0, 2),
      training: true,
    },
  });
}

describe("the auxiliary head's ReLU, in place or not", () => {
  it.each([4])('is the same with %i layers, to the last bit', (layers) => {
    const { graph } = network(layers);
    const [ours, theirs] = [run(graph), run(inPlace(graph))];
    expect(theirs.loss).toBe(ours.loss);
    for (const [name, gradient] of ours.gradients) expect(theirs.gradients.get(name), name).toEqual(gradient);
  });

  it.each([2, 3])('matters with %i layers: there ours learns from what it is scored on', (layers) => {
    const { graph, logits } = network(layers);
    expect(run(inPlace(graph)).loss).not.toBeCloseTo(run(graph).loss!, 3);
    const pooled = graph.nodes[graph.nodes[logits].inputs[0]];
    expect(graph.nodes[pooled.inputs[0]].op).not.toBe('relu');
  });
});
