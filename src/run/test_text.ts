// How a trained language model predicts a test text.
import { isDeepStrictEqual } from 'node:util';
import { aFunction, anInteger } from '../checks.ts';
import { columnsOf } from '../data/text/columns.ts';
import { type Corpus, type CorpusName, corpusNames, loadCorpus } from '../data/text/corpus.ts';
import { readVocabulary } from '../data/text/vocabulary.ts';
import { FileError, throwIfAborted } from '../errors.ts';
import { checkModelVocabulary } from '../exchange/language_metadata.ts';
import { type LanguageWeights, readLanguageWeights } from '../exchange/language_weights.ts';
import type { RecurrentGenotype } from '../genotype/genotype.ts';
import { formatGenotype } from '../genotype/text.ts';
import { scoreText } from '../learn/score_text.ts';
import type { TextScore } from '../learn/text_score.ts';
import { buildLanguageModel } from '../network/language_model.ts';
import { checkOptionRules, type OptionRules, record, required, text, wordOr } from '../option_rules.ts';
import { costOf } from '../report/cost.ts';
import { runRules } from './options.ts';
import { deviceFor, type PlaceOptions, placeRules } from './runtime.ts';

/** Options of a test on a text. */
export interface TestTextOptions extends PlaceOptions {
  readonly genotype: RecurrentGenotype;
  /** A file of the network's weights under the published names, safetensors or of PyTorch; of a checkpoint the best epoch's. */
  readonly weights: string;
  /** A known text's name, or one of your own. */
  readonly dataset: CorpusName | Corpus;
  /** Folder of a named text's files. */
  readonly dataDir?: string;
  /** Words of train that a training used: a tenth as many of test are read. */
  readonly limit?: number;
  /** File of the words that the network was trained with; the words of the text as it is read, all three parts, when absent. */
  readonly vocabulary?: string;
  /** Columns that the text is scored in; 1 when absent, as published. */
  readonly batchSize?: number;
  /** Words in turn of a pass; 35 when absent. */
  readonly bptt?: number;
  /** Told how many of the passes are done. */
  readonly onProgress?: (done: number, passes: number) => void;
}

const rules: OptionRules<TestTextOptions> = {
  genotype: required(record('a recurrent genotype')),
  weights: required(text('a file of weights')),
  dataset: required(wordOr(corpusNames, 'a text of your own')),
  dataDir: runRules.dataDir,
  limit: runRules.limit,
  vocabulary: text('a file of words'),
  batchSize: anInteger(1),
  bptt: anInteger(1),
  ...placeRules,
  onProgress: aFunction,
};

/** How a language model does. */
export interface TestTextResult extends TextScore {
  /** Words that were scored. */
  readonly words: number;
  readonly notices: readonly string[];
  readonly parameters: number;
  readonly wordsPerSecond: number;
  /** For people. */
  readonly device: string;
}

const state = 'hidden.test';

/**
 * Scores a trained language model on a test text: perplexity as published, and exact. Rejects with ArgumentError, DataError, FileError,
 * BackendError or AbortedError.
 */
export async function testText(options: TestTextOptions): Promise<TestTextResult> {
  checkOptionRules('testText', options, rules);
  const { genotype, weights, signal, batchSize = 1, bptt = 35 } = options;
  throwIfAborted(signal);
  const file = await readLanguageWeights(weights);
  checkCell(genotype, file.known.genotype, weights);
  const corpus = await corpusFor(options, file);
  const columns = columnsOf(corpus.test, batchSize, { name: 'batchSize (--batch-size)' });
  const { words, size, tensors, notices } = file;
  const { graph } = buildLanguageModel({ words, size, genotype, states: { [state]: batchSize } });
  const device = await deviceFor(options);
  try {
    using parameters = await device.createParameters(graph, { seed: 0 });
    await parameters.assign(tensors, weights);
    using program = device.compile(graph, { batchSize, length: bptt, parameters });
    const began = performance.now();
    const onPasses = options.onProgress;
    const score = await scoreText({ device, program, text: columns, bptt, state, signal, onPasses });
    const scored = (columns.rows - 1) * batchSize;
    return {
      ...score,
      words: scored,
      notices: [...notices, ...corpus.notices],
      parameters: costOf(graph).parameters,
      wordsPerSecond: (1000 * scored) / (performance.now() - began),
      device: device.description,
    };
  } finally {
    if (options.device === undefined) device.dispose();
  }
}

/** Another cell of as many nodes has tensors of the same names and shapes. */
function checkCell(genotype: RecurrentGenotype, known: RecurrentGenotype | undefined, weights: string): void {
  if (known === undefined || isDeepStrictEqual(known.recurrent, genotype.recurrent)) return;
  throw new FileError(`${weights} is of another cell than the genotype (--arch): ${formatGenotype(known, 'python')}`);
}

/** The text, whose numbers mean what they mean to the network. */
async function corpusFor(options: TestTextOptions, { words, known }: LanguageWeights): Promise<Corpus> {
  const { dataset, dataDir = '', limit, vocabulary: file, weights, signal } = options;
  const vocabulary = file === undefined ? undefined : await readVocabulary(file);
  const loads = vocabulary === undefined ? {} : { vocabulary, testOnly: true };
  const corpus =
    typeof dataset === 'string' ? await loadCorpus(dataset, { dataDir, usualLimit: limit, ...loads, signal }) : dataset;
  checkModelVocabulary(corpus.vocabulary, { words, known: known.vocabulary }, 'the text', weights);
  return corpus;
}
