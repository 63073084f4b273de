// Graphs, batches and commands in the form that native/binding reads: names resolved to places in the arenas.
import { unexpected } from '../../errors.ts';
import type { Graph, Node, RecurrentCellNode } from '../../graph/graph.ts';
import { purposes } from '../../random/philox.ts';
import type { Belongings } from '../belongings.ts';
import { isGathered } from '../check_batch.ts';
import { copiedParts } from '../copied_parts.ts';
import { cutoutChance } from '../cutout_chance.ts';
import type {
  Batch,
  Command,
  DirectBatch,
  DropoutDraw,
  GradientsCommand,
  GradientTarget,
  HiddenStates,
  Mixing,
  PenaltyCommand,
  Program,
} from '../device.ts';
import { endsOf } from '../graph_ends.ts';
import { givenRows } from '../mixing_rows.ts';
import { clippedParts, movedParts } from '../moved_part.ts';
import { normalisationTable } from '../normalisation.ts';
import { arenas, type ParameterMap, type WeightRange, weightRanges } from '../parameter_map.ts';
import type { Parameters } from '../parameters.ts';
import { penaltyRows } from '../penalty_rows.ts';
import type { Handle } from './addon.ts';
import { type EncodedNodes, encodeNodes, type Place, type Places } from './encode_nodes.ts';

/** Kinds of pass, numbered as PassKind in native/engine/plan.h. */
const passes: Readonly<Record<'evaluate' | GradientTarget | 'vjp', number>> = {
  evaluate: 0,
  weights: 1,
  alpha: 2,
  both: 3,
  vjp: 4,
};

/** Handles of the objects that commands name, which were found to be the device's own. */
export type Handles = Belongings<{ program: Handle; parameters: Handle; dataset: Handle }>;

/** A graph as the addon reads it. */
export interface EncodedGraph extends EncodedNodes {
  readonly output: number;
  readonly weightElements: number;
  readonly bufferElements: number;
  readonly alphaElements: number;
  readonly stateElements: number;
}

/** The graph with parameter names replaced by [offset, size]. */
export function encodeGraph(graph: Graph, map: ParameterMap): EncodedGraph {
  const place = (name: string): Place => {
    const { offset, size } = map.places.get(name)!;
    return [offset, size];
  };
  return {
    ...encodeNodes(graph.nodes, (node) => places(node, place, map)),
    output: graph.output,
    weightElements: map.totals.weight,
    bufferElements: map.totals.buffer,
    alphaElements: map.totals.alpha,
    stateElements: map.totals.state,
  };
}

function places(node: Node, place: (name: string) => Place, map: ParameterMap): Places {
  switch (node.op) {
    case 'conv2d':
    case 'softmaxScale':
      return { weight: place(node.weight) };
    case 'embedding':
      return { weight: place(node.weight) };
    case 'recurrentCell':
      return recurrentPlaces(node, place);
    case 'tiedLinear':
    case 'linear':
      return { weight: place(node.weight), bias: place(node.bias) };
    case 'batchNorm':
      return {
        runningMean: place(node.runningMean),
        runningVariance: place(node.runningVariance),
        weight: node.scale === undefined ? undefined : place(node.scale),
        bias: node.shift === undefined ? undefined : place(node.shift),
      };
    case 'mixed': {
      const [offset] = place(node.alpha);
      const lengths = map.places.get(node.alpha)?.spec.rowLengths ?? [];
      const before = lengths.slice(0, node.row).reduce((sum, length) => sum + length, 0);
      return { alpha: [offset + before, lengths[node.row]] };
    }
    default:
      return {};
  }
}

/** All weights of a cell as one place: the engine knows how they follow one another. */
function recurrentPlaces({ weights, mixing }: RecurrentCellNode, place: (name: string) => Place): Places {
  const all = weights.map(place);
  const [[offset]] = all;
  let next = offset;
  for (const [index, [start, size]] of all.entries()) {
    if (start !== next)
      throw unexpected(weights[index], `to be declared right after ${weights[index - 1]}`, 'elsewhere');
    next = start + Math.ceil(size / 16) * 16;
  }
  const [last, size] = all[all.length - 1];
  return {
    weight: [offset, last + size - offset],
    ...(mixing && {
      alpha: place(mixing.alpha),
      runningMean: place(mixing.runningMean),
      runningVariance: place(mixing.runningVariance),
    }),
  };
}

/** Given mixing weights as [offset, weights] pairs in the alpha arena, a row each. */
function encodeMixing(mixing: Mixing | undefined, map: ParameterMap): object {
  return givenRows(mixing, map).map(({ offset, weights }) => [offset, weights]);
}

/** As [offset, size] pairs. */
function encodeRanges(ranges: readonly WeightRange[]): object {
  return ranges.map(({ offset, size }) => [offset, size]);
}

function encodeDropout(draw: DropoutDraw, graph: Graph): object {
  const { seed, epoch, step, pathFactor = 1, noiseScale = 1, drops = true, masks = {} } = draw;
  const given = endsOf(graph).masks.flatMap(({ name, number }) => (masks[name] ? [[number, masks[name]]] : []));
  return { seed, epoch, step, pathFactor, noiseScale, drops, masks: given, purpose: purposes.dropout };
}

/** Given inputs as [node, values] pairs. */
function encodeInputs(given: DirectBatch['inputs'], graph: Graph): object {
  return endsOf(graph).inputs.flatMap(({ id, name }) => (given[name] === undefined ? [] : [[id, given[name]]]));
}

/** Where hidden states lie, [offset, size] each. */
function encodeHidden({ from, to }: HiddenStates, { places }: ParameterMap): object {
  const place = (name: string | undefined) => {
    const { offset = 0, size = 0 } = places.get(name ?? '') ?? {};
    return [offset, size];
  };
  return { hiddenFrom: place(from), hiddenTo: place(to) };
}

function encodeBatch(batch: Batch, { graph, parameters: { map } }: Program, handles: Handles): object {
  const dropout = batch.dropout && encodeDropout(batch.dropout, graph);
  if (!isGathered(batch)) {
    const hidden = batch.hidden && encodeHidden(batch.hidden, map);
    return { inputs: encodeInputs(batch.inputs, graph), labels: batch.labels, dropout, ...hidden };
  }
  const { augmentation } = batch;
  const { stream } = augmentation;
  return {
    dataset: handles.of('dataset', batch.dataset),
    indices: batch.indices,
    inputs: batch.inputs && encodeInputs(batch.inputs, graph),
    table: normalisationTable(augmentation),
    pad: augmentation.pad,
    flip: augmentation.flip,
    cutout: augmentation.cutout,
    cutoutChance: cutoutChance(augmentation),
    share: augmentation.share ?? 1,
    stream: stream && { ...stream, purpose: purposes[stream.purpose] },
    dropout,
  };
}

function encodePenalty(command: PenaltyCommand, parameters: Handle): object {
  const { kind, penalty, weight, activation } = command;
  const { rows, counted, share } = penaltyRows(command);
  const sigmoid = activation === 'sigmoid';
  return {
    ...{ kind, parameters, penalty, weight, share, sigmoid, counted },
    rows: rows.map(({ offset, length }) => [offset, length]),
  };
}

/** Whose gradients a pass adds to. */
function encodeAdded({ program, target, groups, accumulate = false }: GradientsCommand): object {
  const { map } = program.parameters;
  const isOfWeights = accumulate !== false && target !== 'alpha';
  return {
    addedRanges: encodeRanges(isOfWeights ? weightRanges(map, accumulate === true ? groups : accumulate) : []),
    addsAlpha: accumulate === true && target !== 'weights' && map.totals.alpha > 0,
  };
}

/** One command; see native/binding/command.cc. */
export function encodeCommand(command: Command, handles: Handles): object {
  const handleOf = (parameters: Parameters) => handles.of('parameters', parameters);
  if (command.kind === 'average') {
    const { parameters, averages, groups, decay } = command;
    const parts = { ranges: encodeRanges(weightRanges(parameters.map, groups)), buffers: groups === undefined };
    return { kind: 'average', parameters: handleOf(parameters), averages: handleOf(averages), decay, ...parts };
  }
  if (command.kind === 'sgd' || command.kind === 'adam') {
    const { of, ranges } = movedParts(command);
    const { maxNorm = Number.POSITIVE_INFINITY } = command;
    return {
      ...command,
      parameters: handleOf(command.parameters),
      alpha: of === 'alpha',
      ranges: encodeRanges(ranges),
      inSecondMoments: command.kind === 'sgd' && command.momentumIn === 'secondMoments',
      maxNorm,
    };
  }
  if (command.kind === 'clip') {
    const { kind, parameters, maxNorm } = command;
    const { alpha, ranges } = clippedParts(command);
    return { kind, parameters: handleOf(parameters), ranges: encodeRanges(ranges), alpha, maxNorm };
  }
  if (command.kind === 'copy') {
    const parts = copiedParts(command).map(({ arena, from, to, size }) => [arenas.indexOf(arena), from, to, size]);
    return { kind: 'copy', parameters: handleOf(command.parameters), target: handleOf(command.target), parts };
  }
  if (command.kind === 'penalty') return encodePenalty(command, handleOf(command.parameters));
  const { program } = command;
  const common = { program: handles.of('program', program), parameters: handleOf(program.parameters) };
  if (command.kind === 'hypergradient') {
    const train = encodeBatch(command.train, program, handles);
    const validation = encodeBatch(command.validation, program, handles);
    const mixing = encodeMixing(command.mixing, program.parameters.map);
    const perturbed = command.perturbed?.map((dropout) => encodeBatch({ ...command.train, dropout }, program, handles));
    const { radius = 0.01, maxNorm = Number.POSITIVE_INFINITY, unclamped = false } = command;
    const held = command.heldGroups && encodeRanges(weightRanges(program.parameters.map, command.heldGroups));
    return {
      ...command,
      ...common,
      ...{ train, validation, mixing, radius, maxNorm, unclamped },
      held: held ?? [],
      perturbed: perturbed ?? [],
    };
  }
  const pass = {
    ...common,
    kind: 'pass',
    batch: encodeBatch(command.batch, program, handles),
    mixing: encodeMixing(command.mixing, program.parameters.map),
    profile: command.profile,
  };
  switch (command.kind) {
    case 'evaluate':
      return { ...pass, pass: passes.evaluate, statistics: command.statistics, read: command.read };
    case 'gradients':
      return {
        ...pass,
        pass: passes[command.target],
        statistics: command.statistics ?? 'moving',
        read: command.read,
        ranges: command.groups && encodeRanges(weightRanges(program.parameters.map, command.groups)),
        ...encodeAdded(command),
      };
    case 'vjp':
      return {
        ...pass,
        pass: passes.vjp,
        statistics: command.statistics ?? 'moving',
        read: [program.graph.output],
        outputGradient: command.outputGradient,
      };
  }
}
