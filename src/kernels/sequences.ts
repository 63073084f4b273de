// What language models are made of, each alone: of sequences the samples are times, `batchSize` columns each, time after time.
import type { RecurrentEdge } from '../graph/graph.ts';
import { count } from './arguments.ts';
import { defineKernel, type KernelDefinition } from './definition.ts';

/** Options of kernels on words. */
export interface WordOptions {
  /** Words of the vocabulary. */
  readonly words: number;
  readonly channels: number;
}

/** Options of {@link meanSquare}. */
export interface VectorOptions {
  readonly channels: number;
}

/** Options of kernels on sequences. */
export interface SequenceOptions extends VectorOptions {
  /** Times; 35 when absent. */
  readonly length?: number;
}

/** Options of {@link variationalDropout}. */
export interface VariationalDropoutOptions extends SequenceOptions {
  /** 0.5 when absent. */
  readonly rate?: number;
}

/** Options of {@link recurrentCell}. */
export interface RecurrentOptions extends SequenceOptions {
  /** Of a derived cell; a searched one when absent. */
  readonly edges?: readonly RecurrentEdge[];
  /** Of a searched cell; 8 when absent. */
  readonly nodes?: number;
}

/** Rows of the table `encoder.weight` `[words, channels]` by integers `x`. */
export function embedding({ words, channels }: WordOptions): KernelDefinition<'x'> {
  count('channels', channels);
  return defineKernel('embedding', {
    inputs: { x: { below: count('words', words) } },
    build: (builder, { x }) => builder.embedding('encoder', x, { channels }),
  });
}

/** Logits of words `x` by the table that they are looked up in, `encoder.weight` `[words, channels]`, and `decoder.bias` `[words]`. */
export function tiedLinear({ words, channels }: WordOptions): KernelDefinition<'x'> {
  count('channels', channels);
  return defineKernel('tiedLinear', {
    inputs: { x: { below: count('words', words) } },
    build: (builder, { x }) => builder.tiedLinear('decoder', builder.embedding('encoder', x, { channels }), 'encoder'),
  });
}

/** Vectors `[channels]` times a mask that is the same at all times, drawn by what is given with each pass. */
export function variationalDropout({
  channels,
  length = publishedLength,
  rate = 0.5,
}: VariationalDropoutOptions): KernelDefinition<'x'> {
  return defineKernel('variationalDropout', {
    inputs: { x: [count('channels', channels)] },
    length: count('length', length),
    build: (builder, { x }) => builder.variationalDropout('dropout', x, rate),
  });
}

/** A recurrent cell on vectors `[channels]`. Weights `cell._W0` and `cell._Ws.INDEX`, and `alphas` of a searched one. */
export function recurrentCell({
  channels,
  length = publishedLength,
  edges,
  nodes = 8,
}: RecurrentOptions): KernelDefinition<'x'> {
  count('nodes', nodes);
  return defineKernel(edges === undefined ? 'recurrentCell' : 'recurrentCell derived', {
    inputs: { x: [count('channels', channels)] },
    length: count('length', length),
    build: (builder, { x }) => {
      if (edges !== undefined) return builder.recurrentCell('cell', x, { edges });
      const alpha = builder.alpha('alphas', new Array<number>((nodes * (nodes + 1)) / 2).fill(5));
      return builder.recurrentCell('cell', x, { nodes, alpha });
    },
  });
}

/** Mean of x² over all elements of vectors `[channels]`. Its output is a loss. */
export function meanSquare({ channels }: VectorOptions): KernelDefinition<'x'> {
  return defineKernel('meanSquare', {
    inputs: { x: [count('channels', channels)] },
    build: (builder, { x }) => builder.meanSquare(x),
  });
}

/** Mean square of what changes in vectors `[channels]` from one time to the next. Its output is a loss. */
export function slowness({ channels, length = publishedLength }: SequenceOptions): KernelDefinition<'x'> {
  return defineKernel('slowness', {
    inputs: { x: [count('channels', channels)] },
    length: count('length', length),
    build: (builder, { x }) => builder.slowness(x),
  });
}

/** Times of a sequence in the paper. */
const publishedLength = 35;
