// A trained language model that is asked for words.
import type { Device, Program } from './backend/device.ts';
import { openDevice } from './backend/open.ts';
import { aBoolean, aNumber, anInteger, aSeed, check, checkOptional, checkOptions } from './checks.ts';
import { readVocabulary, type Vocabulary } from './data/text/vocabulary.ts';
import { FileError, invalid } from './errors.ts';
import { checkModelVocabulary } from './exchange/language_metadata.ts';
import { readLanguageWeights } from './exchange/language_weights.ts';
import { buildLanguageModel, languageModelNames } from './network/language_model.ts';
import { text } from './option_rules.ts';
import { uniform } from './random/philox.ts';
import { Resources } from './resources.ts';
import { runFiles } from './run/directory.ts';

/** Where a model computes; all have defaults. */
export interface LanguageModelPlace {
  /** Its own is opened, and freed with the model, when absent. */
  readonly device?: Device;
  readonly threads?: number;
}

/** What is sampled. */
export interface SampleOptions {
  /** Words. */
  readonly count: number;
  /** Words that the text begins with, which the model reads first; the end of a line when absent. */
  readonly start?: readonly string[];
  /** What logits are divided by: below 1 likely words become likelier; 1 when absent. */
  readonly temperature?: number;
  /** Decides the words; 0 when absent. */
  readonly seed?: number;
  /** Whether `<unk>` may be among them; false when absent. */
  readonly unknown?: boolean;
}

/** A language model with its words and a hidden state. Frees what it holds on `dispose`. */
export interface LanguageModelSession extends Disposable {
  readonly vocabulary: Vocabulary;
  /** Logits `[vocabulary]` of the word that follows these, and those before them. Throws ArgumentError for an unknown word. */
  next(words: readonly string[]): Promise<Float32Array>;
  /** Forgets what was read. */
  reset(): void;
  /** Words one after another; each is read before the next is drawn. */
  sample(options: SampleOptions): AsyncGenerator<string>;
  dispose(): void;
}

const state = 'hidden';
const endOfLine = '<eos>';
const unknownWord = '<unk>';

/**
 * Opens the language model of a training's run directory. Rejects with FileError where there is none, or where its vocabulary is another's, and
 * with BackendError.
 */
export async function openLanguageModel(run: string, place: LanguageModelPlace = {}): Promise<LanguageModelSession> {
  check('run', run, text('the run directory of a language model'));
  checkOptions('place', place, ['device', 'threads']);
  const files = runFiles(run);
  const { tensors, words, size, known } = await readLanguageWeights(files.weights);
  const { genotype } = known;
  if (genotype === undefined) throw new FileError(`${files.weights} tells no recurrent genotype`);
  const vocabulary = await readVocabulary(files.vocabulary);
  checkModelVocabulary(vocabulary, { words, known: known.vocabulary }, files.vocabulary, files.weights);
  const { graph, logits } = buildLanguageModel({ words, size, genotype, states: { [state]: 1 }, output: 'logits' });
  using resources = new Resources();
  const device = place.device ?? resources.use(await openDevice({ threads: place.threads }));
  const parameters = resources.use(await device.createParameters(graph, { seed: 0 }));
  await parameters.assign(tensors, files.weights);
  const program = resources.use(device.compile(graph, { batchSize: 1, length: 1, parameters }));
  return new Session(vocabulary, program, logits, resources);
}

class Session implements LanguageModelSession {
  readonly vocabulary: Vocabulary;
  readonly #program: Program;
  readonly #logits: number;
  readonly #resources: Resources;
  #begins = true;

  /** Takes what `resources` hold. */
  constructor(vocabulary: Vocabulary, program: Program, logits: number, resources: Resources) {
    this.vocabulary = vocabulary;
    this.#program = program;
    this.#logits = logits;
    this.#resources = resources.move();
  }

  async next(words: readonly string[]): Promise<Float32Array> {
    if (!Array.isArray(words) || words.length === 0) throw invalid('words', 'a list of at least one word', words);
    const numbers = words.map((word) => {
      const number = this.vocabulary.numberOf(word);
      if (number === undefined) throw invalid('words', 'words of the vocabulary', word);
      return number;
    });
    let logits: Float32Array = new Float32Array();
    for (const number of numbers) logits = await this.#read(number);
    return logits;
  }

  reset(): void {
    this.#begins = true;
  }

  async *sample({ count, start, temperature = 1, seed = 0, unknown = false }: SampleOptions): AsyncGenerator<string> {
    check('count', count, anInteger(0));
    check('temperature', temperature, aNumber(1e-3, 1e3));
    check('seed', seed, aSeed);
    checkOptional('unknown', unknown, aBoolean);
    let last = start ?? [endOfLine];
    const banned = unknown ? undefined : this.vocabulary.numberOf(unknownWord);
    for (let step = 0; step < count; step++) {
      const logits = await this.next(last);
      const [drawn] = uniform({ seed, purpose: 'sampling', epoch: 0, step }, 1);
      const word = this.vocabulary.words[choose(logits, temperature, drawn, banned)];
      yield word;
      last = [word];
    }
  }

  dispose(): void {
    this.#resources[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #read(word: number): Promise<Float32Array> {
    const hidden = { ...(!this.#begins && { from: state }), to: state };
    const batch = { inputs: { [languageModelNames.words]: Int32Array.of(word) }, hidden };
    const { outputs } = await this.#program.evaluate({ batch, statistics: 'running', read: [this.#logits] });
    this.#begins = false;
    return outputs?.get(this.#logits) ?? new Float32Array();
  }
}

/** The entry of a softmax that a number from 0 to 1 falls on. */
function choose(logits: Float32Array, temperature: number, drawn: number, banned = -1): number {
  const allowed = (place: number) => place !== banned || logits.length === 1;
  let largest = Number.NEGATIVE_INFINITY;
  logits.forEach((value, place) => {
    if (allowed(place) && value > largest) largest = value;
  });
  const weights = Float64Array.from(logits, (value, place) =>
    allowed(place) ? Math.exp((value - largest) / temperature) : 0,
  );
  let left = drawn * weights.reduce((sum, weight) => sum + weight, 0);
  const found = weights.findIndex((weight) => {
    left -= weight;
    return weight > 0 && left < 0;
  });
  // Rounding may leave a crumb behind the last one.
  return found >= 0 ? found : weights.findLastIndex((weight) => weight > 0);
}
