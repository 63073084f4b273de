// Weights are stored HWIO and [in, out] here, OIHW and [out, in] in PyTorch's files.
import type { ParameterLayout } from '../graph/graph.ts';
import { atOnce, type Steps, stepElements } from '../slices.ts';

/** A native shape in PyTorch's order of axes. */
export function torchShape(layout: ParameterLayout, shape: readonly number[]): readonly number[] {
  if (layout === 'plain') return shape;
  const [inputs, outputs] = shape.slice(-2);
  return [outputs, inputs, ...shape.slice(0, -2)];
}

/** A copy of native values in PyTorch's order; `shape` is the native one. */
export function toTorch(layout: ParameterLayout, shape: readonly number[], native: Float32Array): Float32Array {
  return atOnce(toTorchSteps(layout, shape, native));
}

/** {@link toTorch} as work that may rest. */
export function* toTorchSteps(
  layout: ParameterLayout,
  shape: readonly number[],
  native: Float32Array,
): Steps<Float32Array> {
  if (layout === 'plain') return native.slice();
  const torch = new Float32Array(native.length);
  yield* eachRow(shape, native.length, (first, from, stride, positions) => {
    for (let position = 0; position < positions; position++) torch[first + position] = native[from + position * stride];
  });
  return torch;
}

/** Writes values in PyTorch's order into `native`; `shape` is the native one. */
export function fromTorch(
  layout: ParameterLayout,
  shape: readonly number[],
  torch: Float32Array | Float64Array,
  native: Float32Array,
): void {
  atOnce(fromTorchSteps(layout, shape, torch, native));
}

/** {@link fromTorch} as work that may rest. */
export function* fromTorchSteps(
  layout: ParameterLayout,
  shape: readonly number[],
  torch: Float32Array | Float64Array,
  native: Float32Array,
): Steps<void> {
  if (layout === 'plain') {
    native.set(torch);
    return;
  }
  yield* eachRow(shape, native.length, (first, from, stride, positions) => {
    for (let position = 0; position < positions; position++) native[from + position * stride] = torch[first + position];
  });
}

/**
 * Every pair of an output and an input: its values lie one after another from `first` on in PyTorch's order, and from `from` on, each
 * `stride` behind the last, in the native one.
 */
function* eachRow(
  shape: readonly number[],
  length: number,
  copy: (first: number, from: number, stride: number, positions: number) => void,
): Steps<void> {
  const [inputs, outputs] = shape.slice(-2);
  const positions = length / (inputs * outputs);
  let copied = 0;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      copy((output * inputs + input) * positions, input * outputs + output, inputs * outputs, positions);
      copied += positions;
      if (copied < stepElements) continue;
      copied = 0;
      yield;
    }
  }
}
