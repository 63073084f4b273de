// The one table of how far two backends may be apart, and why.
//
// | what                        | compared        | allowed                                                                |
// | --------------------------- | --------------- | ---------------------------------------------------------------------- |
// | a node, forward             | each element    | 2·a(n, c) of the tensor's largest magnitude, n terms forward           |
// | a node, backward            | each element    | 2·a(n, c), n terms forward and backward                                |
// | a supernet, derived network | each element    | the same, n and c summed over all of its nodes                         |
// | its hypergradient           | each element    | 2·(A(V) + ξ/(2ε)·(A(T, w+εv) + A(T, w-εv))), A the error of ∇α         |
// | ten steps: losses, w, α     | each element    | 10·2·a(n, c), n and c those of one pass backward through the supernet  |
// | counts of right predictions | equal           | 0                                                                      |
//
// a(n, c) = 4·(√n + c)·2^-24 (src/reference/tolerance.ts): float32 sums of n terms err by about √n units in the last place,
// whatever their order; c is what batch-norms lose by taking a mean off. Each of two backends may err so: twice. The
// hypergradient divides the difference of two gradients by 2ε, and their errors with it. The errors of steps add up.
//
// What no tolerance covers is a kink: a value within round-off of a relu's zero, or of the other value of a maximum, sends its
// gradient elsewhere. Supernets are therefore tried on up to three draws: a kink is met on rare ones, a fault on all.

import type { Shape } from '../../src/graph/graph.ts';
import type { ExpectedTensor } from '../helpers/kernel_case.ts';

/** Two backends, each as far from the exact value as one may be. */
export const sides = 2;

/** Draws of numbers that a supernet is tried on. */
export const networkDraws = 3;

/** How far apart two backends may be in each element of a tensor. */
export interface Allowed {
  /** Axes, for the place of an element. */
  readonly shape: Shape;
  readonly direction: 'forward' | 'backward';
  /** Absolute, or relative to the tensor's largest magnitude. */
  readonly error: { readonly absolute: number } | { readonly relative: number };
}

/** What the float64 reference expects of each backend, as what two of them may be apart. */
export function betweenTwo(expected: ReadonlyMap<string, ExpectedTensor>): Map<string, Allowed> {
  return new Map(
    [...expected].map(([name, { shape, tolerance }]) => {
      const direction = name.startsWith('gradient') ? 'backward' : 'forward';
      return [name, { shape, direction, error: { absolute: sides * tolerance } }];
    }),
  );
}
