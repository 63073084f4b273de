import type { AffineChoice } from '../augment/affine.ts';
import type { Outcome } from '../backend/device.ts';
import { aFunction, anInteger } from '../checks.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { ArgumentError, BackendError, FileError, throwIfAborted } from '../errors.ts';
import { sizesOfWeights } from '../exchange/network_sizes.ts';
import { readWeights } from '../exchange/weights.ts';
import type { Assignment } from '../features/clusters.ts';
import { type Correlation, FeatureMoments, meanCorrelation } from '../features/correlation.ts';
import type { CellKind } from '../genotype/genotype.ts';
import type { MixedNode } from '../graph/graph.ts';
import { elementsOf } from '../graph/shape.ts';
import { exists } from '../io/file_error.ts';
import { withAffine } from '../learn/affine_images.ts';
import { openFeed } from '../learn/feed.ts';
import { type FlipChoice, withFlip } from '../learn/flipped_images.ts';
import { evaluationBatch } from '../learn/noise.ts';
import { createProgramSet } from '../learn/program_set.ts';
import { trainBatches } from '../learn/train_batches.ts';
import { ImagePool } from '../load/pool.ts';
import { buildSupernet, type Supernet } from '../network/supernet.ts';
import { noneName } from '../operation/operations.ts';
import { checkOptionRules, type OptionRules, required, text, word } from '../option_rules.ts';
import type { DrawnFeatures } from '../report/draw_features.ts';
import { type RecordedRun, readRun } from './directory.ts';
import { runRules } from './options.ts';
import { type RecordedStage, readRecordedStages, recordedSpace } from './recorded_space.ts';
import { type RunImages, runDataset } from './run_dataset.ts';
import { deviceFor, type PlaceOptions, placeRules } from './runtime.ts';
import { stageNamed } from './stages.ts';

/** Which edges of every cell are looked at: the first and the last, as published, or all. */
export const edgeChoices = ['ends', 'all'] as const;

/** Options of {@link findFeatures}. */
export interface FeatureOptions extends PlaceOptions, RunImages {
  /** Directory of a search. */
  readonly run: string;
  /** Name of a stage of it; the first when absent. */
  readonly stage?: string;
  /** Training images, in random order and augmented as to learn from; 10,000 when absent. */
  readonly images?: number;
  readonly edges?: (typeof edgeChoices)[number];
  /** Groups that are proposed; as many as the correlations suggest when absent. */
  readonly groups?: number;
  /** Told how many of the images are done. */
  readonly onProgress?: (done: number, images: number) => void;
}

/** Candidates of an edge in groups. */
export interface FeatureClusters {
  readonly groups: number;
  /** The group of each candidate. */
  readonly assignment: Assignment;
}

/** What the candidates of an edge compute. */
export interface EdgeFeatures extends DrawnFeatures {
  readonly type: CellKind;
  /** By k-means of their mean features, into 2, 3 and 4 groups as far as there are so many candidates. */
  readonly clusters: readonly FeatureClusters[];
}

/** What {@link findFeatures} gives. */
export interface Features {
  /** Name of the stage. */
  readonly stage: string;
  readonly images: number;
  readonly edges: readonly EdgeFeatures[];
  /** Where all edges have the same candidates: the mean of their correlations, and the groups that it suggests. */
  readonly proposal?: {
    readonly candidates: readonly string[];
    readonly correlation: Correlation;
    readonly groups: readonly (readonly string[])[];
  };
}

const rules: OptionRules<FeatureOptions> = {
  run: required(text('a run directory')),
  stage: text('the name of a stage'),
  images: anInteger(2),
  edges: word(edgeChoices),
  groups: anInteger(1),
  dataset: runRules.dataset,
  dataDir: runRules.dataDir,
  ...placeRules,
  onProgress: aFunction,
};

/** As published (arXiv:1909.11926). */
const usualImages = 10_000;
const largestBatch = 64;
/** Numbers that come back from a device at once: 128 MiB. */
const mostNumbers = 2 ** 25;
const mostGroups = 4;

/**
 * Correlates what the candidates of edges compute (StacNAS, arXiv:1909.11926, section 4), and puts them in groups: of a supernet that a search
 * left, in evaluation mode. Rejects with ArgumentError, FileError, DataError, BackendError or AbortedError.
 */
export async function findFeatures(options: FeatureOptions): Promise<Features> {
  checkOptionRules('features', options, rules);
  const { signal, onProgress, groups, edges: which = 'ends' } = options;
  throwIfAborted(signal);
  const run = await readRun(options.run);
  const stage = await stageOf(run, options.stage);
  const { dataset, augment } = await imagesOf(run, options);
  const { supernet, tensors } = await supernetOf(stage, dataset);
  const edges = edgesOf(supernet, which);
  const candidates = commonCandidates(edges);
  if (groups !== undefined && candidates !== undefined && groups > candidates.length) {
    throw new ArgumentError(`expected at most ${candidates.length} groups, one a candidate, but got ${groups}`);
  }
  const device = await deviceFor(options);
  try {
    using parameters = await device.createParameters(supernet.graph, { seed: 0 });
    await parameters.assign(tensors, stage.files.checkpoint);
    using programs = createProgramSet(device, supernet.graph, parameters, 'fp32');
    using pool = new ImagePool(options.workers);
    const { mean, deviation, augmentation } = dataset;
    const { seed } = run.config;
    using feed = await openFeed(device, dataset.train, { pool, augment, seed });
    const images = Math.min(options.images ?? usualImages, feed.count);
    const numbers = edges.reduce((sum, edge) => sum + edge.outputs.length * edge.elements, 0);
    const batchSize = Math.max(1, Math.min(largestBatch, images, Math.floor(mostNumbers / numbers)));
    const statistics = { mean, deviation, augmentation };
    let done = 0;
    for await (const { batch } of trainBatches({ images: feed, statistics, settings: plain(batchSize), seed }, 0)) {
      throwIfAborted(signal);
      const [outcome] = await device.execute([
        {
          kind: 'evaluate',
          program: programs.programFor(batch.indices.length),
          batch: evaluationBatch(batch, supernet.graph, { seed, epoch: 0, step: done }),
          statistics: 'running',
          read: [...new Set(edges.flatMap(({ outputs }) => outputs))],
        },
      ]);
      const taken = Math.min(batch.indices.length, images - done);
      for (const edge of edges) takeIn(edge, outcome, taken);
      done += taken;
      onProgress?.(done, images);
      if (done === images) break;
    }
    const found = await Promise.all(edges.map(featuresOf));
    const proposal = candidates && (await proposalOf(found, candidates, groups));
    return { stage: stage.name, images, edges: found, ...(proposal && { proposal }) };
  } finally {
    if (options.device === undefined) device.dispose();
  }
}

/** Images to learn from without a hidden square. */
function plain(batchSize: number) {
  return {
    ...{ batchSize, epochs: 1, cutout: false, cutoutLength: 0, mixup: 0, dropPathProb: 0 },
    ...{ randomResizedCrop: false, autoAugment: 'off' as const },
  };
}

async function stageOf({ files }: RecordedRun, wanted: string | undefined): Promise<RecordedStage> {
  const stages = await readRecordedStages(files.directory);
  const found = stageNamed(stages, wanted, 'first', files.directory);
  if (await exists(found.files.checkpoint)) return found;
  throw new FileError(`${files.directory} holds no checkpoint yet: let the search come to the end of an epoch first`);
}

/** The run's images, and what the threads that prepare them do to them. */
async function imagesOf(run: RecordedRun, options: FeatureOptions) {
  const nothing = { randomResizedCrop: false, autoAugment: 'off', colorJitter: 0, hueJitter: 0 } as const;
  // As the run's own were; a method without such a setting has none of it.
  const { affine, flip } = run.config.settings as { affine?: AffineChoice; flip?: FlipChoice };
  return withAffine(withFlip(await datasetOf(run, options), flip), nothing, affine);
}

async function datasetOf(run: RecordedRun, { dataset: own, dataDir, signal }: FeatureOptions) {
  const { dataset, ...read } = runDataset(run, { dataset: own, dataDir });
  return typeof dataset === 'string' ? loadDataset(dataset, { ...read, signal }) : dataset;
}

async function supernetOf(stage: RecordedStage, { train, classes }: Dataset<ImageSet>) {
  const { checkpoint } = stage.files;
  const space = recordedSpace(stage, 'its features cannot be computed');
  const { tensors } = await readWeights(checkpoint);
  const { initChannels, layers, stemMultiplier, auxiliary } = sizesOfWeights(tensors, checkpoint);
  const { nodeForm } = stage.layout;
  const sizes = { initChannels, layers, stemMultiplier, nodeForm, auxiliaryWeight: auxiliary ? 0 : undefined };
  const supernet = buildSupernet({ space, inputShape: train.shape, classes, ...sizes });
  // Heads that are distilled hang on no edge.
  const own = new Set(supernet.graph.parameters.map(({ name }) => name));
  return { supernet, tensors: new Map([...tensors].filter(([name]) => own.has(name))) };
}

/** An edge of one cell while images go by. */
interface ObservedEdge {
  readonly place: Pick<EdgeFeatures, 'cell' | 'type' | 'node' | 'input' | 'candidates'>;
  /** Nodes of the candidates' outputs, and their elements an image. */
  readonly outputs: readonly number[];
  readonly elements: number;
  readonly moments: FeatureMoments;
}

/** The edges that are looked at, cell by cell. */
function edgesOf({ graph, tables, space }: Supernet, which: (typeof edgeChoices)[number]): ObservedEdge[] {
  const byName = new Map(Object.values(tables).map(({ name, edges }) => [name, edges]));
  // Others mix the edges of a node.
  const mixed = graph.nodes.filter((node): node is MixedNode => node.op === 'mixed' && byName.has(node.alpha));
  // Of every cell.
  const [{ length: count }] = byName.values();
  const kinds = space.skeleton.kindsOf(mixed.length / count);
  return mixed.flatMap((edge, index) => {
    const cell = Math.floor(index / count);
    const type = kinds[cell];
    const isEnd = edge.row === 0 || edge.row === count - 1;
    if (which === 'ends' && !isEnd) return [];
    const { node, input } = byName.get(edge.alpha)![edge.row];
    const branches = edge.branches.filter(({ name }) => name !== noneName);
    const outputs = branches.map(({ output }) => output);
    const elements = elementsOf(graph.nodes[outputs[0]].shape);
    return {
      place: { cell, type, node, input, candidates: branches.map(({ name }) => name) },
      ...{ outputs, elements, moments: new FeatureMoments(outputs.length, elements) },
    };
  });
}

function takeIn({ outputs, elements, moments }: ObservedEdge, { outputs: read }: Outcome, images: number): void {
  const all = outputs.map((node) => read?.get(node));
  for (let image = 0; image < images; image++) {
    const features = all.map((values) => {
      if (values === undefined) throw new BackendError('[features] expected the outputs of a batch');
      return values.subarray(image * elements, (image + 1) * elements) as Float32Array;
    });
    moments.add(features);
  }
}

// Loaded on first use: eigenvectors and k-means are large, and no other command needs them.
const clusters = () => import('../features/clusters.ts');
const projection = () => import('../features/projection.ts');

async function featuresOf({ place, moments }: ObservedEdge): Promise<EdgeFeatures> {
  const [{ clustered }, { principalCoordinates }] = await Promise.all([clusters(), projection()]);
  const points = principalCoordinates(moments.means);
  const most = Math.min(place.candidates.length, mostGroups);
  const found = Array.from({ length: Math.max(0, most - 1) }, (_, i) => ({
    groups: i + 2,
    assignment: clustered(points, i + 2),
  }));
  const projected = points.map(([first, second = 0]) => [first, second]);
  return { ...place, correlation: moments.correlation(), projection: projected, clusters: found };
}

/** The candidates of all edges, where they are the same. */
function commonCandidates(edges: readonly ObservedEdge[]): readonly string[] | undefined {
  const [{ candidates }] = edges.map(({ place }) => place);
  return edges.every(({ place }) => place.candidates.join() === candidates.join()) ? candidates : undefined;
}

async function proposalOf(
  edges: readonly EdgeFeatures[],
  candidates: readonly string[],
  groups: number | undefined,
): Promise<NonNullable<Features['proposal']>> {
  const { correlated } = await clusters();
  const correlation = meanCorrelation(edges.map((edge) => edge.correlation));
  const assignment = correlated(correlation, groups);
  const numbers = [...new Set(assignment)];
  const named = numbers.map((group) => candidates.filter((_, i) => assignment[i] === group));
  return { candidates, correlation, groups: named };
}
