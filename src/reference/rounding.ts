// How far kernels that round the factors of products (tf32, bf16) may be from the float64 reference, and why.
//
// A number of p significant bits is off by at most u = 2^-p of itself: float32 24 bits, tf32 11, bf16 8. In a sum of products
// with random signs the errors of the factors grow as the sum itself does, so each rounding of a factor costs u of the size of
// the result, whatever the length of the sum, and k of them on the way sqrt(k)·u. On the way back each product is passed
// twice: with rounded factors of its own, and with the values that the rounded forward pass left. All that is relative to the
// tensor's largest magnitude, and comes on top of what float32 sums cost (tolerance.ts).
//
// A relu or max pooling behind a rounded product meets values within u of its kink: a share of about u of its elements takes
// the other side, each wrong by its whole size. That is no bound on an element, but sqrt(u) of the gradient's length.
import type { Precision } from '../backend/device.ts';
import type { Graph, Node } from '../graph/graph.ts';

const safety = 4;

/** Largest relative error of rounding to a precision: 2^-p for p significant bits. */
export const unitRoundoff: Readonly<Record<Precision, number>> = { fp32: 2 ** -24, tf32: 2 ** -11, bf16: 2 ** -8 };

/** Error that rounding adds to a tensor, relative to its largest magnitude. */
export function roundingError(graph: Graph, precision: Precision, direction: 'forward' | 'backward'): number {
  const products = graph.nodes.filter(({ op }) => op === 'conv2d' || op === 'linear').length;
  // Two factors each; bf16 also stores what every node gives.
  const forward = 2 * products + (precision === 'bf16' ? graph.nodes.length : 0);
  const roundings = direction === 'forward' ? forward : 2 * forward;
  return safety * Math.sqrt(roundings) * unitRoundoff[precision];
}

/** Error of a gradient behind kinks that see rounded values, both as lengths (2-norms). */
export function kinkError(graph: Graph, precision: Precision): number {
  return roundingError(graph, precision, 'backward') + safety * Math.sqrt(unitRoundoff[precision]);
}

const kinked: ReadonlySet<Node['op']> = new Set(['relu', 'maxPool', 'smoothL1']);

/**
 * Whether a relu, max pooling or smooth L1 loss, whose slope is a small difference of what may be large, sees what was rounded: a
 * product's result, in bf16 whatever a node gave.
 */
export function hasRoundedKink(graph: Graph, precision: Precision): boolean {
  const rounded = graph.nodes.map(() => false);
  for (const { id, op, inputs } of graph.nodes) {
    const behind = inputs.some((input) => rounded[input]);
    if (behind && kinked.has(op)) return true;
    rounded[id] = behind || op === 'conv2d' || op === 'linear' || (precision === 'bf16' && op !== 'input');
  }
  return false;
}
