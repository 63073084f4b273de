import { aFunction, aShareBelowOne, check, checkOptional, checkOptions, checkRecord } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { Genotype, GenotypeEdge } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import { applyOperation, operations as knownOperations, type Operation } from '../operation/operations.ts';
import { buildForSize } from './image_size.ts';
import {
  buildNetwork,
  type CellBuilder,
  type CellPlace,
  descriptionNames,
  type Network,
  type StemForm,
} from './macro.ts';

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
  /** `small` images keep their size in the stem (CIFAR), `large` ones are reduced eightfold (ImageNet); `small` when absent. */
  readonly stem?: StemForm;
  /** For training: the weight of the auxiliary head's loss (0.4 as published); no such head when absent. */
  readonly auxiliaryWeight?: number;
  /**
   * For training: the largest probability with which an operation's output is dropped from a sample, unless it is the identity;
   * a batch's `dropout.pathFactor` scales it. No drop path when absent or 0.
   */
  readonly dropPath?: number;
  /** For training: share of a label's probability that is spread over all classes; 0 when absent. */
  readonly labelSmoothing?: number;
  /** Operations of your own that the genotype names, by name. */
  readonly operations?: Readonly<Record<string, Operation>>;
}

const optionNames = [
  'genotype',
  'inputShape',
  'classes',
  'initChannels',
  'layers',
  'stem',
  'auxiliaryWeight',
  'dropPath',
  'labelSmoothing',
  'operations',
];

/**
 * Builds the evaluation network of a genotype (arXiv:1806.09055, section 3.2). The graph's input is `images`, its output the
 * loss; parameters are named as in the published code. What only training needs (auxiliary head, drop path, smoothing) is left out
 * unless asked for; a program of the plain network runs on the parameters of the other. Throws ArgumentError for a faulty option
 * or an operation that nobody defines.
 *
 * One deviation from the published code, in training with an auxiliary head and at most 3 layers: that code's head begins with a ReLU
 * that works in place, on the output of cell floor(2 · layers / 3). Cells behind it begin with a ReLU themselves, so nothing changes;
 * but where that cell is the last one, the classifier learns from its rectified output and is scored on the other. Here it
 * learns from what it is scored on. No published network is that shallow.
 */
export function buildDerivedNetwork(options: DerivedNetworkOptions): Network {
  checkOptions('options', options, optionNames, descriptionNames);
  const { genotype, inputShape, classes, initChannels = 36, layers = 20 } = options;
  checkGenotype(genotype);
  const { stem, auxiliaryWeight, labelSmoothing, dropPath = 0, operations = {} } = options;
  check('dropPath', dropPath, aShareBelowOne);
  checkOptional('labelSmoothing', labelSmoothing, aShareBelowOne);
  checkRecord('operations', operations, 'functions by name');
  for (const [name, build] of Object.entries(operations)) check(`operations.${name}`, build, aFunction);
  const training = { stem, auxiliaryWeight, labelSmoothing };
  const macro = { classes, initChannels, layers, stemMultiplier: 3, affine: true, ...training };
  const buildCell = cellBuilder(genotype, operations, dropPath);
  return buildForSize(inputShape, (shape) =>
    buildNetwork(new GraphBuilder(), { ...macro, inputShape: shape }, buildCell),
  );
}

function cellBuilder(genotype: Genotype, own: Readonly<Record<string, Operation>>, dropPath: number): CellBuilder {
  return (builder, inputs, place) => {
    const { nodes, concat } = genotype[place.type];
    const states: Tensor[] = [...inputs];
    let position = 0;
    for (const edges of nodes) {
      const outputs = edges.map((edge) => {
        const output = buildEdge(builder, states[edge.input], edge, position++, place, own);
        const isIdentity = output.id === states[edge.input].id;
        return isIdentity || dropPath === 0 ? output : builder.dropout(output, { rate: dropPath, drops: 'samples' });
      });
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
  for (const table of [own, knownOperations]) if (Object.hasOwn(table, name)) return table[name];
  const known = Object.keys({ ...knownOperations, ...own }).join(', ');
  throw invalid('an operation of the genotype', `one of ${known} (give your own as options.operations)`, name);
}
