import { invalid } from '../errors.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import type { Genotype, GenotypeEdge } from './genotype.ts';
import { checkGenotype } from './genotype-rules.ts';
import { buildNetwork, type CellBuilder, type CellPlace, type Network } from './macro.ts';
import { applyOperation, type Operation, operations } from './operations.ts';

/** Options of {@link buildDerivedNetwork}; the defaults are those of the published evaluation on CIFAR-10. */
export interface DerivedNetworkOptions {
  readonly genotype: Genotype;
  /** [height, width, channels] of an image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Channels of the first cell's nodes; 36 when absent. */
  readonly initChannels?: number;
  /** Number of cells; 20 when absent. */
  readonly layers?: number;
  /** Operations of your own that the genotype names, by name. */
  readonly operations?: Readonly<Record<string, Operation>>;
}

/**
 * Builds the evaluation network of a genotype for small images (arXiv:1806.09055, section 3.2), without auxiliary head and
 * drop path. The graph's input is `images`, its output the loss; parameters are named as in the published code. Throws
 * ArgumentError for a faulty option or an operation that nobody defines.
 */
export function buildDerivedNetwork(options: DerivedNetworkOptions): Network {
  const { genotype, inputShape, classes, initChannels = 36, layers = 20 } = options;
  checkGenotype(genotype);
  const macro = { inputShape, classes, initChannels, layers, stemMultiplier: 3, affine: true };
  return buildNetwork(new GraphBuilder(), macro, cellBuilder(genotype, options.operations ?? {}));
}

function cellBuilder(genotype: Genotype, own: Readonly<Record<string, Operation>>): CellBuilder {
  return (builder, inputs, place) => {
    const { nodes, concat } = genotype[place.type];
    const states: Tensor[] = [...inputs];
    let position = 0;
    for (const edges of nodes) {
      const outputs = edges.map((edge) => buildEdge(builder, states[edge.input], edge, position++, place, own));
      states.push(builder.add(outputs));
    }
    return builder.concat(concat.map((state) => states[state]));
  };
}

function buildEdge(
  builder: GraphBuilder,
  input: Tensor,
  edge: GenotypeEdge,
  position: number,
  { type, layer, channels }: CellPlace,
  own: Readonly<Record<string, Operation>>,
): Tensor {
  const operation = { name: edge.operation, build: findOperation(edge.operation, own) };
  return applyOperation(operation, builder.within(`_ops.${position}`), input, {
    layer: `${layer}._ops.${position}`,
    channels,
    stride: type === 'reduce' && edge.input < 2 ? 2 : 1,
    affine: true,
    normalisePooling: false,
  });
}

function findOperation(name: string, own: Readonly<Record<string, Operation>>): Operation {
  for (const table of [own, operations]) if (Object.hasOwn(table, name)) return table[name];
  const known = Object.keys({ ...operations, ...own }).join(', ');
  throw invalid('an operation of the genotype', `one of ${known} (give your own as options.operations)`, name);
}
