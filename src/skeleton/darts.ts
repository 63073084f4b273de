import { dartsParts, operations } from '../operation/operations.ts';
import { cellStack, cellTypesOf } from './cell_stack.ts';
import { type Skeleton, stackedNetworks, strideOfTypes } from './skeleton.ts';

const stack = cellStack({
  stemMultiplier: 3,
  preprocessing: 'preprocess',
  parts: dartsParts,
  auxiliaryHead: () => 'auxiliary_head',
  classifier: 'classifier',
});

/** The network of DARTS: normal cells, and two that reduce; each takes what the two before it gave. */
export const dartsSkeleton: Skeleton = {
  name: 'darts',
  cells: 'types',
  operations,
  runsAll: false,
  affineNorms: true,
  hasAuxiliaryHead: true,
  variants: ['triples', 'doubleEdges', 'normalisePooling', 'keepNone'],
  usual: { supernet: { initChannels: 16, layers: 8 }, derived: { initChannels: 36, layers: 20 } },
  kindsOf: cellTypesOf,
  strideOf: strideOfTypes,
  candidateName: ({ row }, candidate) => `_ops.${row}._ops.${candidate}`,
  operationName: (_edge, position) => `_ops.${position}`,
  build: stackedNetworks(stack),
};
