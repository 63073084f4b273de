// Calls that no TypeScript of ours makes, straight to the addon: `node hostile_calls.mjs ADDON BACKEND FIRST` makes them from
// the FIRST on and prints a JSON line before and after each, so that whoever started it knows which one ended the process.
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { encodeNodes } from '../../dist/backend/native/encode_nodes.js';

const addon = createRequire(import.meta.url)(process.argv[2]);
const backend = process.argv[3];
/** What src/backend/native/device.ts hands over. */
const options = {
  cpu: { backend: 'cpu', threads: 2, instructionSet: '', memoryLimitBytes: 0 },
  cuda: { backend: 'cuda', index: 0, memoryLimitBytes: 2 ** 30 },
}[backend];
const open = (changes) => addon.openDevice({ ...options, ...changes });
const device = open();
const other = open();

/** As src/backend/native/encode.ts writes it. */
function encoded({ nodes, ...graph }, change = () => {}) {
  const result = { ...encodeNodes(nodes, (node) => node), ...graph };
  change(result);
  return result;
}

/** A small sound graph, after `change` had its way with its nodes and `changeEncoded` with what they are written as. */
function network(change = () => {}, changeEncoded) {
  const window = { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
  const statistics = { runningMean: [0, 3], runningVariance: [16, 3], weight: [64, 3], bias: [80, 3] };
  const branches = [
    { begin: 3, end: 3, output: 2 },
    { begin: 3, end: 4, output: 3 },
  ];
  const graph = {
    nodes: [
      { op: 'input', name: 'images', inputs: [], shape: [4, 4, 2] },
      { op: 'conv2d', ...window, groups: 1, weight: [0, 54], inputs: [0], shape: [4, 4, 3] },
      { op: 'batchNorm', epsilon: 1e-5, momentum: 0.1, ...statistics, inputs: [1], shape: [4, 4, 3] },
      { op: 'maxPool', ...window, inputs: [2], shape: [4, 4, 3] },
      { op: 'mixed', alpha: [0, 2], activation: 'softmax', branches, inputs: [2, 2, 3], shape: [4, 4, 3] },
      { op: 'globalAvgPool', inputs: [4], shape: [3] },
      { op: 'linear', weight: [96, 15], bias: [112, 5], inputs: [5], shape: [5] },
      { op: 'softmaxCrossEntropy', smoothing: 0, weights: [1], inputs: [6], shape: [] },
    ],
    output: 7,
    weightElements: 128,
    bufferElements: 32,
    alphaElements: 16,
    stateElements: 0,
  };
  change(graph, graph.nodes);
  return encoded(graph, changeEncoded);
}

/** A small sound language model, after `change` had its way with its nodes. */
function languageModel(change = () => {}, changeEncoded) {
  const mask = (number) => ({ name: String(number), rate: 0.25, number });
  const mixing = { candidates: ['none', 'tanh', 'relu'], epsilon: 1e-5, momentum: 0.1 };
  const statistics = { runningMean: [0, 4], runningVariance: [16, 4] };
  const cell = { weights: ['W0', 'W1'], weight: [32, 96], outputs: [1], alpha: [0, 3], mixing, ...statistics };
  const graph = {
    nodes: [
      { op: 'input', name: 'words', below: 7, inputs: [], shape: [1] },
      { op: 'embedding', weight: [0, 28], mask: mask(0), inputs: [0], shape: [4] },
      { op: 'variationalDropout', mask: mask(1), inputs: [1], shape: [4] },
      { op: 'recurrentCell', ...cell, inputMask: mask(2), hiddenMask: mask(3), inputs: [2], shape: [4] },
      { op: 'tiedLinear', weight: [0, 28], bias: [128, 7], inputs: [3], shape: [7] },
      { op: 'softmaxCrossEntropy', smoothing: 0, weights: [1], inputs: [4], shape: [] },
    ],
    output: 5,
    weightElements: 144,
    bufferElements: 32,
    alphaElements: 16,
    stateElements: 32,
  };
  change(graph, graph.nodes);
  return encoded(graph, changeEncoded);
}

/** Images on a device. */
async function datasetOf(images, labels, height, width, channels) {
  const made = addon.createDataset(device, labels.length, height, width, channels);
  await addon.writeImages(made, 0, images, labels).promise;
  return made;
}

const batchSize = 2;
/** As numbered in src/backend/device.ts. */
const precisions = { fp32: 0, tf32: 1, bf16: 2 };
const { fp32 } = precisions;
const program = addon.compile(device, network(), batchSize, 0, true, fp32);
const headless = addon.compile(
  device,
  network((graph) => (graph.output = 6)),
  batchSize,
  0,
  true,
  fp32,
);
const parametersOf = (weights, buffers, alpha, secondMoments = false, states = 0) =>
  addon.createParameters(device, weights, buffers, alpha, secondMoments, states).promise;
const parameters = await parametersOf(128, 32, 16);
const dataset = await datasetOf(new Uint8Array(96), Int32Array.of(0, 1, 4), 4, 4, 2);
const images = new Float32Array(64);
const direct = { inputs: [[0, images]], labels: Int32Array.of(0, 4) };
const gathered = {
  dataset,
  indices: Uint32Array.of(0, 2),
  table: new Float32Array(512),
  pad: 1,
  cutout: 2,
  cutoutChance: 2 ** 31,
  flip: true,
  share: 1,
};
const stream = { seed: 1, purpose: 6, epoch: 0, step: 0 };
const pass = { kind: 'pass', program, parameters, batch: direct, pass: 3, statistics: 'moving' };
const hypergradient = {
  kind: 'hypergradient',
  ...{ program, parameters, train: direct, validation: direct },
  ...{ learningRate: 0.1, momentum: 0.9, weightDecay: 0, radius: 0.01 },
  ...{ maxNorm: Number.POSITIVE_INFINITY, unclamped: false, held: [], perturbed: [] },
};
/** Of three columns and at most two times. */
const text = {
  ...{
    program: addon.compile(device, languageModel(), 3, 2, true, fp32),
    parameters: await parametersOf(144, 32, 16, false, 32),
  },
  batch: {
    inputs: [[0, Int32Array.of(0, 1, 2, 3, 4, 6)]],
    labels: Int32Array.of(6, 0, 1, 2, 3, 4),
    dropout: { ...stream, purpose: 8, pathFactor: 1, noiseScale: 1, drops: true, masks: [[3, new Float32Array(12)]] },
    hiddenFrom: [0, 12],
    hiddenTo: [16, 12],
  },
};
const weightsMoved = { alpha: false, ranges: [[0, 128]] };
const clip = { kind: 'clip', parameters, ranges: weightsMoved.ranges, alpha: true, maxNorm: 5 };
const sgd = { kind: 'sgd', parameters, ...weightsMoved, learningRate: 0.1, momentum: 0.9, weightDecay: 0, maxNorm: 5 };
const adam = {
  kind: 'adam',
  parameters,
  ...{ alpha: true, ranges: [[0, 16]] },
  ...{ learningRate: 0.1, betas: [0.5, 0.9], epsilon: 1e-8, weightDecay: 0, step: 1, maxNorm: 5 },
};
const penalty = {
  kind: 'penalty',
  parameters,
  penalty: 'zeroOneL2',
  ...{ weight: 1, share: 0.5, sigmoid: true, rows: [[0, 2]], counted: new Uint8Array(16).fill(1) },
};
const average = {
  kind: 'average',
  parameters,
  averages: parameters,
  ...{ ranges: [[0, 128]], buffers: true, decay: 0.9 },
};
const copy = { kind: 'copy', parameters, target: parameters, parts: [[0, 0, 64, 32]] };

const execute = (command, on = device) => addon.execute(on, [command]).promise;
const run = (changes) => execute({ ...pass, ...changes });
const runBatch = (changes) => run({ batch: { ...direct, ...changes } });
const runGathered = (changes) => run({ batch: { ...gathered, ...changes } });
const compile = (change, precision = fp32) => addon.compile(device, network(change), batchSize, 0, true, precision);
/** The sound graph, written in another way. */
const compileEncoded = (change) => addon.compile(device, network(undefined, change), batchSize, 0, true, fp32);
const compileOnce = (size, fuse = true, precision = fp32) => addon.compile(device, network(), size, 0, fuse, precision);
/** A graph of its own: compiled, then evaluated on no images. */
const evaluate = async (nodes) => {
  const empty = {
    nodes,
    output: nodes.length - 1,
    weightElements: 0,
    bufferElements: 0,
    alphaElements: 0,
    stateElements: 0,
  };
  const batch = { inputs: [] };
  const compiled = addon.compile(device, encoded(empty), 1, 0, true, fp32);
  return run({ program: compiled, parameters: await parametersOf(0, 0, 0), batch, pass: 0 });
};
const runText = (changes, program = text.program) => run({ ...text, program, batch: { ...text.batch, ...changes } });
const dropsText = (changes) => runText({ dropout: { ...text.batch.dropout, ...changes } });
const compileText = (change, length = 2) => addon.compile(device, languageModel(change), 3, length, true, fp32);
const compileCell = (change) => compileText((_, nodes) => Object.assign(nodes[3], change));
const disposed = (handle, dispose) => {
  addon[dispose](handle);
  return handle;
};
const detached = (array) => {
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
};
const notHandles = [undefined, null, 7, 'device', true, {}, [], () => {}, Symbol('device'), Object.create(device)];

/** Calls that should do what they say: the table below differs from them in one thing each. */
const sound = {
  'a pass': () => run({}),
  'a pass of a gathered batch': () => runGathered({ stream }),
  'a hypergradient': () => execute(hypergradient),
  'a pass of a text': () => runText({}),
  'a shorter one': () => runText({ inputs: [[0, Int32Array.of(0, 6, 1)]], labels: Int32Array.of(1, 2, 3) }),
  'one that hands its hidden state to itself': () => runText({ hiddenTo: [0, 12] }),
  'an sgd step': () => execute(sgd),
  'an adam step': () => execute(adam),
  'averages of itself': () => execute(average),
  'a penalty': () => execute(penalty),
  'a penalty of no rows': () => execute({ ...penalty, rows: [] }),
  'a copy': () => execute(copy),
  'a copy of nothing': () => execute({ ...copy, parts: [] }),
  'gradients of some weights, added': () =>
    run({ pass: 1, statistics: 'moving', ranges: [[0, 16]], addedRanges: [[0, 8]] }),
  'a clip of gradients': () => execute(clip),
  'gradients of weights that nobody has': () => run({ pass: 1, statistics: 'moving', ranges: [[120, 8]] }),
  'a survey of CUDA': () => addon.surveyCuda(),
  'a survey of CUDA with arguments': () => addon.surveyCuda(device, null, 7),
  'a description': () => addon.describeDevice(device),
  'a pass in bf16': () => run({ program: compile(undefined, precisions.bf16) }),
  'the same commands until they are recorded': async () => {
    for (let i = 0; i < 4; i++) await runGathered({ stream });
  },
  'a recorded run whose dataset is disposed of while it waits': async () => {
    const images = await datasetOf(new Uint8Array(96), Int32Array.of(0, 1, 4), 4, 4, 2);
    for (let i = 0; i < 3; i++) await runGathered({ dataset: images });
    const running = runGathered({ dataset: images });
    addon.disposeDataset(images);
    await running;
  },
  // Whatever comes of it: what is refused is refused, what is not runs.
  'any number at any place of a graph': async () => {
    const count = network().numbers.length;
    for (let place = 0; place < count; place++) {
      for (const value of [Number.NaN, -1, 0, 1, 0.5, 3, 2 ** 31, 2 ** 53, Number.NEGATIVE_INFINITY]) {
        try {
          await run({ program: compileEncoded(({ numbers }) => (numbers[place] = value)) });
        } catch {}
      }
    }
  },
  'any number at any place of the graph of a text': async () => {
    const count = languageModel().numbers.length;
    for (let place = 0; place < count; place++) {
      for (const value of [Number.NaN, -1, 0, 1, 0.5, 3, 17, 2 ** 31, 2 ** 53]) {
        try {
          const changed = languageModel(undefined, ({ numbers }) => (numbers[place] = value));
          await runText({}, addon.compile(device, changed, 3, 2, true, fp32));
        } catch {}
      }
    }
  },
  'a dataset whose images nobody wrote': () => {
    const empty = addon.createDataset(device, 3, 4, 4, 2);
    return runGathered({ dataset: empty });
  },
  'the memory of a program': () => addon.programMemory(program).promise,
  'a part of an arena': () => addon.readParameters(parameters, 0, 127, 1).promise,
};

const badNumbers = ['2', null, undefined, Number.NaN, 0.5, -3, 2 ** 53, Number.POSITIVE_INFINITY];
const withBad = (name, others) =>
  Object.fromEntries(
    badNumbers.map((value) => [`${name} ${String(value)} (${typeof value})`, () => open({ ...others, [name]: value })]),
  );

/** Options of devices that must be refused. */
const hostileOptions = {
  cpu: {
    ...withBad('threads'),
    ...withBad('index', { backend: 'cuda', memoryLimitBytes: 0 }),
    ...withBad('memoryLimitBytes', { backend: 'cuda', index: 0 }),
    'more threads than the machine starts': () => open({ threads: 100_000 }),
    'an unknown instruction set': () => open({ instructionSet: 'mmx' }),
    ...Object.fromEntries(
      [...badNumbers, -1, 6].map((value) => [
        `tuning ${String(value)} (${typeof value})`,
        () => addon.tune(device, value).promise,
      ]),
    ),
    'tf32 on the CPU': () => compile(undefined, precisions.tf32),
  },
  cuda: {
    ...withBad('index'),
    ...withBad('memoryLimitBytes'),
    'a tuning where there is none': () => addon.tune(device, 0).promise,
    'the fastest tuning where there is none': () => addon.findTuning(device).promise,
    'an index after the last': () => open({ index: 1000 }),
    'a limit below the least': () => addon.compile(open({ memoryLimitBytes: 1 }), network(), 1, 0, true, fp32),
  },
};

/** Calls that must throw or reject. */
const hostile = {
  ...Object.fromEntries(
    [...notHandles, new Proxy(device, {}), program, parameters, dataset].map((value, i) => [
      `describeDevice of no device (${i})`,
      () => addon.describeDevice(value),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(addon)
      .filter(([name]) => name !== 'instructionSets' && name !== 'surveyCuda')
      .map(([name, call]) => [`${name} without arguments`, () => call()]),
  ),
  'a disposed device': () => addon.compile(disposed(open(), 'disposeDevice'), network(), 1, 0, true, fp32),
  'a description of a disposed device': () => addon.describeDevice(disposed(open(), 'disposeDevice')),
  'the peak of a disposed device': () => addon.measurePeak(disposed(open(), 'disposeDevice')).promise,
  'the fastest tuning of a disposed device': () => addon.findTuning(disposed(open(), 'disposeDevice')).promise,
  'a disposed program': () => run({ program: disposed(compile(), 'disposeProgram') }),
  'disposed parameters': async () => {
    const gone = disposed(await parametersOf(128, 32, 16), 'disposeParameters');
    return run({ parameters: gone });
  },
  'a disposed dataset': () => {
    const gone = addon.createDataset(device, 1, 4, 4, 2);
    return runGathered({ dataset: disposed(gone, 'disposeDataset') });
  },
  'a program of another device': () => execute(pass, other),
  'parameters of another device': async () =>
    run({ parameters: await addon.createParameters(other, 128, 32, 16, false, 0).promise }),
  'an sgd step of another device': () => execute(sgd, other),

  'options that are none': () => addon.openDevice(null),
  'no backend': () => addon.openDevice({ threads: 2, instructionSet: '', index: 0, memoryLimitBytes: 0 }),
  'an unknown backend': () => open({ backend: 'tpu' }),
  'a backend that is no text': () => open({ backend: 7 }),
  ...hostileOptions[backend],

  'NaN parameters': () => parametersOf(Number.NaN, 0, 0),
  'negative parameters': () => parametersOf(16, -1, 0),
  'parameters that fit no machine': () => parametersOf(2 ** 36, 2 ** 36, 2 ** 36),
  'parameters beyond counting': () => parametersOf(2 ** 53, 0, 0),
  'an arena after the last': () => addon.readParameters(parameters, 10).promise,
  'a negative arena': () => addon.readParameters(parameters, -1).promise,
  'a write before an arena': () => addon.writeParameters(parameters, 0, -1, new Float32Array(1)).promise,
  'a write past an arena': () => addon.writeParameters(parameters, 0, 127, new Float32Array(2)).promise,
  'a write far past an arena': () => addon.writeParameters(parameters, 0, 2 ** 53 - 1, new Float32Array(2)).promise,
  'a write of doubles': () => addon.writeParameters(parameters, 0, 0, new Float64Array(2)).promise,
  'a write of a list': () => addon.writeParameters(parameters, 0, 0, [1, 2]).promise,

  'a read before an arena': () => addon.readParameters(parameters, 0, -1, 1).promise,
  'a read past an arena': () => addon.readParameters(parameters, 0, 127, 2).promise,
  'a read far past an arena': () => addon.readParameters(parameters, 0, 2 ** 53 - 1, 2 ** 53 - 1).promise,
  'a read of fewer than none': () => addon.readParameters(parameters, 0, 0, -1).promise,
  'a read of half a value': () => addon.readParameters(parameters, 0, 0, 0.5).promise,

  'no images': () => addon.createDataset(device, 0, 4, 4, 2),
  'fewer images than none': () => addon.createDataset(device, -1, 4, 4, 2),
  'more images than any machine holds': () => addon.createDataset(device, 2 ** 53 - 1, 4, 4, 2),
  'images without pixels': () => addon.createDataset(device, 1, 0, 4, 2),
  'images of a size that overflows': () => addon.createDataset(device, 1, 2 ** 32, 2 ** 32, 1),
  'a NaN image size': () => addon.createDataset(device, 1, Number.NaN, 4, 2),
  'other images for no dataset': () =>
    addon.writeImages(parameters, 0, new Uint8Array(96), Int32Array.of(0, 1, 4)).promise,
  'fewer images than labels': () => addon.writeImages(dataset, 0, new Uint8Array(32), Int32Array.of(0, 1)).promise,
  'other images of floats': () => addon.writeImages(dataset, 0, new Float32Array(96), Int32Array.of(0, 1, 4)).promise,
  'other images with negative labels': () =>
    addon.writeImages(dataset, 0, new Uint8Array(96), Int32Array.of(0, 1, -4)).promise,
  'other images that are detached': () =>
    addon.writeImages(dataset, 0, detached(new Uint8Array(96)), Int32Array.of(0, 1, 4)).promise,
  'images behind the last': () => addon.writeImages(dataset, 3, new Uint8Array(32), Int32Array.of(0)).promise,
  'images before the first': () => addon.writeImages(dataset, -1, new Uint8Array(32), Int32Array.of(0)).promise,
  'images far behind the last': () =>
    addon.writeImages(dataset, 2 ** 53 - 1, new Uint8Array(32), Int32Array.of(0)).promise,
  'a broken last image': () => addon.writeImages(dataset, 0, new Uint8Array(33), Int32Array.of(0)).promise,
  'images of nothing': () => addon.writeImages(dataset, 0, new Uint8Array(0), new Int32Array(0)).promise,

  'no graph': () => addon.compile(device, null, batchSize, 0, true, fp32),
  'nodes that are no list': () => compile((graph) => (graph.nodes = { length: 3 })),
  'no nodes': () => compile((graph) => (graph.nodes = [])),
  'a node of null': () => compile((_, nodes) => (nodes[3] = null)),
  'a node that throws': () =>
    compile((_, nodes) => {
      nodes[3] = {
        get op() {
          throw new Error('from the getter');
        },
      };
    }),
  'an unknown op': () => compile((_, nodes) => (nodes[3].op = 'fft')),
  'an op of another type': () => compile((_, nodes) => (nodes[3].op = 3)),
  'a node that is its own input': () => compile((_, nodes) => (nodes[1].inputs = [1])),
  'a cycle of two nodes': () => compile((_, nodes) => (nodes[1].inputs = [2])),
  'a negative input': () => compile((_, nodes) => (nodes[1].inputs = [-1])),
  'an input beyond the graph': () => compile((_, nodes) => (nodes[7].inputs = [2 ** 31 - 1])),
  'a NaN input': () => compile((_, nodes) => (nodes[1].inputs = [Number.NaN])),
  'no inputs': () => compile((_, nodes) => (nodes[1].inputs = [])),
  'numbers that are no array': () => compileEncoded((graph) => (graph.numbers = { length: 9 })),
  'numbers of another type': () => compileEncoded((graph) => (graph.numbers = Float32Array.from(graph.numbers))),
  'no numbers': () => compileEncoded((graph) => (graph.numbers = new Float64Array(0))),
  'numbers that are detached': () => compileEncoded((graph) => detached(graph.numbers)),
  'a number too few': () => compileEncoded((graph) => (graph.numbers = graph.numbers.slice(0, -1))),
  'a number too many': () => compileEncoded((graph) => (graph.numbers = Float64Array.from([...graph.numbers, 0]))),
  'more nodes than there are': () => compileEncoded(({ numbers }) => numbers[0]++),
  'fewer nodes than there are': () => compileEncoded(({ numbers }) => numbers[0]--),
  'an op without a name': () => compileEncoded(({ ops }) => ops.pop()),
  'names of ops that are no list': () => compileEncoded((graph) => (graph.ops = 'relu')),
  'names of ops that are no texts': () => compileEncoded(({ ops }) => (ops[0] = 7)),
  'an input without a name': () => compileEncoded((graph) => (graph.inputs = [])),
  'a negative output': () => compile((graph) => (graph.output = -1)),
  'an output beyond the graph': () => compile((graph) => (graph.output = 8)),
  'a shape of two sizes': () => compile((_, nodes) => (nodes[0].shape = [4, 8])),
  'a shape of zero': () => compile((_, nodes) => (nodes[0].shape = [4, 0, 2])),
  'a NaN shape': () => compile((_, nodes) => (nodes[0].shape = [4, Number.NaN, 2])),
  'a shape that overflows': () => compile((_, nodes) => (nodes[0].shape = [2 ** 31, 2 ** 31, 2 ** 31])),
  'a shape that the op does not give': () => compile((_, nodes) => (nodes[3].shape = [4, 4, 4])),
  'an empty kernel': () => compile((_, nodes) => (nodes[1].kernel = [0, 3])),
  'a huge kernel': () => compile((_, nodes) => (nodes[1].kernel = [2 ** 31 - 1, 2 ** 31 - 1])),
  'a stride of zero': () => compile((_, nodes) => (nodes[1].stride = [0, 1])),
  'a negative padding': () => compile((_, nodes) => (nodes[1].padding = [-1, 1])),
  'a huge padding': () => compile((_, nodes) => (nodes[3].padding = [2 ** 31 - 1, 1])),
  'groups of zero': () => compile((_, nodes) => (nodes[1].groups = 0)),
  'groups that do not divide': () => compile((_, nodes) => (nodes[1].groups = 2)),
  'no weight': () => compile((_, nodes) => (nodes[1].weight = undefined)),
  'a weight of another size': () => compile((_, nodes) => (nodes[1].weight = [0, 53])),
  'a weight before its arena': () => compile((_, nodes) => (nodes[1].weight = [-16, 54])),
  'a weight past its arena': () => compile((_, nodes) => (nodes[1].weight = [80, 54])),
  'a weight far past its arena': () => compile((_, nodes) => (nodes[1].weight = [2 ** 53 - 1, 54])),
  'a weight that is no place': () => compile((_, nodes) => (nodes[1].weight = 'conv.weight')),
  'weights that overlap': () => compile((_, nodes) => (nodes[6].weight = [32, 15])),
  'running statistics that overlap': () => compile((_, nodes) => (nodes[2].runningVariance = [1, 3])),
  'a scale without a shift': () => compile((_, nodes) => (nodes[2].bias = undefined)),
  'running statistics past their arena': () => compile((_, nodes) => (nodes[2].runningMean = [30, 3])),
  'a row of another length': () => compile((_, nodes) => (nodes[4].alpha = [0, 3])),
  'a row past its arena': () => compile((_, nodes) => (nodes[4].alpha = [15, 2])),
  'rows that overlap': () =>
    compile((_, nodes) => {
      nodes[5] = {
        op: 'mixed',
        alpha: [1, 1],
        branches: [{ begin: 5, end: 5, output: 4 }],
        inputs: [4, 4],
        shape: [4, 4, 3],
      };
      nodes[6] = { op: 'globalAvgPool', inputs: [5], shape: [3] };
      nodes[7] = { op: 'softmaxCrossEntropy', smoothing: 0, weights: [1], inputs: [6], shape: [] };
    }),
  'a branch that ends before it begins': () => compile((_, nodes) => (nodes[4].branches[1].end = 2)),
  'a branch past its mixed node': () => compile((_, nodes) => (nodes[4].branches[1].end = 6)),
  'a branch of another output': () => compile((_, nodes) => (nodes[4].branches[1].output = 1)),
  'fewer branches than inputs': () => compile((_, nodes) => nodes[4].branches.pop()),
  'a batch of zero': () => compileOnce(0),
  'a NaN batch': () => compileOnce(Number.NaN),
  'a huge batch': () => compileOnce(2 ** 53),
  ...Object.fromEntries(
    [-1, 3, 2 ** 31, 2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 'bf16', true, null, undefined, {}].map(
      (precision) => [`precision ${String(precision)}`, () => addon.compile(device, network(), 1, 0, true, precision)],
    ),
  ),
  'arenas of another size': () => run({ program: compile((graph) => (graph.weightElements = 2 ** 50)) }),
  'a weight whose size overflows to nothing': () => {
    const window = { kernel: [64, 64], stride: [2, 2], padding: [32, 32], dilation: [1, 1] };
    const channels = 2 ** 26; // 64 * 64 * 2^26 * 2^26 = 2^64
    return evaluate([
      { op: 'zero', inputs: [], shape: [1, 1, channels] },
      { op: 'conv2d', ...window, groups: 1, weight: [0, 0], inputs: [0], shape: [1, 1, channels] },
    ]);
  },
  'more working memory than any machine has': () => {
    const shape = [2 ** 20, 2 ** 20, 1];
    const zeros = Array.from({ length: 63 }, () => ({ op: 'zero', inputs: [], shape }));
    return evaluate([...zeros, { op: 'add', inputs: zeros.map((_, i) => i), shape }]);
  },

  'commands that are no list': () => addon.execute(device, { length: 1 }).promise,
  'a command of null': () => addon.execute(device, [null]).promise,
  'an unknown command': () => run({ kind: 'reset' }),
  'an unknown kind of pass': () => run({ pass: 5 }),
  'a NaN kind of pass': () => run({ pass: Number.NaN }),
  'parameters of another layout': async () => run({ parameters: await parametersOf(16, 32, 16) }),
  'no images in the batch': () => runBatch({ inputs: [] }),
  'too few images': () => runBatch({ inputs: [[0, new Float32Array(63)]] }),
  'images of doubles': () => runBatch({ inputs: [[0, new Float64Array(64)]] }),
  'detached tensors': () => runBatch({ inputs: [[0, detached(new Float32Array(64))]] }),
  'values for a node that is no input': () =>
    runBatch({
      inputs: [
        [0, images],
        [1, new Float32Array(1 << 22)],
      ],
    }),
  'values for a node beyond the graph': () =>
    runBatch({
      inputs: [
        [0, images],
        [2 ** 30, images],
      ],
    }),
  'values for a negative node': () =>
    runBatch({
      inputs: [
        [0, images],
        [-(2 ** 30), images],
      ],
    }),
  'a negative length': () => compileText(undefined, -1),
  'a NaN length': () => compileText(undefined, Number.NaN),
  'a length beyond counting': () => compileText(undefined, 2 ** 53),
  'more samples than there may be': () => compileText(undefined, 2 ** 20),
  'a text in a program without times': () => compileText(undefined, 0),
  'a bound of words below 0': () => compileText((_, nodes) => (nodes[0].below = -7)),
  'a table of another number of words': () => compileText((_, nodes) => (nodes[0].below = 8)),
  'words that are images': () => compileText((_, nodes) => (nodes[0].shape = [4, 4, 2])),
  'a table past its arena': () => compileText((_, nodes) => (nodes[1].weight = [120, 28])),
  'a mask that drops all': () => compileText((_, nodes) => (nodes[2].mask.rate = 1)),
  'a NaN mask': () => compileText((_, nodes) => (nodes[2].mask.rate = Number.NaN)),
  'a cell without nodes': () => compileCell({ weights: ['W0'] }),
  'a cell of too many nodes': () => compileCell({ weights: new Array(18).fill('W') }),
  'a cell of fewer weights': () => compileCell({ weight: [32, 64] }),
  'a cell past its arena': () => compileCell({ weight: [64, 96] }),
  'an output that the cell lacks': () => compileCell({ outputs: [2] }),
  'outputs before the nodes': () => compileCell({ outputs: [0] }),
  'no outputs of a cell': () => compileCell({ outputs: [] }),
  'an output twice': () => compileCell({ outputs: [1, 1] }),
  'more outputs than nodes': () => compileCell({ outputs: new Array(40).fill(1) }),
  'an unknown candidate': () => compileCell({ mixing: { candidates: ['gelu'], epsilon: 1e-5, momentum: 0.1 } }),
  'too many candidates': () =>
    compileCell({ mixing: { candidates: new Array(30).fill('tanh'), epsilon: 1e-5, momentum: 0.1 } }),
  'neither candidates nor edges': () => compileCell({ mixing: undefined }),
  'candidates and edges': () => compileCell({ edges: [{ activation: 'tanh', from: 0 }] }),
  'an edge from a later node': () =>
    compileCell({
      ...{ mixing: undefined, alpha: undefined, runningMean: undefined, runningVariance: undefined },
      edges: [{ activation: 'tanh', from: 1 }],
    }),
  'a table of another cell': () => compileCell({ alpha: [0, 4] }),
  'a part of a time': () => runText({ inputs: [[0, new Int32Array(4)]], labels: new Int32Array(4) }),
  'no time': () => runText({ inputs: [[0, new Int32Array(0)]], labels: new Int32Array(0) }),
  'too many times': () => runText({ inputs: [[0, new Int32Array(9)]], labels: new Int32Array(9) }),
  'labels of a longer text': () => runText({ inputs: [[0, new Int32Array(3)]] }),
  'a word of no vocabulary': () => runText({ inputs: [[0, Int32Array.of(0, 1, 2, 3, 4, 7)]] }),
  'a negative word': () => runText({ inputs: [[0, Int32Array.of(0, 1, 2, 3, 4, -1)]] }),
  'words of floats': () => runText({ inputs: [[0, new Float32Array(6).fill(0.5)]] }),
  'a mask of another size': () => dropsText({ masks: [[3, new Float32Array(11)]] }),
  'a mask that no node has': () => dropsText({ masks: [[4, new Float32Array(12)]] }),
  'masks that are none': () => dropsText({ masks: [7] }),
  'a hidden state of another size': () => runText({ hiddenFrom: [0, 11] }),
  'a hidden state past its arena': () => runText({ hiddenFrom: [21, 12] }),
  'a hidden state before its arena': () => runText({ hiddenTo: [-1, 12] }),
  'a hidden state far past its arena': () => runText({ hiddenTo: [2 ** 53 - 1, 12] }),
  'a hidden state that is no place': () => runText({ hiddenTo: 'hidden' }),
  'a hidden state of images': () => runBatch({ hiddenTo: [0, 12] }),
  'images that a text is gathered from': () => run({ ...text, batch: gathered }),
  'states of another layout': async () => run({ ...text, parameters: await parametersOf(144, 32, 16, false, 16) }),
  'too few labels': () => runBatch({ labels: Int32Array.of(0) }),
  'too many labels': () => runBatch({ labels: new Int32Array(1 << 22) }),
  'no labels': () => runBatch({ labels: undefined }),
  'a negative label': () => runBatch({ labels: Int32Array.of(0, -1) }),
  'a label of no class': () => runBatch({ labels: Int32Array.of(0, 5) }),
  'too many labels for a graph without a loss': () =>
    run({ program: headless, pass: 0, batch: { ...direct, labels: new Int32Array(1 << 22) } }),
  'labels of no class for a loss within the graph': () => {
    const inner = compile((graph, nodes) => (graph.output = nodes.push({ op: 'relu', inputs: [7], shape: [] }) - 1));
    return run({ program: inner, pass: 0, batch: { ...direct, labels: Int32Array.of(2 ** 30, -(2 ** 30)) } });
  },
  'too few indices': () => runGathered({ indices: Uint32Array.of(0) }),
  'an index beyond the dataset': () => runGathered({ indices: Uint32Array.of(0, 3) }),
  'a huge index': () => runGathered({ indices: Uint32Array.of(0, 2 ** 32 - 1) }),
  'signed indices': () => runGathered({ indices: Int32Array.of(0, 1) }),
  'a short normalisation table': () => runGathered({ table: new Float32Array(511) }),
  'a huge padding of images': () => runGathered({ pad: 2 ** 31 - 1, stream }),
  'a share above 1': () => runGathered({ share: 2, stream }),
  'a share that is no number': () => runGathered({ share: 'half', stream }),
  'averages that are no parameters': () => execute({ ...average, averages: dataset }),
  'averages of another size': async () => execute({ ...average, averages: await parametersOf(64, 32, 16) }),
  'a decay above 1': () => execute({ ...average, decay: 2 }),
  'averages past the weights': () => execute({ ...average, ranges: [[0, 129]] }),
  'averages before the weights': () => execute({ ...average, ranges: [[-1, 128]] }),
  'a negative cutout': () => runGathered({ cutout: -1, stream }),
  'a negative chance of cutout': () => runGathered({ cutoutChance: -1, stream }),
  'a chance of cutout above all': () => runGathered({ cutoutChance: 2 ** 31 + 1, stream }),
  'a NaN seed': () => runGathered({ stream: { ...stream, seed: Number.NaN } }),
  'a stream without a step': () => runGathered({ stream: { ...stream, step: undefined } }),
  'a dataset of another image size': () => {
    const larger = addon.createDataset(device, 1, 5, 5, 2);
    return runGathered({ dataset: larger, indices: new Uint32Array(2) });
  },
  'a dataset of more classes': async () => {
    const wider = await datasetOf(new Uint8Array(32), Int32Array.of(5), 4, 4, 2);
    return runGathered({ dataset: wider, indices: new Uint32Array(2) });
  },
  'mixing weights before alpha': () => run({ mixing: [[-1, new Float32Array(2)]] }),
  'mixing weights past alpha': () => run({ mixing: [[15, new Float32Array(2)]] }),
  'mixing weights far past alpha': () => run({ mixing: [[2 ** 53 - 1, new Float32Array(2)]] }),
  'mixing weights of doubles': () => run({ mixing: [[0, new Float64Array(2)]] }),
  'a read of a negative node': () => run({ read: [-1] }),
  'a read beyond the graph': () => run({ read: [2 ** 31 - 1] }),
  'a NaN read': () => run({ read: [Number.NaN] }),
  'a gradient of another length': () => run({ program: headless, pass: 4, outputGradient: new Float32Array(9) }),
  'a gradient of a loss': () => run({ pass: 4, outputGradient: new Float32Array(2) }),
  'gradients of a graph without a loss': () => run({ program: headless }),
  'a hypergradient of a graph without a loss': () => execute({ ...hypergradient, program: headless }),
  'a hypergradient without a radius': () => execute({ ...hypergradient, radius: undefined }),
  'a hypergradient of a NaN limit': () => execute({ ...hypergradient, maxNorm: Number.NaN }),
  'a hypergradient of a limit of 0': () => execute({ ...hypergradient, maxNorm: 0 }),
  'a hypergradient that holds weights past their arena': () => execute({ ...hypergradient, held: [[120, 16]] }),
  'a hypergradient that holds weights before their arena': () => execute({ ...hypergradient, held: [[-1, 16]] }),
  'a hypergradient with one perturbed batch': () => execute({ ...hypergradient, perturbed: [direct] }),
  'a hypergradient with half a batch': () => execute({ ...hypergradient, validation: { inputs: [] } }),
  'a clip of no parameters': () => execute({ ...clip, parameters: program }),
  'a clip of nothing': () => execute({ ...clip, ranges: [], alpha: false }),
  'a clip past its arena': () => execute({ ...clip, ranges: [[1, 2 ** 40]] }),
  'a clip before its arena': () => execute({ ...clip, ranges: [[-1, 4]] }),
  'a clip to NaN': () => execute({ ...clip, maxNorm: Number.NaN }),
  'a clip to 0': () => execute({ ...clip, maxNorm: 0 }),
  'gradients added past their arena': () => run({ pass: 1, statistics: 'moving', addedRanges: [[1, 2 ** 40]] }),
  'an sgd step of no parameters': () => execute({ ...sgd, parameters: program }),
  'an sgd step with a text for a rate': () => execute({ ...sgd, learningRate: '0.1' }),
  ...Object.fromEntries(
    [
      [sgd, 'learningRate', -1],
      [sgd, 'learningRate', Number.NaN],
      [sgd, 'momentum', Number.NaN],
      [sgd, 'weightDecay', Number.POSITIVE_INFINITY],
      [sgd, 'maxNorm', Number.NaN],
      [sgd, 'maxNorm', 0],
      [sgd, 'maxNorm', -1],
      [adam, 'learningRate', Number.NaN],
      [adam, 'betas', [1, 0.9]],
      [adam, 'betas', [0.5, -0.1]],
      [adam, 'epsilon', Number.NaN],
      [adam, 'weightDecay', -1],
      [adam, 'maxNorm', 0],
      [adam, 'maxNorm', Number.NaN],
      [adam, 'step', 0],
      [adam, 'step', -1],
      [hypergradient, 'radius', 0],
      [hypergradient, 'radius', Number.NaN],
      [hypergradient, 'radius', Number.POSITIVE_INFINITY],
      [hypergradient, 'learningRate', Number.NaN],
      [hypergradient, 'momentum', -1],
    ].map(([command, name, value]) => [
      `${command.kind} with ${name} ${value}`,
      () => execute({ ...command, [name]: value }),
    ]),
  ),
  'an sgd step before its arena': () => execute({ ...sgd, ranges: [[-1, 128]] }),
  'an sgd step past its arena': () =>
    execute({
      ...sgd,
      ranges: [
        [0, 16],
        [1, 128],
      ],
    }),
  'an sgd step far past its arena': () => execute({ ...sgd, ranges: [[2 ** 53 - 1, 2 ** 53 - 1]] }),
  'an sgd step of fewer than none': () => execute({ ...sgd, ranges: [[0, -1]] }),
  'an sgd step of nothing': () => execute({ ...sgd, ranges: [] }),
  'an sgd step whose momentum lies nowhere': () => execute({ ...sgd, inSecondMoments: true }),
  'an adam step past its arena': () => execute({ ...adam, ranges: [[0, 17]] }),
  'an adam step on weights without second moments': () => execute({ ...adam, alpha: false }),
  'gradients past the weights': () => run({ pass: 1, statistics: 'moving', ranges: [[127, 2]] }),
  'gradients before the weights': () => run({ pass: 1, statistics: 'moving', ranges: [[-1, 2]] }),
  'gradients of ranges that are none': () => run({ pass: 1, statistics: 'moving', ranges: [7] }),
  'a penalty of an unknown form': () => execute({ ...penalty, penalty: 'l3' }),
  'a NaN penalty': () => execute({ ...penalty, weight: Number.NaN }),
  'a penalty of a NaN share': () => execute({ ...penalty, share: Number.NaN }),
  'a penalty of a row past alpha': () => execute({ ...penalty, rows: [[15, 2]] }),
  'a penalty of a row before alpha': () => execute({ ...penalty, rows: [[-1, 2]] }),
  'a penalty of a row far past alpha': () => execute({ ...penalty, rows: [[2 ** 53 - 1, 2 ** 53 - 1]] }),
  'a penalty of an empty row': () => execute({ ...penalty, rows: [[0, 0]] }),
  'a penalty that knows too few entries': () => execute({ ...penalty, counted: new Uint8Array(2) }),
  'a penalty of floats': () => execute({ ...penalty, counted: new Float32Array(16) }),
  'a copy from past an arena': () => execute({ ...copy, parts: [[0, 127, 0, 2]] }),
  'a copy to past an arena': () => execute({ ...copy, parts: [[0, 0, 127, 2]] }),
  'a copy from before an arena': () => execute({ ...copy, parts: [[0, -1, 64, 2]] }),
  'a copy of fewer than none': () => execute({ ...copy, parts: [[0, 0, 64, -1]] }),
  'a copy far past an arena': () => execute({ ...copy, parts: [[0, 2 ** 53 - 1, 0, 2 ** 53 - 1]] }),
  'a copy of no arena': () => execute({ ...copy, parts: [[10, 0, 0, 1]] }),
  'a copy onto itself': () => execute({ ...copy, parts: [[0, 0, 8, 32]] }),
  'a copy to no parameters': () => execute({ ...copy, target: program }),
  'an adam step without betas': () => execute({ ...adam, betas: undefined }),
  'an adam step with one beta': () => execute({ ...adam, betas: [0.5] }),
  'a fractional adam step': () => execute({ ...adam, step: 0.5 }),
};

const calls = [...Object.entries(sound).map((entry) => [...entry, true]), ...Object.entries(hostile)];

/** One line a report, written before the next instruction can end the process. */
function report(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

for (const [name, call, isSound = false] of calls.slice(Number(process.argv[4]))) {
  report({ name, isSound });
  let thrown = null;
  try {
    await call();
  } catch (error) {
    thrown = String(error);
  }
  // A later pass finds memory that the call may have spoilt.
  await run({});
  report({ thrown });
}
