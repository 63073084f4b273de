// The operations of CDARTS' code (arXiv:2006.10724): those of DARTS under other names, without batch normalisation behind poolings.
import {
  checkedOperations,
  dilatedConv,
  noneName,
  type Operation,
  operations,
  type PartNames,
  pooling,
  separableConv,
  skip,
  skipName,
} from './operations.ts';

/** What parameters are called within them. */
export const cdartsParts: PartNames = {
  reluConvBn: ['net.1', 'net.2'],
  factorizedReduce: ['conv1', 'conv2', 'bn'],
  separable: [
    ['net.0.net.1', 'net.0.net.2', 'net.0.net.3'],
    ['net.1.net.1', 'net.1.net.2', 'net.1.net.3'],
  ],
  dilated: ['net.1', 'net.2', 'net.3'],
};

/** By name, in the order of that code; `none` is its logit "no op". */
export const cdartsOperations: Readonly<Record<string, Operation>> = {
  ...checkedOperations({
    max_pool_3x3: pooling('maxPool'),
    avg_pool_3x3: pooling('avgPool'),
    [skipName]: skip(cdartsParts),
    sep_conv_3x3: separableConv(3, cdartsParts),
    sep_conv_5x5: separableConv(5, cdartsParts),
    dil_conv_3x3: dilatedConv(3, cdartsParts),
    dil_conv_5x5: dilatedConv(5, cdartsParts),
  }),
  [noneName]: operations[noneName],
};
