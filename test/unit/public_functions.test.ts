// Every function of the public API, fed with what no function takes: an error of ours, never a raw TypeError or RangeError.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, DartsmithError } from '../../src/errors.ts';
import * as api from '../../src/index.ts';
import * as kernelApi from '../../src/kernels.ts';
import * as tfjsApi from '../../src/tfjs.ts';

const circular: Record<string, unknown> = {};
circular['self'] = circular;

/** What no function takes as its first argument. */
const nonsense: readonly [string, unknown][] = [
  ['null', null],
  ['a number', 7.5],
  ['a text', 'no such thing'],
  ['a list', []],
  ['a circular object', circular],
  ['a BigInt', 10n],
  ['a Symbol', Symbol('s')],
  ['a function', () => {}],
  ['a typed array', new Float64Array(3)],
];
const nothing: readonly [string, unknown][] = [
  ['undefined', undefined],
  ['an empty object', {}],
];

type Callable = (...given: readonly unknown[]) => unknown;
const functionsOf = (table: object) =>
  Object.entries(table).filter(
    (entry): entry is [string, Callable] => typeof entry[1] === 'function' && !isClass(entry[1]),
  );
const isClass = (value: unknown) => /^class\b/.test(String(value));

/** Those whose options all have defaults. */
const startsWithNothing = new Set(['openDevice', 'openTfjsDevice']);
/** Those of lists, an empty one among them. */
const takesLists = new Set(['pairedTest', 'sampleOf']);
/** Those that take nothing, and runs, which begin where options are not refused: those have tests beside their options. */
const others = new Set([
  ...['describeBackends', 'describePlatforms'],
  ...['search', 'selectBy', 'train', 'test', 'repeatRun', 'runProtocol'],
]);
const functions = [
  ...functionsOf(api),
  ...functionsOf(kernelApi),
  ...functionsOf(tfjsApi),
  ...functionsOf(kernelApi.kernels).map(([name, call]) => [`kernels.${name}`, call] as const),
  ...functionsOf(api.operations).map(([name, call]) => [`operations.${name}`, call] as const),
].filter(([name]) => !others.has(name));

async function outcomeOf(call: Callable, given: readonly unknown[]): Promise<unknown> {
  try {
    return await call(...given);
  } catch (error) {
    return error;
  }
}

describe.each(functions)('%s', (name, call) => {
  const values = startsWithNothing.has(name) ? nonsense : [...nonsense, ...nothing];

  it.each(values.filter(([, value]) => !(Array.isArray(value) && takesLists.has(name))))(
    'refuses %s',
    async (_, value) => {
      expect(await outcomeOf(call, [value])).toBeInstanceOf(DartsmithError);
    },
  );
});

describe('what comes behind a sound first argument', () => {
  const graph = new api.GraphBuilder();
  let device: api.Device;

  beforeAll(async () => {
    device = await api.openDevice({ backend: 'cpu', threads: 1 });
  });

  const source = {
    inputs: { x: [2, 2, 3] },
    build: (builder: api.GraphBuilder, { x }: { x: api.Tensor }) => builder.relu(x),
  };
  const supernet = api.buildSupernet({ inputShape: [8, 8, 3], classes: 3, layers: 3, initChannels: 2 });
  const relu = kernelApi.kernels.relu({ shape: [2, 2, 1] });
  const table = () => Array.from({ length: 14 }, () => new Array<number>(8).fill(0.125));
  const mixing = { alphas_normal: table(), alphas_reduce: table() };
  const rows = [0, 1].map((input) => ({ node: 0, input, candidates: ['skip_connect'] }));
  const history: api.MixingHistory = {
    layout: { nodes: 1, tables: { normal: { name: 'n', rows }, reduce: { name: 'r', rows } } },
    activation: 'sigmoid',
    entries: [{ epoch: 0, mixing: { n: [[0.5], [0.5]], r: [[0.5], [0.5]] } }],
  };
  afterAll(() => device.dispose());

  const second: readonly (readonly [string, (value: unknown) => unknown])[] = [
    ['genotypeOf', (value) => api.genotypeOf(supernet, value as never)],
    [
      'selectGenotype: mixing',
      (value) => api.selectGenotype(supernet, value as never, { by: 'darts', threshold: 0.5 }),
    ],
    ['selectGenotype: options', (value) => api.selectGenotype(supernet, mixing, value as never)],
    ['operationCounts: cell', (value) => api.operationCounts(history, value as never, { by: 'darts', threshold: 0.5 })],
    ['operationCounts: options', (value) => api.operationCounts(history, 'normal', value as never)],
    ['writePublishedHistory', (value) => api.writePublishedHistory('out', value as never)],
    ['mixingWeights: rowLengths', (value) => api.mixingWeights(new Float32Array(1), value as never, 'softmax')],
    ['mixingWeights: activation', (value) => api.mixingWeights(new Float32Array(1), [1], value as never)],
    ['defineKernel', (value) => kernelApi.defineKernel('mine', value as never)],
    ['openKernel', (value) => kernelApi.openKernel(device, value as never)],
    ['openKernel: batchSize', (value) => kernelApi.openKernel(device, { ...source, batchSize: value } as never)],
    [
      'openKernel: inputs',
      (value) => kernelApi.openKernel(device, { ...source, inputs: value, batchSize: 1 } as never),
    ],
    ['checkKernel: definition', (value) => kernelApi.checkKernel(device, value as never, { batchSize: 1 })],
    ['checkKernel: options', (value) => kernelApi.checkKernel(device, relu, value as never)],
    ['kernelVariants', (value) => kernelApi.kernelVariants('relu', value as never)],
    ['work', (value) => relu.work(value as never)],
    ['reference', (value) => relu.reference(value as never)],
    ['operations', (value) => api.operations['sep_conv_3x3'](graph, graph.input('x', [2, 2, 2]), value as never)],
  ];

  describe.each(second)('%s', (_, call) => {
    it.each([...nonsense, ...nothing])('refuses %s', async (_, value) => {
      expect(await outcomeOf(call as Callable, [value])).toBeInstanceOf(ArgumentError);
    });
  });

  /** What may be left out. */
  const optional: readonly (readonly [string, (value: unknown) => unknown])[] = [
    ['selectFrom: options', (value) => api.selectFrom('run', value as never)],
    ['readHistory: options', (value) => api.readHistory('run', value as never)],
    ['drawHistory: options', (value) => api.drawHistory([{ name: 'a', history }], value as never)],
    ['resolveSettings: overrides', (value) => api.resolveSettings('quick', value as never)],
    ['resolveTrainSettings: overrides', (value) => api.resolveTrainSettings('quick', value as never)],
    ['resolveFairdartsSettings: overrides', (value) => api.resolveFairdartsSettings('quick', value as never)],
  ];

  describe.each(optional)('%s', (_, call) => {
    it.each(nonsense)('refuses %s', async (_, value) => {
      expect(await outcomeOf(call as Callable, [value])).toBeInstanceOf(ArgumentError);
    });
  });
});

describe('GraphBuilder', () => {
  const builder = new api.GraphBuilder();
  const x = builder.input('x', [4, 4, 2]);
  const vector = builder.input('v', [5]);
  const table = builder.alpha('alphas', [1]);
  const branch = { name: 'same', build: (_: api.GraphBuilder, tensor: api.Tensor) => tensor };

  it.each<[string, (value: never) => unknown]>([
    ['within', (value) => builder.within(value)],
    ['input', (value) => builder.input(value, [1])],
    ['input: shape', (value) => builder.input('y', value)],
    ['conv2d: input', (value) => builder.conv2d('c', value, { channels: 1, kernel: 1 })],
    ['conv2d: options', (value) => builder.conv2d('c', x, value)],
    ['conv2d: channels', (value) => builder.conv2d('c', x, { channels: value, kernel: 1 })],
    ['conv2d: kernel', (value) => builder.conv2d('c', x, { channels: 1, kernel: value })],
    ['batchNorm', (value) => builder.batchNorm('b', value, { affine: true })],
    ['batchNorm: options', (value) => builder.batchNorm('b', x, value)],
    ['batchNorm: affine', (value) => builder.batchNorm('b', x, { affine: value })],
    ['relu', (value) => builder.relu(value)],
    ['tanh', (value) => builder.tanh(value)],
    ['sigmoid', (value) => builder.sigmoid(value)],
    ['scale', (value) => builder.scale(value, 2)],
    ['scale: factor', (value) => builder.scale(x, value === 7.5 ? (null as never) : value)],
    ['softmaxScale', (value) => builder.softmaxScale('e', value, { count: 3, index: 0 })],
    ['softmaxScale: options', (value) => builder.softmaxScale('e', x, value)],
    ['softmaxScale: count', (value) => builder.softmaxScale('e', x, { count: value, index: 0 })],
    [
      'softmaxScale: initialiser',
      (value) => builder.softmaxScale('e', x, { count: 3, index: 0, initialiser: value ?? (null as never) }),
    ],
    ['noise', (value) => builder.noise(value)],
    ['noise: distribution', (value) => builder.noise(x, { distribution: value ?? (null as never) })],
    ['inGroup', (value) => builder.inGroup(value)],
    ['maxPool', (value) => builder.maxPool(value, { kernel: 3 })],
    ['maxPool: options', (value) => builder.maxPool(x, value)],
    ['avgPool', (value) => builder.avgPool(value, { kernel: 3 })],
    ['avgPool: kernel', (value) => builder.avgPool(x, { kernel: value })],
    ['globalAvgPool', (value) => builder.globalAvgPool(value)],
    ['linear', (value) => builder.linear('l', value, 2)],
    ['linear: outputs', (value) => builder.linear('l', vector, value)],
    ['add', (value) => builder.add(value)],
    ['add: one', (value) => builder.add([x, value])],
    ['add: weights', (value) => builder.add([x, x], { weights: value ?? (null as never) })],
    ['concat', (value) => builder.concat(value)],
    ['crop', (value) => builder.crop(value, 1, 1)],
    ['crop: top', (value) => builder.crop(x, value, 1)],
    ['dropout', (value) => builder.dropout(value, { rate: 0.5 })],
    ['dropout: options', (value) => builder.dropout(x, value)],
    ['zero', (value) => builder.zero(value)],
    ['alpha', (value) => builder.alpha(value, [1])],
    ['alpha: rowLengths', (value) => builder.alpha('a', value)],
    ['mixed', (value) => builder.mixed(value, [branch], { alpha: table, row: 0 })],
    ['mixed: branches', (value) => builder.mixed(x, value, { alpha: table, row: 0 })],
    ['mixed: one branch', (value) => builder.mixed(x, [value], { alpha: table, row: 0 })],
    ['mixed: mixing', (value) => builder.mixed(x, [branch], value)],
    [
      'mixed: a branch that gives none',
      (value) => builder.mixed(x, [{ name: 'b', build: () => value }], { alpha: table, row: 0 }),
    ],
    ['untrained', (value) => builder.untrained(value, (_, tensor) => tensor)],
    [
      'untrained: build',
      (value) => builder.untrained([1, 1, 1], typeof value === 'function' ? (null as never) : value),
    ],
    ['detach', (value) => builder.detach(value)],
    ['distillation', (value) => builder.distillation(value, vector)],
    ['distillation: teacher', (value) => builder.distillation(vector, value)],
    ['smoothL1', (value) => builder.smoothL1(value, vector)],
    ['smoothL1: second', (value) => builder.smoothL1(vector, value)],
    ['meanSquaredError', (value) => builder.meanSquaredError(value, vector)],
    ['meanSquaredError: second', (value) => builder.meanSquaredError(vector, value)],
    ['cosineDistance', (value) => builder.cosineDistance(value, vector)],
    ['cosineDistance: second', (value) => builder.cosineDistance(vector, value)],
    ['lossSum', (value) => builder.lossSum(value)],
    ['lossSum: one', (value) => builder.lossSum([value])],
    ['softmaxCrossEntropy', (value) => builder.softmaxCrossEntropy(value)],
    ['softmaxCrossEntropy: auxiliary', (value) => builder.softmaxCrossEntropy(vector, { auxiliary: [value] })],
    ['finish', (value) => builder.finish(value)],
  ])('%s refuses what it cannot take', (name, call) => {
    for (const [title, value] of [...nonsense, ...nothing]) {
      const isName = title === 'a text' && ['within', 'input', 'alpha', 'inGroup'].includes(name);
      if (isName) continue;
      expect(() => call(value as never), `${title}`).toThrow(ArgumentError);
    }
  });

  it('refuses tensors of another graph', () => {
    expect(() => builder.finish(new api.GraphBuilder().input('z', [1]))).toThrow('of the same graph');
  });
});
