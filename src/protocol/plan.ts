// A protocol with every default filled in: its arms, the baselines that belong to them, how architectures are trained.
import { isDeepStrictEqual } from 'node:util';
import { ArgumentError, invalid } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import { methodsOf, trainingMethod } from '../methods/registry.ts';
import type { TrainingPlan } from '../run/config.ts';
import { describeRun, type RunDescription } from '../run/describe.ts';
import type { MethodOptions, TrainingOptions } from '../run/options.ts';
import { type SearchSpace, skeletonNameOf } from '../space/space.ts';
import { invalidWord } from '../suggest.ts';
import type { MembersOf } from './drawn.ts';
import { isSelection, type PickOptions, type ProtocolArm, type ProtocolOptions, type SearchArm } from './options.ts';

/** Random architectures of a space. */
export interface Baseline {
  /** `random` or, of a space that is not the first, `random-SPACE`. */
  readonly name: string;
  /** The search whose space and rule of selection they have. */
  readonly like: string;
}

/** Where an arm's architectures come from. */
export type PlannedArm =
  | {
      readonly kind: 'search' | 'selection';
      readonly name: string;
      readonly arm: ProtocolArm;
      readonly baseline?: string;
    }
  | {
      readonly kind: 'random';
      readonly name: string;
      readonly like: string;
      readonly membersOf?: MembersOf;
      readonly baseline?: undefined;
    };

/** A protocol that is to be done. */
export interface ProtocolPlan {
  readonly directory: string;
  readonly arms: readonly PlannedArm[];
  readonly seeds: readonly number[];
  /** The first search, with the training that would follow. */
  readonly first: RunDescription;
  /** Absent where a benchmark answers. */
  readonly training?: TrainingPlan;
  /** The brief training that tells which architecture is kept. */
  readonly brief?: TrainingPlan;
  /** How many of these there are of each architecture. */
  readonly trainings: number;
  /** Seeds of which one is kept; absent where none is to be. */
  readonly among?: number;
  /** The method of the trainings. */
  readonly trains: Method;
}

/** The skeleton whose cells a benchmark knows. */
const benchmarked = 'nasbench201';
/** Of the training images, where nothing else is told of a brief training. */
const usualPortion = 0.1;
/** Of a whole training's epochs. */
const briefShare = 0.1;

/** Fills in the defaults. Throws ArgumentError for what the methods of its arms refuse, before anything is run. */
export async function planProtocol(options: ProtocolOptions, methods: readonly Method[]): Promise<ProtocolPlan> {
  const { arms = [], seeds = 1, firstSeed = 0, benchmark, pick, baseline = true, out = '' } = options;
  const described = new Map<string, RunDescription>();
  for (const arm of arms) {
    if (isSelection(arm)) checkSelection(arm, methods);
    else described.set(arm.name, await describeRun('search', searchOptions(arm, options), methods));
  }
  if (benchmark !== undefined) for (const [name, { space }] of described) checkBenchmarked(name, space);
  const baselines = baseline ? baselinesOf(described) : [];
  const following = (training: TrainingOptions) => describeFollowed(arms, options, training, methods);
  const [alone] = described.values();
  const first = benchmark === undefined ? await following(options.training ?? {}) : alone;
  const { data } = first.method;
  const { training } = first;
  if (pick !== undefined && training?.validationPortion !== undefined) {
    throw new ArgumentError(
      'picking by validation (--pick-best-by) needs scores on other images: leave validationPortion (--validation-portion) of the trainings out',
    );
  }
  const brief = pick && training && (await following(briefOptions(options, pick, training, data))).training;
  return {
    directory: out,
    arms: [
      ...arms.map((arm) => plannedArm(arm, described, baselines)),
      ...baselines.map((baseline) => randomArm(baseline, described)),
    ],
    seeds: Array.from({ length: seeds }, (_, index) => firstSeed + index),
    ...{ first, training, brief, trainings: [training, brief].filter((one) => one !== undefined).length },
    ...(pick && { among: amongOf(pick, seeds) }),
    trains: trainingMethod(methods, data),
  };
}

/** What a search of an arm is told, but for its seed and its place. */
export function searchOptions({ name: _, ...arm }: SearchArm, options: ProtocolOptions): MethodOptions {
  return { ...withoutUndefined(arm), ...dataOptions(options) };
}

/** What runs are told of their data. */
export function dataOptions({ dataset, dataDir, limit, imageSize, colourProfile }: ProtocolOptions): MethodOptions {
  return withoutUndefined({ dataset, dataDir, limit, imageSize, colourProfile });
}

/** A method refuses options that it does not know, given or not. */
export function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function checkSelection(
  { name, by }: { readonly name: string; readonly by: string },
  methods: readonly Method[],
): void {
  const known = methodsOf('select', methods).map((method) => method.name);
  if (!known.includes(by)) throw invalidWord(`what decides in arm '${name}'`, known, by);
}

/** Other cells than those of NAS-Bench-201 are in no table of it. */
function checkBenchmarked(name: string, space: RunDescription['space']): void {
  if (space !== undefined && skeletonNameOf(space) === benchmarked) return;
  throw new ArgumentError(
    `a benchmark (--benchmark) knows cells of ${benchmarked}, but arm '${name}' searches '${spaceName(space)}': --space ${benchmarked}`,
  );
}

/** The first search, with a training as `search --then train` has it. */
async function describeFollowed(
  arms: readonly ProtocolArm[],
  options: ProtocolOptions,
  training: TrainingOptions,
  methods: readonly Method[],
): Promise<RunDescription> {
  const first = arms.find((arm): arm is SearchArm => !isSelection(arm))!;
  return describeRun('search', { ...searchOptions(first, options), training }, methods);
}

function briefOptions(
  { training: asked = {} }: ProtocolOptions,
  { training: own = {} }: PickOptions,
  { settings: { epochs } }: TrainingPlan,
  data: Method['data'],
): TrainingOptions {
  const fewer = typeof epochs === 'number' ? { epochs: Math.max(1, Math.round(briefShare * epochs)) } : {};
  const { validationPortion = usualPortion } = own;
  return {
    ...withoutUndefined(asked),
    ...withoutUndefined(own),
    settings: { ...asked.settings, ...fewer, ...own.settings },
    // Texts have a part of their own for that.
    validationPortion: data === 'images' ? validationPortion : undefined,
  };
}

function amongOf({ among }: PickOptions, seeds: number): number {
  if (among === undefined) return seeds;
  if (among <= seeds && seeds % among === 0) return among;
  throw invalid('pick.among (--pick-among)', `a number that ${seeds} seeds can be divided by`, among);
}

/** One a space, of the first arm that searches it. Throws ArgumentError for spaces of one's own that are called alike. */
function baselinesOf(described: ReadonlyMap<string, RunDescription>): Baseline[] {
  const found: (Baseline & Pick<RunDescription, 'space'>)[] = [];
  for (const [like, { space }] of described) {
    if (found.some((known) => isDeepStrictEqual(known.space, space))) continue;
    const name = found.length === 0 ? 'random' : `random-${spaceName(space).replace(/[^\w.-]/g, '_')}`;
    const other = found.find((known) => known.name === name || spaceName(known.space) === spaceName(space));
    if (other !== undefined) {
      throw new ArgumentError(
        `arms '${other.like}' and '${like}' search two spaces that are called alike, '${spaceName(other.space)}' and '${spaceName(space)}': name them apart`,
      );
    }
    found.push({ name, like, space });
  }
  return found;
}

/** A method without a choice of spaces has one. */
function spaceName(space: string | SearchSpace | undefined): string {
  return typeof space === 'object' ? space.name : (space ?? '');
}

function plannedArm(
  arm: ProtocolArm,
  described: ReadonlyMap<string, RunDescription>,
  baselines: readonly Baseline[],
): PlannedArm {
  const space = (name: string) => spaceName(described.get(name)?.space);
  const own = space(isSelection(arm) ? arm.of : arm.name);
  const baseline = baselines.find(({ like }) => space(like) === own)?.name;
  return { kind: isSelection(arm) ? 'selection' : 'search', name: arm.name, arm, ...(baseline && { baseline }) };
}

function randomArm({ name, like }: Baseline, described: ReadonlyMap<string, RunDescription>): PlannedArm {
  const { method, settings } = described.get(like)!;
  const membersOf = method.membersOf && ((candidate: string) => method.membersOf!(settings, candidate));
  return { kind: 'random', name, like, ...(membersOf && { membersOf }) };
}
