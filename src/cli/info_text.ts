// What a language model costs, for `dartsmith info`.
import type { RecurrentGenotype } from '../genotype/genotype.ts';
import { usualNodes } from '../genotype/recurrent.ts';
import { languageModelWeights } from '../network/language_model_size.ts';
import { readRun } from '../run/directory.ts';
import { recurrentRows } from '../select/recurrent_rows.ts';
import { formatCount, formatExact, formatShare, formatTable } from './format.ts';

/** Sizes that a command line may tell. */
export interface LanguageSizes {
  /** V. */
  readonly words?: number;
  /** n. */
  readonly emsize?: number;
}

/** A language model and what it costs, as `--json` prints it. */
export interface LanguageModelCost extends Required<LanguageSizes> {
  readonly network: 'supernet' | 'derived';
  readonly genotype?: RecurrentGenotype;
  readonly nodes: number;
  readonly parameters: number;
  readonly architectureParameters: number;
  /** Of a forward pass, for each word. */
  readonly multiplyAccumulates: number;
  readonly byKind: Readonly<Record<'cell' | 'decoder', Readonly<Record<'parameters' | 'multiplyAccumulates', number>>>>;
}

/** The sizes of the published models of PTB. */
const usualSizes = { words: 10_000, emsize: { derived: 850, supernet: 300 } };

/** Counts what the model of a genotype costs, or that of a cell that is searched. Throws ArgumentError. */
export function languageModelCost({ words, emsize }: LanguageSizes, genotype?: RecurrentGenotype): LanguageModelCost {
  const network = genotype === undefined ? 'supernet' : 'derived';
  const size = emsize ?? usualSizes.emsize[network];
  const count = words ?? usualSizes.words;
  const nodes = genotype?.recurrent.nodes.length ?? usualNodes;
  const parameters = languageModelWeights({ words: count, size, nodes });
  const rows = recurrentRows(nodes);
  // Of a cell that is searched each predecessor of a node is multiplied.
  const products = genotype === undefined ? rows.length : nodes;
  const [cell, decoder] = [(4 + 2 * products) * size ** 2, count * size];
  const decoderParameters = count * size + count;
  return {
    ...{ network, ...(genotype && { genotype }), words: count, emsize: size, nodes, parameters },
    architectureParameters:
      genotype === undefined ? rows.reduce((sum, { candidates }) => sum + candidates.length, 0) : 0,
    multiplyAccumulates: cell + decoder,
    byKind: {
      cell: { parameters: parameters - decoderParameters, multiplyAccumulates: cell },
      decoder: { parameters: decoderParameters, multiplyAccumulates: decoder },
    },
  };
}

/** The sizes of a run on a text; of one on images none. Throws FileError. */
export async function languageSizesOf(run: string): Promise<LanguageSizes> {
  const { dataset, settings } = (await readRun(run)).config;
  return { words: dataset.words, emsize: dataset.words === undefined ? undefined : Number(settings['emsize']) };
}

/** Lines for people. */
export function languageModelReport(cost: LanguageModelCost): string[] {
  const { network, words, emsize, nodes, byKind, parameters, architectureParameters, multiplyAccumulates } = cost;
  const row = (name: string, part: { readonly parameters: number; readonly multiplyAccumulates: number }) => [
    name,
    formatExact(part.parameters),
    formatExact(part.multiplyAccumulates),
    formatShare(part.multiplyAccumulates / multiplyAccumulates),
  ];
  return [
    `${network} language model: ${words} words, emsize ${emsize}, a cell of ${nodes} nodes`,
    '',
    ...formatTable(
      [
        ['', 'parameters', 'multiply-accumulates a word', ''],
        row('cell', byKind.cell),
        row('embedding and decoder', byKind.decoder),
        row('total', cost),
      ],
      [1, 2, 3],
    ),
    '',
    ...formatTable([
      ['parameters', formatCount(parameters)],
      ...(architectureParameters > 0 ? [['architecture parameters', formatExact(architectureParameters)]] : []),
    ]),
  ];
}
