// select, history and draw --history as a user types them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseGenotype } from '../../../src/genotype/text.ts';
import { dartsmith } from '../../helpers/command_line.ts';
import { root } from '../../helpers/process.ts';
import { scratch } from '../../helpers/scratch.ts';

const folder = join(root, 'test/fixtures/fairdarts');

describe('dartsmith select', () => {
  it('prints the genotype in the published text, and counts beside it', async () => {
    const { code, stdout, stderr } = await dartsmith(
      'select',
      folder,
      '--by',
      'threshold_sparse',
      '--threshold',
      '0.8',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Genotype\(normal=\[\('max_pool_3x3', 2, 0\), .*\], normal_concat=range\(2, 6\), reduce=\[/,
    );
    expect(stderr).toMatch(
      /^by threshold_sparse, after 3 epochs\nnormal: \d+ of 98 mixing weights reach 0.8, the largest is 0.9482\n/,
    );
    expect(parseGenotype(stdout).entries).toBe('triples');
  });

  it('says of a genotype what no network can be built of', async () => {
    const { code, stderr } = await dartsmith('select', folder);
    expect(code).toBe(0);
    expect(stderr).toMatch(/\nnote: node 3 \(state 5\) of the genotype's reduction cell has no live source: /);
    expect((await dartsmith('select', folder, '--by', 'darts')).stderr).not.toContain('note');
  });

  it('fails with one line where a cell is without an edge, and writes nothing', async () => {
    const out = join(scratch(), 'genotype.txt');
    const { code, stdout, stderr } = await dartsmith('select', folder, '--epoch', '0', '--out', out);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^dartsmith: no network can be built of this selection: no mixing weight reaches the threshold 0.85 in the normal cell and .* select by a threshold of 0.5 or less/,
    );
    expect(stderr).toContain('by threshold_sparse, before the first step\n');
    expect(existsSync(out)).toBe(false);
  });

  it('writes what --arch takes: text, or JSON by the name', async () => {
    const out = scratch();
    const { stdout } = await dartsmith('select', folder, '--by', 'threshold_edge', '--out', join(out, 'g.txt'));
    expect(readFileSync(join(out, 'g.txt'), 'utf8')).toBe(stdout);
    await dartsmith('select', folder, '--by', 'threshold_edge', '--out', join(out, 'g.json'));
    expect(parseGenotype(readFileSync(join(out, 'g.json'), 'utf8'))).toEqual(parseGenotype(stdout));
    expect((await dartsmith('draw', join(out, 'g.txt'))).stdout).toMatch(/^digraph genotype/);
  });

  it('prints JSON alone where it is asked for', async () => {
    const { stdout, stderr } = await dartsmith('select', folder, '--by', 'darts', '--json');
    const told = JSON.parse(stdout);
    expect(Object.keys(told)).toEqual(['genotype', 'by', 'threshold', 'epoch', 'counts']);
    expect(told.counts.reduce).toMatchObject({ weights: 98, atLeastThreshold: 8 });
    expect(stderr).toBe('');
  });

  it.each<[string[], number, RegExp]>([
    [[], 2, /missing required argument 'source'/],
    [
      [folder, '--by', 'threshold_spars'],
      2,
      /for --by but received 'threshold_spars' \(Did you mean threshold_sparse\?\)/,
    ],
    [[folder, '--threshold', '85'], 2, /a number from 0 to 1 for --threshold but received '85'/],
    [[folder, '--threshold', ''], 2, /for --threshold but received ''/],
    [[folder, '--epoch', '-1'], 2, /an integer of at least 0 for --epoch/],
    [[folder, '--epoch', '9'], 1, /holds no epoch 9: it has epochs up to 3/],
    [[join(folder, 'make.py')], 1, /expected a safetensors file or one that torch.save wrote/],
    [[join(folder, 'nothing')], 1, /cannot read .*nothing: no such file or folder/],
    [[root], 1, /holds no search: expected a run directory/],
    [[folder, '--candidates', ' '], 2, /names with commas between them for --candidates/],
    [[folder, '--activation', 'relu'], 2, /one of softmax, sigmoid for --activation/],
  ])('refuses %j', async (args, expected, message) => {
    const { code, stderr } = await dartsmith('select', ...args);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('dartsmith history', () => {
  it('tells of several searches in one table', async () => {
    const checkpoint = join(folder, 'checkpoint.pth.tar');
    const { code, stdout } = await dartsmith('history', folder, checkpoint, '--cell', 'normal');
    const lines = stdout.trimEnd().split('\n');
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^search +rule +cell +epochs +entries +skips +skip share +edges led +led share$/);
    expect(lines).toHaveLength(9);
    expect(lines[1].split(/\s{2,}/)).toEqual([
      folder,
      'threshold_sparse',
      'normal',
      '0',
      '0',
      '0',
      '-',
      '0/14',
      '0.0%',
    ]);
    expect(lines[4].replace(folder, '')).toBe(
      lines[8].replace(checkpoint, ' '.repeat(checkpoint.length - folder.length)),
    );
    const [epochs, entries, skips, share] = lines[4].split(/\s{2,}/).slice(3);
    expect([epochs, entries, skips, share]).toEqual(['3', '7', '1', '14.3%']);
  });

  it('tells of every operation, as text and as JSON', async () => {
    const { stdout } = await dartsmith('history', folder, '--counts', '--threshold', '0.85');
    expect(stdout).toContain(`${folder}, normal cell: edges that each operation leads / on which it reaches 0.85\n`);
    expect(stdout).toMatch(/^ +0 +14 \/ 0 +0 \/ 0 +0 \/ 0/m);
    const json = (await dartsmith('history', folder, '--json')).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(json).toHaveLength(8);
    expect(json[3]).toMatchObject({
      source: folder,
      cell: 'normal',
      by: 'threshold_sparse',
      epoch: 3,
      edges: 14,
      skips: 1,
      entries: 7,
    });
  });

  it('writes what the published code writes', async () => {
    const out = join(scratch(), 'written');
    const { stdout } = await dartsmith('history', join(folder, 'zip.pth.tar'), '--write', out);
    expect(stdout.trimEnd().split('\n')).toHaveLength(4);
    const json = (at: string) => JSON.parse(readFileSync(join(at, 'reduce/history_weight.json'), 'utf8'));
    expect(json(out)).toEqual(json(folder));
    const two = await dartsmith('history', folder, folder, '--write', out);
    expect(two).toMatchObject({ code: 2, stderr: expect.stringContaining('one search beside it for --write') });
  });
});

describe('dartsmith draw --history', () => {
  it.each(['grid', 'area', 'heatmap', 'histogram', 'skips'])('draws %s', async (kind) => {
    const out = join(scratch(), 'x.svg');
    expect(await dartsmith('draw', '--history', folder, '--kind', kind, '--cell', 'reduce', '--out', out)).toEqual({
      ...{ code: 0, stderr: '', stdout: `wrote ${out}\n` },
    });
    expect(readFileSync(out, 'utf8')).toMatch(/^<svg .*reduction cell/s);
  });

  it('draws several searches, and SVG where no file is named', async () => {
    const { stdout } = await dartsmith('draw', '--history', folder, join(folder, 'zip.pth.tar'), '--kind', 'skips');
    expect(stdout).toMatch(/^<svg .*zip\.pth\.tar \(threshold_sparse, 0\.85\)/s);
  });

  it.each<[string[], RegExp]>([
    [[], /expected a genotype to draw, or --history with a search/],
    [['DARTS_V2', '--scores', folder], /--scores is drawn by itself: leave out DARTS_V2/],
    [['--scores', folder, '--history', folder], /--scores is drawn by itself: leave out --history/],
    [['--scores', folder, '--kind', 'area'], /--kind is for --history: scores are drawn as they are/],
    [['--scores', folder, '--out', 'x.dot'], /a file name that ends in .svg or .png for --out/],
    [['DARTS_V2', '--proj-crit', 'acc'], /--proj-crit is for --scores/],
    [['DARTS_V2', '--history', folder], /a genotype and --history cannot be drawn at once: DARTS_V2/],
    [['DARTS_V2', '--kind', 'area'], /--kind is for --history/],
    [['--history', folder, folder, '--kind', 'area'], /one search for --kind area \(skips compares several\)/],
    [['--history', folder, '--out', 'x.dot'], /a file name that ends in .svg or .png for --out but received 'x.dot'/],
    [['--history', folder, '--kind', 'heat'], /one of grid, area, heatmap, histogram, skips for --kind/],
    [['--history', folder, '--cell', 'norm'], /for --cell but received 'norm' \(Did you mean normal\?\)/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await dartsmith('draw', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('says which file of a search is damaged', async () => {
    const damaged = scratch();
    writeFileSync(join(damaged, 'normal_weight.npy'), 'no array');
    const { code, stderr } = await dartsmith('draw', '--history', damaged);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dartsmith: .*normal_weight.npy is not a whole .npy file: expected the bytes/);
  });
});
