// What devices refuse before anything runs: the same on every backend, in the same words, by the name that the user wrote.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackendName, Command, CompileOptions, Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { ArgumentError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { type SmallPlace, smallBatch, smallDataset, smallNet, smallPlace, stateOf } from '../helpers/small_net.ts';

const batchSize = 4;
const images = new Float32Array(batchSize * 4 * 4 * 3);
const labels = Int32Array.of(0, 1, 2, 0);
const direct = { inputs: { images }, labels };
const rates = { learningRate: 0.1, momentum: 0.9, weightDecay: 0 };

/** Sound commands of each kind: the tables below differ from them in one field. */
const sound = {
  sgd: ({ parameters }) => ({ kind: 'sgd', parameters, ...rates, maxNorm: 5 }),
  adam: ({ parameters }) => {
    const decays = { betas: [0.5, 0.999], epsilon: 1e-8, weightDecay: 0 } as const;
    return { kind: 'adam', parameters, learningRate: 0.1, ...decays, step: 1 };
  },
  average: ({ parameters }) => ({ kind: 'average', parameters, averages: parameters, decay: 0.9 }),
  gradients: ({ program }) => ({ kind: 'gradients', program, batch: direct, target: 'both' }),
  evaluate: ({ program }) => ({ kind: 'evaluate', program, batch: direct, statistics: 'batch' }),
  hypergradient: ({ program }) => ({ kind: 'hypergradient', program, train: direct, validation: direct, ...rates }),
  vjp: ({ program }) => ({ kind: 'vjp', program, batch: direct, outputGradient: new Float32Array(0) }),
} satisfies Record<string, (place: SmallPlace) => Command>;

type Kind = keyof typeof sound;
/** Fields that replace those of a sound command; a function where they depend on the device. */
type Change = object | ((place: SmallPlace) => object);
type Row = readonly [kind: Kind, change: Change, message: string];

const notNumbers = (kind: Kind, field: string, values: readonly unknown[], words: string): Row[] =>
  values.map((value) => [kind, { [field]: value }, `expected ${words} for commands[1].${field} but received `]);
const noRate = [Number.NaN, Infinity, -1e-9, 1e39, '0.1', undefined, null];

const numbers: readonly Row[] = [
  ...(['sgd', 'adam', 'hypergradient'] as const).flatMap((kind) => [
    ...notNumbers(kind, 'learningRate', noRate, 'a finite number of at least 0'),
    ...notNumbers(kind, 'weightDecay', [Number.NaN, -1], 'a finite number of at least 0'),
  ]),
  ...(['sgd', 'hypergradient'] as const).flatMap((kind) =>
    notNumbers(kind, 'momentum', [Number.NaN, -0.1, 1.1], 'a number from 0 to 1'),
  ),
  ...notNumbers('sgd', 'maxNorm', [Number.NaN, 0, -1, 1e-60], 'a positive number (Infinity for no clipping)'),
  ...notNumbers('adam', 'step', [0, -1, 0.5, Number.NaN, '1', 2 ** 53], 'a positive integer'),
  ...notNumbers('adam', 'epsilon', [0, -1, Number.NaN, 1e-60], 'a positive finite number'),
  ['adam', { betas: [1, 0.9] }, 'expected a number in [0, 1) for commands[1].betas[0] but received 1'],
  ['adam', { betas: [0.5, 1] }, 'expected a number in [0, 1) for commands[1].betas[1] but received 1'],
  ['adam', { betas: [0.5, Number.NaN] }, 'for commands[1].betas[1] but received NaN'],
  ['adam', { betas: [0.5] }, 'expected two numbers in [0, 1) for commands[1].betas but received [0.5]'],
  ['adam', { betas: undefined }, 'expected two numbers in [0, 1) for commands[1].betas but received undefined'],
  ...notNumbers('average', 'decay', [Number.NaN, -0.1, 1.1], 'a number from 0 to 1'),
  ...notNumbers('hypergradient', 'radius', [0, -1, Number.NaN, 1e-30], 'a number from 1e-12 to 1e12'),
];

const dropout = { seed: 1, epoch: 0, step: 0 };
const withBatch = (changes: object) => ({ batch: { ...direct, ...changes } });
const withImages = (values: unknown) => withBatch({ inputs: { images: values } });
const gathered = (changes: object) => (place: SmallPlace) => ({
  batch: { ...smallBatch(place.dataset, batchSize, 0), ...changes },
});
const augmented = (changes: object) => (place: SmallPlace) => {
  const batch = smallBatch(place.dataset, batchSize, 0);
  return { batch: { ...batch, augmentation: { ...batch.augmentation, ...changes } } };
};
const inputs = 'expected a Float32Array of 192 elements [4,4,4,3] for commands[1].batch.inputs.images but received ';

const fields: readonly Row[] = [
  ['sgd', { kind: 'rmsprop' }, "for commands[1].kind but received 'rmsprop'"],
  ['sgd', { kind: 'toString' }, "for commands[1].kind but received 'toString'"],
  ['sgd', { lerningRate: 1 }, "for a field of commands[1] but received 'lerningRate'"],
  [
    'sgd',
    { parameters: undefined },
    'expected parameters of this device for commands[1].parameters but received undef',
  ],
  ['sgd', ({ program }) => ({ parameters: program }), 'expected parameters of this device for commands[1].parameters'],
  ['average', { averages: {} }, 'expected parameters of this device for commands[1].averages but received {}'],
  ['gradients', { program: {} }, 'expected a program of this device for commands[1].program but received {}'],
  [
    'gradients',
    { target: undefined },
    'expected one of weights, alpha, both for commands[1].target but received undef',
  ],
  ['gradients', { target: 'bias' }, "expected one of weights, alpha, both for commands[1].target but received 'bias'"],
  [
    'evaluate',
    { statistics: undefined },
    'expected one of running, batch, moving for commands[1].statistics but received undef',
  ],
  [
    'evaluate',
    { batch: undefined },
    'expected a batch: inputs and labels, or a dataset and indices for commands[1].batch',
  ],
  ['hypergradient', { train: null }, 'for commands[1].train but received null'],
  ['hypergradient', { validation: { inputs: {} } }, 'for commands[1].validation.inputs.images but received undefined'],
  ['gradients', withImages(new Float64Array(192)), `${inputs}Float64Array of 1536 bytes`],
  ['gradients', withImages([1, 2]), `${inputs}[1,2]`],
  ['gradients', withImages(new Float32Array(3)), `${inputs}Float32Array of 12 bytes`],
  ['gradients', withBatch({ inputs: { images, masks: images } }), "commands[1].batch.inputs but received 'masks'"],
  ['gradients', withBatch({ inputs: null }), 'for commands[1].batch.inputs but received null'],
  ['gradients', withBatch({ labels: undefined }), 'expected an Int32Array of 4 labels for commands[1].batch.labels'],
  ['gradients', withBatch({ labels: Uint32Array.from(labels) }), 'expected an Int32Array of 4 labels for commands[1]'],
  [
    'gradients',
    withBatch({ labels: Int32Array.of(0, 1, 2, 3) }),
    'labels below 3 for commands[1].batch.labels but received 3',
  ],
  [
    'gradients',
    withBatch({ labels: Int32Array.of(0, -1, 2, 2) }),
    'labels below 3 for commands[1].batch.labels but received -1',
  ],
  [
    'gradients',
    withBatch({ dropout: { ...dropout, seed: 0.5 } }),
    'for commands[1].batch.dropout.seed but received 0.5',
  ],
  ['gradients', withBatch({ dropout: { ...dropout, step: -1 } }), 'for commands[1].batch.dropout.step but received -1'],
  ['gradients', withBatch({ dropout: { ...dropout, pathFactor: 2 } }), 'for commands[1].batch.dropout.pathFactor'],
  ['gradients', withBatch({ dropout: null }), 'for commands[1].batch.dropout but received null'],
  [
    'gradients',
    gathered({ dataset: {} }),
    'expected a dataset of this device for commands[1].batch.dataset but received {}',
  ],
  [
    'gradients',
    gathered({ dataset: null }),
    'a dataset of this device for commands[1].batch.dataset but received null',
  ],
  [
    'gradients',
    gathered({ indices: [0, 1, 2, 3] }),
    'expected a Uint32Array of 4 positions for commands[1].batch.indices',
  ],
  ['gradients', gathered({ indices: Int32Array.of(0, 1, 2, 3) }), 'but received Int32Array of 16 bytes'],
  [
    'gradients',
    gathered({ indices: Uint32Array.of(0, 1, 2, 12) }),
    'expected positions below 12 for commands[1].batch.indices but received 12',
  ],
  ['gradients', gathered({ augmentation: undefined }), 'for commands[1].batch.augmentation but received undefined'],
  [
    'gradients',
    augmented({ mean: [0.5] }),
    'expected 3 numbers for commands[1].batch.augmentation.mean but received [0.5]',
  ],
  [
    'gradients',
    augmented({ deviation: [1, 0, 1] }),
    'expected 3 positive numbers for commands[1].batch.augmentation.deviation',
  ],
  ['gradients', augmented({ pad: 0.5 }), 'for commands[1].batch.augmentation.pad but received 0.5'],
  [
    'gradients',
    augmented({ flip: 1 }),
    'expected true or false for commands[1].batch.augmentation.flip but received 1',
  ],
  ['gradients', augmented({ cutout: -1 }), 'for commands[1].batch.augmentation.cutout but received -1'],
  ['gradients', augmented({ share: 2 }), 'expected a number from 0 to 1 for commands[1].batch.augmentation.share'],
  [
    'gradients',
    augmented({ stream: { ...dropout, purpose: 'luck' } }),
    'for commands[1].batch.augmentation.stream.purpose',
  ],
  [
    'gradients',
    { mixing: { alpha: new Float32Array(3) } },
    "names of architecture parameter tables for commands[1].mixing but received 'alpha'",
  ],
  [
    'gradients',
    { mixing: { alphas: [1, 0, 0] } },
    'expected a Float32Array of 3 weights for commands[1].mixing.alphas',
  ],
  [
    'gradients',
    { mixing: { alphas: [Float32Array.of(1, 0, 0), undefined] } },
    'expected 1 rows of weights or undefined for commands[1].mixing.alphas',
  ],
  [
    'gradients',
    { mixing: { alphas: [Float32Array.of(1, 0)] } },
    'expected a Float32Array of 3 weights for commands[1].mixing.alphas[0]',
  ],
  [
    'gradients',
    { mixing: { alphas: Float32Array.of(1, Number.NaN, 0) } },
    'expected finite weights for commands[1].mixing.alphas but received NaN',
  ],
  [
    'gradients',
    { statistics: 'training' },
    "expected one of running, batch, moving for commands[1].statistics but received 'training'",
  ],
  [
    'sgd',
    { momentum: 0, nesterov: true },
    'expected a momentum above 0 with it for commands[1].nesterov but received 0',
  ],
  ['sgd', { nesterov: 1 }, 'expected true or false for commands[1].nesterov but received 1'],
  ['gradients', { mixing: 1 }, 'for commands[1].mixing but received 1'],
  ['gradients', { read: [1e9] }, 'for commands[1].read[0] but received 1000000000'],
  ['gradients', { read: 3 }, 'expected a list of nodes for commands[1].read but received 3'],
  ['gradients', { profile: 'yes' }, "expected true or false for commands[1].profile but received 'yes'"],
  ['vjp', { outputGradient: undefined }, 'for commands[1].outputGradient but received undefined'],
  [
    'vjp',
    { outputGradient: new Float32Array(2) },
    'expected an empty Float32Array, as for any loss, for commands[1].outputGradient',
  ],
  ['vjp', gathered({}), 'expected a batch of inputs for commands[1].batch but received '],
];

/** A vector of another length than the classes of {@link smallNet}, and no loss. */
function otherGraph(): Graph {
  const builder = new GraphBuilder();
  return builder.finish(builder.linear('other', builder.globalAvgPool(builder.input('images', [4, 4, 3])), 7));
}

describe.each<BackendName>(['cpu', 'tfjs', 'simt'])('%s', (backend) => {
  let place: SmallPlace;
  let other: Device;

  beforeAll(async () => {
    place = await smallPlace({ backend }, batchSize);
    other = await openDevice({ backend });
  });

  afterAll(() => {
    place[Symbol.dispose]();
    other.dispose();
  });

  /** Behind a command that would change the weights. */
  const refusal = async (command: unknown): Promise<unknown> =>
    place.device.execute([sound.sgd(place), command as Command]).catch((error: unknown) => error);

  it('runs what is sound', async () => {
    for (const make of Object.values(sound)) await place.device.execute([make(place)]);
    await place.device.execute([{ ...sound.sgd(place), maxNorm: Infinity, momentum: 1, learningRate: 0 }]);
    await place.device.execute([{ ...sound.hypergradient(place), radius: 0.02 }]);
  });

  it.each([...numbers, ...fields])('refuses %s with %o', async (kind, change, message) => {
    const changes = typeof change === 'function' ? change(place) : change;
    const error = await refusal({ ...sound[kind](place), ...changes });
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as Error).message).toContain(message);
  });

  it('runs nothing of a list with one bad command', async () => {
    const before = await stateOf(place.parameters);
    await refusal({ ...sound.adam(place), step: 0 });
    expect(await stateOf(place.parameters)).toEqual(before);
  });

  it.each<[string, unknown, unknown, string]>([
    ['no list', {}, undefined, 'expected a list of commands for commands but received {}'],
    ['a hole', new Array(1), undefined, 'expected a command for commands[0] but received undefined'],
    ['a text', ['sgd'], undefined, "expected a command for commands[0] but received 'sgd'"],
    ['options of null', [], null, 'expected an object with signal for options but received null'],
    ['a signal that is none', [], { signal: {} }, 'expected an AbortSignal for signal but received {}'],
    ['a misspelt option', [], { sginal: 1 }, "expected one of signal for a field of options but received 'sginal'"],
  ])('refuses %s', async (_, commands, options, message) => {
    const error = await place.device.execute(commands as [], options as never).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as Error).message).toBe(message);
  });

  it("names the fields of a program's own methods as its options do", async () => {
    const { program } = place;
    const messages = await Promise.all(
      [
        program.gradients({ batch: direct } as never),
        program.evaluate({ batch: direct, statistics: 'both' } as never),
        program.hypergradient({ train: direct, validation: direct, ...rates, radius: 0 }),
        program.vjp({ batch: direct, outputGradient: [] } as never),
        program.gradients(undefined as never),
        program.gradients({ batch: direct, target: 'both', red: [1] } as never),
      ].map((call) =>
        call.then(
          () => 'nothing',
          (error: Error) => `${error.name}: ${error.message}`,
        ),
      ),
    );
    expect(messages).toEqual([
      'ArgumentError: expected one of weights, alpha, both for target but received undefined',
      "ArgumentError: expected one of running, batch, moving for statistics but received 'both'",
      'ArgumentError: expected a number from 1e-12 to 1e12 for radius but received 0',
      'ArgumentError: expected an empty Float32Array, as for any loss, for outputGradient but received []',
      'ArgumentError: expected an object with what the command takes for options but received undefined',
      "ArgumentError: expected one of batch, target, groups, accumulate, statistics, read, mixing, profile, signal for an option but received 'red'",
    ]);
  });

  it('refuses what belongs to another device or graph', async () => {
    const { device, parameters } = place;
    using graphs = await device.createParameters(otherGraph(), { seed: 0 });
    using headless = device.compile(otherGraph(), { batchSize, parameters: graphs });
    using foreign = await other.createParameters(smallNet(), { seed: 0 });
    using foreignProgram = other.compile(smallNet(), { batchSize, parameters: foreign });
    using foreignImages = await smallDataset(other);
    const batch = smallBatch(foreignImages, batchSize, 0);
    const [sgd, average, gradients] = [sound.sgd(place), sound.average(place), sound.gradients(place)];
    const cases: readonly [unknown, string][] = [
      [
        { ...sgd, parameters: foreign },
        'expected parameters of this device for commands[1].parameters but received parameters of another',
      ],
      [
        { ...gradients, program: foreignProgram },
        'expected a program of this device for commands[1].program but received a program of another',
      ],
      [
        { ...gradients, batch },
        'expected a dataset of this device for commands[1].batch.dataset but received a dataset of another',
      ],
      [
        { ...average, averages: graphs },
        'expected averages laid out as the parameters for commands[1].averages but received those of another graph',
      ],
      [
        { ...gradients, program: headless },
        'expected a program whose graph ends in a loss for commands[1].program but received one of another output',
      ],
    ];
    for (const [command, message] of cases) {
      const error = await refusal(command);
      expect(error).toBeInstanceOf(ArgumentError);
      expect((error as Error).message).toBe(message);
    }
    const compile = (parameters: unknown) => () =>
      device.compile(smallNet(), { batchSize, parameters } as CompileOptions);
    expect(compile(graphs)).toThrow('expected parameters with alpha alphas of [1,3] in rows of [3], as the graph has,');
    expect(compile(foreign)).toThrow(
      'expected parameters of this device for parameters but received parameters of another',
    );
    expect(() => device.compile(otherGraph(), { batchSize, parameters })).toThrow('weight other.weight of [3,7]');
  });

  it.each<[string, (device: Device) => unknown, string]>([
    [
      'a network for a graph',
      (device) => device.createParameters({ graph: smallNet() } as never, { seed: 0 }),
      'expected a Graph for graph but received a network: pass its graph, as in supernet.graph',
    ],
    [
      'no graph',
      (device) => device.createParameters(undefined as never, { seed: 0 }),
      'expected a Graph, as GraphBuilder makes it, for graph but received undefined',
    ],
    [
      'no options',
      (device) => device.createParameters(smallNet(), undefined as never),
      'expected an object with seed, secondMoments for options but received undefined',
    ],
    [
      'no seed',
      (device) => device.createParameters(smallNet(), {} as never),
      'expected a non-negative integer below 2^53 for seed but received undefined',
    ],
    [
      'a graph of one bad node',
      (device) => device.createParameters({ nodes: [{}], parameters: [], output: 0 } as never, { seed: 0 }),
      'for graph.nodes[0].op but received undefined',
    ],
    [
      'a network to compile',
      (device) => device.compile({ graph: smallNet() } as never, {} as never),
      'expected a Graph for graph but received a network: pass its graph, as in supernet.graph',
    ],
    [
      'no options to compile',
      (device) => device.compile(smallNet(), undefined as never),
      'expected an object with batchSize, length, parameters, fusion, precision for options but received undefined',
    ],
    [
      'no batch size',
      (device) => device.compile(smallNet(), {} as never),
      'expected an integer from 1 to 65536 for batchSize but received undefined',
    ],
    [
      'no parameters',
      (device) => device.compile(smallNet(), { batchSize } as never),
      'expected parameters of this device for parameters but received undefined',
    ],
    [
      'a misspelt option',
      (device) => device.compile(smallNet(), { batchsize: 1 } as never),
      "for a field of options but received 'batchsize'",
    ],
    [
      'no dataset',
      (device) => device.createDataset(null as never),
      'expected an object with images, labels and shape for arrays but received null',
    ],
    [
      'images of floats',
      (device) =>
        device.createDataset({ images: new Float32Array(3), labels: Int32Array.of(0), shape: [1, 1, 3] } as never),
      'expected a Uint8Array of 3 bytes, [1,1,1,3] for images but received Float32Array of 12 bytes',
    ],
    [
      'labels in a list',
      (device) => device.createDataset({ images: new Uint8Array(3), labels: [0], shape: [1, 1, 3] } as never),
      'expected an Int32Array of at least one label for labels but received [0]',
    ],
    [
      'labels below 0',
      (device) => device.createDataset({ images: new Uint8Array(3), labels: Int32Array.of(-2), shape: [1, 1, 3] }),
      'expected labels from 0 for labels but received -2',
    ],
    [
      'a shape of two',
      (device) => device.createDataset({ images: new Uint8Array(3), labels: Int32Array.of(0), shape: [1, 3] } as never),
      'for shape but received [1,3]',
    ],
  ])('refuses %s', async (_, call, message) => {
    const error = await (async () => call(place.device))().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as Error).message).toContain(message);
  });

  it('reads parts of arenas', async () => {
    const { store } = place.parameters;
    for (const arena of ['weights', 'buffers', 'alpha', 'momentum'] as const) {
      const whole = await store.read(arena);
      for (const [offset, length] of [
        [0, 1],
        [3, 2],
        [1, whole.length - 1],
        [whole.length, 0],
      ]) {
        expect(await store.read(arena, offset, length)).toEqual(whole.slice(offset, offset + length));
      }
    }
  });

  it('refuses names and tensors that are none', async () => {
    const { parameters, dataset } = place;
    const calls: readonly (() => unknown)[] = [
      () => parameters.get(undefined as never),
      () => parameters.gradient({} as never),
      () => parameters.set('norm.weight', new Float64Array(4) as never),
      () => parameters.names('weights' as never),
      () => parameters.save(undefined as never),
      () => parameters.save('x', null as never),
      () => parameters.save('x', { metadata: { epoch: 1 } } as never),
      () => parameters.save('x', { averages: {} } as never),
      () => parameters.load(7 as never),
      () => parameters.load('x', { averages: 1 } as never),
      () => parameters.assign({} as never, 'x'),
      () => parameters.assign(new Map([['norm.weight', { shape: [4], data: [1, 2, 3, 4] }]]) as never, 'x'),
      () => parameters.assign(new Map([['norm.weight', null]]) as never, 'x'),
      () => dataset.replace(new Float32Array(1) as never, labels),
    ];
    for (const call of calls) {
      const error = await (async () => call())().catch((reason: unknown) => reason);
      expect(error, String(call)).toBeInstanceOf(ArgumentError);
    }
  });
});
