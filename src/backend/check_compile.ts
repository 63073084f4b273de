// What devices make parameters and programs of.
import { aBoolean, anInteger, aSeed, check, checkOptional, checkOptions, oneOf } from '../checks.ts';
import { invalid, unexpected } from '../errors.ts';
import { checkGraph } from '../graph/check.ts';
import type { Graph, ParameterSpec } from '../graph/graph.ts';
import { readsSequences } from '../graph/losses.ts';
import type { Belongings } from './belongings.ts';
import { type CompileOptions, type ParametersOptions, precisions } from './device.ts';
import { type ParameterMap, placeParameters, unionOf } from './parameter_map.ts';

/** The engine's bound. */
/** As the engine has it. */
const mostSamples = 65536;
const batchSizes = anInteger(1, mostSamples);

/** Where the parameters lie that a device is to create. Throws ArgumentError where it cannot, for what it was given. */
export function checkedParameters(graphs: Graph | readonly Graph[], options: ParametersOptions): ParameterMap {
  const list = Array.isArray(graphs) ? graphs : undefined;
  if (list?.length === 0) throw invalid('graphs', 'at least one graph', graphs);
  if (list === undefined) checkGraph('graph', graphs as Graph);
  for (const [index, graph] of list?.entries() ?? []) checkGraph(`graphs[${index}]`, graph);
  checkOptions('options', options, ['seed', 'secondMoments']);
  const { seed, secondMoments } = options;
  check('seed', seed, aSeed);
  checkOptional('secondMoments', secondMoments, aBoolean);
  return placeParameters(list === undefined ? (graphs as Graph) : unionOf(list), { secondMoments });
}

/** Throws ArgumentError where a device cannot compile what it was given. */
export function checkCompile(graph: Graph, options: CompileOptions, belongings: Belongings): void {
  checkGraph('graph', graph);
  checkOptions('options', options, ['batchSize', 'length', 'parameters', 'fusion', 'precision']);
  const { batchSize, length, parameters, fusion, precision } = options;
  check('batchSize', batchSize, batchSizes);
  checkOptional('length', length, anInteger(1, Math.floor(mostSamples / batchSize)));
  if (length === undefined && readsSequences(graph)) {
    throw unexpected('length', 'the longest sequence, which the graph reads,', 'none');
  }
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
