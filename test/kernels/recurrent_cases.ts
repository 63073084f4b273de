// Tables of cases of what language models are made of. Channels around the vector widths, columns from one on, sequences that are as
// long as the longest and shorter, searched and derived cells, and whole models.
import type { DropoutDraw } from '../../src/backend/device.ts';
import type { GraphBuilder, RecurrentCellOptions, Tensor } from '../../src/graph/builder.ts';
import type { RecurrentActivation, RecurrentEdge } from '../../src/graph/graph.ts';
import { gaussian, type KernelCase } from '../helpers/kernel_case.ts';

/** Times, columns and channels of a sequence; `length` is the longest, that of the sequence when absent. */
interface SequenceSize {
  readonly times: number;
  readonly columns: number;
  readonly channels: number;
  readonly length?: number;
}

const draw: DropoutDraw = { seed: 11, epoch: 2, step: 5 };

/** A case on sequences. */
function sequence(
  name: string,
  { times, columns, channels, length }: SequenceSize,
  build: (builder: GraphBuilder) => Tensor,
  rest: Partial<KernelCase> = {},
): KernelCase {
  const size = `${times}x${columns}x${channels}${length === undefined ? '' : ` of ${length}`}`;
  return { name: `${size} ${name}`, batchSize: times * columns, columns, length: length ?? times, build, ...rest };
}

/** A case on sequences of vectors `x`. */
function onVectors(
  name: string,
  size: SequenceSize,
  build: (builder: GraphBuilder, x: Tensor) => Tensor,
  rest?: Partial<KernelCase>,
): KernelCase {
  return sequence(name, size, (builder) => build(builder, builder.input('x', [size.channels])), rest);
}

/** A mask given from outside: zeros, and others that no rate explains. */
function mask(elements: number, step: number): Float32Array {
  return Float32Array.from(gaussian(elements, 500 + step), (value) => (value < -1 ? 0 : 0.5 + Math.abs(value)));
}

type EdgeName = readonly [RecurrentActivation, number];

function edges(...pairs: readonly EdgeName[]): RecurrentEdge[] {
  return pairs.map(([activation, from]) => ({ activation, from }));
}

/** The published cells, and shapes that theirs lie between. */
export const recurrentCells = {
  DARTS_V1: {
    edges: edges(
      ...([['relu', 0], ['relu', 1], ['tanh', 2], ['relu', 3]] as const), // biome-ignore format: a line a half
      ...([['relu', 4], ['identity', 1], ['relu', 5], ['relu', 1]] as const), // biome-ignore format: the same
    ),
  },
  DARTS_V2: {
    edges: edges(
      ...([['sigmoid', 0], ['relu', 1], ['relu', 1], ['identity', 1]] as const), // biome-ignore format: the same
      ...([['tanh', 2], ['sigmoid', 5], ['tanh', 3], ['relu', 5]] as const), // biome-ignore format: the same
    ),
  },
  ENAS: {
    edges: edges(
      ...([['tanh', 0], ['tanh', 1], ['relu', 1], ['tanh', 3], ['tanh', 3], ['relu', 3]] as const), // biome-ignore format: the same
      ...([['relu', 4], ['relu', 7], ['relu', 8], ['relu', 8], ['relu', 8]] as const), // biome-ignore format: the same
    ),
    outputs: [2, 5, 6, 9, 10, 11],
  },
  single: { edges: edges(['tanh', 0]) },
  chain: { edges: edges(['tanh', 0], ['relu', 1], ['sigmoid', 2], ['identity', 3]) },
  star: { edges: edges(['identity', 0], ['sigmoid', 0], ['relu', 0], ['tanh', 0], ['tanh', 0]) },
  'with none': { edges: edges(['tanh', 0], ['none', 1], ['relu', 1], ['sigmoid', 2]) },
  'widest star': { edges: edges(...Array.from({ length: 16 }, () => ['tanh', 0] as const)) },
  'longest chain': {
    edges: edges(...Array.from({ length: 16 }, (_, i) => [i % 2 === 0 ? 'tanh' : 'identity', i] as const)),
    outputs: [16, 3],
  },
} satisfies Record<string, RecurrentCellOptions>;

function derived(
  name: keyof typeof recurrentCells,
  size: SequenceSize,
  options: RecurrentCellOptions = {},
  rest?: Partial<KernelCase>,
): KernelCase {
  const build = (builder: GraphBuilder, x: Tensor) =>
    builder.recurrentCell('cell', x, { ...recurrentCells[name], ...options });
  return onVectors(`${name}${titleOf(options)}`, size, build, rest);
}

/** Rows of a searched cell's table. */
function pairs(nodes: number): number {
  return (nodes * (nodes + 1)) / 2;
}

/**
 * A searched cell. Batch statistics want at least four columns, and channels that mix: those of two columns leave no gradient but
 * round-off, those of three, or of one channel alone, little else.
 */
function searched(
  nodes: number,
  size: SequenceSize,
  options: RecurrentCellOptions = {},
  rest?: Partial<KernelCase>,
): KernelCase {
  const candidates = options.candidates?.length ?? 5;
  return onVectors(
    `searched of ${nodes}${titleOf(options)}`,
    size,
    (builder, x) => {
      const alpha = builder.alpha('alphas', new Array<number>(pairs(nodes)).fill(candidates), 0.5);
      return builder.recurrentCell('cell', x, { nodes, alpha, ...options });
    },
    rest,
  );
}

function titleOf({ inputDropout, hiddenDropout, candidates, outputs }: RecurrentCellOptions): string {
  const words = [
    inputDropout && `dropout of x ${inputDropout}`,
    hiddenDropout && `dropout of h ${hiddenDropout}`,
    candidates && `candidates ${candidates.join(' ')}`,
    outputs && `outputs ${outputs.join(' ')}`,
  ].filter((word) => word);
  return words.length === 0 ? '' : `, ${words.join(', ')}`;
}

/** A case whose graph has a hidden state of the name, which batches begin with or leave. */
function stateful(kernelCase: KernelCase, channels: number, states: NonNullable<KernelCase['states']>): KernelCase {
  const { columns = 1, build } = kernelCase;
  const names = new Set([states.from, states.to].filter((name) => name !== undefined));
  return {
    ...kernelCase,
    name: `${kernelCase.name}, from ${states.from ?? 'zeros'} to ${states.to ?? 'nowhere'}`,
    build: (builder) => {
      for (const name of names) builder.state(name, columns, channels);
      return build(builder);
    },
    states,
  };
}

/** Mixing weights that are no softmax, none of them 0. */
function shares(count: number, step: number): number[] {
  return [...gaussian(count, 700 + step)].map((value) => 0.2 + 0.1 * Math.tanh(value));
}

const drawnMasks: readonly KernelCase[] = [
  derived('DARTS_V2', { times: 3, columns: 3, channels: 17 }, { inputDropout: 0.75 }, { dropout: draw }),
  derived(
    'DARTS_V2',
    { times: 3, columns: 4, channels: 8 },
    { inputDropout: 0.3, hiddenDropout: 0.25 },
    { dropout: draw },
  ),
  derived('chain', { times: 2, columns: 1, channels: 31 }, { hiddenDropout: 0.25 }, { dropout: draw }),
  searched(3, { times: 2, columns: 5, channels: 16 }, { inputDropout: 0.75, hiddenDropout: 0.25 }, { dropout: draw }),
  searched(8, { times: 2, columns: 4, channels: 5 }, { hiddenDropout: 0.5 }, { dropout: draw }),
].map((one) => ({ ...one, name: `${one.name}, drawn` }));

const bothDropouts = { inputDropout: 0.75, hiddenDropout: 0.25 };

const givenMasks: readonly KernelCase[] = [
  derived('DARTS_V2', { times: 2, columns: 3, channels: 9 }, bothDropouts, {
    dropout: { ...draw, masks: { 'cell.x': mask(27, 0), 'cell.h': mask(27, 1) } },
  }),
  searched(4, { times: 2, columns: 4, channels: 6 }, bothDropouts, {
    dropout: { ...draw, masks: { 'cell.x': mask(24, 2), 'cell.h': mask(24, 3) } },
  }),
  // One is given, the other drawn.
  searched(2, { times: 3, columns: 4, channels: 8 }, bothDropouts, {
    dropout: { ...draw, masks: { 'cell.h': mask(32, 4) } },
  }),
].map((one) => ({ ...one, name: `${one.name}, masks given` }));

const withoutMasks: readonly KernelCase[] = [
  derived('star', { times: 2, columns: 3, channels: 5 }, bothDropouts),
  derived('chain', { times: 2, columns: 3, channels: 4 }, bothDropouts, { dropout: { ...draw, drops: false } }),
].map((one) => ({ ...one, name: `${one.name}, not dropping` }));

const states: readonly KernelCase[] = [
  stateful(derived('DARTS_V2', { times: 3, columns: 2, channels: 8 }), 8, { from: 'hidden', to: 'hidden' }),
  stateful(derived('chain', { times: 2, columns: 5, channels: 17, length: 4 }), 17, { from: 'before', to: 'after' }),
  stateful(derived('star', { times: 1, columns: 1, channels: 16 }, { hiddenDropout: 0.25 }, { dropout: draw }), 16, {
    from: 'hidden',
  }),
  stateful(searched(3, { times: 2, columns: 6, channels: 5 }), 5, { to: 'hidden' }),
  stateful(searched(8, { times: 2, columns: 4, channels: 4 }), 4, { from: 'hidden', to: 'hidden' }),
];

const chosenStatistics: readonly KernelCase[] = (['running', 'batch'] as const).flatMap((statistics) => {
  const dropping = { statistics, dropout: draw };
  const any = [
    searched(3, { times: 2, columns: 5, channels: 16 }, {}, { statistics }),
    searched(8, { times: 3, columns: 4, channels: 5, length: 4 }, { hiddenDropout: 0.25 }, dropping),
  ];
  // Running ones make columns independent: one is enough.
  const few = [1, 2, 3].map((columns) => searched(4, { times: 3, columns, channels: 17 }, {}, { statistics }));
  const single = searched(2, { times: 2, columns: 9, channels: 1 }, {}, { statistics });
  const cases = statistics === 'running' ? [...any, ...few, single] : any;
  return cases.map((one) => ({ ...one, name: `${one.name}, ${statistics} statistics` }));
});

const givenMixing: readonly KernelCase[] = [
  searched(3, { times: 2, columns: 4, channels: 8 }, {}, { mixing: { alphas: shares(30, 0) } }),
  searched(
    4,
    { times: 3, columns: 4, channels: 5 },
    {},
    {
      mixing: { alphas: Array.from({ length: 10 }, (_, row) => (row % 3 === 1 ? undefined : shares(5, row))) },
    },
  ),
].map((one, index) => ({ ...one, name: `${one.name}, ${index === 0 ? 'all' : 'some'} rows given` }));

/** Of the op `recurrentCell`; every output is a tensor. */
export const recurrentCell: readonly KernelCase[] = [
  derived('single', { times: 1, columns: 1, channels: 1 }),
  derived('single', { times: 5, columns: 2, channels: 4 }),
  derived('chain', { times: 2, columns: 1, channels: 5 }),
  derived('chain', { times: 5, columns: 3, channels: 16 }),
  derived('star', { times: 2, columns: 7, channels: 8 }),
  derived('star', { times: 1, columns: 9, channels: 31 }),
  derived('with none', { times: 2, columns: 4, channels: 8 }),
  derived('longest chain', { times: 2, columns: 2, channels: 5 }),
  derived('DARTS_V1', { times: 2, columns: 5, channels: 17 }),
  derived('DARTS_V1', { times: 5, columns: 6, channels: 4 }),
  derived('DARTS_V2', { times: 5, columns: 1, channels: 16 }),
  derived('DARTS_V2', { times: 2, columns: 8, channels: 48 }),
  derived('DARTS_V2', { times: 2, columns: 64, channels: 17 }),
  derived('DARTS_V2', { times: 2, columns: 3, channels: 31, length: 5 }),
  derived('DARTS_V2', { times: 1, columns: 4, channels: 8, length: 9 }),
  derived('DARTS_V2', { times: 2, columns: 4, channels: 8 }, { outputs: [7] }),
  derived('ENAS', { times: 2, columns: 3, channels: 8 }),
  derived('ENAS', { times: 5, columns: 2, channels: 5 }),
  derived('DARTS_V2', { times: 2, columns: 3, channels: 8 }, {}, { data: 'large' }),
  derived('chain', { times: 2, columns: 3, channels: 5 }, {}, { data: 'integers' }),
  searched(1, { times: 5, columns: 4, channels: 4 }),
  searched(2, { times: 2, columns: 4, channels: 5 }),
  searched(3, { times: 5, columns: 5, channels: 16 }),
  searched(8, { times: 1, columns: 6, channels: 17 }),
  searched(8, { times: 2, columns: 9, channels: 31 }),
  searched(8, { times: 2, columns: 7, channels: 48 }),
  searched(8, { times: 5, columns: 8, channels: 8 }),
  searched(8, { times: 2, columns: 64, channels: 16 }),
  searched(4, { times: 2, columns: 5, channels: 8, length: 5 }),
  searched(5, { times: 1, columns: 7, channels: 16, length: 3 }),
  searched(16, { times: 1, columns: 4, channels: 4 }),
  searched(4, { times: 2, columns: 4, channels: 8 }, { outputs: [2, 4] }),
  searched(5, { times: 2, columns: 4, channels: 5 }, { outputs: [3] }),
  searched(3, { times: 2, columns: 4, channels: 8 }, { candidates: ['identity', 'none', 'tanh'] }),
  searched(3, { times: 2, columns: 5, channels: 5 }, { candidates: ['sigmoid'] }),
  searched(3, { times: 2, columns: 4, channels: 8 }, {}, { data: 'large' }),
  ...drawnMasks,
  ...givenMasks,
  ...withoutMasks,
  ...states,
  ...chosenStatistics,
  ...givenMixing,
];

/**
 * What small cells leave out of the kernels of GPUs: slices of several channels of which the last has fewer, more columns
 * than a product takes at once, more sums than threads.
 */
export const wideCells: readonly KernelCase[] = [
  derived('chain', { times: 2, columns: 5, channels: 131 }, { hiddenDropout: 0.25 }, { dropout: draw }),
  searched(2, { times: 2, columns: 7, channels: 130 }),
  searched(3, { times: 2, columns: 261, channels: 3 }),
  searched(1, { times: 1, columns: 3, channels: 257 }),
  derived('widest star', { times: 1, columns: 133, channels: 131 }),
];

/** Rates of every dropout of a language model. */
interface Dropouts {
  readonly e?: number;
  readonly i?: number;
  readonly x?: number;
  readonly h?: number;
  readonly o?: number;
}

interface LanguageModel extends SequenceSize {
  readonly vocabulary: number;
  readonly cell: keyof typeof recurrentCells | number;
  readonly dropouts?: Dropouts;
  /** Weights of the terms of activation and slowness; 0 leaves a term out. */
  readonly alpha?: number;
  readonly beta?: number;
}

/** The network of the paper in small: its loss, or logits where `terms` is false. */
function languageModel(name: string, model: LanguageModel, rest?: Partial<KernelCase>): KernelCase {
  const { vocabulary, channels, cell, dropouts = {}, alpha = 0, beta = 0 } = model;
  const { e = 0, i = 0, x = 0, h = 0, o = 0 } = dropouts;
  const build = (builder: GraphBuilder): Tensor => {
    const words = builder.embedding('encoder', builder.integers('words', vocabulary), { channels, dropout: e });
    const rates = { inputDropout: x, hiddenDropout: h };
    const table = () => builder.alpha('alphas', new Array<number>(pairs(Number(cell))).fill(5), 0.5);
    const options = typeof cell === 'number' ? { nodes: cell, alpha: table() } : recurrentCells[cell];
    const raw = builder.recurrentCell('rnns.0', builder.variationalDropout('i', words, i), { ...options, ...rates });
    const dropped = builder.variationalDropout('o', raw, o);
    const loss = builder.softmaxCrossEntropy(builder.tiedLinear('decoder', dropped, 'encoder'));
    if (alpha === 0 && beta === 0) return loss;
    const terms = [
      { loss, weight: 1 },
      ...(alpha === 0 ? [] : [{ loss: builder.meanSquare(dropped), weight: alpha }]),
      ...(beta === 0 ? [] : [{ loss: builder.slowness(raw), weight: beta }]),
    ];
    return builder.lossSum(terms);
  };
  return sequence(`language model, ${name}`, model, build, rest);
}

const allDropouts = { e: 0.1, i: 0.2, x: 0.5, h: 0.25, o: 0.5 };

/** Whole models: embedding, dropouts, cell, tied decoder and the losses. */
export const languageModels: readonly KernelCase[] = [
  languageModel('derived', { times: 3, columns: 4, channels: 8, vocabulary: 23, cell: 'DARTS_V2', beta: 1e-3 }),
  languageModel(
    'derived, every dropout',
    {
      times: 4,
      columns: 3,
      channels: 17,
      vocabulary: 50,
      cell: 'DARTS_V1',
      dropouts: allDropouts,
      alpha: 0.5,
      beta: 2,
    },
    { dropout: draw },
  ),
  languageModel(
    'derived, shorter',
    { times: 2, columns: 5, channels: 5, length: 6, vocabulary: 11, cell: 'ENAS', dropouts: allDropouts, beta: 2 },
    { dropout: draw },
  ),
  languageModel('derived, of one time', {
    ...{ times: 1, columns: 5, channels: 8, length: 4, vocabulary: 13, cell: 'chain', alpha: 0.5, beta: 2 },
  }),
  languageModel('derived, one column', { times: 5, columns: 1, channels: 16, vocabulary: 31, cell: 'DARTS_V2' }),
  languageModel('searched', { times: 3, columns: 4, channels: 8, vocabulary: 23, cell: 8, beta: 1e-3 }),
  languageModel(
    'searched, every dropout',
    { times: 3, columns: 5, channels: 16, length: 5, vocabulary: 41, cell: 8, dropouts: allDropouts, beta: 2 },
    { dropout: draw },
  ),
  languageModel('searched, its loss alone', { times: 2, columns: 6, channels: 5, vocabulary: 19, cell: 3 }),
  stateful(languageModel('searched', { times: 3, columns: 4, channels: 8, vocabulary: 17, cell: 4, beta: 1e-3 }), 8, {
    from: 'hidden',
    to: 'hidden',
  }),
  languageModel(
    'masks given',
    { times: 2, columns: 6, channels: 8, vocabulary: 12, cell: 4, dropouts: allDropouts, beta: 2 },
    {
      dropout: {
        ...draw,
        masks: {
          encoder: mask(12, 10),
          ...{ i: mask(48, 11), 'rnns.0.x': mask(48, 12), 'rnns.0.h': mask(48, 13), o: mask(48, 14) },
        },
      },
    },
  ),
];

/** A case on integers of a batch without times. */
function onWords(
  name: string,
  batchSize: number,
  vocabulary: number,
  build: (builder: GraphBuilder, words: Tensor) => Tensor,
  rest: Partial<KernelCase> = {},
): KernelCase {
  return {
    name: `${batchSize} of ${vocabulary} words, ${name}`,
    batchSize,
    build: (builder) => build(builder, builder.integers('words', vocabulary)),
    ...rest,
  };
}

function lookUp(
  batchSize: number,
  vocabulary: number,
  channels: number,
  dropout = 0,
  rest?: Partial<KernelCase>,
): KernelCase {
  const name = `${channels} channels${dropout === 0 ? '' : `, dropout ${dropout}`}`;
  return onWords(
    name,
    batchSize,
    vocabulary,
    (builder, words) => builder.embedding('encoder', words, { channels, dropout }),
    rest,
  );
}

/** Of the op `embedding`. */
export const embedding: readonly KernelCase[] = [
  lookUp(1, 1, 1),
  lookUp(5, 3, 4),
  lookUp(7, 40, 5),
  lookUp(64, 9, 8),
  lookUp(33, 100, 17),
  lookUp(12, 20, 48),
  lookUp(24, 16, 16, 0.3, { dropout: draw }),
  lookUp(9, 7, 5, 0.5),
  {
    ...lookUp(9, 6, 8, 0.5, { dropout: { ...draw, masks: { encoder: mask(6, 20) } } }),
    name: '9 of 6 words, mask given',
  },
  onWords('in front of a layer', 6, 8, (builder, words) =>
    builder.linear('layer', builder.embedding('encoder', words, { channels: 7 }), 3),
  ),
  onWords('two tables of the same words', 6, 8, (builder, words) =>
    builder.lossSum([
      {
        loss: builder.meanSquaredError(
          builder.embedding('first', words, { channels: 5 }),
          builder.embedding('second', words, { channels: 5 }),
        ),
        weight: 1,
      },
    ]),
  ),
];

/** Of the op `tiedLinear`. */
export const tiedLinear: readonly KernelCase[] = [
  ...(
    [
      [1, 1, 1],
      [5, 3, 4],
      [7, 40, 5],
      [33, 9, 17],
      [12, 70, 48],
    ] as const
  ).map(
    (
      [batchSize, vocabulary, channels], // biome-ignore format: a row a size
    ) =>
      onWords(`${channels} channels`, batchSize, vocabulary, (builder, words) =>
        builder.tiedLinear('decoder', builder.embedding('encoder', words, { channels }), 'encoder'),
      ),
  ),
  onWords('beside a vector', 6, 8, (builder, words) => {
    builder.embedding('encoder', words, { channels: 5 });
    return builder.tiedLinear('decoder', builder.tanh(builder.input('x', [5])), 'encoder');
  }),
  onWords('with a loss', 9, 23, (builder, words) =>
    builder.softmaxCrossEntropy(
      builder.tiedLinear('decoder', builder.embedding('encoder', words, { channels: 16 }), 'encoder'),
    ),
  ),
  onWords(
    'with a loss of smoothed labels',
    4,
    70,
    (builder, words) =>
      builder.softmaxCrossEntropy(
        builder.tiedLinear('decoder', builder.embedding('encoder', words, { channels: 5, dropout: 0.2 }), 'encoder'),
        { smoothing: 0.1 },
      ),
    { dropout: draw },
  ),
  ...languageModels,
];

/** A vocabulary of which a GPU's kernels make the logits of 64 samples at a time, and those of two more. */
export const largeVocabulary: KernelCase = onWords('with a loss, in parts', 66, 131_073, (builder, words) =>
  builder.softmaxCrossEntropy(
    builder.tiedLinear('decoder', builder.embedding('encoder', words, { channels: 2 }), 'encoder'),
  ),
);

/** Of the op `variationalDropout`. */
export const variationalDropout: readonly KernelCase[] = [
  ...(
    [
      [1, 1, 1, 0.5],
      [2, 3, 5, 0.25],
      [5, 4, 8, 0.75],
      [3, 9, 17, 0.5],
    ] as const
  ).map(
    // biome-ignore format: a row a size
    ([times, columns, channels, rate]) =>
      onVectors(
        `rate ${rate}`,
        { times, columns, channels },
        (builder, x) => builder.variationalDropout('i', x, rate),
        { dropout: draw },
      ),
  ),
  onVectors(
    'shorter',
    { times: 2, columns: 3, channels: 16, length: 7 },
    (builder, x) => builder.variationalDropout('i', x, 0.4),
    { dropout: draw },
  ),
  onVectors('not dropping', { times: 2, columns: 3, channels: 4 }, (builder, x) =>
    builder.variationalDropout('i', x, 0.4),
  ),
  onVectors(
    'mask given',
    { times: 3, columns: 2, channels: 7 },
    (builder, x) => builder.variationalDropout('i', x, 0.4),
    {
      dropout: { ...draw, masks: { i: mask(14, 30) } },
    },
  ),
  onVectors(
    'two, of their own masks',
    { times: 3, columns: 4, channels: 8 },
    (builder, x) =>
      builder.add([builder.variationalDropout('i', x, 0.5), builder.variationalDropout('o', builder.tanh(x), 0.5)]),
    { dropout: draw },
  ),
];

/** Of the op `meanSquare`. */
export const meanSquare: readonly KernelCase[] = (
  [
    [1, 1],
    [3, 5],
    [9, 16],
    [64, 31],
  ] as const
).map(([batchSize, channels]) => ({
  // biome-ignore format: a row a size
  name: `${batchSize}x${channels}`,
  batchSize,
  build: (builder: GraphBuilder) => builder.meanSquare(builder.input('x', [channels])),
}));

/** Of the op `slowness`. */
export const slowness: readonly KernelCase[] = [
  ...(
    [
      [2, 1, 1],
      [2, 3, 5],
      [5, 4, 16],
      [7, 9, 31],
    ] as const
  ).map(
    (
      [times, columns, channels], // biome-ignore format: a row a size
    ) => onVectors('alone', { times, columns, channels }, (builder, x) => builder.slowness(x)),
  ),
  onVectors('of one time', { times: 1, columns: 4, channels: 8 }, (builder, x) => builder.slowness(x)),
  onVectors('shorter', { times: 3, columns: 4, channels: 8, length: 6 }, (builder, x) =>
    builder.slowness(builder.tanh(x)),
  ),
  onVectors('beside another', { times: 3, columns: 4, channels: 5 }, (builder, x) =>
    builder.lossSum([
      { loss: builder.slowness(x), weight: 2 },
      { loss: builder.meanSquare(builder.tanh(x)), weight: 0.3 },
    ]),
  ),
];
