// The one place that says how far a GPU may be from what it should give, and why.
//
// fp32 against the float64 reference: element by element, as src/reference/tolerance.ts says. All else is compared as a
// distance, the length of the difference of two tensors relative to that of the one that is right: at large sizes a few
// elements rightly differ by much, since an intermediate value that rounds to the other side of a kink (a ReLU's zero, the
// two largest of a maximum) sends its gradient elsewhere.
//
// A product of matrices whose factors are rounded to a unit roundoff u errs by 0.8·u of its length (two factors, each off
// by u/√3 in the mean, signs at random); 2·u leaves a factor of 2.5. A batch normalisation divides by what is left after the
// mean is taken off, which the same factor has to cover. Errors of products one after another add as squares do; a pass
// backward goes through twice as many as the pass forward, and each of these has an error of its own to begin with. Where a
// share δ of a normalised value is error, a share of about δ of the values lies so near a kink that it may cross. Those that
// do are gone from the gradient or new in it: a distance of √δ a kink, which again add as squares.
import type { Precision } from '../../src/backend/device.ts';
import type { Graph, Node } from '../../src/graph/graph.ts';

/** Largest relative error of rounding to 24, 11 and 8 bits. */
const unitRoundoff: Readonly<Record<Precision, number>> = { fp32: 2 ** -24, tf32: 2 ** -11, bf16: 2 ** -8 };

/** Long sums are taken in pieces of float32, at most so long, which are added in double. */
const piece = 256;

/** How far two results of the same kernel may be apart, by direction. */
export interface AllowedDistance {
  readonly forward: number;
  readonly backward: number;
}

/**
 * Distance of a kernel in a precision from the exact one, or from that of another engine in fp32, whose own round-off is in
 * it too. For the few nodes of a kernel of the catalogue; a whole supernet takes a yardstick (bench/gpu/yardstick.ts).
 */
export function allowedDistance(graph: Graph, precision: Precision): AllowedDistance {
  const products = countNodes(graph, isProduct);
  const kinks = countNodes(graph, isKink);
  // fp32: sums of up to a piece, on both sides, with the factor of four of src/reference/tolerance.ts.
  const nodes = graph.nodes.length;
  const roundoff = 8 * unitRoundoff.fp32 * Math.sqrt(piece * nodes);
  const rounded = precision === 'fp32' ? 0 : 2 * unitRoundoff[precision];
  // bf16 also rounds what each node gives, once: no more than a product, which rounds two factors.
  const roundings = products + (precision === 'bf16' ? nodes : 0);
  const forward = roundoff + rounded * Math.sqrt(roundings);
  // What crosses a kink follows from the usual error, some roundings, not from the largest.
  const usual = 8 * unitRoundoff.fp32 + rounded * Math.sqrt(roundings);
  const backward = roundoff + rounded * Math.sqrt(3 * roundings) + Math.sqrt(kinks * usual);
  return { forward, backward };
}

/**
 * How many times the yardstick a deviation may be: one draw of the same random process against the largest of a few.
 */
export const yardstickFactor = 10;

/** Below this a distance is round-off whatever the yardstick happened to be: a loss may come out the same by chance. */
export const leastDeviation = 1e-5;

/**
 * The same of a reduced precision. Of gradients: the error of products, forward and backward, and of the kinks behind them,
 * that the CPU engine does not round at all: one as the stem has it; in bf16, where a GPU stores all images rounded, also those
 * that the two inputs of a cell pass. Of a loss and of statistics, means in which most of what is rounded cancels, a hundredth.
 */
export function leastReducedDeviation(precision: Precision, isGradient: boolean): number {
  const rounded = 2 * unitRoundoff[precision];
  const kinks = precision === 'bf16' ? 3 : 1;
  return isGradient ? rounded * Math.sqrt(3 * kinks) + Math.sqrt(kinks * rounded) : 0.01;
}

/**
 * The distance of a supernet in a reduced precision, from that of the CPU engine in bf16 to it in fp32. Of a separable
 * convolution the CPU rounds what is stored; the GPU also both factors of the product, of the gradient of its input and of
 * that of its weights: up to seven roundings where one was, 2.6 times as far, 4 with the luck of the draw. In bf16 it also
 * rounds both gradients on the way back, the sum that it ends in and that one's gradient: eleven, 3.3 times, 5. In tf32 roundings
 * are 8 times as fine; kinks, whose share goes with the root of it, leave 8^-½. On simt, networks of 3 and 5 cells came out
 * 0.6 to 0.9 times as far in tf32.
 */
export const reducedFactor: Readonly<Record<Exclude<Precision, 'fp32'>, number>> = { bf16: 5, tf32: 4 / Math.sqrt(8) };

// Not judged in a reduced precision, only shown: the hypergradient and the losses after some steps. The finite difference
// takes two gradients at weights ε = 0.01 / ‖v‖ apart and divides their difference by 2ε, and rounding errors with it: where
// ε is no larger than the unit roundoff, the second-order part is noise by its nature.

function countNodes(graph: Graph, counts: (node: Node) => boolean): number {
  return graph.nodes.filter(counts).length;
}

/** What tensor cores multiply; depthwise convolutions have nothing for them. */
function isProduct(node: Node): boolean {
  return node.op === 'linear' || (node.op === 'conv2d' && node.groups === 1);
}

function isKink({ op }: Node): boolean {
  return op === 'relu' || op === 'maxPool';
}
