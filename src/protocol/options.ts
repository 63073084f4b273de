// What a protocol can be told, by program and by command line alike.
import { aBoolean, anInteger, isRecord } from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import {
  checkOptionRules,
  type OptionRule,
  type OptionRules,
  record,
  required,
  text,
  wordOr,
} from '../option_rules.ts';
import { type RunOptions, runRules, type TrainingOptions } from '../run/options.ts';
import { type PlaceOptions, placeRules } from '../run/runtime.ts';
import { type SearchSpace, spaces } from '../space/space.ts';

/** A way to come by architectures, once with every seed: a search, or a selection from the supernets of one. */
export type ProtocolArm = SearchArm | SelectionArm;

/** A search. */
export interface SearchArm {
  /** Of its folder and its row: letters, digits, `_`, `-` and `.`. */
  readonly name: string;
  /** As `dartsmith methods` lists them; the first one when absent. */
  readonly method?: string;
  readonly preset?: string;
  /** Settings of the method that replace the preset's. */
  readonly settings?: object;
  readonly space?: string | SearchSpace;
}

/** A selection that goes on with what an arm before it has searched. */
export interface SelectionArm {
  readonly name: string;
  /** Name of that arm. */
  readonly of: string;
  /** What decides: the name of a selection, such as `projection`. */
  readonly by: string;
  readonly preset?: string;
  readonly settings?: object;
}

/** The published recipe: of several searches the one whose network validates best after a brief training. */
export interface PickOptions {
  /** The brief training; what it leaves open is as in the whole one, with a tenth of its epochs, scored on a tenth of the training images. */
  readonly training?: TrainingOptions;
  /** Seeds of which one is kept, those that follow one another; all of them when absent. */
  readonly among?: number;
}

/** A table of NAS-Bench-201 that answers instead of trainings. */
export interface BenchmarkOptions {
  /** Its file. */
  readonly table: string;
  /** Accuracies that count; when absent the test accuracies after 200 epochs that the table has, or else its first column. */
  readonly columns?: readonly string[];
  /** Take a table that lacks cells. */
  readonly incomplete?: boolean;
}

/** Options of {@link runProtocol}. */
export interface ProtocolOptions
  extends PlaceOptions,
    Pick<
      RunOptions,
      'dataset' | 'dataDir' | 'limit' | 'imageSize' | 'colourProfile' | 'checkpointSeconds' | 'tensorboard'
    > {
  /** At least one search; required unless `resume` is given. */
  readonly arms?: readonly ProtocolArm[];
  /** How many seeds; required unless `resume` is given. */
  readonly seeds?: number;
  /** 0 when absent. */
  readonly firstSeed?: number;
  /** How every architecture is trained; what it leaves open goes with the first search. */
  readonly training?: TrainingOptions;
  readonly pick?: PickOptions;
  readonly benchmark?: BenchmarkOptions;
  /** Whether as many random architectures of the same space are drawn; true when absent. */
  readonly baseline?: boolean;
  /** Folder of the protocol; it may hold one that was asked the same, which goes on. */
  readonly out?: string;
  /** Folder of one that goes on as it was asked; beside it only where and with what it is done may be given. */
  readonly resume?: string;
}

const trainingRecord = record('options of a training');

const rules: OptionRules<ProtocolOptions> = {
  arms: { words: 'a list of at least one arm', holds: (value) => Array.isArray(value) && value.length > 0 },
  seeds: anInteger(1, 10_000),
  firstSeed: runRules.seed,
  training: trainingRecord,
  pick: record('an object with training and among'),
  benchmark: record('an object with table'),
  baseline: aBoolean,
  ...{ dataset: runRules.dataset, dataDir: runRules.dataDir, limit: runRules.limit, imageSize: runRules.imageSize },
  ...{ colourProfile: runRules.colourProfile, checkpointSeconds: runRules.checkpointSeconds },
  tensorboard: runRules.tensorboard,
  ...placeRules,
  ...{ out: runRules.out, resume: runRules.resume },
};

/** The name of a folder on every system, which neither a baseline has nor a file of the protocol. */
const aFolderName: OptionRule = {
  words: 'letters, digits, _, - and . of a folder, at most 64, other than random and without .json or .md at its end',
  holds: (value) =>
    typeof value === 'string' && /^[\w-][\w.-]{0,63}$/.test(value) && !/^random|\.(json|md)$/i.test(value),
};

const armRules: OptionRules<SearchArm> = {
  name: required(aFolderName),
  method: text('the name of a method'),
  preset: text('the name of a preset'),
  settings: record('an object of settings'),
  space: wordOr(Object.keys(spaces), 'a search space of your own'),
};

const selectionRules: OptionRules<SelectionArm> = {
  name: required(aFolderName),
  of: required(text('the name of an arm before it')),
  by: required(text('the name of a selection')),
  preset: armRules.preset,
  settings: armRules.settings,
};

const pickRules: OptionRules<PickOptions> = { training: trainingRecord, among: anInteger(1) };

const benchmarkRules: OptionRules<BenchmarkOptions> = {
  table: required(text('the file of a table')),
  columns: { words: 'a list of columns', holds: (value) => Array.isArray(value) },
  incomplete: aBoolean,
};

/** Whether an arm goes on with another's supernets. */
export function isSelection(arm: ProtocolArm): arm is SelectionArm {
  return 'of' in arm || 'by' in arm;
}

/** Throws ArgumentError for options that make no sense, whatever their methods are. */
export function checkProtocolOptions(options: ProtocolOptions): void {
  checkOptionRules('runProtocol', options, rules);
  const { resume, out } = options;
  if ((out === undefined) === (resume === undefined)) {
    throw new ArgumentError('expected out (--out), the folder of a protocol, or resume (--resume) with that of one');
  }
  if (resume === undefined) checkAsked(options);
  else checkResumed(options);
}

function checkAsked({ arms, seeds, benchmark, pick, training }: ProtocolOptions): void {
  if (arms === undefined) throw invalid('arms', 'a list of at least one arm', arms);
  if (seeds === undefined) throw invalid('seeds (--seeds)', 'how many seeds', seeds);
  checkArms(arms);
  if (pick !== undefined) checkOptionRules('pick', pick, pickRules);
  if (benchmark !== undefined) checkOptionRules('benchmark', benchmark, benchmarkRules);
  if (benchmark !== undefined && (training ?? pick?.training) !== undefined) {
    throw new ArgumentError('a benchmark (--benchmark) answers in place of trainings: leave out what is told of those');
  }
  if ([training, pick?.training].some((one) => one?.seed !== undefined)) {
    throw new ArgumentError('seed cannot be given to the trainings of a protocol: each has that of its search');
  }
}

/** What decides a protocol's outcome. */
export const decisive = [
  ...(['arms', 'seeds', 'firstSeed', 'training', 'pick', 'benchmark', 'baseline'] as const),
  ...(['dataset', 'limit', 'imageSize', 'colourProfile'] as const),
] as const;

/** What of one's own, which no file tells, has no other way in. */
const givenAgain: readonly string[] = ['arms', 'dataset'];

function checkResumed(options: ProtocolOptions): void {
  const given = decisive.find((name) => !givenAgain.includes(name) && options[name] !== undefined);
  if (given === undefined) return;
  throw new ArgumentError(`${given} cannot be given with resume: the protocol fixed it`);
}

function checkArms(arms: readonly ProtocolArm[]): void {
  const names = new Set<string>();
  const searches = new Set<string>();
  for (const [index, arm] of arms.entries()) {
    if (!isRecord(arm)) throw invalid(`arms[${index}]`, 'an object with the name of an arm', arm);
    if (isSelection(arm)) checkOptionRules(`arms[${index}]`, arm, selectionRules);
    else checkOptionRules(`arms[${index}]`, arm, armRules);
    // Two folders of one name on systems that take A for a.
    if (names.has(arm.name.toLowerCase()))
      throw new ArgumentError(`two arms are called '${arm.name}': name them apart`);
    if (isSelection(arm) && !searches.has(arm.of)) {
      const known = [...searches].join(', ') || 'none';
      throw new ArgumentError(`arm '${arm.name}' goes on with '${arm.of}': expected a search before it (${known})`);
    }
    names.add(arm.name.toLowerCase());
    if (!isSelection(arm)) searches.add(arm.name);
  }
}
