// Weights are stored HWIO and [in, out] here, OIHW and [out, in] in PyTorch's files.
import type { ParameterLayout } from '../graph/graph.ts';

/** A native shape in PyTorch's order of axes. */
export function torchShape(layout: ParameterLayout, shape: readonly number[]): readonly number[] {
  if (layout === 'plain') return shape;
  const [inputs, outputs] = shape.slice(-2);
  return [outputs, inputs, ...shape.slice(0, -2)];
}

/** A copy of native values in PyTorch's order; `shape` is the native one. */
export function toTorch(layout: ParameterLayout, shape: readonly number[], native: Float32Array): Float32Array {
  if (layout === 'plain') return native.slice();
  const [inputs, outputs] = shape.slice(-2);
  const positions = native.length / (inputs * outputs);
  const torch = new Float32Array(native.length);
  let next = 0;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      for (let position = 0; position < positions; position++) {
        torch[next++] = native[(position * inputs + input) * outputs + output];
      }
    }
  }
  return torch;
}

/** Writes values in PyTorch's order into `native`; `shape` is the native one. */
export function fromTorch(
  layout: ParameterLayout,
  shape: readonly number[],
  torch: Float32Array | Float64Array,
  native: Float32Array,
): void {
  if (layout === 'plain') {
    native.set(torch);
    return;
  }
  const [inputs, outputs] = shape.slice(-2);
  const positions = native.length / (inputs * outputs);
  let next = 0;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      for (let position = 0; position < positions; position++) {
        native[(position * inputs + input) * outputs + output] = torch[next++];
      }
    }
  }
}
