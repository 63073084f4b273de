// What runs can be told, by program and by command line alike.
import { aBoolean, anInteger, isRecord } from '../checks.ts';
import { type ColourProfile, colourProfiles } from '../data/dataset.ts';
import { type DatasetName, datasetNames } from '../data/load.ts';
import { type DataKind, isCorpus, type RunData } from '../data/run_data.ts';
import { aPortion } from '../data/split.ts';
import { type CorpusName, corpusNames } from '../data/text/corpus.ts';
import type { Genotype } from '../genotype/genotype.ts';
import type { Method, RunCommand } from '../methods/method.ts';
import { meantMethod, methodsOf } from '../methods/registry.ts';
import { atLeast, type OptionRule, type OptionRules, record, text, word, wordOr } from '../option_rules.ts';
import type { SearchSpace } from '../space/space.ts';
import { type PlaceOptions, placeRules } from './runtime.ts';

/** Options of a run; all have defaults. */
export interface RunOptions extends PlaceOptions {
  /** A known dataset's name, or images or a text of your own; `mnist` when absent, of a method for texts `text`. */
  readonly dataset?: DatasetName | CorpusName | RunData;
  /** Folder of a named dataset's files. */
  readonly dataDir?: string;
  /** Use only so many training images, or words, of a named dataset; the preset's number when absent. */
  readonly limit?: number;
  /** Height and width that the image files of a named dataset are brought to; 224 when absent, 32 for a search. */
  readonly imageSize?: number;
  /** What becomes of colour profiles in image files of a named dataset; `convert` when absent, as a viewer does. */
  readonly colourProfile?: ColourProfile;
  /** Decides every random choice; 0 when absent. */
  readonly seed?: number;
  /** Folder for the run's files; nothing is written when absent. It must hold no run yet. */
  readonly out?: string;
  /**
   * Folder of a run to go on with, to the same bits as if it had never stopped. Beside it only `backend`, `threads`,
   * `index`, `memoryLimitBytes`, `workers`, `device`, `signal`, `checkpointSeconds`, `snapshotEpochs` and `tensorboard` may be given, what
   * the run began with as an object, and `dataDir` where the same data lie elsewhere now.
   */
  readonly resume?: string;
  /** Ends the run after the current step and a checkpoint, with AbortedError. */
  readonly signal?: AbortSignal;
  /** Time between checkpoints within an epoch; 60 when absent, 0 for one after each step. One ends each epoch anyway. */
  readonly checkpointSeconds?: number;
  /** Also keeps the checkpoint of every so many epochs, in `snapshots`; none when absent. */
  readonly snapshotEpochs?: number;
  /** Also writes event files for TensorBoard, in `tensorboard`, while the run goes on; needs `out` or `resume`. */
  readonly tensorboard?: boolean;
}

/** What the training that follows a search can be told; all have defaults, which follow from the search. */
export interface TrainingOptions {
  readonly preset?: string;
  readonly settings?: object;
  readonly seed?: number;
  /** Use only so many training images of a named dataset; when absent as many as the search was told, else the preset's number. */
  readonly limit?: number;
  readonly validationPortion?: number;
}

/** What a run of any method can be told. */
export interface MethodOptions extends RunOptions {
  readonly method?: string;
  readonly preset?: string;
  readonly settings?: object;
  readonly space?: string | SearchSpace;
  readonly genotype?: Genotype;
  readonly validationPortion?: number;
  readonly from?: string;
  readonly foundIn?: string;
  readonly training?: TrainingOptions;
  readonly run?: string;
  readonly stage?: string;
  readonly epoch?: number;
}

const aFolder = text('the path of a folder');

/** What options of a run may be; what they mean together is looked at when the run is described. */
export const runRules: OptionRules<RunOptions> = {
  dataset: wordOr([...datasetNames, ...corpusNames], 'a dataset of your own'),
  dataDir: aFolder,
  limit: anInteger(2),
  imageSize: anInteger(1),
  colourProfile: word(colourProfiles),
  seed: { ...anInteger(0), words: 'an integer from 0 to 2^53 - 1' },
  ...placeRules,
  out: aFolder,
  resume: aFolder,
  checkpointSeconds: atLeast(0),
  snapshotEpochs: anInteger(1),
  tensorboard: aBoolean,
};

/** Names of datasets by kind; the first is the default. */
export const namesOf: Readonly<Record<DataKind, readonly [string, ...string[]]>> = {
  images: ['mnist', ...datasetNames.filter((name) => name !== 'mnist')],
  text: ['text', ...corpusNames.filter((name) => name !== 'text')],
};

/** The rules of a method's options. */
export function rulesOf(
  { command, data, presets, spaces, needs, followsRuns }: Method,
  among: readonly Method[],
): Readonly<Record<string, OptionRule>> {
  return {
    ...runRules,
    dataset: wordOr(namesOf[data], 'a dataset of your own'),
    ...(command === 'search' && { training: record('options of the training that follows') }),
    ...(command !== 'train' && { method: word(methodsOf(command, among).map(({ name }) => name)) }),
    preset: word(Object.keys(presets)),
    settings: record('an object of settings'),
    ...(spaces !== undefined && { space: wordOr(spaces, 'a search space of your own') }),
    ...(needs === 'genotype' && { genotype: record('a genotype'), foundIn: aFolder }),
    ...(needs === 'run' && {
      run: aFolder,
      stage: text('the name of a stage'),
      epoch: anInteger(1),
      space: record('a search space'),
    }),
    ...(followsRuns && { from: aFolder }),
    ...(command === 'train' && data === 'images' && { validationPortion: aPortion }),
  };
}

/** The kind of data that a dataset or a genotype is for, as far as they tell. */
function kindOfData({ dataset, genotype }: Readonly<Record<string, unknown>>): DataKind | undefined {
  if (dataset === undefined) return isRecord(genotype) && 'recurrent' in genotype ? 'text' : undefined;
  if (typeof dataset === 'object' && dataset !== null) return isCorpus(dataset as RunData) ? 'text' : 'images';
  return dataKindOf(dataset);
}

/** The kind of data that a dataset of that name is of; undefined for an unknown one. */
export function dataKindOf(name: unknown): DataKind | undefined {
  if (corpusNames.some((known) => known === name)) return 'text';
  return datasetNames.some((known) => known === name) ? 'images' : undefined;
}

/** The method that options name or leave to the default, before anything of them was checked: its rules say what is wrong. */
export function namedMethod(command: RunCommand, options: unknown, among: readonly Method[]): Method {
  return meantMethod(command, isRecord(options) ? { ...options, data: kindOfData(options) } : {}, among);
}
