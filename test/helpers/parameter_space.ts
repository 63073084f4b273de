// Arithmetic on named parameters as one long vector, and their way to a device and back.
import type { Parameters } from '../../src/backend/parameters.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { dot } from '../../src/reference/primitives.ts';
import { gaussian } from './kernel_case.ts';

/** Values by parameter name: a point, a direction or a gradient. */
export type ParameterVector = ReadonlyMap<string, Float64Array>;

/** The part of `vector` with one role, in the graph's order. */
export function ofRole(graph: Graph, vector: ParameterVector, role: 'weight' | 'alpha'): Map<string, Float64Array> {
  const part = new Map<string, Float64Array>();
  for (const spec of graph.parameters) {
    const values = vector.get(spec.name);
    if (spec.role === role && values !== undefined) part.set(spec.name, values);
  }
  return part;
}

/** `point` + factor·direction in the parameters that `direction` names; the others as they are. */
export function moved(point: ParameterVector, direction: ParameterVector, factor: number): Map<string, Float64Array> {
  const result = new Map(point);
  for (const [name, values] of direction) {
    const from = point.get(name);
    if (from === undefined) throw new Error(`the point has no parameter ${name} to move`);
    result.set(
      name,
      from.map((value, i) => value + factor * values[i]),
    );
  }
  return result;
}

/** Sum of products over the parameters of `a`. */
export function product(a: ParameterVector, b: ParameterVector): number {
  let sum = 0;
  for (const [name, values] of a) {
    const other = b.get(name);
    if (other === undefined) throw new Error(`the second vector has no parameter ${name}`);
    sum += dot(values, other);
  }
  return sum;
}

/** Euclidean length. */
export function norm(vector: ParameterVector): number {
  return Math.sqrt(product(vector, vector));
}

/** Standard normal numbers in the place of each parameter; another `seed` gives others. */
export function randomLike(vector: ParameterVector, seed: number): Map<string, Float64Array> {
  let step = 1000 * seed;
  return new Map([...vector].map(([name, values]) => [name, gaussian(values.length, step++)]));
}

/** Writes every parameter that `point` names. */
export async function writePoint(parameters: Parameters, point: ParameterVector): Promise<void> {
  for (const [name, values] of point) await parameters.set(name, Float32Array.from(values));
}

/** The gradients that the last pass left for one role. */
export async function readGradients(
  parameters: Parameters,
  role: 'weight' | 'alpha',
): Promise<Map<string, Float32Array>> {
  const gradients = new Map<string, Float32Array>();
  for (const name of parameters.names(role)) gradients.set(name, (await parameters.gradient(name)).data);
  return gradients;
}

/** The same numbers in float64. */
export function inDouble(vector: ReadonlyMap<string, Float32Array>): Map<string, Float64Array> {
  return new Map([...vector].map(([name, values]) => [name, Float64Array.from(values)]));
}
