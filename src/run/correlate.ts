// Does alpha tell how good a candidate is? Each candidate of an edge, trained alone in its place, held against what the search learnt of it.
import { join } from 'node:path';
import { deviceChoice } from '../backend/open.ts';
import { aBoolean, aFunction } from '../checks.ts';
import type { ColourProfile } from '../data/dataset.ts';
import { aPortion } from '../data/split.ts';
import { throwIfAborted } from '../errors.ts';
import { type CellEdge, operationsOn, withOperation } from '../genotype/edges.ts';
import type { MixingActivation } from '../graph/graph.ts';
import type { Method } from '../methods/method.ts';
import { methods as builtIn } from '../methods/registry.ts';
import { checkedLater, checkOptionRules, type OptionRules, required, text } from '../option_rules.ts';
import { usualPreset } from '../setting_rules.ts';
import { usualSkeleton } from '../skeleton/skeletons.ts';
import { type Associations, associationsOf } from '../statistics/association.ts';
import { type CandidateTraining, findTraining, finishTraining } from './candidate_training.ts';
import { type RecordedRun, readRun } from './directory.ts';
import type { TrainEvent, TrainResult } from './events.ts';
import { runRules } from './options.ts';
import { type RunImages, runDataset } from './run_dataset.ts';
import { deviceFor, type PlaceOptions, placeRules } from './runtime.ts';
import { type EdgeChoice, type LearntCandidate, readSearchedEdge, type SearchedEdge } from './searched_edge.ts';

/** How far the trainings of candidates are. */
export interface CorrelationProgress {
  readonly candidate: string;
  /** From 0, of so many. */
  readonly index: number;
  readonly candidates: number;
  /** Trainings behind this one that are still to be done. */
  readonly waiting: number;
  /** What this one reports. */
  readonly event: TrainEvent;
}

/** What the trainings of candidates can be told, whatever their settings are. */
export interface CorrelationOptions extends PlaceOptions, RunImages, EdgeChoice {
  /** Directory of a search. */
  readonly run: string;
  /** Ready-made settings of the trainings; when absent those that go with the search's usual preset, short ones. */
  readonly preset?: string;
  /** Settings that replace the preset's, and what the search's method has in any training. */
  readonly settings?: object;
  /** Of every training; the search's when absent. */
  readonly seed?: number;
  /** Use only so many training images of a named dataset; the preset's number when absent. */
  readonly limit?: number;
  /** Height and width that image files are brought to; the search's when absent. */
  readonly imageSize?: number;
  /** What becomes of colour profiles in image files; as in the search when absent. */
  readonly colourProfile?: ColourProfile;
  /** Score on this share of the training images, instead of on test images; needed where there are none. */
  readonly validationPortion?: number;
  /** Folder for the trainings' run directories, each of its candidate's name; `correlate` in that of the search when absent. */
  readonly out?: string;
  /** Time between checkpoints within an epoch of a training; 60 when absent. */
  readonly checkpointSeconds?: number;
  readonly onProgress?: (progress: CorrelationProgress) => void;
}

/** A candidate of the edge: what the search learnt of it, and how good the network with it is. */
export interface ScoredCandidate extends LearntCandidate {
  /** Of the network with this candidate alone on the edge, trained from scratch; from 0 to 1, on the test images. */
  readonly accuracy: number;
  readonly loss: number;
  /** Of its training. */
  readonly directory: string;
}

/** What {@link correlate} gives. */
export interface AlphaCorrelation {
  /** Name of the stage. */
  readonly stage: string;
  readonly edge: CellEdge;
  /** What the genotype that was found has on the edge. */
  readonly operations: readonly string[];
  /** What makes mixing weights of alpha. */
  readonly activation: MixingActivation;
  /** All but `none`, in the order of the space. */
  readonly candidates: readonly ScoredCandidate[];
  /** Of mixing weights and accuracies. */
  readonly correlation: Associations;
}

const rules: OptionRules<CorrelationOptions> = {
  run: required(text('a run directory')),
  stage: text('the name of a stage'),
  edge: text('an edge, such as normal.0.1'),
  dropDeadNodes: aBoolean,
  // Those of a training.
  preset: checkedLater,
  settings: checkedLater,
  seed: runRules.seed,
  limit: runRules.limit,
  imageSize: runRules.imageSize,
  colourProfile: runRules.colourProfile,
  validationPortion: aPortion,
  dataset: runRules.dataset,
  dataDir: runRules.dataDir,
  out: runRules.out,
  checkpointSeconds: runRules.checkpointSeconds,
  ...placeRules,
  onProgress: aFunction,
};

/** As `correlateAlpha` (src/correlate.ts), which names the settings. */
export async function correlate(
  options: CorrelationOptions,
  methods: readonly Method[] = builtIn,
): Promise<AlphaCorrelation> {
  checkOptionRules('correlateAlpha', options, rules);
  throwIfAborted(options.signal);
  const run = await readRun(options.run, methods);
  const searched = await readSearchedEdge(run, options);
  // Before any of them begins, which may take long.
  const trainings = await findTrainings(run, searched, options, methods);
  const results = await finishAll(trainings, searched, options, methods);
  const candidates = searched.candidates.map((learnt, i) => {
    const { testAccuracy: accuracy, testLoss: loss } = results[i];
    return { ...learnt, accuracy, loss, directory: trainings[i].directory };
  });
  const { stage, genotype, edge, activation } = searched;
  const correlation = associationsOf(
    candidates.map(({ mixing }) => mixing),
    candidates.map(({ accuracy }) => accuracy),
  );
  return { stage, edge, operations: operationsOn(genotype, edge), activation, candidates, correlation };
}

async function findTrainings(
  run: RecordedRun,
  { genotype, edge, candidates }: SearchedEdge,
  options: CorrelationOptions,
  methods: readonly Method[],
): Promise<CandidateTraining[]> {
  const { seed = run.config.seed, limit, validationPortion, checkpointSeconds } = options;
  const searchPreset = usualPreset(run.method.presets, usualSkeleton(genotype));
  const usual = run.method.usualTraining?.(searchPreset, run.config.settings);
  const { preset = usual?.preset } = options;
  const settings = { ...usual?.settings, ...options.settings };
  const { workers, device, signal, out = join(run.files.directory, 'correlate') } = options;
  const images = { ...runDataset(run, options), limit, validationPortion };
  const runtime = { ...deviceChoice(options), workers, device, signal, checkpointSeconds };
  const trainings: CandidateTraining[] = [];
  for (const { candidate } of candidates) {
    const own = { preset, settings, seed, genotype: withOperation(genotype, edge, candidate) };
    trainings.push(await findTraining(join(out, candidate), { ...images, ...runtime, ...own }, methods));
  }
  return trainings;
}

async function finishAll(
  trainings: readonly CandidateTraining[],
  { candidates }: SearchedEdge,
  options: CorrelationOptions,
  methods: readonly Method[],
): Promise<TrainResult[]> {
  const results: TrainResult[] = [];
  let device = options.device;
  const opened = async () => {
    device ??= await deviceFor(options);
    return device;
  };
  try {
    for (const [index, training] of trainings.entries()) {
      const waiting = trainings.slice(index + 1).filter(({ result }) => result === undefined).length;
      const place = { candidate: candidates[index].candidate, index, candidates: candidates.length, waiting };
      const emit = (event: TrainEvent) => options.onProgress?.({ ...place, event });
      results.push(training.result ?? (await finishTraining(training, await opened(), methods, emit)));
    }
    return results;
  } finally {
    if (options.device === undefined) device?.dispose();
  }
}
