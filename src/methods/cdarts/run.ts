// A search by CDARTS: a warm-up of the search network, then epochs in which both networks learn and decide in turn.
import type { Device, GatheredBatch } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import { FileError } from '../../errors.ts';
import type { Genotype } from '../../genotype/genotype.ts';
import { BatchWalk } from '../../learn/batch_walk.ts';
import { NamedMeans } from '../../learn/named_means.ts';
import { epochBatches, fedBatches, type SearchSource } from '../../learn/search_batches.ts';
import type { CyclicNetworks } from '../../network/cyclic.ts';
import { noneName } from '../../operation/operations.ts';
import { Resources } from '../../resources.ts';
import { type RowsByTable, readAlpha } from '../../select/alpha.ts';
import { type SelectionOptions, selectGenotype } from '../../select/rules.ts';
import type {
  EpochReport,
  InitialArchitecture,
  JsonValue,
  MethodResult,
  MethodRun,
  Position,
  RunState,
  Stage,
  StepReport,
} from '../method.ts';
import { openImages, type SearchImages } from '../search_images.ts';
import { initialArchitecture } from '../supernet_search.ts';
import { type BatchPlace, CycleBatches, type Half } from './batches.ts';
import { Cycle, isOf, type LoneOutcome } from './cycle.ts';
import { decisionFiles } from './decision_files.ts';
import { drawnDecision } from './drawn_decision.ts';
import { CandidatePool } from './pool.ts';
import { regularWeight } from './regularised.ts';
import type { CdartsSettings } from './settings.ts';

/** How decisions are taken: both strongest edges of each node, in the order of their inputs, or the best one first. */
export function decisionRule({ bestFirst }: Pick<CdartsSettings, 'bestFirst'>): SelectionOptions {
  return { by: bestFirst ? 'darts' : 'cdarts', threshold: 0 };
}

/** What lies on a device once a search is opened. */
export interface CdartsOptions extends SearchImages {
  readonly networks: CyclicNetworks;
  readonly settings: CdartsSettings;
  readonly split: Pick<SearchSource, 'train' | 'validation'>;
  readonly regularised: Readonly<Record<string, Uint8Array>>;
}

/** Lays both networks and the images on a device. */
export async function openCdarts(device: Device, options: CdartsOptions): Promise<CdartsRun> {
  const { networks, seed, settings, split } = options;
  using resources = new Resources();
  const { layout, search } = networks;
  const parameters = resources.use(
    await device.createParameters([search.graph, layout], { seed, secondMoments: true }),
  );
  const pool = settings.rebuildEvaluation
    ? resources.use(
        await CandidatePool.of(device, { networks, parameters, seed, copyPastSkips: settings.copyPastSkips }),
      )
    : undefined;
  const images = await openImages(device, options, resources);
  const source = { ...images, ...split, order: 'walk', settings, seed } as const;
  return new CdartsRun(device, options, { parameters, pool }, source, resources);
}

/** What a search is made of: a warm-up, where there is one, and the cycle. */
type Part = 'warm-up' | 'search';

/** Values of a run's state: groups that have had a gradient, and what E is in an epoch that goes on. */
const reachedName = 'reached';
const decisionName = 'decision';

/** A run of such a search. */
export class CdartsRun implements MethodRun {
  readonly state: RunState;
  readonly #device: Device;
  readonly #options: CdartsOptions;
  readonly #parameters: Parameters;
  readonly #pool: CandidatePool | undefined;
  readonly #parts: readonly Part[];
  readonly #batches: CycleBatches;
  readonly #walks: Readonly<Record<Half, BatchWalk>>;
  readonly #resources: Resources;
  readonly #means: NamedMeans;
  /** Made when a step first asks for it: what a checkpoint tells is there by then. */
  #cycle?: Cycle;
  /** The epoch whose decision E has. */
  #decidedIn?: number;

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(
    device: Device,
    options: CdartsOptions,
    { parameters, pool }: { readonly parameters: Parameters; readonly pool: CandidatePool | undefined },
    source: SearchSource,
    resources: Resources,
  ) {
    const { settings, split } = options;
    this.#device = device;
    this.#options = options;
    this.#parameters = parameters;
    this.#pool = pool;
    this.#parts = (['warm-up', 'search'] as const).filter((part) => epochsOf(part, settings) > 0);
    this.#batches = new CycleBatches(split, settings);
    this.state = {
      parameters: {
        // A step that clips stale gradients goes on from those of the one before.
        networks: { parameters, optimizer: true, gradients: settings.clipTogether },
        ...(pool && { pool: { parameters: pool.parameters, optimizer: false } }),
      },
      values: { [reachedName]: [], [decisionName]: null },
    };
    this.#means = new NamedMeans(this.state.values);
    this.#walks = {
      train: new BatchWalk((pass, step) => passBatches(source, 'train', pass, step)),
      validation: new BatchWalk((pass, step) => passBatches(source, 'validation', pass, step)),
    };
    this.#resources = resources.move();
  }

  async stage(index: number): Promise<Stage | undefined> {
    const parts = this.#parts.slice(index).map((name) => {
      const { steps: warmup, evaluationSteps, jointSteps } = this.#batches;
      const steps = name === 'search' ? evaluationSteps + jointSteps : warmup;
      return { name, epochs: epochsOf(name, this.#options.settings), steps };
    });
    if (parts.length === 0) return undefined;
    const later = parts.slice(1).map(({ name, epochs, steps }) => [name, epochs * steps] as const);
    return { ...parts[0], later: Object.fromEntries(later) };
  }

  async step(at: Position): Promise<StepReport> {
    this.#cycle ??= new Cycle(this.#device, { ...this.#options, parameters: this.#parameters, reached: this.#reached });
    const { samples, last, measures, gradientNorm } =
      this.#parts[at.stage] === 'warm-up' ? await this.#warmup(this.#cycle, at) : await this.#search(this.#cycle, at);
    this.state.values[reachedName] = [...this.#cycle.reached];
    this.#means.add(
      samples,
      Object.fromEntries(Object.entries(measures).map(([name, value]) => [meanOf(name), value])),
    );
    return { samples, measures, gradientNorm, last };
  }

  get #reached(): readonly string[] {
    const groups = this.state.values[reachedName];
    if (Array.isArray(groups) && groups.every((group) => typeof group === 'string')) return groups;
    throw new FileError(`the checkpoint is damaged: expected names of groups for the metadata ${reachedName}`);
  }

  async #warmup(cycle: Cycle, { epoch, step }: Position): Promise<StepReport> {
    const batch = await this.#batchAt(this.#batches.warmup(epoch, step));
    const outcome = await cycle.searchStep(batch);
    return { ...loneReport(batch, outcome, ['loss', 'accuracy']), last: step + 1 === this.#batches.steps };
  }

  /** First E alone, with what was decided for the epoch, then both. */
  async #search(cycle: Cycle, at: Position): Promise<StepReport> {
    await this.#decideFor(cycle, at);
    const { epoch, step } = at;
    const { steps, jointSteps, evaluationSteps } = this.#batches;
    if (step < evaluationSteps) {
      const batch = await this.#batchAt(this.#batches.evaluation(epoch, step));
      const outcome = await cycle.evaluationStep(batch);
      return { ...loneReport(batch, outcome, ['evaluationLoss', 'evaluationAccuracy']), last: false };
    }
    const joint = step - evaluationSteps;
    const places = this.#batches.joint(epoch, joint);
    const [batch, validation] = [await this.#batchAt(places.train), await this.#batchAt(places.validation)];
    const { settings } = this.#options;
    const { validationLoss, evaluationValidationLoss, distance, regulariser, ...outcome } = await cycle.jointStep({
      ...{ train: batch, validation },
      regularWeight: regularWeight(settings, settings.warmupEpochs + epoch, Math.floor(joint / steps)),
      update: (settings.restartOptimizers ? 0 : epoch * jointSteps) + joint,
    });
    const report = loneReport(batch, outcome, ['loss', 'accuracy']);
    const measures = { ...report.measures, validationLoss, evaluationValidationLoss, distance, regulariser };
    return { ...report, measures, last: joint + 1 === jointSteps };
  }

  async #batchAt({ half, ...place }: BatchPlace): Promise<GatheredBatch> {
    return (await this.#walks[half].at(place)).batch;
  }

  /** Within an epoch it stays what it was at its start, whatever alpha has become since. */
  async #decideFor(cycle: Cycle, { epoch, step }: Position): Promise<void> {
    if (step === 0) await this.#renew(cycle, await this.#taken(epoch), epoch);
    else if (this.#decidedIn === epoch) return;
    // As it was put there; networks are not built from what is none.
    cycle.decide(this.state.values[decisionName] as unknown as Genotype);
    this.#decidedIn = epoch;
  }

  /** What E is in an epoch behind the warm-up. */
  async #taken(epoch: number): Promise<Genotype> {
    const { genotype, mixing } = await this.#now();
    const { networks, settings, seed } = this.#options;
    return settings.gumbelSample ? drawnDecision(networks.search, mixing, { seed, epoch }) : genotype;
  }

  async #renew(cycle: Cycle, decision: Genotype, epoch: number): Promise<void> {
    const before = this.state.values[decisionName] as unknown as Genotype | null;
    await this.#pool?.renew(before, decision, epoch + 1);
    await cycle.restart((group) => this.#pool !== undefined && isOf('evaluation', group));
    this.state.values[decisionName] = decision as unknown as JsonValue;
  }

  async endEpoch({ stage, epoch }: Position): Promise<EpochReport> {
    const { settings } = this.#options;
    const { genotype, alpha, mixing } = await this.#now();
    const isSearch = this.#parts[stage] === 'search';
    const number = isSearch ? settings.warmupEpochs + epoch : epoch;
    return {
      measures: {
        learningRate: settings.wLr,
        ...this.#means.end(),
        margin: marginOf(this.#options.networks, mixing),
        ...(isSearch && { regularWeight: regularWeight(settings, number) }),
      },
      architecture: { genotype, alpha },
      files: decisionFiles(genotype, number),
    };
  }

  async #now() {
    const { search } = this.#options.networks;
    const { alpha, mixing } = await readAlpha(search, this.#parameters);
    return { genotype: selectGenotype(search, mixing, decisionRule(this.#options.settings), alpha), mixing, alpha };
  }

  async result(): Promise<MethodResult> {
    const { genotype, mixing } = await this.#now();
    return { genotype, mixing, scores: {} };
  }

  async architecture(): Promise<InitialArchitecture> {
    return initialArchitecture(this.#options.networks.search, this.#parameters, decisionRule(this.#options.settings));
  }

  [Symbol.dispose](): void {
    this.#cycle?.[Symbol.dispose]();
    this.#resources[Symbol.dispose]();
  }
}

function epochsOf(part: Part, { epochs, warmupEpochs }: CdartsSettings): number {
  const warmup = Math.min(warmupEpochs, epochs);
  return part === 'warm-up' ? warmup : epochs - warmup;
}

/** How clear decisions are: by how much an edge's largest mixing weight exceeds its second, among what it may take, in the mean over edges. */
function marginOf({ search: { space, tables } }: CyclicNetworks, mixing: RowsByTable): number {
  const takesNone = space.skeleton.cells === 'one';
  const margins = Object.values(tables).flatMap(({ name, edges }) =>
    edges.map(({ candidates }, row) => {
      const rivals = mixing[name][row].filter((_, index) => takesNone || candidates[index].name !== noneName);
      const [first, second = 0] = rivals.toSorted((a, b) => b - a);
      return first - second;
    }),
  );
  return margins.reduce((sum, margin) => sum + margin, 0) / margins.length;
}

/** What means over an epoch are called, of measures of steps. */
function meanOf(measure: string): string {
  return meanNames[measure] ?? measure;
}

const meanNames: Readonly<Record<string, string>> = {
  loss: 'trainLoss',
  accuracy: 'trainAccuracy',
  evaluationLoss: 'evaluationTrainLoss',
  evaluationAccuracy: 'evaluationTrainAccuracy',
  validationLoss: 'searchLoss',
};

function loneReport(
  { indices }: GatheredBatch,
  { loss, correct, gradientNorm }: LoneOutcome,
  [lossName, accuracyName]: readonly [string, string],
): Omit<StepReport, 'last'> {
  const samples = indices.length;
  return { samples, measures: { [lossName]: loss, [accuracyName]: correct / samples }, gradientNorm };
}

/** The batches of a pass over a half, from one on. */
function passBatches(source: SearchSource, half: 'train' | 'validation', pass: number, first: number) {
  const whole = half === 'train' ? source : { ...source, train: source.validation };
  const plans = epochBatches(whole, pass)[half];
  const count = Math.ceil(source[half].length / source.settings.batchSize);
  const planned = Array.from({ length: count - first }, (_, index) => plans(first + index));
  const images = half === 'train' ? source.trainImages : source.validationImages;
  return fedBatches(images, planned, { epoch: pass });
}
