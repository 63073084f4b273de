// Every setting of every method does something: a changed one changes what the device is asked for.
import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import type { Command, CompileOptions, Program } from '../../src/backend/device.ts';
import { Parameters } from '../../src/backend/parameters.ts';
import type { Dataset, ImageArrays } from '../../src/data/dataset.ts';
import { publishedGenotypes } from '../../src/genotype/published.ts';
import type { Method } from '../../src/methods/method.ts';
import { methods } from '../../src/methods/registry.ts';
import { startMethod } from '../../src/run/start.ts';
import type { SettingRule } from '../../src/setting_rules.ts';
import { createFakeDevice } from '../helpers/fake_device.ts';
import { tinyDataset } from '../helpers/tiny_search.ts';
import { type TinySource, tinySource } from '../helpers/tiny_source.ts';
import { tinyCorpus, tinyTextSettings } from '../helpers/tiny_text.ts';
import { randomSearch } from './random_search.ts';

vi.mock('../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const entries: readonly Method[] = [...methods, randomSearch];

const base = {
  batchSize: 4,
  epochs: 2,
  initChannels: 2,
  layers: 3,
  auxiliary: false,
  cutout: false,
  warmupEpochs: 1,
  evaluationLayers: 3,
};

/** Of methods of texts. */
const baseOfText = { ...tinyTextSettings, epochs: 2 };

/** Settings that do something only beside others. */
const companions: Readonly<Record<string, object>> = {
  cutoutLength: { cutout: true },
  regularRatio: { epochs: 4, regularRatio: 1 },
  copyPastSkips: { rebuildEvaluation: true, bestFirst: true, epochs: 6, alphaLr: 1 },
  decayBySize: { weightDecay: 1e-3 },
  warmupBatch: { warmupEpochs: 2 },
  restartOptimizers: { epochs: 3 },
  repeatCell: { layers: 5, evaluationLayers: 5 },
  byClass: { fileOrder: false },
  cutoutProb: { cutout: true },
  cutoutRise: { cutout: true },
  auxiliaryWeight: { auxiliary: true },
  gamma: { schedule: 'exponential' },
  sepLoss: { auxLossWeight: 1 },
  parseMethod: { opThreshold: 0.5 },
  alphaShare: { search2Layers: base.layers },
  noiseType: { noiseDarts: true },
  maxStep: { noiseDarts: true },
  augmentedValidation: { trainRatio: 0.5 },
  smoothScores: { labelSmooth: 0.1 },
  noiseSchedule: { noiseDarts: true, maxStep: 4 },
  numIdentity: { randomSearch: true, numArch: 1, flopsThreshold: 300 },
  numArch: { randomSearch: true, flopsThreshold: 300 },
  learningRateMin: { learningRateCosine: true },
  decideAll: { projIntv: 1 },
  addGroups: { smallBatchSize: 2 },
  newEmbedding: { unrolled: true },
  clampCoefficient: { unrolled: true },
  sameMasks: { unrolled: true },
  nonmono: { nonmono: 1, epochs: 8 },
  currentRate: { nonmono: 1, epochs: 8 },
  maxSeqLenDelta: { maxSeqLenDelta: 0 },
  flopsThreshold: { randomSearch: true, numArch: 1, flopsThreshold: 560 },
};

/** Other values of settings of which not any one goes alone. */
const others: Readonly<Record<string, unknown>> = {
  stage: 'search1',
  regularised: 'skip_connect',
  sampleRatio: 0.1,
  warmupBatch: 8,
  stemMultiplier: 2,
  groups: 'sep_conv_3x3 sep_conv_5x5, skip_connect',
};

/** Large enough for an auxiliary head, and coloured. */
function images(seed: number, size = 32): ImageArrays {
  const { train } = tinyDataset(seed);
  const data = Uint8Array.from({ length: 12 * size * size * 3 }, (_, i) => train.images[i % train.images.length]);
  return { images: data, labels: train.labels.slice(0, 12), shape: [size, size, 3] };
}

const dataset: Dataset = {
  ...{ ...tinyDataset(), train: images(1), test: images(2) },
  ...{ mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] },
};

/** Steps whose loss must not be finite, once, for settings to do something. */
const spoilt: Readonly<Record<string, (command: Command) => boolean>> = {
  rollback: ({ kind, ...command }) => kind === 'gradients' && 'batch' in command && command.batch?.dropout?.epoch === 1,
};

/** What the images of settings are that do something to some images only. */
const suited: Readonly<Record<string, Partial<Dataset>>> = {
  // A distillation head needs them behind an eightfold reduction.
  stem: { train: images(1, 96), test: images(2, 96) },
  affine: { affine: { mean: [0.4, 0.4, 0.4], deviation: [0.3, 0.3, 0.3], flip: true } },
};

const corpus = tinyCorpus();
const source = await tinySource(3, dataset);
/** Searches that selections go on with whose settings do something in some spaces only. */
const sources: Readonly<Record<string, TinySource>> = {
  decideAll: await tinySource(3, dataset, { skeleton: 'nasbench201' }),
};

function known(method: Method, settings: object): object {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => Object.hasOwn(method.settings, name)));
}

/** Another value that the rule allows. */
function otherValue(rule: SettingRule, value: unknown): unknown {
  if (rule.kind === 'flag') return !value;
  if (rule.kind === 'choice') return rule.words.findLast((word) => word !== value);
  if (rule.kind === 'text') throw new Error('expected another value among others');
  const near = Number(value) === 0 ? rule.low + Math.min(0.5, (rule.high - rule.low) / 2) : Number(value) / 2;
  const wanted = rule.kind === 'integer' ? Number(value) + 3 : near;
  return Math.min(rule.high, Math.max(rule.low, wanted));
}

function dataOf({ data }: Method, name: string) {
  return data === 'text' ? corpus : { ...dataset, ...suited[name] };
}

/** A digest of all that a run asks of its device, and of what it found. */
async function digestOf(method: Method, settings: object, name: string): Promise<string> {
  const hash = createHash('sha256');
  let isSpoilt = spoilt[name] === undefined;
  const fake = createFakeDevice({
    spoil: (outcomes, call) => {
      if (isSpoilt || !fake.calls[call].some(spoilt[name])) return outcomes;
      isSpoilt = true;
      return outcomes.map((outcome) => ({ ...outcome, loss: Number.NaN, terms: undefined }));
    },
  });
  const names = new Map<Program, string>();
  const device: typeof fake = {
    ...fake,
    compile: (graph, options: CompileOptions) => {
      const program = fake.compile(graph, options);
      names.set(program, JSON.stringify([graph, options.batchSize, options.precision]));
      return program;
    },
    createDataset: (arrays) => {
      hash.update(arrays.images);
      return fake.createDataset(arrays);
    },
    execute: (commands, options) => {
      const replacer = (key: string, value: unknown) => {
        if (key === 'program') return names.get(value as Program);
        return ['parameters', 'averages', 'dataset'].includes(key) || value instanceof Parameters ? undefined : value;
      };
      hash.update(JSON.stringify(commands, replacer));
      return fake.execute(commands, options);
    },
  };
  const { result } = startMethod(
    method.command,
    {
      ...{ dataset: dataOf(method, name), device, settings: known(method, settings), workers: 1 },
      ...(method.command !== 'train' && { method: method.name }),
      ...(method.needs === 'run' && (sources[name] ?? source)),
      ...(method.needs === 'genotype' && {
        genotype: publishedGenotypes[method.data === 'text' ? 'DARTS_V2_RNN' : 'DARTS_V2'],
      }),
    },
    entries,
  );
  const end = await (spoilt[name] === undefined ? result : result.catch(({ message }: Error) => message));
  return hash.update(JSON.stringify(end)).digest('hex');
}

describe.each(entries.map((method) => [method.name, method] as const))('of the method %s', (_, method) => {
  const usual = Object.fromEntries(Object.entries(method.settings).map(([name, rule]) => [name, rule.default]));

  it.each(Object.entries(method.settings))('the setting %s does something', async (name, rule) => {
    const without = { ...usual, ...(method.data === 'text' ? baseOfText : base), ...companions[name] };
    const value = others[name] ?? otherValue(rule, without[name as keyof typeof without]);
    const digest = (settings: object) => digestOf(method, settings, name);
    expect(await digest({ ...without, [name]: value })).not.toBe(await digest(without));
  });
});
