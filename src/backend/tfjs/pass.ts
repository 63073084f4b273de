// One pass over a graph: forward, and TensorFlow.js's own gradients of the output.

import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import { BackendError, throwIfAborted } from '../../errors.ts';
import {
  type DropoutNode,
  defaultGroup,
  type Graph,
  type MixedNode,
  type Node,
  type NoiseNode,
  type ParameterSpec,
  type SequenceMask,
} from '../../graph/graph.ts';
import { crossEntropiesOf, isLossNode } from '../../graph/losses.ts';
import { elementsOf } from '../../graph/shape.ts';
import { integers, normal, randomBlock, type StreamKey } from '../../random/philox.ts';
import type { DirectBatch, DropoutDraw, HiddenStates, Mixing, PassStatistics } from '../device.ts';
import { givenRows } from '../mixing_rows.ts';
import { type Arena, type ParameterMap, valueArenas } from '../parameter_map.ts';
import type { MixedLabels } from './gather.ts';
import { runNode } from './operations.ts';
import { cellParameters } from './recurrent.ts';
import type { BatchStatistics, Norm, Surroundings } from './surroundings.ts';
import type { Tf } from './tf.ts';

/** A parameter's arenas on the host. */
export type Arenas = Readonly<Record<Arena, Float32Array>>;

/** What a pass is run on. */
export interface PassOptions {
  readonly tf: Tf;
  readonly graph: Graph;
  readonly map: ParameterMap;
  readonly arenas: Arenas;
  /** Samples; of sequences times · columns. */
  readonly batchSize: number;
  /** Of sequences; the samples where they are no times. */
  readonly columns: number;
  /** By input node's name, `[batch, ...shape]`. */
  readonly inputs: DirectBatch['inputs'];
  readonly hidden?: HiddenStates;
  readonly labels?: Int32Array;
  readonly mixed?: MixedLabels;
  readonly dropout?: DropoutDraw;
  readonly mixing?: Mixing;
  readonly statistics: PassStatistics;
  /** Which gradients are wanted. */
  readonly gradients: {
    readonly weights: boolean;
    readonly alpha: boolean;
    readonly inputs: boolean;
    /** Of weights; all when absent. */
    readonly groups?: readonly string[];
    /** Adds to the gradients that are there; of weights in some groups only, with a list. */
    readonly accumulate?: boolean | readonly string[];
  };
  /** Of an output that is no loss. */
  readonly outputGradient?: Float32Array;
  readonly read: readonly number[];
  readonly signal?: AbortSignal;
}

/** What a pass gives; gradients are left in the arenas. */
export interface PassResult {
  readonly loss?: number;
  /** Of a sum of losses. */
  readonly terms?: readonly number[];
  readonly correct?: number;
  readonly outputs: ReadonlyMap<number, Float32Array>;
  readonly inputGradients: Readonly<Record<string, Float32Array>>;
}

/** What is dropped, 0, and what is kept and made up for it: the native backends' draws. */
function drawnMask(stream: StreamKey, rate: number, elements: number): Float32Array {
  const mask = new Float32Array(elements);
  for (let first = 0; first < elements; first += 4) {
    const block = randomBlock(stream, first / 4);
    for (let i = first; i < Math.min(first + 4, elements); i++) {
      mask[i] = block[i - first] < Math.floor(rate * 2 ** 32) ? 0 : 1 / (1 - rate);
    }
  }
  return mask;
}

/** Something that is differentiated by: a parameter, given mixing weights, or an input. */
interface Source {
  readonly kind: 'weight' | 'alpha' | 'input';
  readonly name: string;
  readonly tensor: Tensor;
}

/** Runs a pass. Throws AbortedError between two nodes. */
export function runPass(options: PassOptions): PassResult {
  const { tf } = options;
  const kept: Tensor[] = [];
  let result: PassResult | undefined;
  try {
    tf.tidy(() => {
      result = new Pass(options, kept).run();
    });
    return result as unknown as PassResult;
  } finally {
    for (const tensor of kept) tensor.dispose();
  }
}

class Pass {
  readonly #options: PassOptions;
  readonly #kept: Tensor[];
  readonly #needed: ReadonlySet<number>;
  readonly #given: GivenWeights;
  readonly #values = new Map<string, Tensor>();
  readonly #inputs = new Map<string, Tensor>();
  readonly #measured: (BatchStatistics & { norm: Norm; count: number })[] = [];
  #hidden: Tensor | undefined;
  readonly #read = new Map<number, Tensor>();

  constructor(options: PassOptions, kept: Tensor[]) {
    this.#options = options;
    this.#kept = kept;
    this.#given = new Map(givenRows(options.mixing, options.map).map(({ offset, weights }) => [offset, weights]));
    this.#needed = neededNodes(options.graph, options.map, this.#given);
  }

  run(): PassResult {
    const { graph, gradients } = this.#options;
    this.#makeTensors();
    const sources = this.#sources();
    const differentiates = gradients.weights || gradients.alpha || gradients.inputs;
    if (differentiates) this.#clear();
    if (!differentiates) this.#forward();
    else if (sources.length === 0) this.#forward();
    else this.#differentiate(sources);
    if (this.#options.statistics === 'moving') this.#moveStatistics();
    this.#handStateOn();
    const output = graph.nodes[graph.output];
    const reads = new Map(this.#options.read.map((id) => [id, this.#outputOf(id)] as const));
    return {
      ...(isLossNode(output) ? this.#lossResult(output) : {}),
      outputs: reads,
      inputGradients: this.#inputGradients,
    };
  }

  #inputGradients: Record<string, Float32Array> = {};

  #makeTensors(): void {
    const { tf, graph, map, arenas, inputs, batchSize } = this.#options;
    for (const [name, { spec, offset, size }] of map.places) {
      const values = arenas[valueArenas[spec.role]].slice(offset, offset + size);
      if (spec.role === 'alpha') this.#giveRows(values, offset);
      // A table of architecture parameters is flat: its rows may differ in length.
      this.#values.set(name, tf.tensor(values, spec.role === 'alpha' ? [size] : [...spec.shape], 'float32'));
    }
    for (const node of graph.nodes) {
      if (node.op !== 'input') continue;
      const type = node.below === undefined ? 'float32' : 'int32';
      this.#inputs.set(node.name, tf.tensor(inputs[node.name].slice(), [batchSize, ...node.shape], type));
    }
  }

  /** Puts given mixing weights in the place of a table's rows. */
  #giveRows(values: Float32Array, offset: number): void {
    let first = 0;
    while (first < values.length) {
      const given = this.#given.get(offset + first);
      if (given !== undefined) values.set(given, first);
      first += given?.length ?? 1;
    }
  }

  /** What the output depends on, among what gradients are wanted of. */
  #sources(): Source[] {
    const { graph, map, gradients } = this.#options;
    const counts = (node: Node) =>
      this.#needed.has(node.id) && (node.op !== 'mixed' || readBy(node, map, this.#given).length > 0);
    const names = new Set(graph.nodes.filter(counts).flatMap(parameterNames));
    const sources: Source[] = [];
    const inGroups = ({ group = defaultGroup }: ParameterSpec) => gradients.groups?.includes(group) ?? true;
    for (const [name, { spec }] of map.places) {
      const wanted =
        spec.role === 'weight' ? gradients.weights && inGroups(spec) : spec.role === 'alpha' && gradients.alpha;
      if (wanted && names.has(name)) sources.push({ kind: spec.role as 'weight', name, tensor: this.#value(name) });
    }
    if (!gradients.inputs) return sources;
    const reachable = readNodes(graph, this.#needed, map, this.#given);
    for (const node of graph.nodes) {
      if (node.op !== 'input' || node.below !== undefined || !reachable.has(node.id)) continue;
      sources.push({ kind: 'input', name: node.name, tensor: this.#inputs.get(node.name) as Tensor });
    }
    return sources;
  }

  #value(name: string): Tensor {
    return this.#values.get(name) as Tensor;
  }

  #forward(): Tensor {
    const { graph, signal } = this.#options;
    const around = this.#surroundings();
    const outputs: (Tensor | undefined)[] = [];
    for (const node of graph.nodes) {
      throwIfAborted(signal);
      const output = this.#needed.has(node.id) ? runNode(node, outputs, around) : undefined;
      outputs.push(output);
      if (output !== undefined && this.#isRead(node)) this.#read.set(node.id, this.#keep(output));
    }
    return outputs[graph.output] as Tensor;
  }

  #outputOf(id: number): Float32Array {
    const output = this.#read.get(id);
    if (output !== undefined) return Float32Array.from(output.dataSync());
    throw new BackendError("[read] expected nodes that are computed on the way to the graph's output");
  }

  #isRead({ id }: Node): boolean {
    const { graph, read } = this.#options;
    const output = graph.nodes[graph.output];
    const told = [...termsOf(output), ...crossEntropiesOf(graph).map(({ inputs }) => inputs[0])];
    return read.includes(id) || told.includes(id) || id === graph.output;
  }

  #keep<T extends Tensor>(tensor: T): T {
    const kept = this.#options.tf.keep(tensor.clone()) as T;
    this.#kept.push(kept);
    return kept;
  }

  #surroundings(): Surroundings {
    const { tf, batchSize, columns, statistics, hidden } = this.#options;
    return {
      ...{ tf, batchSize, columns },
      labels: (classes) => this.#oneHot(classes),
      detach: (x) => this.#detach(x),
      parameter: (name) => this.#value(name),
      input: (name) => this.#inputs.get(name) as Tensor,
      mixing: (node) => this.#mixing(node),
      row: (row) => this.#row(row).map((weight) => weight()),
      mask: (node) => this.#mask(node),
      sequenceMask: (mask, elements) => this.#sequenceMask(mask, elements),
      hidden: hidden?.from === undefined ? undefined : this.#value(hidden.from),
      leave: (last) => {
        this.#hidden = this.#keep(last);
      },
      noise: (node) => this.#noise(node),
      running: ({ runningMean, runningVariance }) => {
        if (statistics !== 'running') return undefined;
        const [mean, variance] = [runningMean, runningVariance].map((name) => this.#value(name) as Tensor1D);
        return { mean, variance };
      },
      measured: (norm, { mean, variance }, count) => {
        if (statistics === 'moving') {
          this.#measured.push({ norm, count, mean: this.#keep(mean), variance: this.#keep(variance) });
        }
      },
    };
  }

  /** Labels as rows of zeros and a one, or of two shares of one, where there are labels. */
  #oneHot(classes: number): Tensor | undefined {
    const { tf, batchSize, labels, mixed } = this.#options;
    if (labels === undefined) return undefined;
    const rows = new Float32Array(batchSize * classes);
    labels.forEach((label, sample) => {
      rows[sample * classes + label] = mixed?.share ?? 1;
    });
    mixed?.partners.forEach((label, sample) => {
      rows[sample * classes + label] += 1 - mixed.share;
    });
    return tf.tensor(rows, [batchSize, classes], 'float32');
  }

  #mixing(node: MixedNode): (Tensor | undefined)[] {
    const given = givenTo(node, this.#options.map, this.#given);
    const weights = this.#row(node);
    return node.branches.map((_, k) => (leavesOut(node, given, k) ? undefined : weights[k]()));
  }

  /** The mixing weights of a row, each when it is asked for. */
  #row(row: MixingRow & Pick<MixedNode, 'activation'>): (() => Tensor)[] {
    const { tf, map } = this.#options;
    const [begin, length] = rowPlace(map, row);
    const values = tf.slice(this.#value(row.alpha), [begin], [length]);
    const isGiven = givenTo(row, map, this.#given) !== undefined;
    const weights = isGiven ? values : row.activation === 'sigmoid' ? tf.sigmoid(values) : tf.softmax(values);
    return Array.from({ length }, (_, k) => () => tf.slice(weights, [k], [1]));
  }

  #mask({ rate, drops, number, shape }: DropoutNode): Tensor | undefined {
    const { tf, dropout, batchSize } = this.#options;
    if (dropout === undefined || dropout.drops === false) return undefined;
    const { seed, epoch, step, pathFactor = 1 } = dropout;
    const whole = drops === 'samples';
    const effective = Math.fround(rate) * (whole ? Math.fround(pathFactor) : 1);
    const stream = { seed, epoch, step, purpose: 'dropout', part: number } as const;
    const maskShape = whole ? [batchSize, ...shape.map(() => 1)] : [batchSize, ...shape];
    return tf.tensor(drawnMask(stream, effective, elementsOf(maskShape)), maskShape, 'float32');
  }

  #sequenceMask(mask: SequenceMask | undefined, elements: number): Tensor1D | undefined {
    const { tf, dropout } = this.#options;
    if (mask === undefined || dropout === undefined) return undefined;
    const given = dropout.masks?.[mask.name];
    if (given !== undefined) return tf.tensor1d(given.slice(), 'float32');
    if (dropout.drops === false) return undefined;
    const { seed, epoch, step } = dropout;
    const stream = { seed, epoch, step, purpose: 'dropout', part: mask.number } as const;
    return tf.tensor1d(drawnMask(stream, Math.fround(mask.rate), elements), 'float32');
  }

  #noise({ distribution, number, shape, always }: NoiseNode): Tensor | undefined {
    const { tf, dropout, batchSize } = this.#options;
    if (dropout === undefined) return undefined;
    const { seed, epoch, step } = dropout;
    const noiseScale = always ? 1 : (dropout.noiseScale ?? 1);
    const stream = { seed, epoch, step, purpose: 'dropout', part: number } as const;
    const count = elementsOf(shape, batchSize);
    const drawn = distribution === 'normal' ? normal(stream, count) : integers(stream, -3, 6, count);
    const scaled = Float32Array.from(drawn, (value) => Math.fround(noiseScale) * Math.fround(value));
    return tf.tensor(scaled, [batchSize, ...shape], 'float32');
  }

  #detach(x: Tensor): Tensor {
    const { tf } = this.#options;
    return tf.customGrad((value) => ({
      value: tf.clone(value as Tensor),
      gradFunc: (slope) => tf.zerosLike(slope),
    }))(x);
  }

  #clear(): void {
    const { arenas, gradients, map } = this.#options;
    const { accumulate } = gradients;
    if (accumulate === true) return;
    if (gradients.alpha) arenas.alphaGradients.fill(0);
    if (!gradients.weights) return;
    for (const [group, { offset, size }] of map.groups) {
      const isWanted = gradients.groups?.includes(group) ?? true;
      if (isWanted && !(accumulate || []).includes(group)) arenas.weightGradients.fill(0, offset, offset + size);
    }
  }

  #differentiate(sources: readonly Source[]): void {
    const { tf, graph, batchSize, outputGradient, map, arenas } = this.#options;
    const output = graph.nodes[graph.output];
    // A loss is the mean over its samples.
    const slope = isLossNode(output)
      ? tf.fill([batchSize], 1 / batchSize)
      : tf.tensor((outputGradient ?? new Float32Array()).slice(), [batchSize, ...output.shape], 'float32');
    const differentiate = tf.valueAndGrads(() => this.#forward());
    const { grads } = differentiate(
      sources.map(({ tensor }) => tensor),
      slope as never,
    );
    sources.forEach(({ kind, name }, i) => {
      const values = grads[i].dataSync() as Float32Array;
      if (kind === 'input') {
        this.#inputGradients[name] = values.slice();
        return;
      }
      const arena = arenas[kind === 'weight' ? 'weightGradients' : 'alphaGradients'];
      const { offset = 0 } = map.places.get(name) ?? {};
      // Zeros, unless they are added to.
      values.forEach((value, k) => {
        arena[offset + k] += value;
      });
    });
  }

  /** Running statistics move as in PyTorch: the variance is the unbiased one. */
  #moveStatistics(): void {
    const { arenas, map } = this.#options;
    for (const { norm, mean, variance, count } of this.#measured) {
      const unbiased = count > 1 ? count / (count - 1) : 1;
      const move = (name: string, values: ArrayLike<number>, factor: number) => {
        const offset = map.places.get(name)?.offset ?? 0;
        for (let c = 0; c < values.length; c++) {
          const old = arenas.buffers[offset + c];
          arenas.buffers[offset + c] = (1 - norm.momentum) * old + norm.momentum * values[c] * factor;
        }
      };
      move(norm.runningMean, mean.dataSync(), 1);
      move(norm.runningVariance, variance.dataSync(), unbiased);
    }
  }

  /** When the pass is over: it may begin with the state that it leaves. */
  #handStateOn(): void {
    const { arenas, map, hidden } = this.#options;
    const place = map.places.get(hidden?.to ?? '');
    if (place !== undefined && this.#hidden !== undefined) arenas.states.set(this.#hidden.dataSync(), place.offset);
  }

  #lossResult(output: Node): Pick<PassResult, 'loss' | 'terms' | 'correct'> {
    const { batchSize } = this.#options;
    const lossOf = (id: number) => this.#outputOf(id).reduce((sum, one) => sum + one / batchSize, 0);
    const terms = termsOf(output);
    return {
      loss: lossOf(output.id),
      ...(terms.length > 0 && { terms: terms.map(lossOf) }),
      correct: this.#hits(),
    };
  }

  /** Of the first loss against labels. */
  #hits(): number {
    const { labels = new Int32Array(), batchSize, graph } = this.#options;
    const [first] = crossEntropiesOf(graph);
    if (first === undefined) return 0;
    const logits = this.#read.get(first.inputs[0])?.dataSync() ?? [];
    const classes = graph.nodes[first.inputs[0]].shape[0];
    let correct = 0;
    for (let sample = 0; sample < batchSize; sample++) {
      let best = 0;
      for (let c = 1; c < classes; c++) if (logits[sample * classes + c] > logits[sample * classes + best]) best = c;
      if (best === labels[sample]) correct++;
    }
    return correct;
  }
}

/** The losses that a sum adds up. */
function termsOf(output: Node): readonly number[] {
  return output.op === 'lossSum' ? output.inputs : [];
}

function parameterNames(node: Node): string[] {
  switch (node.op) {
    case 'conv2d':
    case 'softmaxScale':
      return [node.weight];
    case 'linear':
      return [node.weight, node.bias];
    case 'batchNorm':
      return [node.scale, node.shift].filter((name) => name !== undefined);
    case 'mixed':
      return [node.alpha];
    case 'embedding':
      return [node.weight];
    case 'tiedLinear':
      return [node.weight, node.bias];
    case 'recurrentCell':
      return cellParameters(node);
    default:
      return [];
  }
}

/** Given mixing weights, by where their row begins in the arena of alpha. */
type GivenWeights = ReadonlyMap<number, Float32Array>;

/** A row of a table of architecture parameters. */
type MixingRow = Pick<MixedNode, 'alpha' | 'row'>;

/** The mixing weights that are given for a row. */
function givenTo(node: MixingRow, map: ParameterMap, given: GivenWeights): Float32Array | undefined {
  return given.get((map.places.get(node.alpha)?.offset ?? 0) + rowPlace(map, node)[0]);
}

/** Offset and length of a row within its table. */
function rowPlace(map: ParameterMap, node: MixingRow): [number, number] {
  const lengths = map.places.get(node.alpha)?.spec.rowLengths ?? [];
  return [lengths.slice(0, node.row).reduce((sum, length) => sum + length, 0), lengths[node.row]];
}

/** Whether a branch is not run: its weight was given as 0. */
function leavesOut({ runsAll }: MixedNode, given: Float32Array | undefined, branch: number): boolean {
  return !runsAll && given?.[branch] === 0;
}

/** What a node reads: of a mixed node the branches that run. */
function readBy(node: Node, map: ParameterMap, given: GivenWeights): readonly number[] {
  if (node.op !== 'mixed') return node.inputs;
  const weights = givenTo(node, map, given);
  return node.branches.flatMap(({ output }, k) => (leavesOut(node, weights, k) ? [] : [output]));
}

/** The output and all it depends on. */
function neededNodes(graph: Graph, map: ParameterMap, given: GivenWeights): Set<number> {
  const needed = new Set([graph.output]);
  for (const node of [...graph.nodes].reverse()) {
    if (needed.has(node.id)) for (const input of readBy(node, map, given)) needed.add(input);
  }
  return needed;
}

/** Nodes that a needed one reads; the output as well. */
function readNodes(graph: Graph, needed: ReadonlySet<number>, map: ParameterMap, given: GivenWeights) {
  const read = new Set([graph.output]);
  for (const node of graph.nodes) {
    if (needed.has(node.id)) for (const input of readBy(node, map, given)) read.add(input);
  }
  return read;
}
