// Whole language models of the published code: those that PyTorch pickled (test/fixtures/rnn), Python 2's byte by byte, hostile and broken ones.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../src/errors.ts';
import { decodeLanguageMetadata } from '../../src/exchange/language_metadata.ts';
import { readTorchFile } from '../../src/exchange/torch_read.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { recurrentGenotypes } from '../../src/genotype/published/recurrent.ts';
import { recurrentCellOf } from '../../src/genotype/recurrent.ts';
import { randomBlock } from '../../src/random/philox.ts';
import { root } from '../helpers/process.ts';
import {
  call,
  dict,
  float,
  global,
  legacyFile,
  list,
  long,
  none,
  ordered,
  parameter,
  record,
  tensor,
  tuple,
  word,
} from '../helpers/python_pickle.ts';
import { scratch } from '../helpers/scratch.ts';

const fixtures = join(root, 'test/fixtures/rnn');
const fixture = (name: string) => join(fixtures, name);
type Plain = Readonly<Record<string, readonly [shape: readonly number[], values: readonly number[]]>>;
const expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as Readonly<
  Record<'derived' | 'search', Plain>
>;
const dropouts = { dropout: 0.75, dropouth: 0.25, dropoutx: 0.75, dropouti: 0.2, dropoute: 0.1 };

async function readPlain(path: string) {
  const { tensors, metadata, notices } = await readWeights(path);
  const plain = Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, [[...shape], [...data]]]));
  return { tensors: plain as unknown as Plain, notices, known: decodeLanguageMetadata(metadata) };
}

/** The table of words comes once. */
function once(tensors: Plain): Plain {
  return Object.fromEntries(Object.entries(tensors).filter(([name]) => name !== 'decoder.weight'));
}

describe('whole models that PyTorch pickled', () => {
  it('have their tensors under the published names, and tell their genotype and dropouts', async () => {
    expect(await readPlain(fixture('derived_legacy.pt'))).toEqual({
      tensors: once(expected.derived),
      notices: [],
      known: { genotype: recurrentGenotypes['DARTS_V2_RNN'], dropouts, vocabulary: undefined },
    });
  });

  it('of a search have alpha and running statistics, in the zip format', async () => {
    const { tensors, notices, known } = await readPlain(fixture('search.pt'));
    expect(tensors).toEqual(once(expected.search));
    expect(tensors['weights'][0]).toEqual([36, 5]);
    expect({ notices, known }).toEqual({ notices: [], known: { dropouts } });
  });
});

const values = {
  table: [0.5, -1, 2],
  bias: [0.25, 0, -0.25],
  first: [1, 2, 3, 4],
  one: [5, 6],
  two: [7, 8],
  alpha: Array.from({ length: 15 }, (_, i) => i / 8),
  mean: [0.5],
  variance: [2],
};

const pair = (operation: string, from: number) => tuple(word(operation), long(from));
const genotype = `${global('genotypes', 'Genotype')}${tuple(
  list(pair('tanh', 0), pair('identity', 1)),
  call('__builtin__', 'xrange', long(1), long(3), long(1)),
)}\x81`;

/** What every module of PyTorch 0.3 has. */
function parts(own: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return {
    _backend: `${global('torch.nn.backends.thnn', '_get_thnn_function_backend')})R`,
    _parameters: ordered(),
    _buffers: ordered(),
    _backward_hooks: ordered(),
    _modules: ordered(),
    training: '\x88',
    ...own,
  };
}

const model = {
  class: ['model', 'RNNModel'],
  cell: ['model', 'DARTSCell'],
  genotype,
  lockdrop: record('utils', 'LockedDropout', parts({})),
  encoder: record(
    'torch.nn.modules.sparse',
    'Embedding',
    parts({ _parameters: ordered({ weight: parameter('table', [3, 1]) }) }),
  ),
  first: parameter('first', [2, 2]),
  weights: record(
    'torch.nn.modules.container',
    'ParameterList',
    parts({ _parameters: ordered({ '0': parameter('one', [1, 2]), '1': parameter('two', [1, 2]) }) }),
  ),
  norm: undefined as string | undefined,
  nhid: long(1),
  ntoken: long(3),
  dropout: float(0.75),
  beside: {} as Readonly<Record<string, string>>,
  cellBeside: {} as Readonly<Record<string, string>>,
};

/** A model of 3 words, of 1 number each, and two nodes, pickled. */
function pickled(changes: Partial<typeof model> = {}): string {
  const given = { ...model, ...changes };
  const cell = record(
    given.cell[0],
    given.cell[1],
    parts({
      _parameters: ordered({ _W0: given.first }),
      _modules: ordered({ _Ws: given.weights, ...(given.norm && { bn: given.norm }) }),
      nhid: given.nhid,
      dropouth: float(0.25),
      dropoutx: float(0.5),
      genotype: given.genotype,
      ...given.cellBeside,
    }),
  );
  const decoder = record(
    'torch.nn.modules.linear',
    'Linear',
    parts({ _parameters: ordered({ weight: parameter('table', [3, 1]), bias: parameter('bias', [3]) }) }),
  );
  return record(
    given.class[0],
    given.class[1],
    parts({
      _modules: ordered({
        lockdrop: given.lockdrop,
        encoder: given.encoder,
        rnns: record('torch.nn.modules.container', 'ModuleList', parts({ _modules: ordered({ '0': cell }) })),
        decoder,
      }),
      ninp: long(1),
      ntoken: given.ntoken,
      dropout: given.dropout,
      dropouti: float(0.2),
      dropoute: float(0.125),
      ...given.beside,
    }),
  );
}

function saved(object: string): string {
  const path = join(scratch(), 'model.pt');
  writeFileSync(path, legacyFile(object, values));
  return path;
}

const searched: Partial<typeof model> = {
  class: ['model_search', 'RNNModelSearch'],
  cell: ['model_search', 'DARTSCellSearch'],
  genotype: none,
  norm: record(
    'torch.nn.modules.batchnorm',
    'BatchNorm1d',
    parts({
      _parameters: ordered({ weight: none, bias: none }),
      _buffers: ordered({ running_mean: tensor('mean', [1]), running_var: tensor('variance', [1]) }),
    }),
  ),
  beside: { weights: call('torch.autograd.variable', 'Variable', tensor('alpha', [3, 5])) },
  cellBeside: { weights: call('torch.autograd.variable', 'Variable', tensor('alpha', [3, 5])) },
};

const weights: Plain = {
  'encoder.weight': [[3, 1], values.table],
  'rnns.0._W0': [[2, 2], values.first],
  'rnns.0._Ws.0': [[1, 2], values.one],
  'rnns.0._Ws.1': [[1, 2], values.two],
  'decoder.bias': [[3], values.bias],
};
const known = { dropout: 0.75, dropouth: 0.25, dropoutx: 0.5, dropouti: 0.2, dropoute: 0.125 };

describe('whole models of Python 2 and PyTorch 0.3', () => {
  it('are read: xrange, storages of CUDA, parameters with flags, a backend', async () => {
    expect(await readPlain(saved(pickled()))).toEqual({
      tensors: weights,
      notices: [],
      known: {
        genotype: recurrentCellOf([
          ['tanh', 0],
          ['identity', 1],
        ]),
        dropouts: known,
        vocabulary: undefined,
      },
    });
  });

  it('of a search have alpha as a variable', async () => {
    const { tensors, notices } = await readPlain(saved(pickled(searched)));
    expect(tensors).toEqual({
      ...weights,
      'rnns.0.bn.running_mean': [[1], values.mean],
      'rnns.0.bn.running_var': [[1], values.variance],
      weights: [[3, 5], values.alpha],
    });
    expect(notices).toEqual([]);
  });

  it('may have a list in place of a range', async () => {
    const listed = `${global('genotypes', 'Genotype')}${tuple(list(pair('relu', 0), pair('relu', 0)), list(long(2)))}\x81`;
    const { known } = await readPlain(saved(pickled({ genotype: listed })));
    expect(known.genotype).toEqual(
      recurrentCellOf(
        [
          ['relu', 0],
          ['relu', 0],
        ],
        [2],
      ),
    );
  });
});

/** A module whose parts are all the module that was kept under the number before, or itself. */
function nested(level: number, count: number): string {
  const modules = `}q${String.fromCharCode(100 + level)}(${Array.from(
    { length: count },
    (_, i) => `${word(String(i))}h${String.fromCharCode(level)}`,
  ).join('')}u`;
  const made = record('torch.nn.modules.container', 'ModuleList', parts({ _modules: modules }));
  return `${made}q${String.fromCharCode(level + 1)}`;
}

const system = (text: string) => `${global('posix', 'system')}${tuple(word(text))}R`;
const range = (...bounds: readonly number[]) =>
  `${global('genotypes', 'Genotype')}${tuple(list(pair('relu', 0)), call('__builtin__', 'xrange', ...bounds.map(long)))}\x81`;

describe('hostile models', () => {
  it('run nothing', async () => {
    const marker = join(scratch(), 'ran');
    const refusal = readWeights(saved(pickled({ first: system(`touch ${marker}`) })));
    await expect(refusal).rejects.toThrow(
      /model\.pt cannot be read: expected a tensor as rnns\.0\._W0 but got an object of posix\.system, which is not run$/,
    );
    // Beside what is read it is passed over.
    await readWeights(saved(pickled({ beside: { ran: system(`touch ${marker}`) } })));
    expect(existsSync(marker)).toBe(false);
  });

  it.each<readonly [what: string, changes: Partial<typeof model>, message: string]>([
    [
      'a model of another class',
      { class: ['evil', 'Model'] },
      'the class model.RNNModel or model_search.RNNModelSearch',
    ],
    ['a cell of another class', { cell: ['evil', 'Cell'] }, 'a known module as rnns.0 but got an object of evil.Cell'],
    [
      "a search's cell in a derived model",
      { cell: ['model_search', 'DARTSCellSearch'] },
      'a cell of the class model.DARTSCell',
    ],
    ['another dropout', { lockdrop: record('evil', 'LockedDropout', parts({})) }, 'a known module as lockdrop'],
    ['a module that is a number', { lockdrop: long(3) }, 'a known module as lockdrop but got 3'],
    ['no genotype', { genotype: none }, "the cell's genotype, of the class genotypes.Genotype, but got null"],
    [
      'a genotype of another class',
      { genotype: `${global('evil', 'Genotype')})\x81` },
      'but got an object of evil.Genotype',
    ],
    ['a range without an end', { genotype: range(0, 2 ** 39, 1) }, 'a range of 1 to 1000 states'],
    ['a range without steps', { genotype: range(1, 2, 0) }, 'a range of 1 to 1000 states'],
    ['a range of two bounds', { genotype: range(1, 2) }, 'a range of 1 to 1000 states'],
    ['states that there are not', { genotype: range(1, 4, 1) }, "the genotype's recurrent.concat[1]"],
    ['another size', { nhid: long(2) }, 'nhid equal to ninp but got [3, 1] and 3, 1, 2'],
    ['another number of words', { ntoken: long(4) }, 'encoder.weight of [ntoken, ninp]'],
    ['a dropout of all', { dropout: float(1) }, 'dropout from 0 to below 1 but got 1'],
    ['a dropout that is no number', { dropout: float(Number.NaN) }, 'dropout from 0 to below 1 but got NaN'],
    ['a dropout that is text', { dropout: word('all\nof\nit') }, 'dropout from 0 to below 1 but got all?of?it'],
  ])('are refused: %s', async (_, changes, message) => {
    const refusal = readWeights(saved(pickled(changes)));
    await expect(refusal).rejects.toBeInstanceOf(FileError);
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toThrow(/^.*$/);
  });

  it('whose parts hold themselves, or one another many times, are refused at once', async () => {
    const itself = record('torch.nn.modules.container', 'ParameterList', {}).replace(
      /\}\(ub$/,
      `q\x09}(${word('_modules')}}(${word('a')}h\x09uub`,
    );
    await expect(readWeights(saved(pickled({ weights: itself })))).rejects.toThrow('modules of at most 4 levels');
    const levels = [0, 1, 2].map((level) => `${nested(level, 2000)}0`).join('');
    const base = `${record('utils', 'LockedDropout', parts({}))}q\x000`;
    const wide = pickled({ lockdrop: 'h\x03' });
    await expect(readWeights(saved(`${base}${levels}${wide}`))).rejects.toThrow('at most 10000 modules and tensors');
  });

  it('of two tables of words are refused', async () => {
    const encoder = model.encoder.replace(word('table'), word('bias'));
    await expect(readWeights(saved(pickled({ encoder })))).rejects.toThrow(
      'expected one table of words as encoder.weight and decoder.weight',
    );
  });

  it('that are only part of a model are none', () => {
    const file = legacyFile(dict({ a: record('model', 'RNNModel', parts({})), b: tensor('one', [2]) }), values);
    expect(readTorchFile(file, 'a file')).toMatchObject({ metadata: {}, paths: ['b'] });
  });
});

describe('broken models', () => {
  const whole = legacyFile(pickled(searched), values);

  it('that are cut anywhere are refused', () => {
    for (let end = 0; end < whole.length; end++) {
      expect(() => {
        const { paths, read } = readTorchFile(whole.subarray(0, end), 'cut.pt');
        read(paths);
      }, `${end} bytes`).toThrow(FileError);
    }
    const fixed = readFileSync(fixture('derived_legacy.pt'));
    for (let end = 0; end < fixed.length; end += 397) {
      expect(() => {
        const { paths, read } = readTorchFile(fixed.subarray(0, end), 'cut.pt');
        read(paths);
      }, `${end} bytes`).toThrow(FileError);
    }
  });

  it('with a wrong byte are read or refused, never more than that', () => {
    let refused = 0;
    for (let place = 0; place < whole.length; place++) {
      const [value] = randomBlock({ seed: 3, purpose: 'split', epoch: 0, step: 0 }, place);
      const wrong = Uint8Array.from(whole);
      wrong[place] ^= 1 + (value % 255);
      try {
        const { paths, read } = readTorchFile(wrong, 'wrong.pt');
        read(paths);
      } catch (error) {
        expect(error).toBeInstanceOf(FileError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(whole.length / 4);
  });
});
