// Language models of one recurrent cell, searched or derived: embedding, dropouts that stay over time, the cell, a decoder with the
// embedding's weights (DARTS, arXiv:1806.09055, section A.2.2; AWD-LSTM, arXiv:1708.02182).

import { checkRecord } from '../checks.ts';
import type { RecurrentGenotype } from '../genotype/genotype.ts';
import { recurrentCandidates, usualNodes } from '../genotype/recurrent.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import type { Graph, RecurrentActivation } from '../graph/graph.ts';

/** Names of a language model's parameters and inputs, as the published checkpoints have them. */
export const languageModelNames = {
  words: 'words',
  embedding: 'encoder',
  cell: 'rnns.0',
  decoder: 'decoder',
  alpha: 'weights',
} as const;

/** Rates of the dropouts of a language model, under the originals' names. */
export interface LanguageModelDropouts {
  /** Of the output, in front of the decoder. */
  readonly dropout: number;
  /** Of x in front of W0. */
  readonly dropoutx: number;
  /** Of h and of the nodes in front of their weights. */
  readonly dropouth: number;
  /** Of the embedded input. */
  readonly dropouti: number;
  /** Of whole words. */
  readonly dropoute: number;
}

/** What a language model is made from. */
export interface LanguageModelOptions {
  /** Words of its vocabulary. */
  readonly words: number;
  /** Of an embedded word and of the hidden state. */
  readonly size: number;
  /** Of a derived cell; absent where the cell is searched. */
  readonly genotype?: RecurrentGenotype;
  /** Of a searched cell; 8 when absent. */
  readonly nodes?: number;
  /** None when absent. */
  readonly dropouts?: LanguageModelDropouts;
  /** Weight of mean(o²) in the loss, o being what the decoder is given; 0 when absent: the term is absent then. */
  readonly alpha?: number;
  /** Weight of mean((r[t + 1] - r[t])²), r being what the cell gives; 0 when absent. */
  readonly beta?: number;
  /** What the whole loss is multiplied by; 1 when absent. */
  readonly share?: number;
  /** What the graph ends in; the loss when absent. */
  readonly output?: 'loss' | 'logits';
  /** Hidden states by name, columns each, that batches may begin with and leave. */
  readonly states?: Readonly<Record<string, number>>;
}

/** A language model, and its nodes that programs read. */
export interface LanguageModel {
  /** Ends in the loss, which is the negative log-likelihood and, where they have a weight, two terms more; or in the logits. */
  readonly graph: Graph;
  /** What the cell gives. */
  readonly raw: number;
  /** That, dropped: what the decoder is given. */
  readonly dropped: number;
  readonly logits: number;
}

/** The group of the weights that embed words and decode: others are of the usual one. */
export const embeddingGroup = 'embedding';

const noDropouts: LanguageModelDropouts = { dropout: 0, dropoutx: 0, dropouth: 0, dropouti: 0, dropoute: 0 };

/** Builds a language model. Throws ArgumentError for sizes and rates that make no sense. */
export function buildLanguageModel(options: LanguageModelOptions): LanguageModel {
  checkRecord('options', options, 'words and size');
  const { words, size, dropouts = noDropouts, states = {} } = options;
  const { words: input, embedding, decoder } = languageModelNames;
  const builder = new GraphBuilder();
  for (const [name, columns] of Object.entries(states)) builder.state(name, columns, size);
  const embedded = builder.inGroup(embeddingGroup).embedding(embedding, builder.integers(input, words), {
    channels: size,
    dropout: dropouts.dropoute,
  });
  const raw = cellOn(builder, builder.variationalDropout('dropouti', embedded, dropouts.dropouti), options);
  const dropped = builder.variationalDropout('dropout', raw, dropouts.dropout);
  const logits = builder.tiedLinear(decoder, dropped, embedding);
  const isPlain = options.output === 'logits';
  const graph = builder.finish(isPlain ? logits : lossOn(builder, { raw, dropped, logits }, options));
  return { graph, raw: raw.id, dropped: dropped.id, logits: logits.id };
}

function cellOn(builder: GraphBuilder, input: Tensor, options: LanguageModelOptions): Tensor {
  const { genotype, nodes = usualNodes, dropouts = noDropouts } = options;
  const { cell, alpha } = languageModelNames;
  const rates = { inputDropout: dropouts.dropoutx, hiddenDropout: dropouts.dropouth };
  if (genotype !== undefined) {
    const { nodes: entries, concat } = genotype.recurrent;
    const edges = entries.map(([{ operation, input: from }]) => ({
      activation: operation as RecurrentActivation,
      from,
    }));
    return builder.recurrentCell(cell, input, { edges, outputs: concat, ...rates });
  }
  const table = builder.alpha(alpha, new Array<number>((nodes * (nodes + 1)) / 2).fill(recurrentCandidates.length));
  return builder.recurrentCell(cell, input, { nodes, alpha: table, candidates: recurrentCandidates, ...rates });
}

function lossOn(
  builder: GraphBuilder,
  { raw, dropped, logits }: Readonly<Record<'raw' | 'dropped' | 'logits', Tensor>>,
  { alpha = 0, beta = 0, share = 1 }: LanguageModelOptions,
): Tensor {
  const likelihood = builder.softmaxCrossEntropy(logits);
  if (alpha === 0 && beta === 0 && share === 1) return likelihood;
  return builder.lossSum([
    { loss: likelihood, weight: share },
    ...(alpha === 0 ? [] : [{ loss: builder.meanSquare(dropped), weight: share * alpha }]),
    ...(beta === 0 ? [] : [{ loss: builder.slowness(raw), weight: share * beta }]),
  ]);
}
