// Whether the float64 reference differentiates: its gradients against central differences of its own values.
import { describe, expect, it } from 'vitest';
import { runReference } from '../../src/reference/interpreter.ts';
import * as reference from '../../src/reference/primitives.ts';
import { caseTables, ops } from '../kernels/cases.ts';
import { gaussian, type PreparedCase, prepareCase, referenceOf } from './kernel_case.ts';

const none = new Float64Array(0);
/** Elements of a small case's inputs, at most: the few larger cases take as long as all small ones. */
const mostElements = 2500;

/** Tests of the small or of the large cases of every table. */
export function describeGradients(size: 'small' | 'large'): void {
  // What detach lets through is no derivative of what it is of.
  for (const op of ops.filter((op) => op !== 'detach')) {
    const cases = caseTables[op].map((kernelCase) => [kernelCase.name, prepareCase(kernelCase, 'normal')] as const);
    const chosen = cases.filter(([, { inputs }]) => elementsOf(inputs) <= mostElements === (size === 'small'));
    if (chosen.length === 0) continue;
    describe(`reference gradients of ${op}`, () => {
      it.each(chosen)('%s', (_, prepared) => checkGradients(prepared));
    });
  }
}

function elementsOf(inputs: PreparedCase['inputs']): number {
  return Object.values(inputs).reduce((sum, values) => sum + values.length, 0);
}

/** What a case's gradients are of: its loss, or its output times the given gradient. */
function objective(prepared: PreparedCase): number {
  const { outputs, loss } = runReference(prepared.graph, { ...prepared, training: true });
  return loss ?? reference.dot(outputs[prepared.graph.output], prepared.outputGradient ?? none);
}

/** The mixing weights that are given for a whole table. */
function tableOf({ mixing }: PreparedCase, name: string): Float64Array | undefined {
  const table = mixing?.[name];
  return table instanceof Float64Array ? table : undefined;
}

/** The case with one of its arrays (a parameter, a given table of mixing weights or an input) replaced. */
function replaced(
  prepared: PreparedCase,
  kind: 'parameter' | 'input',
  name: string,
  values: Float64Array,
): PreparedCase {
  if (kind === 'input') return { ...prepared, inputs: { ...prepared.inputs, [name]: values } };
  if (tableOf(prepared, name) !== undefined) return { ...prepared, mixing: { ...prepared.mixing, [name]: values } };
  return { ...prepared, parameters: new Map(prepared.parameters).set(name, values) };
}

/** Compares the gradient of every weight, table and input with central differences along a random direction. */
export function checkGradients(prepared: PreparedCase): void {
  const { gradients, inputGradients } = referenceOf(prepared);
  const step = 1e-6;
  const check = (kind: 'parameter' | 'input', name: string, values: Float64Array, gradient: Float64Array) => {
    // A branch of given weight 0 is left out, which is no function of its weight to differentiate.
    const direction = gaussian(values.length, 999).map((value, i) => (tableOf(prepared, name)?.[i] === 0 ? 0 : value));
    const at = (sign: number) =>
      objective(
        replaced(
          prepared,
          kind,
          name,
          values.map((value, i) => value + sign * step * direction[i]),
        ),
      );
    const difference = (at(1) - at(-1)) / (2 * step);
    const norm = Math.sqrt(reference.dot(gradient, gradient));
    const error = Math.abs(reference.dot(gradient, direction) - difference);
    // Differences of sums of about 1e4 are good to 1e-12 / step; kinks of ReLU within the step add a little.
    expect(error, `${kind} ${name}: ${reference.dot(gradient, direction)} instead of ${difference}`).toBeLessThan(
      1e-6 + 1e-5 * norm,
    );
  };
  for (const [name, gradient] of gradients) {
    // Of a table that is given in part, each row's is one of these two: other cases have them.
    if (Array.isArray(prepared.mixing?.[name])) continue;
    check('parameter', name, tableOf(prepared, name) ?? prepared.parameters.get(name) ?? none, gradient);
  }
  for (const [name, gradient] of Object.entries(inputGradients)) {
    const isNumbers = prepared.graph.nodes.some(
      (node) => node.op === 'input' && node.name === name && node.below === undefined,
    );
    if (isNumbers) check('input', name, prepared.inputs[name], gradient);
  }
}
