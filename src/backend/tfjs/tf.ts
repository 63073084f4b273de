import type * as TensorFlow from '@tensorflow/tfjs';

/**
 * The TensorFlow.js API. Not among the package's types, which work without TensorFlow.js.
 * @internal
 */
export type Tf = typeof TensorFlow;
