// The steps of CDARTS' cycle on a device (Yu et al., arXiv:2006.10724, algorithm 1, as NNI has it), each one crossing into the engine.
import type { Command, Device, GatheredBatch, Outcome, Program, SgdCommand } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import type { Genotype } from '../../genotype/genotype.ts';
import { createProgramSet, type ProgramSet } from '../../learn/program_set.ts';
import type { CyclicNetworks, JointNetwork } from '../../network/cyclic.ts';
import { Resources } from '../../resources.ts';
import { groupsOf, ReachedGroups, type Side } from './reached.ts';
import type { CdartsSettings } from './settings.ts';

/** What a step of one network came to. */
export interface LoneOutcome {
  readonly loss: number;
  readonly correct: number;
  /** Before clipping. */
  readonly gradientNorm: number;
}

/** What a joint step came to: S's own step, and what alpha and E followed before it. */
export interface JointOutcome extends LoneOutcome {
  /** Cross-entropies of both on the validation batch, and their distance without its factors. */
  readonly validationLoss: number;
  readonly evaluationValidationLoss: number;
  readonly distance: number;
  /** Sum of the sizes of alpha that are regularised, without λ. */
  readonly regulariser: number;
}

/** What a joint step works on. */
export interface JointStep {
  readonly train: GatheredBatch;
  readonly validation: GatheredBatch;
  /** λ. */
  readonly regularWeight: number;
  /** Number of alpha's update, from 0. */
  readonly update: number;
}

/** What a cycle works with. */
export interface CycleOptions {
  readonly networks: CyclicNetworks;
  readonly parameters: Parameters;
  readonly settings: CdartsSettings;
  /** Entries of alpha that are regularised, by table. */
  readonly regularised: Readonly<Record<string, Uint8Array>>;
  /** Groups that have had a gradient so far. */
  readonly reached: readonly string[];
}

/** What runs for a decision: E alone, and both networks. */
interface Decided {
  readonly evaluation: ProgramSet;
  readonly joint: ProgramSet;
  readonly network: JointNetwork;
  /** Groups that a pass of each reaches. */
  readonly reaches: Readonly<Record<'evaluation' | 'joint', readonly string[]>>;
}

/** Both networks over one set of parameters, and the three optimisers that move them. */
export class Cycle implements Disposable {
  readonly #device: Device;
  readonly #options: CycleOptions;
  readonly #reached: ReachedGroups;
  readonly #search: ProgramSet;
  readonly #searchReaches: readonly string[];
  /** By optimiser. */
  readonly #moves: Readonly<Record<Side, ReadonlySet<string>>>;
  #decided?: Decided;

  constructor(device: Device, options: CycleOptions) {
    const { networks, parameters, settings, reached } = options;
    this.#device = device;
    this.#options = options;
    this.#reached = new ReachedGroups(reached, settings.passOver);
    this.#search = createProgramSet(device, networks.search.graph, parameters, settings.precision);
    this.#searchReaches = groupsOf(networks.search.graph).filter((group) => !isOfHeads(group));
    const learning = groupsOf(networks.layout).filter((group) => this.#learns(group));
    this.#moves = {
      search: new Set(learning.filter((group) => isMovedBy('search', group))),
      evaluation: new Set(learning.filter((group) => isMovedBy('evaluation', group))),
    };
  }

  /** Groups that have had a gradient so far. */
  get reached(): readonly string[] {
    return this.#reached.list;
  }

  /** What E is from now on. */
  decide(decision: Genotype): void {
    const { networks, parameters, settings } = this.#options;
    const { lossAlpha, lossT: temperature, interactiveType, detachTeacher, rowMeans } = settings;
    const losses = { lossAlpha, temperature, distance: interactiveType, detachTeacher, rowMeans };
    this.#forget();
    using resources = new Resources();
    const programs = (graph: JointNetwork['graph']) =>
      resources.use(createProgramSet(this.#device, graph, parameters, settings.precision));
    const alone = networks.evaluation(decision);
    const network = networks.joint(decision, losses);
    const reaches = {
      evaluation: groupsOf(alone.graph).filter((group) => !isOfHeads(group)),
      joint: groupsOf(network.graph).filter((group) => this.#learns(group)),
    };
    this.#decided = { evaluation: programs(alone.graph), joint: programs(network.graph), network, reaches };
    resources.move();
  }

  /** One step of S alone, as the warm-up takes them. */
  async searchStep(batch: GatheredBatch): Promise<LoneOutcome> {
    return loneOutcome(await this.#device.execute(this.#searchCommands(batch)));
  }

  /** One step of E alone, with what was decided. */
  async evaluationStep(batch: GatheredBatch): Promise<LoneOutcome> {
    const { evaluation, reaches } = this.#chosen;
    const groups = this.#reached.step(reaches.evaluation, this.#moves.evaluation);
    return loneOutcome(
      await this.#device.execute([
        gradients(evaluation.programFor(batch.indices.length), batch, groups),
        ...this.#clip(),
        this.#sgd('evaluation', groups),
      ]),
    );
  }

  /** E and alpha follow the loss of both networks, then S its own at the new alpha. */
  async jointStep({ train, validation, regularWeight, update }: JointStep): Promise<JointOutcome> {
    const { joint, network, reaches } = this.#chosen;
    const { settings } = this.#options;
    const moved = this.#reached.step(reaches.joint, this.#moves.evaluation);
    // Those of S stay until its own step, which clears them.
    const kept = settings.trainEnsemble && settings.ensemble === 'own' ? [ownEnsemble] : [];
    const isStale = (group: string) => !this.#moves.evaluation.has(group) && !kept.includes(group);
    const stale = settings.clipTogether ? this.#reached.list.filter(isStale) : [];
    const pass = gradients(joint.programFor(validation.indices.length), validation, [...moved, ...kept, ...stale]);
    const together: Command[] = [
      { ...pass, target: 'both', ...(stale.length > 0 && { accumulate: stale }) },
      this.#penalty(regularWeight),
      ...this.#clip(),
      this.#sgd('evaluation', moved),
      this.#alphaStep(update),
    ];
    const outcomes = await this.#device.execute([...together, ...this.#searchCommands(train, kept)]);
    const [both, penalty, clipped] = outcomes;
    const alone = loneOutcome(outcomes.slice(together.length));
    const { terms = [] } = both;
    return {
      ...alone,
      gradientNorm: Math.max(alone.gradientNorm, clipped.gradientNorm ?? Number.NaN),
      validationLoss: terms[0],
      evaluationValidationLoss: terms[1],
      distance: distanceOf(network, terms) / (settings.lossAlpha * settings.lossT ** 2),
      regulariser: penalty.penalty ?? Number.NaN,
    };
  }

  /** All three optimisers begin anew; `isGone` are groups whose tensors were drawn anew, and have no gradient yet. */
  async restart(isGone: (group: string) => boolean): Promise<void> {
    this.#reached.forget(isGone);
    if (this.#options.settings.restartOptimizers) await this.#options.parameters.clearOptimizer();
  }

  /** `kept` groups move by the gradients that they have. */
  #searchCommands(batch: GatheredBatch, kept: readonly string[] = []): Command[] {
    const moved = this.#reached.step([...this.#searchReaches, ...kept], this.#moves.search);
    const cleared = moved.filter((group) => !kept.includes(group));
    return [
      gradients(this.#search.programFor(batch.indices.length), batch, cleared),
      ...this.#clip(),
      this.#sgd('search', moved),
    ];
  }

  /** By one norm of all gradients that there are, where optimisers do not clip what they move. */
  #clip(): Command[] {
    const { parameters, settings } = this.#options;
    if (!settings.clipTogether) return [];
    return [{ kind: 'clip', parameters, groups: this.#reached.list, alpha: true, maxNorm: settings.gradClip }];
  }

  #learns(group: string): boolean {
    const { fixHead, ensemble } = this.#options.settings;
    return !(fixHead && isOfHeads(group)) && !(ensemble === 'constant' && group === 'ensemble');
  }

  /** Tensors that both networks share have momentum of each of their optimisers. */
  #sgd(side: Side, groups: readonly string[]): SgdCommand {
    const { parameters, settings } = this.#options;
    const { wLr, nasnetLr, wMomentum: momentum, wWeightDecay: weightDecay, gradClip, clipTogether } = settings;
    const maxNorm = clipTogether ? Number.POSITIVE_INFINITY : gradClip;
    const learningRate = side === 'search' ? wLr : nasnetLr;
    const momentumIn = side === 'search' ? 'momentum' : 'secondMoments';
    return { kind: 'sgd', parameters, groups, learningRate, momentum, momentumIn, weightDecay, maxNorm };
  }

  #penalty(weight: number): Command {
    const { parameters, settings, regularised: entries } = this.#options;
    const sum = settings.regularCount * weight;
    const scaled = settings.regularMean ? sum / countOf(entries) : sum;
    return { kind: 'penalty', parameters, penalty: 'l1', weight: scaled, entries };
  }

  #alphaStep(update: number): Command {
    const { parameters, settings } = this.#options;
    const { alphaLr: learningRate, alphaWeightDecay: weightDecay } = settings;
    return {
      kind: 'adam',
      parameters,
      learningRate,
      betas: [0.5, 0.999],
      epsilon: 1e-8,
      weightDecay,
      step: update + 1,
    };
  }

  get #chosen(): Decided {
    // The run decides before any step that asks.
    return this.#decided!;
  }

  #forget(): void {
    this.#decided?.evaluation.dispose();
    this.#decided?.joint.dispose();
    this.#decided = undefined;
  }

  [Symbol.dispose](): void {
    this.#forget();
    this.#search.dispose();
  }
}

/** Those of alpha that are marked; of none 1, as their sum is 0 anyway. */
function countOf(entries: Readonly<Record<string, Uint8Array>>): number {
  return Math.max(
    1,
    Object.values(entries).reduce((count, flags) => count + flags.reduce((sum, flag) => sum + flag, 0), 0),
  );
}

/** The group of S's ensemble weights where these are its own. */
const ownEnsemble = 'search.ensemble';

function isOfHeads(group: string): boolean {
  return group === 'heads' || group.endsWith('.heads');
}

/** Shared modules are moved by both. */
function isMovedBy(side: Side, group: string): boolean {
  return !isOf(side === 'search' ? 'evaluation' : 'search', group);
}

/** Whether a group, or a tensor by its name, is one network's alone. */
export function isOf(side: Side, name: string): boolean {
  return name === side || name.startsWith(`${side}.`);
}

function gradients(program: Program, batch: GatheredBatch, groups: readonly string[]) {
  return { kind: 'gradients', program, batch, target: 'weights', groups } as const;
}

/** Without the first two terms, which are entropies. */
function distanceOf({ weights }: JointNetwork, terms: readonly number[]): number {
  return terms.slice(2).reduce((sum, term, index) => sum + weights[index + 2] * term, 0);
}

/** Of a pass, what may clip its gradients, and their optimiser: the first of both knows their norm. */
function loneOutcome([pass, clipped]: readonly Outcome[]): LoneOutcome {
  const { loss = Number.NaN, correct = Number.NaN } = pass;
  return { loss, correct, gradientNorm: clipped.gradientNorm ?? Number.NaN };
}
