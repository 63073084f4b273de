// A graph is plain data that may come from anywhere: what is read of it is checked before anyone reads it.

import {
  aBoolean,
  aName,
  aNumber,
  anInteger,
  aShareBelowOne,
  check,
  checkOptional,
  finite,
  isRecord,
  listOf,
  listOfLength,
  notNegative,
  oneOf,
  positive,
  type Rule,
} from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import {
  type Graph,
  type Initialiser,
  type LossSumNode,
  type MixedNode,
  type Node,
  noiseDistributions,
  type ParameterRole,
  type ParameterSpec,
  parameterRoles,
  type RecurrentCellNode,
  type RecurrentMixing,
  recurrentActivations,
  type SoftmaxScaleNode,
} from './graph.ts';
import { isTerm } from './losses.ts';
import { elementsOf } from './shape.ts';

/** Graphs that were found sound, or that GraphBuilder made: they are read-only, and used for program after program. */
const sound = new WeakSet<object>();

/**
 * Throws ArgumentError naming `name` unless a value has the form of a graph: known ops with their fields, inputs that come earlier,
 * parameters that exist. Whether shapes follow from one another is the engine's to say.
 */
export function checkGraph(name: string, graph: Graph): void {
  if (isRecord(graph) && sound.has(graph)) return;
  const given: unknown = graph;
  if (isRecord(given) && isGraphLike(given['graph'])) {
    throw new ArgumentError(
      `expected a Graph for ${name} but received a network: pass its graph, as in supernet.graph`,
    );
  }
  if (!isGraphLike(given)) throw invalid(name, 'a Graph, as GraphBuilder makes it,', graph);
  const specs = checkParameters(name, graph.parameters);
  if (graph.nodes.length === 0) throw invalid(`${name}.nodes`, 'at least one node', graph.nodes);
  for (const [id, node] of graph.nodes.entries()) checkNode(`${name}.nodes[${id}]`, node, id, graph.nodes, specs);
  check(`${name}.output`, graph.output, anInteger(0, graph.nodes.length - 1));
  sound.add(graph);
}

/** Enters a graph whose every node was checked when it was made. */
export function markSound(graph: Graph): void {
  sound.add(graph);
}

function isGraphLike(value: unknown): value is Graph {
  return isRecord(value) && Array.isArray(value['nodes']) && Array.isArray(value['parameters']);
}

type Specs = ReadonlyMap<unknown, ParameterSpec>;

const size = anInteger(1);
const offset = anInteger(0);
const sizes = listOf(size, 'a list of positive integers');
const pair = (rule: Rule, words: string) => listOfLength(2, rule, words);
const sizePair = pair(size, 'two positive integers');
const kinds = oneOf(['constant', 'uniform', 'normal']);

function checkParameters(graph: string, parameters: readonly ParameterSpec[]): Specs {
  const specs = new Map<unknown, ParameterSpec>();
  for (const [index, spec] of parameters.entries()) {
    const at = `${graph}.parameters[${index}]`;
    if (!isRecord(spec)) throw invalid(at, 'a parameter', spec);
    checkFields(at, spec, parameterFields);
    if (specs.has(spec.name)) throw invalid(`${at}.name`, 'each name once', spec.name);
    if (spec.layout !== 'plain' && spec.shape.length < 2) {
      throw invalid(`${at}.shape`, 'at least two sizes', spec.shape);
    }
    if (spec.group !== undefined && spec.role !== 'weight')
      throw invalid(`${at}.group`, 'none, but of weights', spec.group);
    checkOptional(`${at}.group`, spec.group, aName);
    if (spec.role === 'alpha') checkRows(at, spec);
    if (spec.untrained !== undefined && (spec.untrained !== true || spec.role !== 'buffer')) {
      throw invalid(`${at}.untrained`, 'true of a buffer, or absent', spec.untrained);
    }
    checkInitialiser(`${at}.initialiser`, spec.initialiser);
    specs.set(spec.name, spec);
  }
  return specs;
}

const parameterFields = {
  name: aName,
  role: oneOf(parameterRoles),
  shape: sizes,
  layout: oneOf(['conv', 'linear', 'plain']),
};

function checkRows(at: string, { shape, rowLengths = [] }: ParameterSpec): void {
  check(`${at}.rowLengths`, rowLengths, sizes);
  const total = rowLengths.reduce((sum, length) => sum + length, 0);
  const elements = elementsOf(shape);
  if (total !== elements) throw invalid(`${at}.rowLengths`, `lengths whose sum is ${elements}`, rowLengths);
}

/** Throws ArgumentError naming `at` for what no first values can be drawn from. */
export function checkInitialiser(at: string, initialiser: ParameterSpec['initialiser']): void {
  if (!isRecord(initialiser)) throw invalid(at, 'an initialiser', initialiser);
  check(`${at}.kind`, initialiser.kind, kinds);
  if (initialiser.kind === 'constant') check(`${at}.value`, initialiser.value, finite);
  else if (initialiser.kind === 'uniform') checkUniform(at, initialiser);
  else check(`${at}.deviation`, initialiser.deviation, notNegative);
}

function checkUniform(at: string, { bound, least }: Extract<Initialiser, { kind: 'uniform' }>): void {
  check(`${at}.bound`, bound, least === undefined ? notNegative : finite);
  if (least !== undefined) check(`${at}.least`, least, aNumber(Number.MIN_SAFE_INTEGER, bound));
}

const slidingWindow = {
  kernel: sizePair,
  stride: sizePair,
  padding: pair(offset, 'two integers of at least 0'),
};

/** The fields that each op reads, beside parameters. */
const fields: Readonly<Record<Node['op'], Readonly<Record<string, Rule>>>> = {
  input: { name: aName },
  embedding: {},
  variationalDropout: {},
  recurrentCell: { outputs: listOf(size, 'a list of nodes') },
  tiedLinear: {},
  meanSquare: {},
  slowness: {},
  conv2d: { ...slidingWindow, dilation: sizePair, groups: size },
  batchNorm: { epsilon: positive, momentum: aNumber(0, 1) },
  relu: {},
  tanh: {},
  sigmoid: {},
  scale: { factor: finite },
  softmaxScale: { count: size, index: offset },
  noise: { distribution: oneOf(noiseDistributions), number: offset },
  maxPool: slidingWindow,
  avgPool: { ...slidingWindow, countIncludePad: aBoolean },
  globalAvgPool: {},
  linear: {},
  add: {},
  concat: {},
  crop: { top: offset, left: offset },
  dropout: { rate: aShareBelowOne, drops: oneOf(['elements', 'samples']), number: offset },
  zero: {},
  mixed: { row: offset, activation: oneOf(['softmax', 'sigmoid']) },
  detach: {},
  distillation: { temperature: positive },
  smoothL1: {},
  meanSquaredError: {},
  cosineDistance: {},
  lossSum: { weights: listOf(finite, 'a list of finite numbers') },
  softmaxCrossEntropy: { smoothing: aShareBelowOne, weights: listOf(finite, 'a list of finite numbers') },
};

/** The parameters that each op names. */
const references: Readonly<Partial<Record<Node['op'], Readonly<Record<string, ParameterRole>>>>> = {
  conv2d: { weight: 'weight' },
  linear: { weight: 'weight', bias: 'weight' },
  softmaxScale: { weight: 'weight' },
  batchNorm: { runningMean: 'buffer', runningVariance: 'buffer', scale: 'weight', shift: 'weight' },
  mixed: { alpha: 'alpha' },
  embedding: { weight: 'weight' },
  tiedLinear: { weight: 'weight', bias: 'weight' },
};

/** Nodes of a recurrent cell, as the engine has it. */
export const mostRecurrentNodes = 16;

/** Ops without an input. */
const sources: ReadonlySet<Node['op']> = new Set(['input', 'zero']);
const ops = oneOf(Object.keys(fields));

function checkNode(at: string, node: Node, id: number, nodes: readonly Node[], specs: Specs): void {
  if (!isRecord(node)) throw invalid(at, 'a node', node);
  check(`${at}.op`, node.op, ops);
  if (node.id !== id) throw invalid(`${at}.id`, `its position ${id}`, node.id);
  const earlier = anInteger(0, id - 1);
  if (!Array.isArray(node.inputs) || !node.inputs.every(earlier.holds)) {
    throw invalid(`${at}.inputs`, 'ids of earlier nodes', node.inputs);
  }
  if ((node.inputs.length === 0) !== sources.has(node.op)) {
    throw invalid(`${at}.inputs`, sources.has(node.op) ? 'no input' : 'at least one input', node.inputs);
  }
  const given = node as unknown as Readonly<Record<string, unknown>>;
  checkFields(at, given, { shape: sizes, ...fields[node.op] });
  for (const [field, role] of Object.entries(references[node.op] ?? {})) {
    const isAbsent = given[field] === undefined && (field === 'scale' || field === 'shift');
    if (!isAbsent) checkReference(`${at}.${field}`, given[field], role, specs);
  }
  if (node.op === 'mixed') checkBranches(at, node, specs);
  if (node.op === 'softmaxScale') checkEntry(at, node, specs);
  if (node.op === 'noise') checkOptional(`${at}.always`, node.always, aBoolean);
  if (node.op === 'lossSum') checkTerms(at, node, nodes);
  if (node.op === 'input') checkOptional(`${at}.below`, node.below, size);
  if (node.op === 'embedding') checkMask(`${at}.mask`, node.mask);
  if (node.op === 'variationalDropout') checkMask(`${at}.mask`, node.mask ?? {});
  if (node.op === 'recurrentCell') checkCell(at, node, specs);
}

const maskFields = { name: aName, rate: aShareBelowOne, number: offset };

function checkMask(at: string, mask: unknown): void {
  if (mask === undefined) return;
  if (!isRecord(mask)) throw invalid(at, 'a mask: name, rate and number', mask);
  checkFields(at, mask, maskFields);
}

const activation = oneOf(recurrentActivations);

/** Throws ArgumentError naming `at` for what is no recurrent cell. */
export function checkCell(at: string, cell: Omit<RecurrentCellNode, 'id' | 'inputs' | 'shape'>, specs: Specs): void {
  const { weights, edges, mixing, outputs, inputMask, hiddenMask } = cell;
  checkMask(`${at}.inputMask`, inputMask);
  checkMask(`${at}.hiddenMask`, hiddenMask);
  check(`${at}.weights`, weights, listOf(aName, 'names of weights'));
  const nodes = weights.length - 1;
  if (nodes < 1 || nodes > mostRecurrentNodes) {
    throw invalid(`${at}.weights`, `2 to ${mostRecurrentNodes + 1} names`, weights.length);
  }
  for (const [index, name] of weights.entries()) checkReference(`${at}.weights[${index}]`, name, 'weight', specs);
  if (outputs.length === 0 || outputs.some((node, i) => node > nodes || outputs.indexOf(node) < i)) {
    throw invalid(`${at}.outputs`, `nodes from 1 to ${nodes}, each once`, outputs);
  }
  if ((edges === undefined) === (mixing === undefined)) throw invalid(at, 'either edges or mixing', cell);
  if (mixing !== undefined) checkMixing(`${at}.mixing`, mixing, nodes, specs);
  else checkEdges(`${at}.edges`, edges, nodes);
}

function checkEdges(at: string, edges: unknown, nodes: number): void {
  if (!Array.isArray(edges) || edges.length !== nodes) throw invalid(at, `${nodes} edges`, edges);
  for (const [index, edge] of edges.entries()) {
    const given: unknown = edge;
    if (!isRecord(given)) throw invalid(`${at}[${index}]`, 'an edge: activation and from', given);
    checkFields(`${at}[${index}]`, given, { activation, from: anInteger(0, index) });
  }
}

function checkMixing(at: string, mixing: RecurrentMixing, nodes: number, specs: Specs): void {
  const given: unknown = mixing;
  if (!isRecord(given)) throw invalid(at, 'how edges are mixed', given);
  checkFields(at, given, { epsilon: positive, momentum: aNumber(0, 1), candidates: listOf(activation, 'activations') });
  const { alpha, candidates, runningMean, runningVariance } = mixing;
  if (candidates.length > recurrentActivations.length) {
    throw invalid(`${at}.candidates`, `at most ${recurrentActivations.length} activations`, candidates);
  }
  checkReference(`${at}.alpha`, alpha, 'alpha', specs);
  checkReference(`${at}.runningMean`, runningMean, 'buffer', specs);
  checkReference(`${at}.runningVariance`, runningVariance, 'buffer', specs);
  const rows = specs.get(alpha)?.rowLengths ?? [];
  if (rows.length !== (nodes * (nodes + 1)) / 2 || rows.some((length) => length !== candidates.length)) {
    throw invalid(`${at}.alpha`, `a table of ${(nodes * (nodes + 1)) / 2} rows of ${candidates.length}`, alpha);
  }
}

function checkReference(at: string, name: unknown, role: ParameterRole, specs: Specs): void {
  if (specs.get(name)?.role === role) return;
  throw invalid(at, `the name of a parameter of the graph with role ${role}`, name);
}

function checkFields(
  at: string,
  given: Readonly<Record<string, unknown>>,
  rules: Readonly<Record<string, Rule>>,
): void {
  for (const [field, rule] of Object.entries(rules)) {
    check(`${at}.${field}`, given[field], rule);
  }
}

function checkEntry(at: string, { weight, count, index }: SoftmaxScaleNode, specs: Specs): void {
  const entries = elementsOf(specs.get(weight)?.shape ?? []);
  if (entries !== count) throw invalid(`${at}.count`, `the ${entries} entries of ${weight}`, count);
  check(`${at}.index`, index, anInteger(0, count - 1));
}

function checkTerms(at: string, { inputs, weights }: LossSumNode, nodes: readonly Node[]): void {
  const wrong = inputs.find((input, index) => !isTerm(nodes[input]) || inputs.indexOf(input) < index);
  if (wrong !== undefined) throw invalid(`${at}.inputs`, 'losses that are no sums, each once', inputs);
  if (weights.length !== inputs.length)
    throw invalid(`${at}.weights`, `${inputs.length} weights, one an input`, weights);
}

function checkBranches(at: string, { branches, alpha, row, id, runsAll }: MixedNode, specs: Specs): void {
  checkOptional(`${at}.runsAll`, runsAll, aBoolean);
  if (!Array.isArray(branches)) throw invalid(`${at}.branches`, 'a list of branches', branches);
  const entries = specs.get(alpha)?.rowLengths?.[row];
  if (entries !== branches.length) throw invalid(`${at}.row`, `a row of ${alpha} with ${branches.length} entries`, row);
  const places = { begin: anInteger(0, id), end: anInteger(0, id), output: anInteger(0, id - 1) };
  for (const [index, branch] of branches.entries()) {
    const span: unknown = branch;
    if (!isRecord(span)) throw invalid(`${at}.branches[${index}]`, 'a branch', span);
    checkFields(`${at}.branches[${index}]`, span, places);
  }
}
