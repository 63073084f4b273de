// A search in which alpha and weights learn in turn, on two halves of the training images: what most methods are.
import { type AugmentSettings, checkAugmentation } from '../augment/augment.ts';
import type { Device } from '../backend/device.ts';
import { splitIndices } from '../data/split.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { withAffine } from '../learn/affine_images.ts';
import { cosineLearningRate } from '../learn/cosine.ts';
import { EpochMeans } from '../learn/epoch_means.ts';
import { withFlip } from '../learn/flipped_images.ts';
import { tellsTopFive } from '../learn/score.ts';
import { validationBatches } from '../learn/search_batches.ts';
import type { Supernet } from '../network/supernet.ts';
import { mixingOfRows, type RowsByTable, readAlpha } from '../select/alpha.ts';
import { checkRuleOf } from '../select/rules.ts';
import type { AlternatingOutcome, AlternatingParts, AlternatingSettings } from './alternating_parts.ts';
import type {
  EpochReport,
  InitialArchitecture,
  Measure,
  MethodContext,
  MethodDescription,
  MethodResult,
  MethodRun,
  Position,
  RunState,
  Stage,
  StepReport,
} from './method.ts';
import { loadedWhole } from './search_images.ts';
import { initialArchitecture, searchedSupernet } from './supernet_search.ts';
import { openSupernet as openSupernetOf, type SupernetHow, type SupernetTraining } from './supernet_training.ts';

/** What such a search reports. */
export const alternatingMeasures: readonly Measure[] = [
  { name: 'loss', of: 'step', label: 'loss', group: 'train', unit: 'loss', better: 'lower' },
  { name: 'accuracy', of: 'step', label: 'acc', group: 'train', unit: 'share', better: 'higher' },
  { name: 'validationLoss', of: 'step', label: 'validation loss', unit: 'loss', better: 'lower' },
  { name: 'learningRate', of: 'epoch', label: 'learning rate', unit: 'rate' },
  { name: 'trainAccuracy', of: 'epoch', label: 'accuracy', group: 'train', unit: 'share', better: 'higher' },
  { name: 'trainLoss', of: 'epoch', label: 'loss', group: 'train', unit: 'loss', better: 'lower' },
  { name: 'validationAccuracy', of: 'epoch', label: 'accuracy', group: 'validation', unit: 'share', better: 'higher' },
  { name: 'validationTop5', of: 'epoch', label: 'top-5', unit: 'share', better: 'higher', optional: true },
  { name: 'validationLoss', of: 'epoch', label: 'loss', group: 'validation', unit: 'loss', better: 'lower' },
];

/** What a search has found, at the end or so far. */
export interface Found {
  readonly genotype: Genotype;
  readonly alpha: RowsByTable;
  readonly mixing: RowsByTable;
}

/** A run of such a search. */
export interface SearchingRun extends MethodRun {
  readonly supernet: Supernet;
  /** What it comes to. */
  found(): Promise<Found>;
}

/** Such a search, before anything lies on a device. */
export interface SearchDescription<Settings = unknown> extends MethodDescription {
  open(device: Device): Promise<SearchingRun>;
  readonly supernet: Supernet;
  readonly parts: AlternatingParts<Settings & AlternatingSettings>;
  /** Its supernet alone, for who goes on with it. */
  openSupernet(device: Device, how?: SupernetHow): Promise<SupernetTraining<Settings & AlternatingSettings>>;
}

/** Whether a description is that of such a search. */
export function isSearchDescription(description: MethodDescription): description is SearchDescription {
  return 'openSupernet' in description;
}

/**
 * A search on a dataset that lies in memory whole, images in files being decoded first, and on the device but where images are augmented
 * before they go there. Rejects with what that throws, and with ArgumentError for images of a size that the supernet does not take or
 * without the colours that augmentation needs.
 */
export async function alternatingSearch<Settings extends AlternatingSettings>(
  context: MethodContext<Settings>,
  parts: AlternatingParts<Settings>,
): Promise<SearchDescription<Settings>> {
  const { settings, seed } = context;
  const {
    dataset: given,
    augment,
    notices,
  } = withAffine(withFlip(context.dataset, settings.flip), augmentOf(settings), settings.affine, 'autoAug');
  checkAugmentation(augment, given.train.shape, { autoAugment: 'autoAug' });
  const supernet = searchedSupernet(context);
  if (parts.selection !== undefined) checkRuleOf(supernet, parts.selection);
  const plain = settings.auxWeight
    ? searchedSupernet({ ...context, settings: { ...settings, auxWeight: 0 } })
    : supernet;
  // Not before the supernet: it may refuse the size.
  const dataset = await loadedWhole(given, context);
  const split = splitIndices(dataset.train.labels.length, settings.trainPortion, seed, settings.fileOrder);
  const options = { supernet, plain, dataset, split, augment, parts, settings, seed, workers: context.workers };
  const openSupernet: SearchDescription<Settings>['openSupernet'] = (device, how) =>
    openSupernetOf(device, options, how);
  return {
    dataset,
    graphs: { supernet: supernet.graph },
    space: supernet.space.name,
    layers: settings.layers,
    ...(!supernet.space.sharedAlpha && { genotypeCells: settings.layers }),
    oneCell: supernet.space.skeleton.cells === 'one',
    notices,
    trainSamples: split.train.length,
    validationSamples: split.validation.length,
    supernet,
    parts: parts as SearchDescription<Settings>['parts'],
    openSupernet: openSupernet as SearchDescription<Settings>['openSupernet'],
    open: async (device) => new AlternatingRun(await openSupernet(device), parts),
  };
}

/** What is done to images before they go to a device. */
function augmentOf({ autoAug = false }: AlternatingSettings): AugmentSettings {
  return { randomResizedCrop: false, autoAugment: autoAug ? 'fairdarts' : 'off', colorJitter: 0, hueJitter: 0 };
}

/** The epoch that validated best, and its alpha. */
type Best = { readonly epoch: number; readonly accuracy: number; readonly alpha: RowsByTable };

class AlternatingRun<Settings extends AlternatingSettings> implements SearchingRun {
  readonly state: RunState;
  readonly supernet: Supernet;
  readonly #training: SupernetTraining<Settings>;
  readonly #parts: AlternatingParts<Settings>;
  readonly #means: EpochMeans;

  constructor(training: SupernetTraining<Settings>, parts: AlternatingParts<Settings>) {
    const { supernet, parameters } = training;
    this.supernet = supernet;
    this.#training = training;
    this.#parts = parts;
    this.state = { parameters: { supernet: { parameters, optimizer: true } }, values: {} };
    this.#means = new EpochMeans(this.state.values, training.images, Object.keys(parts.means ?? {}));
  }

  async stage(index: number): Promise<Stage | undefined> {
    const { epochs } = this.#training.source.settings;
    return index === 0 ? { name: 'search', epochs, steps: this.#training.steps } : undefined;
  }

  async step(at: Position): Promise<StepReport> {
    const { settings } = this.#training.source;
    const { samples, loss, correct, gradientNorm, measures } = await this.#training.step(at, {
      learningRate: cosineLearningRate(settings, at.epoch),
      update: at.updates - this.#warmupSteps,
      alone: at.updates < this.#warmupSteps,
    });
    this.#means.add(samples, { loss, correct, ...this.#meansOf(measures) });
    return {
      samples,
      measures: { loss, accuracy: correct / samples, ...measures },
      gradientNorm,
      last: at.step + 1 === this.#training.steps,
    };
  }

  get #warmupSteps(): number {
    return (this.#training.source.settings.alphaWarmupEpochs ?? 0) * this.#training.steps;
  }

  #meansOf(measures: AlternatingOutcome['measures']): Readonly<Record<string, number>> {
    const means = Object.entries(this.#parts.means ?? {});
    return Object.fromEntries(means.map(([name, measure]) => [name, measures[measure]]));
  }

  async endEpoch({ epoch }: Position, signal?: AbortSignal): Promise<EpochReport> {
    const { settings, validation } = this.#training.source;
    const score = validation.length === 0 ? undefined : await this.#score(epoch, signal);
    const now = await this.#now();
    if (this.#parts.keepsBest && score !== undefined) this.#keepBest(epoch, score.accuracy, now.alpha);
    const { genotype, alpha } = now;
    return {
      measures: {
        learningRate: cosineLearningRate(settings, epoch),
        ...this.#means.end(score && { loss: score.loss, accuracy: score.accuracy }),
        ...(score && tellsTopFive(this.#training.classes) && { validationTop5: score.top5 }),
      },
      architecture: { genotype, alpha },
    };
  }

  #score(epoch: number, signal?: AbortSignal) {
    const { source, steps } = this.#training;
    const augmentedIn = source.settings.augmentedValidation ? { epoch } : undefined;
    const draws = augmentedIn && { ...augmentedIn, firstDraw: steps };
    return this.#training.score(validationBatches(source, augmentedIn), { ...draws, signal });
  }

  #keepBest(epoch: number, accuracy: number, alpha: RowsByTable): void {
    const best = this.#best;
    if (best !== undefined && accuracy <= best.accuracy) return;
    this.state.values['best'] = { epoch, accuracy, alpha } satisfies Best;
  }

  get #best(): Best | undefined {
    // As it was kept.
    return this.state.values['best'] as Best | undefined;
  }

  async result(): Promise<MethodResult> {
    const { genotype, mixing } = await this.found();
    const notices = this.#parts.notices?.(this.supernet, mixing, genotype) ?? [];
    return {
      genotype,
      mixing,
      scores: this.#training.source.validation.length === 0 ? {} : this.#scores(),
      ...(notices.length > 0 && { notices }),
    };
  }

  #scores(): MethodResult['scores'] {
    const { loss, accuracy } = this.#means.validation;
    return { validationAccuracy: accuracy, validationLoss: loss };
  }

  async architecture(): Promise<InitialArchitecture> {
    const { supernet, parameters } = this.#training;
    return initialArchitecture(supernet, parameters, this.#parts.selection);
  }

  async found(): Promise<Found> {
    const best = this.#best;
    return best === undefined ? this.#now() : this.#foundAt(best.alpha, mixingOfRows(this.supernet, best.alpha));
  }

  async #now(): Promise<Found> {
    const { supernet, parameters } = this.#training;
    const { alpha, mixing } = await readAlpha(supernet, parameters);
    return this.#foundAt(alpha, mixing);
  }

  #foundAt(alpha: RowsByTable, mixing: RowsByTable): Found {
    return { genotype: this.#parts.select(this.supernet, mixing, alpha), mixing, alpha };
  }

  [Symbol.dispose](): void {
    this.#training[Symbol.dispose]();
  }
}
