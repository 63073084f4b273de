// Random search as the FairDARTS code has it beside plain DARTS (arXiv:1911.12126): architectures of so many skip connections and at least
// so many FLOPs are drawn, and nothing is trained.
import type { Device } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import { ArgumentError, throwIfAborted } from '../../errors.ts';
import type { Genotype } from '../../genotype/genotype.ts';
import { buildDerivedNetwork } from '../../network/derived.ts';
import type { Supernet } from '../../network/supernet.ts';
import { operations, skipName } from '../../operation/operations.ts';
import { normal, randomBlock } from '../../random/philox.ts';
import { costOf } from '../../report/cost.ts';
import { Resources } from '../../resources.ts';
import { mixingByTable, type RowsByTable, readAlpha } from '../../select/alpha.ts';
import { flag, integer, number, type SettingTable } from '../../setting_rules.ts';
import type { JsonValue, Measure, MethodContext, MethodDescription, MethodRun } from '../method.ts';
import { initialArchitecture, searchedSupernet } from '../supernet_search.ts';

/** What decides a random search. */
export interface RandomSettings {
  readonly initChannels: number;
  readonly layers: number;
  readonly numIdentity: number;
  readonly numArch: number;
  readonly flopsThreshold: number;
}

/** The settings of methods that may draw instead of learn. */
export const randomRules = {
  randomSearch: flag(false, 'draw architectures, print them and end: nothing is trained'),
  numIdentity: integer(2, 0, 8, 'skip connections of the normal cell of an architecture that is drawn'),
  numArch: integer(8, 1, 1000, 'architectures that are drawn'),
  flopsThreshold: number(500, 0, 1e6, 'least MFLOPs of an architecture that is drawn, with 36 channels and 20 cells'),
} satisfies SettingTable;

/** What an architecture that was drawn is told with. */
export const randomMeasures: readonly Measure[] = [
  { name: 'megaflops', of: 'epoch', label: 'MFLOPs', group: 'MFLOPs', unit: 'rate', optional: true },
];

/** The genotype that mixing weights stand for. */
type Select = (supernet: Supernet, mixing: RowsByTable) => Genotype;

/** The seeds of an architecture's draws, as published. */
const seeds = 1001;
/** Of the published tables. */
const deviation = 1e-3;
/** A draw takes some 0.1 ms, and 3 ms more where its network is counted. */
const mostDraws = 20_000;
const drawsAtOnce = 10;
const published = { inputShape: [32, 32, 3], classes: 10, initChannels: 36, layers: 20 } as const;

/** A search whose epochs each draw an architecture. Throws ArgumentError for images of a size that the supernet does not take. */
export async function describeRandomSearch(
  context: MethodContext<RandomSettings>,
  select: Select,
): Promise<MethodDescription> {
  const { settings, seed, dataset } = context;
  const supernet = searchedSupernet(context);
  if (supernet.space.skeleton.cells === 'one') {
    throw new ArgumentError('a random search counts skip connections of normal cells, which this space does not have');
  }
  return {
    dataset,
    graphs: { supernet: supernet.graph },
    space: supernet.space.name,
    layers: settings.layers,
    trainSamples: 0,
    validationSamples: 0,
    open: async (device) => openRandomSearch(device, supernet, { settings, seed }, select),
  };
}

async function openRandomSearch(
  device: Device,
  supernet: Supernet,
  { settings, seed }: Pick<MethodContext<RandomSettings>, 'settings' | 'seed'>,
  select: Select,
): Promise<MethodRun> {
  using resources = new Resources();
  const parameters = resources.use(await device.createParameters(supernet.graph, { seed }));
  const values: Record<string, JsonValue> = {};
  const held = resources.move();
  return {
    state: { parameters: { supernet: { parameters, optimizer: true } }, values },
    stage: async (index) => (index === 0 ? { name: 'draw', epochs: settings.numArch, steps: 0 } : undefined),
    step: () => Promise.reject(new Error('a random search has no steps')),
    endEpoch: async ({ epoch }, signal) => {
      const drawn = await drawArchitecture(supernet, settings, { seed, number: epoch }, select, signal);
      await setAlpha(supernet, parameters, drawn.tables);
      values[nameOf(epoch)] = drawn.genotype as unknown as JsonValue;
      const { alpha } = await readAlpha(supernet, parameters);
      const { genotype, megaflops } = drawn;
      return {
        measures: { megaflops },
        architecture: { genotype, alpha },
        decisions: [{ architecture: nameOf(epoch), seed: drawn.seed, draws: drawn.draws, megaflops }],
      };
    },
    result: async () => {
      const names = Array.from({ length: settings.numArch }, (_, number) => nameOf(number));
      const architectures = Object.fromEntries(names.map((name) => [name, values[name] as unknown as Genotype]));
      const { mixing } = await readAlpha(supernet, parameters);
      return { genotype: architectures[nameOf(settings.numArch - 1)], architectures, mixing, scores: {} };
    },
    architecture: () => initialArchitecture(supernet, parameters),
    [Symbol.dispose]: () => held[Symbol.dispose](),
  };
}

function nameOf(number: number): string {
  return `arch_${number}`;
}

/** Alpha by table, its rows one after another. */
type Tables = Readonly<Record<string, Float32Array>>;

/** An architecture, and how it was come by. */
interface Drawn {
  readonly genotype: Genotype;
  readonly tables: Tables;
  readonly megaflops: number;
  readonly seed: number;
  readonly draws: number;
}

/**
 * Draws tables until the genotype is one that is wanted, for architecture `number` of a run. Rejects with AbortedError, and with
 * ArgumentError where none of many is.
 */
export async function drawArchitecture(
  supernet: Supernet,
  { numIdentity, flopsThreshold }: Pick<RandomSettings, 'numIdentity' | 'flopsThreshold'>,
  place: { readonly seed: number; readonly number: number },
  select: Select,
  signal?: AbortSignal,
): Promise<Drawn> {
  const [word] = randomBlock({ seed: place.seed, purpose: 'architecture', epoch: place.number + 1, step: 0 }, 0);
  const seed = Math.floor((word / 2 ** 32) * seeds);
  let [skipping, largest] = [0, 0];
  for (let draws = 0; draws < mostDraws; draws++) {
    if (draws % drawsAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    throwIfAborted(signal);
    const tables = drawTables(supernet, seed, draws);
    const genotype = select(supernet, mixingByTable(supernet, tables));
    if (skipsOf(genotype) !== numIdentity) continue;
    skipping++;
    const megaflops = costOf(networkOf(genotype, supernet)).flops / 1e6;
    largest = Math.max(largest, megaflops);
    if (megaflops >= flopsThreshold) return { genotype, tables, megaflops, seed, draws: draws + 1 };
  }
  throw new ArgumentError(
    `of ${mostDraws} architectures drawn ${skipping} had numIdentity ${numIdentity} skip connections in the normal cell` +
      `${skipping > 0 ? `, and at most ${largest.toFixed(1)} of flopsThreshold ${flopsThreshold} MFLOPs` : ''}: ask for less`,
  );
}

function drawTables({ tables }: Supernet, seed: number, draw: number): Tables {
  const drawn = Object.values(tables).map(({ name, rowLengths }, part) => {
    const count = rowLengths.reduce((sum, length) => sum + length, 0);
    const values = normal({ seed, purpose: 'architecture', epoch: 0, step: draw, part }, count);
    return [name, Float32Array.from(values, (value) => deviation * value)] as const;
  });
  return Object.fromEntries(drawn);
}

async function setAlpha({ tables }: Supernet, parameters: Parameters, drawn: Tables): Promise<void> {
  for (const { name } of Object.values(tables)) await parameters.set(name, drawn[name]);
}

function skipsOf({ normal }: Genotype): number {
  return (normal?.nodes ?? []).flat().filter(({ operation }) => operation === skipName).length;
}

/** As papers count its FLOPs. */
function networkOf(genotype: Genotype, { tables }: Supernet) {
  const candidates = Object.values(tables).flatMap(({ edges }) => edges.flatMap((edge) => edge.candidates));
  const own = candidates.filter(({ name }) => !Object.hasOwn(operations, name));
  const builds = Object.fromEntries(own.map(({ name, build }) => [name, build]));
  return buildDerivedNetwork({ ...published, genotype, operations: builds }).graph;
}
