import { invalid } from '../errors.ts';
import type { Genotype, GenotypeEdge } from '../genotype/genotype.ts';
import type { BranchBuilder, GraphBuilder, Tensor } from '../graph/builder.ts';
import type { Shape } from '../graph/graph.ts';
import { applyOperation, noneName, type Operation } from '../operation/operations.ts';
import type { CellPlace, Skeleton } from '../skeleton/skeleton.ts';

/** What drop path drops from a sample: the outputs of operations but identities, of all edges, identities included, or the sums of nodes. */
export const dropPathUnits = ['operation', 'edge', 'node'] as const;

/** One of {@link dropPathUnits}. */
export type DropPathUnit = (typeof dropPathUnits)[number];

/** What drop path drops as published: operations of pairs (arXiv:1806.09055), nodes of triples (arXiv:1911.12126). */
export function publishedDropPathUnit({ entries }: Genotype): DropPathUnit {
  return entries === 'triples' ? 'node' : 'operation';
}

/** What the weights of an operation against none are called, under the operation's own prefix. */
export const betaName = 'beta';

/** How the cells of a derived network are built. */
export interface CellSettings {
  readonly skeleton: Skeleton;
  /** Operations of one's own by name. */
  readonly operations: Readonly<Record<string, Operation>>;
  /** The largest probability of drop path; 0 for none. */
  readonly dropPath: number;
  readonly dropPathUnit: DropPathUnit;
  readonly normalisePooling: boolean;
  /** Whether each operation is weighed against none. */
  readonly keepNone: boolean;
  /** Whether batch normalisations have an affine part. */
  readonly affineNorms: boolean;
}

/** Builds the operation of a genotype's entry under a prefix within its cell. Throws ArgumentError for one that nobody defines. */
export function buildOperation(
  builder: GraphBuilder,
  input: Tensor,
  { operation, input: state }: GenotypeEdge,
  prefix: string,
  { kind, layer, channels }: CellPlace,
  { skeleton, operations: own, normalisePooling, affineNorms }: CellSettings,
): Tensor {
  const named = { name: operation, build: findOperation(operation, own, skeleton) };
  return applyOperation(named, builder.within(prefix), input, {
    layer: `${layer}.${prefix}`,
    channels,
    stride: skeleton.strideOf(kind, state),
    affine: affineNorms,
    normalisePooling,
  });
}

function findOperation(name: string, own: CellSettings['operations'], { operations }: Skeleton): Operation {
  for (const table of [own, operations]) if (Object.hasOwn(table, name)) return table[name];
  const known = Object.keys({ ...operations, ...own }).join(', ');
  throw invalid('an operation of the genotype', `one of ${known} (give your own as options.operations)`, name);
}

/**
 * Builds the operation of an entry as its node sums it: dropped where drop path drops edges, or operations and this is not the identity, then weighed
 * against none where that is kept, then by the entry's constant weight.
 */
export function buildSummand(
  builder: GraphBuilder,
  input: Tensor,
  entry: GenotypeEdge,
  prefix: string,
  place: CellPlace,
  settings: CellSettings,
): Tensor {
  const { dropPath, dropPathUnit, keepNone } = settings;
  const dropped = () => {
    const output = buildOperation(builder, input, entry, prefix, place, settings);
    const drops = dropPathUnit === 'edge' || (dropPathUnit === 'operation' && output.id !== input.id);
    return drops && dropPath > 0 ? builder.dropout(output, { rate: dropPath, drops: 'samples' }) : output;
  };
  const operation = { name: entry.operation, build: dropped };
  const output = keepNone ? againstNone(builder.within(prefix), input, operation) : dropped();
  return builder.scale(output, entry.weight ?? 1);
}

/** What an operation gives times softmax(β)₁, β of two entries (operation, none) that start at 0: StacNAS, arXiv:1909.11926. */
function againstNone(builder: GraphBuilder, input: Tensor, { name, build }: BranchBuilder): Tensor {
  let shape: Shape = [];
  // Not by the builder that the branch is given: the operation has the names that it has without none.
  const measured: BranchBuilder['build'] = (branch, tensor) => {
    const output = build(branch, tensor);
    shape = output.shape;
    return output;
  };
  const none: BranchBuilder = { name: noneName, build: (branch) => branch.zero(shape) };
  const alpha = builder.alpha(betaName, [2], 0);
  return builder.mixed(input, [{ name, build: measured }, none], { alpha, row: 0 });
}

/** A node's sum, dropped where drop path drops nodes. */
export function droppedNode(builder: GraphBuilder, sum: Tensor, { dropPath, dropPathUnit }: CellSettings): Tensor {
  const isDropped = dropPath > 0 && dropPathUnit === 'node';
  return isDropped ? builder.dropout(sum, { rate: dropPath, drops: 'samples' }) : sum;
}
