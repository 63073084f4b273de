import { invalid } from '../errors.ts';
import type { Genotype, GenotypeEdge } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import { applyOperation, operations as knownOperations, type Operation } from '../operation/operations.ts';
import type { CellPlace } from './macro.ts';

/** What drop path drops from a sample: the outputs of operations but identities, or the sums of nodes, identities included. */
export const dropPathUnits = ['operation', 'node'] as const;

/** One of {@link dropPathUnits}. */
export type DropPathUnit = (typeof dropPathUnits)[number];

/** What drop path drops as published: operations of pairs (arXiv:1806.09055), nodes of triples (arXiv:1911.12126). */
export function publishedDropPathUnit({ entries }: Genotype): DropPathUnit {
  return entries === 'triples' ? 'node' : 'operation';
}

/** How the cells of a derived network are built. */
export interface CellSettings {
  /** Operations of one's own by name. */
  readonly operations: Readonly<Record<string, Operation>>;
  /** The largest probability of drop path; 0 for none. */
  readonly dropPath: number;
  readonly dropPathUnit: DropPathUnit;
  readonly normalisePooling: boolean;
}

/** Builds the operation of a genotype's entry under `_ops.POSITION` of its cell. Throws ArgumentError for one that nobody defines. */
export function buildOperation(
  builder: GraphBuilder,
  input: Tensor,
  { operation, input: state }: GenotypeEdge,
  position: string,
  { type, layer, channels }: CellPlace,
  { operations: own, normalisePooling }: CellSettings,
): Tensor {
  const named = { name: operation, build: findOperation(operation, own) };
  return applyOperation(named, builder.within(`_ops.${position}`), input, {
    layer: `${layer}._ops.${position}`,
    channels,
    stride: type === 'reduce' && state < 2 ? 2 : 1,
    affine: true,
    normalisePooling,
  });
}

function findOperation(name: string, own: Readonly<Record<string, Operation>>): Operation {
  for (const table of [own, knownOperations]) if (Object.hasOwn(table, name)) return table[name];
  const known = Object.keys({ ...knownOperations, ...own }).join(', ');
  throw invalid('an operation of the genotype', `one of ${known} (give your own as options.operations)`, name);
}

/** An operation's output as its node sums it: dropped where drop path drops operations and this is not the identity, then weighed. */
export function summand(
  builder: GraphBuilder,
  output: Tensor,
  input: Tensor,
  { weight = 1 }: GenotypeEdge,
  { dropPath, dropPathUnit }: CellSettings,
): Tensor {
  const isDropped = dropPath > 0 && dropPathUnit === 'operation' && output.id !== input.id;
  return builder.scale(isDropped ? builder.dropout(output, { rate: dropPath, drops: 'samples' }) : output, weight);
}

/** A node's sum, dropped where drop path drops nodes. */
export function droppedNode(builder: GraphBuilder, sum: Tensor, { dropPath, dropPathUnit }: CellSettings): Tensor {
  const isDropped = dropPath > 0 && dropPathUnit === 'node';
  return isDropped ? builder.dropout(sum, { rate: dropPath, drops: 'samples' }) : sum;
}
