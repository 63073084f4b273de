// What a search of FairDARTS' code leaves: as PyTorch and numpy wrote it (test/fixtures/fairdarts/make.py), damaged, and as we write it.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../src/errors.ts';
import { parseEdgeLists } from '../../src/exchange/edge_lists.ts';
import { readPublishedHistory, writePublishedHistory } from '../../src/exchange/published_history.ts';
import { readSearchCheckpoint } from '../../src/exchange/search_checkpoint.ts';
import { formatNpy } from '../../src/io/npy.ts';
import { encodeSafetensors } from '../../src/io/safetensors.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const folder = join(root, 'test/fixtures/fairdarts');
const names = [
  'max_pool_3x3',
  'avg_pool_3x3',
  'skip_connect',
  'sep_conv_3x3',
  'sep_conv_5x5',
  'dil_conv_3x3',
  'dil_conv_5x5',
];
const lists = JSON.parse(readFileSync(join(folder, 'normal/history_weight.json'), 'utf8')) as Record<string, number[]>;

/** A copy of the fixtures to be damaged. */
function copied(): string {
  const copy = join(scratch(), 'search');
  cpSync(folder, copy, { recursive: true });
  return copy;
}

describe('readPublishedHistory', () => {
  it('reads a folder: the entries before each epoch, then the weights of the end', async () => {
    const { layout, activation, entries } = await readPublishedHistory(folder);
    expect(entries.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3]);
    expect(activation).toBe('sigmoid');
    expect(layout.nodes).toBe(4);
    const { rows } = layout.tables.normal;
    expect(rows.map(({ node, input }) => `${node} ${input}`).join()).toBe(
      '0 0,0 1,1 0,1 1,1 2,2 0,2 1,2 2,2 3,3 0,3 1,3 2,3 3,3 4',
    );
    expect(rows.every(({ candidates }) => candidates.join() === names.join())).toBe(true);
    // Row 8 is the edge from state 3 to node 2.
    expect(entries.slice(0, 3).map(({ mixing }) => mixing['alphas_normal'][8][4])).toEqual(
      lists['edge: (2, 3), op: sep_conv_5x5'],
    );
    expect(entries[0].mixing['alphas_reduce'].flat().every((weight) => weight === 0.5)).toBe(true);
    const bytes = readFileSync(join(folder, 'reduce_weight.npy'));
    expect(entries[3].mixing['alphas_reduce'][13][6]).toBe(bytes.readFloatLE(bytes.length - 4));
  });

  it.each(['checkpoint.pth.tar', 'zip.pth.tar'])(
    'reads %s to the same entries, and runs nothing of it',
    async (name) => {
      const whole = await readPublishedHistory(folder);
      const { entries, activation, layout } = await readPublishedHistory(join(folder, name));
      expect(layout).toEqual(whole.layout);
      expect(activation).toBe('sigmoid');
      expect(entries.slice(0, 3)).toEqual(whole.entries.slice(0, 3));
      // Of alpha: numpy has the sigmoid as torch rounds it.
      const expected = whole.entries[3].mixing['alphas_normal'].flat();
      for (const [i, weight] of entries[3].mixing['alphas_normal'].flat().entries())
        expect(weight).toBeCloseTo(expected[i], 6);
      const asked = await readPublishedHistory(join(folder, name), { activation: 'softmax' });
      expect(asked.entries[3].mixing['alphas_normal'][0].reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    },
  );

  it.each(['normal', 'reduce'])(
    'reads both history_weight.json by that of the %s cell, whatever lies beside it',
    async (cell) => {
      const whole = await readPublishedHistory(folder);
      const { entries, layout } = await readPublishedHistory(join(folder, cell, 'history_weight.json'));
      expect(layout).toEqual(whole.layout);
      expect(entries).toEqual(whole.entries.slice(0, 3));
      const alone = join(scratch(), 'history_weight.json');
      writeFileSync(alone, '{}');
      await expect(readPublishedHistory(alone)).rejects.toThrow(/normal.history_weight\.json/);
    },
  );

  it('reads a pair of .npy files by either, and one of 8 columns as DARTS', async () => {
    for (const name of ['normal_weight.npy', 'reduce_weight.npy']) {
      const { entries, layout } = await readPublishedHistory(join(folder, name));
      expect(entries).toHaveLength(1);
      expect(layout.tables.reduce.rows[13]).toEqual({ node: 3, input: 4, candidates: names });
    }
    const darts = scratch();
    const table = formatNpy([5, 8], new Float32Array(40).fill(0.125));
    for (const type of ['normal', 'reduce']) writeFileSync(join(darts, `${type}_weight.npy`), table);
    const { layout, activation } = await readPublishedHistory(darts);
    expect(activation).toBe('softmax');
    expect(layout.nodes).toBe(2);
    expect(layout.tables.normal.rows[0].candidates).toEqual(['none', ...names]);
  });

  it('takes the names of other candidates', async () => {
    const own = scratch();
    const table = formatNpy([2, 2], Float32Array.of(0.1, 0.2, 0.3, 0.4));
    for (const type of ['normal', 'reduce']) writeFileSync(join(own, `${type}_weight.npy`), table);
    await expect(readPublishedHistory(own)).rejects.toThrow(
      /7 columns of FairDARTS or 8 of DARTS but got 2: name the candidates/,
    );
    await expect(readPublishedHistory(own, { candidates: ['a'] })).rejects.toThrow(/expected 1 columns but got 2/);
    for (const candidates of [
      ['none', 'none'],
      ['a', 'a'],
      ['a', '\n'],
    ]) {
      await expect(readPublishedHistory(own, { candidates })).rejects.toThrow(
        /each once and one at least other than none/,
      );
    }
    const { layout } = await readPublishedHistory(own, { candidates: ['skip_connect', 'sep_conv_3x3'] });
    expect(layout.tables.normal.rows).toHaveLength(2);
  });

  it('reads alpha of a safetensors file, by softmax where none is a candidate', async () => {
    const path = join(scratch(), 'alpha.safetensors');
    const zeros = { shape: [2, 8], data: new Float32Array(16) };
    writeFileSync(
      path,
      encodeSafetensors(
        new Map([
          ['alphas_normal', zeros],
          ['alphas_reduce', zeros],
        ]),
      ),
    );
    const { entries } = await readPublishedHistory(path);
    expect(entries[0].mixing['alphas_normal'][1]).toEqual(new Array(8).fill(0.125));
  });

  it.each<[string, (copy: string) => void, RegExp]>([
    [
      'no reduction cell',
      (copy) => writeFileSync(join(copy, 'reduce_weight.npy'), ''),
      /reduce_weight.npy is not a whole .npy file/,
    ],
    [
      'a torn history',
      (copy) => writeFileSync(join(copy, 'normal/history_weight.json'), '{"edge: (0'),
      /expected JSON/,
    ],
    [
      'alpha where weights belong',
      (copy) => writeFileSync(join(copy, 'normal_weight.npy'), formatNpy([14, 7], new Float32Array(98).fill(-0.25))),
      /normal_weight.npy: expected mixing weights, from 0 to 1, for the normal cell but got -0.25/,
    ],
    [
      'NaN',
      (copy) =>
        writeFileSync(join(copy, 'normal_weight.npy'), formatNpy([14, 7], new Float32Array(98).fill(Number.NaN))),
      /but got NaN/,
    ],
    [
      'weights of another space than the history',
      (copy) => writeFileSync(join(copy, 'normal_weight.npy'), formatNpy([14, 8], new Float32Array(112))),
      /expected 14 rows of 7 weights for the normal cell but got 14 rows of 8/,
    ],
    [
      'rows that are no cell',
      (copy) => {
        writeFileSync(join(copy, 'normal/history_weight.json'), JSON.stringify({ 'edge: (0, 3), op: a': [1] }));
      },
      /edges \(node, input\) of a cell/,
    ],
    [
      'histories of other lengths',
      (copy) => writeFileSync(join(copy, 'normal/history_weight.json'), JSON.stringify(cut(lists))),
      /histories of both cells of as many nodes and epochs/,
    ],
  ])('refuses %s', async (_, damage, message) => {
    const copy = copied();
    damage(copy);
    await expect(readPublishedHistory(copy)).rejects.toThrow(FileError);
    await expect(readPublishedHistory(copy)).rejects.toThrow(message);
  });

  const cut = (all: Record<string, number[]>) =>
    Object.fromEntries(Object.entries(all).map(([key, list]) => [key, list.slice(1)]));

  it('names a missing half of a pair, and a file that is none of a pair', async () => {
    const copy = scratch();
    cpSync(join(folder, 'normal_weight.npy'), join(copy, 'normal_weight.npy'));
    await expect(readPublishedHistory(copy)).rejects.toThrow(/cannot read .*reduce_weight.npy: no such file/);
    await expect(readPublishedHistory(join(folder, 'fortran.npy'))).rejects.toThrow(
      /normal_weight.npy with reduce_weight.npy beside it/,
    );
    await expect(readPublishedHistory(join(copy, 'nothing'))).rejects.toThrow(/cannot read/);
  });
});

describe('history_weight.json', () => {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  it.each<[unknown, RegExp]>([
    ['', /expected JSON/],
    ['[]', /an object of lists/],
    ['{}', /at least one epoch/],
    [{ 'edge: (0, 0), op: a': [] }, /at least one epoch/],
    [{ 'edge: (0, 0)': [1] }, /keys such as 'edge: \(0, 1\), op: skip_connect' but got 'edge: \(0, 0\)'/],
    ['{"__proto__": [1]}', /but got '__proto__'/],
    [{ 'edge: (0, 0), op: a': 1 }, /a list of finite numbers for 'edge: \(0, 0\), op: a'/],
    [{ 'edge: (0, 0), op: a': [null] }, /a list of finite numbers/],
    ['{"edge: (0, 0), op: a": [1e999]}', /a list of finite numbers/],
    ['{"edge: (0, 0), op: a": [1], "edge: (0, 0), op: a": [2]}', /every key once/],
    [{ 'edge: (0, 0), op: a': [1, 2], 'edge: (0, 1), op: a': [1] }, /2 numbers, one an epoch, .* but got 1/],
    [{ 'edge: (999, 0), op: a': [1] }, /edges \(node, input\) of a cell/],
    [{ 'edge: (1, 0), op: a': [1] }, /edges \(node, input\) of a cell/],
    [{ 'edge: (0, 0), op: none': [1] }, /at least one operation on each/],
    [{ 'edge: (0, 0), op: \u0007': [1] }, /edges|keys/],
  ])('refuses %j', (value, message) => {
    expect(() => parseEdgeLists(text(value), 'h.json')).toThrow(FileError);
    expect(() => parseEdgeLists(text(value), 'h.json')).toThrow(message);
    expect(() => parseEdgeLists(text(value), 'h.json')).toThrow(/h\.json/);
  });

  it('puts edges in their order, whatever order they are written in', () => {
    const { rows, entries } = parseEdgeLists(
      text({ 'edge: (0, 1), op: a': [0.25], 'edge: (0, 0), op: b': [0.5] }),
      'h',
    );
    expect(rows.map(({ input, candidates }) => [input, candidates])).toEqual([
      [0, ['b']],
      [1, ['a']],
    ]);
    expect(entries).toEqual([[[0.5], [0.25]]]);
  });
});

describe('checkpoint.pth.tar', () => {
  it.each(['checkpoint.pth.tar', 'zip.pth.tar'])(
    '%s ends or is damaged anywhere: an error of ours or a whole one',
    (name) => {
      const whole = readFileSync(join(folder, name));
      for (let length = 0; length < whole.length; length += 97) {
        expect(() => readSearchCheckpoint(whole.subarray(0, length), name), `${length}`).toThrow(FileError);
      }
      for (let at = 0; at < whole.length; at += 131) {
        const bytes = Buffer.from(whole);
        bytes[at] ^= 0x55;
        try {
          expect(readSearchCheckpoint(bytes, name).alpha.normal).toHaveLength(14);
        } catch (error) {
          expect(error, `byte ${at}`).toBeInstanceOf(FileError);
        }
      }
    },
  );

  it('without alpha is refused', () => {
    const bytes = readFileSync(join(root, 'test/fixtures/torch/zip.pt'));
    expect(() => readSearchCheckpoint(bytes, 'c')).toThrow(
      /c is no checkpoint of a search: expected alphas_normal and alphas_reduce/,
    );
  });
});

describe('writePublishedHistory', () => {
  it('writes what the published code wrote', async () => {
    const copy = join(scratch(), 'written');
    const history = await readPublishedHistory(folder);
    const written = await writePublishedHistory(copy, history);
    expect(written).toHaveLength(4);
    for (const type of ['normal', 'reduce']) {
      const json = (at: string) => JSON.parse(readFileSync(join(at, type, 'history_weight.json'), 'utf8'));
      expect(Object.entries(json(copy))).toEqual(Object.entries(json(folder)));
      const npy = (at: string) => readFileSync(join(at, `${type}_weight.npy`));
      expect(npy(copy).equals(npy(folder))).toBe(true);
    }
    expect(await readPublishedHistory(copy)).toEqual(history);
  });

  it('writes a single table as .npy alone', async () => {
    const copy = join(scratch(), 'written');
    const history = await readPublishedHistory(join(folder, 'normal_weight.npy'));
    expect(await writePublishedHistory(copy, history)).toEqual(
      ['normal', 'reduce'].map((type) => join(copy, `${type}_weight.npy`)),
    );
    expect(await readPublishedHistory(copy)).toEqual(history);
  });

  it('says what is in the way', async () => {
    const copy = scratch();
    mkdirSync(join(copy, 'a'));
    writeFileSync(join(copy, 'a/normal'), '');
    await expect(writePublishedHistory(join(copy, 'a'), await readPublishedHistory(folder))).rejects.toThrow(FileError);
  });
});
