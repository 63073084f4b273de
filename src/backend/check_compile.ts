// What devices make parameters and programs of.
import { anInteger, aSeed, check, checkOptional, checkOptions, oneOf } from '../checks.ts';
import { unexpected } from '../errors.ts';
import { checkGraph } from '../graph/check.ts';
import type { Graph, ParameterSpec } from '../graph/graph.ts';
import type { Belongings } from './belongings.ts';
import { type CompileOptions, precisions } from './device.ts';
import type { ParameterMap } from './parameter_map.ts';

/** The engine's bound. */
const batchSizes = anInteger(1, 65536);

/** Throws ArgumentError where a device cannot draw parameters from what it was given. */
export function checkCreateParameters(graph: Graph, options: { seed: number }): void {
  checkGraph('graph', graph);
  checkOptions('options', options, ['seed']);
  check('seed', options.seed, aSeed);
}

/** Throws ArgumentError where a device cannot compile what it was given. */
export function checkCompile(graph: Graph, options: CompileOptions, belongings: Belongings): void {
  checkGraph('graph', graph);
  checkOptions('options', options, ['batchSize', 'parameters', 'fusion', 'precision']);
  const { batchSize, parameters, fusion, precision } = options;
  check('batchSize', batchSize, batchSizes);
  checkOptional('fusion', fusion, oneOf(['on', 'off']));
  checkOptional('precision', precision, oneOf(precisions));
  belongings.check('parameters', 'parameters', parameters);
  for (const spec of graph.parameters) checkHeld(spec, parameters.map);
}

function checkHeld(spec: ParameterSpec, { places }: ParameterMap): void {
  const held = places.get(spec.name)?.spec;
  const expectation = `parameters with ${titleOf(spec)}, as the graph has,`;
  if (held === undefined) throw unexpected('parameters', expectation, 'some without');
  const alike =
    held.role === spec.role && sameSizes(held.shape, spec.shape) && sameSizes(held.rowLengths, spec.rowLengths);
  if (!alike) throw unexpected('parameters', expectation, `some with ${titleOf(held)}`);
}

function titleOf({ role, name, shape, rowLengths }: ParameterSpec): string {
  return `${role} ${name} of [${shape}]${rowLengths ? ` in rows of [${rowLengths}]` : ''}`;
}

function sameSizes(a: readonly number[] = [], b: readonly number[] = []): boolean {
  return a === b || (a.length === b.length && a.every((size, i) => size === b[i]));
}
